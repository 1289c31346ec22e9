"""A key store that is made with its first key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import KeyNotFoundError, StoreUnavailableError
from sceplab_hsm.secret import Secret
from sceplab_hsm.software import CAPABILITIES
from sceplab_lab.lazy_store import LazyKeyStore
from tests.support.soft_stores import soft_store

PASSPHRASE = Secret("carried")


@pytest.fixture
def store(tmp_path: Path) -> LazyKeyStore:
    """A store in a folder that is not there."""
    folder = tmp_path / "keys"
    return LazyKeyStore(
        f"soft:{folder}",
        folder,
        capabilities=CAPABILITIES,
        open_store=lambda: soft_store(folder),
    )


def test_nothing_is_made_by_looking(store: LazyKeyStore, tmp_path: Path) -> None:
    """Listing, finding and deleting find nothing, and leave nothing behind."""
    assert store.list_keys() == []
    looks: list[Callable[[], object]] = [
        lambda: store.get("a"),
        lambda: store.delete("a"),
        lambda: store.export_key("a", PASSPHRASE),
    ]
    for look in looks:
        with pytest.raises(KeyNotFoundError):
            look()
    assert store.capabilities() == soft_store(tmp_path / "other").capabilities()
    store.close()
    assert not (tmp_path / "keys").exists()


def test_the_first_key_makes_the_store(store: LazyKeyStore, tmp_path: Path) -> None:
    """From then on it is that store, also for keys that come in and go out."""
    store.generate("a", KeyAlgorithm.EC_P256)
    assert store.get("a").key_id == "a"
    store.generate_exportable("b", KeyAlgorithm.EC_P256)
    carried = store.export_key("b", PASSPHRASE)
    store.import_key("c", carried, PASSPHRASE, exportable=False)
    store.delete("a")
    assert [info.key_id for info in store.list_keys()] == ["b", "c"]
    assert (tmp_path / "keys").is_dir()


def test_a_closed_store_stays_closed(store: LazyKeyStore, tmp_path: Path) -> None:
    """Also when it was never made; twice is harmless."""
    store.close()
    store.close()
    with pytest.raises(StoreUnavailableError, match="is closed"):
        store.generate("a", KeyAlgorithm.EC_P256)
    with pytest.raises(StoreUnavailableError, match="is closed"):
        store.list_keys()
    assert not (tmp_path / "keys").exists()
