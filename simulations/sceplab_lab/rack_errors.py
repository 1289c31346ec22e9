"""What is wrong with a rack file, and where in it."""

from __future__ import annotations

from sceplab_lab.errors import LabError


class RackError(LabError):
    """A rack file cannot be meant so, or a device of it cannot be started.

    Args:
        reason: what is wrong and what would be right.
        source: the file, as it was named.
        line: counted from 1; 0: the file as a whole.
    """

    def __init__(self, reason: str, *, source: str = "", line: int = 0) -> None:
        place = f"{source}:{line}" if line else source
        super().__init__(f"{place}: {reason}" if place else reason)
        self.reason = reason
        self.line = line
