"""Tells a key store that failed from an envelope that does not open.

The codec takes every failed decryption alike, so that a peer learns nothing of it. When the reason
was the store, its owner has to hear that, and not that the server's reply was damaged.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sceplab_hsm.api import KeyHandle
from sceplab_hsm.errors import KeyStoreError


class WatchedKey:
    """Decrypts with a key and keeps the failure of its store, if there was one.

    Args:
        key: does the work.
    """

    def __init__(self, key: KeyHandle) -> None:
        self._key = key
        self.failure: KeyStoreError | None = None
        """Why the store did not decrypt. A ciphertext that does not open is none."""

    @property
    def public_key(self) -> RSAPublicKey | EllipticCurvePublicKey:
        """Public half."""
        return self._key.public_key

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """Decrypts.

        Raises:
            KeyStoreError: as the key.
        """
        try:
            return self._key.decrypt(ciphertext, padding)
        except KeyStoreError as error:
            # The class itself stands for every failure of the ciphertext.
            if type(error) is not KeyStoreError:
                self.failure = error
            raise
