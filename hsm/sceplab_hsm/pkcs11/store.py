"""The PKCS#11 key store: one token behind a vendor's module. URI ``pkcs11:`` of RFC 7512.

Keys are made inside the token, sensitive and not extractable, under their name as ``CKA_LABEL`` and
a random ``CKA_ID``. What that protects is the token's matter: SoftHSM keeps objects in files that
are encrypted under the PIN, so that whoever has both has the keys.
"""

from __future__ import annotations

import os
import secrets as random
from collections.abc import Callable
from typing import TypeVar

import pkcs11
from pkcs11 import Attribute
from pkcs11 import exceptions as codes

from sceplab_hsm.api import (
    KeyAlgorithm,
    KeyInfo,
    SecretProvider,
    StoreCapabilities,
)
from sceplab_hsm.errors import (
    AmbiguousKeyError,
    KeyDamagedError,
    KeyExistsError,
    KeyNotFoundError,
    MechanismUnsupportedError,
    StoreUnavailableError,
    StoreUriError,
)
from sceplab_hsm.pkcs11 import objects
from sceplab_hsm.pkcs11.abilities import Abilities, probe_abilities
from sceplab_hsm.pkcs11.connection import TokenConnection, connect
from sceplab_hsm.pkcs11.failures import translate
from sceplab_hsm.pkcs11.handle import Pkcs11KeyHandle
from sceplab_hsm.pkcs11.library_paths import module_file
from sceplab_hsm.pkcs11.modules import load_module
from sceplab_hsm.pkcs11.objects import ForeignKeyError, FoundKey
from sceplab_hsm.pkcs11.reservation import reserved
from sceplab_hsm.pkcs11.tokens import find_token
from sceplab_hsm.pkcs11.uri import Pkcs11Uri
from sceplab_hsm.secret import Secret, resolve_secret
from sceplab_hsm.uri import check_key_id

Result = TypeVar("Result")


class Pkcs11KeyStore:
    """An opened token. Make it with `open_token`.

    Threads may share it: calls into the module wait for each other. To make use of several
    processors, use several processes.

    Args:
        uri: as opened.
        connection: logged in; the store releases it when it is closed.
        abilities: of the token.
    """

    def __init__(self, uri: Pkcs11Uri, connection: TokenConnection, abilities: Abilities) -> None:
        self._uri = uri
        self._connection: TokenConnection | None = connection
        self._identity = connection.identity.text
        self._abilities = abilities

    @property
    def uri(self) -> str:
        """URI the store was opened with."""
        return self._uri.uri

    @property
    def identity(self) -> str:
        """The token's manufacturer, model, label and serial number."""
        return self._identity

    @property
    def connection(self) -> TokenConnection:
        """The token.

        Raises:
            StoreUnavailableError: the store is closed.
        """
        connection = self._connection
        if connection is None:
            raise StoreUnavailableError(f"key store {self.uri} is closed")
        return connection

    @property
    def abilities(self) -> Abilities:
        """Mechanisms and key types of the token."""
        return self._abilities

    def capabilities(self) -> StoreCapabilities:
        """What the token's list of mechanisms says."""
        return self._abilities.capabilities

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> Pkcs11KeyHandle:
        """Makes a key inside the token.

        Raises:
            StoreUriError: not a key's name, or the URI is restricted to an ``id``.
            KeyExistsError: the name is taken. Nothing is replaced.
            MechanismUnsupportedError: the token does not make this type.
            StoreFullError: the token has no room.
        """
        check_key_id(key_id)
        connection = self.connection
        if algorithm not in self._abilities.algorithms:
            raise MechanismUnsupportedError(f"{self.uri} makes no {algorithm.value} keys")
        if self._uri.cka_id is not None:
            raise StoreUriError("a URI with id= names keys that are there; make keys without it")
        cka_id = random.token_bytes(16)
        with reserved(connection.identity, key_id), connection.lock:
            connection.call(
                lambda session: self._make(session, key_id, algorithm, cka_id), is_storing=True
            )
            found = self.find(key_id)
        connection.make_durable()
        return Pkcs11KeyHandle(self, key_id, found)

    def get(self, key_id: str) -> Pkcs11KeyHandle:
        """Finds a key.

        Raises:
            StoreUriError: not a key's name.
            KeyNotFoundError: no such key.
            AmbiguousKeyError: several of that name; ``id=`` in the store's URI chooses one.
            KeyDamagedError: its public half is missing.
        """
        with self.connection.lock:
            return Pkcs11KeyHandle(self, key_id, self.find(key_id))

    def list_keys(self) -> list[KeyInfo]:
        """All keys, sorted by name; not those whose type or name the interface does not know."""
        try:
            infos = self.connection.call(self._read_all)
        except codes.NoSuchKey:
            infos = []
        return sorted(infos, key=lambda info: (info.key_id, info.public_key_der))

    def delete(self, key_id: str) -> None:
        """Destroys both halves of a key.

        Raises:
            StoreUriError: not a key's name.
            KeyNotFoundError: no such key.
            AmbiguousKeyError: several of that name.
        """
        connection = self.connection
        self._call_for(
            key_id, lambda session: objects.destroy(session, self._one(session, key_id), key_id)
        )
        connection.make_durable()

    def close(self) -> None:
        """Lets go of the token; the last store of the process on it logs out."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()

    def find(self, key_id: str) -> FoundKey:
        """The key of that name as it is now; raises what `get` raises."""
        return self._call_for(key_id, lambda session: self._read(session, key_id))

    def _call_for(self, key_id: str, action: Callable[[pkcs11.Session], Result]) -> Result:
        check_key_id(key_id)
        try:
            return self.connection.call(action)
        except codes.NoSuchKey as error:
            raise KeyNotFoundError(key_id, self.uri) from error

    def _one(self, session: pkcs11.Session, key_id: str) -> pkcs11.Object:
        found = objects.private_objects(session, key_id, self._uri.cka_id)
        if not found:
            raise codes.NoSuchKey
        if len(found) > 1:
            raise AmbiguousKeyError(key_id, self.uri)
        return found[0]

    def _read(self, session: pkcs11.Session, key_id: str) -> FoundKey:
        private = self._one(session, key_id)
        try:
            return objects.read_key(session, private)
        except codes.ObjectHandleInvalid as error:
            raise codes.NoSuchKey from error  # deleted since it was found
        except ForeignKeyError as error:
            raise KeyDamagedError(
                f"key '{key_id}' in {self.uri} cannot be used: {error}"
            ) from error

    def _read_all(self, session: pkcs11.Session) -> list[KeyInfo]:
        infos = []
        for private in objects.private_objects(session, None, self._uri.cka_id):
            try:
                key_id = check_key_id(str(private[Attribute.LABEL]))
                infos.append(objects.read_key(session, private).info(key_id))
            except (StoreUriError, UnicodeError, ForeignKeyError, codes.ObjectHandleInvalid):
                continue  # not ours, or deleted since it was found
        if not infos:
            raise codes.NoSuchKey  # a token that was taken out looks empty: have that checked
        return infos

    def _make(
        self, session: pkcs11.Session, key_id: str, algorithm: KeyAlgorithm, cka_id: bytes
    ) -> None:
        there = objects.private_objects(session, key_id, None)
        if not there:
            objects.generate(session, key_id, algorithm, cka_id)
            there = objects.private_objects(session, key_id, None)
        own = [item for item in there if bytes(item[Attribute.ID]) == cka_id]
        if len(there) > len(own):
            for item in own:
                objects.destroy(session, item, key_id)
            raise KeyExistsError(key_id, self.uri)


def open_token(uri: str, secrets: SecretProvider) -> Pkcs11KeyStore:
    """Opens the one token a URI names.

    Args:
        uri: ``pkcs11:token=LABEL?module-path=FILE`` and what else `Pkcs11Uri` knows.
        secrets: asked once for the PIN, after the token was found, unless the URI has a
            ``pin-source`` or the token wants none.

    Raises:
        StoreUriError: the URI is wrong.
        ModuleMissingError: the module is not installed; the text names the package.
        TokenMissingError: no such token.
        AmbiguousTokenError: several.
        StoreLockedError: the PIN is wrong; `LockoutError` when the token takes none any more.
    """
    parsed = Pkcs11Uri.parse(uri)
    configuration = parsed.softhsm2_conf
    if configuration is not None:
        configuration = os.path.abspath(os.path.expanduser(configuration))
    module = load_module(module_file(parsed), configuration)
    with module.lock:
        token = find_token(module, parsed)
        try:
            abilities = probe_abilities(token)
        except codes.PKCS11Error as error:
            raise translate(error, f"token '{token.label}'") from error

    def ask_pin() -> Secret:
        if parsed.pin_source is not None:
            return resolve_secret(parsed.pin_source)
        return secrets(f"PIN of token '{token.label}': ")

    return Pkcs11KeyStore(parsed, connect(module, token, ask_pin), abilities)
