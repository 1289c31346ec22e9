"""The agent's command line under a clock that a file sets: seconds to add, in ``$CLOCK_OFFSET``.

To be run as a program; the process, its sockets, signals and journal are the real ones.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sceplab_agent import cli_commands
from sceplab_agent.cli import main


def shifted() -> datetime:
    """The real time and the offset."""
    seconds = float(Path(os.environ["CLOCK_OFFSET"]).read_text())
    return datetime.now(UTC) + timedelta(seconds=seconds)


if __name__ == "__main__":
    cli_commands._now = shifted
    sys.exit(main())
