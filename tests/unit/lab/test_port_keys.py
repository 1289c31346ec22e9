"""Labels of a device's keys: slow and failing stores, and what is known after a restart."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sceplab_devices.errors import DeviceError
from sceplab_hsm.api import KeyAlgorithm, KeyHandle, KeyInfo, KeyStore, StoreCapabilities
from sceplab_hsm.errors import KeyStoreError, StoreFullError, TokenMissingError
from sceplab_hsm.moving import mover_of
from sceplab_hsm.secret import Secret
from sceplab_lab.port_keybook import BOOK_FILE, KeyBook, KeyNote
from sceplab_lab.port_keys import PortKeys
from sceplab_lab.worker import InlineWorker, LoopWorker, Worker
from tests.support.soft_stores import soft_store

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PATIENCE_S = 20


@dataclass
class TroubledStore:
    """A store that waits, or refuses, when the test says so. It does not know ages."""

    store: KeyStore
    gate: threading.Event = field(default_factory=threading.Event)
    failure: KeyStoreError | None = None
    uri: str = "troubled:"

    def __post_init__(self) -> None:
        """Open until the test closes the gate."""
        self.gate.set()

    def capabilities(self) -> StoreCapabilities:
        """Those of the other store."""
        return self.store.capabilities()

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """Waits at the gate."""
        assert self.gate.wait(PATIENCE_S)
        self._fail()
        return self.store.generate(key_id, algorithm)

    def generate_exportable(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """Waits at the gate."""
        assert self.gate.wait(PATIENCE_S)
        self._fail()
        return mover_of(self.store).generate_exportable(key_id, algorithm)

    def export_key(self, key_id: str, passphrase: Secret) -> bytes:
        """Gives a key out."""
        self._fail()
        return mover_of(self.store).export_key(key_id, passphrase)

    def import_key(
        self, key_id: str, pkcs8: bytes, passphrase: Secret, *, exportable: bool
    ) -> KeyHandle:
        """Takes a key in."""
        self._fail()
        return mover_of(self.store).import_key(key_id, pkcs8, passphrase, exportable=exportable)

    def get(self, key_id: str) -> KeyHandle:
        """A key."""
        return self.store.get(key_id)

    def list_keys(self) -> list[KeyInfo]:
        """Waits at the gate too, as a chip at work does."""
        assert self.gate.wait(PATIENCE_S)
        self._fail()
        return [
            KeyInfo(
                key_id=info.key_id, algorithm=info.algorithm, public_key_der=info.public_key_der,
                exportable=info.exportable, created_at="",
            )
            for info in self.store.list_keys()
        ]  # fmt: skip

    def delete(self, key_id: str) -> None:
        """Waits at the gate, and removes a key."""
        assert self.gate.wait(PATIENCE_S)
        self._fail()
        self.store.delete(key_id)

    def close(self) -> None:
        """Nothing is open."""

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


@dataclass
class Bench:
    """Labels over a troubled store."""

    folder: Path
    worker: Worker = field(default_factory=InlineWorker)
    now: datetime = NOW
    store: TroubledStore = field(init=False)
    keys: PortKeys = field(init=False)
    answers: list[str] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Opens the store."""
        self.store = TroubledStore(soft_store(self.folder / "keys"))
        self.restart()

    def restart(self) -> None:
        """What another run of the device knows."""
        self.keys = PortKeys(
            self.store, lambda: self.now, worker=self.worker, book=KeyBook(self.folder),
            changed=self.moved.set,
        )  # fmt: skip

    def generate(self, label: str, algorithm: str = "ec:p256", *, exportable: bool = False) -> None:
        """Has a key made; why not is the last of the answers."""
        self.keys.generate(label, algorithm, exportable=exportable, done=self._answer)

    async def settle(self) -> None:
        """Returns when the worker has nothing to do."""
        async with asyncio.timeout(PATIENCE_S):
            while self.keys.is_busy:
                self.moved.clear()
                await self.moved.wait()

    def _answer(self, reason: str) -> None:
        self.answers.append(reason)
        self.moved.set()

    def listed(self) -> list[tuple[str, bool]]:
        """Labels, and whether the key is exportable."""
        return [(view.label, view.exportable) for view in self.keys.views()]


async def test_a_slow_store_keeps_nobody_waiting(tmp_path: Path) -> None:
    """While a key is made the keys of before are shown at once; then the new one is there."""
    with ThreadPoolExecutor(2) as pool:
        bench = Bench(tmp_path, LoopWorker(pool))
        bench.generate("A")
        await bench.settle()
        bench.keys.views()
        bench.store.gate.clear()
        bench.generate("B")
        bench.keys.look_again()  # the list waits as well
        bench.generate("C")
        assert bench.listed() == [("A", False)]
        assert bench.answers == [""]
        bench.store.gate.set()
        await bench.settle()
        assert bench.answers == ["", "", ""]
        assert sorted(label for label, _ in bench.listed()) == ["A", "B", "C"]


async def test_a_new_key_is_shown_while_the_store_is_at_work(tmp_path: Path) -> None:
    """What is shown after a key was made does not ask the store again."""
    with ThreadPoolExecutor(2) as pool:
        bench = Bench(tmp_path, LoopWorker(pool))
        bench.generate("A")
        await bench.settle()
        bench.store.gate.clear()
        try:
            assert bench.listed() == [("A", False)]
        finally:
            bench.store.gate.set()


async def test_keys_that_are_not_needed_go_in_the_worker(tmp_path: Path) -> None:
    """A renewal's key takes the label once the one before it is gone; nobody waits for that."""
    with ThreadPoolExecutor(2) as pool:
        bench = Bench(tmp_path, LoopWorker(pool))
        bench.generate("A")
        await bench.settle()
        bench.store.store.generate("A.2", KeyAlgorithm.EC_P256)
        bench.keys.follow("A", base="A", active="A", new="A.2")
        await bench.settle()
        assert sorted(bench.listed()) == [("A", False), ("A#", False)]
        bench.store.gate.clear()
        try:
            for _ in range(2):  # told twice before it is done
                bench.keys.follow("A", base="A", active="A.2", new=None)
            assert bench.listed() == [("A#", False)]
            assert bench.keys.is_busy
        finally:
            bench.store.gate.set()
        await bench.settle()
        assert bench.listed() == [("A", False)]
        assert bench.keys.id_of("A") == "A.2"
        assert [info.key_id for info in bench.store.list_keys()] == ["A.2"]


async def test_a_store_that_came_back_is_asked_by_the_next_look(tmp_path: Path) -> None:
    """The look itself shows what is known; the list that it asked for comes behind it."""
    with ThreadPoolExecutor(2) as pool:
        bench = Bench(tmp_path, LoopWorker(pool))
        bench.generate("A")
        await bench.settle()
        bench.store.store.generate("B", KeyAlgorithm.EC_P256)
        bench.store.failure = TokenMissingError("the token was removed; insert it again")
        bench.keys.look_again()
        await bench.settle()
        bench.store.failure = None
        assert [label for label, _ in bench.listed()] == ["A"]
        await bench.settle()
        assert sorted(label for label, _ in bench.listed()) == ["A", "B"]


def test_a_store_that_refuses_costs_no_key(tmp_path: Path) -> None:
    """A full store, a size it does not make: the key of that label is still the one before."""
    bench = Bench(tmp_path)
    bench.generate("K", exportable=True)
    before = bench.keys.views()
    bench.store.failure = StoreFullError("the token is full; delete a key")
    bench.generate("K")
    bench.generate("K", "rsa:1024")
    bench.store.failure = None
    assert bench.answers == ["", "the token is full; delete a key", "rsa:1024 is not available"]
    assert bench.keys.views() == before


def test_a_store_that_is_away_shows_what_was_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A removed token takes no console down; deleting says why it cannot be."""
    bench = Bench(tmp_path)
    bench.generate("K")
    before = bench.keys.views()
    bench.store.failure = TokenMissingError("the token was removed; insert it again")
    bench.keys.look_again()
    assert bench.keys.views() == before
    assert "insert it again" in caplog.text
    with pytest.raises(DeviceError, match="insert it again"):
        bench.keys.delete("K")
    bench.store.failure = None
    assert bench.keys.delete("K")
    assert not bench.keys.delete("K")
    assert bench.keys.views() == []


def test_labels_are_known_after_a_restart(tmp_path: Path) -> None:
    """Label, exportability and age outlive the process, whatever the store calls the key."""
    bench = Bench(tmp_path)
    bench.generate("K")
    bench.generate("K", exportable=True)
    before = bench.keys.views()
    bench.now = datetime(2026, 5, 1, tzinfo=UTC)
    bench.restart()
    assert bench.listed() == [("K", True)]
    assert bench.keys.views() == before
    bench.keys.follow("K", base="K@2", active="K@2", new="K@2.2")
    bench.keys.follow("K", base="K@2", active="K@2.2", new="K@2.3")
    bench.restart()
    assert bench.keys.id_of("K") == "K@2.2"
    assert bench.keys.id_of("K#") == "K@2.3"


def test_a_key_made_by_hand_is_not_taken_for_a_renewals(tmp_path: Path) -> None:
    """A certificate whose key the operator has replaced does not get the label back."""
    bench = Bench(tmp_path)
    bench.generate("K")
    bench.generate("OTHER")
    bench.generate("K")
    for active in ("K", "K.2", "OTHER"):
        bench.keys.follow("K", base="K", active=active, new=None)
    assert bench.keys.id_of("K") == "K@2"
    assert [label for label, _ in bench.listed()] == ["K", "OTHER"]


def test_a_key_that_nobody_noted_has_one_age(tmp_path: Path) -> None:
    """A store that does not know ages shows a key found there as old as the first look at it."""
    bench = Bench(tmp_path)
    bench.store.store.generate("FOUND", KeyAlgorithm.EC_P256)
    assert bench.keys.views()[0].generated_at == NOW
    bench.now = datetime(2026, 5, 1, tzinfo=UTC)
    bench.keys.look_again()
    assert bench.keys.views()[0].generated_at == NOW


@pytest.mark.parametrize("content", ["", "[]", '{"K": {"colour": "red"}}', '{"K": 7}'])
def test_a_damaged_book_is_named(tmp_path: Path, content: str) -> None:
    """It says which file, and what happens without it."""
    (tmp_path / BOOK_FILE).write_text(content)
    with pytest.raises(DeviceError, match=r"key-labels\.json is damaged; remove it"):
        KeyBook(tmp_path)


def test_a_book_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    """The place is named, and the notes are those of before."""
    book = KeyBook(tmp_path / "folder")
    with pytest.raises(DeviceError, match=r"cannot write .*key-labels\.json: No such file"):
        book.put("K", KeyNote(label="K"))
    assert book.find("K") == ""


def test_a_certificate_of_a_destroyed_key_takes_no_label(tmp_path: Path) -> None:
    """A new key keeps its label while the certificate of the one before is still active."""
    bench = Bench(tmp_path)
    bench.generate("K")
    bench.keys.follow("K", base="K", active="K", new=None)
    bench.generate("K")
    bench.keys.follow("K", base="K", active="K", new=None)
    bench.keys.follow("K", base="K", active="K", new=bench.keys.id_of("K"))
    assert bench.listed() == [("K", False)]
    assert bench.keys.id_of("K") == "K@2"


def test_keys_of_others_in_a_shared_store_are_left_alone(tmp_path: Path) -> None:
    """They are listed; neither zeroizing, replacing nor a renewal destroys them."""
    bench = Bench(tmp_path)
    for key_id in ("ZONE", "AGENT", "AGENT.2"):
        bench.store.store.generate(key_id, KeyAlgorithm.EC_P256)
    bench.generate("OWN")
    bench.generate("ZONE")
    bench.keys.follow("AGENT", base="AGENT", active="AGENT.2", new=None)
    bench.keys.discard("AGENT.2")
    assert not bench.keys.delete("ZONE@2")
    assert bench.keys.delete("OWN")
    bench.keys.delete("AGENT")
    assert not bench.keys.delete("AGENT")
    present = {info.key_id for info in bench.store.store.list_keys()}
    assert {"ZONE", "AGENT"} <= present
    assert "OWN" not in present


def test_a_key_that_the_agent_made_is_the_devices(tmp_path: Path) -> None:
    """It is noted under its label, also for the next run, and can be destroyed."""
    bench = Bench(tmp_path)
    bench.store.store.generate("K", KeyAlgorithm.EC_P256)
    bench.keys.note_made("K", "K")
    assert not bench.keys.delete("K")
    bench.keys.claim("K")
    bench.keys.note_made("K", "K")
    bench.restart()
    assert bench.keys.delete("K")
