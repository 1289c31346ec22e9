"""Tells systemd how the service is: a datagram to the socket it names in the environment.

Spec: sd_notify(3).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

_MICROSECONDS = 1_000_000
_PINGS_PER_TIMEOUT = 2


class Notifier:
    """Sends nothing where no service manager asked for it. A lost message is no failure.

    Args:
        environment: ``os.environ`` of the process.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        self.watchdog_s = _watchdog_s(environment)
        """How often `alive` has to be called, seconds; ``None``: not at all."""

    def ready(self, status: str) -> None:
        """The service is up, or up again after `reloading`."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read again."""
        moment = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={moment}")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """The service ends."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """The loop still turns."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        message = "\n".join(line.replace("\n", " ") for line in lines)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(), self._address)
        except OSError:
            return  # the manager went away, or its queue is full: the next message will do


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = environment.get("WATCHDOG_USEC", "")
    if not (text.isascii() and text.isdigit() and int(text)):
        return None
    return int(text) / _MICROSECONDS / _PINGS_PER_TIMEOUT
