"""What a link is attached to: a socket, a channel, a terminal device; and how bytes are wrapped."""

from __future__ import annotations

from typing import Protocol


class Wire(Protocol):
    """Carries the bytes of one session. It tells its `Link` what arrives and what goes wrong."""

    def write(self, data: bytes) -> None:
        """Sends, or keeps until the other side takes it; calls `Link.blocked` when it is much."""

    def pause_reading(self) -> None:
        """Nothing shall arrive until `resume_reading`."""

    def resume_reading(self) -> None:
        """Ends `pause_reading`."""

    def finish(self) -> None:
        """The console is over: hangs up once everything written is out."""

    def drop_carrier(self) -> None:
        """The line breaks, as a fault: hangs up once everything written is out."""


class LineCodec(Protocol):
    """What a kind of line does to the bytes of a console."""

    def opening(self) -> bytes:
        """What is sent before the console's own text."""

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Typed bytes, and what to answer at once."""

    def encode(self, data: bytes) -> bytes:
        """Bytes of the console, as they go out."""
