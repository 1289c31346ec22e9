"""Fields of certificates as they stand in the encoding, byte for byte.

`cryptography.x509` gives values; identifying a certificate by issuer and serial number needs the
bytes of the issuer, and a name outside a certificate has to be read at all.

Spec: RFC 5280 §4.1.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.asn1 import BitString, decode_der, encode_der
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_scep import oids
from sceplab_scep.cms import (
    AlgorithmIdentifier,
    CertificationRequest,
    CertificationRequestInfo,
    IssuerAndSerialNumber,
    SubjectPublicKeyInfo,
    TbsCertificate,
    to_tlv,
    wrap_der,
)
from sceplab_scep.errors import MalformedMessageError


def load_certificate(certificate_der: bytes) -> x509.Certificate:
    """Reads one certificate.

    Raises:
        MalformedMessageError: it is none.
    """
    try:
        return x509.load_der_x509_certificate(certificate_der)
    except ValueError as error:
        raise MalformedMessageError(
            f"this is no certificate: {error}", attribute="certificate"
        ) from error


def certificate_der(certificate: x509.Certificate) -> bytes:
    """The certificate, DER."""
    return certificate.public_bytes(Encoding.DER)


@lru_cache(maxsize=128)
def tbs_fields(certificate: x509.Certificate) -> TbsCertificate:
    """Fields of the signed part; not to be changed, the last ones read are remembered.

    Raises:
        MalformedMessageError: the certificate is stricter read than it was loaded.
    """
    try:
        return decode_der(TbsCertificate, certificate.tbs_certificate_bytes)
    except ValueError as error:
        raise MalformedMessageError(
            f"this is no certificate: {error}", attribute="certificate"
        ) from error


def issuer_and_serial(certificate: x509.Certificate) -> IssuerAndSerialNumber:
    """Name of the certificate inside a CMS message. Spec: RFC 5652 §10.2.4."""
    fields = tbs_fields(certificate)
    return IssuerAndSerialNumber(issuer=fields.issuer, serial_number=fields.serial_number)


def subject_der(certificate: x509.Certificate) -> bytes:
    """Subject of the certificate, DER."""
    return encode_der(tbs_fields(certificate).subject)


def subject_key_identifier(certificate: x509.Certificate) -> bytes | None:
    """The extension of that name, ``None`` when there is none to read."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except (ValueError, x509.ExtensionNotFound):
        return None
    return extension.value.digest


def parse_name(name_der: bytes) -> x509.Name:
    """Reads a distinguished name.

    Raises:
        MalformedMessageError: it is none.
    """
    # The library reads names only as part of something: here, of an empty request.
    try:
        algorithm = AlgorithmIdentifier(algorithm=oids.RSA_ENCRYPTION)
        nothing = BitString(b"", 0)
        info = CertificationRequestInfo(
            version=0,
            subject=wrap_der(name_der),
            public_key=to_tlv(SubjectPublicKeyInfo(algorithm=algorithm, public_key=nothing)),
            attributes=[],
        )
        request = CertificationRequest(
            info=to_tlv(info), signature_algorithm=algorithm, signature=nothing
        )
        return x509.load_der_x509_csr(encode_der(request)).subject
    except ValueError as error:
        raise MalformedMessageError(f"this is no name: {error}", attribute="name") from error
