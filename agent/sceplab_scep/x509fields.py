"""Fields of certificates as they stand in the encoding, byte for byte.

`cryptography.x509` gives values; identifying a certificate by issuer and serial number needs the
bytes of the issuer, and a name outside a certificate has to be read at all.

Spec: RFC 5280 §4.1.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import Any, Generic, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.asn1 import TLV, BitString, decode_der, encode_der
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

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

T = TypeVar("T")
ExtensionT = TypeVar("ExtensionT", bound=x509.ExtensionType)

_MAX_REMEMBERED = 128
"""Certificates, and keys, of which the last ones used are remembered."""
UNREADABLE = (ValueError, TypeError)
"""What the library raises for outside bytes; `TypeError` for a name whose value is a BIT STRING."""


@lru_cache(maxsize=_MAX_REMEMBERED)
def load_certificate(certificate_der: bytes) -> x509.Certificate:
    """Reads one certificate; the same bytes soon after give the same object.

    Its names and validity are readable then; key and extensions may still be of any kind.

    Raises:
        MalformedMessageError: it is none.
    """
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
        # The library reads these late, and would raise from wherever somebody looks at them.
        _ = certificate.issuer, certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not _remember(certificate, certificate_der).is_self_issued:
            _ = certificate.subject
    except (*UNREADABLE, x509.InvalidVersion) as error:
        raise MalformedMessageError(
            f"this is no certificate: {error}", attribute="certificate"
        ) from error
    return certificate


def adopt_certificate(certificate_der: bytes) -> x509.Certificate:
    """A certificate that was made here, so that nothing of it has to be proved readable."""
    certificate = x509.load_der_x509_certificate(certificate_der)
    _remember(certificate, certificate_der)
    return certificate


@lru_cache(maxsize=_MAX_REMEMBERED)
def load_public_key(public_key_der: bytes) -> PublicKeyTypes:
    """The key in a SubjectPublicKeyInfo; the last ones used are remembered.

    A key that was used before works twice as fast, and one enrollment meets the same key in a
    certificate, in a request and as a recipient.

    Raises:
        MalformedMessageError: its type or parameters are unknown.
    """
    try:
        return load_der_public_key(public_key_der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedMessageError(
            f"the public key cannot be read: {error}", attribute="subjectPublicKeyInfo"
        ) from error


class _once(Generic[T]):  # noqa: N801 - a decorator
    """Reads an attribute when it is first asked for; `cached_property` without its lock.

    Two threads may both read; they read the same.
    """

    def __init__(self, read: Callable[[Any], T]) -> None:
        self._read = read
        self._name = read.__name__
        self.__doc__ = read.__doc__

    def __get__(self, owner: object, _type: type | None = None) -> T:
        # It has no __set__, so the instance's own attribute comes first from now on.
        value = owner.__dict__[self._name] = self._read(owner)
        return value


class CertificateFields:
    """What messages need of a certificate, byte for byte, each read when it is first asked for.

    Args:
        der: the certificate.
    """

    def __init__(self, der: bytes) -> None:
        self.der = der
        self.is_signed_with: dict[bytes, bool] = {}
        """Whether the certificate's signature verifies, by public key (SubjectPublicKeyInfo), as
        far as somebody has tried."""

    @property
    def serial_number(self) -> int:
        """Also of certificates with a serial number the library warns of."""
        return self._tbs.serial_number

    @property
    def is_self_issued(self) -> bool:
        """Whether issuer and subject are the same bytes; false also when they cannot be read."""
        try:
            return self.issuer_der == self.subject_der
        except MalformedMessageError:
            return False

    @_once
    def element(self) -> TLV:
        """The certificate, ready to be put into a message."""
        return wrap_der(self.der)

    @_once
    def name(self) -> IssuerAndSerialNumber:
        """How CMS names the certificate. Spec: RFC 5652 §10.2.4."""
        return IssuerAndSerialNumber(issuer=self._tbs.issuer, serial_number=self._tbs.serial_number)

    @_once
    def issuer_der(self) -> bytes:
        """Issuer, DER."""
        return encode_der(self._tbs.issuer)

    @_once
    def subject_der(self) -> bytes:
        """Subject, DER."""
        return encode_der(self._tbs.subject)

    @_once
    def public_key_der(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        return encode_der(self._tbs.public_key)

    @property
    def public_key(self) -> PublicKeyTypes:
        """The key, ready to use.

        Raises:
            MalformedMessageError: its type or parameters are unknown.
        """
        return load_public_key(self.public_key_der)

    @_once
    def _tbs(self) -> TbsCertificate:
        try:
            certificate = decode_der(Certificate, self.der)
            tbs: TbsCertificate = certificate.tbs_certificate.parse(TbsCertificate)
            return tbs
        except ValueError as error:
            # Stricter read here than the library does.
            raise MalformedMessageError(
                f"this is no certificate: {error}", attribute="certificate"
            ) from error


_remembered: OrderedDict[int, tuple[x509.Certificate, CertificateFields]] = OrderedDict()
_remembering = Lock()


def fields_of(certificate: x509.Certificate) -> CertificateFields:
    """Fields of the certificate. They raise `MalformedMessageError` when they cannot be read."""
    # By identity: hashing a certificate costs half as much as reading it. The entry keeps the
    # certificate alive, so no other can get its identity.
    remembered = _remembered.get(id(certificate))
    if remembered is not None:
        return remembered[1]
    return _remember(certificate, certificate.public_bytes(Encoding.DER))


def _remember(certificate: x509.Certificate, der: bytes) -> CertificateFields:
    fields = CertificateFields(der)
    with _remembering:
        if len(_remembered) >= _MAX_REMEMBERED:
            _remembered.popitem(last=False)
        _remembered[id(certificate)] = (certificate, fields)
    return fields


def certificate_der(certificate: x509.Certificate) -> bytes:
    """The certificate, DER."""
    return fields_of(certificate).der


def subject_der(certificate: x509.Certificate) -> bytes:
    """Subject of the certificate, DER."""
    return fields_of(certificate).subject_der


def read_extension(
    certificate: x509.Certificate, extension_type: type[ExtensionT]
) -> ExtensionT | None:
    """Value of an extension, ``None`` when it is absent.

    Raises:
        MalformedMessageError: the extensions cannot be read.
    """
    try:
        return certificate.extensions.get_extension_for_class(extension_type).value
    except x509.ExtensionNotFound:
        return None
    except (*UNREADABLE, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise MalformedMessageError(
            f"the certificate's extensions cannot be read: {error}", attribute="extensions"
        ) from error


def subject_key_identifier(certificate: x509.Certificate) -> bytes | None:
    """The extension of that name, ``None`` when there is none to read."""
    try:
        extension = read_extension(certificate, x509.SubjectKeyIdentifier)
    except MalformedMessageError:
        return None
    return None if extension is None else extension.digest


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
    except UNREADABLE as error:
        raise MalformedMessageError(f"this is no name: {error}", attribute="name") from error
