"""Private keys as devices print them: PEM in the traditional form, encrypted by its header.

Such text protects little: one round of MD5 makes the key of a passphrase, and ``des`` has 56 bits.
It is what the consoles of routers write and read.
"""

from __future__ import annotations

import base64
import hashlib
import re
import textwrap
from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, CipherAlgorithm
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from sceplab_devices.errors import DeviceError

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey

_PEM_COLUMNS = 64
_SALT_BYTES = 8
_DES_BYTES = 8


def _single_des(key: bytes) -> CipherAlgorithm:
    return TripleDES(key * 3)  # three times the same key is DES


_CIPHERS: dict[str, tuple[str, int, int, Callable[[bytes], CipherAlgorithm]]] = {
    "aes": ("AES-128-CBC", 16, 16, AES128),
    "3des": ("DES-EDE3-CBC", 24, 8, TripleDES),
    "des": ("DES-CBC", _DES_BYTES, 8, _single_des),
}
"""By the name a console uses: name in the header, bytes of key and of block, algorithm."""

_DES_PEM = re.compile(
    r"-----BEGIN (?:RSA|EC) PRIVATE KEY-----\s+"
    r"Proc-Type: 4,ENCRYPTED\s+DEK-Info: DES-CBC,(?P<iv>[0-9A-Fa-f]{16})\s+"
    r"(?P<body>[A-Za-z0-9+/=\s]+)-----END"
)


def write_private_key(
    key: PrivateKey, passphrase: str, cipher: str, *, random_bytes: Callable[[int], bytes]
) -> str:
    """The key as encrypted PEM.

    Args:
        key: RSA or EC.
        passphrase: not empty.
        cipher: ``aes``, ``3des`` or ``des``.
        random_bytes: gives the initialization vector, which is the salt, too.

    Raises:
        DeviceError: no such cipher.
    """
    if cipher not in _CIPHERS:
        raise DeviceError(f"no cipher {cipher!r}; known: {', '.join(_CIPHERS)}")
    header, key_bytes, block_bytes, algorithm = _CIPHERS[cipher]
    kind = "RSA" if isinstance(key, RSAPrivateKey) else "EC"
    plain = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    vector = random_bytes(block_bytes)
    padder = PKCS7(8 * block_bytes).padder()
    padded = padder.update(plain) + padder.finalize()
    secret = _derive(passphrase.encode(), vector, key_bytes)
    encryptor = Cipher(algorithm(secret), CBC(vector)).encryptor()
    body = base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()
    return "\n".join(
        [
            f"-----BEGIN {kind} PRIVATE KEY-----",
            "Proc-Type: 4,ENCRYPTED",
            f"DEK-Info: {header},{vector.hex().upper()}",
            "",
            *textwrap.wrap(body, _PEM_COLUMNS),
            f"-----END {kind} PRIVATE KEY-----",
            "",
        ]
    )


def read_private_key(pem: str, passphrase: str) -> PrivateKey:
    """The key of a PEM text: PKCS#8 or traditional, encrypted or not.

    Args:
        pem: the text; whatever stands around its block is passed over.
        passphrase: empty when it has none; unused with a key that is not encrypted.

    Raises:
        DeviceError: wrong passphrase, no key, or neither RSA nor EC.
    """
    try:
        key = _load(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise DeviceError("no private key, or wrong passphrase") from None
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise DeviceError("not an RSA or EC private key")
    return key


def _load(pem: str, passphrase: str) -> object:
    found = _DES_PEM.search(pem)
    if found is not None:
        return load_der_private_key(_decrypt_des(found, passphrase), None)
    try:
        return load_pem_private_key(pem.encode(), passphrase.encode() or None)
    except TypeError:
        if not passphrase:
            raise
        return load_pem_private_key(pem.encode(), None)  # a passphrase was given, none is needed


def _decrypt_des(found: re.Match[str], passphrase: str) -> bytes:
    vector = bytes.fromhex(found["iv"])
    secret = _derive(passphrase.encode(), vector, _DES_BYTES)
    decryptor = Cipher(_single_des(secret), CBC(vector)).decryptor()
    padded = decryptor.update(base64.b64decode(found["body"])) + decryptor.finalize()
    unpadder = PKCS7(8 * _DES_BYTES).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


def _derive(passphrase: bytes, vector: bytes, length: int) -> bytes:
    """OpenSSL's EVP_BytesToKey with MD5 and one round."""
    made = block = b""
    while len(made) < length:
        digest = hashlib.md5(block + passphrase + vector[:_SALT_BYTES], usedforsecurity=False)
        block = digest.digest()
        made += block
    return made[:length]
