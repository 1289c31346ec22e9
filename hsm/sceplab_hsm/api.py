"""The key store interface: what every place that holds private keys offers.

A private key never crosses `KeyStore`. A store may be a `KeyMover` besides: that one takes keys in
and lets those out, encrypted, that were made for it. Handles satisfy the codec's signer and
decrypter protocols structurally; this package knows nothing of SCEP.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sceplab_hsm.secret import Secret


class KeyAlgorithm(enum.Enum):
    """Key types. The value is what configuration files and command lines write."""

    RSA_2048 = "rsa:2048"
    RSA_3072 = "rsa:3072"
    RSA_4096 = "rsa:4096"
    EC_P256 = "ec:p256"
    EC_P384 = "ec:p384"

    @property
    def is_rsa(self) -> bool:
        """Whether keys of this type can decrypt, which SCEP asks of the enrolling key."""
        return self.value.startswith("rsa:")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """One key as a listing shows it."""

    key_id: str
    algorithm: KeyAlgorithm
    public_key_der: bytes
    """SubjectPublicKeyInfo, DER."""
    exportable: bool
    """Whether the place would give it away. Only a `KeyMover` ever does."""
    created_at: str
    """ISO 8601, UTC; empty where the store does not know."""


class KeyResidence(enum.Enum):
    """Where the private keys of a store are. The value is what listings show."""

    SOFTWARE = "software"
    TOKEN = "token"  # noqa: S105 - a place, no password
    TPM = "tpm"
    TPM_STUB = "tpm-stub"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCapabilities:
    """What a store can do."""

    algorithms: frozenset[KeyAlgorithm]
    keys_leave_store: bool
    """True when whoever reads the store's files (and its passphrase) has the keys."""
    supports_oaep: bool
    """Decryption with OAEP and SHA-1, which is what CMS peers use."""
    thread_safe: bool
    supports_pss: bool = False
    """PSS signatures, salt as long as the digest."""
    residence: KeyResidence = KeyResidence.SOFTWARE
    moves_keys: bool = False
    """Whether the store is a `KeyMover`; `moving.mover_of` gives it as one."""


class KeyHandle(Protocol):
    """Reference to one private key: it signs and decrypts, it never exports."""

    @property
    def key_id(self) -> str:
        """Name of the key inside its store."""

    @property
    def uri(self) -> str:
        """URI of the key, without secrets; it opens the same key again."""

    @property
    def algorithm(self) -> KeyAlgorithm:
        """Type and size."""

    @property
    def public_key(self) -> RSAPublicKey | EllipticCurvePublicKey:
        """Public half."""

    def sign(
        self,
        data: bytes,
        hash_algorithm: hashes.HashAlgorithm,
        padding: AsymmetricPadding | None = None,
    ) -> bytes:
        """Signature over ``data``: PKCS#1 v1.5 for RSA, DER-encoded ECDSA for EC.

        Args:
            data: of any length; it is hashed here.
            hash_algorithm: applied to the data.
            padding: for RSA; ``None`` is PKCS#1 v1.5, else `PSS` with the same hash in its mask
                function and a salt as long as the digest.

        Raises:
            MechanismUnsupportedError: a padding the key or store lacks.
            KeyStoreError: the store failed or is gone.
        """

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """RSA decryption (PKCS#1 v1.5 or OAEP).

        Raises:
            MechanismUnsupportedError: an EC key, or a padding the store lacks.
            KeyStoreError: every other failure, without telling one from another.
        """


class KeyStore(Protocol):
    """A place that holds private keys and uses them. Close it when done.

    A store may have a property ``identity`` besides: a text that all openings of the same place
    have in common, however its URI is written, and no other place has (`registry.identity_of`).
    """

    @property
    def uri(self) -> str:
        """URI the store was opened with, without secrets."""

    def capabilities(self) -> StoreCapabilities:
        """What this store can do."""

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """Makes a key inside the store; it is durable when this returns.

        Args:
            key_id: 1 to 128 characters of ``A-Z a-z 0-9 . _ @ # + -``.
            algorithm: type and size.

        Raises:
            KeyExistsError: the name is taken. Nothing is replaced.
            MechanismUnsupportedError: the store cannot make this type.
        """

    def get(self, key_id: str) -> KeyHandle:
        """Finds a key.

        Raises:
            KeyNotFoundError: no such key.
        """

    def list_keys(self) -> list[KeyInfo]:
        """All keys, sorted by name."""

    def delete(self, key_id: str) -> None:
        """Destroys a key.

        Raises:
            KeyNotFoundError: no such key.
        """

    def close(self) -> None:
        """Releases the store; handles are dead afterwards. Twice is harmless."""


class KeyMover(Protocol):
    """What a store offers besides when keys may come in and go out.

    Keys of `KeyStore.generate` never go out.
    """

    def generate_exportable(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """Makes a key as `KeyStore.generate` does, for `export_key` to give out."""

    def export_key(self, key_id: str, passphrase: Secret) -> bytes:
        """The private key as encrypted PKCS#8, DER.

        Args:
            key_id: of a key made or imported as exportable.
            passphrase: encrypts it; not empty.

        Raises:
            KeyNotFoundError: no such key.
            KeyMoveError: it is not exportable, or the passphrase is empty.
        """

    def import_key(
        self, key_id: str, pkcs8: bytes, passphrase: Secret, *, exportable: bool
    ) -> KeyHandle:
        """Takes a key in; it is durable when this returns.

        Args:
            key_id: as in `KeyStore.generate`.
            pkcs8: encrypted PKCS#8, DER.
            passphrase: decrypts it.
            exportable: whether `export_key` may give it out again.

        Raises:
            KeyExistsError: the name is taken. Nothing is replaced.
            KeyMoveError: wrong passphrase, or not such a key.
            MechanismUnsupportedError: a type that the store does not keep.
        """


SecretProvider = Callable[[str], Secret]
"""Asked for the store's passphrase or PIN, with a prompt for people; at most once an opening, and
again when an open token, removed and inserted, refuses what it took before."""

Clock = Callable[[], datetime]
"""Current time, timezone-aware UTC."""


class StoreFactory(Protocol):
    """Opens the stores of one URI scheme; what an entry point of ``sceplab.keystores`` names."""

    def __call__(
        self, uri: str, secrets: SecretProvider, *, create: bool, now: Clock | None
    ) -> KeyStore:
        """Opens the store the URI names.

        Args:
            uri: whole, of the scheme the factory is registered for.
            secrets: asked at most once, and only when the store is there.
            create: make the store when there is none.
            now: for time stamps; ``None``: none are written.

        Raises:
            KeyStoreError: of the kind that fits.
        """
