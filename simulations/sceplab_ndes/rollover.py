"""Prepares the CA that follows the current one: new keys, new certificates, a moment to switch.

Works on depot and key store, so a command may do it while a server runs on the same state. From
then on the server announces the next CA; at the moment it becomes the current one.

Spec: RFC 8894 §2.1.2, §4.7; checklist 14.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from sceplab_hsm.api import KeyStore
from sceplab_ndes.depot import Depot, RolloverRecord
from sceplab_ndes.errors import AlreadyDecidedError, ConfigError, StateError
from sceplab_ndes.hierarchy import (
    BACKDATE,
    CaPlan,
    Hierarchy,
    create_hierarchy,
    load_hierarchy,
    obtain_keys,
)

_SOURCE = "rollover"


def prepare_rollover(
    depot: Depot,
    store: KeyStore,
    plan: CaPlan,
    *,
    switch_at: datetime,
    now: datetime,
    random_bytes: Callable[[int], bytes],
    user: str = "",
    is_valid_before: bool = True,
) -> RolloverRecord:
    """Makes the next CA, durably.

    It bears the names of the current one; its life time counts from the switch.

    Args:
        depot: of the server.
        store: where its keys are.
        plan: life times; names and key types are those of the current CA.
        switch_at: when it becomes the current one, aware UTC.
        now: current time, aware UTC.
        random_bytes: source of serial numbers.
        user: who does it, for the audit trail.
        is_valid_before: whether its certificates are valid from now on; else from the switch on,
            as an IOS CA server has it.

    Raises:
        AlreadyDecidedError: a rollover is prepared already.
        ConfigError: the moment is past, or later than the end of the current CA.
        StateError: there is no CA yet.
        KeyStoreError: the store refuses.
    """
    number, current = _require_ready(depot, store, now)
    _check_moment(switch_at, current, now)
    record = RolloverRecord(generation=number + 1, prepared_at=now, switch_at=switch_at)
    successor_plan = _successor_plan(plan, current)
    # Making keys takes seconds in some stores; a server on the same depot answers meanwhile.
    obtain_keys(store, successor_plan, record.generation)
    with depot.transaction():
        _require_ready(depot, store, now)
        create_hierarchy(
            depot,
            store,
            successor_plan,
            now=now,
            random_bytes=random_bytes,
            generation=record.generation,
            counts_from=switch_at,
            begins_at=now - BACKDATE if is_valid_before else switch_at,
        )
        depot.rollovers.add(record)
        depot.log("rollover.prepared", now, _logged_fields(record, user))
    return record


def _logged_fields(record: RolloverRecord, user: str) -> dict[str, object]:
    """What the audit trail keeps."""
    return {
        "generation": record.generation,
        "switch_at": record.switch_at.isoformat(),
        "user": user,
    }


def _require_ready(depot: Depot, store: KeyStore, now: datetime) -> tuple[int, Hierarchy]:
    """Number and certificates of the current CA, if no rollover waits."""
    waiting = [record for record in depot.rollovers.all() if record.switch_at > now]
    if waiting:
        raise AlreadyDecidedError(
            f"CA {waiting[0].generation} is prepared already and takes over "
            f"{waiting[0].switch_at:%Y-%m-%d %H:%M:%S} UTC"
        )
    number = depot.rollovers.current(now)
    current = load_hierarchy(depot, store, number)
    if current is None:
        raise StateError("there is no CA yet; 'sceplab ndes serve' makes one")
    return number, current


def _check_moment(switch_at: datetime, current: Hierarchy, now: datetime) -> None:
    if switch_at <= now:
        raise ConfigError("the moment is past", source=_SOURCE)
    end = min(certificate.not_valid_after_utc for certificate in current.chain)
    if switch_at > end:
        raise ConfigError(
            f"the current CA ends {end:%Y-%m-%d %H:%M:%S} UTC; choose an earlier moment",
            source=_SOURCE,
        )


def _successor_plan(plan: CaPlan, current: Hierarchy) -> CaPlan:
    subject = current.issuing.certificate.subject
    return replace(
        plan,
        common_name=_first(subject, NameOID.COMMON_NAME) or plan.common_name,
        organization=_first(subject, NameOID.ORGANIZATION_NAME) or plan.organization,
        two_tier=current.issuing is not current.root,
        ra="split" if current.has_ra else "none",
        algorithm=current.issuing.key.algorithm,
        ra_algorithm=current.ra_encryption.key.algorithm if current.has_ra else None,
    )


def _first(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""
