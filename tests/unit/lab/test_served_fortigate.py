"""A FortiGate with the real engine and a real server: enrollment, restart, pending, refusal."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from sceplab_devices.profiles.fortinet_fortios.pem import read_certificate
from tests.support.consoles import ManualClock
from tests.support.fortigate_site import log_in
from tests.support.scripted_carried import load_test_key
from tests.support.scripted_port import ScriptedPort
from tests.support.served_device import Operator, Site, open_site
from tests.support.server import NOW


def import_ca(site: Site) -> str:
    """The command that trusts the server's CA on first use."""
    return f"execute vpn certificate ca import auto {site.url}"


def generate(site: Site, challenge: str) -> str:
    """The command that makes key and request, and sends it."""
    return (
        f'execute vpn certificate local generate rsa VPN 2048 fw.example.test NL "" "" Example "" '
        f'"" DNS:fw.example.test {site.url} {challenge}'
    )


def certificate_of(operator: Operator) -> x509.Certificate:
    """The certificate that the engine holds for the entry."""
    der = operator.hosted.device.port.view("VPN").certificate_der
    assert der is not None
    return x509.load_der_x509_certificate(der)


async def test_enrolled_certificate_is_there_after_a_restart(tmp_path: Path) -> None:
    """Import, generate, show; the box that comes up again shows the same, unasked."""
    async with open_site(tmp_path) as site:
        async with log_in(site) as operator:
            shown = await operator.type(import_ca(site), generate(site, site.password()))
            assert shown.count("Done.") == 2
            details = await operator.type("get vpn certificate local details VPN")
            certificate = certificate_of(operator)
            assert (
                f"Valid to:    {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S}  GMT" in details
            )
            assert "Subject:     C = NL, O = Example, CN = fw.example.test\n" in details
            assert "DNS:fw.example.test" in details
            await operator.type("config user peer", "edit P", "set ca CA_Cert_1", "end")
        saved = (tmp_path / "startup-config").read_text()
        assert "PRIVATE KEY" not in saved
        async with log_in(site) as operator:
            assert await operator.type("get vpn certificate local details VPN") == details
            assert certificate_of(operator) == certificate
            assert 'set ca "CA_Cert_1"' in await operator.type("show user peer")
            verified = await operator.type("execute vpn certificate local verify VPN")
            assert "Certificate is valid." in verified


def pending_lines(shown: str) -> str:
    """PEM text of the request that an entry shows."""
    begins, _, rest = shown.partition("-----BEGIN CERTIFICATE REQUEST-----")
    assert begins != shown
    return rest.partition("-----END CERTIFICATE REQUEST-----")[0]


async def test_pending_request_survives_a_restart_and_is_granted(tmp_path: Path) -> None:
    """The state is Pending until somebody approves; the debug lines have the transaction."""
    async with open_site(tmp_path, approval="manual") as site:
        async with log_in(site) as operator:
            await operator.type("diagnose debug application scep -1", "diagnose debug enable")
            shown = await operator.type(import_ca(site), generate(site, site.password()))
            (request,) = site.server.administration.pending()
            assert f" new_scep_transaction: transaction id: {request.transaction_id}\n" in shown
            assert "PENDING (3)" in shown
            state = await operator.type("get vpn certificate local VPN | grep state")
            assert "state               : Pending \n" in state
            entry = await operator.type("show full-configuration vpn certificate local VPN")
            assert "BEGIN CERTIFICATE REQUEST" in entry
        async with log_in(site) as operator:
            again = await operator.type("show full-configuration vpn certificate local VPN")
            assert pending_lines(again) == pending_lines(entry)
            state = await operator.type("get vpn certificate local VPN | grep state")
            assert "state               : Pending \n" in state
            site.server.administration.approve(request.request_id, site.clock())
            await site.pass_time(operator, minutes=2)
            state = await operator.type("get vpn certificate local VPN | grep state")
            assert "state               : OK \n" in state


async def test_refused_request_stays_a_request(tmp_path: Path) -> None:
    """The log has the reason; there is no certificate."""
    async with open_site(tmp_path, approval="manual") as site, log_in(site) as operator:
        await operator.type(import_ca(site), generate(site, site.password()))
        (request,) = site.server.administration.pending()
        site.server.administration.deny(request.request_id, site.clock())
        await site.pass_time(operator, minutes=2)
        shown = await operator.type("show vpn certificate local", "execute log display")
        assert "BEGIN CERTIFICATE REQUEST" in shown
        assert "BEGIN CERTIFICATE-" not in shown
        assert "Certificate request is rejected: badRequest (2)" in shown


async def test_renewal_days_before_the_end(tmp_path: Path) -> None:
    """The new certificate has a new key unless the key is retained; the name stays."""
    async with open_site(tmp_path) as site, log_in(site) as operator:
        await operator.type(
            import_ca(site), generate(site, site.password()), "config vpn certificate local",
            "edit VPN", "set auto-regenerate-days 30", "end",
        )  # fmt: skip
        first = certificate_of(operator)
        days = (first.not_valid_after_utc - NOW).days
        await site.pass_time(operator, days=days - 31)
        assert certificate_of(operator) == first
        await site.pass_time(operator, days=2)
        second = certificate_of(operator)
        assert second.serial_number != first.serial_number
        assert second.public_key() != first.public_key()
        await operator.type(
            "config vpn certificate local", "edit VPN", "set private-key-retain enable", "end"
        )
        await site.pass_time(operator, days=days - 25)
        third = certificate_of(operator)
        assert third.serial_number != second.serial_number
        assert third.public_key() == second.public_key()


async def test_changed_ca_is_not_believed(tmp_path: Path) -> None:
    """What was imported from the URL pins the CA of the request that goes there."""
    async with open_site(tmp_path) as site, log_in(site) as operator:
        await operator.type(import_ca(site))
        box = operator.hosted.device
        other = x509.load_der_x509_certificate(ScriptedPort(ManualClock()).authority)
        pem = other.public_bytes(Encoding.PEM).decode()
        await operator.type("config vpn certificate ca", "edit CA_Cert_1")
        box_lines = [f'set ca "{line}' if not n else line for n, line in enumerate(pem.split("\n"))]
        await operator.type(*box_lines[:-1], '"', "end", generate(site, site.password()))
        assert box.port.view("VPN").certificate_der is None
        assert "CA certificate does not match" in await operator.type("execute log display")


async def test_fingerprint_that_does_not_match_imports_nothing(tmp_path: Path) -> None:
    """The fourth argument is compared with the CA certificate."""
    async with open_site(tmp_path) as site, log_in(site) as operator:
        wrong = await operator.type(f'{import_ca(site)} "" "" {"00" * 32}')
        assert "does not match" in wrong
        pin = site.server.hierarchy.root.certificate.fingerprint(SHA256()).hex(":").upper()
        right = await operator.type(f'{import_ca(site)} "" "" {pin}', "show vpn certificate ca")
        assert "Done." in right
        assert read_certificate(right.partition('set ca "')[2].partition('"')[0]) == (
            site.server.hierarchy.root.certificate
        )


async def test_unreachable_server(tmp_path: Path) -> None:
    """Nothing is stored, and the command says so."""
    async with open_site(tmp_path) as site, log_in(site) as operator:
        url = "http://127.0.0.1:9/certsrv/mscep/mscep.dll"
        shown = await operator.type(f"execute vpn certificate ca import auto {url}")
        assert "Failed to get CA certificate." in shown
        assert "CA_Cert" not in await operator.type("get vpn certificate ca")


def pasted(attribute: str, pem: str) -> list[str]:
    """Lines that paste a PEM text."""
    lines = pem.strip().split("\n")
    return [f'set {attribute} "{lines[0]}', *lines[1:-1], lines[-1] + '"']


async def test_request_is_carried_to_another_ca(tmp_path: Path) -> None:
    """No URL: the request is shown, the certificate pasted; both are there after a restart."""
    authority = x509.load_der_x509_certificate(ScriptedPort(lambda: NOW).authority)
    ca_pem = authority.public_bytes(Encoding.PEM).decode()
    async with open_site(tmp_path) as site:
        async with log_in(site) as operator:
            await operator.type(
                "config vpn certificate ca", "edit Root", *pasted("ca", ca_pem), "end",
                "execute vpn certificate local generate ec VPN secp256r1 fw.example.test NL",
            )  # fmt: skip
            shown = await operator.type("show vpn certificate local VPN")
            pem = shown.partition('set csr "')[2].partition('"')[0]
        async with log_in(site) as operator:
            assert pem in await operator.type("show vpn certificate local VPN")
            request = x509.load_pem_x509_csr(pem.encode())
            certificate = (
                x509.CertificateBuilder(
                    issuer_name=authority.subject,
                    subject_name=request.subject,
                    public_key=request.public_key(),
                    serial_number=77,
                    not_valid_before=NOW,
                    not_valid_after=NOW + timedelta(days=90),
                )
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .sign(load_test_key("ca"), SHA256())
            )
            answer = certificate.public_bytes(Encoding.PEM).decode()
            typed = await operator.type(
                "config vpn certificate local", "edit VPN", *pasted("certificate", answer), "end"
            )
            assert "Certificate import failed" not in typed
            assert certificate_of(operator) == certificate
        async with log_in(site) as operator:
            details = await operator.type("get vpn certificate local details VPN")
            assert "Serial Num:  4d\n" in details


async def test_certificate_without_a_request_is_refused(tmp_path: Path) -> None:
    """An entry without a key takes no certificate."""
    authority = x509.load_der_x509_certificate(ScriptedPort(lambda: NOW).authority)
    pem = authority.public_bytes(Encoding.PEM).decode()
    async with open_site(tmp_path) as site, log_in(site) as operator:
        typed = await operator.type(
            "config vpn certificate local", "edit NEW", *pasted("certificate", pem), "end"
        )
        assert "Certificate import failed: " in typed


async def test_key_pair_from_outside(tmp_path: Path) -> None:
    """Key and certificate are pasted; they are there after a restart."""
    port = ScriptedPort(lambda: NOW)
    key = load_test_key("device-1")
    name = x509.Name.from_rfc4514_string("CN=fw.example.test")
    request = x509.CertificateSigningRequestBuilder(name).sign(key, SHA256())
    answer = x509.load_der_x509_certificate(port._issue(request))
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    pem = answer.public_bytes(Encoding.PEM).decode()
    async with open_site(tmp_path) as site:
        async with log_in(site) as operator:
            typed = await operator.type(
                "config vpn certificate local", "edit VPN", *pasted("private-key", key_pem),
                *pasted("certificate", pem), "end",
            )  # fmt: skip
            assert "Certificate import failed" not in typed
        async with log_in(site) as operator:
            assert certificate_of(operator) == answer
