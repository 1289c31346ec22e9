"""Keys that leave the software store and come in: its files, its wrappers, its silence."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from sceplab_hsm.api import KeyAlgorithm, KeyStore
from sceplab_hsm.contract import KeyStoreContract, public_der
from sceplab_hsm.errors import (
    KeyDamagedError,
    KeyMoveError,
    KeyStoreError,
    MechanismUnsupportedError,
    StoreUnavailableError,
)
from sceplab_hsm.moving import decrypt_key, mover_of
from sceplab_hsm.secret import Secret
from sceplab_hsm.serial import SerialKeyStore
from tests.support.flawed_stores import PlainStore
from tests.support.pki import bent_key, rsa_key
from tests.support.soft_stores import PASSPHRASE, key_path, soft_store

EC = KeyAlgorithm.EC_P256
WORD = Secret("of the move")


class TestSerialStore(KeyStoreContract):
    """A store behind one lock keeps the contract, moving keys included."""

    passphrase = PASSPHRASE

    @classmethod
    def open_store(cls, place: Path) -> KeyStore:
        """A software store behind a lock."""
        return SerialKeyStore(soft_store(place))

    @classmethod
    def open_store_with(cls, place: Path, secret: str) -> KeyStore:
        """The same with another secret."""
        return SerialKeyStore(soft_store(place, passphrase=secret))


class TestSerialStoreWithoutMoves(KeyStoreContract):
    """A lock in front of a store that moves no keys adds none."""

    @classmethod
    def open_store(cls, place: Path) -> KeyStore:
        """A store of somebody else behind a lock."""
        return SerialKeyStore(PlainStore(place))

    @classmethod
    def open_store_with(cls, place: Path, secret: str) -> KeyStore:
        """The same with another secret."""
        return SerialKeyStore(PlainStore(place, secret))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a test's store is; not there yet."""
    return tmp_path / "keys"


def test_files_of_other_keys_are_as_before(place: Path) -> None:
    """Only a key that may leave has the second format, which older programs refuse."""
    store = soft_store(place)
    store.generate("bound", EC)
    store.generate_exportable("free", EC)
    assert key_path(place, "bound").read_bytes().startswith(b"sceplab-key 1\n{")
    assert b"exportable" not in key_path(place, "bound").read_bytes()
    assert key_path(place, "free").read_bytes().startswith(b"sceplab-key 2\n{")
    assert [info.exportable for info in soft_store(place).list_keys()] == [False, True]


@pytest.mark.parametrize(
    ("key_id", "old", "new"),
    [
        ("bound", b"sceplab-key 1", b"sceplab-key 2"),
        ("bound", b'"key_id"', b'"exportable":true,"key_id"'),
        ("free", b"sceplab-key 2", b"sceplab-key 1"),
        ("free", b'"exportable":true', b'"exportable":false'),
    ],
)
def test_the_mark_is_sealed(place: Path, key_id: str, old: bytes, new: bytes) -> None:
    """Nobody without the passphrase makes a key exportable, or one that is not."""
    store = soft_store(place)
    store.generate("bound", EC)
    store.generate_exportable("free", EC)
    path = key_path(place, key_id)
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    with pytest.raises(KeyDamagedError):
        soft_store(place).export_key(key_id, WORD)


def test_keys_outlive_the_store_object(place: Path) -> None:
    """What was imported is there, and exportable, after closing and opening."""
    store = soft_store(place)
    made = store.generate_exportable("free", EC)
    store.import_key("again", store.export_key("free", WORD), WORD, exportable=True)
    store.close()
    opened = soft_store(place, create=False)
    assert public_der(opened.get("again")) == public_der(made)
    assert decrypt_key(opened.export_key("again", WORD), WORD)


def test_no_private_key_in_files_texts_and_logs(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Files hold sealed bytes only; no log line and no error holds key or passphrase."""
    caplog.set_level(logging.DEBUG)
    store = soft_store(place)
    key = rsa.generate_private_key(65537, 2048)
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, NoEncryption()
    )
    parts = [
        number.to_bytes(128, "big") for number in (key.private_numbers().p, key.private_numbers().q)
    ]
    pkcs8 = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        BestAvailableEncryption(WORD.reveal().encode()),
    )
    store.import_key("moved", pkcs8, WORD, exportable=True)
    texts = [caplog.text]
    for data, word in ((plain, WORD), (pkcs8, Secret("another word")), (plain, Secret(""))):
        with pytest.raises(KeyMoveError) as caught:
            store.import_key("other", data, word, exportable=True)
        texts.append(repr(caught.value))
        assert caught.value.__cause__ is None
    assert not [text for text in texts if WORD.reveal() in text or "another word" in text]
    for path in [Path(folder, name) for folder, _, names in os.walk(place) for name in names]:
        content = path.read_bytes()
        assert not any(part in content for part in (plain, *parts))


def test_other_keys_are_not_kept(place: Path) -> None:
    """Neither RSA nor EC: refused by type."""
    pkcs8 = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        BestAvailableEncryption(WORD.reveal().encode()),
    )
    with pytest.raises(MechanismUnsupportedError):
        soft_store(place).import_key("ed", pkcs8, WORD, exportable=True)


def test_a_closed_store_moves_nothing(place: Path) -> None:
    """All three are dead with the store."""
    store = soft_store(place)
    store.generate_exportable("free", EC)
    pkcs8 = store.export_key("free", WORD)
    store.close()
    for use in (
        lambda: store.generate_exportable("new", EC),
        lambda: store.export_key("free", WORD),
        lambda: store.import_key("new", pkcs8, WORD, exportable=True),
    ):
        with pytest.raises(StoreUnavailableError):
            use()


def test_stores_without_it_say_what_to_do(tmp_path: Path) -> None:
    """The refusal names the store and the next step."""
    with pytest.raises(MechanismUnsupportedError, match=r"plain:.* make the key inside"):
        mover_of(PlainStore(tmp_path))


def test_rsa_key_of_others_is_checked() -> None:
    """A key whose parts do not belong together is refused, unless our own store has made it."""
    text = bent_key(rsa_key("device")).private_key.private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(WORD.reveal().encode())
    )
    with pytest.raises(KeyMoveError):
        decrypt_key(text, WORD)
    assert decrypt_key(text, WORD, is_own=True)


@given(st.binary(max_size=400), st.text(max_size=8))
def test_any_bytes_are_refused_cleanly(data: bytes, word: str) -> None:
    """What is no key is a key store error, whatever it is."""
    with pytest.raises(KeyStoreError):
        decrypt_key(data, Secret(word))
