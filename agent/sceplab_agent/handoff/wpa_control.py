"""The control socket of wpa_supplicant: commands, answers and events as Unix datagrams.

Spec: wpa_supplicant's ``wpa_ctrl`` interface, as its own ``wpa_cli`` uses it.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

_MAX_BYTES = 65536
_MAX_PATH_BYTES = 107
_EVENT = re.compile(r"<\d{1,2}>")
_ANSWER_S = 10.0
_PLAIN = re.compile(r"[ !#-\[\]-~]*")


class ControlError(Exception):
    """The daemon does not answer, or says no. No secret in the text."""


class WpaControl:
    """A connection to one interface of a running daemon. Use it with ``with``.

    Args:
        path: of the interface's socket, for example ``/run/wpa_supplicant/eth0``.
        own_directory: where the socket for the answers is made; the daemon has to see it, too.
        monotonic: clock, seconds.

    Raises:
        ControlError: nobody listens there.
    """

    def __init__(self, path: Path, own_directory: Path, *, monotonic: Callable[[], float]) -> None:
        self._path = path
        self._monotonic = monotonic
        self._events: list[str] = []
        self._own, self._folder = _own_path(own_directory)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._own.unlink(missing_ok=True)
            self._socket.bind(str(self._own))
            self._socket.connect(str(path))
        except OSError as error:
            self.close()
            raise ControlError(
                f"{path}: {error.strerror or error}; is wpa_supplicant running there with "
                "ctrl_interface set?"
            ) from error

    def __enter__(self) -> WpaControl:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection and removes its socket. Twice is harmless."""
        self._socket.close()
        self._own.unlink(missing_ok=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def request(self, command: str) -> str:
        """Sends a command; its answer without the newline at the end.

        Raises:
            ControlError: no answer in time, or ``FAIL``. Only the command's words that are no
                values are quoted.
        """
        answer = self.ask(command)
        if answer.startswith(("FAIL", "UNKNOWN COMMAND")):
            words = " ".join(command.split(" ", 3)[:3])
            raise ControlError(f"wpa_supplicant refuses '{words}' ({answer.split()[0]})")
        return answer

    def ask(self, command: str) -> str:
        """The same with ``FAIL`` as an answer: of a value that is not set, for example."""
        deadline = self._monotonic() + _ANSWER_S
        try:
            self._socket.send(command.encode())
            while True:
                text = self._receive(deadline)
                if text is None:
                    raise ControlError(f"{self._path}: no answer within {_ANSWER_S:g} s")
                if not _EVENT.match(text):
                    return text.rstrip("\n")
                self._events.append(text)
        except OSError as error:
            raise ControlError(f"{self._path}: {error.strerror or error}") from error

    def status(self) -> Mapping[str, str]:
        """What ``STATUS`` says, by name."""
        pairs = (line.partition("=") for line in self.request("STATUS").splitlines())
        return {name: value for name, _, value in pairs}

    def attach(self) -> None:
        """Events are kept from now on."""
        self.request("ATTACH")
        self._events.clear()

    def next_event(self, deadline: float) -> str | None:
        """The next event without its level.

        Args:
            deadline: moment on the clock.

        Returns:
            ``None`` when none has come by then.

        Raises:
            ControlError: the daemon has ended.
        """
        while not self._events:
            try:
                text = self._receive(deadline)
            except OSError as error:
                raise ControlError(f"{self._path}: {error.strerror or error}") from error
            if text is None:
                return None
            if _EVENT.match(text):
                self._events.append(text)
        return _EVENT.sub("", self._events.pop(0), count=1)

    def _receive(self, deadline: float) -> str | None:
        left_s = deadline - self._monotonic()
        if left_s <= 0:
            return None
        self._socket.settimeout(left_s)
        try:
            return self._socket.recv(_MAX_BYTES).decode("utf-8", "replace")
        except TimeoutError:
            return None


def quote(text: str) -> str:
    """A text as ``SET_NETWORK`` takes it: in quotes, or in hexadecimal where those would not do."""
    return f'"{text}"' if _PLAIN.fullmatch(text) else text.encode().hex()


def unquote(value: str) -> str:
    """The text behind what ``GET_NETWORK`` gives."""
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        return value[1:-1]
    try:
        return bytes.fromhex(value).decode("utf-8", "replace")
    except ValueError:
        return value


def _own_path(directory: Path) -> tuple[Path, Path | None]:
    """Path of a socket of ours, and a folder to remove with it."""
    path = directory / f".control-{os.getpid()}"
    if directory.is_dir() and len(os.fsencode(path)) <= _MAX_PATH_BYTES:
        return path, None
    folder = Path(tempfile.mkdtemp(prefix="sceplab-wpa-"))
    return folder / "control", folder
