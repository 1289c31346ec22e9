"""Holds the keys of key stores against the journal: keys without a trustpoint, and lost ones.

A store is listed before and after the journal is read, so that an agent at work beside the audit
neither makes its new key an orphan nor its retired one.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sceplab_agent.config import AgentConfig
from sceplab_agent.config_paths import is_unmade, may_be_one_store, place_of
from sceplab_agent.config_view import mask_uri
from sceplab_agent.core.model import Enrollment, Goal
from sceplab_agent.errors import SnapshotDamagedError
from sceplab_agent.installed_files import keys_of_files
from sceplab_agent.journal import Journal, StoredSnapshot
from sceplab_agent.key_claims import SHADOW_KEY, KeyClaims
from sceplab_agent.key_stores import KeyStores
from sceplab_agent.store_choice import ABSENCES, key_home, require_known_home
from sceplab_agent.stored_model import read_stored
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.api import KeyInfo, KeyStore
from sceplab_hsm.errors import KeyDamagedError, KeyStoreError

_RETIRED = "retired key"


class Fault(enum.Enum):
    """What is wrong with a key. The value is what listings show."""

    ORPHAN = "orphan"
    """In the store, and no trustpoint of the journal names it."""
    REMOVED = "removed"
    """Of a trustpoint that the journal knows and the configuration does not any more."""
    MISSING = "missing"
    """A trustpoint of the journal names it, and the store lacks it."""
    DAMAGED = "damaged"
    """A trustpoint of the journal needs it, and it does not open."""
    UNCLEAR = "unclear"
    """Perhaps needed: of a certificate file, or of a trustpoint, that the journal lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFinding:
    """One key that is not where it should be."""

    fault: Fault
    store: str
    """URI of the store, without secrets."""
    key_id: str
    algorithm: str = ""
    """Empty for a key that is missing."""
    created_at: str = ""
    """ISO 8601, UTC; empty where the store does not know."""
    trustpoint: str = ""
    """Whose key it is, or whose name it bears; empty: nobody's."""
    remark: str = ""

    def to_json(self) -> dict[str, str]:
        """JSON-ready form."""
        return {**asdict(self), "fault": self.fault.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAudit:
    """What was found in one store."""

    uri: str
    """Without secrets."""
    trustpoints: tuple[str, ...]
    """Those of the configuration that keep their keys there."""
    keys: int = 0
    findings: tuple[KeyFinding, ...] = ()
    error: str = ""
    """Why it could not be looked into; empty: it could."""
    absence: str = ""
    """Why it is not there, where all its trustpoints fall back and none has a key there."""


@dataclass(frozen=True, slots=True)
class _Named:
    """A key that the journal names."""

    key_id: str
    role: str
    public_key_der: bytes
    """Empty: nothing to compare with."""
    is_needed: bool
    """Whether the store has to have it."""


class KeyAudit:
    """Looks at the stores of one configuration.

    Args:
        config: the whole configuration: all its trustpoints have a say in whose a key is.
        journal: ``None``: there is none yet.
        stores: opens the stores; none is made.
    """

    def __init__(self, config: AgentConfig, journal: Journal | None, stores: KeyStores) -> None:
        self._config = config
        self._journal = journal
        self._stores = stores
        self._claims = KeyClaims(journal)
        self._unread: dict[str, SnapshotDamagedError] = {}
        self._tenants = [variant for c in config.trustpoints for variant in c.variants()]
        """Each trustpoint with each store that may hold its keys."""

    @property
    def unread(self) -> Mapping[str, SnapshotDamagedError]:
        """Trustpoints of which the journal is damaged, as far as `run` has met them."""
        return self._unread

    def run(self, configs: Sequence[TrustpointConfig]) -> list[StoreAudit]:
        """Audits the stores of these trustpoints, each store once.

        Raises:
            JournalError: the journal cannot be read.
            KeyStoreError: keys are in a store that the configuration no longer names.
        """
        places: dict[object, TrustpointConfig] = {}
        for config in configs:
            require_known_home(config, self._stored(config.name))
            for variant in config.variants():
                places.setdefault(place_of(variant.store_uri), variant)
        return [self._audit(variant) for variant in places.values()]

    def started_at(self) -> datetime | None:
        """When the oldest transaction under way named its key, UTC; ``None``: there is none.

        Raises:
            JournalError: the journal cannot be read.
        """
        if self._journal is None:
            return None
        moments = []
        for name in self._journal.trustpoints():
            model = self._model(name)
            if model is not None and (model.goal is not Goal.NONE or model.transaction is not None):
                moments.append(self._named_at(name))
        return min(moments, default=None)

    def delete(self, finding: KeyFinding) -> None:
        """Deletes an orphan.

        Raises:
            KeyStoreError: the store refuses, or a trustpoint needs the key by now.
            JournalError: the journal cannot be read.
        """
        assert finding.fault is Fault.ORPHAN
        config = next(c for c in self._tenants if mask_uri(c.store_uri) == finding.store)
        self._claims.delete(self._stores.open(config, create=False), finding.key_id)

    def _audit(self, config: TrustpointConfig) -> StoreAudit:
        place = place_of(config.store_uri)
        neighbours = [c for c in self._tenants if place_of(c.store_uri) == place]
        uri, names = mask_uri(config.store_uri), tuple(c.name for c in neighbours)
        is_expected = any(key.is_needed for c in neighbours for key in self._keys_of(c))
        if not is_expected and is_unmade(config.store_uri):
            return StoreAudit(uri=uri, trustpoints=names)
        try:
            store = self._stores.open(config, create=False)
            before = _listing(store)
            findings = [*self._missing(neighbours, before, store, uri)]
            # Names of others that may keep their keys here, by another way of writing the store.
            others = [c for c in self._tenants if c not in neighbours and self._may_meet(c, config)]
            findings += self._strays(neighbours, others, before, store, uri)
            return StoreAudit(
                uri=uri, trustpoints=names, keys=len(before), findings=tuple(findings)
            )
        except KeyStoreError as error:
            is_unused = all(c.fallback_uri and not self._keys_of(c) for c in neighbours)
            if is_unused and isinstance(error, ABSENCES):
                return StoreAudit(uri=uri, trustpoints=names, absence=str(error))
            return StoreAudit(uri=uri, trustpoints=names, error=str(error))

    def _may_meet(self, one: TrustpointConfig, other: TrustpointConfig) -> bool:
        uris = one.store_uri, other.store_uri
        return may_be_one_store(*uris) or self._stores.are_one(*uris)

    def _missing(
        self,
        neighbours: Sequence[TrustpointConfig],
        before: dict[str, KeyInfo],
        store: KeyStore,
        uri: str,
    ) -> Iterator[KeyFinding]:
        named = [(c.name, key) for c in neighbours for key in self._keys_of(c) if key.is_needed]
        present = {**before, **_listing(store)}
        for trustpoint, key in named:
            info = present.get(key.key_id)
            remark = f"the {key.role} of trustpoint {trustpoint}"
            if info is not None and key.public_key_der in (b"", info.public_key_der):
                if damage := _damage(store, key.key_id):
                    yield KeyFinding(
                        fault=Fault.DAMAGED,
                        store=uri,
                        key_id=key.key_id,
                        trustpoint=trustpoint,
                        remark=f"{remark}: {damage}",
                    )
                continue
            if info is not None:
                remark += "; another key bears its name"
            yield KeyFinding(
                fault=Fault.MISSING,
                store=uri,
                key_id=key.key_id,
                trustpoint=trustpoint,
                remark=remark,
            )

    def _strays(
        self,
        neighbours: Sequence[TrustpointConfig],
        others: Sequence[TrustpointConfig],
        before: dict[str, KeyInfo],
        store: KeyStore,
        uri: str,
    ) -> Iterator[KeyFinding]:
        named = set()
        for config in [*neighbours, *others]:
            named |= {key.key_id for key in self._keys_of(config)}
            is_fresh = all(key.role == _RETIRED for key in self._named(config.name))
            is_fresh &= config.name not in self._unread
            if is_fresh or not config.policy.owns_key:
                # The first enrollment will find it; or the operator keeps it.
                named.add(config.policy.first_key_id)
        configured = {config.name for config in self._config.trustpoints}
        removed = {key.key_id: (name, key) for name in self._removed() for key in self._named(name)}
        after, installed = _listing(store), keys_of_files(self._config.state_dir)
        for key_id, info in before.items():
            if key_id in named or key_id not in after:
                continue
            claim = self._claims.find(info.public_key_der)
            if claim is not None and claim.trustpoint in configured:
                continue  # of a trustpoint that writes this store in another way
            owner, key = removed.get(key_id, ("", None))
            if key is not None and key.public_key_der in (b"", info.public_key_der):
                fault = Fault.REMOVED
                remark = f"the {key.role} of trustpoint {owner}, which is no longer configured"
            elif owner := _bearer(key_id, [c for c in neighbours if c.name in self._unread]):
                fault = Fault.UNCLEAR
                remark = f"bears a name of trustpoint {owner}, of which the journal is damaged"
            elif file := installed.get(info.public_key_der):
                fault, owner = Fault.UNCLEAR, _bearer(key_id, neighbours)
                remark = f"the key of {file}, which the journal does not know"
            else:
                fault, owner = Fault.ORPHAN, _bearer(key_id, neighbours)
                remark = f"bears a name of trustpoint {owner}" if owner else "of unknown origin"
            yield KeyFinding(
                fault=fault,
                store=uri,
                key_id=key_id,
                algorithm=info.algorithm.value,
                created_at=info.created_at,
                trustpoint=owner,
                remark=remark,
            )

    def _keys_of(self, tenant: TrustpointConfig) -> list[_Named]:
        """The keys that the journal names for a trustpoint and has in this store of its."""
        config = next(c for c in self._config.trustpoints if c.name == tenant.name)
        home = key_home(config, self._stored(tenant.name))
        return self._named(tenant.name) if home.store_uri == tenant.store_uri else []

    def _named(self, trustpoint: str) -> list[_Named]:
        """The keys that the journal names for a trustpoint, as it stands now."""
        model = self._model(trustpoint)
        if model is None:
            return []
        named = [_Named(key_id, _RETIRED, b"", False) for key_id in model.retired_keys]
        key, active = model.new_key, model.active
        if key is not None:
            # Before its public half is recorded the key may not have been made yet.
            is_made = bool(key.public_key_der)
            named.append(_Named(key.key_id, "new key", key.public_key_der, is_made))
        if model.shadow is not None:
            kept = model.shadow.key
            named.append(_Named(kept.key_id, SHADOW_KEY, kept.public_key_der, True))
        if active is not None:
            named.append(_Named(active.key_id, "key in use", active.public_key_der, True))
        return named

    def _removed(self) -> list[str]:
        known = {config.name for config in self._config.trustpoints}
        journal = self._journal
        return [name for name in journal.trustpoints() if name not in known] if journal else []

    def _model(self, trustpoint: str) -> Enrollment | None:
        stored = self._stored(trustpoint)
        if stored is None:
            return None
        try:
            return read_stored(trustpoint, stored)
        except SnapshotDamagedError as error:
            self._unread[trustpoint] = error
            return None

    def _stored(self, trustpoint: str) -> StoredSnapshot | None:
        try:
            return self._journal.snapshot(trustpoint) if self._journal is not None else None
        except SnapshotDamagedError as error:
            self._unread[trustpoint] = error
            return None

    def _named_at(self, trustpoint: str) -> datetime:
        """When the journal last named a key for a trustpoint; else when it last heard of it."""
        assert self._journal is not None
        stored = self._journal.snapshot(trustpoint)
        assert stored is not None
        moment, after = stored.at, 0
        while entries := self._journal.entries(trustpoint, after=after):
            after = entries[-1].seq
            named = [entry.at for entry in entries if entry.event_id == "enrollment.key"]
            moment = named[-1] if named else moment
        return moment


def _damage(store: KeyStore, key_id: str) -> str:
    try:
        store.get(key_id)
    except KeyDamagedError as error:
        return str(error)
    return ""


def _listing(store: KeyStore) -> dict[str, KeyInfo]:
    return {info.key_id: info for info in store.list_keys()}


def _bearer(key_id: str, trustpoints: Sequence[TrustpointConfig]) -> str:
    """The trustpoint that would give a key this name; empty: none."""
    for config in trustpoints:
        if re.fullmatch(rf"{re.escape(config.policy.first_key_id)}(\.[0-9]+)?", key_id):
            return config.name
    return ""
