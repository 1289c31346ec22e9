"""Fields of certificates as they stand in the encoding, byte for byte.

`cryptography.x509` gives values; identifying a certificate by issuer and serial number needs the
bytes of the issuer, and a name outside a certificate has to be read at all.

Spec: RFC 5280 §4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

from cryptography import x509
from cryptography.hazmat.asn1 import TLV, BitString, encode_der
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_scep import oids
from sceplab_scep.cms import (
    AlgorithmIdentifier,
    Certificate,
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


@dataclass(frozen=True, slots=True)
class CertificateFields:
    """What messages need of a certificate, byte for byte."""

    name: IssuerAndSerialNumber
    """How CMS names the certificate. Spec: RFC 5652 §10.2.4."""
    issuer_der: bytes
    subject_der: bytes
    public_key_der: bytes
    """SubjectPublicKeyInfo."""
    element: TLV
    """The certificate itself, ready to be put into a message."""

    @property
    def serial_number(self) -> int:
        """Also of certificates with a serial number the library warns of."""
        return self.name.serial_number


_MAX_REMEMBERED = 128
_remembered: dict[int, tuple[x509.Certificate, CertificateFields]] = {}
_remembering = Lock()


def fields_of(certificate: x509.Certificate) -> CertificateFields:
    """Fields of the certificate; those of the last certificate objects used are remembered.

    Raises:
        MalformedMessageError: the certificate is stricter read than it was loaded.
    """
    # By identity: hashing a certificate costs half as much as reading it.
    remembered = _remembered.get(id(certificate))
    if remembered is not None and remembered[0] is certificate:
        return remembered[1]
    fields = _read_fields(certificate)
    with _remembering:
        if len(_remembered) >= _MAX_REMEMBERED:
            del _remembered[next(iter(_remembered))]
        _remembered[id(certificate)] = (certificate, fields)
    return fields


def _read_fields(certificate: x509.Certificate) -> CertificateFields:
    try:
        whole = wrap_der(certificate_der(certificate))
        tbs = whole.parse(Certificate).tbs_certificate.parse(TbsCertificate)
    except ValueError as error:
        raise MalformedMessageError(
            f"this is no certificate: {error}", attribute="certificate"
        ) from error
    return CertificateFields(
        name=IssuerAndSerialNumber(issuer=tbs.issuer, serial_number=tbs.serial_number),
        issuer_der=encode_der(tbs.issuer),
        subject_der=encode_der(tbs.subject),
        public_key_der=encode_der(tbs.public_key),
        element=whole,
    )


def subject_der(certificate: x509.Certificate) -> bytes:
    """Subject of the certificate, DER."""
    return fields_of(certificate).subject_der


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
