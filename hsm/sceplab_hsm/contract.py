"""The contract test suite: what every key store must do, ours and those of outsiders.

A store's test module subclasses `KeyStoreContract` and says how its store is opened; pytest
collects the rest. No module of the package but this and `contract_moving` imports pytest. ::

    class TestMyStore(KeyStoreContract):
        @classmethod
        def open_store(cls, place: Path) -> KeyStore:
            return my_package.open_store(f"mine:{place}", secrets, create=True, now=None)
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import (
    MGF1,
    OAEP,
    PSS,
    AsymmetricPadding,
    PKCS1v15,
)

from sceplab_hsm.api import KeyAlgorithm, KeyHandle, KeyStore
from sceplab_hsm.contract_moving import KeyMovingContract, public_der, verify
from sceplab_hsm.errors import (
    KeyExistsError,
    KeyNotFoundError,
    KeyStoreError,
    MechanismUnsupportedError,
    StoreLockedError,
)
from sceplab_hsm.registry import identity_of
from sceplab_hsm.uri import scheme_of, split_key_uri

# SHA-1 is in here because old servers ask for it, not because it is good.
HASHES = (hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512())  # noqa: S303
MESSAGE = b"signed by a key that stays where it is"
OAEP_SHA1 = OAEP(mgf=MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303

__all__ = ["HASHES", "MESSAGE", "OAEP_SHA1", "KeyStoreContract", "public_der", "verify"]

Result = TypeVar("Result")

_RSA = [algorithm for algorithm in KeyAlgorithm if algorithm.is_rsa]
_EC = [algorithm for algorithm in KeyAlgorithm if not algorithm.is_rsa]
_EC_BITS = {KeyAlgorithm.EC_P256: 256, KeyAlgorithm.EC_P384: 384}
_BAD_KEY_IDS = ("", "a/b", "../up", "a b", "k\u00e4y", "line\n", "nul\0", "x" * 129)
_GOOD_KEY_IDS = (".", "..", "-", "a#b", "router-1@lab#2+next", "X" * 128)
_PRIVATE_NAMES = ("private", "export", "numbers", "secret", "pkcs8")


def _in_threads(work: Callable[[], Result], count: int) -> tuple[list[Result], list[Exception]]:
    """Runs the work in threads that start together; gives results and errors, in any order."""
    barrier = threading.Barrier(count)
    results: list[Result] = []
    errors: list[Exception] = []

    def run() -> None:
        barrier.wait()
        try:
            results.append(work())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results, errors


class SharedKeys:
    """Keys made once for a test class: some stores need seconds for one."""

    def __init__(self, store: KeyStore) -> None:
        self.store = store
        self._handles: dict[KeyAlgorithm, KeyHandle] = {}

    def get(self, algorithm: KeyAlgorithm) -> KeyHandle | None:
        """The shared key of this type, or ``None`` when the store says it has none such."""
        if algorithm not in self.store.capabilities().algorithms:
            return None
        if algorithm not in self._handles:
            key_id = "shared-" + algorithm.value.replace(":", "-")
            self._handles[algorithm] = self.store.generate(key_id, algorithm)
        return self._handles[algorithm]


class KeyStoreContract(KeyMovingContract):
    """Subclass it as ``Test...`` and override `open_store`; what the store lacks is tested too.

    A key type that the store does not list must be refused with ``MechanismUnsupportedError``, so
    that nothing is skipped, apart from the thread tests of a store that says it has no threads.
    """

    passphrase: ClassVar[str] = ""
    """The secret your store is opened with; when set, it must show in no URI, text or error."""

    @classmethod
    def open_store(cls, place: Path) -> KeyStore:
        """Opens the store that lives in ``place``, an empty directory of mode 0700 at first.

        It is called again for the same place, after the store was closed, and must then find the
        keys that were made.
        """
        raise TypeError(f"{cls.__name__} must override open_store(place), given {place}")

    @classmethod
    def open_store_with(cls, place: Path, secret: str) -> KeyStore:
        """Opens the store of a place that `open_store` has made, with that secret.

        Override it where the store has a secret; else nobody tests that a wrong one is refused.
        """
        del place, secret
        pytest.skip(f"{cls.__name__} does not override open_store_with: a store without a secret?")

    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyStore]:
        """One open store for the tests of the class."""
        store = cls.open_store(_new_place(tmp_path_factory))
        yield store
        store.close()

    @pytest.fixture(scope="class")
    @classmethod
    def keys(cls, store: KeyStore) -> SharedKeys:
        """Keys that tests share; they sign and decrypt with them, and never delete them."""
        return SharedKeys(store)

    @pytest.fixture(scope="class")
    @classmethod
    def quick(cls, store: KeyStore) -> KeyAlgorithm:
        """The key type that is fastest to make in this store."""
        order = (KeyAlgorithm.EC_P256, KeyAlgorithm.EC_P384, *_RSA)
        return next(item for item in order if item in store.capabilities().algorithms)

    @pytest.fixture
    def own_place(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A place for a test that closes its store."""
        return _new_place(tmp_path_factory)

    @pytest.mark.parametrize("algorithm", KeyAlgorithm, ids=lambda item: item.value)
    def test_generates_what_it_lists(
        self, keys: SharedKeys, algorithm: KeyAlgorithm, store: KeyStore
    ) -> None:
        """A listed key type is made with the right size; another is refused as unsupported."""
        handle = keys.get(algorithm)
        if handle is None:
            with pytest.raises(MechanismUnsupportedError):
                store.generate("unlisted", algorithm)
            return
        assert handle.algorithm is algorithm, "the handle names another algorithm than asked for"
        if algorithm.is_rsa:
            assert isinstance(handle.public_key, rsa.RSAPublicKey), "an RSA key was asked for"
            assert f"rsa:{handle.public_key.key_size}" == algorithm.value, "wrong key size"
        else:
            assert isinstance(handle.public_key, ec.EllipticCurvePublicKey), "EC was asked for"
            assert handle.public_key.curve.key_size == _EC_BITS[algorithm], "wrong curve"

    @pytest.mark.parametrize("hash_", HASHES, ids=lambda item: item.name)
    @pytest.mark.parametrize("algorithm", KeyAlgorithm, ids=lambda item: item.value)
    def test_signatures_verify(
        self, keys: SharedKeys, algorithm: KeyAlgorithm, hash_: hashes.HashAlgorithm
    ) -> None:
        """Signatures with SHA-1, 256, 384 and 512 verify over short, empty and long data."""
        handle = keys.get(algorithm)
        for data in (MESSAGE, b"", MESSAGE * 30_000):
            if handle is not None:
                signature = handle.sign(data=data, hash_algorithm=hash_)
                verify(handle, signature, data, hash_)

    @pytest.mark.parametrize("algorithm", KeyAlgorithm, ids=lambda item: item.value)
    def test_signs_with_pss_or_says_so(self, keys: SharedKeys, algorithm: KeyAlgorithm) -> None:
        """PSS works with RSA keys where the store says so; all else is refused as unsupported."""
        handle = keys.get(algorithm)
        if handle is None:
            return
        public_key = handle.public_key
        pss = PSS(mgf=MGF1(hashes.SHA256()), salt_length=32)
        if keys.store.capabilities().supports_pss and isinstance(public_key, rsa.RSAPublicKey):
            signature = handle.sign(MESSAGE, hashes.SHA256(), pss)
            public_key.verify(signature, MESSAGE, pss, hashes.SHA256())
        else:
            with pytest.raises(MechanismUnsupportedError):
                handle.sign(MESSAGE, hashes.SHA256(), pss)

    @pytest.mark.parametrize("algorithm", _RSA, ids=lambda item: item.value)
    def test_decrypts_pkcs1(self, keys: SharedKeys, algorithm: KeyAlgorithm) -> None:
        """What was encrypted to an RSA key with PKCS#1 v1.5 comes back."""
        handle = keys.get(algorithm)
        if handle is not None:
            ciphertext = _encrypt(handle, PKCS1v15())
            assert handle.decrypt(ciphertext=ciphertext, padding=PKCS1v15()) == MESSAGE

    @pytest.mark.parametrize("algorithm", _RSA, ids=lambda item: item.value)
    def test_decrypts_oaep_or_says_so(self, keys: SharedKeys, algorithm: KeyAlgorithm) -> None:
        """OAEP with SHA-1 works where the store says so, else it is refused as unsupported."""
        handle = keys.get(algorithm)
        if handle is None:
            return
        ciphertext = _encrypt(handle, OAEP_SHA1)
        if keys.store.capabilities().supports_oaep:
            assert handle.decrypt(ciphertext, OAEP_SHA1) == MESSAGE
        else:
            with pytest.raises(MechanismUnsupportedError):
                handle.decrypt(ciphertext, OAEP_SHA1)

    @pytest.mark.parametrize("algorithm", _RSA, ids=lambda item: item.value)
    def test_decryption_failures_look_alike(
        self, keys: SharedKeys, algorithm: KeyAlgorithm
    ) -> None:
        """Every ciphertext that cannot be opened gives one error with one text: no oracle."""
        handle = keys.get(algorithm)
        if handle is None:
            return
        size = handle.public_key.key_size // 8
        oaep = keys.store.capabilities().supports_oaep
        seen = set()
        for ciphertext in (b"", b"\1" * (size - 1), b"\1" * size, b"\xff" * size, b"\1" * 9999):
            for padding in (PKCS1v15(), OAEP_SHA1) if oaep else (PKCS1v15(),):
                try:
                    opened = handle.decrypt(ciphertext, padding)
                except KeyStoreError as error:
                    seen.add((type(error), str(error)))
                else:
                    # OpenSSL 3.2 and later answer a broken v1.5 block with random bytes.
                    assert isinstance(padding, PKCS1v15), "OAEP opened garbage"
                    assert opened != MESSAGE, "garbage opened to the message"
        assert len(seen) == 1, f"decryption failures can be told apart: {seen}"
        assert seen.pop()[0] is KeyStoreError, "the failure is a KeyStoreError, no subclass"

    @pytest.mark.parametrize("algorithm", _EC, ids=lambda item: item.value)
    def test_ec_keys_do_not_decrypt(self, keys: SharedKeys, algorithm: KeyAlgorithm) -> None:
        """Decryption with an EC key is refused as unsupported."""
        handle = keys.get(algorithm)
        if handle is not None:
            with pytest.raises(MechanismUnsupportedError):
                handle.decrypt(b"\1" * 256, PKCS1v15())

    @pytest.mark.parametrize("algorithm", _RSA, ids=lambda item: item.value)
    def test_refuses_other_paddings(self, keys: SharedKeys, algorithm: KeyAlgorithm) -> None:
        """A padding that is none for decryption is refused as unsupported."""
        handle = keys.get(algorithm)
        if handle is not None:
            pss = PSS(mgf=MGF1(hashes.SHA256()), salt_length=32)
            with pytest.raises(MechanismUnsupportedError):
                handle.decrypt(b"\1" * (handle.public_key.key_size // 8), pss)

    def test_gets_the_key_that_was_made(self, store: KeyStore, quick: KeyAlgorithm) -> None:
        """``get`` gives a handle of the same key, which signs."""
        made = store.generate("get-me", quick)
        found = store.get("get-me")
        assert (found.key_id, found.algorithm) == ("get-me", quick)
        assert public_der(found) == public_der(made), "another key came back"
        verify(made, found.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())

    def test_missing_keys_are_named(self, store: KeyStore) -> None:
        """``get`` and ``delete`` of an unknown name raise ``KeyNotFoundError`` with the name."""
        for use in (store.get, store.delete):
            with pytest.raises(KeyNotFoundError) as caught:
                use("never-made")
            assert caught.value.key_id == "never-made"

    def test_never_replaces(self, store: KeyStore, quick: KeyAlgorithm) -> None:
        """A taken name raises ``KeyExistsError``, and the key that has it stays."""
        before = public_der(store.generate("taken", quick))
        with pytest.raises(KeyExistsError) as caught:
            store.generate("taken", quick)
        assert caught.value.key_id == "taken"
        assert public_der(store.get("taken")) == before, "the key was replaced"

    def test_lists_keys(self, store: KeyStore, quick: KeyAlgorithm) -> None:
        """The list is sorted by name and tells type, public key and time of making."""
        handle = store.generate("list-b", quick)
        store.generate("list-a", quick)
        infos = store.list_keys()
        names = [info.key_id for info in infos]
        assert names == sorted(names), "the list is not sorted by name"
        assert "list-a" in names, "a key is missing from the list"
        info = next(info for info in infos if info.key_id == "list-b")
        assert info.algorithm is quick
        assert info.public_key_der == public_der(handle), "the list shows another public key"
        if info.created_at:
            offset = datetime.fromisoformat(info.created_at).utcoffset()
            assert offset is not None, "created_at has no time zone"
            assert not offset, "created_at is not UTC"

    def test_deletes(self, store: KeyStore, quick: KeyAlgorithm) -> None:
        """A deleted key is gone from ``get`` and the list, and its handles do nothing any more."""
        handle = store.generate("delete-me", quick)
        handle.sign(MESSAGE, hashes.SHA256())
        store.delete("delete-me")
        with pytest.raises(KeyNotFoundError):
            store.get("delete-me")
        assert "delete-me" not in [info.key_id for info in store.list_keys()]
        with pytest.raises(KeyStoreError):
            handle.sign(MESSAGE, hashes.SHA256())

    def test_a_name_can_be_used_again(self, store: KeyStore, quick: KeyAlgorithm) -> None:
        """After a deletion the name gets a new key, and an old handle does not reach it."""
        old = store.generate("reused", quick)
        old.sign(MESSAGE, hashes.SHA256())
        store.delete("reused")
        new = store.generate("reused", quick)
        assert public_der(new) != public_der(old), "the deleted key came back"
        with pytest.raises(KeyStoreError):
            old.sign(MESSAGE, hashes.SHA256())

    def test_keys_outlive_the_store_object(self, own_place: Path, quick: KeyAlgorithm) -> None:
        """Keys and deletions are there after closing and opening again."""
        store = self.open_store(own_place)
        handle = store.generate("kept", quick)
        store.generate("dropped", quick)
        store.delete("dropped")
        signature, infos = handle.sign(MESSAGE, hashes.SHA256()), store.list_keys()
        store.close()
        store = self.open_store(own_place)
        try:
            assert store.list_keys() == infos, "the list changed by closing and opening"
            found = store.get("kept")
            assert found.algorithm is quick
            verify(found, signature, MESSAGE, hashes.SHA256())
            verify(handle, found.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())
        finally:
            store.close()

    def test_one_place_has_one_identity(
        self, own_place: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Two openings of one place say that they are one; another place is another."""
        identities = []
        for place in (own_place, own_place, _new_place(tmp_path_factory)):
            store = self.open_store(place)
            identities.append(identity_of(store))
            store.close()
        first, again, other = identities
        assert first == again, "opened again the store has another identity"
        assert first != other, "two places have one identity"
        if self.passphrase:
            assert self.passphrase not in first, "the identity shows the secret"

    def test_a_wrong_secret_is_refused(self, own_place: Path, quick: KeyAlgorithm) -> None:
        """Another secret opens nothing and is not repeated; the right one does so afterwards."""
        store = self.open_store(own_place)
        store.generate("locked", quick)
        store.close()
        wrong = "Wrong-7391"
        with pytest.raises(StoreLockedError) as caught:
            self.open_store_with(own_place, wrong).close()
        assert wrong not in str(caught.value), "the wrong secret is shown"
        if self.passphrase:
            assert self.passphrase not in str(caught.value), "the right secret is shown"
        store = self.open_store(own_place)
        try:
            assert store.get("locked").sign(MESSAGE, hashes.SHA256())
        finally:
            store.close()

    def test_a_closed_store_is_dead(self, own_place: Path, quick: KeyAlgorithm) -> None:
        """After ``close``, twice, the store and its handles raise ``KeyStoreError``."""
        store = self.open_store(own_place)
        handle = store.generate("dead", quick)
        handle.sign(MESSAGE, hashes.SHA256())
        store.close()
        store.close()
        uses: tuple[Callable[[], object], ...] = (
            lambda: handle.sign(MESSAGE, hashes.SHA256()),
            lambda: store.get("dead"),
            lambda: store.generate("late", quick),
            lambda: store.delete("dead"),
            store.list_keys,
        )
        for use in uses:
            with pytest.raises(KeyStoreError):
                use()

    @pytest.mark.parametrize("key_id", _GOOD_KEY_IDS)
    def test_takes_every_allowed_name(
        self, store: KeyStore, quick: KeyAlgorithm, key_id: str
    ) -> None:
        """Names of all allowed characters and lengths make, find, list and delete a key."""
        handle = store.generate(key_id, quick)
        assert split_key_uri(handle.uri) == (store.uri, key_id), "the URI does not lead back"
        assert public_der(store.get(key_id)) == public_der(handle)
        assert key_id in [info.key_id for info in store.list_keys()]
        store.delete(key_id)

    @pytest.mark.parametrize("key_id", _BAD_KEY_IDS, ids=repr)
    def test_refuses_every_other_name(
        self, store: KeyStore, quick: KeyAlgorithm, key_id: str
    ) -> None:
        """Names with other characters or lengths are refused before anything happens."""
        before = store.list_keys()
        with pytest.raises(KeyStoreError):
            store.generate(key_id, quick)
        for use in (store.get, store.delete):
            with pytest.raises(KeyStoreError):
                use(key_id)
        assert store.list_keys() == before

    def test_uris_and_texts_keep_the_secret(self, store: KeyStore, quick: KeyAlgorithm) -> None:
        """URIs have one scheme; no URI, ``repr`` or error text holds the store's secret."""
        handle = store.generate("shown", quick)
        assert scheme_of(handle.uri) == scheme_of(store.uri)
        with pytest.raises(KeyNotFoundError) as caught:
            store.get("not-shown")
        shown = (store.uri, handle.uri, repr(store), repr(handle), str(caught.value))
        if self.passphrase:
            assert not [text for text in shown if self.passphrase in text], "the secret is shown"

    def test_handles_give_no_private_key(self, store: KeyStore, quick: KeyAlgorithm) -> None:
        """Nothing public of a handle is or yields a private key, and it cannot be pickled."""
        handle = store.generate("inside", quick)
        for name in (name for name in dir(handle) if not name.startswith("_")):
            assert not any(word in name.lower() for word in _PRIVATE_NAMES), f"it has '{name}'"
            value = getattr(handle, name)
            assert not isinstance(value, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey), name
        try:
            pickle.dumps(handle)
        except Exception:
            return
        pytest.fail("a handle was pickled, and the key perhaps with it")

    def test_threads_sign_at_once(self, keys: SharedKeys, quick: KeyAlgorithm) -> None:
        """Signatures of two threads, through one handle and through two, all verify."""
        _require_threads(keys.store)
        handle = keys.get(quick)
        assert handle is not None
        key_id = handle.key_id

        def work() -> list[bytes]:
            own = keys.store.get(key_id)
            return [
                signer.sign(MESSAGE, hashes.SHA256()) for signer in (handle, own) for _ in range(5)
            ]

        results, errors = _in_threads(work, 2)
        assert not errors, f"a thread failed: {errors}"
        for signatures in results:
            for signature in signatures:
                verify(handle, signature, MESSAGE, hashes.SHA256())

    def test_one_of_many_makes_a_key(self, store: KeyStore, quick: KeyAlgorithm) -> None:
        """When threads make a key of one name at once, one wins and the others are told so."""
        _require_threads(store)
        winners, losers = _in_threads(lambda: store.generate("contested", quick), 4)
        assert len(winners) == 1, f"{len(winners)} threads made the key: {losers}"
        assert {type(loser) for loser in losers} == {KeyExistsError}, f"other errors: {losers}"
        assert public_der(store.get("contested")) == public_der(winners[0])


def _new_place(factory: pytest.TempPathFactory) -> Path:
    place = factory.mktemp("store")
    place.chmod(0o700)
    return place


def _encrypt(handle: KeyHandle, padding: AsymmetricPadding) -> bytes:
    public_key = handle.public_key
    assert isinstance(public_key, rsa.RSAPublicKey)
    return public_key.encrypt(MESSAGE, padding)


def _require_threads(store: KeyStore) -> None:
    if not store.capabilities().thread_safe:
        pytest.skip("the store says that it is not for threads")
