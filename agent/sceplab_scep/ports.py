"""What the codec needs from whoever holds a private key. Key handles fit it structurally.

The types are those of ``cryptography``, so that neither this package nor the key stores have to
know each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey


class MessageSigner(Protocol):
    """Signs; the private key stays where it is."""

    @property
    def public_key(self) -> RSAPublicKey | EllipticCurvePublicKey:
        """Public half of the key."""

    def sign(self, data: bytes, hash_algorithm: hashes.HashAlgorithm) -> bytes:
        """Signature over ``data``: PKCS#1 v1.5 for RSA, DER-encoded ECDSA for EC."""


class MessageDecrypter(Protocol):
    """Decrypts an RSA-transported content key; the private key stays where it is."""

    @property
    def public_key(self) -> RSAPublicKey | EllipticCurvePublicKey:
        """Public half of the key."""

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """RSA decryption with the padding given (PKCS#1 v1.5 or OAEP).

        Raises:
            Exception: any; the codec turns all of them into one ``DecryptionError``.
        """
