"""Carries one command of the machine out and says what came of it, as an event.

A `Record` is durable before the next command starts; the machine puts one in front of every effect
that cannot be taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sceplab_agent.challenge import ChallengeSource
from sceplab_agent.core.commands import (
    AskOperator,
    BuildRequest,
    Command,
    DeleteKey,
    FetchCa,
    FetchNextCa,
    GenerateKey,
    HandOver,
    InstallCertificate,
    Notify,
    Record,
    SendRequest,
)
from sceplab_agent.core.events import (
    CaCertificatesReceived,
    CertificateInstalled,
    Event,
    FailureCause,
    InstallFailed,
    KeyDeleted,
    KeyFailed,
    KeyReady,
    NextCaAbsent,
    NextCaReceived,
    TransportFailed,
)
from sceplab_agent.errors import HttpStatusError, InstallError, JournalError, TransportError
from sceplab_agent.exchange import Exchange
from sceplab_agent.handoff.again import HandedAgain
from sceplab_agent.handoff.api import HandOff
from sceplab_agent.handoff.delivery import DeliveryRoom, read_open_run
from sceplab_agent.handoff.run import MARK, HandOffRun, OpenRun
from sceplab_agent.install import CertificateInstaller
from sceplab_agent.journal import Detail, Journal, StoredSnapshot
from sceplab_agent.key_claims import KeyClaims, public_key_of
from sceplab_agent.key_stores import may_pass
from sceplab_agent.observer import Observer, SilentObserver
from sceplab_agent.scep_client import ScepClient
from sceplab_agent.transaction import RandomBytes, ReplyReader, RequestBuilder, reason_of
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.api import KeyHandle, KeyStore
from sceplab_hsm.errors import KeyNotFoundError, KeyStoreError
from sceplab_hsm.moving import mover_of
from sceplab_hsm.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an executor works with; everything is handed in."""

    store: KeyStore
    journal: Journal
    installer: CertificateInstaller
    challenge: ChallengeSource
    random_bytes: RandomBytes
    """`os.urandom` on a device."""
    clock: Callable[[], datetime]
    """Now, aware UTC."""
    observer: Observer = field(default_factory=SilentObserver)
    handoffs: Sequence[HandOff] = ()
    """Consumers of the certificate, with different names."""
    key_secret: Callable[[], Secret] | None = field(default=None, repr=False)
    """Passphrase or PIN of the store, for consumers that open it themselves."""
    claims: KeyClaims | None = None
    """Of the journal; ``None``: the executor makes its own, which costs time with many others."""
    marks: Mapping[str, object] = field(default_factory=dict)
    """What every snapshot keeps beside the machine's own part; see `store_choice`."""


class Executor:
    """Hands of one trustpoint's machine.

    Args:
        config: the trustpoint.
        surroundings: key store, journal, installer and so on.
        stored: what the journal knows of it.
    """

    __slots__ = (
        "_builder",
        "_challenge",
        "_claims",
        "_client",
        "_clock",
        "_config",
        "_installer",
        "_journal",
        "_marks",
        "_observer",
        "_reader",
        "_run",
        "_store",
    )

    def __init__(
        self, config: TrustpointConfig, surroundings: Surroundings, stored: StoredSnapshot | None
    ) -> None:
        self._config = config
        self._store = surroundings.store
        self._journal = surroundings.journal
        self._claims = surroundings.claims or KeyClaims(surroundings.journal)
        self._installer = surroundings.installer
        self._clock = surroundings.clock
        self._observer = surroundings.observer
        self._marks = surroundings.marks
        self._run = HandOffRun(
            surroundings.handoffs,
            DeliveryRoom(config.name, surroundings, self._keep_run),
            read_open_run(config.name, stored),
        )
        self._challenge = surroundings.challenge
        self._client = ScepClient(config.url, ca_identifier=config.ca_identifier)
        self._builder = RequestBuilder(
            config,
            store=surroundings.store,
            challenge=surroundings.challenge,
            random_bytes=surroundings.random_bytes,
            observer=surroundings.observer,
        )
        self._reader = ReplyReader(config, challenge=surroundings.challenge)

    def carry_out(self, command: Command) -> Exchange[Event | None]:
        """Carries one command out.

        Returns:
            The event that answers it; ``None`` when none is due, or when it comes from elsewhere
            (`AskOperator`).

        Raises:
            JournalError: a `Record` could not be committed; nothing behind it may happen.
        """
        match command:
            case Record():
                snapshot = {**command.snapshot, **self._marks, **self._run.marks}
                self._commit(replace(command, snapshot=snapshot))
            case Notify():
                self._observer.noticed(self._config.name, command)
            case AskOperator():
                self._observer.asked(self._config.name, command.certificate_der)
            case FetchCa():
                return (yield from self._fetch_ca())
            case FetchNextCa():
                return (yield from self._fetch_next_ca())
            case SendRequest():
                return (yield from self._send(command))
            case GenerateKey():
                return self._make_key(command)
            case DeleteKey():
                return self._delete_key(command.key_id)
            case BuildRequest():
                return self._builder.build(command, self._clock())
            case InstallCertificate():
                return self._install(command)
            case HandOver():
                return self._run.hand_over(command)
        return None

    def hand_again(self, command: HandOver) -> list[HandedAgain]:
        """Hands the certificate in use to its consumers once more; nothing of the machine's."""
        return self._run.hand_again(self._config.name, command)

    def _commit(self, record: Record) -> None:
        self._observer.recorded(self._journal.commit(self._config.name, self._clock(), record))

    def _keep_run(self, event_id: str, run: OpenRun | None, details: Mapping[str, Detail]) -> None:
        """Commits a step of a hand-off beside the machine's snapshot, which stays as it was."""
        stored = self._journal.snapshot(self._config.name)
        assert stored is not None, "the machine's record comes before its command"
        snapshot = {name: part for name, part in stored.body.items() if name != MARK}
        if run is not None:
            snapshot[MARK] = run.to_json()
        self._commit(Record(event_id=event_id, details=details, snapshot=snapshot))

    def _fetch_ca(self) -> Exchange[Event]:
        try:
            capabilities = yield from self._client.fetch_capabilities()
            certificates_der = yield from self._client.fetch_ca_certificates()
        except TransportError as error:
            return self._transport_failed(error)
        self._observer.ca_received(self._config.name, certificates_der)
        return CaCertificatesReceived(certificates_der=certificates_der, capabilities=capabilities)

    def _fetch_next_ca(self) -> Exchange[Event]:
        try:
            capabilities = yield from self._client.fetch_capabilities()
            if not capabilities.supports_next_ca:
                return NextCaAbsent()
            body = yield from self._client.fetch_next_ca()
        except HttpStatusError as error:
            # With an HTTP error servers say that there is no next CA.
            return self._transport_failed(error) if error.is_retryable else NextCaAbsent()
        except TransportError as error:
            return self._transport_failed(error)
        return NextCaReceived(body=body, capabilities=capabilities)

    def _send(self, command: SendRequest) -> Exchange[Event]:
        try:
            # First: a reply nobody can open is worse than no reply.
            key = self._store.get(command.signer_key_id)
        except KeyStoreError as error:
            return TransportFailed(
                cause=FailureCause.KEY_STORE,
                reason=reason_of(error),
                is_retryable=may_pass(error),
            )
        self._observer.message_sent(self._config.name, command.message_der)
        try:
            body = yield from self._client.send_message(
                command.message_der, use_post=command.use_post
            )
        except TransportError as error:
            return self._transport_failed(error)
        self._observer.message_received(self._config.name, body)
        return self._reader.read(command, body, key)

    def _transport_failed(self, error: TransportError) -> TransportFailed:
        # A server's own words may be part of the text.
        return TransportFailed(
            cause=error.cause,
            reason=self._challenge.redact(str(error)),
            is_retryable=error.is_retryable,
        )

    def _make_key(self, command: GenerateKey) -> KeyReady | KeyFailed:
        key_id = command.key_id
        try:
            try:
                key = self._store.get(key_id)
            except KeyNotFoundError as error:
                if command.must_exist:
                    reason = f"the certificate in use has lost its key: {reason_of(error)}"
                    return KeyFailed(reason=reason, key_id=key_id, is_retryable=False)
                key = self._generate(key_id)
            else:
                self._require_own(key, command)
        except KeyStoreError as error:
            return KeyFailed(reason=str(error), key_id=key_id, is_retryable=may_pass(error))
        except JournalError as error:
            return KeyFailed(reason=str(error), key_id=key_id)
        return KeyReady(key_id=key_id, public_key_der=public_key_of(key))

    def _generate(self, key_id: str) -> KeyHandle:
        algorithm = self._config.key_algorithm
        if self._config.key_exportable:
            return mover_of(self._store).generate_exportable(key_id, algorithm)
        return self._store.generate(key_id, algorithm)

    def _require_own(self, key: KeyHandle, command: GenerateKey) -> None:
        """A key that is there already is taken over, unless it is another trustpoint's."""
        if not command.must_exist:
            policy = self._config.policy
            is_owned = policy.owns_key or policy.renewal.new_key
            self._claims.require_free(key, trustpoint=self._config.name, is_owned=is_owned)

    def _delete_key(self, key_id: str) -> KeyDeleted | KeyFailed:
        try:
            self._claims.delete(self._store, key_id, trustpoint=self._config.name)
        except KeyNotFoundError:
            return KeyDeleted(key_id=key_id)
        except (KeyStoreError, JournalError) as error:
            return KeyFailed(reason=str(error), key_id=key_id)
        return KeyDeleted(key_id=key_id)

    def _install(self, command: InstallCertificate) -> CertificateInstalled | InstallFailed:
        try:
            self._installer.install(self._config.name, command)
        except InstallError as error:
            return InstallFailed(reason=str(error))
        return CertificateInstalled()
