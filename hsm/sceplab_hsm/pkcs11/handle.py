"""Handles of the PKCS#11 store: they use a key inside its token and never hold it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from pkcs11 import Attribute
from pkcs11 import exceptions as codes

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import (
    KeyDamagedError,
    KeyNotFoundError,
    KeyStoreError,
    MechanismUnsupportedError,
    StoreUnavailableError,
)
from sceplab_hsm.pkcs11.abilities import Abilities
from sceplab_hsm.pkcs11.connection import TokenConnection
from sceplab_hsm.pkcs11.decryption import (
    DecryptionPlan,
    UnopenableError,
    own_ciphertext,
    plan_decryption,
    remove_oaep,
)
from sceplab_hsm.pkcs11.failures import name_of, translate
from sceplab_hsm.pkcs11.objects import FoundKey, PublicKey, signs_at_all
from sceplab_hsm.pkcs11.signing import SigningPlan, plan_signature
from sceplab_hsm.uri import join_key_uri

_WRONG_DATA = (
    codes.EncryptedDataInvalid,
    codes.EncryptedDataLenRange,
    codes.DataInvalid,
    codes.DataLenRange,
)
"""What a token says of a ciphertext when it tells it from its own failures."""


class HandleOwner(Protocol):
    """What a handle asks of its store."""

    @property
    def uri(self) -> str:
        """URI of the store."""

    @property
    def connection(self) -> TokenConnection:
        """The token; raises `StoreUnavailableError` when the store is closed."""

    @property
    def abilities(self) -> Abilities:
        """What the token can do."""

    def find(self, key_id: str) -> FoundKey:
        """The key of that name as it is now; raises the errors of ``get``."""


class Pkcs11KeyHandle:
    """One key in a token; dead when the store is closed or the key deleted, by whomever.

    It keeps the token's object, so that a signature costs no search. An object that has gone is
    looked for again by name and public key: after a token was removed and inserted, and after the
    module was started anew.

    Args:
        store: that found it.
        key_id: its name.
        found: the key.
    """

    __slots__ = ("_found", "_generation", "_key_id", "_plans", "_store")

    def __init__(self, store: HandleOwner, key_id: str, found: FoundKey) -> None:
        self._store = store
        self._key_id = key_id
        self._found = found
        self._generation = store.connection.module.generation
        self._plans: dict[str, SigningPlan] = {}

    @property
    def key_id(self) -> str:
        """Name of the key inside its token (``CKA_LABEL``)."""
        return self._key_id

    @property
    def uri(self) -> str:
        """URI of the key: the store's, with ``object=``."""
        return join_key_uri(self._store.uri, self._key_id)

    @property
    def cka_id(self) -> bytes:
        """``CKA_ID``, by which programs that know no names find the key."""
        return self._found.cka_id

    @property
    def algorithm(self) -> KeyAlgorithm:
        """Type and size."""
        return self._found.algorithm

    @property
    def public_key(self) -> PublicKey:
        """Public half."""
        return self._found.public_key

    def sign(
        self,
        data: bytes,
        hash_algorithm: hashes.HashAlgorithm,
        padding: AsymmetricPadding | None = None,
    ) -> bytes:
        """Signature over ``data``: PKCS#1 v1.5 or PSS for RSA, DER-encoded ECDSA for EC.

        Raises:
            MechanismUnsupportedError: the token lacks this hash, or the key this padding.
            KeyNotFoundError: the key was deleted.
            TokenMissingError: the token is away; insert it, and the handle works again.
            KeyDamagedError: the token signs with another key, and not with this one.
            StoreUnavailableError: the token fails.
        """
        plan = self._plan(hash_algorithm, padding)
        self._require_permission("sign")
        if plan.prepare is not None:
            data = plan.prepare(data)
        answer = self._use("sign", bytes(data), plan.mechanism, plan.parameter)
        return answer if plan.finish is None else plan.finish(answer)

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """RSA decryption (PKCS#1 v1.5 or OAEP).

        Raises:
            MechanismUnsupportedError: an EC key, or another padding.
            KeyNotFoundError: the key was deleted.
            TokenMissingError: the token is away.
            StoreUnavailableError: the token fails, with other ciphertexts too.
            KeyStoreError: itself, of no subclass: the ciphertext does not open.
        """
        public_key = self._found.public_key
        if not isinstance(public_key, rsa.RSAPublicKey):
            raise MechanismUnsupportedError(f"key '{self._key_id}' is an EC key; it cannot decrypt")
        size = public_key.key_size // 8
        plans = plan_decryption(padding, self._store.abilities.mechanisms)
        self._require_permission("decrypt")
        if len(ciphertext) != size:
            raise _failed()
        for plan in plans[:-1]:
            try:
                return self._decrypt(bytes(ciphertext), plan, padding)
            except MechanismUnsupportedError:
                continue  # SoftHSM lists OAEP and takes no other hash than SHA-1 with it
        return self._decrypt(bytes(ciphertext), plans[-1], padding)

    def __reduce__(self) -> str:
        raise TypeError("a key handle is not pickled; pass its URI")

    def _plan(
        self, hash_algorithm: hashes.HashAlgorithm, padding: AsymmetricPadding | None
    ) -> SigningPlan:
        plan = self._plans.get(hash_algorithm.name) if padding is None else None
        if plan is None:
            plan = plan_signature(
                self.algorithm, hash_algorithm, padding, self._store.abilities.mechanisms
            )
            if padding is None:
                self._plans[hash_algorithm.name] = plan
        return plan

    def _decrypt(
        self, ciphertext: bytes, plan: DecryptionPlan, padding: AsymmetricPadding
    ) -> bytes:
        public_key = self._found.public_key
        assert isinstance(public_key, rsa.RSAPublicKey)
        own = partial(own_ciphertext, public_key, plan, padding)
        try:
            opened = self._use("decrypt", ciphertext, plan.mechanism, plan.parameter, own)
            if not plan.unpad_hash:
                return opened
            return remove_oaep(opened, public_key.key_size // 8, plan.unpad_hash)
        except ValueError:
            # One text and no cause for every such failure: what went wrong would help an attacker.
            raise _failed() from None

    def _use(
        self,
        operation: str,
        data: bytes,
        mechanism: Any,
        parameter: Any,
        own: Callable[[], bytes] | None = None,
    ) -> bytes:
        """One private operation, once more when the key's object has gone meanwhile.

        Args:
            operation: method of the binding's object.
            data: signed or decrypted.
            mechanism: for it.
            parameter: of the mechanism.
            own: makes data with which the operation goes well, unless it is the token that fails.

        Raises:
            UnopenableError: it does go well with that.
            KeyStoreError: of the kind that fits.
        """
        connection = self._store.connection
        with connection.lock:
            if self._generation != connection.module.generation:
                self._find_again(connection)

            def run(data: bytes) -> bytes:
                answer: bytes = getattr(self._found.private, operation)(
                    data, mechanism=mechanism, mechanism_param=parameter
                )
                return answer

            try:
                return run(data)
            except codes.PKCS11Error as error:
                if not self._is_worth_another_try(connection, error):
                    return self._settle(error, connection, run, data, own)
            self._find_again(connection)
            try:
                return run(data)
            except codes.PKCS11Error as error:
                return self._settle(error, connection, run, data, own)

    def _settle(
        self,
        error: codes.PKCS11Error,
        connection: TokenConnection,
        run: Callable[[bytes], bytes],
        data: bytes,
        own: Callable[[], bytes] | None,
    ) -> bytes:
        """Finds out what failed, data, key or token, and tries for the last time.

        Return codes do not tell: SoftHSM gives one for a wrong padding and for a failing disk.
        """
        if own is not None and isinstance(error, _WRONG_DATA):
            raise UnopenableError from None
        failure = translate(error, connection.subject)
        if type(failure) is not StoreUnavailableError:
            raise failure from error
        verdict: Exception
        if own is not None:
            if not _goes_well(run, own()):
                raise failure from error
            verdict = UnopenableError()
        elif isinstance(error, codes.DeviceError) or not signs_at_all(
            connection.session(), self.algorithm
        ):
            raise failure from error
        else:
            verdict = KeyDamagedError(
                f"key '{self._key_id}' in {self._store.uri} is there and cannot be used "
                f"({name_of(error)}), while the token signs with another; restore the key, or "
                "delete it and enroll with a new one"
            )
        try:
            return run(data)
        except codes.PKCS11Error:
            raise verdict from error

    def _require_permission(self, operation: str) -> None:
        # The binding gives an object the methods that the key's attributes allow.
        if not hasattr(self._found.private, operation):
            raise MechanismUnsupportedError(
                f"key '{self._key_id}' may not {operation}: its attributes in the token forbid it"
            )

    def _is_worth_another_try(self, connection: TokenConnection, error: codes.PKCS11Error) -> bool:
        if connection.is_lost(error):
            connection.renew()
            return True
        try:
            _ = self._found.private[Attribute.KEY_TYPE]
        except codes.PKCS11Error:
            return True  # the object has gone; perhaps the key is there under another handle
        return False

    def _find_again(self, connection: TokenConnection) -> None:
        found = self._store.find(self._key_id)
        if found.public_key != self._found.public_key:
            # Deleted, and another key bears the name now: the handle's own key is gone.
            raise KeyNotFoundError(self._key_id, self._store.uri)
        self._found = found
        self._generation = connection.module.generation


def _goes_well(run: Callable[[bytes], bytes], data: bytes) -> bool:
    try:
        run(data)
    except codes.PKCS11Error:
        return False
    return True


def _failed() -> KeyStoreError:
    return KeyStoreError("decryption failed")
