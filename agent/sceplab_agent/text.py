"""Received text made fit for a log line: one line, printable, short."""

from __future__ import annotations

_MAX_CHARS = 200


def clean_text(text: str, *, max_chars: int = _MAX_CHARS) -> str:
    """The text on one line, control characters as spaces, cut with an ellipsis."""
    printable = "".join(char if char.isprintable() else " " for char in text[: 20 * max_chars])
    line = " ".join(printable.split())
    return line if len(line) <= max_chars else f"{line[: max_chars - 1]}…"


def looks_like_markup(body: bytes) -> bool:
    """Whether a body is HTML or XML rather than DER, PEM, base64 or keywords."""
    start = body[:64].removeprefix(b"\xef\xbb\xbf").removeprefix(b"\xff\xfe").lstrip()
    return start.startswith(b"<")
