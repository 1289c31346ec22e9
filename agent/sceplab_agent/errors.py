"""Errors of the agent. Each class has its cause and its exit code; each text names the next step.

A refusal by the peer is an event of the machine, not an exception, until a driver gives up.
No text here contains a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sceplab_agent.core.events import FailureCause
from sceplab_agent.exit_codes import ExitCode, exit_code_for
from sceplab_scep.attributes import FailInfo


class AgentError(Exception):
    """Root of everything this package raises on purpose."""

    exit_code: ExitCode = ExitCode.FAILED


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One mistake in a configuration file."""

    path: str
    """Dotted path of the key, for example ``trustpoint.lab.url``; empty: the whole file."""
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class ConfigError(AgentError):
    """A configuration file, or the command line, cannot be used.

    Args:
        file: name of the file, for people.
        problems: everything that is wrong with it, in the order found.
    """

    exit_code = ExitCode.CONFIGURATION

    def __init__(self, file: str, problems: tuple[ConfigProblem, ...]) -> None:
        super().__init__("\n".join(f"{file}: {problem}" for problem in problems))
        self.file = file
        self.problems = problems


class EnrollmentFailedError(AgentError):
    """A trustpoint ended without the certificate that was asked for.

    Args:
        trustpoint: its name.
        cause: whose fault it is; ``None`` when the journal does not say.
        reason: what happened, for a person.
    """

    def __init__(self, trustpoint: str, cause: FailureCause | None, reason: str) -> None:
        super().__init__(f"{trustpoint}: {reason}")
        self.trustpoint = trustpoint
        self.cause = cause
        self.reason = reason
        self.exit_code = exit_code_for(cause)


class CaNotTrustedError(EnrollmentFailedError):
    """The CA is not the one that is pinned, or nothing is pinned. Nothing was sent to it.

    Args:
        expected_hex: the configured pin as files write it, ``sha256:HEX``; empty without one.
    """

    def __init__(self, trustpoint: str, reason: str, *, expected_hex: str) -> None:
        super().__init__(trustpoint, FailureCause.TRUST, reason)
        self.expected_hex = expected_hex


class EnrollmentRejectedError(EnrollmentFailedError):
    """The CA refused.

    Args:
        fail_info: its reason code.
        fail_info_text: its words, for a person.
        transaction_id: of the request.
    """

    def __init__(
        self,
        trustpoint: str,
        reason: str,
        *,
        fail_info: FailInfo | None,
        fail_info_text: str,
        transaction_id: str,
    ) -> None:
        super().__init__(trustpoint, FailureCause.REJECTED, reason)
        self.fail_info = fail_info
        self.fail_info_text = fail_info_text
        self.transaction_id = transaction_id


class TransportError(AgentError):
    """No usable HTTP answer.

    Args:
        message: what happened and what to do, for a person.
        is_retryable: whether the same request may succeed later.
        cause: whose fault it is.
    """

    default_cause: ClassVar[FailureCause] = FailureCause.TRANSPORT

    def __init__(
        self, message: str, *, is_retryable: bool, cause: FailureCause | None = None
    ) -> None:
        super().__init__(message)
        self.is_retryable = is_retryable
        self.cause = cause or self.default_cause
        self.exit_code = exit_code_for(self.cause)


class TransportTimeoutError(TransportError):
    """Connecting, reading or the whole exchange took too long."""

    def __init__(self, message: str) -> None:
        super().__init__(message, is_retryable=True)


class ConnectionClosedError(TransportError):
    """The server reset or closed the connection before a complete answer."""

    def __init__(self, message: str) -> None:
        super().__init__(message, is_retryable=True)


class NoAnswerError(ConnectionClosedError):
    """The server took the request and closed the connection without a word."""


class HttpStatusError(TransportError):
    """The server answered with a status that is no success.

    Args:
        status: HTTP status code.
    """

    def __init__(
        self, status: int, message: str, *, is_retryable: bool, cause: FailureCause
    ) -> None:
        super().__init__(message, is_retryable=is_retryable, cause=cause)
        self.status = status


class UnusableReplyError(TransportError):
    """HTTP 200 with a body that is no answer of a SCEP server: HTML, nothing, garbage."""

    default_cause = FailureCause.PEER

    def __init__(self, message: str) -> None:
        super().__init__(message, is_retryable=True)


class JournalError(AgentError):
    """The journal cannot be read or written. It is never reset behind the operator's back."""


class JournalDamagedError(JournalError):
    """The journal itself is damaged, gone, or older than it was; no trustpoint can be trusted."""


class JournalOlderError(JournalDamagedError):
    """The journal ends before an entry that was written: an old copy, or its end was lost."""


class SnapshotDamagedError(JournalError):
    """What the journal knows of one trustpoint cannot be used; the others are not concerned.

    Args:
        trustpoint: its name.
        origin: where the snapshot is, for people.
        reason: what is wrong with it.
    """

    def __init__(self, trustpoint: str, origin: str, reason: str) -> None:
        super().__init__(
            f"what {origin} knows of trustpoint {trustpoint} cannot be used: {reason}; restore the "
            "journal from a copy or use the version that wrote it, or begin anew: "
            f"sceplab-agent set-aside {trustpoint}, then audit and enroll"
        )
        self.trustpoint = trustpoint


class JournalFullError(JournalError):
    """The journal cannot be written: disk full, read-only or failing. Nothing was lost."""

    exit_code = ExitCode.STORAGE


class StateDirBusyError(JournalError):
    """Another agent works in the state directory."""

    exit_code = ExitCode.CONFIGURATION


class InstallError(AgentError):
    """A certificate file cannot be written; the old files are still in their place."""


class HandOffError(AgentError):
    """A consumer does not take a certificate, or does not work with it.

    Args:
        handoff: its name.
        reason: what happened and what to do, for a person.
        may_pass: the same try may succeed later (a daemon that is not up, a full disk).
    """

    def __init__(self, handoff: str, reason: str, *, may_pass: bool = True) -> None:
        super().__init__(f"hand-off {handoff}: {reason}")
        self.handoff = handoff
        self.reason = reason
        self.may_pass = may_pass


class RequestRefusedError(AgentError):
    """A running agent does not do what a person asked of it; nothing was changed.

    Args:
        message: why, and what to do.
        exit_code: of the command that asked.
    """

    def __init__(self, message: str, *, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
