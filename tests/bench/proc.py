"""What Linux says of another process."""

import os
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""Fields of ``/proc/PID/stat`` behind the command's closing bracket. Spec: proc_pid_stat(5)."""


def resident_kib(pid: int) -> int:
    """Resident memory, KiB."""
    return _number(Path(f"/proc/{pid}/smaps_rollup"), "Rss:")


def cpu_s(pid: int) -> float:
    """CPU time since its start, seconds, in steps of a clock tick."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) * _TICK_S


def _number(file: Path, start: str) -> int:
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith(start):
            return int(line.split()[1])
    raise RuntimeError(f"{file} has no line {start}")
