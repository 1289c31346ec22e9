"""What Linux says of another process."""

from pathlib import Path


def resident_kib(pid: int) -> int:
    """Resident memory, KiB."""
    return _number(Path(f"/proc/{pid}/smaps_rollup"), "Rss:")


def _number(file: Path, start: str) -> int:
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith(start):
            return int(line.split()[1])
    raise RuntimeError(f"{file} has no line {start}")
