"""Certificates made: fields that others chose, encoded and signed through a key handle.

The library's builder would do, at several times the cost: it checks and encodes every field anew
for each certificate, and it wants a key object.

Spec: RFC 5280 §4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.asn1 import TLV, BitString, GeneralizedTime, UTCTime, encode_der
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sceplab_scep.algorithms import Digest
from sceplab_scep.cms import Certificate, Extension, TbsCertificate, Validity, to_tlv, wrap_der
from sceplab_scep.errors import LocalProtocolError
from sceplab_scep.ports import MessageSigner
from sceplab_scep.signatures import HASHES, signature_identifier
from sceplab_scep.x509fields import adopt_certificate

_X509_V3 = 2
_FIRST_GENERALIZED_YEAR = 2050
_MAX_SERIAL_BITS = 159


def name_element(name: x509.Name) -> TLV:
    """A name, ready for any number of certificates."""
    return wrap_der(name.public_bytes())


def key_element(public_key: RSAPublicKey | EllipticCurvePublicKey) -> TLV:
    """A public key's SubjectPublicKeyInfo, ready for any number of certificates."""
    return wrap_der(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def encode_extension(value: x509.ExtensionType, *, critical: bool = False) -> TLV:
    """An extension, ready for any number of certificates.

    Raises:
        ValueError: the library cannot encode it.
    """
    extension = Extension(extension_id=value.oid, critical=critical, value=value.public_bytes())
    return to_tlv(extension)


def sign_certificate(
    *,
    subject: TLV,
    issuer: TLV,
    public_key: TLV,
    serial_number: int,
    validity: tuple[datetime, datetime],
    extensions: Sequence[TLV],
    signer: MessageSigner,
    digest: Digest,
) -> x509.Certificate:
    """A certificate, version 3.

    Args:
        subject: name of whom it is for.
        issuer: name of whom the signer speaks for.
        public_key: key to be certified, SubjectPublicKeyInfo.
        serial_number: positive, at most 20 octets.
        validity: first and last moment, timezone-aware UTC; fractions of seconds are cut off.
        extensions: made by `encode_extension`, each type once, in this order.
        signer: the issuer's key.
        digest: of the signature.

    Raises:
        LocalProtocolError: the serial number is out of range, or an EC key with MD5.
    """
    if serial_number <= 0 or serial_number.bit_length() > _MAX_SERIAL_BITS:
        raise LocalProtocolError("the serial number of a certificate is positive, up to 20 octets")
    algorithm = signature_identifier(digest, signer.public_key)
    not_before, not_after = validity
    signed = encode_der(
        TbsCertificate(
            version=_X509_V3,
            serial_number=serial_number,
            signature=algorithm,
            issuer=issuer,
            validity=Validity(not_before=_to_time(not_before), not_after=_to_time(not_after)),
            subject=subject,
            public_key=public_key,
            extensions=list(extensions) or None,
        )
    )
    certificate = Certificate(
        tbs_certificate=wrap_der(signed),
        signature_algorithm=algorithm,
        signature=BitString(signer.sign(signed, HASHES[digest]), 0),
    )
    return adopt_certificate(encode_der(certificate))


def _to_time(moment: datetime) -> UTCTime | GeneralizedTime:
    """A moment as certificates write it: whole seconds, two-digit years up to 2049."""
    if moment.microsecond:
        moment = moment.replace(microsecond=0)
    if moment.year < _FIRST_GENERALIZED_YEAR:
        return UTCTime(moment)
    return GeneralizedTime(moment)
