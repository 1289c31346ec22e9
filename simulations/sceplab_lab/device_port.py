"""The enrollment engine behind a device's console: intents become events of the agent's machine.

One `AgentPort` serves one device with any number of trustpoints. Everything a console shows comes
from the machines, the key store and the journals behind it.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

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
from sceplab_agent.errors import JournalError
from sceplab_agent.executor import Surroundings
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.transport import HttpTransport
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_devices.api import KeyView, PortEvent, TrustpointSettings, TrustpointView
from sceplab_devices.errors import DeviceError
from sceplab_hsm.api import KeyStore
from sceplab_lab.breakdown import describe_breakdown
from sceplab_lab.port_announcer import PortAnnouncer
from sceplab_lab.port_carried import CarriedCertificates
from sceplab_lab.port_keybook import KeyBook
from sceplab_lab.port_keys import PortKeys
from sceplab_lab.port_lifetime import LifetimeInstaller, LifetimeStore
from sceplab_lab.port_observer import PortObserver
from sceplab_lab.port_places import Places
from sceplab_lab.port_settings import trustpoint_config
from sceplab_lab.port_trustpoint import Hooks, PortTrustpoint
from sceplab_lab.port_views import Standing
from sceplab_lab.worker import Worker
from sceplab_scep.algorithms import Floor

logger = logging.getLogger(__name__)


def ignore_move(trustpoint: str, old: State, new: State) -> None:
    """For ports whose state changes nobody watches."""
    del trustpoint, old, new


class AgentPort(CarriedCertificates):
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
        self._keys = PortKeys(
            store,
            clock,
            worker=worker,
            book=KeyBook(state_dir),
            changed=self._tell,
        )
        self._store = store
        self._places = Places(state_dir)
        self._installer = self._places.installer()
        self._making = threading.Lock()
        self._trustpoints: dict[str, PortTrustpoint] = {}
        self._leaving: set[PortTrustpoint] = set()
        """Removed, with work still under way."""
        self._announcer = PortAnnouncer(worker=worker, clock=clock, is_present=self._is_present)
        self._hooks = Hooks(
            make_session=self._make_session,
            refused=self._announcer.refused,
            broke_off=self._announcer.broke_off,
            stands=self._follow_keys,
            changed=self._changed,
        )
        self.on_change: Callable[[], None] = lambda: None
        """Called when deadlines may have changed."""

    # --- EnrollmentPort ---------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[PortEvent], None]) -> None:
        """See `EnrollmentPort.subscribe`."""
        self._announcer.subscribe(listener)

    def configure(self, settings: TrustpointSettings) -> None:
        """See `EnrollmentPort.configure`.

        Raises:
            ValueError: the settings do not make a trustpoint; the text says why. What was
                configured before stays.
            DeviceError: there is no place for a new trustpoint: full disk, folder not writable.
        """
        self._config(settings, has_challenge=False)
        present = self._trustpoints.get(settings.name)
        if present is not None:
            if settings != present.wanted:
                present.reconfigure(settings)
            return
        try:
            trustpoint = self._new_trustpoint(settings)
        except (JournalError, OSError) as error:
            raise DeviceError(describe_breakdown(error)) from error
        self._trustpoints[settings.name] = trustpoint
        trustpoint.start()

    def remove(self, name: str) -> None:
        """See `EnrollmentPort.remove`. The key pair of its label stays: keys belong to labels."""
        trustpoint = self._trustpoints.pop(name, None)
        if trustpoint is not None:
            if trustpoint.is_busy:
                self._leaving.add(trustpoint)
            for key_id in trustpoint.abandon() - self._keys_in_use(without=trustpoint):
                self._keys.discard(key_id)
        try:
            self._places.forget(name)
        except OSError as error:
            reason = describe_breakdown(error)
            logger.warning("trustpoint %s: its files cannot be removed now: %s", name, reason)
        self.on_change()

    def authenticate(self, name: str) -> None:
        """See `EnrollmentPort.authenticate`."""
        self._feed(name, AuthenticateRequested())

    def answer_ca(self, name: str, *, accept: bool) -> None:
        """See `EnrollmentPort.answer_ca`."""
        self._feed(name, CaAccepted() if accept else CaRefused())

    def enroll(self, name: str, *, challenge: str) -> None:
        """See `EnrollmentPort.enroll`."""
        trustpoint = self._trustpoints.get(name)
        if trustpoint is None:
            self._announcer.not_configured(name, EnrollRequested())
            return
        has_challenge = bool(challenge or trustpoint.wanted.challenge)
        trustpoint.enroll(EnrollRequested(has_challenge=has_challenge), challenge)

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
        return trustpoint.standing.view

    def key_algorithms(self) -> frozenset[str]:
        """See `EnrollmentPort.key_algorithms`."""
        return self._keys.algorithms()

    def generate_key(self, label: str, algorithm: str, *, exportable: bool) -> None:
        """See `EnrollmentPort.generate_key`."""
        self._keys.generate(
            label,
            algorithm,
            exportable=exportable,
            done=lambda reason: self._key_made(label, reason),
        )

    def delete_key(self, label: str) -> bool:
        """See `EnrollmentPort.delete_key`."""
        return self._keys.delete(label)

    def keys(self) -> list[KeyView]:
        """See `EnrollmentPort.keys`."""
        return self._keys.views()

    # --- for whoever runs the device --------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether a key is being made or any trustpoint works right now."""
        works = any(trustpoint.is_busy for trustpoint in self._trustpoints.values())
        return works or bool(self._leaving) or self._keys.is_busy

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
            self._announcer.not_configured(name, event)
        else:
            trustpoint.feed(event)

    def _new_trustpoint(self, settings: TrustpointSettings) -> PortTrustpoint:
        journal = self._places.journal(settings.name)
        try:
            return PortTrustpoint(
                settings,
                journal=journal,
                transport=self._transport,
                worker=self._worker,
                clock=self._clock,
                hooks=self._hooks,
            )
        except JournalError:
            journal.close()
            raise

    def _keys_in_use(self, *, without: PortTrustpoint) -> frozenset[str]:
        """Names of the keys that other trustpoints work with."""
        others = [one.standing for one in self._trustpoints.values() if one is not without]
        keys = {key for other in others for key in (other.active_key, other.new_key)}
        return frozenset(key for key in keys if key is not None)

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
            trustpoint,
            clock=self._clock,
            show=lambda standing: self._show(trustpoint, standing),
            publish=lambda event: self._announcer.publish(trustpoint, event),
            moved=self._moved,
        )
        return EnrollmentSession(
            config,
            Surroundings(
                store=LifetimeStore(
                    self._store,
                    trustpoint.lifetime,
                    self._making,
                    made=lambda key_id: self._claim(key_id, trustpoint.settings.key_label),
                ),
                journal=trustpoint.journal,
                installer=LifetimeInstaller(self._installer, trustpoint.lifetime),
                challenge=trustpoint.challenge_source,
                random_bytes=self._rng.randbytes,
                clock=self._clock,
                observer=observer,
            ),
            rng=self._rng,
            # IOS: 32 upper-case hexadecimal digits (device-cli-flows 1.6)
            new_transaction_id=lambda: self._rng.randbytes(16).hex().upper(),
        )

    def _claim(self, key_id: str, label: str) -> None:
        """Takes in a key that the agent made; in the thread that made it."""
        self._keys.claim(key_id)
        self._worker.report(lambda: self._keys.note_made(key_id, label))

    def _show(self, trustpoint: PortTrustpoint, standing: Standing) -> None:
        self._worker.report(lambda: self._take_standing(trustpoint, standing))

    def _take_standing(self, trustpoint: PortTrustpoint, standing: Standing) -> None:
        if self._is_present(trustpoint):
            trustpoint.take_note(standing)

    def _follow_keys(self, trustpoint: PortTrustpoint) -> None:
        standing = trustpoint.standing
        self._keys.follow(
            standing.view.key_label,
            base=standing.base_key,
            active=standing.active_key,
            new=standing.new_key,
            in_use=self._keys_in_use(without=trustpoint),
        )

    def _is_present(self, trustpoint: PortTrustpoint) -> bool:
        """False for one that was removed, also when there is another of its name."""
        return self._trustpoints.get(trustpoint.settings.name) is trustpoint

    def _tell(self) -> None:
        self.on_change()

    def _key_made(self, label: str, refusal: str) -> None:
        self._announcer.key_made(label, refusal)
        self.on_change()

    def _changed(self, trustpoint: PortTrustpoint) -> None:
        self._leaving.discard(trustpoint)
        self._keys.look_again()
        self.on_change()
