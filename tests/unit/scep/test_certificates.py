"""Self-signed certificates, fingerprints and keys that only sign."""

from __future__ import annotations

import copy
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.certificates import (
    fingerprint,
    load_certificate,
    self_signed_certificate,
    signing_key,
    subject_der,
)
from sceplab_scep.chains import is_directly_issued
from sceplab_scep.errors import LocalProtocolError, MalformedMessageError
from tests.support.pki import NOW, LocalKey, der, ec_key, lab_pki, name, rsa_key

SUBJECT = name("CN=router1.example.com,O=Example")


def _self_signed(key: LocalKey, digest: Digest = Digest.SHA256, **more: int) -> x509.Certificate:
    return self_signed_certificate(SUBJECT, key, now=NOW, digest=digest, **more)


@pytest.mark.covers("C-05", "C-06")
@pytest.mark.parametrize("digest", list(Digest))
def test_self_signed_with_every_digest(digest: Digest) -> None:
    """Subject and key of the request, right key usage, and a signature that verifies."""
    certificate = _self_signed(rsa_key("device"), digest)
    assert certificate.subject == certificate.issuer == SUBJECT
    assert certificate.public_key() == rsa_key("device").public_key
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.key_encipherment
    assert not usage.value.key_cert_sign
    assert is_directly_issued(certificate, certificate, Floor.LAB)
    assert certificate.version is x509.Version.v3


@pytest.mark.covers("C-05")
def test_self_signed_with_an_ec_key() -> None:
    """An EC key cannot decrypt, so its certificate does not say so."""
    certificate = _self_signed(ec_key("device"))
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_encipherment
    assert is_directly_issued(certificate, certificate)


def test_no_md5_with_an_ec_key() -> None:
    """There is no ECDSA with MD5."""
    with pytest.raises(LocalProtocolError, match="md5"):
        _self_signed(ec_key("device"), Digest.MD5)


def test_validity_starts_before_now() -> None:
    """Ten minutes of slack for servers whose clock is behind, whole seconds."""
    certificate = self_signed_certificate(
        SUBJECT,
        rsa_key("device"),
        now=NOW + timedelta(microseconds=5),
        digest=Digest.SHA256,
        lifetime_days=30,
    )
    assert certificate.not_valid_before_utc == NOW - timedelta(minutes=10)
    assert certificate.not_valid_after_utc == NOW - timedelta(minutes=10) + timedelta(days=30)


def test_validity_beyond_2050() -> None:
    """A device clock far ahead gives generalized time, which the library reads back."""
    late = datetime(2051, 7, 1, tzinfo=UTC)
    certificate = self_signed_certificate(
        SUBJECT, rsa_key("device"), now=late, digest=Digest.SHA256
    )
    assert certificate.not_valid_before_utc == late - timedelta(minutes=10)


@pytest.mark.covers("T-35")
def test_serial_numbers() -> None:
    """Random and positive unless given; zero is not written."""
    first, second = _self_signed(rsa_key("device")), _self_signed(rsa_key("device"))
    assert first.serial_number > 0
    assert first.serial_number != second.serial_number
    assert _self_signed(rsa_key("device"), serial=77).serial_number == 77
    with pytest.raises(LocalProtocolError, match="positive"):
        _self_signed(rsa_key("device"), serial=0)


def test_fingerprints() -> None:
    """Hash over the whole DER; other names of hashes are refused."""
    encoding = der(lab_pki().ca)
    assert fingerprint(encoding, "sha256") == hashlib.sha256(encoding).digest()
    assert fingerprint(encoding, "sha1") == hashlib.sha1(encoding).digest()
    assert fingerprint(encoding, "md5") == hashlib.md5(encoding).digest()
    with pytest.raises(LocalProtocolError, match="sha512"):
        fingerprint(encoding, "sha512")


def test_the_same_bytes_give_the_same_certificate() -> None:
    """Reading twice costs once."""
    encoding = der(lab_pki().ca)
    assert load_certificate(encoding) is load_certificate(bytes(bytearray(encoding)))


@pytest.mark.parametrize("noise", [b"", b"\x30\x00", b"not a certificate", b"\x30\x82\xff\xff"])
def test_no_certificate(noise: bytes) -> None:
    """Anything else is malformed, not a crash."""
    with pytest.raises(MalformedMessageError, match="no certificate"):
        load_certificate(noise)


def test_subject_bytes() -> None:
    """The subject comes as it is encoded."""
    assert subject_der(lab_pki().ca) == lab_pki().ca.subject.public_bytes()


@pytest.mark.parametrize("key", [rsa_key("device"), ec_key("device")], ids=["rsa", "ec"])
def test_builders_sign_through_the_handle(key: LocalKey) -> None:
    """The library's builders take the facade for a private key."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(SUBJECT)
        .issuer_name(SUBJECT)
        .public_key(key.public_key)
        .serial_number(5)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    certificate = builder.sign(signing_key(key), hashes.SHA256())
    certificate.verify_directly_issued_by(certificate)
    request = x509.CertificateSigningRequestBuilder().subject_name(SUBJECT)
    assert request.sign(signing_key(key), hashes.SHA256()).is_signature_valid


def test_the_rsa_facade_only_signs() -> None:
    """Nothing leads from the facade to the private key."""
    facade = signing_key(rsa_key("device"))
    assert isinstance(facade, rsa.RSAPrivateKey)
    assert facade.key_size == 2048
    assert facade.public_key() == rsa_key("device").public_key
    assert copy.copy(facade) is copy.deepcopy(facade) is facade
    with pytest.raises(TypeError, match="key store"):
        facade.decrypt(b"", padding.PKCS1v15())
    with pytest.raises(TypeError, match="key store"):
        facade.private_numbers()
    with pytest.raises(TypeError, match="key store"):
        facade.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(TypeError, match=r"PKCS#1 v1\.5"):
        facade.sign(b"", padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    with pytest.raises(TypeError, match="not hashed"):
        facade.sign(b"", padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


def test_the_ec_facade_only_signs() -> None:
    """The same for EC keys."""
    facade = signing_key(ec_key("device"))
    assert isinstance(facade, ec.EllipticCurvePrivateKey)
    assert facade.key_size == 256
    assert facade.curve.name == "secp256r1"
    assert facade.public_key() == ec_key("device").public_key
    assert copy.copy(facade) is copy.deepcopy(facade) is facade
    with pytest.raises(TypeError, match="key store"):
        facade.exchange(ec.ECDH(), ec_key("device").public_key)
    with pytest.raises(TypeError, match="key store"):
        facade.private_numbers()
    with pytest.raises(TypeError, match="key store"):
        facade.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(TypeError, match="not hashed"):
        facade.sign(b"", ec.ECDSA(utils.Prehashed(hashes.SHA256())))
