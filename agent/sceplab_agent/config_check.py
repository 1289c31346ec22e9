"""Checks what a configuration points at: key stores, journal, secrets, TLS trust."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from datetime import datetime

from sceplab_agent.config import AgentConfig
from sceplab_agent.config_paths import is_unmade
from sceplab_agent.config_view import mask_uri
from sceplab_agent.core.policy import UnpinnedCa
from sceplab_agent.durable import is_read_only
from sceplab_agent.errors import (
    ConfigError,
    ConfigProblem,
    HandOffError,
    JournalError,
    JournalFullError,
)
from sceplab_agent.handoff.api import Reachable
from sceplab_agent.handoff.consumer_pin import missing_pins
from sceplab_agent.journal import StoredSnapshot
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_agent.key_faults import find_key_fault
from sceplab_agent.key_names import KeyNames, require_own_names
from sceplab_agent.key_stores import KeyStores
from sceplab_agent.status import read_status
from sceplab_agent.store_choice import foresee_store, holds_key
from sceplab_agent.stored_model import read_stored
from sceplab_agent.text import clean_text
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.errors import KeyStoreError, SecretUnavailableError
from sceplab_hsm.secret import resolve_secret, secret_file_warning


def check_surroundings(
    config: AgentConfig,
    configs: Iterable[TrustpointConfig],
    *,
    now: Callable[[], datetime],
) -> list[str]:
    """What is found, one line each; nothing in it is an error.

    Raises:
        ConfigError: a file or secret that is named is not there, or not usable.
        KeyStoreError: a key store does not open, or keys of two trustpoints would meet in one.
        JournalError: the journal cannot be read, or never be written.
    """
    configs = list(configs)
    _check_tls(config)
    findings, snapshots = _check_journal(config, configs)
    problems: list[ConfigProblem] = []
    for trustpoint in configs:
        _check_store_secret(trustpoint, problems)
        findings += _check_challenge(trustpoint, snapshots[trustpoint.name], problems, now=now)
        findings += _check_trust(trustpoint)
        findings += _check_consumers(trustpoint)
    if problems:
        raise ConfigError(config.file, tuple(problems))
    stores = KeyStores(now=now)
    try:
        for trustpoint in configs:
            findings += _check_stores(trustpoint, snapshots[trustpoint.name], stores)
        names = KeyNames(config.trustpoints)
        for variant in [variant for trustpoint in configs for variant in trustpoint.variants()]:
            require_own_names(variant, names, stores.are_one)
    finally:
        stores.close()
    return list(dict.fromkeys(findings))


def _check_tls(config: AgentConfig) -> None:
    path = config.http.tls_ca_file
    if path is None:
        return
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        reason = error.strerror or "it holds no PEM certificates"
        raise ConfigError(
            config.file, (ConfigProblem("http.tls_ca_file", f"{path}: {reason}"),)
        ) from error


def _check_journal(
    config: AgentConfig, configs: list[TrustpointConfig]
) -> tuple[list[str], dict[str, StoredSnapshot | None]]:
    """Findings, and what the journal knows of each trustpoint."""
    if is_read_only(config.state_dir):
        raise JournalFullError(
            f"the state directory {config.state_dir} is on a read-only disk; make it writable"
        )
    journal = SqliteJournal.open_read_only(config.state_dir / FILE_NAME)
    if journal is None:
        finding = f"no journal in {config.state_dir} yet; the first enrollment makes it"
        return [finding], dict.fromkeys(c.name for c in configs)
    try:
        statuses = read_status(configs, journal, state_dir=config.state_dir)
        if unread := [status.failure for status in statuses if status.is_unreadable]:
            raise JournalError("\n".join(unread))
        snapshots = {c.name: journal.snapshot(c.name) for c in configs}
    finally:
        journal.close()
    return [f"the journal in {config.state_dir} is readable"], snapshots


def _check_stores(
    trustpoint: TrustpointConfig, stored: StoredSnapshot | None, stores: KeyStores
) -> list[str]:
    """Findings about the store that an enrollment would use now, and which one that is."""
    chosen, reason = foresee_store(trustpoint, stored, stores)
    told = []
    if chosen is not trustpoint:
        told.append(
            f"{trustpoint.name}: falls back to {mask_uri(chosen.store_uri)} instead of "
            f"{mask_uri(trustpoint.store_uri)}: {reason}"
        )
    active = read_stored(trustpoint.name, stored).active if stored is not None else None
    if active is not None:
        fault = find_key_fault(stores.open(chosen, create=False), active)
        if fault:
            raise KeyStoreError(f"{trustpoint.name}: {fault}")
    told.append(_check_store(chosen, stores, has_key=holds_key(stored)))
    return told


def _check_store(trustpoint: TrustpointConfig, stores: KeyStores, *, has_key: bool) -> str:
    uri = trustpoint.store_uri
    if not has_key and is_unmade(uri):
        return f"there is no key store {mask_uri(uri)} yet; the first enrollment makes it"
    store = stores.open(trustpoint, create=False)
    if trustpoint.key_algorithm not in store.capabilities().algorithms:
        raise KeyStoreError(
            f"key store {mask_uri(uri)} cannot make {trustpoint.key_algorithm.value} keys; "
            f"choose another key.algorithm for trustpoint {trustpoint.name}"
        )
    number = len(store.list_keys())
    return f"key store {mask_uri(uri)} opens, {number} key{'' if number == 1 else 's'}"


def _check_store_secret(trustpoint: TrustpointConfig, problems: list[ConfigProblem]) -> None:
    for name, reference in (
        ("secret", trustpoint.store_secret),
        ("fallback_secret", trustpoint.fallback_secret),
    ):
        reason = _missing_secret(reference)
        if reason:
            path = f"trustpoint.{trustpoint.name}.key.{name}"
            problems.append(ConfigProblem(path, f"the key store's secret is not at hand: {reason}"))


def _check_challenge(
    trustpoint: TrustpointConfig,
    stored: StoredSnapshot | None,
    problems: list[ConfigProblem],
    *,
    now: Callable[[], datetime],
) -> list[str]:
    """Findings about the secrets' files; a challenge that is needed and missing is a problem."""
    name = trustpoint.name
    found = [
        f"{name}: {remark}"
        for reference in (
            trustpoint.challenge,
            trustpoint.store_secret,
            trustpoint.fallback_secret,
        )
        if (remark := secret_file_warning(reference))
    ]
    reason = _missing_secret(trustpoint.challenge)
    if not reason:
        return found
    if _is_certified(stored, now()) and not trustpoint.policy.renewal.send_challenge:
        return [*found, f"{name}: no challenge password at hand, and none is needed to renew"]
    problems.append(
        ConfigProblem(f"trustpoint.{name}.challenge", f"the password is not at hand: {reason}")
    )
    return found


def _missing_secret(reference: str) -> str:
    """Why a reference leads nowhere; empty: it does not, or a person will be asked."""
    if not reference or reference.startswith("prompt:"):
        return ""
    try:
        resolve_secret(reference)
    except SecretUnavailableError as error:
        return str(error)
    return ""


def _is_certified(stored: StoredSnapshot | None, now: datetime) -> bool:
    active = stored.body.get("active") if stored is not None else None
    return isinstance(active, dict) and now < datetime.fromisoformat(active["not_after"])


def _check_consumers(trustpoint: TrustpointConfig) -> list[str]:
    """Whether each consumer is there; one that is not yet up is no mistake."""
    found = []
    for handoff in trustpoint.handoffs:
        if not isinstance(handoff, Reachable):
            told = "is asked when there is a certificate"
        else:
            try:
                told = f"is there: {clean_text(handoff.probe())}"
            except HandOffError as error:
                told = f"cannot be reached: {clean_text(error.reason)}"
            except Exception as error:
                # Only the kind of it: a plug-in's text may quote a secret.
                told = f"cannot be asked: {type(error).__name__}; tell its author"
        found.append(f"{trustpoint.name}: hand-off {handoff.name} {told}")
    return [*found, *(f"{trustpoint.name}: {told}" for told in missing_pins(trustpoint))]


def _check_trust(trustpoint: TrustpointConfig) -> list[str]:
    found = []
    policy = trustpoint.policy
    if policy.pin is None and policy.unpinned_ca is UnpinnedCa.REFUSE:
        found.append(
            f"{trustpoint.name}: no fingerprint is set, so no CA will be trusted; set fingerprint, "
            'or on_unpinned = "tofu"'
        )
    if policy.ra_rule.any_certificate:
        found.append(
            f"{trustpoint.name}: any_certificate_may_be_ra is on: whoever holds a certificate of "
            "the CA and sits on the way to the server can read the challenge password and answer "
            "in the server's place; name its RA certificates in ra_fingerprints instead"
        )
    return found
