"""Checks what a configuration points at: key stores, journal, secrets, TLS trust."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from sceplab_agent.config import AgentConfig
from sceplab_agent.config_view import mask_uri
from sceplab_agent.core.policy import UnpinnedCa
from sceplab_agent.errors import ConfigError, ConfigProblem
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_agent.key_stores import KeyStores
from sceplab_agent.status import holds_key, read_status
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.errors import KeyStoreError, SecretUnavailableError
from sceplab_hsm.secret import resolve_secret
from sceplab_hsm.uri import DirectoryUri, scheme_of


def check_surroundings(
    config: AgentConfig,
    configs: Iterable[TrustpointConfig],
    *,
    now: Callable[[], datetime],
) -> list[str]:
    """What is found, one line each; nothing in it is an error.

    Raises:
        ConfigError: a file that is named is not there, or not usable.
        KeyStoreError: a key store does not open.
        JournalError: the journal cannot be read.
    """
    configs = list(configs)
    _check_tls(config)
    findings, with_keys = _check_journal(config, configs)
    stores = KeyStores(now=now)
    try:
        for trustpoint in configs:
            has_key = trustpoint.name in with_keys
            findings.append(_check_store(trustpoint, stores, has_key=has_key))
            findings += _check_secrets(trustpoint)
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
) -> tuple[list[str], set[str]]:
    """Findings, and the trustpoints that have keys."""
    journal = SqliteJournal.open_read_only(config.state_dir / FILE_NAME)
    if journal is None:
        return [f"no journal in {config.state_dir} yet; the first enrollment makes it"], set()
    try:
        read_status(configs, journal, state_dir=config.state_dir)
        with_keys = {c.name for c in configs if holds_key(journal.snapshot(c.name))}
    finally:
        journal.close()
    return [f"the journal in {config.state_dir} is readable"], with_keys


def _check_store(trustpoint: TrustpointConfig, stores: KeyStores, *, has_key: bool) -> str:
    uri = trustpoint.store_uri
    if not has_key and scheme_of(uri) == "soft" and not _directory_of(uri).exists():
        return f"there is no key store {uri} yet; the first enrollment makes it"
    store = stores.open(trustpoint, create=False)
    if trustpoint.key_algorithm not in store.capabilities().algorithms:
        raise KeyStoreError(
            f"key store {mask_uri(uri)} cannot make {trustpoint.key_algorithm.value} keys; "
            f"choose another key.algorithm for trustpoint {trustpoint.name}"
        )
    return f"key store {mask_uri(uri)} opens, {len(store.list_keys())} keys"


def _check_secrets(trustpoint: TrustpointConfig) -> list[str]:
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
    if trustpoint.challenge and not trustpoint.challenge.startswith("prompt:"):
        try:
            resolve_secret(trustpoint.challenge)
        except SecretUnavailableError as error:
            found.append(f"{trustpoint.name}: challenge password not at hand: {error}")
    return found


def _directory_of(uri: str) -> Path:
    return DirectoryUri.parse(uri, options=("kdf",)).path
