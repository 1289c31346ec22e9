"""`sceplab-agent run` in an event loop that skips its sleep: a day of rest in a second.

Called as ``FILE ARGUMENT…``. Counts turns of the loop in the day behind the first long sleep, and
the CPU they take, writes both to FILE as JSON, and ends the service.
"""

import asyncio
import json
import os
import selectors
import signal
import sys
import threading
import time
from pathlib import Path

from sceplab_agent.cli import main

_DAY_S = 86_400.0
_LONG_S = 5.0
"""Who sleeps longer has finished with its start."""


class _Skipping(selectors.DefaultSelector):
    """Waits for nothing but files and threads; time passes as if it had waited."""

    def __init__(self, report: Path) -> None:
        super().__init__()
        self.skipped_s = 0.0
        self._report = report
        self._turns = 0
        self._begin_cpu_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; after the first long sleep it comes at once."""
        is_resting = threading.active_count() == 1 and timeout is not None and timeout > 0
        is_begun = self._turns > 0 or (timeout is not None and timeout >= _LONG_S)
        if not is_resting or not is_begun or timeout is None:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self._skip(timeout)
        return ready

    def _skip(self, seconds: float) -> None:
        if not self._turns:
            self._begin_cpu_s = time.process_time()
        if self.skipped_s < _DAY_S <= self.skipped_s + seconds:
            cpu_s = time.process_time() - self._begin_cpu_s
            self._report.write_text(json.dumps({"turns": self._turns, "cpu_ms": cpu_s * 1000}))
            os.kill(os.getpid(), signal.SIGTERM)
        self._turns += 1
        self.skipped_s += seconds


class _Loop(asyncio.SelectorEventLoop):
    """An event loop over such a selector."""

    def __init__(self) -> None:
        self._skipping = _Skipping(Path(sys.argv[1]))
        super().__init__(self._skipping)

    def time(self) -> float:
        """Seconds, those skipped too."""
        return super().time() + self._skipping.skipped_s


class _Policy(asyncio.DefaultEventLoopPolicy):
    _loop_factory = _Loop


if __name__ == "__main__":
    asyncio.set_event_loop_policy(_Policy())
    sys.exit(main(sys.argv[2:]))
