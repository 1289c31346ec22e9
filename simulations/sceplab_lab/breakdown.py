"""What is said of an exchange that raised, and when it is tried again.

An error of ours says what happened and keeps secrets out of its text. Any other may hold anything:
of those only the kind and the place are named.
"""

from __future__ import annotations

import traceback
from pathlib import Path

from sceplab_agent.errors import AgentError
from sceplab_hsm.errors import KeyStoreError
from sceplab_lab.errors import LabError

_FIRST_PAUSE_S = 60.0
_LONGEST_PAUSE_S = 3600.0
_MOST_DOUBLINGS = 16


def describe_breakdown(error: BaseException) -> str:
    """One line for a person."""
    if isinstance(error, AgentError | KeyStoreError | LabError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'input or output'}: {error.strerror}"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"internal error: {type(error).__name__}{place}"


def retry_after_s(failures: int) -> float:
    """Seconds to wait after this many failures in a row, 1 for the first."""
    doublings = min(failures - 1, _MOST_DOUBLINGS)
    return min(_FIRST_PAUSE_S * 2.0**doublings, _LONGEST_PAUSE_S)
