"""What a run of hand-offs is given of its trustpoint: key, secret, journal, installed files."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sceplab_agent.core.commands import HandOver, InstallCertificate, NoticeLevel, Notify
from sceplab_agent.core.values import ActiveCertificate
from sceplab_agent.errors import SnapshotDamagedError
from sceplab_agent.handoff.api import Delivery
from sceplab_agent.handoff.run import MARK, OpenRun
from sceplab_agent.journal import Detail, StoredSnapshot
from sceplab_hsm.api import KeyStore
from sceplab_hsm.errors import KeyDamagedError, KeyMoveError
from sceplab_hsm.moving import decrypt_key, mover_of
from sceplab_hsm.secret import Secret

if TYPE_CHECKING:
    from sceplab_agent.executor import Surroundings

Keep = Callable[[str, OpenRun | None, Mapping[str, Detail]], None]
"""Commits event id, open run and details."""


class DeliveryRoom:
    """`RunKeeper` of one trustpoint.

    Args:
        trustpoint: its name.
        surroundings: of its executor.
        keep: commits a journal entry with the open run.
    """

    __slots__ = ("_keep", "_surroundings", "_trustpoint")

    def __init__(self, trustpoint: str, surroundings: Surroundings, keep: Keep) -> None:
        self._trustpoint = trustpoint
        self._surroundings = surroundings
        self._keep = keep

    def deliver(self, command: HandOver) -> Delivery:
        """See `RunKeeper.deliver`."""
        stored = self._surroundings.journal.snapshot(self._trustpoint)
        data = stored.body.get("active") if stored is not None else None
        if not isinstance(data, dict):
            return self._deliver(command)
        before = hand_over(ActiveCertificate.from_json(data))
        if before.generation == command.generation:
            return self._deliver(command)
        return replace(self._deliver(command), previous=lambda: self._deliver(before))

    def _deliver(self, command: HandOver) -> Delivery:
        store = self._surroundings.store
        key = store.get(command.key_id)
        leaves = _leaves(store, command.key_id)
        return Delivery(
            trustpoint=self._trustpoint,
            generation=command.generation,
            certificate_der=command.certificate_der,
            chain_der=command.chain_der,
            key_uri=key.uri,
            key_secret=self._surroundings.key_secret,
            key_pem=(lambda: self._export(command.key_id)) if leaves else None,
        )

    def keep(self, event_id: str, run: OpenRun | None, **details: str | int) -> None:
        """See `RunKeeper.keep`."""
        self._keep(event_id, run, details)

    def put_in_place(self, command: HandOver) -> None:
        """See `RunKeeper.put_in_place`."""
        self._surroundings.installer.install(
            self._trustpoint,
            InstallCertificate(
                generation=command.generation,
                key_id=command.key_id,
                certificate_der=command.certificate_der,
                chain_der=command.chain_der,
            ),
        )

    def tell(self, event_id: str, **details: str) -> None:
        """See `RunKeeper.tell`."""
        notice = Notify(event_id=event_id, level=NoticeLevel.WARNING, details=details)
        self._surroundings.observer.noticed(self._trustpoint, notice)

    def _export(self, key_id: str) -> bytes:
        """The key as unencrypted PKCS#8 PEM; it leaves its store encrypted and is opened here."""
        passphrase = Secret(secrets.token_urlsafe(32))
        pkcs8 = mover_of(self._surroundings.store).export_key(key_id, passphrase)
        return decrypt_key(pkcs8, passphrase, is_own=True).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )


def hand_over(active: ActiveCertificate) -> HandOver:
    """Says of the certificate in use what a hand-off has to know."""
    return HandOver(
        generation=active.generation,
        key_id=active.key_id,
        certificate_der=active.certificate_der,
        chain_der=active.chain_der,
    )


def _leaves(store: KeyStore, key_id: str) -> bool:
    """Whether a key may leave its store."""
    if not store.capabilities().moves_keys:
        return False
    try:
        return any(info.exportable for info in store.list_keys() if info.key_id == key_id)
    except KeyDamagedError:
        # Another key's file, or this key would not have opened: so it is tried.
        try:
            mover_of(store).export_key(key_id, Secret(secrets.token_urlsafe(32)))
        except KeyMoveError:
            return False
        return True


def read_open_run(trustpoint: str, stored: StoredSnapshot | None) -> OpenRun | None:
    """The run that a restart has to go on with.

    Raises:
        SnapshotDamagedError: it is damaged.
    """
    data = stored.body.get(MARK) if stored is not None else None
    if stored is None or data is None:
        return None
    try:
        if not isinstance(data, dict):
            raise TypeError
        return OpenRun.from_json(data)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"its open hand-off is damaged: {type(error).__name__}"
        raise SnapshotDamagedError(trustpoint, stored.origin, reason) from error


def open_run_mark(stored: StoredSnapshot | None) -> dict[str, object]:
    """The open run as it is stored, for a snapshot that is written before a session starts."""
    return {MARK: stored.body[MARK]} if stored is not None and MARK in stored.body else {}
