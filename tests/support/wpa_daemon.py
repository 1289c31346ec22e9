"""A control socket that answers as told: what wpa_supplicant is to its clients, in a thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_END = b"\0end"

Answers = Callable[[str], list[bytes]]
"""Gives the datagrams that follow a command, events among them."""


class WpaDaemon:
    """A network and a port, as far as clients can tell.

    Attributes:
        values: of network 0 as the daemon writes them.
        commands: everything that was asked, oldest first.
        events: sent behind the answer to a request to authenticate.
    """

    def __init__(self, **values: str) -> None:
        self.values = {"eap": "TLS", "engine": "0", **values}
        self.commands: list[str] = []
        self.events: list[bytes] = []
        self.state = {
            "wpa_state": "COMPLETED", "Supplicant PAE state": "AUTHENTICATED",
            "suppPortStatus": "Authorized", "EAP state": "SUCCESS",
        }  # fmt: skip

    def answer(self, command: str) -> list[bytes]:
        """What the daemon sends for a command."""
        self.commands.append(command)
        words = command.split(" ", 3)
        if words[0] == "LIST_NETWORKS":
            return [b"network id / ssid / bssid / flags\n0\t\tany\t[CURRENT]\n"]
        if words[0] == "STATUS":
            return ["".join(f"{name}={value}\n" for name, value in self.state.items()).encode()]
        if words[0] == "GET_NETWORK":
            value = self.values.get(words[2], "FAIL")
            return [("*" if words[2] == "pin" and value != "FAIL" else value).encode()]
        if words[0] == "SET_NETWORK":
            self.values[words[2]] = words[3]
            if words[3] == "NULL":
                del self.values[words[2]]
            return [b"OK\n"]
        if words[0] in {"REAUTHENTICATE", "REASSOCIATE"}:
            return [b"OK\n", *self.events]
        return [b"OK\n"] if words[0] == "ATTACH" else [b"UNKNOWN COMMAND\n"]


@contextmanager
def listening(folder: Path, answers: Answers) -> Iterator[Path]:
    """Serves a control socket; gives its path."""
    path = folder / "wpa"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(path))
        thread = threading.Thread(target=_serve, args=(daemon, answers), name="wpa-daemon")
        thread.start()
        try:
            yield path
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ender:
                ender.sendto(_END, str(path))
            thread.join(30)


def _serve(daemon: socket.socket, answers: Answers) -> None:
    while True:
        command, client = daemon.recvfrom(65536)
        if command == _END:
            return
        for datagram in answers(command.decode()):
            with suppress(OSError):  # a client that has gone misses nothing
                daemon.sendto(datagram, client)
