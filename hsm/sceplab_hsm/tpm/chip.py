"""What the TPM key store asks of a chip: the few TPM 2.0 commands, in plain Python values.

Two chips satisfy it: the real one over ESAPI (`sceplab_hsm.tpm.esapi`) and the stub
(`sceplab_hsm.tpm.stub`). Failures carry the TPM's numeric response codes, so that the same store
and the same tests run on both.

Spec: TPM 2.0 Library, parts 2 (structures) and 3 (commands).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sceplab_hsm.api import KeyAlgorithm

PARENT_HANDLE = 0x81000001
"""Persistent handle of the storage key all keys of a store hang under."""


class TpmError(Exception):
    """A command was refused.

    Args:
        command: name of the command, as in the specification without ``TPM2_``.
        response_code: as the chip gave it, 32 bits.
    """

    def __init__(self, command: str, response_code: int) -> None:
        super().__init__(f"TPM2_{command} was refused with 0x{response_code:x}")
        self.command = command
        self.response_code = response_code


class TpmGoneError(Exception):
    """The connection broke or the chip lost power; whether the last command ran is unknown."""


@dataclass(frozen=True, slots=True)
class KeyBlobs:
    """A key as it leaves the chip: useless without the very chip and parent that wrapped it."""

    private: bytes
    """``TPM2B_PRIVATE``: encrypted and authenticated under the parent."""
    public: bytes
    """``TPM2B_PUBLIC``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockoutState:
    """The dictionary-attack counter."""

    failed_tries: int
    max_tries: int
    recovery_s: int
    """Seconds after which one failed try is forgiven."""


class TpmChip(Protocol):
    """One TPM, connected. Not for several threads: the store serialises its calls.

    Every command raises `TpmError` when it is refused and `TpmGoneError` when the chip is away.
    Handles are the TPM's: 0x80…… transient, 0x81…… persistent.
    """

    def algorithms(self) -> frozenset[KeyAlgorithm]:
        """Key types that the chip makes; asked of it once (``TPM2_TestParms``)."""

    def transient_handles(self) -> list[int]:
        """Objects loaded at this moment, those of clients that died included.

        Behind a resource manager: only those of this connection.
        """

    def persistent_handles(self) -> list[int]:
        """Objects that outlive a power cycle."""

    def create_storage_key(self) -> int:
        """Makes the storage primary in the owner hierarchy; gives its transient handle.

        The same chip gives the same key each time. ECC P-256, restricted, decrypt, NODA.
        """

    def evict_control(self, handle: int, persistent_handle: int) -> None:
        """Makes a loaded object persistent; with both handles equal and persistent, removes it."""

    def create(
        self, parent: int, algorithm: KeyAlgorithm, *, auth: bytes, dictionary_attack: bool
    ) -> KeyBlobs:
        """Makes a key that signs and, for RSA, decrypts: unrestricted, scheme NULL, fixed here.

        Args:
            parent: storage key, loaded or persistent.
            algorithm: type and size.
            auth: the key's authorisation value, at most 32 bytes.
            dictionary_attack: whether wrong values count (``NODA`` clear).
        """

    def load(self, parent: int, blobs: KeyBlobs) -> int:
        """Loads a key into a transient slot; gives its handle."""

    def flush(self, handle: int) -> None:
        """Frees a transient slot."""

    def public_key_der(self, handle: int) -> bytes:
        """The public half of a loaded key as SubjectPublicKeyInfo, DER."""

    def sign(
        self, handle: int, digest: bytes, hash_name: str, *, scheme: str, auth: bytes
    ) -> bytes:
        """Signs a digest.

        Args:
            handle: of a loaded key.
            digest: of exactly the hash's length.
            hash_name: ``sha1``, ``sha256``, ``sha384`` or ``sha512``.
            scheme: ``rsassa`` (PKCS#1 v1.5), ``rsapss`` or ``ecdsa``.
            auth: the key's authorisation value.

        Returns:
            RSA: the signature, as long as the modulus. ECDSA: DER.
        """

    def rsa_decrypt(
        self, handle: int, ciphertext: bytes, *, scheme: str, hash_name: str = "", auth: bytes
    ) -> bytes:
        """Decrypts with a loaded RSA key.

        Args:
            handle: of a loaded key.
            ciphertext: as long as the modulus.
            scheme: ``rsaes`` (PKCS#1 v1.5) or ``oaep``.
            hash_name: of OAEP.
            auth: the key's authorisation value.
        """

    def get_random(self, count: int) -> bytes:
        """Random bytes: also the probe whether the chip is alive."""

    def lockout_state(self) -> LockoutState:
        """Reads the dictionary-attack counter."""

    def clear_lockout(self, lockout_auth: bytes) -> None:
        """Resets the counter with the lockout hierarchy's authorisation."""

    def shutdown(self) -> None:
        """Orderly end (``TPM2_Shutdown(CLEAR)``): the next start does not count as an attack."""

    def close(self) -> None:
        """Drops the connection; loaded objects stay where they are. Twice is harmless."""
