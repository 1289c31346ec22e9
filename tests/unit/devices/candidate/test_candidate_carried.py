"""Requests and certificates that an operator carries to and from Junos and PAN-OS."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_devices.profiles.paloalto_panos.certificate_entry import one_line_pem
from tests.support.consoles import Terminal
from tests.support.device_bench import DeviceBench, shared_profile

SIGN_JUNOS, SIGN_PANOS = "certificate-id LOCAL", "certificate fw"


def type_all(terminal: Terminal, *lines: str) -> str:
    """Types lines without paging; everything that appeared."""
    terminal.console.session.length = 0
    return "".join(terminal.type(line + "\r") for line in lines)


def paste_file(terminal: Terminal, name: str, der: bytes) -> None:
    """Brings a certificate into a file, as people do in the shell."""
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
    type_all(terminal, "start shell", f"cat > {name} << E", *pem.splitlines(), "E", "exit")


def test_junos_loads_ca_and_certificate_from_files() -> None:
    """Request out, certificates in, verified, and key and certificate out again."""
    bench = DeviceBench(shared_profile("juniper-junos"))
    terminal = bench.terminal()
    type_all(terminal, "configure", "set security pki ca-profile Out ca-identity Out", "commit")
    type_all(terminal, "exit", "request security pki generate-key-pair certificate-id LOCAL")
    paste_file(terminal, "/var/tmp/ca.pem", bench.port.authority)
    load = "request security pki ca-certificate load ca-profile Out filename /var/tmp/ca.pem"
    assert "Do you want to load this CA certificate ? [yes,no] (no) " in type_all(terminal, load)
    assert "CA certificate for profile Out loaded successfully" in type_all(terminal, "yes")
    create = "request security pki generate-certificate-request certificate-id LOCAL subject CN=x"
    create += " email a@b.example ip-address 192.0.2.9 ipv6-address 2001:db8::9"
    shown = type_all(terminal, create)
    request = x509.load_pem_x509_csr(shown[shown.index("-----BEGIN") :].encode())
    assert request.subject.rfc4514_string() == "CN=x"
    shown = type_all(terminal, "show security pki certificate-request detail")
    assert 'Alternate subject: "a@b.example", fqdn empty, 192.0.2.9, 2001:db8::9' in shown
    certificate_der = bench.port.ca_signs(SIGN_JUNOS)
    paste_file(terminal, "/var/tmp/x.pem", certificate_der)
    load = "request security pki local-certificate load certificate-id LOCAL filename "
    assert "Local certificate loaded successfully" in type_all(terminal, load + "/var/tmp/x.pem")
    assert bench.port.view(SIGN_JUNOS).certificate_der == certificate_der
    verify = "request security pki local-certificate verify certificate-id LOCAL"
    assert "Local certificate LOCAL verification success" in type_all(terminal, verify)
    export = "request security pki key-pair export certificate-id LOCAL filename k.pem"
    assert "a passphrase is needed" in type_all(terminal, export)
    assert "exported successfully" in type_all(terminal, export + " passphrase s3cret-pass")
    assert "BEGIN" in type_all(terminal, "file show k.pem")


def test_panos_takes_a_certificate_for_its_request_with_a_commit() -> None:
    """The CA and then the certificate are pasted as statements; PKCS #12 leaves."""
    bench = DeviceBench(shared_profile("paloalto-panos"))
    terminal = bench.terminal()
    shown = type_all(
        terminal, "request certificate generate certificate-name fw name x signed-by external"
    )
    request = x509.load_pem_x509_csr(shown[shown.index("-----BEGIN") :].encode())
    assert request.subject.rfc4514_string() == "CN=x"
    certificate_der = bench.port.ca_signs(SIGN_PANOS)
    shown = type_all(
        terminal, "configure",
        f'set shared certificate root ca yes public-key "{one_line_pem(bench.port.authority)}"',
        f'set shared certificate fw public-key "{one_line_pem(certificate_der)}"', "commit", "exit",
    )  # fmt: skip
    assert "Configuration committed successfully" in shown
    assert bench.port.view(SIGN_PANOS).certificate_der == certificate_der
    assert "db-name: /CN=x" in type_all(terminal, "show sslmgr-store config-certificate-info")
    assert "Lab CA" in type_all(terminal, "show sslmgr-store config-ca-certificate")
    export = "request certificate export certificate-name fw format pkcs12"
    assert "a passphrase is needed" in type_all(terminal, export)
    assert "3082" in type_all(terminal, export + " passphrase s3cret-pass")
