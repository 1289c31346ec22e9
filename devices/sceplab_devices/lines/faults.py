"""Faults of a line, seeded: noise, lost carrier, slow echo, stuck paging, a cut in mid-dialog.

Written as ``faults=noise:0.001,drop:200,echo:0.2,more:1,cut:300``. They act on the bytes of the
console, before a kind of line wraps them, and so are the same on every kind. Where a fault happens
depends on the seed, the number of the session on its line and the number of bytes, not on how the
bytes are cut into pieces: the same seed and the same typing give the same bytes.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

SLOWEST_ECHO_S = 60.0
_TAIL_BYTES = 64
_NEVER = 1e15
"""More bytes than any session has."""
_SPACE = b" "


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """Faults of one line; zeros: none."""

    noise: float = 0.0
    """Chance of each output byte to become another one."""
    drop: float = 0.0
    """Carrier lost: from 1 on the number of output bytes after which it goes, once for the line;
    below 1 the chance at each output byte, in every session."""
    echo: float = 0.0
    """Seconds that output comes late."""
    more: int = 0
    """How many Spaces at the paging prompt each session loses."""
    cut: int = 0
    """The line is cut, once, at the first question that is open after so many output bytes."""
    seed: int = 0

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to do to the bytes."""
        return not (self.noise or self.drop or self.more or self.cut)


def parse_faults(text: str, *, seed: int) -> FaultPlan:
    """Reads the option's value; empty: no fault.

    Raises:
        ValueError: an unknown fault, or a value out of its range.
    """
    values: dict[str, float] = {}
    for part in text.split(",") if text else ():
        name, _, value = part.partition(":")
        if name not in _RANGES:
            raise ValueError(f"unknown fault {name!r}; known: {', '.join(_RANGES)}")
        if name in values:
            raise ValueError(f"fault {name!r} is given twice")
        lowest, highest, is_whole = _RANGES[name]
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not lowest <= number <= highest or (is_whole and number != int(number)):
            form = "a whole number" if is_whole else "a number"
            raise ValueError(f"fault {name}:{value}: expected {form} {lowest:g} to {highest:g}")
        values[name] = number
    return FaultPlan(
        noise=values.get("noise", 0.0),
        drop=values.get("drop", 0.0),
        echo=values.get("echo", 0.0),
        more=int(values.get("more", 0)),
        cut=int(values.get("cut", 0)),
        seed=seed,
    )


_RANGES = {
    "noise": (0.0, 1.0, False),
    "drop": (0.0, 1e9, False),
    "echo": (0.0, SLOWEST_ECHO_S, False),
    "more": (0, 1e9, True),
    "cut": (0, 1e9, True),
}


class LineFaults:
    """Faults of one line over all its sessions."""

    __slots__ = ("_sessions", "plan", "spent")

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self.spent: set[str] = set()
        """Faults that happen once and did."""
        self._sessions = 0

    def new_session(self, more_prompt: bytes) -> SessionFaults | None:
        """Faults of the next session, ``None`` when its bytes stay as they are.

        Args:
            more_prompt: what the platform shows where a page ends.
        """
        if self.plan.is_quiet:
            return None
        self._sessions += 1
        return SessionFaults(self, more_prompt, f"{self.plan.seed} {self._sessions}")


class SessionFaults:
    """What happens to the bytes of one session.

    Attributes:
        is_carrier_lost: the line has to drop the session now.
    """

    __slots__ = (
        "_drop_at", "_line", "_more_prompt", "_noise_at", "_rng", "_sent", "_spaces", "_tail",
        "is_carrier_lost",
    )  # fmt: skip

    def __init__(self, line: LineFaults, more_prompt: bytes, seed: str) -> None:
        plan = line.plan
        self._line = line
        self._rng = random.Random(seed)  # noqa: S311 - repeats on purpose
        self._more_prompt = more_prompt.strip()
        self._tail = b""
        self._spaces = plan.more
        self._sent = 0
        self._drop_at = self._drop_place()
        self._noise_at = self._gap(plan.noise)
        self.is_carrier_lost = False

    def outgoing(self, data: bytes) -> bytes:
        """What of the console's bytes reaches the terminal, and how."""
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        if self._drop_at >= 0 and self._sent + len(data) >= self._drop_at:
            data = data[: max(self._drop_at - self._sent, 0)]
            self._lose("drop")
        noisy = bytearray(data)
        while 0 <= self._noise_at - self._sent < len(noisy):
            place = self._noise_at - self._sent
            noisy[place] ^= self._rng.randrange(1, 256)
            self._noise_at += 1 + self._gap(self._line.plan.noise)
        self._sent += len(data)
        return bytes(noisy)

    def incoming(self, typed: bytes) -> bytes:
        """What of the typed bytes reaches the console."""
        stuck = self._spaces and self._more_prompt and _SPACE in typed
        if stuck and self._tail.rstrip().endswith(self._more_prompt):
            self._spaces -= 1
            return typed.replace(_SPACE, b"", 1)
        return typed

    def question_is_open(self) -> None:
        """The console has asked something and shown it."""
        plan = self._line.plan
        if plan.cut and "cut" not in self._line.spent and self._sent >= plan.cut:
            self._lose("cut")

    def _lose(self, fault: str) -> None:
        self.is_carrier_lost = True
        self._line.spent.add(fault)

    def _drop_place(self) -> int:
        """Output bytes before the carrier goes; -1: it stays."""
        drop = self._line.plan.drop
        if not drop or (drop >= 1 and "drop" in self._line.spent):
            return -1
        return int(drop) if drop >= 1 else self._gap(drop)

    def _gap(self, chance: float) -> int:
        """Bytes that pass before the next one that is hit; -1: none is."""
        if not chance:
            return -1
        if chance >= 1:
            return 0
        return int(min(math.log(1.0 - self._rng.random()) / math.log1p(-chance), _NEVER))
