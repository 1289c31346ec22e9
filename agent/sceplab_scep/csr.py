"""PKCS#10 requests: built strictly, read leniently.

Peers write attributes out of order and challenge passwords in any string type; the signature is
always verified over the bytes received.

Spec: RFC 2986; RFC 2985 §5.4; RFC 8894 §3.3.1; checklist M-09, T-23, T-43, S-48, S-49.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.asn1 import TLV, BitString, encode_der
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sceplab_scep import oids
from sceplab_scep.algorithms import Digest
from sceplab_scep.ber import Element, decode_tolerant
from sceplab_scep.cms import (
    Attribute,
    CertificationRequest,
    CertificationRequestInfo,
    Extension,
    ExtensionList,
    attribute_values,
    content_of,
    make_attribute,
    to_tlv,
    wrap_der,
)
from sceplab_scep.errors import LocalProtocolError, MalformedMessageError
from sceplab_scep.ports import MessageSigner
from sceplab_scep.signatures import HASHES, is_signature_valid, signature_identifier
from sceplab_scep.strings import decode_string, directory_string
from sceplab_scep.x509fields import UNREADABLE, load_public_key

_WHAT = "certification request"


@dataclass(frozen=True, slots=True, kw_only=True)
class CsrView:
    """What a certification request says. The challenge password never shows in its text."""

    der: bytes = field(repr=False)
    """As received."""
    subject: x509.Name
    subject_element: TLV = field(repr=False)
    """The subject as it stands in the request."""
    public_key: PublicKeyTypes = field(repr=False)
    public_key_element: TLV = field(repr=False)
    """The SubjectPublicKeyInfo as it stands in the request."""
    public_key_der: bytes = field(repr=False)
    """SubjectPublicKeyInfo, DER."""
    challenge: str | None = field(repr=False)
    """Challenge password, whatever string type it came in; ``None`` when there is none."""
    challenge_type: str = ""
    """ASN.1 type of the challenge password, for example ``PrintableString``."""
    extensions: x509.Extensions = field(repr=False)
    """Requested extensions."""
    digest: Digest | None
    """Digest of the request's own signature; ``None`` when the algorithm is unknown."""
    is_signature_valid: bool
    """Proof of possession: the request's signature verifies with the key in it."""
    deviations: tuple[str, ...] = ()
    """What is odd about the encoding."""


def build_csr(
    subject: x509.Name,
    signer: MessageSigner,
    *,
    digest: Digest,
    challenge: str = "",
    dns_names: Sequence[str] = (),
    extensions: Sequence[x509.Extension[x509.ExtensionType]] = (),
) -> bytes:
    """A certification request, DER.

    Args:
        subject: distinguished name asked for.
        signer: the key to be certified.
        digest: digest of the signature.
        challenge: challenge password; empty leaves the attribute out.
        dns_names: become a subjectAltName extension.
        extensions: further extensions to ask for.

    Raises:
        LocalProtocolError: subjectAltName given twice, or an EC key with MD5.

    Spec: RFC 2986 §4; checklist M-09, C-10, T-43.
    """
    attributes = []
    if challenge:
        attributes.append(make_attribute(oids.CHALLENGE_PASSWORD, directory_string(challenge)))
    requested = _encode_extensions(extensions, dns_names)
    if requested:
        wanted = wrap_der(content_of(ExtensionList(extensions=requested)))
        attributes.append(make_attribute(oids.EXTENSION_REQUEST, wanted))
    public_key = signer.public_key
    info = encode_der(
        CertificationRequestInfo(
            version=0,
            subject=wrap_der(subject.public_bytes()),
            public_key=wrap_der(
                public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            ),
            attributes=sorted(attributes, key=encode_der),
        )
    )
    algorithm = signature_identifier(digest, public_key)
    return encode_der(
        CertificationRequest(
            info=wrap_der(info),
            signature_algorithm=algorithm,
            signature=BitString(signer.sign(info, HASHES[digest]), 0),
        )
    )


def _encode_extensions(
    extensions: Sequence[x509.Extension[x509.ExtensionType]], dns_names: Sequence[str]
) -> list[Extension]:
    requested = [
        Extension(extension_id=e.oid, critical=e.critical, value=e.value.public_bytes())
        for e in extensions
    ]
    if dns_names:
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names])
        if any(extension.extension_id == names.oid for extension in requested):
            raise LocalProtocolError("subjectAltName is given twice")
        requested.append(Extension(extension_id=names.oid, value=names.public_bytes()))
    return requested


def read_csr(der: bytes) -> CsrView:
    """Reads a certification request, whatever order its attributes have.

    An invalid signature is reported, not raised.

    Raises:
        MalformedMessageError: it cannot be read, or an attribute appears twice.

    Spec: RFC 2986 §4; checklist T-23, S-48.
    """
    deviations: list[str] = []
    request, source = decode_tolerant(CertificationRequest, der, _WHAT)
    signed = encode_der(request.info)
    info, inner_source = decode_tolerant(CertificationRequestInfo, signed, _WHAT)
    if source is not None:
        signed = _as_received(der, source)
    if source is not None or inner_source is not None:
        deviations.append("the request is BER, not DER")
    attributes = info.attributes or []
    challenge, challenge_type = _read_challenge(attributes)
    digest = oids.SIGNATURE_DIGEST_BY_OID.get(request.signature_algorithm.algorithm)
    public_key_der = encode_der(info.public_key)
    public_key = load_public_key(public_key_der)
    try:
        parsed = _load_canonical(der, request, info, deviations)
        return CsrView(
            der=der,
            subject=parsed.subject,
            subject_element=info.subject,
            public_key=public_key,
            public_key_element=info.public_key,
            public_key_der=public_key_der,
            challenge=challenge,
            challenge_type=challenge_type,
            extensions=parsed.extensions,
            digest=digest,
            is_signature_valid=digest is not None
            and is_signature_valid(public_key, request.signature.as_bytes(), signed, digest),
            deviations=tuple(deviations),
        )
    except _UNREADABLE as error:
        raise MalformedMessageError(f"this is no {_WHAT}: {error}", attribute=_WHAT) from error


_UNREADABLE = (
    *UNREADABLE,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def _load_canonical(
    der: bytes,
    request: CertificationRequest,
    info: CertificationRequestInfo,
    deviations: list[str],
) -> x509.CertificateSigningRequest:
    """The library's view; it wants DER with the attributes in order, so it may get a copy."""
    try:
        return x509.load_der_x509_csr(der)
    except ValueError:
        attributes = info.attributes or []
        info.attributes = sorted(attributes, key=encode_der)
        if info.attributes != attributes:
            deviations.append("the request's attributes are not in DER order")
        request.info = to_tlv(info)
        return x509.load_der_x509_csr(encode_der(request))


def _as_received(der: bytes, source: Element) -> bytes:
    info = source.children[0]
    return der[info.start : info.end]


def _read_challenge(attributes: Sequence[Attribute]) -> tuple[str | None, str]:
    found = [a for a in attributes if a.type == oids.CHALLENGE_PASSWORD]
    if not found:
        return None, ""
    values = attribute_values(found[0])
    if len(found) > 1 or len(values) != 1:
        raise MalformedMessageError(
            "the request has more than one challenge password", attribute="challengePassword"
        )
    try:
        return decode_string(values[0])
    except ValueError:
        # The text of the error could quote the password.
        raise MalformedMessageError(
            "the challenge password is no character string", attribute="challengePassword"
        ) from None
