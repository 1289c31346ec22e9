"""Certificates alone in a SignedData without signers ("certs-only", "degenerate").

Spec: RFC 8894 §3.4, §4.2.1; checklist 18, T-29.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.asn1 import SetOf, encode_der

from sceplab_scep import oids
from sceplab_scep.ber import MAX_MESSAGE_BYTES, BerError, decode_tolerant, read_length
from sceplab_scep.cms import EncapsulatedContentInfo, SignedContentInfo, SignedData
from sceplab_scep.errors import MalformedMessageError
from sceplab_scep.signeddata import carried_certificates
from sceplab_scep.x509fields import fields_of, load_certificate

_WHAT = "certificate bundle"
_SEQUENCE = b"\x30"
_OBJECT_IDENTIFIER = b"\x06"
_PEM_BLOCK = re.compile(
    rb"-----BEGIN (PKCS7|CMS|CERTIFICATE|X509 CERTIFICATE)-----(.*?)-----END \1-----", re.DOTALL
)
_NONE: SetOf[Any] = SetOf([])
_NO_CONTENT = EncapsulatedContentInfo(content_type=oids.DATA)
_WHITESPACE = b" \t\r\n"


def build_certs_only(
    certificates: Sequence[x509.Certificate], *, sorted_set: bool = False
) -> bytes:
    """Certificates as a bundle.

    Args:
        certificates: in the order wanted on the wire, the issued one first.
        sorted_set: put them in DER's order instead, as a strict writer does.

    Spec: RFC 8894 §3.4; checklist 18.
    """
    elements = [fields_of(certificate).element for certificate in certificates]
    if sorted_set:
        elements.sort(key=encode_der)
    bundle = SignedData(
        version=1,
        digest_algorithms=_NONE,
        encap_content_info=_NO_CONTENT,
        certificates=elements or None,
        signer_infos=_NONE,
    )
    return encode_der(SignedContentInfo(content_type=oids.SIGNED_DATA, content=bundle))


def read_certs_only(data: bytes) -> list[x509.Certificate]:
    """The certificates in a bundle, in its order.

    Decides by content: a bundle or a bare certificate, DER or BER, PEM or base64. Certificates
    of other kinds and unreadable ones are left out; CRLs are ignored.

    Raises:
        MalformedMessageError: neither a bundle nor a certificate.

    Spec: RFC 8894 §3.4, §4.2.1; checklist 18, C-46.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise MalformedMessageError(
            f"{_WHAT} of {len(data)} bytes; at most {MAX_MESSAGE_BYTES} are read", attribute=_WHAT
        )
    blocks = _PEM_BLOCK.findall(data)
    if blocks:
        return [c for _, body in blocks for c in _read_one(_decode_base64(body))]
    if data[:1] != _SEQUENCE:
        try:
            return _read_one(_decode_base64(data))
        except MalformedMessageError:
            # The text of the other reading says more (a web page, nothing at all).
            return _read_one(data)
    return _read_one(data)


def _read_one(data: bytes) -> list[x509.Certificate]:
    if not _starts_with_type(data):
        try:
            return [load_certificate(data)]
        except MalformedMessageError:
            pass
    message, _ = decode_tolerant(SignedContentInfo, data, _WHAT)
    if message.content_type != oids.SIGNED_DATA:
        raise MalformedMessageError(f"this is no {_WHAT}", attribute=_WHAT)
    certificates = carried_certificates(message.content)
    if not certificates and message.content.certificates:
        raise MalformedMessageError("no certificate of the bundle can be read", attribute=_WHAT)
    return certificates


def _starts_with_type(data: bytes) -> bool:
    """Whether the SEQUENCE begins with an object identifier: a bundle, and no certificate."""
    try:
        _, start = read_length(data, 1, len(data))
    except BerError:
        return False
    return data[start : start + 1] == _OBJECT_IDENTIFIER


def _decode_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text.translate(None, _WHITESPACE), validate=True)
    except binascii.Error as error:
        raise MalformedMessageError(
            f"this is no {_WHAT}: neither DER nor base64", attribute=_WHAT
        ) from error
