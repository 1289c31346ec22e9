"""The enrollment engine behind a device's console: intents become events of the agent's machine.

One `AgentPort` serves one device with any number of trustpoints. Everything a console shows comes
from the machines, the key store and the journals behind it.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
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
from sceplab_lab.key_pem import read_private_key, write_private_key
from sceplab_lab.port_announcer import NO_SERVER, PortAnnouncer
from sceplab_lab.port_carried import CarriedCertificates
from sceplab_lab.port_keybook import KeyBook
from sceplab_lab.port_keys import PortKeys
from sceplab_lab.port_lifetime import LifetimeInstaller, LifetimeStore
from sceplab_lab.port_observer import PortObserver
from sceplab_lab.port_places import Places
from sceplab_lab.port_settings import trustpoint_config
from sceplab_lab.port_trustpoint import Hooks, PortTrustpoint, is_under_way
from sceplab_lab.port_views import Standing
from sceplab_lab.worker import Worker
from sceplab_scep.algorithms import Floor

logger = logging.getLogger(__name__)


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
        self._keys = PortKeys(
            store, clock, worker=worker, book=KeyBook(state_dir), changed=self._tell
        )
        self._store = store
        self._places = Places(state_dir)
        self._installer = self._places.installer()
        self._making = threading.Lock()
        self._trustpoints: dict[str, PortTrustpoint] = {}
        self._leaving: set[PortTrustpoint] = set()
        """Removed, with work still under way."""
        self._announcer = PortAnnouncer(worker=worker, clock=clock, is_present=self._is_present)
        self._carried = CarriedCertificates(
            store=store,
            keys=self._keys,
            places=self._places,
            worker=worker,
            clock=clock,
            floor=floor,
            tell=self._announcer.tell,
            changed=self._tell,
        )
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
            DeviceError: there is no place for a new trustpoint (full disk, folder not writable), or
                a request is under way and the URL was taken away or added.
        """
        present = self._trustpoints.get(settings.name)
        if not settings.url:
            self._carried.check(settings)
            self._carried.load(settings.name)
            if present is not None:
                self._take_from_server(present)
            self._carried.configure(settings)
            return
        self._config(settings, has_challenge=False)
        if present is not None:
            self._carried.configure(settings)
            if settings != present.wanted:
                present.reconfigure(settings)
            return
        self._carried.load(settings.name)
        self._carried.require_rest(settings.name)
        try:
            trustpoint = self._new_trustpoint(settings)
        except (JournalError, OSError) as error:
            raise DeviceError(describe_breakdown(error)) from error
        self._carried.configure(settings)
        self._trustpoints[settings.name] = trustpoint
        trustpoint.start()

    def remove(self, name: str) -> None:
        """See `EnrollmentPort.remove`. The key pair of its label stays: keys belong to labels."""
        trustpoint = self._trustpoints.pop(name, None)
        self._carried.remove(name)
        if trustpoint is not None:
            self._abandon(trustpoint)
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
            self._feed(name, EnrollRequested())
            return
        has_challenge = bool(challenge or trustpoint.wanted.challenge)
        trustpoint.enroll(EnrollRequested(has_challenge=has_challenge), challenge)

    def renew(self, name: str) -> None:
        """See `EnrollmentPort.renew`."""
        self._feed(name, RenewRequested())

    def cancel(self, name: str) -> None:
        """See `EnrollmentPort.cancel`."""
        if self._carried.is_without_server(name):
            self._carried.cancel(name)
        else:
            self._feed(name, EnrollmentCancelled())

    def view(self, name: str) -> TrustpointView:
        """See `EnrollmentPort.view`."""
        trustpoint = self._trustpoints.get(name)
        if trustpoint is None:
            return self._carried.view(name)
        return self._carried.complete(name, trustpoint.standing.view)

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

    def import_ca(self, name: str, certificates_der: Sequence[bytes]) -> None:
        """See `EnrollmentPort.import_ca`. With a server, the CA is the pin for what that sends."""
        trustpoint = self._at_rest(name)
        if trustpoint is not None and trustpoint.standing.view.ca_certificates_der:
            raise DeviceError(f"trustpoint {name} has a CA already")
        self._carried.import_ca(name, certificates_der)
        if trustpoint is not None:
            trustpoint.reconfigure(trustpoint.wanted)

    def create_request(self, name: str, *, challenge: str = "") -> None:
        """See `EnrollmentPort.create_request`."""
        self._carried.create_request(name, challenge=challenge)

    def import_certificate(self, name: str, certificate_der: bytes) -> None:
        """See `EnrollmentPort.import_certificate`."""
        self._carried.import_certificate(name, certificate_der)

    def import_pkcs12(
        self, name: str, data: bytes, passphrase: str, *, key_label: str, exportable: bool
    ) -> None:
        """See `EnrollmentPort.import_pkcs12`, and `port_carried` for trustpoints with a server.

        Raises:
            DeviceError: also for a certificate that came from the server: remove it first.
        """
        trustpoint = self._at_rest(name)
        if trustpoint is not None and trustpoint.standing.active_key is not None:
            raise DeviceError(f"trustpoint {name} has a certificate from its server")
        self._carried.import_pkcs12(
            name, data, passphrase, key_label=key_label, exportable=exportable
        )
        if trustpoint is not None:
            trustpoint.reconfigure(trustpoint.wanted)

    def export_pkcs12(self, name: str, passphrase: str) -> bytes:
        """See `EnrollmentPort.export_pkcs12`."""
        return self._carried.export_pkcs12(name, self.view(name), passphrase)

    def import_key(self, label: str, pem: str, passphrase: str, *, exportable: bool) -> None:
        """See `EnrollmentPort.import_key`. The store is waited for."""
        self._keys.import_key(label, read_private_key(pem, passphrase), exportable=exportable)

    def export_key(self, label: str, passphrase: str, cipher: str) -> str:
        """See `EnrollmentPort.export_key`. The store is waited for."""
        key = self._keys.export_key(label)
        return write_private_key(key, passphrase, cipher, random_bytes=self._rng.randbytes)

    # --- for whoever runs the device --------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether a key is being made or any trustpoint works right now."""
        works = any(trustpoint.is_busy for trustpoint in self._trustpoints.values())
        is_moving = bool(self._leaving) or self._carried.is_busy
        return works or is_moving or self._keys.is_busy

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
        self._carried.close()

    # --- inside -----------------------------------------------------------------------------------

    def _feed(self, name: str, event: Event) -> None:
        trustpoint = self._trustpoints.get(name)
        if trustpoint is not None:
            trustpoint.feed(event)
        elif self._carried.is_without_server(name):
            self._announcer.not_configured(name, event, NO_SERVER)
        else:
            self._announcer.not_configured(name, event)

    def _at_rest(self, name: str) -> PortTrustpoint | None:
        """The trustpoint's machine, where it has one.

        Raises:
            DeviceError: it works on something.
        """
        trustpoint = self._trustpoints.get(name)
        if trustpoint is not None and is_under_way(trustpoint):
            raise DeviceError(f"trustpoint {name} is enrolling; cancel that first")
        return trustpoint

    def _take_from_server(self, trustpoint: PortTrustpoint) -> None:
        """Keeps what a machine obtained and ends it: its trustpoint has no server any more."""
        name = trustpoint.settings.name
        self._at_rest(name)
        key_id = trustpoint.standing.active_key or ""
        self._carried.adopt(name, self.view(name), key_id)
        del self._trustpoints[name]
        self._abandon(trustpoint)
        try:
            self._places.drop_journal(name)
        except OSError as error:
            reason = describe_breakdown(error)
            logger.warning("trustpoint %s: its journal cannot be removed now: %s", name, reason)
        self.on_change()

    def _abandon(self, trustpoint: PortTrustpoint) -> None:
        if trustpoint.is_busy:
            self._leaving.add(trustpoint)
        for key_id in trustpoint.abandon() - self._keys_in_use(without=trustpoint):
            self._keys.discard(key_id)

    def _new_trustpoint(self, settings: TrustpointSettings) -> PortTrustpoint:
        journal = self._places.journal(settings.name)
        try:
            return PortTrustpoint(
                settings,
                journal=journal,
                request_file=self._places.request_file(settings.name),
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
        carried = self._carried.keys_in_use(without=without.settings.name)
        return carried | {key for key in keys if key is not None}

    def _config(self, settings: TrustpointSettings, *, has_challenge: bool) -> TrustpointConfig:
        return trustpoint_config(
            self._carried.pinned(settings),
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
        if standing.active_key is not None:
            self._carried.supersede(trustpoint.settings.name)
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
