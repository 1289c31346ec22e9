"""What a token lets out: nothing of the private key, to our own reads and to those of others."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pkcs11 import Attribute, KeyType
from pkcs11 import exceptions as codes

from sceplab_hsm.api import KeyAlgorithm, KeyResidence
from sceplab_hsm.pkcs11.softhsm import LabToken
from sceplab_hsm.pkcs11.store import Pkcs11KeyStore
from tests.support.programs import require_program
from tests.support.softhsm import MODULE, make_token, open_token, pin_of, token_folder

RSA_SECRETS = [
    Attribute.PRIVATE_EXPONENT,
    Attribute.PRIME_1,
    Attribute.PRIME_2,
    Attribute.EXPONENT_1,
    Attribute.EXPONENT_2,
    Attribute.COEFFICIENT,
]


@pytest.fixture(scope="module")
def token() -> LabToken:
    """A token with a key of each kind."""
    return make_token()


@pytest.fixture(scope="module")
def store(token: LabToken) -> Iterator[Pkcs11KeyStore]:
    """That token, open."""
    opened = open_token(token)
    assert isinstance(opened, Pkcs11KeyStore)
    with closing(opened):
        opened.generate("rsa", KeyAlgorithm.RSA_2048)
        opened.generate("ec", KeyAlgorithm.EC_P256)
        yield opened


def private(store: Pkcs11KeyStore, key_id: str) -> Any:
    """The binding's object of a private key."""
    return store.find(key_id).private


@pytest.mark.parametrize("attribute", RSA_SECRETS, ids=lambda item: item.name)
def test_rsa_secrets_are_refused(store: Pkcs11KeyStore, attribute: Attribute) -> None:
    """Exponent, primes and the rest of an RSA key are sensitive; the modulus is not."""
    with pytest.raises(codes.AttributeSensitive):
        private(store, "rsa")[attribute]
    public_key = store.get("rsa").public_key
    assert isinstance(public_key, RSAPublicKey)
    modulus = int.from_bytes(private(store, "rsa")[Attribute.MODULUS], "big")
    assert modulus == public_key.public_numbers().n


def test_the_ec_secret_is_refused(store: Pkcs11KeyStore) -> None:
    """The value of an EC key is sensitive."""
    with pytest.raises(codes.AttributeSensitive):
        private(store, "ec")[Attribute.VALUE]


@pytest.mark.parametrize("key_id", ["rsa", "ec"])
def test_keys_were_made_in_the_token_and_stay_there(store: Pkcs11KeyStore, key_id: str) -> None:
    """Made there, sensitive and not extractable since, and nobody can change that."""
    key = private(store, key_id)
    for attribute in ("LOCAL", "SENSITIVE", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE", "PRIVATE"):
        assert key[Attribute[attribute]] is True, attribute
    assert key[Attribute.EXTRACTABLE] is False
    for attribute, value in ((Attribute.SENSITIVE, False), (Attribute.EXTRACTABLE, True)):
        with pytest.raises(codes.AttributeReadOnly):
            key[attribute] = value
    assert not hasattr(key, "unwrap_key"), "a key for signing and decryption unwraps nothing"
    info = next(info for info in store.list_keys() if info.key_id == key_id)
    assert info.exportable is False


def test_a_key_cannot_be_wrapped_out(store: Pkcs11KeyStore) -> None:
    """Not under a key of the caller's making either."""
    connection = store.connection
    with connection.lock:
        wrapping = connection.session().generate_key(KeyType.AES, 256)
        with pytest.raises(codes.KeyUnextractable):
            wrapping.wrap_key(private(store, "rsa"))


@pytest.mark.parametrize("key_id", ["rsa", "ec"])
def test_pkcs11_tool_gets_no_private_key(
    store: Pkcs11KeyStore, token: LabToken, key_id: str
) -> None:
    """The tool, logged in, sees the key and what it may do, and reads nothing of it."""
    tool = require_program("pkcs11-tool", package="opensc")
    command = [tool, "--module", MODULE, "--token-label", token.label, "--login"]
    environment = {**os.environ, "SOFTHSM2_CONF": os.fspath(token.configuration)}

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "--pin", pin_of(token), *options],
            env=environment,
            capture_output=True,
            encoding="latin-1",
            check=False,
        )

    identifier = store.find(key_id).cka_id.hex()
    shown = re.split("(?=^[A-Z][a-z]+ Key Object)", run("--list-objects").stdout, flags=re.M)
    own = next(block for block in shown if block.startswith("Private") and identifier in block)
    assert "sensitive, always sensitive, never extractable, local" in own
    private_key = run("--read-object", "--type", "privkey", "--id", identifier)
    assert (private_key.stdout, "private keys" in private_key.stderr) == ("", True)
    assert run("--read-object", "--type", "pubkey", "--id", identifier).stdout


def test_the_pin_is_in_no_text(store: Pkcs11KeyStore, token: LabToken) -> None:
    """Neither the store nor what it is made of shows it."""
    handle = store.get("rsa")
    connection = store.connection
    texts = [repr(item) for item in (store, handle, connection, vars(connection), store.abilities)]
    assert not [text for text in texts if pin_of(token) in text]


def test_what_a_software_token_is_is_said(store: Pkcs11KeyStore, token: LabToken) -> None:
    """The keys live in a token; that SoftHSM's are files under the PIN is not hidden."""
    capabilities = store.capabilities()
    assert capabilities.residence is KeyResidence.TOKEN
    assert capabilities.keys_leave_store
    assert list(token_folder(token).glob("*.object"))
