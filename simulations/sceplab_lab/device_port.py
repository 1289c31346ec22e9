"""The enrollment engine behind a device's console: intents become events of the agent's machine.

One `AgentPort` serves one device with any number of trustpoints. Everything a console shows comes
from the machines, the key store and the journals behind it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sceplab_agent.challenge import ChallengeSource
from sceplab_agent.core.events import (
    AuthenticateRequested,
    CaAccepted,
    CaRefused,
    EnrollmentCancelled,
    EnrollRequested,
    Event,
    RenewRequested,
)
from sceplab_agent.core.states import State
from sceplab_agent.executor import Surroundings
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.transport import HttpTransport
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_devices.api import (
    KeyView,
    PortEvent,
    PortEventKind,
    TrustpointSettings,
    TrustpointView,
)
from sceplab_hsm.api import KeyStore
from sceplab_lab.port_keys import PortKeys
from sceplab_lab.port_observer import PortObserver
from sceplab_lab.port_places import Places
from sceplab_lab.port_settings import trustpoint_config
from sceplab_lab.port_trustpoint import PortTrustpoint
from sceplab_lab.port_views import view_of
from sceplab_lab.worker import Worker
from sceplab_scep.algorithms import Floor

logger = logging.getLogger(__name__)

_NOT_NOW = {
    AuthenticateRequested: PortEventKind.CA_UNREACHABLE,
    EnrollRequested: PortEventKind.ENROLL_FAILED,
    RenewRequested: PortEventKind.RENEW_FAILED,
}
"""What a console hears when an intent does not fit the present state."""
_NOT_CONFIGURED = "the trustpoint's configuration is incomplete"


def ignore_move(trustpoint: str, old: State, new: State) -> None:
    """For ports whose state changes nobody watches."""
    del trustpoint, old, new


class AgentPort:
    """Implements `sceplab_devices.api.EnrollmentPort` with the agent.

    Lives in one thread; `tick` is to be called when `next_deadline` has come.

    Args:
        store: the device's key store; closed by whoever opened it.
        transport: reaches the server.
        worker: where cryptography, journal and HTTP happen.
        clock: now, aware UTC.
        rng: source of transactionIDs, nonces and jitter; a lab's, not a device's.
        state_dir: the device's folder; ``None`` keeps everything in memory.
        floor: weakest algorithms the device accepts.
        moved: told of every change of state, in the worker's thread.
    """

    def __init__(
        self,
        *,
        store: KeyStore,
        transport: HttpTransport,
        worker: Worker,
        clock: Callable[[], datetime],
        rng: random.Random,
        state_dir: Path | None = None,
        floor: Floor = Floor.MODERN,
        moved: Callable[[str, State, State], None] = ignore_move,
    ) -> None:
        self._transport = transport
        self._worker = worker
        self._clock = clock
        self._rng = rng
        self._floor = floor
        self._moved = moved
        self._keys = PortKeys(store, clock)
        self._store = store
        self._places = Places(state_dir)
        self._installer = self._places.installer()
        self._trustpoints: dict[str, PortTrustpoint] = {}
        self._listeners: list[Callable[[PortEvent], None]] = []
        self.on_change: Callable[[], None] = lambda: None
        """Called when deadlines may have changed."""

    # --- EnrollmentPort ---------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[PortEvent], None]) -> None:
        """See `EnrollmentPort.subscribe`."""
        self._listeners.append(listener)

    def configure(self, settings: TrustpointSettings) -> None:
        """See `EnrollmentPort.configure`.

        Raises:
            ValueError: the settings do not make a trustpoint; the text says why. What was
                configured before stays.
        """
        self._config(settings, has_challenge=False)
        present = self._trustpoints.get(settings.name)
        if present is not None:
            if settings != present.settings:
                present.reconfigure(settings)
            return
        self._trustpoints[settings.name] = PortTrustpoint(
            settings,
            make_session=self._make_session,
            journal=self._places.journal(settings.name),
            transport=self._transport,
            worker=self._worker,
            refused=self._refused,
            changed=self.on_change,
        )

    def remove(self, name: str) -> None:
        """See `EnrollmentPort.remove`."""
        trustpoint = self._trustpoints.pop(name, None)
        if trustpoint is not None:
            trustpoint.close()
            self._places.forget(name)

    def authenticate(self, name: str) -> None:
        """See `EnrollmentPort.authenticate`."""
        self._feed(name, AuthenticateRequested())

    def answer_ca(self, name: str, *, accept: bool) -> None:
        """See `EnrollmentPort.answer_ca`."""
        self._feed(name, CaAccepted() if accept else CaRefused())

    def enroll(self, name: str, *, challenge: str) -> None:
        """See `EnrollmentPort.enroll`."""
        event = EnrollRequested(has_challenge=bool(challenge))
        trustpoint = self._trustpoints.get(name)
        if trustpoint is None:
            self._refused(name, event, _NOT_CONFIGURED)
        else:
            trustpoint.enroll(event, challenge)

    def renew(self, name: str) -> None:
        """See `EnrollmentPort.renew`."""
        self._feed(name, RenewRequested())

    def cancel(self, name: str) -> None:
        """See `EnrollmentPort.cancel`."""
        self._feed(name, EnrollmentCancelled())

    def view(self, name: str) -> TrustpointView:
        """See `EnrollmentPort.view`."""
        trustpoint = self._trustpoints.get(name)
        if trustpoint is None:
            return TrustpointView(state=State.UNCONFIGURED.value)
        return view_of(trustpoint)

    def generate_key(self, label: str, algorithm: str, *, exportable: bool) -> KeyView:
        """See `EnrollmentPort.generate_key`."""
        return self._keys.generate(label, algorithm, exportable=exportable)

    def delete_key(self, label: str) -> bool:
        """See `EnrollmentPort.delete_key`."""
        return self._keys.delete(label)

    def keys(self) -> list[KeyView]:
        """See `EnrollmentPort.keys`."""
        return self._keys.views()

    # --- for whoever runs the device --------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether any trustpoint works right now."""
        return any(trustpoint.is_busy for trustpoint in self._trustpoints.values())

    def next_deadline(self) -> datetime | None:
        """When `tick` is due next."""
        deadlines = (trustpoint.next_deadline() for trustpoint in self._trustpoints.values())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def tick(self) -> None:
        """Serves every deadline that has come."""
        now = self._clock()
        for trustpoint in tuple(self._trustpoints.values()):
            deadline = trustpoint.next_deadline()
            if deadline is not None and deadline <= now:
                trustpoint.serve_deadline()

    def close(self) -> None:
        """Ends all trustpoints; what they obtained stays where it is."""
        for trustpoint in self._trustpoints.values():
            trustpoint.close()
        self._trustpoints.clear()

    # --- inside -----------------------------------------------------------------------------------

    def _feed(self, name: str, event: Event) -> None:
        trustpoint = self._trustpoints.get(name)
        if trustpoint is None:
            self._refused(name, event, _NOT_CONFIGURED)
        else:
            trustpoint.feed(event)

    def _config(self, settings: TrustpointSettings, *, has_challenge: bool) -> TrustpointConfig:
        return trustpoint_config(
            settings,
            key_id=self._keys.id_of(settings.key_label),
            floor=self._floor,
            has_challenge=has_challenge,
        )

    def _make_session(self, trustpoint: PortTrustpoint) -> EnrollmentSession:
        config = self._config(trustpoint.settings, has_challenge=bool(trustpoint.challenge))
        observer = PortObserver(
            trustpoint, clock=self._clock, publish=self._publish, moved=self._moved
        )
        return EnrollmentSession(
            config,
            Surroundings(
                store=self._store,
                journal=trustpoint.journal,
                installer=self._installer,
                challenge=ChallengeSource.fixed(trustpoint.challenge),
                random_bytes=self._rng.randbytes,
                clock=self._clock,
                observer=observer,
            ),
            rng=self._rng,
            # IOS: 32 upper-case hexadecimal digits (device-cli-flows 1.6)
            new_transaction_id=lambda: self._rng.randbytes(16).hex().upper(),
        )

    def _publish(self, event: PortEvent) -> None:
        self._worker.report(lambda: self._deliver(event))

    def _deliver(self, event: PortEvent) -> None:
        trustpoint = self._trustpoints.get(event.trustpoint)
        if trustpoint is not None:
            self._keys.follow(trustpoint.settings.key_label, trustpoint.session.machine)
        for listener in self._listeners:
            listener(event)

    def _refused(self, name: str, event: Event, reason: str) -> None:
        logger.info("trustpoint %s: %s", name, reason)
        kind = _NOT_NOW.get(type(event))
        if kind:
            self._publish(PortEvent(kind=kind, trustpoint=name, at=self._clock(), reason=reason))
