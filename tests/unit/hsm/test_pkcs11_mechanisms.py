"""Tokens with fewer mechanisms: what is asked of them instead, and what is refused.

The same SoftHSM token plays all of them: its store is told that it has only some mechanisms.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PSS, PKCS1v15
from hypothesis import given
from hypothesis import strategies as st
from pkcs11 import Mechanism

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.contract import HASHES, MESSAGE, OAEP_SHA1, verify
from sceplab_hsm.errors import KeyStoreError, MechanismUnsupportedError
from sceplab_hsm.pkcs11.decryption import remove_oaep
from sceplab_hsm.pkcs11.handle import Pkcs11KeyHandle
from sceplab_hsm.pkcs11.store import Pkcs11KeyStore
from tests.support.softhsm import make_token, open_token

KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
SHA1, SHA256, SHA384, SHA512 = HASHES


@pytest.fixture(scope="module")
def store() -> Iterator[Pkcs11KeyStore]:
    """A token with an RSA key."""
    opened = open_token(make_token())
    assert isinstance(opened, Pkcs11KeyStore)
    with closing(opened):
        opened.generate("rsa", KeyAlgorithm.RSA_2048)
        opened.generate("ec", KeyAlgorithm.EC_P256)
        yield opened


def narrow(store: Pkcs11KeyStore, *offered: Mechanism) -> Pkcs11KeyStore:
    """The same token as one that has only these mechanisms."""
    abilities = replace(store.abilities, mechanisms=frozenset(offered))
    return Pkcs11KeyStore(store._uri, store.connection, abilities)


def handle(store: Pkcs11KeyStore, *offered: Mechanism) -> Pkcs11KeyHandle:
    """The RSA key of such a token."""
    return narrow(store, *offered).get("rsa")


def public_of(key: Pkcs11KeyHandle) -> rsa.RSAPublicKey:
    """The RSA public key."""
    assert isinstance(key.public_key, rsa.RSAPublicKey)
    return key.public_key


@pytest.mark.parametrize("hash_", HASHES, ids=lambda item: item.name)
def test_bare_rsa_signs_a_digest_info(store: Pkcs11KeyStore, hash_: hashes.HashAlgorithm) -> None:
    """Without a mechanism that hashes, the digest is made here."""
    key = handle(store, Mechanism.RSA_PKCS)
    assert key.sign(MESSAGE, hash_) == store.get("rsa").sign(MESSAGE, hash_)
    verify(key, key.sign(MESSAGE, hash_, PKCS1v15()), MESSAGE, hash_)


@pytest.mark.parametrize("hash_", HASHES, ids=lambda item: item.name)
@pytest.mark.parametrize("is_bare", [False, True])
def test_pss_with_and_without_a_hashing_mechanism(
    store: Pkcs11KeyStore, hash_: hashes.HashAlgorithm, is_bare: bool
) -> None:
    """The salt is as long as the digest, in both ways of asking for it."""
    key = handle(store, Mechanism.RSA_PKCS_PSS) if is_bare else store.get("rsa")
    for salt in (hash_.digest_size, PSS.DIGEST_LENGTH):
        signature = key.sign(MESSAGE, hash_, PSS(MGF1(hash_), salt))
        public_of(key).verify(signature, MESSAGE, PSS(MGF1(hash_), hash_.digest_size), hash_)


@pytest.mark.parametrize(
    ("padding", "hash_"),
    [
        (PSS(MGF1(SHA256), 20), SHA256),
        (PSS(MGF1(SHA1), 32), SHA256),
        (PSS(MGF1(SHA256), PSS.MAX_LENGTH), SHA256),
        (OAEP_SHA1, SHA256),
        (None, hashes.SHA224()),
        (None, hashes.MD5()),
    ],
)
def test_other_signatures_are_refused(store: Pkcs11KeyStore, padding: Any, hash_: Any) -> None:
    """Other salts, masks, paddings and hashes are unsupported."""
    with pytest.raises(MechanismUnsupportedError):
        store.get("rsa").sign(MESSAGE, hash_, padding)


def test_a_token_without_the_mechanism_says_so(store: Pkcs11KeyStore) -> None:
    """Nothing is tried that the token does not list, and its capabilities tell it before."""
    bare = narrow(store)
    with pytest.raises(MechanismUnsupportedError, match="in this token"):
        bare.get("rsa").sign(MESSAGE, SHA256)
    with pytest.raises(MechanismUnsupportedError):
        bare.get("ec").sign(MESSAGE, SHA256)
    for padding in (PKCS1v15(), OAEP_SHA1):
        with pytest.raises(MechanismUnsupportedError, match=padding.name):
            bare.get("rsa").decrypt(b"\1" * 256, padding)
    assert (bare.capabilities().supports_oaep, bare.capabilities().supports_pss) == (False, False)
    assert narrow(store, Mechanism.RSA_X_509).capabilities().supports_oaep


@pytest.mark.parametrize("hash_", HASHES, ids=lambda item: item.name)
def test_oaep_with_every_hash(store: Pkcs11KeyStore, hash_: hashes.HashAlgorithm) -> None:
    """SoftHSM has it for SHA-1 alone; for the others the padding is removed here."""
    key = store.get("rsa")
    for label in (None, b""):
        padding = OAEP(MGF1(hash_), hash_, label)
        ciphertext = public_of(key).encrypt(MESSAGE, padding)
        assert key.decrypt(ciphertext, padding) == MESSAGE
        if hash_ is not SHA1:
            with pytest.raises(MechanismUnsupportedError):
                handle(store, Mechanism.RSA_PKCS_OAEP).decrypt(ciphertext, padding)
        assert handle(store, Mechanism.RSA_X_509).decrypt(ciphertext, padding) == MESSAGE


def test_oaep_failures_look_alike(store: Pkcs11KeyStore) -> None:
    """A wrong hash, a wrong label and garbage are one error with one text."""
    key = store.get("rsa")
    labelled = public_of(key).encrypt(MESSAGE, OAEP(MGF1(SHA256), SHA256, b"label"))
    wrong = public_of(key).encrypt(MESSAGE, OAEP(MGF1(SHA512), SHA512, None))
    for ciphertext in (labelled, wrong, b"\1" * 256, b"\xff" * 256, b""):
        for hash_ in (SHA1, SHA256):
            with pytest.raises(KeyStoreError) as caught:
                key.decrypt(ciphertext, OAEP(MGF1(hash_), hash_, None))
            assert (type(caught.value), str(caught.value)) == (KeyStoreError, "decryption failed")


@pytest.mark.parametrize(
    "padding", [OAEP(MGF1(SHA1), SHA256, None), OAEP(MGF1(SHA256), SHA256, b"label")]
)
def test_other_oaep_is_refused(store: Pkcs11KeyStore, padding: OAEP) -> None:
    """Two hashes in one padding, and labels, are unsupported."""
    with pytest.raises(MechanismUnsupportedError):
        store.get("rsa").decrypt(b"\1" * 256, padding)


def _raw(ciphertext: bytes) -> bytes:
    numbers = KEY.private_numbers()
    value = pow(int.from_bytes(ciphertext, "big"), numbers.d, numbers.public_numbers.n)
    return value.to_bytes(128, "big")


@given(
    st.binary(max_size=62),
    st.sampled_from([SHA1, SHA256]),
    st.booleans(),
    st.integers(0, 127),
)
def test_oaep_is_removed_or_refused(
    message: bytes, hash_: hashes.HashAlgorithm, is_changed: bool, position: int
) -> None:
    """What OpenSSL padded comes back, without leading zeros too; a change is noticed."""
    block = _raw(KEY.public_key().encrypt(message, OAEP(MGF1(hash_), hash_, None)))
    if not is_changed:
        assert remove_oaep(block.lstrip(b"\0"), 128, hash_.name) == message
        return
    changed = bytearray(block)
    changed[position] ^= 0x81
    with pytest.raises(ValueError, match="wrong padding"):
        remove_oaep(bytes(changed), 128, hash_.name)
