"""What the TPM store makes of refusals: a stub chip that refuses on order stands behind it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from sceplab_hsm.api import KeyAlgorithm, KeyResidence
from sceplab_hsm.contract import MESSAGE, verify
from sceplab_hsm.errors import (
    KeyDamagedError,
    KeyStoreError,
    LockoutError,
    MechanismUnsupportedError,
    StoreBusyError,
    StoreFullError,
    StoreLockedError,
    StoreUnavailableError,
    TokenMissingError,
)
from sceplab_hsm.secret import Secret
from sceplab_hsm.tpm import chiplock, session
from sceplab_hsm.tpm.blobfile import HEADER_NAME
from sceplab_hsm.tpm.chip import TpmChip, TpmError, TpmGoneError
from sceplab_hsm.tpm.chiplock import chip_locked
from sceplab_hsm.tpm.response import failure
from sceplab_hsm.tpm.store import ChipStoreSettings, TpmKeyStore, open_chip_store
from sceplab_hsm.tpm.stub import StubChip
from sceplab_hsm.tpm.stub_memory import ChipMemory
from sceplab_hsm.tpm.stub_store import open_store as open_stub
from tests.support.child_process import start_child, wait_for_child

EC, RSA = KeyAlgorithm.EC_P256, KeyAlgorithm.RSA_2048
SHA256 = hashes.SHA256()

Refusals = dict[str, list[Exception]]


class RefusingChip:
    """A chip that refuses commands on order before it carries them out.

    Args:
        chip: behind it.
        refusals: by method, what is raised by the next calls, one each.
        afterwards: by method, refusals that hold when one of it was used up.
    """

    def __init__(self, chip: TpmChip, refusals: Refusals, afterwards: dict[str, Refusals]) -> None:
        self._chip = chip
        self._refusals = refusals
        self._afterwards = afterwards

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._chip, name)

        def call(*arguments: object, **named: object) -> object:
            if self._refusals.get(name):
                refusal = self._refusals[name].pop(0)
                self._refusals.update(self._afterwards.pop(name, {}))
                raise refusal
            return method(*arguments, **named)

        return call


class Bench:
    """A store over a chip that refuses on order."""

    def __init__(self, place: Path) -> None:
        self.refusals: Refusals = {}
        self.afterwards: dict[str, Refusals] = {}
        self.connections = 0
        self.place = place
        self._memory = ChipMemory(place / "chip")
        self._memory.create()

    def open(self) -> TpmKeyStore:
        """Opens the store, or makes it."""
        return open_chip_store(
            f"tpm-stub:{self.place}",
            self.place,
            self._connect,
            lambda _: Secret("pin"),
            create=True,
            now=None,
            settings=ChipStoreSettings(residence=KeyResidence.TPM_STUB, unlock_hint="ask"),
        )

    def refuse(self, method: str, *codes: int) -> None:
        """The next calls of a method are refused with these codes."""
        self.refusals[method] = [TpmError(method, code) for code in codes]

    def dies_after(self, method: str) -> None:
        """The chip fails for good when it has refused this method."""
        self.afterwards[method] = {"public_key_der": [TpmError("ReadPublic", 0x101)]}

    def _connect(self) -> TpmChip:
        self.connections += 1
        refusing: Any = RefusingChip(StubChip(self._memory), self.refusals, self.afterwards)
        chip: TpmChip = refusing
        return chip


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A chip without a store; pauses take no time."""
    monkeypatch.setattr(session, "_LONGEST_PAUSE_S", 0.0)
    place = tmp_path / "keys"
    place.mkdir(mode=0o700)
    return Bench(place)


@pytest.fixture
def store(bench: Bench) -> Iterator[TpmKeyStore]:
    """The store of the bench, opened before anything is refused."""
    with closing(bench.open()) as opened:
        yield opened


@pytest.mark.parametrize("code", [0x908, 0x909, 0x90A, 0x920, 0x922, 0x923])
def test_a_busy_chip_is_asked_again(bench: Bench, store: TpmKeyStore, code: int) -> None:
    """Three refusals for the moment are not seen by the caller."""
    handle = store.generate("key", EC)
    bench.refuse("sign", *[code] * 3)
    verify(handle, handle.sign(MESSAGE, SHA256), MESSAGE, SHA256)


def test_a_chip_that_stays_busy_is_an_error(bench: Bench, store: TpmKeyStore) -> None:
    """The attempts are bounded; the store works on afterwards."""
    handle = store.generate("key", EC)
    bench.refuse("sign", *[0x922] * 1000)
    with pytest.raises(StoreBusyError, match="try again"):
        handle.sign(MESSAGE, SHA256)
    assert len(bench.refusals["sign"]) > 900
    bench.refuse("sign")
    handle.sign(MESSAGE, SHA256)


@pytest.mark.parametrize("code", [0x902, 0x903, 0x904])
def test_a_full_chip_is_an_error_and_nothing_is_made(
    bench: Bench, store: TpmKeyStore, code: int
) -> None:
    """No slot and no memory, for good: `StoreFullError`, and no half key."""
    bench.refuse("create", *[code] * 1000)
    with pytest.raises(StoreFullError):
        store.generate("key", EC)
    assert store.list_keys() == []
    bench.refuse("create")
    store.generate("key", EC)


def test_a_chip_without_room_for_the_parent_is_full(bench: Bench) -> None:
    """No NV memory left for the storage key: no store is made."""
    bench.refusals["evict_control"] = [TpmError("EvictControl", 0x14B)]
    with pytest.raises(StoreFullError):
        bench.open()
    assert not (bench.place / HEADER_NAME).exists()


def test_another_process_may_make_the_parent_first(bench: Bench) -> None:
    """The handle is taken in the last moment, by the same key: the store is made."""
    bench.refuse("evict_control", 0x14C)
    with closing(bench.open()) as store:
        store.generate("key", EC)


def test_a_replaced_store_takes_no_key(bench: Bench, store: TpmKeyStore) -> None:
    """The directory has become another store since: a key put there would never open."""
    (bench.place / HEADER_NAME).unlink()
    bench.open().close()
    with pytest.raises(StoreUnavailableError, match="was replaced"):
        store.generate("key", EC)
    assert store.list_keys() == []


@pytest.mark.parametrize("method", ["create", "load", "sign"])
def test_a_chip_lost_while_a_key_is_made_leaves_no_half_key(
    bench: Bench, store: TpmKeyStore, method: str
) -> None:
    """The outcome is unknown: no file, the name stays free, and the next call connects again."""
    bench.refusals[method] = [TpmGoneError("gone")]
    with pytest.raises(StoreUnavailableError, match="unknown") as caught:
        store.generate("key", EC)
    assert not isinstance(caught.value, TokenMissingError), "it can be connected to"
    assert store.list_keys() == []
    handle = store.generate("key", EC)
    verify(handle, handle.sign(MESSAGE, SHA256), MESSAGE, SHA256)
    assert bench.connections == 2


def test_bad_padding_is_no_failure_of_the_chip(bench: Bench, store: TpmKeyStore) -> None:
    """0x101 and a chip that still answers: it was the ciphertext, which is told like others."""
    handle = store.generate("key", RSA)
    bench.refuse("rsa_decrypt", 0x101)
    with pytest.raises(KeyStoreError, match=r"^decryption failed$") as caught:
        handle.decrypt(b"\1" * 256, PKCS1v15())
    assert type(caught.value) is KeyStoreError
    handle.sign(MESSAGE, SHA256)


def test_a_dead_chip_is_told_from_bad_padding(bench: Bench, store: TpmKeyStore) -> None:
    """0x101, and 0x101 again for the question that every living chip answers."""
    handle = store.generate("key", RSA)
    handle.sign(MESSAGE, SHA256)
    bench.refuse("rsa_decrypt", 0x101)
    bench.dies_after("rsa_decrypt")
    with pytest.raises(StoreUnavailableError, match="reports a failure"):
        handle.decrypt(b"\1" * 256, PKCS1v15())


@pytest.mark.parametrize(("code", "kind"), [(0x921, LockoutError), (0x98E, StoreLockedError)])
def test_a_locked_chip_is_no_matter_of_the_ciphertext(
    bench: Bench, store: TpmKeyStore, code: int, kind: type[KeyStoreError]
) -> None:
    """Refusals that say nothing of the ciphertext keep their class when decrypting."""
    handle = store.generate("key", RSA)
    bench.refuse("rsa_decrypt", code)
    with pytest.raises(kind) as caught:
        handle.decrypt(b"\1" * 256, PKCS1v15())
    assert type(caught.value) is kind


def test_keys_lost_from_the_chip_are_loaded_again(bench: Bench, store: TpmKeyStore) -> None:
    """A handle that leads nowhere, at any step, is not seen by the caller."""
    handle = store.generate("key", EC)
    for code in (0x910, 0x18B):
        for method in ("public_key_der", "sign"):
            bench.refuse(method, code)
            verify(handle, handle.sign(MESSAGE, SHA256), MESSAGE, SHA256)


def test_a_key_that_does_not_open_is_damaged(bench: Bench, store: TpmKeyStore) -> None:
    """The right chip refuses a blob: the key is damaged, others work."""
    handle = store.generate("key", EC)
    store.generate("other", EC).sign(MESSAGE, SHA256)
    bench.refuse("load", 0x1DF, 0x1DF)
    with pytest.raises(KeyDamagedError):
        handle.sign(MESSAGE, SHA256)
    store.get("other").sign(MESSAGE, SHA256)


@pytest.mark.parametrize(
    ("command", "code", "kind"),
    [
        ("Sign", 0x98E, StoreLockedError),
        ("Sign", 0x9A2, StoreLockedError),
        ("Sign", 0x921, LockoutError),
        ("Sign", 0x2C4, MechanismUnsupportedError),
        ("Sign", 0x2C3, MechanismUnsupportedError),
        ("Sign", 0x2D2, MechanismUnsupportedError),
        ("Load", 0x902, StoreFullError),
        ("Load", 0x903, StoreFullError),
        ("EvictControl", 0x14B, StoreFullError),
        ("Sign", 0x922, StoreBusyError),
        ("Sign", 0x908, StoreBusyError),
        ("Sign", 0x909, StoreBusyError),
        ("Load", 0x1DF, KeyDamagedError),
        ("Sign", 0x100, StoreUnavailableError),
        ("Sign", 0x101, StoreUnavailableError),
        ("Sign", 0x123, StoreUnavailableError),
        ("CreatePrimary", 0x9A2, StoreUnavailableError),
        ("EvictControl", 0x98E, StoreUnavailableError),
    ],
)
def test_every_refusal_has_its_class(command: str, code: int, kind: type[KeyStoreError]) -> None:
    """The class says what to do, the text names the store, and the code where it may help."""
    error = failure(TpmError(command, code), "tpm:keys", unlock_hint="ask the owner")
    assert type(error) is kind
    assert "tpm:keys" in str(error)
    if kind is LockoutError:
        assert "ask the owner" in str(error)
    elif kind is not StoreLockedError:
        assert f"0x{code:x}" in str(error)


def test_processes_take_turns(tmp_path: Path) -> None:
    """Whoever holds the lock keeps the others out; no file stays behind."""
    lock, counter = tmp_path / "lock", tmp_path / "counter"
    counter.write_text("0", encoding="ascii")

    def work() -> int:
        for _ in range(50):
            with chip_locked(lock):
                seen = int(counter.read_text(encoding="ascii"))
                counter.write_text(str(seen + 1), encoding="ascii")
        return 0

    children = [start_child(work) for _ in range(3)]
    assert [wait_for_child(child) for child in children] == [0, 0, 0]
    assert counter.read_text(encoding="ascii") == "150"
    assert not lock.exists()


def test_processes_share_a_stub(bench: Bench) -> None:
    """Four processes with keys of their own on three slots: every signature is made and holds."""

    def work(number: int) -> int:
        secret = Secret("pin")
        with closing(open_stub(f"tpm-stub:{bench.place}", lambda _: secret, create=True)) as own:
            handles = [own.generate(f"{name}-{number}", EC) for name in "ab"]
            for handle in handles * 5:
                verify(handle, handle.sign(MESSAGE, SHA256), MESSAGE, SHA256)
        return 0

    children = [start_child(lambda number=number: work(number)) for number in range(4)]
    assert [wait_for_child(child) for child in children] == [0, 0, 0, 0]


def test_a_lock_that_its_holder_has_just_removed_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file goes between opening and locking it: another one is made and locked."""
    lock, real_flock, calls = tmp_path / "lock", fcntl.flock, []

    def flock(descriptor: int, operation: int) -> None:
        if not calls:
            lock.unlink()
        calls.append(descriptor)
        real_flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with chip_locked(lock):
        assert lock.exists()
    assert len(calls) == 2


def test_waiting_for_the_chip_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that never gives the chip back is an error of its own."""
    monkeypatch.setattr(chiplock, "_LONGEST_WAIT_S", 0.01)
    lock = tmp_path / "lock"
    with chip_locked(lock), pytest.raises(StoreBusyError), chip_locked(lock):
        pytest.fail("both hold it")
    with chip_locked(lock):
        assert lock.exists()


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Nobody else's file is opened, or removed, in our name."""
    (tmp_path / "victim").write_text("mine", encoding="ascii")
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(StoreUnavailableError, match="cannot lock"), chip_locked(tmp_path / "lock"):
        pytest.fail("it was followed")
    assert (tmp_path / "victim").exists()
