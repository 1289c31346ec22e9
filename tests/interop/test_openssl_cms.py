"""OpenSSL and `cryptography` read what we write, and we read what OpenSSL writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from sceplab_scep.algorithms import AlgorithmSuite, Cipher, Digest, Floor, KeyTransport
from sceplab_scep.degenerate import build_certs_only, read_certs_only
from sceplab_scep.envelope import open_envelope
from sceplab_scep.errors import RemoteProtocolError
from sceplab_scep.pkimessage import read_pki_message
from sceplab_scep.reply import ReplyStyle
from tests.support.peers import openssl
from tests.support.pki import (
    CHALLENGE,
    NOW,
    device_certificate,
    device_csr,
    failure,
    issued_certificate,
    lab_pki,
    pending,
    reply_bytes,
    request_bytes,
    rsa_key,
)
from tests.support.programs import require_program

pytestmark = pytest.mark.interop

AT = ("-attime", str(int(NOW.timestamp())))
SUITES = [
    AlgorithmSuite(),
    AlgorithmSuite(digest=Digest.SHA512, cipher=Cipher.AES256_CBC),
    AlgorithmSuite(digest=Digest.SHA1, cipher=Cipher.DES_EDE3_CBC),
    AlgorithmSuite(key_transport=KeyTransport.OAEP_SHA1),
    AlgorithmSuite(key_transport=KeyTransport.OAEP_SHA256),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the keys and certificates of the lab as files."""
    require_program("openssl", package="openssl")
    pki = lab_pki()
    for name, certificate in (
        ("ca", pki.ca),
        ("ra-signing", pki.ra_signing),
        ("ra-encryption", pki.ra_encryption),
        ("device", device_certificate()),
        ("issued", issued_certificate()),
    ):
        (tmp_path / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "ra-encryption.key").write_bytes(pki.ra_encryption_key.pem)
    (tmp_path / "ra-signing.key").write_bytes(pki.ra_signing_key.pem)
    (tmp_path / "device.key").write_bytes(rsa_key("device").pem)
    return tmp_path


def run(folder: Path, *words: str) -> None:
    """Runs OpenSSL, which has to succeed."""
    ended = openssl(*words, cwd=folder)
    assert ended.status == 0, ended.output


def verify_and_open(folder: Path, message: bytes, signer: str, reader: str) -> bytes:
    """`openssl cms` verifies a pkiMessage and opens its envelope; the plaintext."""
    (folder / "message.der").write_bytes(message)
    cms = ("cms", "-inform", "DER")
    run(folder, *cms, "-verify", "-in", "message.der", "-binary", "-out", "envelope.der",
        "-CAfile", signer, "-certfile", signer, "-purpose", "any", *AT)  # fmt: skip
    run(folder, *cms, "-decrypt", "-in", "envelope.der", "-binary", "-out", "plain.der",
        "-recip", f"{reader}.pem", "-inkey", f"{reader}.key")  # fmt: skip
    return (folder / "plain.der").read_bytes()


@pytest.mark.parametrize("suite", SUITES, ids=lambda s: f"{s.cipher.value}-{s.key_transport.value}")
@pytest.mark.covers("M-01", "M-05", "M-06", "M-07")
def test_openssl_opens_requests(folder: Path, suite: AlgorithmSuite) -> None:
    """`openssl cms` verifies a PKCSReq with the certificate it carries and opens it for the RA."""
    csr = device_csr(digest=suite.digest)
    plaintext = verify_and_open(folder, request_bytes(suite=suite), "device.pem", "ra-encryption")
    assert x509.load_der_x509_csr(plaintext).subject == x509.load_der_x509_csr(csr).subject


@pytest.mark.parametrize("suite", SUITES, ids=lambda s: f"{s.cipher.value}-{s.key_transport.value}")
@pytest.mark.covers("S-14", "M-05")
def test_openssl_opens_replies(folder: Path, suite: AlgorithmSuite) -> None:
    """`openssl cms` verifies a CertRep up to the CA and opens it with the device's key."""
    plaintext = verify_and_open(folder, reply_bytes(suite=suite), "ca.pem", "device")
    assert pkcs7.load_der_pkcs7_certificates(plaintext) == [issued_certificate()]


@pytest.mark.parametrize("form", ["omit", "empty", "zero"])
@pytest.mark.parametrize("rep", [pending(), failure()], ids=["pending", "failure"])
@pytest.mark.covers("M-13", "T-08")
def test_openssl_verifies_replies_without_envelope(folder: Path, rep: object, form: str) -> None:
    """All three spellings of an absent envelope are signed correctly."""
    message = reply_bytes(rep, style=ReplyStyle(empty_content=form))  # type: ignore[arg-type]
    (folder / "message.der").write_bytes(message)
    words = ["cms", "-verify", "-inform", "DER", "-in", "message.der", "-binary", "-CAfile",
             "ca.pem", "-purpose", "any", "-out", "content", *AT]  # fmt: skip
    if form == "omit":
        (folder / "nothing").write_bytes(b"")
        words += ["-content", "nothing"]
    run(folder, *words)
    expected = b"\0" if form == "zero" else b""
    assert (folder / "content").read_bytes() == expected


@pytest.mark.covers("M-09")
def test_openssl_verifies_the_request_for_a_certificate(folder: Path) -> None:
    """`openssl req` verifies the CSR and finds the challenge password as a PrintableString."""
    (folder / "csr.der").write_bytes(device_csr())
    shown = openssl("req", "-inform", "DER", "-in", "csr.der", "-verify", "-text", cwd=folder)
    assert shown.status == 0
    assert CHALLENGE in shown.output
    parsed = openssl("asn1parse", "-inform", "DER", "-in", "csr.der", cwd=folder)
    assert f"PRINTABLESTRING   :{CHALLENGE}" in parsed.output


def test_openssl_and_cryptography_list_the_bundle(folder: Path) -> None:
    """Both read a certs-only bundle, sorted or leaf first, and we read theirs."""
    pki = lab_pki()
    certificates = [issued_certificate(), pki.ra_signing, pki.ca]
    for is_sorted in (False, True):
        bundle = build_certs_only(certificates, sorted_set=is_sorted)
        (folder / "bundle.der").write_bytes(bundle)
        listed = openssl("pkcs7", "-inform", "DER", "-in", "bundle.der", "-print_certs", cwd=folder)
        assert listed.output.count("BEGIN CERTIFICATE") == len(certificates)
        if is_sorted:  # leaf first is BER, on purpose: clients take the first certificate
            loaded = pkcs7.load_der_pkcs7_certificates(bundle)
            assert {c.serial_number for c in loaded} == {c.serial_number for c in certificates}
    run(folder, "crl2pkcs7", "-nocrl", "-certfile", "issued.pem", "-certfile", "ca.pem",
        "-outform", "DER", "-out", "theirs.der")  # fmt: skip
    assert {c.serial_number for c in read_certs_only((folder / "theirs.der").read_bytes())} == {
        issued_certificate().serial_number,
        pki.ca.serial_number,
    }


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-256-cbc", "des-ede3-cbc"])
@pytest.mark.parametrize("padding", ["pkcs1", "oaep"])
@pytest.mark.covers("F-05", "T-22")
def test_envelopes_of_openssl_are_opened(folder: Path, cipher: str, padding: str) -> None:
    """We open streamed (BER) envelopes of OpenSSL with either key transport."""
    (folder / "plain").write_bytes(device_csr())
    words = ["cms", "-encrypt", "-binary", "-stream", "-in", "plain", "-outform", "DER",
             "-out", "envelope.der", f"-{cipher}"]  # fmt: skip
    words += ["-recip", "ra-encryption.pem"]
    if padding == "oaep":
        words += ["-keyopt", "rsa_padding_mode:oaep"]
    run(folder, *words)
    pki = lab_pki()
    opened = open_envelope(
        (folder / "envelope.der").read_bytes(),
        recipients=[(pki.ra_encryption, pki.ra_encryption_key)],
        floor=Floor.NDES,
    )
    assert opened.plaintext == device_csr()


@pytest.mark.covers("C-18")
def test_a_signature_of_openssl_is_no_pki_message(folder: Path) -> None:
    """A correct SignedData without SCEP's attributes is refused with the attribute named."""
    (folder / "plain").write_bytes(b"hello")
    run(folder, "cms", "-sign", "-binary", "-nodetach", "-in", "plain", "-outform", "DER",
        "-out", "signed.der", "-signer", "ra-signing.pem", "-inkey", "ra-signing.key")  # fmt: skip
    with pytest.raises(RemoteProtocolError, match="messageType"):
        read_pki_message((folder / "signed.der").read_bytes(), floor=Floor.MODERN)
