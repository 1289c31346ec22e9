"""Certificates and keys that an operator carries to and from an ASA."""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_devices.profiles.cisco.pasting import armored, decode_base64
from tests.support.asa import FirewallBench
from tests.support.consoles import Terminal

TERMINAL = [
    "crypto ca trustpoint TP",
    "enrollment terminal",
    "subject-name CN=asa,O=x",
    "keypair K",
    "exit",
]


def _open(bench: FirewallBench) -> Terminal:
    terminal = bench.terminal()
    for line in ("enable", "", "terminal pager 0", "configure terminal"):
        terminal.run(line)
    return terminal


def _run(terminal: Terminal, *lines: str) -> str:
    return "".join(terminal.run(line) for line in lines)


def _paste(terminal: Terminal, label: str, der: bytes) -> str:
    return _run(terminal, *armored(label, der), "quit")


def _authenticated(bench: FirewallBench) -> Terminal:
    terminal = _open(bench)
    _run(terminal, *TERMINAL, "crypto ca authenticate TP")
    _paste(terminal, "CERTIFICATE", bench.port.authority)
    assert "accepted" in terminal.run("yes")
    return terminal


def test_a_pasted_ca_certificate_is_asked_about() -> None:
    """The question shows its fingerprint; after yes the trustpoint trusts it."""
    bench = FirewallBench()
    terminal = _open(bench)
    asked = _run(terminal, *TERMINAL, "crypto ca authenticate TP")
    assert 'Enter the base 64 encoded CA certificate.\nEnd with the word "quit"' in asked
    shown = _paste(terminal, "CERTIFICATE", bench.port.authority)
    assert "Fingerprint:     3fda915e 364a79b9 2edd27b7 9a400f24" in shown
    assert terminal.run("yes") == (
        "yes\n\nTrustpoint CA certificate accepted.\n\n% Certificate successfully imported\n"
        "asa(config)# "
    )
    assert bench.port.view("TP").ca_certificates_der == (bench.port.authority,)


def test_a_pasted_ca_certificate_with_another_fingerprint_is_refused() -> None:
    """Nothing is asked and nothing kept."""
    bench = FirewallBench()
    terminal = _open(bench)
    _run(terminal, *TERMINAL, f"crypto ca authenticate TP fingerprint {'00' * 16}")
    assert "Fingerprint mismatch" in _paste(terminal, "CERTIFICATE", bench.port.authority)
    assert not bench.port.view("TP").ca_certificates_der


def test_a_paste_that_is_no_certificate_is_refused() -> None:
    """The console says so and goes on."""
    bench = FirewallBench()
    terminal = _open(bench)
    _run(terminal, *TERMINAL, "crypto ca authenticate TP", "hello")
    assert "ERROR: Failed to parse" in terminal.run("quit")


def test_terminal_enrollment_shows_a_request_and_takes_its_certificate() -> None:
    """The request is the one that waits; the certificate for it is installed."""
    bench = FirewallBench()
    terminal = _authenticated(bench)
    _run(terminal, "crypto ca enroll TP", "no")
    shown = terminal.run("yes")
    request = x509.load_pem_x509_csr(shown[shown.index("-----BEGIN") :].encode())
    assert request.public_bytes(Encoding.DER) == bench.port.view("TP").pending_csr_der
    assert shown.endswith("Redisplay enrollment request? [yes/no]: ")
    assert "Status: Pending" in _run(terminal, "no", "show crypto ca certificates TP")
    certificate_der = bench.port.ca_signs("TP")
    _run(terminal, "crypto ca import TP certificate")
    assert "INFO: Certificate successfully imported" in _paste(
        terminal, "CERTIFICATE", certificate_der
    )
    assert bench.port.view("TP").certificate_der == certificate_der
    assert "granted" not in terminal.later()


def test_a_certificate_for_another_key_is_refused() -> None:
    """The reason is shown."""
    bench = FirewallBench()
    terminal = _authenticated(bench)
    _run(terminal, "crypto ca enroll TP", "no", "no", "crypto ca import TP certificate")
    answer = _paste(terminal, "CERTIFICATE", bench.port.authority)
    assert "ERROR: Failed to import certificate:" in answer
    assert bench.port.view("TP").certificate_der is None


def _enrolled(bench: FirewallBench) -> Terminal:
    terminal = _open(bench)
    _run(
        terminal, "crypto ca trustpoint TP", "enrollment url http://10.0.0.9", "keypair K", "exit",
        "crypto ca authenticate TP nointeractive",
    )  # fmt: skip
    bench.port.ca_answers("TP")
    _run(terminal, "crypto ca enroll TP noconfirm")
    bench.port.ca_grants("TP")
    terminal.later()
    return terminal


def test_export_and_import_of_pkcs12() -> None:
    """What one trustpoint exports, another box takes in."""
    bench = FirewallBench()
    terminal = _enrolled(bench)
    exported = terminal.run("crypto ca export TP pkcs12 s3cret")
    text = exported[exported.index("-----BEGIN PKCS12-----") : exported.index("---End")]
    other = FirewallBench(hostname="other")
    second = _open(other)
    assert "encoded pkcs12." in _run(second, "crypto ca import NEW pkcs12 s3cret")
    answer = _paste(second, "PKCS12", decode_base64(text))
    assert "INFO: Import PKCS12 operation completed successfully." in answer
    assert other.port.view("NEW").certificate_der == bench.port.view("TP").certificate_der
    assert "crypto ca trustpoint NEW\n keypair NEW" in _run(second, "show running-config crypto ca")


def test_a_wrong_passphrase_leaves_nothing_behind() -> None:
    """No trustpoint, and the passphrase is not repeated."""
    bench = FirewallBench()
    exported = _enrolled(bench).run("crypto ca export TP pkcs12 s3cret")
    text = exported[exported.index("-----BEGIN PKCS12-----") : exported.index("---End")]
    other = FirewallBench(hostname="other")
    second = _open(other)
    _run(second, "crypto ca import NEW pkcs12 wr0ng")
    answer = _paste(second, "PKCS12", decode_base64(text))
    assert "ERROR: Import PKCS12 operation failed" in answer
    assert "wr0ng" not in answer
    assert other.firewall.config.trustpoints == {}


def test_identity_certificate_is_exported_as_pem() -> None:
    """It is the installed one."""
    bench = FirewallBench()
    terminal = _enrolled(bench)
    shown = terminal.run("crypto ca export TP identity-certificate")
    found = re.search(r"-----BEGIN CERTIFICATE-----.*-----END CERTIFICATE-----", shown, re.DOTALL)
    assert found
    exported = x509.load_pem_x509_certificate(found[0].encode())
    assert exported.public_bytes(Encoding.DER) == bench.port.view("TP").certificate_der
