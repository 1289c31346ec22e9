"""No wrapping: the bytes of the line are the bytes of the console."""

from __future__ import annotations


class RawCodec:
    """Changes nothing and keeps nothing: one serves all."""

    __slots__ = ()

    def opening(self) -> bytes:
        """Nothing is sent before the console's own text."""
        return b""

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Typed bytes, and what to answer at once: nothing."""
        return data, b""

    def encode(self, data: bytes) -> bytes:
        """Bytes of the console, as they go out."""
        return data


RAW = RawCodec()
