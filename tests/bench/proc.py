"""What Linux says of another process."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""Fields of ``/proc/PID/stat`` behind the command's closing bracket. Spec: proc_pid_stat(5)."""


def resident_kib(pid: int) -> int:
    """Resident memory, KiB."""
    return _number(Path(f"/proc/{pid}/smaps_rollup"), "Rss:")


@dataclass(frozen=True, slots=True)
class Activity:
    """What a process has done since it began."""

    cpu_ms: float
    """In steps of a clock tick, 10 ms."""
    wake_ups: int
    """How often the main thread gave the processor up and came back."""

    @classmethod
    def of(cls, pid: int) -> "Activity":
        """Until now."""
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
        return cls(ticks * _TICK_MS, _number(Path(f"/proc/{pid}/status"), "voluntary_ctxt"))

    def since(self, before: "Activity") -> "Activity":
        """What was done between two looks."""
        return Activity(self.cpu_ms - before.cpu_ms, self.wake_ups - before.wake_ups)


def _number(file: Path, start: str) -> int:
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith(start):
            return int(line.split()[1])
    raise RuntimeError(f"{file} has no line {start}")
