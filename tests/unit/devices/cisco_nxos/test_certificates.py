"""The NX-OS switch's certificates: chains, requests, files, revocation lists, key stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from sceplab_devices.profiles.cisco_nxos.authenticate import issuing_first
from sceplab_devices.profiles.cisco_nxos.carried import read_crl
from tests.support.nxos import SwitchBench
from tests.support.scripted_carried import load_test_key

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject: str, issuer: str) -> bytes:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(KEY, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def test_a_chain_is_taken_in_any_order() -> None:
    """The CA that issues comes first, then whoever is above it."""
    chain = (_certificate("C", "B"), _certificate("B", "A"), _certificate("A", "A"))
    for order in permutations(chain):
        assert issuing_first(order) == chain


def test_what_is_no_chain_stays_as_it_was() -> None:
    """The port says what is wrong with it."""
    pair = (_certificate("A", "A"), _certificate("B", "B"))
    assert issuing_first(pair) == pair
    assert issuing_first(()) == ()


def test_the_request_names_what_was_answered() -> None:
    """Serial number and address are asked for each time."""
    bench = SwitchBench(serial_number="SN42")
    bench.trust()
    terminal = bench.operator()
    for line in ("crypto ca enroll TP", "otp", "yes", "yes"):
        terminal.run(line)
    assert terminal.run("10.0.0.300").endswith("not an IP address\nip address:")
    assert "-----BEGIN CERTIFICATE REQUEST-----" in terminal.run("10.0.0.3")
    der = bench.port.view("TP").pending_csr_der
    assert der is not None
    subject = x509.load_der_x509_csr(der).subject.rfc4514_string()
    assert "SN42" in subject
    assert "10.0.0.3" in subject
    assert "CN=switch.lab.example" in subject
    bench.request()
    der = bench.port.view("TP").pending_csr_der
    assert der is not None
    assert "SN42" not in x509.load_der_x509_csr(der).subject.rfc4514_string()


def test_a_request_is_dropped() -> None:
    """``no crypto ca enroll`` forgets it."""
    bench = SwitchBench()
    bench.trust()
    bench.request()
    bench.run("no crypto ca enroll TP")
    assert bench.port.view("TP").pending_csr_der is None


def test_the_challenge_is_not_shown() -> None:
    """Nothing typed comes back, and nothing of it is kept in the configuration."""
    bench = SwitchBench()
    bench.trust()
    terminal = bench.operator()
    terminal.run("crypto ca enroll TP")
    assert "s3cret" not in terminal.run("s3cret")
    terminal.run("no")
    terminal.run("no")
    assert "s3cret" not in terminal.run("show running-config")


def test_where_a_key_lives() -> None:
    """Only a place that is not the box's own is named."""
    bench = SwitchBench()
    bench.port.storage = "tpm"
    bench.run("crypto key generate rsa label K")
    assert "\nstorage: tpm\n" in bench.run("show crypto key mypubkey rsa")


def test_a_trustpoint_removed_meanwhile() -> None:
    """The paste comes to nothing."""
    bench = SwitchBench()
    bench.run("crypto ca trustpoint TP")
    terminal = bench.operator()
    terminal.run("crypto ca trustpoint TP")
    bench.run("no crypto ca trustpoint TP")
    assert "% " not in terminal.run("rsakeypair K")
    assert "% " not in terminal.run("delete certificate")
    assert "TP" not in bench.switch.config.trustpoints


def _crl(issuer: x509.Name, *, is_pem: bool) -> bytes:
    revoked = x509.RevokedCertificateBuilder().serial_number(0xAB).revocation_date(NOW).build()
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer)
        .last_update(NOW)
        .next_update(NOW + timedelta(days=7))
        .add_revoked_certificate(revoked)
        .sign(load_test_key("ca"), hashes.SHA256())
    )
    return crl.public_bytes(Encoding.PEM if is_pem else Encoding.DER)


@pytest.mark.parametrize("is_pem", [True, False])
def test_a_revocation_list(*, is_pem: bool) -> None:
    """It comes from bootflash, is shown, and goes before the trustpoint."""
    bench = SwitchBench()
    bench.trust()
    issuer = x509.load_der_x509_certificate(bench.port.authority).subject
    bench.switch.files.write("bootflash:ca.crl", _crl(issuer, is_pem=is_pem), NOW)
    assert bench.run("crypto ca crl request TP bootflash:ca.crl") == ""
    shown = bench.run("show crypto ca crl TP")
    assert "        Last Update: Mar  1 12:00:00 2026 GMT\n" in shown
    assert "    Serial Number: 00AB\n        Revocation Date: Mar  1 12:00:00 2026 GMT" in shown
    assert "delete its CRL first" in bench.run("no crypto ca trustpoint TP")
    bench.run("crypto ca trustpoint TP", "delete crl")
    assert "CRL:" not in bench.run("show crypto ca crl TP")


def test_a_revocation_list_of_another_ca_is_refused() -> None:
    """So is a file that is none, and one that is not there."""
    bench = SwitchBench()
    bench.trust()
    bench.switch.files.write("bootflash:x", _crl(_name("other"), is_pem=False), NOW)
    bench.switch.files.write("bootflash:y", b"nonsense", NOW)
    for name, words in (("x", "import the CRL"), ("y", "import the CRL"), ("z", "open the file")):
        assert f"could not {words}" in bench.run(f"crypto ca crl request TP bootflash:{name}")


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader_of_revocation_lists(data: bytes) -> None:
    """They are a list or they are not."""
    whole = _crl(_name("CA"), is_pem=False)
    read_crl(data)
    assert read_crl(whole) is not None
    read_crl(whole[: len(data)] + data + whole[2 * len(data) :])
