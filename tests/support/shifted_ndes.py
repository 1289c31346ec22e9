"""`sceplab ndes` under a clock that a file sets: seconds to add, in ``$CLOCK_OFFSET``.

To be run as a program, beside `shifted_agent.py` with the same file.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sceplab_ndes import cli


def shifted() -> datetime:
    """The real time and the offset."""
    seconds = float(Path(os.environ["CLOCK_OFFSET"]).read_text())
    return datetime.now(UTC) + timedelta(seconds=seconds)


if __name__ == "__main__":
    cli._now = shifted
    cli.app()
