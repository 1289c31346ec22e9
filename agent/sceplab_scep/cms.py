"""CMS, PKCS#10 and X.509 structures, declared once; nothing is signed, encrypted or judged here.

    ContentInfo    ::= { contentType, content [0] }      (one declaration for each content)
    SignedData     ::= { version, digestAlgorithms, encapContentInfo, certificates [0],
                         crls [1], signerInfos }
    EnvelopedData  ::= { version, originatorInfo [0], recipientInfos, encryptedContentInfo,
                         unprotectedAttrs [1] }

The declarations read and write strict DER. Sets whose order matters, or may be wrong on reading,
are declared as (implicitly tagged) sequences, which look the same on the wire; an optional ANY
is an optional CHOICE with `TLV` as its last arm. ADR 0002 has the reasons.

Spec: RFC 5652; RFC 2986; RFC 5280 §4.1; RFC 8894 §3.3.3.
"""

from typing import Annotated

from cryptography.hazmat.asn1 import (
    TLV,
    BitString,
    Default,
    Explicit,
    GeneralizedTime,
    Implicit,
    Null,
    PrintableString,
    SetOf,
    UTCTime,
    decode_der,
    encode_der,
    sequence,
)
from cryptography.x509 import ObjectIdentifier

_LONG_LENGTH = 0x80

SignedValue = ObjectIdentifier | PrintableString | bytes | str | UTCTime | GeneralizedTime | TLV
"""Value of a signed attribute; `TLV` is anything else."""


@sequence
class AlgorithmIdentifier:
    """Algorithm and its parameters."""

    algorithm: ObjectIdentifier
    parameters: Null | bytes | TLV | None = None


@sequence
class Attribute:
    """Attribute of a SignerInfo or of a certification request.

    Values that are read are always of type `TLV`; the other types serve writing.
    """

    type: ObjectIdentifier
    values: SetOf[
        TLV | ObjectIdentifier | PrintableString | bytes | str | UTCTime | GeneralizedTime
    ]


@sequence
class SignedAttribute:
    """Attribute of a SignerInfo as it is read: the values have the types SCEP uses."""

    type: ObjectIdentifier
    values: SetOf[SignedValue]


@sequence
class LoneSignedValue:
    """Only to read a value of a signed attribute that stands alone."""

    value: SignedValue


@sequence
class SignedAttributeSet:
    """Only to read signed attributes, which stand alone for that."""

    attributes: SetOf[SignedAttribute]


@sequence
class AttributeList:
    """Only to read signed attributes that `SignedAttributeSet` refuses for order or text."""

    attributes: list[Attribute]


@sequence
class IssuerAndSerialNumber:
    """Names a certificate."""

    issuer: TLV
    serial_number: int


@sequence
class EncapsulatedContentInfo:
    """What is signed."""

    content_type: ObjectIdentifier
    content: Annotated[bytes | None, Explicit(0)] = None


@sequence
class SignerInfo:
    """One signature."""

    version: int
    sid: IssuerAndSerialNumber | Annotated[bytes, Implicit(0)]
    """Issuer and serial number, or the subject key identifier."""
    digest_algorithm: AlgorithmIdentifier
    signed_attributes: TLV
    """Tag A0, kept as encoded because that is what is signed. SCEP always has them (M-03)."""
    signature_algorithm: AlgorithmIdentifier
    signature: bytes
    unsigned_attributes: Annotated[list[TLV] | None, Implicit(1)] = None


@sequence
class SignedData:
    """Signed content, or certificates alone when there is no signer."""

    version: int
    digest_algorithms: SetOf[AlgorithmIdentifier]
    encap_content_info: EncapsulatedContentInfo
    certificates: Annotated[list[TLV] | None, Implicit(0)] = None
    crls: Annotated[list[TLV] | None, Implicit(1)] = None
    signer_infos: SetOf[SignerInfo]


@sequence
class SignedContentInfo:
    """Outermost structure of signed messages and of certificate bundles."""

    content_type: ObjectIdentifier
    content: Annotated[SignedData, Explicit(0)]


@sequence
class KeyTransRecipientInfo:
    """A content key, encrypted for one RSA key."""

    version: int
    rid: IssuerAndSerialNumber | Annotated[bytes, Implicit(0)]
    key_encryption_algorithm: AlgorithmIdentifier
    encrypted_key: bytes


@sequence
class EncryptedContentInfo:
    """The ciphertext; in segments under tag A0 where a writer made it constructed (T-22)."""

    content_type: ObjectIdentifier
    content_encryption_algorithm: AlgorithmIdentifier
    encrypted_content: Annotated[bytes, Implicit(0)] | TLV | None


@sequence
class EnvelopedData:
    """Encrypted content and the keys to it."""

    version: int
    originator_info: Annotated[list[TLV] | None, Implicit(0)] = None
    recipient_infos: SetOf[KeyTransRecipientInfo | TLV]
    encrypted_content_info: EncryptedContentInfo
    unprotected_attributes: Annotated[list[TLV] | None, Implicit(1)] = None


@sequence
class EnvelopedContentInfo:
    """Outermost structure of an envelope."""

    content_type: ObjectIdentifier
    content: Annotated[EnvelopedData, Explicit(0)]


@sequence
class RsaesOaepParameters:
    """Parameters of OAEP; what is absent means SHA-1. Spec: RFC 4055 §4.1."""

    hash_algorithm: Annotated[AlgorithmIdentifier | None, Explicit(0)] = None
    mask_generation_algorithm: Annotated[AlgorithmIdentifier | None, Explicit(1)] = None
    p_source_algorithm: Annotated[AlgorithmIdentifier | None, Explicit(2)] = None


@sequence
class IssuerAndSubject:
    """Payload of a CertPoll. Spec: RFC 8894 §3.3.3."""

    issuer: TLV
    subject: TLV


@sequence
class CertificationRequestInfo:
    """What a PKCS#10 request signs. The attributes may come in any order (T-23)."""

    version: int
    subject: TLV
    public_key: TLV
    attributes: Annotated[list[Attribute] | None, Implicit(0)] = None


@sequence
class CertificationRequest:
    """PKCS#10 request, its signed part kept as received."""

    info: TLV
    signature_algorithm: AlgorithmIdentifier
    signature: BitString


@sequence
class SubjectPublicKeyInfo:
    """Public key with its algorithm."""

    algorithm: AlgorithmIdentifier
    public_key: BitString


@sequence
class Extension:
    """X.509 extension."""

    extension_id: ObjectIdentifier
    critical: Annotated[bool, Default(False)] = False
    value: bytes


@sequence
class ExtensionList:
    """Only to encode extensions alone."""

    extensions: list[Extension]


@sequence
class Validity:
    """From when to when."""

    not_before: UTCTime | GeneralizedTime
    not_after: UTCTime | GeneralizedTime


@sequence
class TbsCertificate:
    """Signed part of a certificate."""

    version: Annotated[int | None, Explicit(0)] = None
    serial_number: int
    signature: AlgorithmIdentifier
    issuer: TLV
    validity: Validity
    subject: TLV
    public_key: TLV
    issuer_unique_id: Annotated[BitString | None, Implicit(1)] = None
    subject_unique_id: Annotated[BitString | None, Implicit(2)] = None
    extensions: Annotated[list[TLV] | None, Explicit(3)] = None


@sequence
class Certificate:
    """Certificate, its signed part kept as encoded."""

    tbs_certificate: TLV
    signature_algorithm: AlgorithmIdentifier
    signature: BitString


def to_tlv(value: object) -> TLV:
    """A value as an element whose content nobody looks into."""
    return decode_der(TLV, encode_der(value))


def wrap_der(encoding: bytes) -> TLV:
    """An element that is encoded already.

    Raises:
        ValueError: it is not exactly one element with a definite, minimal length.
    """
    return decode_der(TLV, encoding)


def content_of(value: object) -> bytes:
    """Content of a value's encoding, without its identifier and length."""
    encoding = encode_der(value)
    first = encoding[1]
    return encoding[2:] if first < _LONG_LENGTH else encoding[2 + (first & ~_LONG_LENGTH) :]


def make_attribute(attribute_type: ObjectIdentifier, value: SignedValue) -> Attribute:
    """An attribute with one value."""
    return Attribute(type=attribute_type, values=SetOf([value]))


def attribute_values(attribute: Attribute) -> list[TLV]:
    """Values of an attribute that was read."""
    return [value for value in attribute.values.as_list() if isinstance(value, TLV)]
