"""Content encryption: block ciphers in CBC mode with PKCS#7 padding.

Single DES is 3DES with the same key three times; the library has no DES of its own.

Spec: RFC 3370 §5; RFC 3565; RFC 5652 §6.3; checklist 26.
"""

from __future__ import annotations

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher as CipherContext
from cryptography.hazmat.primitives.ciphers import CipherAlgorithm
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from sceplab_scep.algorithms import Cipher

KEY_BYTES: dict[Cipher, int] = {
    Cipher.DES_CBC: 8,
    Cipher.DES_EDE3_CBC: 24,
    Cipher.AES128_CBC: 16,
    Cipher.AES192_CBC: 24,
    Cipher.AES256_CBC: 32,
}

BLOCK_BYTES: dict[Cipher, int] = {
    cipher: 8 if cipher in (Cipher.DES_CBC, Cipher.DES_EDE3_CBC) else 16 for cipher in Cipher
}

_PADDINGS = {cipher: PKCS7(size * 8) for cipher, size in BLOCK_BYTES.items()}


def encrypt_content(cipher: Cipher, key: bytes, iv: bytes, plaintext: bytes) -> bytes:
    """Pads and encrypts; key and IV have the cipher's sizes."""
    padder = _PADDINGS[cipher].padder()
    encryptor = CipherContext(_algorithm(cipher, key), CBC(iv)).encryptor()
    padded = padder.update(plaintext) + padder.finalize()
    return encryptor.update(padded) + encryptor.finalize()


def decrypt_content(cipher: Cipher, key: bytes, iv: bytes, ciphertext: bytes) -> bytes | None:
    """Decrypts and takes the padding off; ``None`` when the result is not padded."""
    decryptor = CipherContext(_algorithm(cipher, key), CBC(iv)).decryptor()
    unpadder = _PADDINGS[cipher].unpadder()
    try:
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        return None


def _algorithm(cipher: Cipher, key: bytes) -> CipherAlgorithm:
    if cipher is Cipher.DES_CBC:
        return TripleDES(key * 3)
    if cipher is Cipher.DES_EDE3_CBC:
        return TripleDES(key)
    return AES(key)
