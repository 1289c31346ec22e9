"""How trustpoints stand, read from the journal: no network, no key store, nothing is changed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sceplab_agent.config_view import mask_uri
from sceplab_agent.core.events import FailureCause
from sceplab_agent.core.machine import EnrollmentMachine
from sceplab_agent.core.model import Goal
from sceplab_agent.core.states import State
from sceplab_agent.core.values import Failure, HandOffOutcome
from sceplab_agent.errors import SnapshotDamagedError
from sceplab_agent.install import CERTIFICATE_FILE
from sceplab_agent.journal import Journal, StoredSnapshot
from sceplab_agent.store_choice import key_home
from sceplab_agent.stored_model import read_stored
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_scep.certificates import fingerprint, load_certificate
from sceplab_scep.key_usage import usage_names

_MOMENTS = (
    *("not_before", "not_after", "renewal_at", "next_step_at", "switch_at", "at"),
    *("shadow_not_before", "shadow_not_after", "shadow_at"),
)
_BEGIN_ANEW = "restore the journal from a copy, or set-aside {}, then audit and enroll"
"""Where the journal's word of a trustpoint is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustpointStatus:
    """One trustpoint as the journal knows it. Moments are UTC."""

    name: str
    state: State
    subject: str = ""
    """Of the active certificate, RFC 4514 text; empty without one, like all that follows."""
    serial_number: str = ""
    """Hexadecimal."""
    not_before: datetime | None = None
    not_after: datetime | None = None
    renewal_at: datetime | None = None
    renewal_note: str = ""
    """What is odd about its renewals, and the next step."""
    key_usage: str = ""
    """As RFC 5280 spells it, for example ``digitalSignature, keyEncipherment``."""
    certificate_sha256: str = ""
    """Hexadecimal."""
    certificate_file: str = ""
    key_id: str = ""
    key_store: str = ""
    """URI of the store that holds it, or the key being enrolled for, without secrets."""
    is_fallback: bool = False
    """Whether that store is the fallback."""
    ca_sha256: str = ""
    """Of the trusted CA certificate, hexadecimal."""
    ca_basis: str = ""
    """Why the CA is trusted: ``pin``, ``operator``, ``tofu``, ``succession``."""
    next_ca_sha256: str = ""
    """Of the CA certificate that follows, hexadecimal; empty: none is known."""
    next_ca_consent: str = ""
    """What the operator said of it: ``none``, ``accepted``, ``refused``."""
    switch_at: datetime | None = None
    """When it takes over at the latest, if it may."""
    shadow: str = ""
    """Of the next CA's certificate: ``ready`` (kept until the switch), ``asked`` (for, just now),
    ``planned``, ``none`` (the switch is a renewal); empty: no next CA is known."""
    shadow_sha256: str = ""
    """Hexadecimal; empty unless it is ready, as the two that follow."""
    shadow_not_before: datetime | None = None
    shadow_not_after: datetime | None = None
    shadow_at: datetime | None = None
    """When it is asked for (again), if it is planned."""
    shadow_failure: str = ""
    """Why the last attempt failed."""
    asked_sha256: str = ""
    """Of the CA certificate that waits for the operator's approval, hexadecimal."""
    transaction_id: str = ""
    """Of the open transaction."""
    polls: int = 0
    next_step_at: datetime | None = None
    """When something happens by itself."""
    handoff: str = ""
    """How the last hand-off to the consumers ended, and when."""
    failure: str = ""
    failure_cause: FailureCause | None = None
    next_step: str = ""
    """What the operator has to do; empty: nothing."""
    at: datetime | None = None
    """When the journal heard of it last."""
    is_unreadable: bool = False
    """Whether the journal's word of it is damaged; then the state is FAILED until it is mended."""

    def to_json(self) -> dict[str, str | int | None]:
        """JSON-ready form; moments as ISO 8601."""
        view: dict[str, str | int | None] = {}
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, datetime):
                value = value.isoformat()
            elif isinstance(value, (State, FailureCause)):
                value = value.value
            view[name] = value
        return view

    @classmethod
    def from_json(cls, view: Mapping[str, Any]) -> TrustpointStatus:
        """The status that `to_json` was made of.

        Raises:
            ValueError: it was not made by this version.
        """
        values = {name: view[name] for name in cls.__slots__ if name in view}
        for name in _MOMENTS:
            if values.get(name) is not None:
                values[name] = datetime.fromisoformat(values[name])
        values["state"] = State(view.get("state"))
        if values.get("failure_cause") is not None:
            values["failure_cause"] = FailureCause(values["failure_cause"])
        return cls(**values)


def read_status(
    configs: Iterable[TrustpointConfig],
    journal: Journal | None,
    *,
    state_dir: Path | None,
    now: datetime | None = None,
) -> list[TrustpointStatus]:
    """Status of several trustpoints.

    Args:
        configs: which.
        journal: ``None``: there is none yet.
        state_dir: where certificates are installed; ``None``: not in files.
        now: current time, UTC, to say of a certificate that it has ended where nobody runs who
            would have noted it; ``None``: nothing is said.

    Raises:
        JournalError: the journal cannot be read.
    """
    found = []
    for config in configs:
        try:
            found.append(_note_end(_read_one(config, journal, state_dir), now))
        except SnapshotDamagedError as error:
            path = state_dir / config.name / CERTIFICATE_FILE if state_dir else None
            unread = TrustpointStatus(
                name=config.name,
                state=State.FAILED,
                certificate_file=str(path) if path and path.exists() else "",
                failure=str(error),
                next_step=_BEGIN_ANEW.format(config.name),
                is_unreadable=True,
            )
            found.append(unread)
    return found


def _read_one(
    config: TrustpointConfig, journal: Journal | None, state_dir: Path | None
) -> TrustpointStatus:
    stored = journal.snapshot(config.name) if journal is not None else None
    if stored is None:
        return TrustpointStatus(name=config.name, state=State.UNCONFIGURED)
    read_stored(config.name, stored)
    machine = _restore(config, stored)
    home = key_home(config, stored)
    status = describe_machine(home, machine, state_dir=state_dir, at=stored.at)
    return replace(status, is_fallback=home is not config)


def _note_end(status: TrustpointStatus, now: datetime | None) -> TrustpointStatus:
    if now is None or status.not_after is None or now < status.not_after or status.renewal_note:
        return status
    step = f"run sceplab-agent enroll {status.name}, or set the clock here if it is wrong"
    return replace(status, renewal_note=f"the certificate has ended; {step}")


def describe_machine(
    config: TrustpointConfig,
    machine: EnrollmentMachine,
    *,
    state_dir: Path | None,
    at: datetime | None,
) -> TrustpointStatus:
    """Status of a machine.

    Args:
        config: the trustpoint, with the store that its keys are in.
        machine: of that trustpoint.
        state_dir: where certificates are installed; ``None``: not in files.
        at: when the journal heard of it last.
    """
    is_over = machine.is_expiry_noted
    active, ca, failure = machine.active, machine.ca, machine.failure
    transaction, asked, following = machine.transaction, machine.candidate, machine.next_ca
    path = state_dir / config.name / CERTIFICATE_FILE if active and state_dir else ""
    return TrustpointStatus(
        name=config.name,
        state=machine.state,
        subject=active.subject if active else "",
        serial_number=f"{active.serial_number:X}" if active else "",
        not_before=active.not_before if active else None,
        not_after=active.not_after if active else None,
        renewal_at=None if is_over or not config.policy.renewal.enabled else machine.renewal_at,
        renewal_note=machine.renewal_note,
        key_usage=_usage(active.certificate_der) if active else "",
        certificate_sha256=fingerprint(active.certificate_der, "sha256").hex() if active else "",
        certificate_file=str(path),
        key_id=active.key_id if active else "",
        key_store=mask_uri(config.store_uri) if active or machine.new_key else "",
        ca_sha256=fingerprint(ca.anchor_der, "sha256").hex() if ca else "",
        ca_basis=ca.basis.value if ca else "",
        next_ca_sha256=fingerprint(following.ca.anchor_der, "sha256").hex() if following else "",
        next_ca_consent=following.consent.value if following else "",
        switch_at=machine.switch_at,
        **_shadow(machine),
        asked_sha256=fingerprint(asked.anchor_der, "sha256").hex() if asked else "",
        transaction_id=transaction.transaction_id if transaction else "",
        polls=transaction.polls if transaction else 0,
        next_step_at=machine.next_deadline(),
        handoff=_describe_handoff(machine.last_handoff),
        failure=describe_failure(failure) if failure else "",
        failure_cause=failure.cause if failure else None,
        next_step=machine.next_step,
        at=at,
    )


def _shadow(machine: EnrollmentMachine) -> dict[str, Any]:
    """What is to be said of the next CA's certificate."""
    kept, following = machine.shadow, machine.next_ca
    if following is None:
        return {}
    if kept is not None:
        return {
            "shadow": "ready",
            "shadow_sha256": fingerprint(kept.transaction.issued_der, "sha256").hex(),
            "shadow_not_before": kept.not_before,
            "shadow_not_after": kept.not_after,
        }
    is_asked = machine.goal is Goal.ROLLOVER
    moment = None if is_asked else machine.shadow_at
    return {
        "shadow": "asked" if is_asked else "planned" if moment is not None else "none",
        "shadow_at": moment,
        "shadow_failure": following.shadow_failure,
    }


def describe_failure(failure: Failure) -> str:
    """Why an attempt failed, with what the CA said about it."""
    text = failure.reason
    if failure.fail_info_text:
        text += f': "{failure.fail_info_text}"'
    if failure.hresult is not None:
        text += f" (HRESULT 0x{failure.hresult & 0xFFFFFFFF:08X})"
    return text


def _describe_handoff(outcome: HandOffOutcome | None) -> str:
    if outcome is None:
        return ""
    word = "taken" if outcome.is_done else "not taken"
    moment = f"{outcome.at:%Y-%m-%d %H:%M:%S} UTC"
    return f"generation {outcome.generation} {word} at {moment}: {outcome.text}"


def _usage(certificate_der: bytes) -> str:
    return ", ".join(usage_names(load_certificate(certificate_der)))


def _restore(config: TrustpointConfig, stored: StoredSnapshot) -> EnrollmentMachine:
    return EnrollmentMachine.restore(
        config.policy,
        stored.body,
        rng=random.Random(0),  # noqa: S311 - jitter, and a status draws none
        new_transaction_id=str,
    )
