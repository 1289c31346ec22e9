"""Records the system calls of a piece of work, with strace."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.child_process import start_child, wait_for_child
from tests.support.power.traced_calls import OPTIONS, Call, read_calls
from tests.support.programs import require_program

_PR_SET_PTRACER = 0x59616D61
_PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)


class TracingError(Exception):
    """strace could not do its work."""


def require_strace() -> Path:
    """Path of strace, where it may look into processes; skips the test elsewhere.

    Raises:
        pytest.fail.Exception: it may not, as root in continuous integration.
    """
    strace = require_program("strace", package="strace")
    found = subprocess.run([strace, "-o", os.devnull, "true"], capture_output=True, check=False)
    if found.returncode:
        reason = f"strace may not look into processes here: {found.stderr.decode().strip()}"
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return strace


def trace(strace: Path, work: Callable[[], int], file: Path) -> tuple[int, list[Call]]:
    """Does the work in a forked child.

    Args:
        strace: the program.
        work: gives the child's exit status.
        file: made, for the trace.

    Returns:
        Exit status and calls.

    Raises:
        TracingError: strace failed.
    """
    reader, writer = os.pipe()

    def wait_and_work() -> int:
        os.close(writer)
        # An ordinary user may trace only what is below the tracer, or allows it.
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _PR_SET_PTRACER_ANY, 0, 0, 0)
        return work() if os.read(reader, 1) else 0

    child = start_child(wait_and_work)
    os.close(reader)
    command = [strace, *OPTIONS, "-o", file, "-p", str(child)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        if "attached" in said:
            os.write(writer, b"!")
        os.close(writer)
        status = wait_for_child(child)
        said += tracer.stderr.read()
    if tracer.returncode or "attached" not in said:
        raise TracingError(said)
    with file.open(encoding="ascii") as lines:
        return status, list(read_calls(lines))
