"""CMS EnvelopedData with RSA key transport: sealed for one recipient, opened by whoever it names.

Opening gives one error for every cause, so that it is no padding oracle.

Spec: RFC 5652 §6; RFC 3370 §4.2.1; RFC 4055 §4; RFC 8894 §3.2.2; checklist M-05, M-12, F-05,
T-11, T-12, T-22.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.asn1 import TLV, Null, SetOf, encode_der
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import (
    MGF1,
    OAEP,
    AsymmetricPadding,
    PKCS1v15,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sceplab_scep import oids
from sceplab_scep.algorithms import AlgorithmSuite, Cipher, Digest, Floor, KeyTransport
from sceplab_scep.ber import BerError, decode_tolerant, join_segments, read_length
from sceplab_scep.blockciphers import BLOCK_BYTES, KEY_BYTES, decrypt_content, encrypt_content
from sceplab_scep.cms import (
    AlgorithmIdentifier,
    EncryptedContentInfo,
    EnvelopedContentInfo,
    EnvelopedData,
    KeyTransRecipientInfo,
    RsaesOaepParameters,
    to_tlv,
)
from sceplab_scep.errors import (
    DecryptionError,
    LocalProtocolError,
    MalformedMessageError,
)
from sceplab_scep.names import name_text
from sceplab_scep.ports import MessageDecrypter
from sceplab_scep.signatures import (
    RSA_ENCRYPTION,
    digest_identifier,
    require_floor,
    unknown_algorithm,
)
from sceplab_scep.signeddata import find_certificate
from sceplab_scep.x509fields import fields_of

_WHAT = "envelope"
_SECTION = "RFC 8894 §3.2.2"
_CONSTRUCTED_CONTENT = b"\xa0"
_SEQUENCE = 0x30
_INDEFINITE = b"\x80"
_END_OF_CONTENTS = b"\x00\x00"

_PADDINGS: dict[KeyTransport, AsymmetricPadding] = {
    KeyTransport.PKCS1V15: PKCS1v15(),
    KeyTransport.OAEP_SHA1: OAEP(MGF1(hashes.SHA1()), hashes.SHA1(), None),  # noqa: S303
    KeyTransport.OAEP_SHA256: OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEnvelope:
    """What was in an envelope, and how it was closed."""

    plaintext: bytes = field(repr=False)
    cipher: Cipher
    key_transport: KeyTransport


def seal_envelope(plaintext: bytes, recipient: x509.Certificate, suite: AlgorithmSuite) -> bytes:
    """Encrypts for one certificate.

    Raises:
        LocalProtocolError: the recipient's key cannot encrypt.

    Spec: RFC 8894 §3.1, §3.2.2; checklist M-05, M-12.
    """
    fields = fields_of(recipient)
    public_key = fields.public_key
    if not isinstance(public_key, RSAPublicKey):
        raise LocalProtocolError(
            f"{name_text(recipient.subject)} cannot receive an envelope: its key is not RSA"
        )
    size = KEY_BYTES[suite.cipher]
    random_bytes = os.urandom(size + BLOCK_BYTES[suite.cipher])
    content_key, iv = random_bytes[:size], random_bytes[size:]
    recipient_info = KeyTransRecipientInfo(
        version=0,
        rid=fields.name,
        key_encryption_algorithm=_key_transport_identifier(suite.key_transport),
        encrypted_key=public_key.encrypt(content_key, _PADDINGS[suite.key_transport]),
    )
    enveloped_data = EnvelopedData(
        version=0,
        recipient_infos=SetOf([recipient_info]),
        encrypted_content_info=EncryptedContentInfo(
            content_type=oids.DATA,
            content_encryption_algorithm=AlgorithmIdentifier(
                algorithm=oids.CIPHERS[suite.cipher], parameters=iv
            ),
            encrypted_content=encrypt_content(suite.cipher, content_key, iv, plaintext),
        ),
    )
    return encode_der(
        EnvelopedContentInfo(content_type=oids.ENVELOPED_DATA, content=enveloped_data)
    )


def open_envelope(
    content: bytes,
    *,
    recipients: Sequence[tuple[x509.Certificate, MessageDecrypter]],
    floor: Floor,
) -> OpenedEnvelope:
    """Decrypts with whichever of our keys the envelope names.

    Args:
        content: the envelope, BER tolerated.
        recipients: our certificates, retired ones included, each with what decrypts for it.
        floor: weakest cipher accepted.

    Raises:
        MalformedMessageError: no envelope.
        UnsupportedAlgorithmError: cipher or key transport are unknown or below the floor.
        DecryptionError: it is for somebody else, or damaged; one text for all causes.

    Spec: RFC 5652 §6; checklist F-05, S-44, T-11, T-12.
    """
    envelope = _parse_envelope(content)
    info = envelope.encrypted_content_info
    cipher, iv = _read_cipher(info.content_encryption_algorithm, floor)
    ciphertext = _read_ciphertext(info)
    found = _find_recipient(envelope, recipients, floor)
    if found is None:
        raise _cannot_open()
    recipient_info, decrypter = found
    transport = _read_key_transport(recipient_info.key_encryption_algorithm, floor)
    content_key = _unwrap_key(decrypter, recipient_info.encrypted_key, transport, cipher)
    plaintext = decrypt_content(cipher, content_key, iv, ciphertext)
    if plaintext is None or not _is_payload(plaintext):
        raise _cannot_open()
    return OpenedEnvelope(plaintext=plaintext, cipher=cipher, key_transport=transport)


def list_recipients(content: bytes) -> list[tuple[bytes | None, int | bytes]]:
    """Whom an envelope is for: issuer (DER) and serial number, or ``None`` and key identifier.

    Raises:
        MalformedMessageError: no envelope.
    """
    return [
        (None, info.rid)
        if isinstance(info.rid, bytes)
        else (encode_der(info.rid.issuer), info.rid.serial_number)
        for info in _key_transports(_parse_envelope(content))
    ]


def cipher_name(content: bytes) -> str:
    """Name of an envelope's cipher, its OID when unknown.

    Raises:
        MalformedMessageError: no envelope.
    """
    info = _parse_envelope(content).encrypted_content_info
    oid = info.content_encryption_algorithm.algorithm
    cipher = oids.CIPHER_BY_OID.get(oid)
    return oid.dotted_string if cipher is None else cipher.value


def _parse_envelope(content: bytes) -> EnvelopedData:
    message, _ = decode_tolerant(EnvelopedContentInfo, content, _WHAT)
    inner_type = message.content.encrypted_content_info.content_type
    if message.content_type != oids.ENVELOPED_DATA or inner_type != oids.DATA:
        raise MalformedMessageError(
            "this is no envelope around data", section=_SECTION, attribute=_WHAT
        )
    return message.content


def _read_cipher(identifier: AlgorithmIdentifier, floor: Floor) -> tuple[Cipher, bytes]:
    cipher = oids.CIPHER_BY_OID.get(identifier.algorithm)
    if cipher is None:
        raise unknown_algorithm(f"cipher {identifier.algorithm.dotted_string}", floor, "")
    require_floor(cipher, floor, "")
    iv = identifier.parameters
    if not isinstance(iv, bytes) or len(iv) != BLOCK_BYTES[cipher]:
        raise MalformedMessageError(
            f"the initialisation vector does not fit {cipher.value}", attribute=_WHAT
        )
    return cipher, iv


def _read_ciphertext(info: EncryptedContentInfo) -> bytes:
    """The ciphertext; Go's pkcs7 writes it as segments of definite length (T-22)."""
    encrypted = info.encrypted_content
    if isinstance(encrypted, bytes):
        return encrypted
    if encrypted is not None and encrypted.tag_bytes == _CONSTRUCTED_CONTENT:
        try:
            return join_segments(bytes(encrypted.data))
        except ValueError as error:
            raise MalformedMessageError(
                f"the encrypted content is malformed: {error}", attribute=_WHAT
            ) from error
    raise MalformedMessageError("the envelope holds no encrypted content", attribute=_WHAT)


def _key_transports(envelope: EnvelopedData) -> list[KeyTransRecipientInfo]:
    infos = envelope.recipient_infos.as_list()
    return [info for info in infos if isinstance(info, KeyTransRecipientInfo)]


def _find_recipient(
    envelope: EnvelopedData,
    recipients: Sequence[tuple[x509.Certificate, MessageDecrypter]],
    floor: Floor,
) -> tuple[KeyTransRecipientInfo, MessageDecrypter] | None:
    transports = _key_transports(envelope)
    if not transports:
        raise unknown_algorithm("no RSA key transport for the content key", floor, "")
    for info in transports:
        found = find_certificate(info.rid, [certificate for certificate, _ in recipients])
        for certificate, decrypter in recipients:
            if certificate is found:
                return info, decrypter
    return None


def _unwrap_key(
    decrypter: MessageDecrypter, encrypted_key: bytes, transport: KeyTransport, cipher: Cipher
) -> bytes:
    """The content key; a random one when decryption fails, so that failure shows only later.

    Spec: RFC 3218 §2.3.2; checklist T-12.
    """
    random_key = os.urandom(KEY_BYTES[cipher])
    try:
        content_key = decrypter.decrypt(encrypted_key, _PADDINGS[transport])
    except Exception:
        return random_key
    return content_key if len(content_key) == KEY_BYTES[cipher] else random_key


def _is_payload(plaintext: bytes) -> bool:
    """Whether it is nothing or one SEQUENCE, as every SCEP payload; noise hardly ever is.

    Content decrypted with a wrong key passes for padded once in 256 times; this makes that
    case look like all the others.
    """
    if not plaintext:
        return True
    if plaintext[0] != _SEQUENCE:
        return False
    if plaintext[1:2] == _INDEFINITE:
        return plaintext.endswith(_END_OF_CONTENTS)
    try:
        length, start = read_length(plaintext, 1, len(plaintext))
    except BerError:
        return False
    return length is not None and start + length == len(plaintext)


def _cannot_open() -> DecryptionError:
    return DecryptionError(
        "the envelope cannot be opened: it is for another certificate, or damaged",
        section=_SECTION,
        attribute=_WHAT,
    )


def _key_transport_identifier(transport: KeyTransport) -> AlgorithmIdentifier:
    if transport is KeyTransport.PKCS1V15:
        return RSA_ENCRYPTION
    parameters = RsaesOaepParameters()
    if transport is KeyTransport.OAEP_SHA256:
        sha256 = digest_identifier(Digest.SHA256)
        parameters = RsaesOaepParameters(
            hash_algorithm=sha256,
            mask_generation_algorithm=AlgorithmIdentifier(
                algorithm=oids.MGF1, parameters=to_tlv(sha256)
            ),
        )
    return AlgorithmIdentifier(algorithm=oids.RSAES_OAEP, parameters=to_tlv(parameters))


def _read_key_transport(identifier: AlgorithmIdentifier, floor: Floor) -> KeyTransport:
    if identifier.algorithm == oids.RSA_ENCRYPTION:
        return KeyTransport.PKCS1V15
    if identifier.algorithm != oids.RSAES_OAEP:
        raise unknown_algorithm(f"key transport {identifier.algorithm.dotted_string}", floor, "")
    digests = _oaep_digests(identifier.parameters)
    if digests == (Digest.SHA1, Digest.SHA1):
        return KeyTransport.OAEP_SHA1
    if digests == (Digest.SHA256, Digest.SHA256):
        return KeyTransport.OAEP_SHA256
    raise unknown_algorithm("RSAES-OAEP with unusual parameters", floor, "")


def _oaep_digests(parameters: Null | bytes | TLV | None) -> tuple[Digest, Digest] | None:
    """Digests of OAEP and of its mask function. Spec: RFC 4055 §4.1."""
    if not isinstance(parameters, TLV):
        return Digest.SHA1, Digest.SHA1
    try:
        oaep = parameters.parse(RsaesOaepParameters)
        mask_digest = Digest.SHA1
        mask = oaep.mask_generation_algorithm
        if mask is not None:
            assert isinstance(mask.parameters, TLV)
            mask_oid = mask.parameters.parse(AlgorithmIdentifier).algorithm
            mask_digest = oids.DIGEST_BY_OID[mask_oid]
        digest = Digest.SHA1
        if oaep.hash_algorithm is not None:
            digest = oids.DIGEST_BY_OID[oaep.hash_algorithm.algorithm]
    except (ValueError, KeyError, AssertionError):
        return None
    return digest, mask_digest
