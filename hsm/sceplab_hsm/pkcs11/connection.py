"""One logged-in session per token and process, shared by all stores on that token.

Login belongs to the process: once a token is logged in, its module takes no second PIN and checks
none. So the first opening logs in, and a later one has its PIN compared with the first. A wrong PIN
is refused without asking the token.

A PIN that was changed elsewhere is refused when the token has to be logged in again. It is tried
once; then the secret is asked for anew at each use, and tried when it has become another.

The PIN is kept while a store is open. Without it a token that was removed and inserted again could
not be used again without asking a person.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import time
from collections.abc import Callable
from typing import TypeVar

import pkcs11
from pkcs11 import TokenFlag
from pkcs11 import exceptions as codes

from sceplab_hsm.errors import KeyStoreError, LockoutError, StoreLockedError, TokenMissingError
from sceplab_hsm.pkcs11.failures import translate
from sceplab_hsm.pkcs11.modules import LoadedModule
from sceplab_hsm.pkcs11.tokens import SlotUnreadableError, TokenIdentity, find_again
from sceplab_hsm.secret import Secret

Result = TypeVar("Result")

_SESSION_LOST = (
    codes.SessionHandleInvalid,
    codes.SessionClosed,
    codes.DeviceRemoved,
    codes.TokenNotPresent,
    codes.UserNotLoggedIn,
    # Calls are made one after the other: an operation that is active was left behind by a failed
    # call, as libtpm2_pkcs11 does, and never ends.
    codes.OperationActive,
)
_HALF_WRITTEN = (codes.GeneralError, codes.UserPinNotInitialized)
"""What logging in to a token may give whose file is being written; or else these are meant."""

_KEEPS_NOTHING_SYNCED = "SoftHSM project"
"""Manufacturer of tokens whose files are in nobody's care."""


class TokenConnection:
    """A token that is logged in. Make it with `connect`; every method takes the module's lock.

    Args:
        module: that shows the token.
        identity: of the token.
        pin: the user's; ``None`` for a token that asks for none.
        ask_pin: gives the PIN again after the token has refused it, which was changed elsewhere.
    """

    def __init__(
        self,
        module: LoadedModule,
        identity: TokenIdentity,
        pin: Secret | None,
        ask_pin: Callable[[], Secret],
    ) -> None:
        self.module = module
        self._ask_pin = ask_pin
        self.identity = identity
        self.lock = module.lock
        self.users = 0
        self._pin = pin
        self._session: pkcs11.Session | None = None
        self._generation = 0
        self._refusal: KeyStoreError | None = None

    @property
    def subject(self) -> str:
        """The token, for error texts."""
        return f"token '{self.identity.label}'"

    def session(self, *, is_fresh: bool = False) -> pkcs11.Session:
        """A session that is logged in; opened anew when the module was started anew.

        Args:
            is_fresh: the module was started just now and need not be asked to look again.

        Raises:
            TokenMissingError: the token is away.
            StoreLockedError: it refuses the PIN it once took.
        """
        if self._session is None or self._generation != self.module.generation:
            self._session = self._open(is_fresh)
            self._generation = self.module.generation
        return self._session

    def call(
        self, action: Callable[[pkcs11.Session], Result], *, is_storing: bool = False
    ) -> Result:
        """Runs calls on a session, once more when the token was away meanwhile.

        Args:
            action: what to do; it may be run twice, so it must find by itself what it left behind.
                ``NoSuchKey`` from it is passed on when the token is there.
            is_storing: whether it writes to the token, for the error's kind.

        Raises:
            NoSuchKey: from the action, with the token in place.
            KeyStoreError: of the kind that fits.
        """
        with self.lock:
            session = self.session()
            try:
                return action(session)
            except codes.PKCS11Error as error:
                if not self.is_lost(error):
                    raise self._translated(error, is_storing) from error
            self.renew()
            try:
                return action(self.session())
            except codes.PKCS11Error as error:
                raise self._translated(error, is_storing) from error

    def is_lost(self, error: codes.PKCS11Error) -> bool:
        """Whether a failure comes from a session that is gone, or from a token that is away.

        An open session hides it: SoftHSM signs with an error that could mean anything, and finds
        nothing. The token's own description is what can be asked.
        """
        if isinstance(error, _SESSION_LOST) or self._generation != self.module.generation:
            return True
        assert self._session is not None
        try:
            token = self._session.token.slot.get_token()
        except codes.PKCS11Error:
            return True
        return TokenIdentity.of(token) != self.identity

    def renew(self) -> None:
        """Starts the module anew and logs in again.

        Raises:
            TokenMissingError: the token is away.
        """
        self.module.restart()
        self.session(is_fresh=True)

    def make_durable(self) -> None:
        """Has what was made or destroyed survive a power cut.

        SoftHSM syncs none of its files. Where they are only its own process knows, which may be
        ``p11-kit server``; so the whole machine's are written back. Tokens of others see to it
        themselves.
        """
        if self.identity.manufacturer == _KEEPS_NOTHING_SYNCED:
            os.sync()

    def release(self) -> None:
        """One user less; the last one logs out and forgets the PIN."""
        with self.lock:
            self.users -= 1
            if self.users:
                return
            self.module.connections.pop(self.identity, None)
            session, self._session, self._pin = self._session, None, None
            if session is not None and self._generation == self.module.generation:
                with contextlib.suppress(codes.PKCS11Error):
                    session.close()

    def matches(self, pin: Secret | None) -> bool:
        """Whether the PIN is the one the token is logged in with."""
        if pin is None or self._pin is None:
            return pin is self._pin
        mine, other = self._pin.reveal(), pin.reveal()
        return hmac.compare_digest(mine.encode("utf-8"), other.encode("utf-8"))

    def correct(self, pin: Secret | None) -> bool:
        """Takes another PIN than the one that the token refused; whether it is another."""
        if self._refusal is None or self.matches(pin):
            return False
        self._pin, self._refusal = pin, None
        # The module may still know the old PIN, and has a session of the refused login.
        self.module.restart()
        return True

    def _open(self, is_fresh: bool) -> pkcs11.Session:
        self.module.require_ready()
        if self._refusal is not None and not self.correct(self._asked_again()):
            # Trying the same again would count as a wrong try each time.
            raise self._refusal
        with self.module.entering():
            return self._open_alone(is_fresh)

    def _asked_again(self) -> Secret | None:
        try:
            return self._ask_pin()
        except KeyStoreError:
            return self._pin  # the file is away, or nobody is there to type it: nothing new

    def _open_alone(self, is_fresh: bool) -> pkcs11.Session:
        # It may have been inserted since the module was started, which then has to look anew.
        pauses_s = list(self.module.look_pauses_s)[1 if is_fresh else 0 :]
        while True:
            try:
                return self._log_in()
            except (TokenMissingError, SlotUnreadableError, *_HALF_WRITTEN) as error:
                if not pauses_s:
                    if isinstance(error, codes.PKCS11Error):
                        raise translate(error, self.subject) from error
                    raise
                time.sleep(pauses_s.pop(0))
                self.module.restart()

    def _log_in(self) -> pkcs11.Session:
        token = find_again(self.module, self.identity)
        if token is None:
            raise TokenMissingError(
                f"{self.subject} (serial {self.identity.serial.decode('utf-8', 'replace')}) is not "
                "there any more; insert it again, the open store then works on"
            )
        try:
            return token.open(rw=True, user_pin=None if self._pin is None else self._pin.reveal())
        except _HALF_WRITTEN:
            raise
        except codes.UserAlreadyLoggedIn:
            raise StoreLockedError(
                f"{self.subject} is logged in by other code of this process, so that the PIN "
                "cannot be checked; close that session first"
            ) from None
        except codes.PKCS11Error as error:
            failure = translate(error, self.subject)
            if isinstance(failure, StoreLockedError):
                self._refusal = failure
                self.module.is_doubtful = True
            raise failure from error

    def _translated(self, error: codes.PKCS11Error, is_storing: bool) -> Exception:
        if isinstance(error, codes.NoSuchKey):
            return error
        return translate(error, self.subject, is_storing=is_storing)


def connect(
    module: LoadedModule, token: pkcs11.Token, ask_pin: Callable[[], Secret]
) -> TokenConnection:
    """Logs in to a token, or joins the session that is logged in. Release it when done.

    Args:
        module: that shows the token.
        token: as it was found.
        ask_pin: called once when the token wants a PIN, outside the module's lock; and under it
            when a token that was logged in refuses its PIN later.

    Raises:
        LockoutError: the token says that its PIN is locked.
        StoreLockedError: the PIN is wrong.
        KeyStoreError: of the kind that fits.
    """
    identity = TokenIdentity.of(token)
    if token.flags & TokenFlag.USER_PIN_LOCKED:
        raise LockoutError(
            f"token '{identity.label}' has locked its PIN after wrong tries; set a new one with "
            "the security officer's PIN"
        )
    pin = ask_pin() if token.flags & TokenFlag.LOGIN_REQUIRED else None
    with module.lock:
        connection = module.connections.get(identity)
        if connection is None:
            connection = TokenConnection(module, identity, pin, ask_pin)
            connection.session()
            module.connections[identity] = connection
        elif not connection.matches(pin) and not connection.correct(pin):
            raise StoreLockedError(
                f"{connection.subject} is open in this process with another PIN; correct the "
                "secret, or, when the PIN was changed, close the other stores on it first"
            )
        else:
            connection.session()
        connection.users += 1
        return connection
