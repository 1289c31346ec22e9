"""The store over the stub: the contract of every store, its URI, and what it says of itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from sceplab_hsm.api import KeyAlgorithm, KeyResidence, KeyStore
from sceplab_hsm.contract import MESSAGE, KeyStoreContract, public_der, verify
from sceplab_hsm.errors import (
    KeyDamagedError,
    KeyStoreError,
    LockoutError,
    StoreLockedError,
    StoreUnavailableError,
    StoreUriError,
    TokenMissingError,
)
from sceplab_hsm.registry import known_schemes, open_key_store
from sceplab_hsm.secret import Secret
from sceplab_hsm.tpm.stub import PowerCut
from sceplab_hsm.tpm.stub_store import connect_stub
from tests.support.tpm_chips import NOW

EC = KeyAlgorithm.EC_P256
PIN = "pin of the stub"


def open_stub(place: Path, options: str = "", *, pin: str = PIN, create: bool = True) -> KeyStore:
    """Opens the store of a folder through the registry."""
    uri = f"tpm-stub:{place}{options}"
    return open_key_store(uri, lambda _: Secret(pin), create=create, now=lambda: NOW)


class TestStubStore(KeyStoreContract):
    """The stub's store keeps the contract of every store."""

    passphrase = PIN

    @classmethod
    def open_store(cls, place: Path) -> KeyStore:
        """A store and its chip, made at the first call."""
        return open_stub(place)

    @classmethod
    def open_store_with(cls, place: Path, secret: str) -> KeyStore:
        """The same with another secret."""
        return open_stub(place, pin=secret)


class TestStubStoreWithLockout(TestStubStore):
    """The same where wrong PINs count."""

    @classmethod
    def open_store(cls, place: Path) -> KeyStore:
        """A store whose keys count wrong PINs, on a chip with two slots."""
        return open_stub(place, "?da=on&slots=2")


def test_it_says_that_it_is_a_stub(tmp_path: Path) -> None:
    """Residence and the chip's text say stub, and that files hold the keys; its scheme is known."""
    store = open_stub(tmp_path / "keys")
    assert store.capabilities().residence is KeyResidence.TPM_STUB
    assert store.capabilities().keys_leave_store, "whoever reads the directory has the keys"
    assert "no TPM, no protection" in repr(connect_stub(store.uri))
    assert "tpm-stub" in known_schemes()


def test_everything_is_private(tmp_path: Path) -> None:
    """Folders are 0700, files 0600, and no key stands in the clear outside the chip's memory."""
    place = tmp_path / "keys"
    open_stub(place).generate("router1", KeyAlgorithm.RSA_2048)
    modes = {path.stat().st_mode & 0o777 for path in place.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (place, place / "chip")} == {0o700}
    assert PIN.encode() not in b"".join(p.read_bytes() for p in place.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("?da=maybe", "da is 'off' or 'on'"),
        ("?latency=slow", "latency is 'none' or 'tpm'"),
        ("?slots=1", "slots is a number from 2 to 64"),
        ("?slots=65", "slots is a number"),
        ("?slots=-3", "slots is a number"),
        ("?slots=three", "slots is a number"),
        ("?slot=3", "did you mean 'slots'"),
        ("?pin=1234", "option 'pin' is unknown"),
    ],
)
def test_wrong_options_say_what_is_right(tmp_path: Path, options: str, text: str) -> None:
    """Each option names its values; nothing is made."""
    with pytest.raises(StoreUriError, match=text):
        open_stub(tmp_path / "keys", options)
    assert not (tmp_path / "keys").exists()


def test_a_missing_chip_is_not_made_in_silence(tmp_path: Path) -> None:
    """Without ``create`` a wrong path is an error, and so is a chip that was taken away."""
    place = tmp_path / "keys"
    with pytest.raises(StoreUnavailableError, match=str(place)):
        open_stub(place, create=False)
    open_stub(place).close()
    (place / "chip").rename(tmp_path / "taken")
    with pytest.raises(TokenMissingError, match="no TPM stub"):
        open_stub(place, create=False)


def test_a_chip_that_comes_back_works_again(tmp_path: Path) -> None:
    """Taken away under an open store, the chip is missing; put back, the same store signs."""
    place = tmp_path / "keys"
    store = open_stub(place)
    handle = store.generate("router1", EC)
    (place / "chip").rename(tmp_path / "taken")
    with pytest.raises(TokenMissingError):
        handle.sign(MESSAGE, hashes.SHA256())
    (tmp_path / "taken").rename(place / "chip")
    verify(handle, handle.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())


def test_another_chip_is_refused(tmp_path: Path) -> None:
    """In the place of its chip the store accepts no other one."""
    place = tmp_path / "keys"
    store = open_stub(place)
    handle = store.generate("router1", EC)
    open_stub(tmp_path / "other").close()
    (place / "chip").rename(tmp_path / "taken")
    (tmp_path / "other" / "chip").rename(place / "chip")
    with pytest.raises(StoreUnavailableError, match="broke"):
        handle.sign(MESSAGE, hashes.SHA256())
    with pytest.raises(TokenMissingError, match="not the one its keys were made in"):
        handle.sign(MESSAGE, hashes.SHA256())


@pytest.mark.parametrize("damage", [b"", b"{}", b"null", b"[" * 100_000, b'{"format":1}'])
def test_a_damaged_memory_is_named(tmp_path: Path, damage: bytes) -> None:
    """A chip whose memory was changed is damaged, not empty: no new seed is made."""
    place = tmp_path / "keys"
    open_stub(place).close()
    (place / "chip" / "chip.nv").write_bytes(damage)
    with pytest.raises(KeyDamagedError, match=r"chip\.nv"):
        open_stub(place)


def test_a_lost_ram_file_is_an_empty_chip(tmp_path: Path) -> None:
    """What was loaded may be lost at any time."""
    place = tmp_path / "keys"
    store = open_stub(place)
    handle = store.generate("router1", EC)
    handle.sign(MESSAGE, hashes.SHA256())
    (place / "chip" / "chip.ram").write_bytes(b"rubbish")
    verify(handle, handle.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())


def test_keys_survive_a_power_cut(tmp_path: Path) -> None:
    """A store that was open meanwhile reports a broken connection once, then works."""
    store = open_stub(tmp_path / "keys")
    handle = store.generate("router1", EC)
    connect_stub(store.uri).power_cut()
    with pytest.raises(StoreUnavailableError, match="whether it carried out the last command"):
        handle.sign(MESSAGE, hashes.SHA256())
    verify(handle, handle.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())
    again = open_stub(tmp_path / "keys", create=False).get("router1")
    assert public_der(again) == public_der(handle)


def test_three_power_cuts_lock_a_store_that_counts(tmp_path: Path) -> None:
    """With ``da=on`` the fourth opening after cuts is a lockout for the right PIN; not without."""
    for options, is_locked in (("?da=on", True), ("?da=off", False)):
        place = tmp_path / options[-2:]
        for _ in range(3):
            store = open_stub(place, options)
            connect_stub(store.uri).power_cut()
            store.close()
        if is_locked:
            with pytest.raises(LockoutError):
                open_stub(place, options)
            connect_stub(f"tpm-stub:{place}").clear_lockout(b"")
        open_stub(place, options).close()


def test_wrong_pins_lock_and_time_forgives(tmp_path: Path) -> None:
    """Three wrong PINs lock the store for the right one; 1000 seconds later it opens again."""
    uri, clock = f"tpm-stub:{tmp_path}/keys?da=on", [NOW]

    def opened(pin: str) -> KeyStore:
        return open_key_store(uri, lambda _: Secret(pin), create=True, now=lambda: clock[0])

    opened(PIN).close()
    for _ in range(3):
        with pytest.raises(StoreLockedError) as caught:
            opened("guessed")
        assert type(caught.value) is StoreLockedError
        assert "guessed" not in str(caught.value)
    with pytest.raises(LockoutError):
        opened(PIN)
    clock[0] += timedelta(seconds=999)
    with pytest.raises(LockoutError):
        opened(PIN)
    clock[0] += timedelta(seconds=1)
    opened(PIN).close()


def test_slots_lost_by_others_are_regained(tmp_path: Path) -> None:
    """Objects that dead clients left in every slot do not stop the store."""
    store = open_stub(tmp_path / "keys")
    handle = store.generate("router1", EC)
    dead = connect_stub(store.uri)
    while len(dead.transient_handles()) < 3:
        dead.create_storage_key()
    other = store.generate("router2", EC)
    for key in (handle, other):
        verify(key, key.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())


@pytest.mark.parametrize("when", PowerCut)
def test_a_cut_while_a_key_is_made_leaves_no_key(
    tmp_path: Path, when: PowerCut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not the chip had made it: no key is listed, and the name can be used."""
    store = open_stub(tmp_path / "keys")
    session = store._session  # type: ignore[attr-defined]
    session.run(lambda chip: chip.cut_power_during("Create", when))
    with pytest.raises(StoreUnavailableError):
        store.generate("router1", EC)
    assert store.list_keys() == []
    store.generate("router1", EC)


def test_a_wrong_pin_is_named_without_itself(tmp_path: Path) -> None:
    """The text of a wrong PIN names the store and not the PIN."""
    open_stub(tmp_path / "keys").close()
    with pytest.raises(KeyStoreError, match=f"PIN of tpm-stub:{tmp_path}/keys is wrong") as caught:
        open_stub(tmp_path / "keys", pin="not the pin")
    assert "not the pin" not in str(caught.value)


def test_latency_is_asked_for(tmp_path: Path) -> None:
    """The option is understood; without it nothing waits."""
    now: datetime = NOW
    open_stub(tmp_path / "keys").close()
    assert connect_stub(f"tpm-stub:{tmp_path}/keys?latency=tpm", now=lambda: now).get_random(8)
