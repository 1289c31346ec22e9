"""The PKCS#11 modules of this process: each loaded once, each behind one lock.

The binding starts modules without locking arguments, and two threads inside one module, even on two
tokens, crash it. So **every** call into a module is made under `LoadedModule.lock`; the registry
below is the only place that makes such locks.

A module that is started anew (`LoadedModule.restart`) forgets every session of the process. Its
`generation` counts the starts; whoever holds a session compares and opens another one.
"""

from __future__ import annotations

import contextlib
import enum
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pkcs11
from pkcs11.exceptions import PKCS11Error

from sceplab_hsm.errors import (
    ForkedStoreError,
    StoreUnavailableError,
    StoreUriError,
    TokenMissingError,
)
from sceplab_hsm.pkcs11.exclusion import excluded
from sceplab_hsm.pkcs11.failures import name_of
from sceplab_hsm.pkcs11.starting import CONFIGURATION_VARIABLE, start_failure

if TYPE_CHECKING:
    from pkcs11._pkcs11 import lib as Library  # noqa: N812 - a class with a small name

    from sceplab_hsm.pkcs11.connection import TokenConnection

_SOFTHSM = "SoftHSM"
"""The manufacturer of a library with habits of its own. It may be finalised in a forked child: it
has nothing but files, and the parent's state is untouched. Others would end sessions they share
with the parent."""
_SOFTHSM_PAUSES_S = (0.0, 0.02, 0.05, 0.1)


class _State(enum.Enum):
    READY = enum.auto()
    FORKED = enum.auto()
    DOWN = enum.auto()


class LoadedModule:
    """One module in this process. Make it with `load_module`.

    Args:
        path: of the shared library.
        library: started.
        configuration: value of ``SOFTHSM2_CONF`` when it was started.
    """

    def __init__(self, path: str, library: Library, configuration: str | None) -> None:
        self.path = path
        self.configuration = configuration
        self.lock = threading.RLock()
        self.generation = 1
        self.is_doubtful = False
        """Whether the next opening starts it anew: a PIN was refused, which may have been changed
        elsewhere without the module knowing, and the refused login left a session behind."""
        self.connections: dict[object, TokenConnection] = {}
        """Open tokens by identity; `sceplab_hsm.pkcs11.connection` keeps it, under the lock."""
        self._library = library
        self._state = _State.READY

    @property
    def look_pauses_s(self) -> tuple[float, ...]:
        """Pauses, seconds, before a token that is not to be seen is looked for again.

        SoftHSM writes a token's file anew at each login: a process that looks at that moment sees
        no token, half a token, or gets a general error. `entering` keeps our own processes apart.
        """
        return _SOFTHSM_PAUSES_S if self.is_softhsm else (0.0,)

    @contextlib.contextmanager
    def entering(self) -> Iterator[None]:
        """Around looking for a token and logging in: one process after the other, with SoftHSM."""
        with excluded("softhsm-logins") if self.is_softhsm else contextlib.nullcontext():
            yield

    @property
    def is_softhsm(self) -> bool:
        """Whether it is the library with habits of its own."""
        return bool(self._library.manufacturer_id == _SOFTHSM)

    def slots(self) -> list[pkcs11.Slot]:
        """All slots; call it under the lock.

        Raises:
            StoreUnavailableError: of the kind that fits.
        """
        self.require_ready()
        try:
            return self._library.get_slots(token_present=True)
        except PKCS11Error as error:
            raise StoreUnavailableError(f"{self.path} lists no slots ({name_of(error)})") from error

    def require_ready(self) -> None:
        """Starts the module where a fork or a failed restart makes it necessary; under the lock.

        Raises:
            ForkedStoreError: the module cannot be used in a forked child.
            StoreUnavailableError: it does not start, of the kind that fits.
        """
        if self._state is _State.FORKED:
            self._start_in_child()
        elif self._state is _State.DOWN:
            self.restart()

    def restart(self) -> None:
        """Finalises and starts the module: tokens made or inserted since are seen afterwards.

        All sessions of the process on this module are gone, those of other users of the binding
        too. Call it under the lock.

        Raises:
            ForkedStoreError: the module was inherited over a fork and cannot be restarted.
            TokenMissingError: its configuration or the directory of its tokens is not there.
            StoreUnavailableError: it does not start.
        """
        if self._state is _State.FORKED:
            self._start_in_child()
            return
        self.generation += 1
        self.is_doubtful = False
        self._state = _State.DOWN
        with contextlib.suppress(PKCS11Error):
            self._library.finalize()
        try:
            self._library.initialize()
        except PKCS11Error as error:
            raise start_failure(self.path, self.configuration, error) from error
        self._state = _State.READY

    def mark_forked(self) -> None:
        """Called in a child process, where the inherited state is not to be trusted."""
        self._state = _State.FORKED
        self.generation += 1

    def _start_in_child(self) -> None:
        # A module that notices a fork takes a second C_Initialize, as the specification asks of the
        # application. (PKCS#11 2.40 §5.4: the child calls C_Initialize.)
        from pkcs11 import _pkcs11

        try:
            self._library = _pkcs11.lib(self.path)
        except PKCS11Error as error:
            if not self.is_softhsm:
                raise ForkedStoreError(
                    f"{self.path} was loaded before this process was forked; start the process "
                    "with spawn or exec, and open the key store there"
                ) from error
            self._state = _State.DOWN
            self.restart()
            return
        self.generation += 1
        self._state = _State.READY


_modules: dict[str, LoadedModule] = {}
_registry_lock = threading.Lock()


def load_module(path: Path, configuration: str | None) -> LoadedModule:
    """The module of that path; it is loaded and started when it is not yet.

    Args:
        path: of the shared library, which is there.
        configuration: file that SoftHSM shall read; ``None`` leaves the environment as it is.

    Raises:
        StoreUriError: the module runs with another configuration in this process.
        TokenMissingError: the configuration is not there.
        StoreUnavailableError: it does not load or start.
    """
    real_path = os.path.realpath(path)
    with _registry_lock:
        module = _modules.get(real_path)
        if module is None:
            module = _start(real_path, configuration)
            _modules[real_path] = module
        elif configuration is not None and configuration != module.configuration:
            raise StoreUriError(
                f"{path} runs in this process with {CONFIGURATION_VARIABLE}="
                f"{module.configuration or '(unset)'}; a module reads one configuration in a "
                "process: put the tokens into one directory, or use another process"
            )
        return module


def _start(path: str, configuration: str | None) -> LoadedModule:
    if configuration is not None:
        if not os.path.isfile(configuration):
            raise TokenMissingError(
                f"SoftHSM's configuration {configuration} is not there; make a token with "
                "`sceplab hsm softhsm-init DIR`, or correct x-softhsm2-conf"
            )
        os.environ[CONFIGURATION_VARIABLE] = configuration
    try:
        library = pkcs11.lib(path)
    except PKCS11Error as error:
        variable = os.environ.get(CONFIGURATION_VARIABLE)
        raise start_failure(path, variable, error) from error
    return LoadedModule(path, library, os.environ.get(CONFIGURATION_VARIABLE))


_held: list[LoadedModule] = []


def _before_fork() -> None:
    # A child must not inherit a module in the middle of a call, nor a lock that nobody releases.
    _registry_lock.acquire()
    _held.extend(_modules.values())
    for module in _held:
        module.lock.acquire()


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().lock.release()
    _registry_lock.release()


def _after_fork_in_child() -> None:
    for module in _held:
        module.mark_forked()
    _after_fork_in_parent()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
