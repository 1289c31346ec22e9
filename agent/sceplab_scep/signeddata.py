"""CMS SignedData with one signer and signed attributes: made, taken apart, verified.

The meaning of SCEP's attributes is not known here (see `signedattributes`).

Spec: RFC 5652 §5, §11; RFC 8894 §3.2; checklist M-01, M-03, M-12, S-42, T-03, T-22.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.asn1 import TLV, SetOf, decode_der, encode_der
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sceplab_scep import oids
from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.ber import Element, decode_tolerant, encode_length
from sceplab_scep.cms import (
    Attribute,
    AttributeList,
    EncapsulatedContentInfo,
    IssuerAndSerialNumber,
    LoneSignedValue,
    SignedAttribute,
    SignedAttributeSet,
    SignedContentInfo,
    SignedData,
    SignedValue,
    SignerInfo,
    make_attribute,
    wrap_der,
)
from sceplab_scep.errors import (
    MalformedMessageError,
    RemoteProtocolError,
    SignatureInvalidError,
)
from sceplab_scep.names import name_text
from sceplab_scep.ports import MessageSigner
from sceplab_scep.signatures import (
    HASHES,
    RSA_ENCRYPTION,
    compute_digest,
    digest_identifier,
    is_signature_valid,
    require_floor,
    signature_identifier,
    unknown_algorithm,
)
from sceplab_scep.x509fields import (
    fields_of,
    load_certificate,
    subject_key_identifier,
)

_SECTION = "RFC 8894 §3.2"
_SEQUENCE = b"\x30"
_SET = b"\x31"
_CONTEXT_0 = b"\xa0"

_CONTENT_TYPE = make_attribute(oids.CONTENT_TYPE, oids.DATA)
_DIGEST_SETS = {digest: SetOf([digest_identifier(digest)]) for digest in Digest}

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class ReceivedSignedData:
    """A SignedData with exactly one signer, taken apart and not yet verified."""

    signed_data: SignedData
    signer_info: SignerInfo
    attributes: dict[x509.ObjectIdentifier, SignedValue]
    """Values of the single-valued signed attributes."""
    signed_encodings: list[bytes]
    """Encodings the signature may be over, the most literal first."""
    deviations: list[str] = field(default_factory=list)

    @property
    def content(self) -> bytes | None:
        """What is signed, ``None`` when eContent is absent."""
        return self.signed_data.encap_content_info.content

    @property
    def digest(self) -> Digest | None:
        """Digest the signer names, ``None`` when it is unknown."""
        return oids.DIGEST_BY_OID.get(self.signer_info.digest_algorithm.algorithm)


def build_signed_data(
    content: bytes | None,
    attributes: Iterable[Attribute],
    *,
    signer: MessageSigner,
    signer_certificate: x509.Certificate,
    digest: Digest,
    certificates: Sequence[x509.Certificate],
    names_digest_in_signature: bool = False,
) -> bytes:
    """Signs content and attributes; contentType and messageDigest are added here.

    Args:
        content: eContent; ``None`` leaves it out (and its digest is that of nothing).
        attributes: further signed attributes, in any order.
        signer: key of ``signer_certificate``.
        signer_certificate: named in the SignerInfo.
        digest: of content and signature.
        certificates: sent along, in this order.
        names_digest_in_signature: write ``shaNWithRSA`` instead of ``rsaEncryption`` (T-03).
    """
    signed_set = _encode_set(
        (
            _CONTENT_TYPE,
            make_attribute(oids.MESSAGE_DIGEST, compute_digest(digest, content or b"")),
            *attributes,
        )
    )
    public_key = signer.public_key
    if isinstance(public_key, RSAPublicKey) and not names_digest_in_signature:
        signature_algorithm = RSA_ENCRYPTION
    else:
        signature_algorithm = signature_identifier(digest, public_key)
    signer_info = SignerInfo(
        version=1,
        sid=fields_of(signer_certificate).name,
        digest_algorithm=digest_identifier(digest),
        signed_attributes=wrap_der(_CONTEXT_0 + signed_set[1:]),
        signature_algorithm=signature_algorithm,
        signature=signer.sign(signed_set, HASHES[digest]),
    )
    signed_data = SignedData(
        version=1,
        digest_algorithms=_DIGEST_SETS[digest],
        encap_content_info=EncapsulatedContentInfo(content_type=oids.DATA, content=content),
        certificates=[fields_of(c).element for c in certificates] or None,
        signer_infos=SetOf([signer_info]),
    )
    return encode_der(SignedContentInfo(content_type=oids.SIGNED_DATA, content=signed_data))


def _encode_set(attributes: Iterable[Attribute]) -> bytes:
    """The attributes as the SET that is signed, in DER order. Spec: RFC 5652 §5.4."""
    return encode_der(SetOf(list(attributes)))


def parse_signed_data(data: bytes) -> ReceivedSignedData:
    """Takes a signed message apart; BER is tolerated.

    Raises:
        MalformedMessageError: no SignedData of type data.
        RemoteProtocolError: not exactly one signer, or signed attributes that CMS forbids.

    Spec: RFC 8894 §3.2; checklist M-01, M-03.
    """
    message, source = decode_tolerant(SignedContentInfo, data, "pkiMessage")
    signed_data = message.content
    if message.content_type != oids.SIGNED_DATA:
        raise MalformedMessageError(
            "this is no pkiMessage: its type is not SignedData", section=_SECTION
        )
    if signed_data.encap_content_info.content_type != oids.DATA:
        raise MalformedMessageError(
            "the signed content is not of type data", section=_SECTION, attribute="eContentType"
        )
    signer_info, as_sent = _only_signer(signed_data)
    signed_set = _SET + as_sent[1:]
    deviations = [] if source is None else ["BER, not DER"]
    encodings = [] if source is None else _attributes_in_source(data, source)
    encodings.append(signed_set)
    try:
        attributes: Sequence[Attribute | SignedAttribute] = _in_sequence(
            SignedAttributeSet, signed_set
        ).attributes.as_list()
    except ValueError:
        attributes = _read_unusual_attributes(as_sent[1:])
        ordered = _encode_set(attributes)
        if ordered != signed_set:
            deviations.append("signed attributes are not in DER order")
            encodings.append(ordered)
    return ReceivedSignedData(
        signed_data=signed_data,
        signer_info=signer_info,
        attributes=_single_values(attributes),
        signed_encodings=encodings,
        deviations=deviations,
    )


def _only_signer(signed_data: SignedData) -> tuple[SignerInfo, bytes]:
    """The one signer and its signed attributes as sent."""
    signer_infos = signed_data.signer_infos.as_list()
    if len(signer_infos) != 1:
        raise RemoteProtocolError(
            f"a pkiMessage has one signer, this has {len(signer_infos)}",
            section=_SECTION,
            attribute="signerInfos",
        )
    as_sent = encode_der(signer_infos[0].signed_attributes)
    if as_sent[:1] != _CONTEXT_0:
        raise RemoteProtocolError(
            "the signer signed no attributes", section=_SECTION, attribute="signedAttrs"
        )
    return signer_infos[0], as_sent


def _in_sequence(structure: type[T], element: bytes) -> T:
    """Decodes a structure whose only component is the element."""
    return decode_der(structure, _SEQUENCE + encode_length(len(element)) + element)


def _read_unusual_attributes(length_and_content: bytes) -> list[Attribute]:
    """Attributes in another order, or with text that PrintableString should not have."""
    element = _SEQUENCE + length_and_content
    whole = _SEQUENCE + encode_length(len(element)) + element
    return decode_tolerant(AttributeList, whole, "set of signed attributes")[0].attributes


def _single_values(
    attributes: Iterable[Attribute | SignedAttribute],
) -> dict[x509.ObjectIdentifier, SignedValue]:
    """Value by type. Attributes nobody here knows may have several values and are left out."""
    values: dict[x509.ObjectIdentifier, SignedValue] = {}
    left_out: set[x509.ObjectIdentifier] = set()
    for attribute in attributes:
        attribute_type = attribute.type
        name = oids.ATTRIBUTE_NAMES.get(attribute_type)
        if attribute_type in values or attribute_type in left_out:
            raise RemoteProtocolError(
                f"signed attribute {name or attribute_type.dotted_string} appears twice",
                section=_SECTION,
                attribute=name or attribute_type.dotted_string,
            )
        listed = attribute.values.as_list()
        if len(listed) == 1:
            value = listed[0]
            values[attribute_type] = _typed(value) if isinstance(value, TLV) else value
        elif name is None:
            left_out.add(attribute_type)
        else:
            raise RemoteProtocolError(
                f"signed attribute {name} has {len(listed)} values instead of one",
                section=_SECTION,
                attribute=name,
            )
    return values


def _typed(value: TLV) -> SignedValue:
    """A value as `SignedAttribute` would read it, where that is possible."""
    try:
        return _in_sequence(LoneSignedValue, encode_der(value)).value
    except ValueError:
        return value


def _attributes_in_source(data: bytes, source: Element) -> list[bytes]:
    """The signed attributes as they stand in a BER message, retagged as a SET."""
    signer_info = source.children[1].children[0].children[-1].children[0]
    return [
        _SET + data[child.start + 1 : child.end]
        for child in signer_info.children
        if child.identifier == _CONTEXT_0
    ]


def carried_certificates(signed_data: SignedData) -> list[x509.Certificate]:
    """The X.509 certificates of a SignedData; other kinds and unreadable ones are left out."""
    certificates = []
    for choice in signed_data.certificates or []:
        if choice.tag_bytes != _SEQUENCE:
            continue
        try:
            certificates.append(load_certificate(encode_der(choice)))
        except MalformedMessageError:
            continue
    return certificates


def find_certificate(
    name: IssuerAndSerialNumber | bytes, candidates: Sequence[x509.Certificate]
) -> x509.Certificate | None:
    """The certificate a CMS structure names, by issuer and serial number or by key identifier.

    A certificate whose serial number fits but whose issuer is spelled differently is taken when
    it is the only one: some peers rebuild names.
    """
    if isinstance(name, bytes):
        return next((c for c in candidates if subject_key_identifier(c) == name), None)
    issuer = encode_der(name.issuer)
    serial_number = name.serial_number
    by_serial = []
    for candidate in candidates:
        fields = fields_of(candidate)
        if fields.serial_number != serial_number:
            continue
        if fields.issuer_der == issuer:
            return candidate
        by_serial.append(candidate)
    return by_serial[0] if len(by_serial) == 1 else None


def verify_signed_data(
    received: ReceivedSignedData, certificate: x509.Certificate, floor: Floor, peer: str
) -> Digest:
    """Checks digest and signature with the key of a certificate; whose it is, is not asked.

    Args:
        received: the message; a deviation may be added to it.
        certificate: the signer's.
        floor: weakest digest accepted.
        peer: ``server`` or ``client``, for the text of a refusal.

    Returns:
        The digest algorithm.

    Raises:
        UnsupportedAlgorithmError: unknown algorithm, or one below the floor.
        SignatureInvalidError: digest or signature do not verify, or contradict each other.

    Spec: RFC 5652 §5.4, §5.6; checklist 22.
    """
    digest = _agreed_digest(received, floor, peer)
    _check_message_digest(received, digest)
    public_key = fields_of(certificate).public_key
    signature = received.signer_info.signature
    for position, encoding in enumerate(received.signed_encodings):
        if is_signature_valid(public_key, signature, encoding, digest):
            if position:
                received.deviations.append(
                    "the signature is over the attributes in DER, not as sent"
                )
            return digest
    raise SignatureInvalidError(
        f"the signature does not verify with the key of {name_text(certificate.subject)}",
        section="RFC 5652 §5.6",
    )


def _agreed_digest(received: ReceivedSignedData, floor: Floor, peer: str) -> Digest:
    """The digest that SignedData, SignerInfo and signature algorithm all name."""
    signer_info = received.signer_info
    oid = signer_info.digest_algorithm.algorithm
    digest = received.digest
    if digest is None:
        raise unknown_algorithm(f"digest {oid.dotted_string}", floor, peer)
    require_floor(digest, floor, peer)
    listed = received.signed_data.digest_algorithms.as_list()
    if all(algorithm.algorithm != oid for algorithm in listed):
        raise SignatureInvalidError(
            "the signer's digest algorithm is not among those of the message",
            section="RFC 5652 §5.1",
            attribute="digestAlgorithms",
        )
    signature_oid = signer_info.signature_algorithm.algorithm
    if signature_oid == oids.RSA_ENCRYPTION:
        return digest
    named = oids.SIGNATURE_DIGEST_BY_OID.get(signature_oid)
    if named is None:
        name = "RSASSA-PSS" if signature_oid == oids.RSASSA_PSS else signature_oid.dotted_string
        raise unknown_algorithm(f"signature algorithm {name}", floor, peer)
    if named is not digest:
        raise SignatureInvalidError(
            f"the signer digests with {digest.value} and signs with {named.value}",
            section="RFC 5652 §5.3",
            attribute="signatureAlgorithm",
        )
    return digest


def _check_message_digest(received: ReceivedSignedData, digest: Digest) -> None:
    if received.attributes.get(oids.CONTENT_TYPE) != oids.DATA:
        raise SignatureInvalidError(
            "the signed attribute contentType is missing or not data",
            section="RFC 5652 §11.1",
            attribute="contentType",
        )
    stated = received.attributes.get(oids.MESSAGE_DIGEST)
    actual = compute_digest(digest, received.content or b"")
    if not isinstance(stated, bytes) or not hmac.compare_digest(stated, actual):
        raise SignatureInvalidError(
            "the content does not have the digest that was signed",
            section="RFC 5652 §11.2",
            attribute="messageDigest",
        )
