"""The part of the contract about keys that come in and go out; with most stores none does."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_der_private_key,
)

from sceplab_hsm.api import KeyAlgorithm, KeyHandle, KeyMover, KeyStore
from sceplab_hsm.errors import (
    KeyExistsError,
    KeyMoveError,
    KeyNotFoundError,
    KeyStoreError,
    MechanismUnsupportedError,
)
from sceplab_hsm.moving import mover_of
from sceplab_hsm.secret import Secret

MESSAGE = b"signed by a key that has moved"


class KeyMovingContract:
    """Tests of stores that move keys, and that all others say so and give nothing out.

    `KeyStoreContract` brings it along with the fixtures ``store`` and ``quick``.
    """

    def test_moves_keys_or_says_so(self, store: KeyStore, quick: KeyAlgorithm) -> None:
        """A key goes out and comes back under another name, or the store refuses it all."""
        mover = _mover(store)
        if mover is None:
            return
        made = mover.generate_exportable("move-out", quick)
        word = _passphrase()
        again = mover.import_key(
            "move-in", mover.export_key("move-out", word), word, exportable=False
        )
        assert public_der(again) == public_der(made), "another key came back"
        signature = store.get("move-in").sign(MESSAGE, hashes.SHA256())
        verify(made, signature, MESSAGE, hashes.SHA256())
        listed = {info.key_id: info.exportable for info in store.list_keys()}
        assert (listed["move-out"], listed["move-in"]) == (True, False), "the list is wrong"

    def test_only_exportable_keys_go_out(self, store: KeyStore, quick: KeyAlgorithm) -> None:
        """Keys made or imported as not exportable stay, and so does one without a passphrase."""
        mover = _mover(store)
        if mover is None:
            return
        word = _passphrase()
        store.generate("move-made", quick)
        mover.generate_exportable("move-free", quick)
        free = mover.export_key("move-free", word)
        mover.import_key("move-bound", free, word, exportable=False)
        for key_id in ("move-made", "move-bound"):
            with pytest.raises(KeyMoveError):
                mover.export_key(key_id, word)
        with pytest.raises(KeyMoveError):
            mover.export_key("move-free", Secret(""))
        with pytest.raises(KeyNotFoundError):
            mover.export_key("move-none", word)

    def test_what_goes_out_is_encrypted(self, store: KeyStore, quick: KeyAlgorithm) -> None:
        """What goes out opens with the passphrase, and not without it."""
        mover = _mover(store)
        if mover is None:
            return
        word = _passphrase()
        mover.generate_exportable("move-sealed", quick)
        sealed = mover.export_key("move-sealed", word)
        load_der_private_key(sealed, word.reveal().encode())
        with pytest.raises(TypeError):
            load_der_private_key(sealed, None)
        with pytest.raises(KeyMoveError) as caught:
            mover.import_key("move-guessed", sealed, Secret("guessed"), exportable=True)
        assert "guessed" not in str(caught.value).replace("move-guessed", "")
        assert "move-guessed" not in [info.key_id for info in store.list_keys()]

    def test_takes_in_keys_only(self, store: KeyStore, quick: KeyAlgorithm) -> None:
        """Bytes that are no key, names that are taken or malformed: refused, nothing is kept."""
        mover = _mover(store)
        if mover is None:
            return
        word = _passphrase()
        made = mover.generate_exportable("move-taken", quick)
        pkcs8 = mover.export_key("move-taken", word)
        before = store.list_keys()
        for junk in (b"", b"0", pkcs8[:-1], pkcs8 + b"\0", b"\0" * 500):
            with pytest.raises(KeyMoveError):
                mover.import_key("move-junk", junk, word, exportable=True)
        weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
        encryption = BestAvailableEncryption(word.reveal().encode())
        weak_pkcs8 = weak.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, encryption
        )
        with pytest.raises(MechanismUnsupportedError):
            mover.import_key("move-weak", weak_pkcs8, word, exportable=True)
        with pytest.raises(KeyExistsError):
            mover.import_key("move-taken", pkcs8, word, exportable=True)
        with pytest.raises(KeyExistsError):
            mover.generate_exportable("move-taken", quick)
        with pytest.raises(KeyStoreError):
            mover.import_key("../move", pkcs8, word, exportable=True)
        assert store.list_keys() == before
        assert public_der(store.get("move-taken")) == public_der(made)


def _mover(store: KeyStore) -> KeyMover | None:
    """The store as a mover; ``None`` when it is none, and refuses as it should."""
    if store.capabilities().moves_keys:
        return mover_of(store)
    with pytest.raises(MechanismUnsupportedError):
        mover_of(store)
    # A wrapper has the methods, whatever it wraps.
    uses: dict[str, Callable[[], object]] = {
        "generate_exportable": lambda: _method(store, "generate_exportable")(
            "move-no", KeyAlgorithm.EC_P256
        ),
        "export_key": lambda: _method(store, "export_key")("move-no", _passphrase()),
        "import_key": lambda: _method(store, "import_key")(
            "move-no", b"", _passphrase(), exportable=True
        ),
    }
    for name, use in uses.items():
        if hasattr(store, name):
            with pytest.raises(MechanismUnsupportedError):
                use()
    return None


def _method(store: KeyStore, name: str) -> Callable[..., object]:
    method: Callable[..., object] = getattr(store, name)
    return method


def _passphrase() -> Secret:
    return Secret(secrets.token_hex(16))


def public_der(handle: KeyHandle) -> bytes:
    """The handle's public key as SubjectPublicKeyInfo, DER."""
    return handle.public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def verify(handle: KeyHandle, signature: bytes, data: bytes, hash_: hashes.HashAlgorithm) -> None:
    """Checks a signature with the handle's public key; raises ``InvalidSignature``."""
    public_key = handle.public_key
    if isinstance(public_key, rsa.RSAPublicKey):
        public_key.verify(signature, data, PKCS1v15(), hash_)
    else:
        public_key.verify(signature, data, ec.ECDSA(hash_))
