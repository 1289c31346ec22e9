"""What happened at the server, for logs, demos and reports.

Events carry no secret: no password, no decrypted content. They are for whoever watches; what has to
survive (who approved, denied, revoked, fetched a password) is in the depot.

Catalogue of kinds: ``capabilities.sent``, ``ca_certificate.sent``, ``next_ca.sent``,
``page.general``,
``page.password``, ``page.cache_full``, ``page.no_permission``, ``login.refused``,
``request.issued``, ``request.redelivered``, ``request.pending``, ``request.refused``,
``crl.sent``, ``certificate.sent``, ``http.refused``, ``rollover.switched``.

``request.redelivered`` hands out a certificate
that exists already: to a poll after an approval, or to a message that came before.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

from sceplab_ndes.refusals import format_hresult
from sceplab_scep.attributes import FailInfo, MessageType
from sceplab_scep.envelope import OpenedEnvelope
from sceplab_scep.errors import RemoteProtocolError

if TYPE_CHECKING:
    from sceplab_scep.trace import MessageTrace


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """One thing that happened."""

    kind: str
    at: datetime
    peer: str = ""
    operation: str = ""
    """SCEP operation, as the query spells it."""
    status: int = 200
    """HTTP status of the answer."""
    message_type: MessageType | None = None
    transaction_id: str = ""
    request_id: int | None = None
    subject: str = ""
    serial: str = ""
    user: str = ""
    cause: str = ""
    """Row of the table of refusals."""
    detail: str = ""
    fail_info: FailInfo | None = None
    hresult: int | None = None
    floor: str = ""
    deviations: tuple[str, ...] = ()
    """Where the message departs from the rules and was accepted all the same."""
    message: bytes = b""
    """The pkiMessage received."""
    reply: bytes = b""
    """The CertRep sent."""
    opened: OpenedEnvelope | None = None
    """The opened envelope, for the trace; never printed as it is."""

    def record(self) -> dict[str, object]:
        """The event as JSON can hold it; empty fields and the messages themselves are left out."""
        found: dict[str, object] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in {"message", "reply", "opened"} or value in {"", None, ()}:
                continue
            found[field.name] = value
        found["at"] = self.at.isoformat()
        if self.message_type is not None:
            found["message_type"] = self.message_type.name
        if self.fail_info is not None:
            found["fail_info"] = self.fail_info.wire_name
        if self.hresult is not None:
            found["hresult"] = format_hresult(self.hresult)
        return found

    def trace_message(self) -> MessageTrace | None:
        """The request as one readable block; ``None`` for events without a message."""
        return _trace(self.message, self.opened) if self.message else None

    def trace_reply(self) -> MessageTrace | None:
        """The CertRep as one readable block; ``None`` for events without one."""
        return _trace(self.reply, None) if self.reply else None


def _trace(data: bytes, opened: OpenedEnvelope | None) -> MessageTrace:
    from sceplab_scep.trace import MessageTrace, explain

    try:
        return explain(data, opened=opened)
    except RemoteProtocolError as error:
        return MessageTrace("unreadable message", (str(error), f"{len(data)} bytes"))


EventSink = Callable[[ServerEvent], None]
"""Called after the answer is decided and committed, possibly from several threads."""


def ignore_event(event: ServerEvent) -> None:
    """A sink for nobody."""
    del event


def json_lines(stream: TextIO) -> EventSink:
    """A sink that writes one JSON object a line.

    Args:
        stream: text stream; each line is flushed.
    """

    def write(event: ServerEvent) -> None:
        stream.write(json.dumps(event.record()) + "\n")
        stream.flush()

    return write
