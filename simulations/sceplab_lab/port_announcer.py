"""Tells a device what its enrollment engine did, in the order it happened and in its own thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from sceplab_agent.core.events import (
    AuthenticateRequested,
    EnrollRequested,
    Event,
    RenewRequested,
)
from sceplab_agent.core.model import Goal
from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_lab.port_trustpoint import PortTrustpoint
from sceplab_lab.worker import Worker

logger = logging.getLogger(__name__)

_NOT_NOW = {
    AuthenticateRequested: PortEventKind.CA_UNREACHABLE,
    EnrollRequested: PortEventKind.ENROLL_FAILED,
    RenewRequested: PortEventKind.RENEW_FAILED,
}
"""What a console hears when an intent does not fit the present state, or its work broke off."""
_BROKEN_OFF = {
    Goal.AUTHENTICATE: PortEventKind.CA_UNREACHABLE,
    Goal.RENEW: PortEventKind.RENEW_FAILED,
}
"""What it hears when work broke off that nobody asked for just now; else: the enrollment failed."""
_NOT_CONFIGURED = "the trustpoint's configuration is incomplete"
NO_SERVER = "the trustpoint has no enrollment URL"


class PortAnnouncer:
    """Hands events to whoever listens.

    Args:
        worker: brings calls to the owner's thread.
        clock: now, aware UTC.
        is_present: whether a trustpoint was not removed; of others nobody hears any more.
    """

    def __init__(
        self,
        *,
        worker: Worker,
        clock: Callable[[], datetime],
        is_present: Callable[[PortTrustpoint], bool],
    ) -> None:
        self._worker = worker
        self._clock = clock
        self._is_present = is_present
        self._listeners: list[Callable[[PortEvent], None]] = []

    def subscribe(self, listener: Callable[[PortEvent], None]) -> None:
        """See `EnrollmentPort.subscribe`."""
        self._listeners.append(listener)

    def publish(self, trustpoint: PortTrustpoint, event: PortEvent) -> None:
        """From any thread: an event of a trustpoint."""
        self._worker.report(lambda: self._deliver_of(trustpoint, event))

    def refused(self, trustpoint: PortTrustpoint, event: Event, reason: str) -> None:
        """From any thread: an intent that does not fit the present state."""
        self._publish_failure(trustpoint, _NOT_NOW.get(type(event)), reason)

    def broke_off(
        self, trustpoint: PortTrustpoint, event: Event | None, goal: Goal, reason: str
    ) -> None:
        """Work that raised: for the event it was to handle, or for what was wanted before."""
        by_goal = _BROKEN_OFF.get(goal, PortEventKind.ENROLL_FAILED)
        self._publish_failure(trustpoint, _NOT_NOW.get(type(event), by_goal), reason)

    def not_configured(self, name: str, event: Event, reason: str = _NOT_CONFIGURED) -> None:
        """An intent for a trustpoint that is none, or has no server."""
        kind = _NOT_NOW.get(type(event))
        if kind:
            self.tell(PortEvent(kind=kind, trustpoint=name, at=self._clock(), reason=reason))

    def key_made(self, label: str, refusal: str) -> None:
        """A key pair is there, or will not come."""
        self.tell(
            PortEvent(
                kind=PortEventKind.KEY_REFUSED if refusal else PortEventKind.KEY_GENERATED,
                trustpoint="",
                at=self._clock(),
                reason=refusal,
                details={"label": label},
            )
        )

    def _publish_failure(self, trustpoint: PortTrustpoint, kind: str | None, reason: str) -> None:
        name = trustpoint.settings.name
        logger.info("trustpoint %s: %s", name, reason)
        if kind:
            event = PortEvent(kind=kind, trustpoint=name, at=self._clock(), reason=reason)
            self.publish(trustpoint, event)

    def _deliver_of(self, trustpoint: PortTrustpoint, event: PortEvent) -> None:
        if self._is_present(trustpoint):
            self.tell(event)

    def tell(self, event: PortEvent) -> None:
        """In the owner's thread: an event of whatever trustpoint."""
        for listener in self._listeners:
            listener(event)
