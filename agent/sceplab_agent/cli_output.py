"""What the command line prints: results on standard output, progress and errors beside it."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sceplab_agent.core.commands import NoticeLevel, Notify
from sceplab_agent.core.states import State
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.journal import JournalEntry
from sceplab_agent.observer import SilentObserver
from sceplab_agent.status import TrustpointStatus
from sceplab_agent.store_choice import FALLBACK_EVENT
from sceplab_agent.text import clean_text
from sceplab_scep.certificates import fingerprint
from sceplab_scep.errors import ScepError
from sceplab_scep.trace import explain


class Output:
    """Prints for a person or for a program.

    Args:
        as_json: one JSON document on standard output.
        is_quiet: no progress; errors are always told.
    """

    def __init__(self, *, as_json: bool, is_quiet: bool) -> None:
        self.as_json = as_json
        self.is_quiet = is_quiet

    def say(self, text: str) -> None:
        """A line of progress."""
        if not self.is_quiet:
            print(text, file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """A line that is told also to who wants no progress."""
        print(text, file=sys.stderr, flush=True)

    def trace(self, text: str) -> None:
        """A message explained, asked for by name."""
        print(text, file=sys.stderr, flush=True)

    def fail(self, message: str, code: ExitCode) -> int:
        """Tells an error; gives the exit code back."""
        if self.as_json:
            self.document({"ok": False, "exit_code": int(code), "error": message})
        else:
            print(f"sceplab-agent: {message}", file=sys.stderr, flush=True)
        return int(code)

    def document(self, value: Mapping[str, object]) -> None:
        """The JSON answer."""
        print(json.dumps(value, indent=2, ensure_ascii=False), flush=True)

    def text(self, text: str) -> None:
        """The answer for a person."""
        print(text, flush=True)

    def statuses(self, statuses: Sequence[TrustpointStatus], code: ExitCode) -> int:
        """How trustpoints stand, and how the command ended; gives the exit code back."""
        if self.as_json:
            self.document(
                {
                    "ok": code is ExitCode.OK,
                    "exit_code": int(code),
                    "trustpoints": [status.to_json() for status in statuses],
                }
            )
        else:
            self.text("\n\n".join(format_status(status) for status in statuses))
        return int(code)


class Progress(SilentObserver):
    """Prints what the journal gets and what the machine notices, one line each.

    Args:
        output: where to.
        clock: now, aware UTC; stamps notices, which have no time of their own.
        is_tracing: explain every message, also to who wants no progress.
    """

    def __init__(
        self, output: Output, clock: Callable[[], datetime], *, is_tracing: bool = False
    ) -> None:
        self._output = output
        self._clock = clock
        self._is_tracing = is_tracing
        self._states: dict[str, State] = {}
        self._lock = threading.Lock()

    def recorded(self, entry: JournalEntry) -> None:
        """Prints the entry."""
        is_fallback = entry.event_id == FALLBACK_EVENT
        tell = self._output.warn if is_fallback else self._output.say
        self._print(entry.at, entry.trustpoint, entry.event_id, entry.details, tell)

    def noticed(self, trustpoint: str, notice: Notify) -> None:
        """Prints the notice, unless it only informs."""
        if notice.level is not NoticeLevel.INFO:
            self._print(
                self._clock(), trustpoint, notice.event_id, notice.details, self._output.say
            )

    def state_changed(self, trustpoint: str, old: State, new: State) -> None:
        """Keeps the state for the next line."""
        with self._lock:
            self._states[trustpoint] = new

    def asked(self, trustpoint: str, certificate_der: bytes) -> None:
        """Prints the fingerprint that the operator has to compare, and how to approve it."""
        sha256 = fingerprint(certificate_der, "sha256").hex()
        step = "compare it with what the CA's operator says, then: sceplab-agent"
        details = {"sha256": sha256, "next_step": f"{step} approve-fingerprint {trustpoint} SHA256"}
        self._print(self._clock(), trustpoint, "ca.asked", details, self._output.warn)

    def message_sent(self, trustpoint: str, message_der: bytes) -> None:
        """Explains the message."""
        self._trace(f"{trustpoint} sends", message_der)

    def message_received(self, trustpoint: str, body: bytes) -> None:
        """Explains the body."""
        self._trace(f"{trustpoint} received", body)

    def _trace(self, title: str, message: bytes) -> None:
        if not self._is_tracing:
            return
        try:
            explained = str(explain(message))
        except ScepError as error:
            explained = f"no pkiMessage: {clean_text(str(error))}"
        self._output.trace(f"{title} {len(message)} bytes\n{explained}")

    def _print(
        self,
        at: datetime,
        trustpoint: str,
        event_id: str,
        details: Mapping[str, object],
        tell: Callable[[str], None],
    ) -> None:
        with self._lock:
            state = self._states.get(trustpoint)
        shown = " ".join(f"{name}={value}" for name, value in details.items() if value is not None)
        where = state.value if state else "-"
        tell(f"{at:%H:%M:%S} {trustpoint} {where} {event_id} {shown}".rstrip())


def format_status(status: TrustpointStatus) -> str:
    """A status for a person, several lines."""
    rows = [
        ("subject", status.subject),
        ("serial", status.serial_number),
        ("valid", _span(status.not_before, status.not_after)),
        ("renewal", _moment(status.renewal_at)),
        ("note", status.renewal_note),
        ("key usage", status.key_usage),
        ("sha256", status.certificate_sha256),
        ("file", status.certificate_file),
        ("key", status.key_id),
        ("key store", status.key_store + (" (fallback)" if status.is_fallback else "")),
        ("CA sha256", status.ca_sha256 and f"{status.ca_sha256} ({status.ca_basis})"),
        ("next CA", _next_ca(status)),
        ("shadow", _shadow(status)),
        ("CA asked", status.asked_sha256 and f"{status.asked_sha256} (waits for approval)"),
        ("transaction", status.transaction_id),
        ("polls", str(status.polls) if status.transaction_id else ""),
        ("goes on", _moment(status.next_step_at)),
        ("hand-off", status.handoff),
        ("failure", status.failure),
        ("to do", status.next_step),
    ]
    lines = [f"{status.name}: {status.state.value}"]
    lines += [f"  {label:<12} {value}" for label, value in rows if value]
    return "\n".join(lines)


def _next_ca(status: TrustpointStatus) -> str:
    if not status.next_ca_sha256:
        return ""
    waits = "waits for approval; " if status.next_ca_sha256 == status.asked_sha256 else ""
    return f"{status.next_ca_sha256} ({waits}switch by {_moment(status.switch_at)})"


def _shadow(status: TrustpointStatus) -> str:
    match status.shadow:
        case "ready":
            span = _span(status.shadow_not_before, status.shadow_not_after)
            return f"ready, {status.shadow_sha256} ({span})"
        case "asked":
            text = "is being asked for"
        case "planned":
            text = f"asked for at {_moment(status.shadow_at)}"
        case "none":
            text = "none: the switch is a renewal"
        case _:
            return ""
    return f"{text}; last attempt: {status.shadow_failure}" if status.shadow_failure else text


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment is not None else ""


def _span(start: datetime | None, end: datetime | None) -> str:
    return f"{_moment(start)} to {_moment(end)}" if start is not None else ""
