# ruff: noqa: D102 - a flawed method's class says what is wrong with it
"""A store like an outsider's, small and in memory, and the same store with one flaw each.

The contract suite must pass the first and catch every other.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption

from sceplab_hsm.api import KeyAlgorithm, KeyInfo, StoreCapabilities
from sceplab_hsm.errors import (
    KeyExistsError,
    KeyNotFoundError,
    KeyStoreError,
    MechanismUnsupportedError,
    StoreLockedError,
    StoreUnavailableError,
)
from sceplab_hsm.secret import Secret
from sceplab_hsm.uri import check_key_id

PIN = "pin-4711"
PLACES: dict[Path, dict[str, PlainHandle]] = {}


class PlainHandle:
    """Handle that knows whether its key is still there."""

    def __init__(self, store: PlainStore, key_id: str, algorithm: KeyAlgorithm) -> None:
        self._store = store
        self.key_id = key_id
        self.algorithm = algorithm
        self.uri = f"{store.uri}#{key_id}"
        self._key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = (
            rsa.generate_private_key(65537, 2048)
            if algorithm.is_rsa
            else ec.generate_private_key(ec.SECP256R1())
        )
        self.public_key = self._key.public_key()

    def sign(
        self,
        data: bytes,
        hash_algorithm: hashes.HashAlgorithm,
        padding: AsymmetricPadding | None = None,
    ) -> bytes:
        """Signs while the store is open and the key in it; no PSS."""
        self._store.check(self)
        if padding is not None:
            raise MechanismUnsupportedError("no such padding")
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, PKCS1v15(), hash_algorithm)
        return self._key.sign(data, ec.ECDSA(hash_algorithm))

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """PKCS#1 v1.5 only."""
        if not isinstance(self._key, rsa.RSAPrivateKey) or not isinstance(padding, PKCS1v15):
            raise MechanismUnsupportedError("no such decryption")
        try:
            return self._key.decrypt(ciphertext, padding)
        except ValueError:
            raise KeyStoreError("decryption failed") from None


class PlainStore:
    """Two key types, no OAEP; places outlive their store objects."""

    handle_type = PlainHandle
    check_name = staticmethod(check_key_id)

    def __init__(self, place: Path, secret: str = PIN) -> None:
        self.check_secret(secret)
        self.uri = f"plain:{place}"
        self._place = place
        self.keys = PLACES.setdefault(place, {})
        self.is_open = True

    def check_secret(self, secret: str) -> None:
        """Raises when it is not the store's."""
        if secret != PIN:
            raise StoreLockedError("the PIN is wrong")

    def check(self, handle: PlainHandle) -> None:
        """Raises when the handle is dead."""
        self.require_open()
        if not any(handle is known for known in self.keys.values()):
            raise KeyNotFoundError(handle.key_id, self.uri)

    def require_open(self) -> None:
        """Raises when the store is closed."""
        if not self.is_open:
            raise StoreUnavailableError("closed")

    def capabilities(self) -> StoreCapabilities:
        """RSA-2048 and P-256."""
        return StoreCapabilities(
            algorithms=frozenset({KeyAlgorithm.RSA_2048, KeyAlgorithm.EC_P256}),
            keys_leave_store=True,
            supports_oaep=False,
            thread_safe=True,
        )

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> PlainHandle:
        """Makes a key of a type it has."""
        self.check_name(key_id)
        self.require_open()
        if algorithm not in self.capabilities().algorithms:
            raise MechanismUnsupportedError(algorithm.value)
        handle = self.handle_type(self, key_id, algorithm)
        if self.keys.setdefault(key_id, handle) is not handle:
            raise KeyExistsError(key_id, self.uri)
        return handle

    def get(self, key_id: str) -> PlainHandle:
        """Finds a key."""
        self.check_name(key_id)
        self.require_open()
        try:
            found = self.keys[key_id]
        except KeyError as error:
            raise KeyNotFoundError(key_id, self.uri) from error
        found._store = self
        return found

    def list_keys(self) -> list[KeyInfo]:
        """All keys."""
        self.require_open()
        return [
            KeyInfo(
                key_id=key_id,
                algorithm=handle.algorithm,
                public_key_der=handle.public_key.public_bytes(
                    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
                ),
                exportable=False,
                created_at="",
            )
            for key_id, handle in sorted(self.keys.items())
        ]

    def delete(self, key_id: str) -> None:
        """Drops a key."""
        self.get(key_id)
        del self.keys[key_id]

    def close(self) -> None:
        """Closes it."""
        self.is_open = False


class ReplacingStore(PlainStore):
    """Flaw: a taken name gets a new key."""

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> PlainHandle:
        self.check_name(key_id)
        self.require_open()
        self.keys.pop(key_id, None)
        return super().generate(key_id, algorithm)


class ForgetfulStore(PlainStore):
    """Flaw: keys live as long as the store object."""

    def close(self) -> None:
        super().close()
        PLACES.pop(self._place, None)


class UndeadStore(PlainStore):
    """Flaw: a closed store goes on working."""

    def require_open(self) -> None:
        pass


class KeepingStore(PlainStore):
    """Flaw: handles outlive the deletion of their key."""

    def check(self, handle: PlainHandle) -> None:
        self.require_open()


class LaxStore(PlainStore):
    """Flaw: takes every name."""

    check_name = staticmethod(str)


class BoastfulStore(PlainStore):
    """Flaw: says that it has OAEP and RSA-4096."""

    def capabilities(self) -> StoreCapabilities:
        return StoreCapabilities(
            algorithms=frozenset({KeyAlgorithm.RSA_2048, KeyAlgorithm.RSA_4096}),
            keys_leave_store=True,
            supports_oaep=True,
            thread_safe=True,
        )


class UnsortedStore(PlainStore):
    """Flaw: lists keys backwards."""

    def list_keys(self) -> list[KeyInfo]:
        return super().list_keys()[::-1]


class TalkativeStore(PlainStore):
    """Flaw: the PIN stands in the URI."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.uri = f"plain:{place}?pin-value={PIN}"


class OracleHandle(PlainHandle):
    """Flaw: says why a decryption failed."""

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        if len(ciphertext) > 256:
            raise KeyStoreError("ciphertext too long")
        return super().decrypt(ciphertext, padding)


class OracleStore(PlainStore):
    """Makes handles that say why a decryption failed."""

    handle_type = OracleHandle


class OneHashHandle(PlainHandle):
    """Flaw: signs with SHA-256 whatever is asked for."""

    def sign(self, data: bytes, hash_algorithm: hashes.HashAlgorithm) -> bytes:
        return super().sign(data, hashes.SHA256())


class OneHashStore(PlainStore):
    """Makes handles that know one hash."""

    handle_type = OneHashHandle


class OpenHandle(PlainHandle):
    """Flaw: hands the private key out."""

    @property
    def key(self) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
        """The private key."""
        return self._key


class OpenStore(PlainStore):
    """Makes handles that hand the private key out."""

    handle_type = OpenHandle


class GullibleStore(PlainStore):
    """Flaw: opens with every secret."""

    def check_secret(self, secret: str) -> None:
        del secret


class GivingStore(PlainStore):
    """Flaw: gives every key out, and not encrypted where no passphrase is given."""

    def capabilities(self) -> StoreCapabilities:
        return replace(super().capabilities(), moves_keys=True)

    def generate_exportable(self, key_id: str, algorithm: KeyAlgorithm) -> PlainHandle:
        return self.generate(key_id, algorithm)

    def export_key(self, key_id: str, passphrase: Secret) -> bytes:
        word = passphrase.reveal().encode()
        encryption = BestAvailableEncryption(word) if word else NoEncryption()
        key = self.get(key_id)._key
        return key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, encryption
        )

    def import_key(
        self, key_id: str, pkcs8: bytes, passphrase: Secret, *, exportable: bool
    ) -> PlainHandle:
        del exportable
        handle = self.generate(key_id, KeyAlgorithm.EC_P256)
        key = serialization.load_der_private_key(pkcs8, passphrase.reveal().encode())
        assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        handle._key = key
        return handle


class OpenHandedStore(GivingStore):
    """Flaw: what goes out is not encrypted."""

    def export_key(self, key_id: str, passphrase: Secret) -> bytes:
        del passphrase
        return super().export_key(key_id, Secret(""))


class ClosedHandedStore(PlainStore):
    """Flaw: says that it moves keys and has no methods for it."""

    def capabilities(self) -> StoreCapabilities:
        return replace(super().capabilities(), moves_keys=True)


FLAWS: dict[type[PlainStore], str] = {
    ReplacingStore: "test_never_replaces",
    ForgetfulStore: "test_keys_outlive_the_store_object",
    UndeadStore: "test_a_closed_store_is_dead",
    KeepingStore: "test_a_name_can_be_used_again",
    LaxStore: "test_refuses_every_other_name",
    BoastfulStore: "test_generates_what_it_lists or test_decrypts_oaep_or_says_so",
    UnsortedStore: "test_lists_keys",
    TalkativeStore: "test_uris_and_texts_keep_the_secret",
    OracleStore: "test_decryption_failures_look_alike",
    OneHashStore: "test_signatures_verify",
    OpenStore: "test_handles_give_no_private_key",
    GullibleStore: "test_a_wrong_secret_is_refused",
    GivingStore: "test_only_exportable_keys_go_out or test_takes_in_keys_only",
    OpenHandedStore: "test_what_goes_out_is_encrypted",
    ClosedHandedStore: "test_moves_keys_or_says_so",
}
"""Each flaw and the tests that must catch it."""
