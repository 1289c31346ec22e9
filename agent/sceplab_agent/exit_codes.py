"""Exit codes of `sceplab-agent`, in one table that ``--help`` prints."""

from __future__ import annotations

import enum

from sceplab_agent.core.events import FailureCause


class ExitCode(enum.IntEnum):
    """What a script can tell from the end of a command."""

    OK = 0
    FAILED = 1
    CONFIGURATION = 2
    TRUST = 3
    REJECTED = 4
    TRANSPORT = 5
    KEY_STORE = 6
    PENDING = 7
    STORAGE = 8
    HANDOFF = 9
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "another failure: a damaged journal, keys without owner (audit), a bug,"
    " a hand-off that is not proved (handoff verify)",
    ExitCode.CONFIGURATION: "configuration, command line, URL, state_dir in use, below the floor",
    ExitCode.TRUST: "the CA (or the TLS server) is not the one that is trusted",
    ExitCode.REJECTED: "the CA refused the request",
    ExitCode.TRANSPORT: "no usable answer from the server",
    ExitCode.KEY_STORE: "the key store refused or is not available",
    ExitCode.PENDING: "the request still waits for an approval at the CA",
    ExitCode.STORAGE: "certificates or journal cannot be written: disk full or read-only",
    ExitCode.HANDOFF: "a consumer does not work with the new certificate; the old one stays in use",
    ExitCode.INTERRUPTED: "interrupted; the next call resumes",
}

_CODES = {
    FailureCause.CONFIGURATION: ExitCode.CONFIGURATION,
    FailureCause.TRUST: ExitCode.TRUST,
    FailureCause.REJECTED: ExitCode.REJECTED,
    FailureCause.TRANSPORT: ExitCode.TRANSPORT,
    FailureCause.KEY_STORE: ExitCode.KEY_STORE,
    FailureCause.STORAGE: ExitCode.STORAGE,
    FailureCause.HANDOFF: ExitCode.HANDOFF,
    FailureCause.PEER: ExitCode.TRANSPORT,
    FailureCause.EXHAUSTED: ExitCode.PENDING,
}


def exit_code_for(cause: FailureCause | None) -> ExitCode:
    """Exit code of an enrollment that ended for this cause; ``None``: nobody knows why."""
    return _CODES[cause] if cause is not None else ExitCode.FAILED


def describe_exit_codes() -> str:
    """The table for ``--help``, one code a line."""
    return "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())
