"""Key stores of a process: opened once, opened again, and never locked by our own tries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from sceplab_agent.core.policy import EnrollmentPolicy
from sceplab_agent.key_stores import KeyStores, may_pass
from sceplab_agent.trustpoint import TrustpointConfig, parse_subject
from sceplab_hsm import errors
from sceplab_hsm.api import KeyAlgorithm, KeyHandle, KeyStore, StoreCapabilities
from sceplab_hsm.errors import (
    KeyStoreError,
    LockoutError,
    SecretUnavailableError,
    StoreLockedError,
    StoreUnavailableError,
)
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import resolve_secret
from tests.support.secret_files import write_secret

PASSPHRASE = "planted-passphrase-0815"
DEADLINE_S = 20.0


@pytest.fixture
def stores() -> Iterator[KeyStores]:
    """No store is open yet."""
    with closing(KeyStores(now=lambda: datetime.now(UTC))) as stores:
        yield stores


def trustpoint(folder: Path, uri: str = "", secret: str = "") -> TrustpointConfig:
    """A trustpoint whose keys are in that folder."""
    return TrustpointConfig(
        name="lab",
        url="http://ca.example.test/",
        subject=parse_subject("CN=lab"),
        store_uri=uri or f"soft:{folder}/keys?kdf=lab",
        store_secret=secret or f"file:{folder}/passphrase",
        policy=EnrollmentPolicy(name="lab"),
    )


@pytest.fixture
def lab(tmp_path: Path, stores: KeyStores) -> TrustpointConfig:
    """A trustpoint with a store that exists and is not open."""
    write_secret(tmp_path / "passphrase", PASSPHRASE)
    with closing(KeyStores(now=lambda: datetime.now(UTC))) as others:
        others.open(trustpoint(tmp_path), create=True)
    return trustpoint(tmp_path)


def test_store_is_opened_once(lab: TrustpointConfig, stores: KeyStores) -> None:
    """Trustpoints that name the same store share it."""
    assert stores.open(lab, create=False) is stores.open(replace(lab, name="b"), create=False)


def test_wrong_secret_is_offered_once(tmp_path: Path, lab: TrustpointConfig) -> None:
    """Tokens lock themselves after a few wrong PINs: the same one is not tried again."""
    uri = f"fault+{lab.store_uri}&fault=lockout=2"
    wrong = write_secret(tmp_path / "wrong", "not the passphrase")
    config = trustpoint(tmp_path, uri, f"file:{wrong}")
    with closing(KeyStores(now=lambda: datetime.now(UTC))) as stores:
        for _ in range(5):
            with pytest.raises(StoreLockedError, match="passphrase is wrong") as caught:
                stores.open(config, create=False)
            assert not isinstance(caught.value, LockoutError)
            assert f"(the secret was from file:{wrong})" in str(caught.value)
            assert "not the passphrase" not in str(caught.value)
        write_secret(wrong, PASSPHRASE)
        assert stores.open(config, create=False).list_keys() == []


def test_wrong_passphrase_names_the_next_step(
    tmp_path: Path, lab: TrustpointConfig, stores: KeyStores
) -> None:
    """What to give, and where the wrong one came from."""
    write_secret(tmp_path / "passphrase", "wrong")
    with pytest.raises(StoreLockedError) as caught:
        stores.open(lab, create=False)
    assert "give the one it was made with" in str(caught.value)
    assert f"from file:{tmp_path}/passphrase" in str(caught.value)


def test_typed_secret_is_not_asked_for_again(
    lab: TrustpointConfig, stores: KeyStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that tries again by itself does not wait at a prompt that nobody watches."""
    asked: list[str] = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "mistyped")
    for _ in range(2):
        with pytest.raises(StoreLockedError, match="typed in"):
            stores.open(replace(lab, store_secret="prompt:"), create=False)
    assert len(asked) == 1


def test_store_that_comes_later_opens_then(
    tmp_path: Path, lab: TrustpointConfig, stores: KeyStores
) -> None:
    """A failed opening is not kept: the next call tries again."""
    (tmp_path / "keys").rename(tmp_path / "away")
    with pytest.raises(StoreUnavailableError):
        stores.open(lab, create=False)
    (tmp_path / "passphrase").rename(tmp_path / "elsewhere")
    (tmp_path / "away").rename(tmp_path / "keys")
    with pytest.raises(SecretUnavailableError):
        stores.open(lab, create=False)
    (tmp_path / "elsewhere").rename(tmp_path / "passphrase")
    assert stores.open(lab, create=False).list_keys() == []


def test_secret_that_the_store_finds_itself_is_tried_once(
    tmp_path: Path, lab: TrustpointConfig, stores: KeyStores
) -> None:
    """A PIN behind ``pin-source`` passes us by; then one refusal has to do."""
    opened: list[str] = []

    def refuse(uri: str, *_: object, **__: object) -> object:
        opened.append(uri)
        raise StoreLockedError("the PIN is wrong")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sceplab_agent.key_stores.open_key_store", refuse)
        for _ in range(3):
            with pytest.raises(StoreLockedError, match="the PIN is wrong"):
                stores.open(lab, create=False)
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("kind", "passes"),
    [
        ("StoreLockedError", False),
        ("LockoutError", True),
        ("TokenMissingError", True),
        ("StoreBusyError", True),
        ("StoreFullError", True),
        ("StoreUnavailableError", True),
        ("ModuleMissingError", False),
        ("MechanismUnsupportedError", False),
        ("AmbiguousTokenError", False),
        ("StoreUriError", False),
        ("KeyDamagedError", False),
    ],
)
def test_what_may_pass(kind: str, passes: bool) -> None:
    """A token comes back and a lockout ends; a wrong PIN stays wrong."""
    error: KeyStoreError = getattr(errors, kind)("text")
    assert may_pass(error) is passes


class OneAtATime:
    """A store that notices a second thread inside it."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._inside = threading.Lock()
        self.calls = 0

    def capabilities(self) -> StoreCapabilities:
        """Not for threads."""
        return replace(self._store.capabilities(), thread_safe=False)

    def __getattr__(self, name: str) -> Any:
        """Every other call or value, watched."""
        found = getattr(self._store, name)
        return self._watched(found) if callable(found) else found

    def _watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            assert self._inside.acquire(blocking=False), "two threads at once"
            try:
                self.calls += 1
                result = call(*arguments)
            finally:
                self._inside.release()
            return Watched(result, self) if hasattr(result, "sign") else result

        return run


class Watched:
    """A handle of such a store."""

    def __init__(self, handle: KeyHandle, store: OneAtATime) -> None:
        self._handle = handle
        self._of = store

    def __getattr__(self, name: str) -> Any:
        """Every call, watched."""
        found = getattr(self._handle, name)
        return self._of._watched(found) if callable(found) else found


def test_store_that_is_not_for_threads_gets_one_call_at_a_time(
    lab: TrustpointConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trustpoints work in threads of their own; such a store does not have to know."""
    made: list[OneAtATime] = []

    def open_store(*words: Any, **options: Any) -> Any:
        made.append(OneAtATime(open_key_store(*words, **options)))
        return made[0]

    monkeypatch.setattr("sceplab_agent.key_stores.open_key_store", open_store)
    with closing(KeyStores(now=lambda: datetime.now(UTC))) as stores:
        store = stores.open(lab, create=False)
        store.generate("a", KeyAlgorithm.RSA_2048)

        def work(number: int) -> bytes:
            store.list_keys()
            handle = store.get("a")
            return handle.sign(bytes([number]), hashes.SHA256())

        with ThreadPoolExecutor(4) as pool:
            signatures = list(pool.map(work, range(40)))
        handle = store.get("a")
        assert (handle.key_id, handle.algorithm) == ("a", KeyAlgorithm.RSA_2048)
        assert handle.uri == f"{store.uri}#a"
        store.delete("a")
    assert len(set(signatures)) == 40
    assert made[0].calls > 120


class Hanging:
    """`open_key_store`, with one store that hangs at its opening until the test lets it go."""

    def __init__(self, part: str) -> None:
        self._part = part
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.opened: list[str] = []
        self.closed = threading.Event()

    def __call__(self, uri: str, *words: Any, **options: Any) -> KeyStore:
        """Opens a store."""
        self.opened.append(uri)
        if self._part not in uri:
            return open_key_store(uri, *words, **options)
        self.reached.set()
        assert self.go_on.wait(DEADLINE_S)
        store = open_key_store(uri, *words, **options)
        close = store.close

        def close_and_say() -> None:
            close()
            self.closed.set()

        store.close = close_and_say  # type: ignore[method-assign]
        return store


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """The store in a folder ``slow`` hangs."""
    hanging = Hanging("/slow/")
    monkeypatch.setattr("sceplab_agent.key_stores.open_key_store", hanging)
    yield hanging
    hanging.go_on.set()


def test_store_that_hangs_keeps_nobody_else_waiting(
    tmp_path: Path, lab: TrustpointConfig, stores: KeyStores, hanging: Hanging
) -> None:
    """Another store opens meanwhile; who wants the same one waits, and it is opened once."""
    slow = trustpoint(tmp_path, f"soft:{tmp_path}/slow/keys?kdf=lab")
    (tmp_path / "slow").mkdir()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(stores.open, slow, create=True)
        assert hanging.reached.wait(DEADLINE_S)
        second = pool.submit(stores.open, replace(slow, name="b"), create=True)
        try:
            other = pool.submit(stores.open, lab, create=False).result(DEADLINE_S)
            assert other.list_keys() == []
            assert not first.done()
        finally:
            hanging.go_on.set()
        assert first.result(DEADLINE_S) is second.result(DEADLINE_S)
    assert hanging.opened == [slow.store_uri, lab.store_uri]


def test_store_that_hangs_is_closed_when_it_has_opened(
    tmp_path: Path, lab: TrustpointConfig, hanging: Hanging
) -> None:
    """Closing does not wait for it; nobody opens anything afterwards."""
    slow = trustpoint(tmp_path, f"soft:{tmp_path}/slow/keys?kdf=lab")
    (tmp_path / "slow").mkdir()
    stores = KeyStores(now=lambda: datetime.now(UTC))
    with ThreadPoolExecutor(2) as pool:
        opening = pool.submit(stores.open, slow, create=True)
        assert hanging.reached.wait(DEADLINE_S)
        try:
            pool.submit(stores.close).result(DEADLINE_S)
            with pytest.raises(StoreUnavailableError, match="are closed"):
                stores.open(lab, create=False)
        finally:
            hanging.go_on.set()
        opening.result(DEADLINE_S)
    assert hanging.closed.wait(DEADLINE_S)


def test_store_with_a_call_that_hangs_is_left(
    lab: TrustpointConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for a chip that does not answer holds the end of the process up no longer."""
    monkeypatch.setattr("sceplab_agent.key_stores.CLOSING_S", 0.05)
    closing, go_on = threading.Event(), threading.Event()

    def hang(_: KeyStore) -> None:
        closing.set()
        assert go_on.wait(DEADLINE_S)

    stores = KeyStores(now=lambda: datetime.now(UTC))
    monkeypatch.setattr(type(stores.open(lab, create=False)), "close", hang)
    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(stores.close).result(DEADLINE_S)
            assert closing.wait(DEADLINE_S)
        finally:
            go_on.set()


def test_prompts_come_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores open side by side; a person is asked for one passphrase after the other."""
    asking = threading.Lock()

    def ask(prompt: str) -> str:
        assert asking.acquire(blocking=False), f"two questions at once: {prompt}"
        another_came.wait(0.05)
        asking.release()
        return PASSPHRASE

    another_came = threading.Event()  # nobody says so: the assertion above does
    monkeypatch.setattr("getpass.getpass", ask)
    with ThreadPoolExecutor(4) as pool:
        secrets = list(pool.map(lambda _: resolve_secret("prompt:"), range(4)))
    assert {secret.reveal() for secret in secrets} == {PASSPHRASE}
