"""Certificates and keys that an operator types in, and requests that are carried to the CA."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from sceplab_devices.profiles.fortinet_fortios.configuration import Entry
from sceplab_devices.profiles.fortinet_fortios.local_certificates import request_name, settings_of
from tests.support.consoles import Terminal
from tests.support.fortigate import FortiBench
from tests.support.scripted_carried import load_test_key


def set_pem(terminal: Terminal, name: str, pem: str) -> str:
    """Pastes a PEM text as people do: line by line inside of quotes."""
    first, *rest = pem.rstrip("\n").split("\n")
    shown = terminal.run(f'set {name} "{first}')
    for line in rest[:-1]:
        assert shown.endswith("\n> ")
        shown = terminal.run(line)
    return terminal.run(rest[-1] + '"')


def issue(bench: FortiBench, request: x509.CertificateSigningRequest) -> str:
    """What the CA gives for a request, as PEM."""
    return (
        x509.load_der_x509_certificate(bench.port._issue(request))
        .public_bytes(Encoding.PEM)
        .decode()
    )


@pytest.fixture
def bench() -> FortiBench:
    """A box."""
    return FortiBench()


@pytest.fixture
def terminal(bench: FortiBench) -> Terminal:
    """Its administrator."""
    return bench.operator()


def test_request_without_url_is_carried_to_the_ca(bench: FortiBench, terminal: Terminal) -> None:
    """The request is shown; its certificate is pasted; the key stays where it was made."""
    made = terminal.run("execute vpn certificate local generate rsa WEB 2048 fw.example.test NL")
    assert made.endswith("\nDone.\nFGT60F # ")
    shown = terminal.run("show vpn certificate local WEB")
    pem = shown.partition('set csr "')[2].partition('"')[0]
    request = x509.load_pem_x509_csr(pem.encode())
    assert request.subject.rfc4514_string() == "CN=fw.example.test,C=NL"
    terminal.run("config vpn certificate local")
    terminal.run("edit WEB")
    assert set_pem(terminal, "certificate", issue(bench, request)).endswith("FGT60F (WEB) # ")
    assert terminal.run("end") == "end\nFGT60F # "
    shown = terminal.run("show vpn certificate local WEB")
    assert "BEGIN CERTIFICATE-----" in shown
    assert "REQUEST" not in shown
    assert "PRIVATE KEY" not in bench.saved[-1]


def test_certificate_for_another_key_is_refused(bench: FortiBench, terminal: Terminal) -> None:
    """The entry stays open, and the certificate is not taken."""
    terminal.run("execute vpn certificate local generate rsa WEB 2048 fw.example.test")
    terminal.run("config vpn certificate local")
    terminal.run("edit WEB")
    ca = x509.load_der_x509_certificate(bench.port.authority)
    set_pem(terminal, "certificate", ca.public_bytes(Encoding.PEM).decode())
    assert "Certificate import failed: " in terminal.run("end")
    assert bench.port.view("WEB").certificate_der is None
    assert terminal.run("abort") == "abort\nFGT60F # "


@pytest.mark.parametrize("password", ["", "geheim"])
def test_key_pair_from_outside(bench: FortiBench, terminal: Terminal, password: str) -> None:
    """Key and certificate are pasted together; the key is nowhere in the configuration."""
    key = load_test_key("device-1")
    name = x509.Name.from_rfc4514_string("CN=fw.example.test")
    request = x509.CertificateSigningRequestBuilder(name).sign(key, hashes.SHA256())
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()
    for line in ("config vpn certificate local", "edit OUT", f'set password "{password}"'):
        terminal.run(line)
    set_pem(terminal, "private-key", key_pem)
    set_pem(terminal, "certificate", issue(bench, request))
    assert terminal.run("end") == "end\nFGT60F # "
    assert "kept in the key store of the box" in terminal.run("show vpn certificate local OUT")
    assert key_pem.splitlines()[1] not in bench.saved[-1]
    assert bench.port.view("OUT").certificate_der is not None


def test_wrong_password_of_a_pasted_key(bench: FortiBench, terminal: Terminal) -> None:
    """Nothing is taken, and the password is in no message."""
    key = load_test_key("device-1")
    encryption = BestAvailableEncryption(b"right")
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()
    name = x509.Name.from_rfc4514_string("CN=x")
    request = x509.CertificateSigningRequestBuilder(name).sign(key, hashes.SHA256())
    for line in ("config vpn certificate local", "edit OUT", "set password sesame"):
        terminal.run(line)
    set_pem(terminal, "private-key", key_pem)
    set_pem(terminal, "certificate", issue(bench, request))
    shown = terminal.run("end")
    assert "Certificate import failed: " in shown
    assert "sesame" not in shown
    assert bench.port.keys() == []


def test_pasting_what_is_shown_changes_nothing(bench: FortiBench, terminal: Terminal) -> None:
    """The output of show can be typed again: placeholder and certificate are known."""
    bench.enroll(terminal)
    shown = terminal.run("show vpn certificate local VPN").split("\n")[1:-1]
    before = bench.port.view("VPN").certificate_der
    for line in shown:
        assert "fail" not in terminal.run(line)
    assert bench.port.view("VPN").certificate_der == before
    assert terminal.run("").endswith("FGT60F # ")


def test_ca_certificate_is_pasted(bench: FortiBench, terminal: Terminal) -> None:
    """A CA certificate comes by hand; what is no certificate does not."""
    terminal.run("config vpn certificate ca")
    terminal.run("edit Root")
    assert "MUST be set" in terminal.run("next")
    terminal.run("set ca nothing")
    assert "Certificate file is invalid." in terminal.run("next")
    ca = x509.load_der_x509_certificate(bench.port.authority)
    set_pem(terminal, "ca", ca.public_bytes(Encoding.PEM).decode())
    assert terminal.run("end") == "end\nFGT60F # "
    bench.enroll(terminal)
    assert "Certificate is valid." in terminal.run("execute vpn certificate local verify VPN")
    bench.restart()
    assert "Subject:     O = x, CN = Lab CA" in bench.operator().run("get vpn certificate ca det")


@pytest.mark.parametrize(
    ("san", "hosts", "mails", "addresses"),
    [
        ("DNS:a.example,IP:192.0.2.1", ["a.example"], [], ["192.0.2.1"]),
        ("b.example,email:a@b.example,ip:::1", ["b.example"], ["a@b.example"], ["::1"]),
    ],
)
def test_names_of_every_kind_stand_in_the_request(
    san: str, hosts: list[str], mails: list[str], addresses: list[str]
) -> None:
    """``san`` takes names, addresses and mailboxes."""
    entry = Entry({"request-names": (" ".join(map(request_name, san.split(","))),)})
    bench = FortiBench()
    settings = settings_of(bench.device, "WEB", entry)
    assert list(settings.dns_names) == hosts
    assert list(settings.emails) == mails
    assert list(settings.ip_addresses) == addresses


@pytest.mark.parametrize("typed", ["IP:1.2.3", "URI:http://x", "email:a <b@c>", "DNS:"])
def test_what_is_no_name_is_refused(typed: str) -> None:
    """An unknown kind of name, or one of the wrong form."""
    assert request_name(typed) == ""
