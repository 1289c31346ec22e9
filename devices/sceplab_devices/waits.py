"""What a console can wait for."""

from __future__ import annotations

from enum import Enum, auto


class Waits(Enum):
    """What a console waits for."""

    COMMAND = auto()
    ANSWER = auto()
    KEY = auto()
    EVENT = auto()
    MORE = auto()
    NOTHING = auto()
    """It is at work; seen from outside only when closed."""
