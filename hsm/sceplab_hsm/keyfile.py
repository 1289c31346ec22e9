"""Key files of the software store: one key each, its metadata readable, its private part sealed.

::

    sceplab-key 1
    {"algorithm":"rsa:2048","created_at":TEXT,"key_id":TEXT,"public_key":BASE64 of the SPKI}
    BASE64 of a seal over the two lines above and the store's id
    BASE64 of the sealed PKCS#8 key, bound to the same

Of a key that may be exported the first line says 2, and the second has ``"exportable":true``.

The first seal lets a listing trust the metadata without opening the private part.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from sceplab_hsm.api import KeyAlgorithm, KeyInfo
from sceplab_hsm.errors import KeyDamagedError
from sceplab_hsm.sealing import Seal, decode_base64, decode_fields, encode_fields

KEY_FILE_LIMIT_BYTES = 64 * 1024

_MAGIC = b"sceplab-key 1"
_MAGIC_EXPORTABLE = b"sceplab-key 2"
_ANY_VERSION = re.compile(rb"sceplab-key ([1-9][0-9]{0,8})")
_FIELDS = frozenset({"algorithm", "created_at", "key_id", "public_key"})
_FIELDS_BY_MAGIC = {_MAGIC: _FIELDS, _MAGIC_EXPORTABLE: _FIELDS | {"exportable"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """Metadata of one key, authenticated, with the private part still sealed."""

    info: KeyInfo
    sealed: bytes
    context: bytes

    def open(self, seal: Seal) -> bytes:
        """The private key, PKCS#8 in DER. Keep it out of everything that is written or shown.

        Raises:
            KeyDamagedError: the seal is broken.
        """
        return seal.open(self.sealed, self.context)


def encode_key_file(info: KeyInfo, private_key_der: bytes, seal: Seal, store_id: str) -> bytes:
    """The file of a new key.

    Args:
        info: its metadata.
        private_key_der: PKCS#8, DER.
        seal: of the opened store.
        store_id: the store the key is bound to.
    """
    fields: dict[str, object] = {
        "algorithm": info.algorithm.value,
        "created_at": info.created_at,
        "key_id": info.key_id,
        "public_key": base64.b64encode(info.public_key_der).decode("ascii"),
    }
    magic = _MAGIC
    if info.exportable:
        magic = _MAGIC_EXPORTABLE
        fields["exportable"] = True
    head = magic + b"\n" + encode_fields(fields)
    public_seal = seal.close(b"", _context(b"metadata", store_id, head))
    private_seal = seal.close(private_key_der, _context(b"private", store_id, head))
    return b"\n".join((head, public_seal, private_seal, b""))


def decode_key_file(content: bytes, key_id: str, seal: Seal, store_id: str) -> KeyFile:
    """Reads a key file and checks its metadata; the private part stays sealed.

    Args:
        content: the whole file.
        key_id: name the file is stored under.
        seal: of the opened store.
        store_id: the store it was found in.

    Raises:
        KeyDamagedError: other format, broken seal, or the file of another key or store.
    """
    lines = content.split(b"\n")
    names = _FIELDS_BY_MAGIC.get(lines[0])
    if names is None and (version := _ANY_VERSION.fullmatch(lines[0])):
        raise KeyDamagedError(
            f"it has format version {int(version[1])}, this program reads versions 1 and 2"
        )
    if names is None or len(lines) != 5 or lines[4]:  # noqa: PLR2004 - the four lines above
        raise KeyDamagedError("it is not a key file")
    head = lines[0] + b"\n" + lines[1]
    seal.open(lines[2], _context(b"metadata", store_id, head))
    try:
        fields = decode_fields(lines[1], names)
        algorithm = KeyAlgorithm(fields["algorithm"])
        public_key_der = decode_base64(str(fields["public_key"]).encode("ascii"))
    except ValueError as error:
        raise KeyDamagedError("the metadata is not of our format") from error
    if fields["key_id"] != key_id:
        raise KeyDamagedError(f"it is the file of key '{fields['key_id']}'")
    info = KeyInfo(
        key_id=key_id,
        algorithm=algorithm,
        public_key_der=public_key_der,
        exportable=fields.get("exportable") is True,
        created_at=str(fields["created_at"]),
    )
    return KeyFile(info=info, sealed=lines[3], context=_context(b"private", store_id, head))


def _context(purpose: bytes, store_id: str, head: bytes) -> bytes:
    return b"\n".join((purpose, store_id.encode("utf-8"), head))
