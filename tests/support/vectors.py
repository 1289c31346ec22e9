"""Messages of odd shapes, made by us after what peers were seen to write.

Everything is put together from parts, so that one part can be wrong. The names say which peer or
which report a shape imitates.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.asn1 import TLV, BitString, Null, SetOf, encode_der

from sceplab_scep import oids
from sceplab_scep.algorithms import Digest
from sceplab_scep.cms import (
    AlgorithmIdentifier,
    Attribute,
    AttributeList,
    Certificate,
    CertificationRequest,
    CertificationRequestInfo,
    EncapsulatedContentInfo,
    EnvelopedContentInfo,
    SignedContentInfo,
    SignedData,
    SignedValue,
    SignerInfo,
    TbsCertificate,
    content_of,
    to_tlv,
    wrap_der,
)
from sceplab_scep.signatures import HASHES, compute_digest
from sceplab_scep.strings import encode_printable
from sceplab_scep.x509fields import fields_of
from tests.support.pki import (
    NONCE,
    TRANSACTION_ID,
    LocalKey,
    der,
    device_certificate,
    lab_pki,
    rsa_key,
)

# --- BER ------------------------------------------------------------------------------------------


@dataclass
class Node:
    """One element of a DER encoding."""

    tag: int
    content: bytes = b""
    children: list[Node] = field(default_factory=list)


def parse(data: bytes) -> Node:
    """The element at the start of a DER encoding (single-octet tags)."""
    return _parse(data, 0)[0]


def _parse(data: bytes, start: int) -> tuple[Node, int]:
    tag, first = data[start], data[start + 1]
    offset = start + 2
    length = first
    if first & 0x80:
        size = first & 0x7F
        length = int.from_bytes(data[offset : offset + size], "big")
        offset += size
    end = offset + length
    node = Node(tag, data[offset:end])
    if tag & 0x20:
        while offset < end:
            child, offset = _parse(data, offset)
            node.children.append(child)
    return node, end


def definite(tag: int, content: bytes, *, length_octets: int = 0) -> bytes:
    """An element; ``length_octets`` makes its length longer than it has to be."""
    size = len(content)
    if length_octets == 0:
        if size < 0x80:
            return bytes((tag, size)) + content
        length_octets = (size.bit_length() + 7) // 8
    return bytes((tag, 0x80 | length_octets)) + size.to_bytes(length_octets, "big") + content


def indefinite(tag: int, content: bytes) -> bytes:
    """An element of indefinite length."""
    return bytes((tag, 0x80)) + content + b"\x00\x00"


def segments(content: bytes, size: int) -> bytes:
    """The content as a row of OCTET STRINGs."""
    return b"".join(
        definite(0x04, content[start : start + size]) for start in range(0, len(content), size)
    )


def _encode(node: Node, path: tuple[int, ...], rewrite: Callable[..., bytes | None]) -> bytes:
    own = rewrite(node, path)
    if own is not None:
        return own
    if not node.tag & 0x20:
        return definite(node.tag, node.content)
    inner = b"".join(
        _encode(child, (*path, position), rewrite) for position, child in enumerate(node.children)
    )
    return definite(node.tag, inner)


def as_jscep_writes(message: bytes) -> bytes:
    """T-22: the frame of indefinite length, the content in segments; attributes stay DER."""
    frame = {(), (1,), (1, 0), (1, 0, 2), (1, 0, 2, 1)}

    def encode(node: Node, path: tuple[int, ...]) -> bytes:
        if node.tag == 0x04 and path == (1, 0, 2, 1, 0):
            return indefinite(0x24, segments(node.content, 1000))
        if path not in frame:
            return definite(node.tag, node.content)
        inner = b"".join(encode(child, (*path, i)) for i, child in enumerate(node.children))
        return indefinite(node.tag, inner)

    return encode(parse(message), ())


def with_long_lengths(message: bytes) -> bytes:
    """BER: every length of the frame takes four octets, signed attributes included."""

    def encode(node: Node, depth: int) -> bytes:
        if depth > 5 or not node.tag & 0x20 or (node.tag == 0x31 and depth > 3):
            return definite(node.tag, node.content)
        inner = b"".join(encode(child, depth + 1) for child in node.children)
        return definite(node.tag, inner, length_octets=4)

    return encode(parse(message), 0)


def as_go_writes(envelope: bytes) -> bytes:
    """T-22: the encrypted content constructed, of definite length, as Go's pkcs7 packages."""

    def rewrite(node: Node, path: tuple[int, ...]) -> bytes | None:
        if node.tag == 0x80 and len(path) == 4:
            return definite(0xA0, segments(node.content, 512))
        return None

    return _encode(parse(envelope), (), rewrite)


def as_bouncy_castle_writes(envelope: bytes) -> bytes:
    """T-22: an envelope of indefinite length, its encrypted content in segments."""

    def encode(node: Node, depth: int) -> bytes:
        if node.tag == 0x80 and depth == 4:
            return indefinite(0xA0, segments(node.content, 1000))
        if not node.tag & 0x20 or depth > 3:
            return definite(node.tag, node.content)
        return indefinite(node.tag, b"".join(encode(c, depth + 1) for c in node.children))

    return encode(parse(envelope), 0)


# --- SignedData -----------------------------------------------------------------------------------


def attribute(oid: x509.ObjectIdentifier, *values: SignedValue) -> Attribute:
    """A signed attribute with any number of values."""
    return Attribute(type=oid, values=SetOf(list(values)))


def text(value: str) -> TLV:
    """A PrintableString, whatever its characters."""
    return encode_printable(value)


def scep_attributes(
    message_type: str = "19",
    *,
    transaction_id: str = TRANSACTION_ID,
    sender_nonce: bytes | None = NONCE,
    recipient_nonce: bytes | None = None,
    status: str | None = None,
    fail_info: str | None = None,
) -> list[Attribute]:
    """SCEP's attributes with any values."""
    attributes = [
        attribute(oids.MESSAGE_TYPE, text(message_type)),
        attribute(oids.TRANSACTION_ID, text(transaction_id)),
    ]
    if sender_nonce is not None:
        attributes.append(attribute(oids.SENDER_NONCE, sender_nonce))
    if recipient_nonce is not None:
        attributes.append(attribute(oids.RECIPIENT_NONCE, recipient_nonce))
    if status is not None:
        attributes.append(attribute(oids.PKI_STATUS, text(status)))
    if fail_info is not None:
        attributes.append(attribute(oids.FAIL_INFO, text(fail_info)))
    return attributes


def without(attributes: Sequence[Attribute], oid: x509.ObjectIdentifier) -> list[Attribute]:
    """The attributes but those of one type."""
    return [a for a in attributes if a.type != oid]


@dataclass(kw_only=True)
class Craft:
    """A SignedData of which every part can be chosen."""

    attributes: list[Attribute] = field(default_factory=scep_attributes)
    content: bytes | None = b"content"
    key: LocalKey = field(default_factory=lambda: rsa_key("device"))
    certificate: x509.Certificate = field(default_factory=device_certificate)
    carried: list[TLV] | None = None
    """Entries of the certificates field; ``None``: the signer's certificate."""
    digest: Digest = Digest.SHA256
    signed_with: Digest | None = None
    """Digest of the signature when it differs from the one named."""
    digest_oid: x509.ObjectIdentifier | None = None
    listed_digests: list[Digest] | None = None
    signature_oid: x509.ObjectIdentifier = oids.RSA_ENCRYPTION
    content_type: x509.ObjectIdentifier = oids.DATA
    stated_digest: bytes | None = None
    cms_attributes: bool = True
    """Whether contentType and messageDigest are added."""
    keeps_order: bool = False
    """Attributes as given instead of in DER order."""
    signs_der_order: bool = False
    """The signature is over DER order whatever is sent."""
    signers: int = 1
    sid: object = None
    outer_type: x509.ObjectIdentifier = oids.SIGNED_DATA

    def build(self) -> bytes:
        """The message."""
        named = AlgorithmIdentifier(
            algorithm=self.digest_oid or oids.DIGESTS[self.digest], parameters=Null()
        )
        listed = [
            AlgorithmIdentifier(algorithm=oids.DIGESTS[digest], parameters=Null())
            for digest in self.listed_digests or []
        ] or [named]
        sent = self._attributes()
        in_order = sorted(sent, key=encode_der)
        body = content_of(AttributeList(attributes=sent))
        signed = content_of(AttributeList(attributes=in_order)) if self.signs_der_order else body
        signature = self.key.sign(b"\x31" + signed[1:], HASHES[self.signed_with or self.digest])
        signer_info = SignerInfo(
            version=1,
            sid=self.sid or fields_of(self.certificate).name,  # type: ignore[arg-type]
            digest_algorithm=named,
            signed_attributes=wrap_der(b"\xa0" + body[1:]),
            signature_algorithm=AlgorithmIdentifier(
                algorithm=self.signature_oid, parameters=Null()
            ),
            signature=signature,
        )
        carried = [wrap_der(der(self.certificate))] if self.carried is None else self.carried
        signed_data = SignedData(
            version=1,
            digest_algorithms=SetOf(listed),
            encap_content_info=EncapsulatedContentInfo(
                content_type=self.content_type, content=self.content
            ),
            certificates=carried or None,
            signer_infos=SetOf([signer_info] * self.signers),
        )
        return encode_der(SignedContentInfo(content_type=self.outer_type, content=signed_data))

    def _attributes(self) -> list[Attribute]:
        sent = list(self.attributes)
        if self.cms_attributes:
            digest = self.stated_digest or compute_digest(self.digest, self.content or b"")
            sent.append(attribute(oids.CONTENT_TYPE, self.content_type))
            sent.append(attribute(oids.MESSAGE_DIGEST, digest))
        return sent if self.keeps_order else sorted(sent, key=encode_der)


def craft_reply(status: str, *, fail_info: str | None = None, **changes: object) -> bytes:
    """A CertRep of the RA with any status text."""
    pki = lab_pki()
    values: dict[str, object] = {
        "attributes": scep_attributes(
            "3",
            sender_nonce=None,
            recipient_nonce=NONCE,
            status=status,
            fail_info=fail_info,
        ),
        "content": None,
        "key": pki.ra_signing_key,
        "certificate": pki.ra_signing,
    }
    return Craft(**(values | changes)).build()  # type: ignore[arg-type]


def unsorted_set(message: bytes, path: tuple[int, ...]) -> bytes:
    """The message with the children of one element in reverse order."""

    def rewrite(node: Node, at: tuple[int, ...]) -> bytes | None:
        if at != path:
            return None
        parts = [definite(child.tag, child.content) for child in node.children]
        return definite(node.tag, b"".join(sorted(parts, reverse=True)))

    return _encode(parse(message), (), rewrite)


def replace_element(message: bytes, path: tuple[int, ...], replacement: bytes) -> bytes:
    """The message with one element replaced, lengths around it put right."""

    def rewrite(_: Node, at: tuple[int, ...]) -> bytes | None:
        return replacement if at == path else None

    return _encode(parse(message), (), rewrite)


SIGNED_ATTRIBUTES = (1, 0, 4, 0, 3)
"""Path of the signed attributes in a message with certificates."""


def edit_envelope(envelope: bytes, change: Callable[[EnvelopedContentInfo], None]) -> bytes:
    """The envelope after a change of its parts."""
    info = wrap_der(envelope).parse(EnvelopedContentInfo)
    change(info)
    return encode_der(info)


# --- certificates and requests --------------------------------------------------------------------


def resign(
    certificate: x509.Certificate, issuer_key: LocalKey, digest: Digest, **changes: object
) -> bytes:
    """The certificate signed anew with any digest, after changes of its fields."""
    whole = wrap_der(der(certificate)).parse(Certificate)
    tbs = whole.tbs_certificate.parse(TbsCertificate)
    algorithm = AlgorithmIdentifier(algorithm=oids.RSA_SIGNATURES[digest], parameters=Null())
    tbs.signature = algorithm
    for field_name, value in changes.items():
        setattr(tbs, field_name, value)
    signed = encode_der(tbs)
    return encode_der(
        Certificate(
            tbs_certificate=wrap_der(signed),
            signature_algorithm=algorithm,
            signature=BitString(issuer_key.sign(signed, HASHES[digest]), 0),
        )
    )


def sscep_serial(der_text: bytes = b"6F1A2B3C4D5E6F70") -> int:
    """T-35: sscep's serial number is an ASCII string with its closing zero byte."""
    return int.from_bytes(der_text + b"\x00", "big")


def self_signed_oddity(*, serial: int | None = None, common_name: str | None = None) -> bytes:
    """T-35: a self-signed certificate with a serial number or subject of the peer's invention."""
    changes: dict[str, object] = {}
    if serial is not None:
        changes["serial_number"] = serial
    if common_name is not None:
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
        changes["subject"] = changes["issuer"] = wrap_der(subject.public_bytes())
    return resign(device_certificate(), rsa_key("device"), Digest.SHA256, **changes)


def edit_csr(
    csr_der: bytes,
    change: Callable[[CertificationRequestInfo], None],
    *,
    key: LocalKey | None = None,
) -> bytes:
    """The request after a change of its parts, signed anew."""
    request = wrap_der(csr_der).parse(CertificationRequest)
    info = request.info.parse(CertificationRequestInfo)
    change(info)
    request.info = to_tlv(info)
    signature = (key or rsa_key("device")).sign(encode_der(request.info), HASHES[Digest.SHA256])
    request.signature = BitString(signature, 0)
    return encode_der(request)


def as_strongswan_orders(csr_der: bytes) -> bytes:
    """T-23: the attributes of the request not in DER order."""

    def reverse(info: CertificationRequestInfo) -> None:
        assert info.attributes is not None
        info.attributes = sorted(info.attributes, key=encode_der, reverse=True)

    return edit_csr(csr_der, reverse)


def with_challenge(csr_der: bytes, *values: TLV) -> bytes:
    """The request with any encoding of its challenge password."""

    def replace(info: CertificationRequestInfo) -> None:
        others = [a for a in info.attributes or [] if a.type != oids.CHALLENGE_PASSWORD]
        info.attributes = [*others, *(attribute(oids.CHALLENGE_PASSWORD, v) for v in values)]

    return edit_csr(csr_der, replace)


# --- queries --------------------------------------------------------------------------------------


def get_values(message: bytes) -> dict[str, str]:
    """T-16: one message as several clients put it into a query."""
    plain = base64.b64encode(message).decode("ascii")
    lines = [plain[start : start + 64] for start in range(0, len(plain), 64)]
    escaped = plain.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    return {
        "everything escaped (jscep, certmonger, Windows)": escaped,
        "lines of 64 with %0A (Cisco IOS, sscep)": "%0A".join(
            line.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D") for line in lines
        )
        + "%0A",
        "lines with %0D%0A": "%0D%0A".join(lines),
        "only = escaped (macOS)": plain.replace("=", "%3D"),
        "nothing escaped": plain,
        "plus signs turned into spaces": plain.replace("+", " "),
        "plus signs turned into %20": plain.replace("+", "%20"),
        "base64url (micromdm)": base64.urlsafe_b64encode(message).decode("ascii"),
        "base64url without padding": base64.urlsafe_b64encode(message).decode().rstrip("="),
        "padding lost": plain.rstrip("="),
        "escaped twice": escaped.replace("%", "%25"),
        "tabs": plain[:10] + "%09" + plain[10:],
    }
