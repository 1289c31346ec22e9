"""The store: keys of a ring, opened with one passphrase. URI ``sample:PATH`` of the ring file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from urllib.parse import unquote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import (
    OAEP,
    PSS,
    AsymmetricPadding,
    PKCS1v15,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from sample_keystore.ring import Entry, Ring
from sceplab_hsm.api import Clock, KeyAlgorithm, KeyInfo, SecretProvider, StoreCapabilities
from sceplab_hsm.errors import (
    KeyDamagedError,
    KeyExistsError,
    KeyNotFoundError,
    KeyStoreError,
    MechanismUnsupportedError,
    StoreLockedError,
    StoreUnavailableError,
    StoreUriError,
)
from sceplab_hsm.uri import check_key_id, join_key_uri

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_PROBE = " probe"
"""An entry that no key can be named after: it tells a wrong passphrase when the ring is opened."""

_MAKERS: dict[KeyAlgorithm, Callable[[], PrivateKey]] = {
    KeyAlgorithm.RSA_2048: lambda: rsa.generate_private_key(65537, 2048),
    KeyAlgorithm.EC_P256: lambda: ec.generate_private_key(ec.SECP256R1()),
}


class RingKey:
    """A key of an open ring; it is unsealed for every use and forgotten again."""

    def __init__(self, store: RingStore, key_id: str, entry: Entry) -> None:
        self._store = store
        self._entry = entry
        self.key_id = key_id
        self.uri = join_key_uri(store.uri, key_id)
        self.algorithm = KeyAlgorithm(entry["algorithm"])
        self.public_key: PublicKey = load_pem_public_key(entry["public"].encode())

    def sign(
        self,
        data: bytes,
        hash_algorithm: hashes.HashAlgorithm,
        padding: AsymmetricPadding | None = None,
    ) -> bytes:
        """Signs: PKCS#1 v1.5 or PSS with RSA, ECDSA with EC."""
        key = self._store.unseal(self.key_id, self._entry)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            if padding is not None:
                raise MechanismUnsupportedError("an EC key signs without padding")
            return key.sign(data, ec.ECDSA(hash_algorithm))
        if not isinstance(padding or PKCS1v15(), PKCS1v15 | PSS):
            raise MechanismUnsupportedError("no signature with this padding")
        return key.sign(data, padding or PKCS1v15(), hash_algorithm)

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """Decrypts with RSA."""
        key = self._store.unseal(self.key_id, self._entry)
        if not isinstance(key, rsa.RSAPrivateKey) or not isinstance(padding, PKCS1v15 | OAEP):
            raise MechanismUnsupportedError("no such decryption")
        try:
            return key.decrypt(ciphertext, padding)
        except (ValueError, UnsupportedAlgorithm):
            raise KeyStoreError("decryption failed") from None

    def __reduce__(self) -> str:
        raise TypeError("a key of a ring is not pickled")


class RingStore:
    """An open ring."""

    def __init__(self, uri: str, ring: Ring, passphrase: bytes, now: Clock | None) -> None:
        self.uri = uri
        self._ring = ring
        self._passphrase = passphrase
        self._now = now

    def capabilities(self) -> StoreCapabilities:
        """Two types of keys; they are as safe as the passphrase."""
        return StoreCapabilities(
            algorithms=frozenset(_MAKERS),
            keys_leave_store=True,
            supports_oaep=True,
            thread_safe=True,
            supports_pss=True,
        )

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> RingKey:
        """Makes a key and puts it on the ring."""
        check_key_id(key_id)
        self._require_open()
        if algorithm not in _MAKERS:
            raise MechanismUnsupportedError(f"a ring holds no {algorithm.value} keys")
        key = _MAKERS[algorithm]()
        entry = {
            "algorithm": algorithm.value,
            "created_at": "" if self._now is None else self._now().astimezone(UTC).isoformat(),
            "public": key.public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode(),
            "sealed": _seal(key, self._passphrase),
        }
        with self._ring.changed() as entries:
            if key_id in entries:
                raise KeyExistsError(key_id, self.uri)
            entries[key_id] = entry
        return RingKey(self, key_id, entry)

    def get(self, key_id: str) -> RingKey:
        """Finds a key on the ring."""
        check_key_id(key_id)
        self._require_open()
        return RingKey(self, key_id, self._entry(key_id))

    def list_keys(self) -> list[KeyInfo]:
        """What is on the ring."""
        self._require_open()
        return [
            KeyInfo(
                key_id=key_id,
                algorithm=KeyAlgorithm(entry["algorithm"]),
                public_key_der=load_pem_public_key(entry["public"].encode()).public_bytes(
                    Encoding.DER, PublicFormat.SubjectPublicKeyInfo
                ),
                exportable=False,
                created_at=entry["created_at"],
            )
            for key_id, entry in sorted(self._ring.read().items())
            if key_id != _PROBE
        ]

    def delete(self, key_id: str) -> None:
        """Takes a key off the ring."""
        check_key_id(key_id)
        self._require_open()
        with self._ring.changed() as entries:
            if entries.pop(key_id, None) is None:
                raise KeyNotFoundError(key_id, self.uri)

    def close(self) -> None:
        """Forgets the passphrase."""
        self._passphrase = b""

    def unseal(self, key_id: str, entry: Entry) -> PrivateKey:
        """The private key of an entry that is still on the ring."""
        self._require_open()
        if self._entry(key_id) != entry:
            raise KeyNotFoundError(key_id, self.uri)
        return _unseal(entry, self._passphrase)

    def _entry(self, key_id: str) -> Entry:
        try:
            return self._ring.read()[key_id]
        except KeyError:
            raise KeyNotFoundError(key_id, self.uri) from None

    def _require_open(self) -> None:
        if not self._passphrase:
            raise StoreUnavailableError(f"key store {self.uri} is closed")

    def __repr__(self) -> str:
        return f"<RingStore {self.uri}>"


def open_store(uri: str, secrets: SecretProvider, *, create: bool, now: Clock | None) -> RingStore:
    """Opens a ring, or makes one."""
    path = Path(unquote(uri.partition(":")[2])).expanduser()
    if not path.name or "?" in uri or "#" in uri:
        raise StoreUriError(f"'{uri}' is not sample:PATH of a ring file")
    ring = Ring(path)
    if not ring.exists() and not create:
        raise StoreUnavailableError(f"there is no ring at {path}")
    passphrase = secrets(f"Passphrase of {uri}: ").reveal().encode()
    if not passphrase:
        raise StoreLockedError(f"the passphrase of {uri} is empty")
    with ring.changed() as entries:
        if _PROBE not in entries:
            entries[_PROBE] = {"sealed": _seal(_MAKERS[KeyAlgorithm.EC_P256](), passphrase)}
        try:
            _unseal(entries[_PROBE], passphrase)
        except KeyDamagedError as error:
            raise StoreLockedError(f"the passphrase of {uri} is wrong") from error
    return RingStore(uri, ring, passphrase, now)


def _seal(key: PrivateKey, passphrase: bytes) -> str:
    sealed = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase)
    )
    return sealed.decode()


def _unseal(entry: Entry, passphrase: bytes) -> PrivateKey:
    try:
        return load_pem_private_key(entry["sealed"].encode(), passphrase)
    except ValueError as error:
        raise KeyDamagedError("an entry of the ring does not open") from error
