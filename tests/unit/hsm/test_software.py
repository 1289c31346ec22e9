"""The software store: the contract, its files, its locks, and what it refuses."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from sceplab_hsm import software
from sceplab_hsm.api import KeyAlgorithm, KeyStore
from sceplab_hsm.contract import MESSAGE, KeyStoreContract, public_der, verify
from sceplab_hsm.errors import (
    KeyDamagedError,
    KeyExistsError,
    KeyNotFoundError,
    KeyStoreError,
    SecretUnavailableError,
    StoreLockedError,
    StoreUnavailableError,
    StoreUriError,
)
from sceplab_hsm.secret import Secret
from sceplab_hsm.software import SoftwareKeyStore, open_store
from tests.support.soft_stores import MADE_AT, PASSPHRASE, key_path, soft_store

EC = KeyAlgorithm.EC_P256


class TestSoftwareStore(KeyStoreContract):
    """The software store keeps the contract of every store."""

    passphrase = PASSPHRASE

    @classmethod
    def open_store(cls, place: Path) -> KeyStore:
        """A directory store, made at the first call."""
        return soft_store(place)

    @classmethod
    def open_store_with(cls, place: Path, secret: str) -> KeyStore:
        """The same with another secret."""
        return soft_store(place, passphrase=secret)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a test's store is; not there yet."""
    return tmp_path / "keys"


@pytest.mark.covers("L2")
def test_keys_live_in_files_and_come_back(place: Path) -> None:
    """The file back end keeps a key across closing and opening, and its name is its file's."""
    store = soft_store(place)
    made = store.generate("router1", EC)
    store.close()
    assert key_path(place, "router1").is_file()
    found = soft_store(place, create=False).get("router1")
    verify(made, found.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())


def test_files_are_private(place: Path) -> None:
    """The directory is 0700, every file 0600, whatever the umask allows."""
    before = os.umask(0)
    try:
        soft_store(place).generate("router1", EC)
    finally:
        os.umask(before)
    assert place.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}


def test_nothing_of_the_key_is_readable(place: Path) -> None:
    """No file holds the private key, its primes or the passphrase in the clear."""
    store = soft_store(place)
    store.generate("router1", KeyAlgorithm.RSA_2048)
    private = store._private_key(store.list_keys()[0])
    numbers = private.private_numbers()  # type: ignore[union-attr]
    everything = b"".join(path.read_bytes() for path in place.iterdir())
    for number in (numbers.p, numbers.q, numbers.d):
        raw = number.to_bytes((number.bit_length() + 7) // 8)
        assert raw not in everything
        assert str(number).encode() not in everything
    assert PASSPHRASE.encode() not in everything


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_open_key_files_are_refused_with_the_command(place: Path, mode: int) -> None:
    """A key file that others can reach is refused, and the text says which chmod to run."""
    store = soft_store(place)
    store.generate("router1", EC)
    path = key_path(place, "router1")
    path.chmod(mode)
    with pytest.raises(StoreUnavailableError, match=f"run: chmod 600 {path}"):
        store.get("router1")
    path.chmod(0o600)
    store.get("router1")


@pytest.mark.parametrize(
    ("name", "loose", "fix"), [("", 0o750, "700"), ("store.header", 0o644, "600")]
)
def test_open_stores_are_refused_with_the_command(
    place: Path, name: str, loose: int, fix: str
) -> None:
    """A directory or header that others can reach is refused before the passphrase is asked."""
    soft_store(place).close()
    path = place / name
    path.chmod(loose)
    with pytest.raises(StoreUnavailableError, match=f"run: chmod {fix} {path}"):
        open_store(f"soft:{place}", _never_asked)


def test_a_missing_store_is_not_made_in_silence(place: Path) -> None:
    """Without ``create`` a wrong path is an error that names it, and nothing appears there."""
    with pytest.raises(StoreUnavailableError, match=str(place)):
        open_store(f"soft:{place}", _never_asked)
    assert not place.exists()


@pytest.mark.parametrize("create", [True, False])
def test_a_file_is_no_store(tmp_path: Path, *, create: bool) -> None:
    """A path through or to a plain file is an error of ours, not a traceback."""
    file = tmp_path / "file"
    file.touch()
    for path in (file, file / "keys", file / "more" / "keys"):
        with pytest.raises(StoreUnavailableError):
            open_store(f"soft:{path}", _never_asked, create=create)


def test_a_wrong_passphrase_is_told_from_damage(place: Path) -> None:
    """A wrong passphrase locks the store out; the text holds neither passphrase."""
    soft_store(place).generate("router1", EC)
    with pytest.raises(StoreLockedError) as caught:
        soft_store(place, passphrase="wrong horse")
    assert "the passphrase is wrong" in str(caught.value)
    assert "horse" not in str(caught.value)


def test_an_empty_passphrase_makes_no_store(place: Path) -> None:
    """A new store wants a passphrase; with an empty one no store appears."""
    with pytest.raises(SecretUnavailableError, match="empty"):
        soft_store(place, passphrase="")
    with pytest.raises(StoreUnavailableError, match="no key store"):
        soft_store(place, create=False)


def test_the_passphrase_is_asked_once(place: Path) -> None:
    """Making and opening a store ask once each, with a prompt that names the store."""
    prompts: list[str] = []

    def ask(prompt: str) -> Secret:
        prompts.append(prompt)
        return Secret(PASSPHRASE)

    uri = f"soft:{place}?kdf=lab"
    store = open_store(uri, ask, create=True)
    store.generate("router1", EC)
    store.close()
    open_store(uri, ask, create=True).get("router1")
    assert prompts == [f"New passphrase for {uri}: ", f"Passphrase of {uri}: "]


def test_any_text_is_a_passphrase(place: Path) -> None:
    """A passphrase of other letters, or of bytes that are no UTF-8, opens what it made."""
    for name, passphrase in (("a", "pässwörd \U0001f511"), ("b", "raw\udcff\udc80")):
        soft_store(place / name, passphrase=passphrase).close()
        soft_store(place / name, passphrase=passphrase).close()
        with pytest.raises(StoreLockedError):
            soft_store(place / name, passphrase=passphrase[:-1])


def test_the_key_derivation_is_chosen_at_making(place: Path) -> None:
    """``kdf=lab`` is written into a new store only; the default is the strong one."""
    open_store(f"soft:{place}/strong", lambda _: Secret("x"), create=True).close()
    open_store(f"soft:{place}/strong?kdf=lab", lambda _: Secret("x"), create=True).close()
    soft_store(place / "lab").close()
    assert b'"n":32768' in (place / "strong" / "store.header").read_bytes()
    assert b'"n":16,' in (place / "lab" / "store.header").read_bytes()
    with pytest.raises(StoreUriError, match="kdf is 'standard' or 'lab'"):
        open_store(f"soft:{place}?kdf=none", _never_asked)


def test_keys_bear_the_time_they_were_given(place: Path) -> None:
    """``created_at`` is the injected clock's time in UTC, and empty without a clock."""
    soft_store(place, now=lambda: MADE_AT).generate("a", EC)
    soft_store(place).generate("b", EC)
    assert [info.created_at for info in soft_store(place).list_keys()] == [
        "2026-03-01T12:30:05Z",
        "",
    ]


def test_a_listing_opens_no_private_key(place: Path) -> None:
    """The list is complete though the private parts are gone; getting such a key fails."""
    store = soft_store(place)
    handle = store.generate("router1", EC)
    path = key_path(place, "router1")
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join((*lines[:3], b"AAAA", b"")))
    (info,) = store.list_keys()
    assert info.public_key_der == public_der(handle)
    with pytest.raises(KeyDamagedError):
        store.get("router1")


def test_a_strange_key_file_is_named(place: Path) -> None:
    """A file with the suffix of ours but no key's name is reported by name, not swallowed."""
    store = soft_store(place)
    (place / "not a key.key").touch(mode=0o600)
    with pytest.raises(KeyDamagedError, match=r"not a key\.key"):
        store.list_keys()


def test_other_files_do_not_matter(place: Path) -> None:
    """A passphrase file and leftovers in the directory are no keys."""
    store = soft_store(place)
    (place / "passphrase").touch(mode=0o600)
    (place / ".sceplab-new.tmp").write_bytes(b"half a key")
    assert store.list_keys() == []
    store.generate("router1", EC)
    assert [info.key_id for info in store.list_keys()] == ["router1"]
    assert not (place / ".sceplab-new.tmp").exists()


def test_a_second_opening_sees_the_same_store(place: Path) -> None:
    """Keys made and deleted through one opening show at once in another."""
    first, second = soft_store(place), soft_store(place)
    first.generate("router1", EC)
    handle = second.get("router1")
    handle.sign(MESSAGE, hashes.SHA256())
    with pytest.raises(KeyExistsError):
        second.generate("router1", EC)
    first.delete("router1")
    with pytest.raises(KeyNotFoundError):
        handle.sign(MESSAGE, hashes.SHA256())
    first.generate("router1", EC)
    with pytest.raises(KeyNotFoundError):
        handle.sign(MESSAGE, hashes.SHA256())


def test_a_store_that_is_gone_is_not_an_empty_store(place: Path, tmp_path: Path) -> None:
    """When the directory vanishes, keys are not reported missing: nobody shall make new ones."""
    store = soft_store(place)
    handle = store.generate("router1", EC)
    place.rename(tmp_path / "elsewhere")
    uses = (
        lambda: store.get("router1"),
        lambda: store.generate("router2", EC),
        lambda: store.delete("router1"),
        lambda: handle.sign(MESSAGE, hashes.SHA256()),
        store.list_keys,
    )
    for use in uses:
        with pytest.raises(StoreUnavailableError, match="is gone"):
            use()
    (tmp_path / "elsewhere").rename(place)
    verify(handle, handle.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())


def test_no_key_is_sealed_into_another_store(place: Path, tmp_path: Path) -> None:
    """When another store has taken the directory, making a key is refused."""
    store = soft_store(place)
    place.rename(tmp_path / "elsewhere")
    soft_store(place).close()
    with pytest.raises(StoreUnavailableError, match="was replaced; open it again"):
        store.generate("router1", EC)


def test_lost_headers_are_not_written_anew(place: Path) -> None:
    """Keys without a header are damage: a new header would lock them away for good."""
    soft_store(place).generate("router1", EC)
    (place / "store.header").unlink()
    with pytest.raises(KeyDamagedError, match=r"holds keys but no store\.header"):
        open_store(f"soft:{place}", _never_asked, create=True)


def test_loaded_keys_are_bounded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store keeps a bounded number of keys in memory; the others are read again when used."""
    monkeypatch.setattr(software, "_MAX_LOADED_KEYS", 3)
    store = soft_store(place)
    handles = [store.generate(f"router{number}", EC) for number in range(6)]
    for handle in (*handles, *handles):
        verify(handle, handle.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())
    assert len(store._loaded) == 3


def test_closing_forgets_the_keys(place: Path) -> None:
    """A closed store holds neither the derived key nor loaded keys."""
    store = soft_store(place)
    store.generate("router1", EC).sign(MESSAGE, hashes.SHA256())
    store.close()
    assert store._seal is None
    assert not store._loaded


def test_two_threads_make_one_store(place: Path) -> None:
    """Threads that make the same new store at once all end in the same one."""
    stores: list[SoftwareKeyStore] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        stores.append(soft_store(place))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({store._header.content for store in stores}) == 1
    assert len(stores) == 4


def test_errors_are_of_one_root() -> None:
    """Everything above can be caught as ``KeyStoreError``."""
    for error in (KeyDamagedError, KeyNotFoundError, StoreLockedError, StoreUnavailableError):
        assert issubclass(error, KeyStoreError)


def _never_asked(prompt: str) -> Secret:
    raise AssertionError(f"asked '{prompt}'")
