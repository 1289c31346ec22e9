"""The software store between processes: killed at every step of a write, and shared by two."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

import pytest
from cryptography.hazmat.primitives import hashes

from sceplab_hsm import files
from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.contract import MESSAGE
from sceplab_hsm.errors import KeyExistsError, StoreUnavailableError
from tests.support.child_process import start_child, wait_for_child
from tests.support.soft_stores import soft_store

EC = KeyAlgorithm.EC_P256
CRASHED = 77
CUTS = ("write", "fsync", "rename", "after")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a test's store is; an empty private directory."""
    path = tmp_path / "keys"
    path.mkdir(mode=0o700)
    return path


def crash(work: Callable[[], object], cut: str) -> int:
    """Does the work in this process and ends it at the cut, as a kill would."""
    real_fsync, real_open, syncs = os.fsync, open, []

    def die(*_: object) -> None:
        os._exit(CRASHED)

    def torn_open(descriptor: int, mode: str) -> IO[bytes]:
        if mode == "wb":
            os.write(descriptor, b"sceplab-key")
            die()
        return real_open(descriptor, mode)

    def fsync(descriptor: int) -> None:
        syncs.append(descriptor)
        if cut == "fsync" or len(syncs) == 2:  # the file's comes first, then the directory's
            die()
        real_fsync(descriptor)

    os.fsync = fsync
    if cut == "rename":
        os.rename = die
    if cut == "write":
        vars(files)["open"] = torn_open
    work()
    return 0


@pytest.mark.parametrize("cut", CUTS)
def test_a_crash_leaves_the_store_usable(place: Path, cut: str) -> None:
    """Killed in the write, before, at or after the rename: the key is there whole or not at all."""
    store = soft_store(place)
    store.generate("before", EC)
    child = start_child(partial(crash, partial(store.generate, "router1", EC), cut))
    assert wait_for_child(child) == CRASHED
    assert (place / ".sceplab-new.tmp").exists() == (cut != "after"), "the cut was elsewhere"
    again = soft_store(place, create=False)
    names = [info.key_id for info in again.list_keys()]
    assert names == (["before", "router1"] if cut == "after" else ["before"])
    if cut != "after":
        again.generate("router1", EC)
    again.get("router1").sign(MESSAGE, hashes.SHA256())
    assert not (place / ".sceplab-new.tmp").exists()


@pytest.mark.parametrize("cut", CUTS)
def test_a_crash_at_making_leaves_no_half_store(place: Path, cut: str) -> None:
    """Killed while the header is written: the next opening finds a whole store or makes one."""
    assert wait_for_child(start_child(partial(crash, partial(soft_store, place), cut))) == CRASHED
    assert (place / "store.header").exists() == (cut == "after")
    soft_store(place).generate("router1", EC)
    assert [info.key_id for info in soft_store(place, create=False).list_keys()] == ["router1"]


@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_a_full_disk_leaves_nothing(
    place: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the system refuses a write, the error says why and no file is left."""
    store = soft_store(place)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, refuse)
        with pytest.raises(StoreUnavailableError, match="No space left"):
            store.generate("router1", EC)
    assert [path.name for path in place.iterdir()] == ["store.header"]
    store.generate("router1", EC)


def test_processes_share_a_store(place: Path) -> None:
    """Two processes that make keys in one new store lose none, and each contested name once."""
    children = [start_child(partial(make_keys, place, prefix)) for prefix in "ab"]
    won = [wait_for_child(child) for child in children]
    assert sum(won) == 5, f"contested names won by each: {won}"
    store = soft_store(place, create=False)
    names = [info.key_id for info in store.list_keys()]
    assert len(names) == 15
    for name in names:
        store.get(name).sign(MESSAGE, hashes.SHA256())


def make_keys(place: Path, prefix: str) -> int:
    """Makes five keys of its own and five that the other wants too; gives how many it won."""
    store, won = soft_store(place), 0
    for number in range(5):
        store.generate(f"{prefix}{number}", EC)
        try:
            store.generate(f"both{number}", EC)
        except KeyExistsError:
            continue
        won += 1
    return won
