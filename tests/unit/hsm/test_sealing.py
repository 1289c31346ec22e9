"""The seal: no changed byte of a key file or header ever gives a usable key."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.contract import MESSAGE, public_der, verify
from sceplab_hsm.errors import (
    KeyDamagedError,
    KeyStoreError,
    StoreLockedError,
    StoreUnavailableError,
)
from sceplab_hsm.secret import Secret
from sceplab_hsm.store_header import Stretching, create_header, read_header
from tests.support.soft_stores import key_path, soft_store

RSA = KeyAlgorithm.RSA_2048
EC = KeyAlgorithm.EC_P256


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a test's store is; not there yet."""
    return tmp_path / "keys"


@pytest.mark.parametrize("algorithm", [EC, RSA], ids=lambda item: item.value)
def test_every_changed_byte_of_a_key_file_is_noticed(place: Path, algorithm: KeyAlgorithm) -> None:
    """Each byte in turn, with one bit and with all bits changed: ``KeyDamagedError``, no key."""
    store = soft_store(place)
    store.generate("router1", algorithm)
    path = key_path(place, "router1")
    whole = path.read_bytes()
    for index in range(len(whole)):
        for mask in (1 << index % 8, 0x20, 0xFF):
            path.write_bytes(whole[:index] + bytes([whole[index] ^ mask]) + whole[index + 1 :])
            with pytest.raises(KeyDamagedError, match="router1"):
                soft_get(store, "router1")
    path.write_bytes(whole)
    soft_get(store, "router1")


def soft_get(store: object, key_id: str) -> None:
    """Gets a key that no earlier get has left in memory."""
    store._loaded.clear()  # type: ignore[attr-defined]
    store.get(key_id)  # type: ignore[attr-defined]


def test_every_cut_key_file_is_noticed(place: Path) -> None:
    """A key file cut anywhere, or with something behind it, is damaged."""
    store = soft_store(place)
    store.generate("router1", EC)
    path = key_path(place, "router1")
    whole = path.read_bytes()
    for damaged in (
        *(whole[:end] for end in range(len(whole))),
        whole + b"\n",
        whole + b"x",
        whole * 2,
    ):
        path.write_bytes(damaged)
        with pytest.raises(KeyDamagedError):
            soft_get(store, "router1")


def test_a_key_has_one_name(place: Path) -> None:
    """A key file under another name is refused, and the text says whose it is."""
    store = soft_store(place)
    store.generate("router1", EC)
    key_path(place, "router1").rename(key_path(place, "router2"))
    with pytest.raises(KeyDamagedError, match="it is the file of key 'router1'"):
        store.get("router2")


def test_a_key_has_one_store(place: Path, tmp_path: Path) -> None:
    """A key file of another store, of the same passphrase, is refused."""
    store, other = soft_store(place), soft_store(tmp_path / "other")
    other.generate("router1", EC)
    key_path(tmp_path / "other", "router1").rename(key_path(place, "router1"))
    with pytest.raises(KeyDamagedError):
        store.get("router1")


def test_private_parts_are_not_exchanged(place: Path) -> None:
    """The private part of one key behind the metadata of another is refused."""
    store = soft_store(place)
    store.generate("router1", EC)
    store.generate("router2", EC)
    first = key_path(place, "router1").read_bytes().split(b"\n")
    second = key_path(place, "router2").read_bytes().split(b"\n")
    key_path(place, "router1").write_bytes(b"\n".join((*first[:3], second[3], b"")))
    with pytest.raises(KeyDamagedError):
        store.get("router1")


def test_an_unknown_key_file_version_is_named(place: Path) -> None:
    """A key file of a later format version is refused, and the text names the one known."""
    store = soft_store(place)
    store.generate("router1", EC)
    path = key_path(place, "router1")
    path.write_bytes(path.read_bytes().replace(b"sceplab-key 1", b"sceplab-key 3", 1))
    with pytest.raises(KeyDamagedError, match=r"version 3, .* versions 1 and 2"):
        soft_get(store, "router1")


def test_every_changed_byte_of_a_header_is_noticed(place: Path) -> None:
    """Each byte in turn: damaged (or another version), never a wrong passphrase, never open."""
    soft_store(place).close()
    path = place / "store.header"
    whole = path.read_bytes()
    for index in range(len(whole)):
        for mask in (1 << index % 8, 0x20):
            path.write_bytes(whole[:index] + bytes([whole[index] ^ mask]) + whole[index + 1 :])
            with pytest.raises((KeyDamagedError, StoreUnavailableError)) as caught:
                soft_store(place)
            if isinstance(caught.value, StoreUnavailableError):
                assert "format version" in str(caught.value)
    path.write_bytes(whole)
    soft_store(place).close()


def test_an_unknown_store_version_is_named(place: Path) -> None:
    """A store of a later format version is refused, and the text says what to do."""
    soft_store(place).close()
    path = place / "store.header"
    path.write_bytes(path.read_bytes().replace(b"sceplab-keystore 1", b"sceplab-keystore 2", 1))
    with pytest.raises(StoreUnavailableError, match=r"version 2, .* reads version 1; update"):
        soft_store(place)


def forged(place: Path, old: bytes, new: bytes) -> None:
    """Changes a header and makes its checksum right again, as someone with intent would."""
    path = place / "store.header"
    body = path.read_bytes().replace(old, new, 1).rsplit(b"\n", 2)[0] + b"\n"
    path.write_bytes(body + hashlib.sha256(body).hexdigest().encode() + b"\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"n":16', b'"n":1048576'),
        (b'"n":16', b'"n":17'),
        (b'"n":16', b'"n":0'),
        (b'"n":16', b'"n":true'),
        (b'"n":16', b'"n":16.0'),
        (b'"r":8', b'"r":99999999'),
        (b'"p":1', b'"p":1000'),
        (b'"p":1', b'"p":-1'),
        (b'"kdf":"scrypt"', b'"kdf":"none"'),
        (b'"kdf":', b'"kfd":'),
        (b"{", b'{"more":1,'),
        (b'"salt":"', b'"salt":"!'),
    ],
)
def test_senseless_headers_cost_nothing(place: Path, old: bytes, new: bytes) -> None:
    """A header that asks for absurd work or other fields is refused before the passphrase."""
    soft_store(place).close()
    forged(place, old, new)
    with pytest.raises(KeyDamagedError):
        read_header((place / "store.header").read_bytes())


def test_a_forged_header_opens_nothing(place: Path) -> None:
    """A header changed with intent locks the store: its seal is made with the passphrase."""
    soft_store(place).close()
    content = (place / "store.header").read_bytes()
    store_id = read_header(content).store_id.encode()
    forged(place, store_id, store_id[::-1])
    with pytest.raises(StoreLockedError):
        soft_store(place)


def test_the_verifier_is_bound_to_the_passphrase() -> None:
    """A header unlocks with its own passphrase and with no other."""
    header = create_header(Secret("right"), Stretching.LAB)
    seal = header.unlock(Secret("right"))
    assert seal.open(seal.close(b"content", b"context"), b"context") == b"content"
    for other in ("", "Right", "right ", "wrong"):
        with pytest.raises(StoreLockedError):
            header.unlock(Secret(other))


def test_seals_never_repeat(place: Path) -> None:
    """Two stores of one passphrase share no salt, id or seal, and neither do two keys."""
    first, second = (
        read_header(create_header(Secret("x"), Stretching.LAB).content) for _ in range(2)
    )
    assert first.salt != second.salt
    assert first.store_id != second.store_id
    seal = first.unlock(Secret("x"))
    assert seal.close(b"same", b"") != seal.close(b"same", b"")
    with pytest.raises(KeyStoreError):
        second.unlock(Secret("x")).open(seal.close(b"same", b""), b"")


@pytest.mark.parametrize("algorithm", [EC, RSA], ids=lambda item: item.value)
def test_what_was_sealed_is_what_was_made(place: Path, algorithm: KeyAlgorithm) -> None:
    """The key that comes out of its seal belongs to the public key of its file."""
    made = soft_store(place).generate("router1", algorithm)
    found = soft_store(place).get("router1")
    assert public_der(found) == public_der(made)
    verify(made, found.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())
