"""Reads ``[trustpoint.NAME]``: the trustpoint itself and the machine's policy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from cryptography import x509

from sceplab_agent.config_paths import place_of, resolve_reference, resolve_store_uri
from sceplab_agent.config_table import ConfigTable
from sceplab_agent.core.policy import (
    Backoff,
    CaPin,
    EnrollmentPolicy,
    PollPolicy,
    Recovery,
    RenewalPolicy,
    RetryPolicy,
    RolloverPolicy,
    UnpinnedCa,
)
from sceplab_agent.core.rollover import LONGEST_WINDOW
from sceplab_agent.core.sharing import shared
from sceplab_agent.fingerprint import parse_fingerprint, parse_legacy_fingerprint
from sceplab_agent.handoff.api import HandOff
from sceplab_agent.handoff.consumer_pin import refused_pins
from sceplab_agent.handoff.registry import open_handoff
from sceplab_agent.trustpoint import NAME_PATTERN, TrustpointConfig, parse_subject
from sceplab_agent.url import split_url
from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import StoreUriError
from sceplab_hsm.uri import check_key_id
from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.key_usage import KeyUse
from sceplab_scep.ra_rule import RaRule

_RSA = [algorithm for algorithm in KeyAlgorithm if algorithm.is_rsa]
_NO_SUBJECT = x509.Name([])
_DAY_S = 86_400.0
_YEAR_S = 366 * _DAY_S
_URL_EXAMPLE = "http://ca.example.org/certsrv/mscep/mscep.dll"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStoreConfig:
    """The key store of trustpoints that name none of their own."""

    uri: str
    secret: str
    """Reference to passphrase or PIN; empty: it has none."""
    fallback_uri: str
    """Taken when the store is not there; empty: none is."""
    fallback_secret: str
    """Reference to passphrase or PIN of that one."""


def read_key_store(table: ConfigTable, base: Path) -> KeyStoreConfig:
    """Reads ``[keystore]``."""
    config = _read_stores(table, base, "uri")
    table.finish()
    return config


def read_trustpoint(
    name: str, table: ConfigTable, *, base: Path, default_store: KeyStoreConfig
) -> TrustpointConfig:
    """Reads one ``[trustpoint.NAME]``.

    Args:
        name: of the trustpoint.
        table: its table.
        base: directory that relative paths start from.
        default_store: of ``[keystore]``.
    """
    if not NAME_PATTERN.fullmatch(name):
        table.problem("", "a trustpoint's name has 1 to 64 of A-Z a-z 0-9 . _ - and no dot first")
    handoffs = _read_handoffs(table, base)
    challenge = table.converted("challenge", lambda text: resolve_reference(text, base), "")
    key = table.table("key")
    store = _read_store(key, base, default_store)
    if not store.uri:
        table.problem("key.store", "is missing, and there is no [keystore] uri")
    config = TrustpointConfig(
        name=name,
        url=table.converted("url", _check_url, "", example=_URL_EXAMPLE),
        ca_identifier=table.text("ca_identifier"),
        subject=table.converted("subject", _subject, _NO_SUBJECT, example="CN=router1,O=Example"),
        dns_names=table.texts("dns_names", _dns_name),
        emails=table.texts("emails", _email),
        ip_addresses=table.texts("ip_addresses", _ip_address),
        challenge=challenge,
        key_algorithm=key.choice("algorithm", KeyAlgorithm.RSA_2048, _RSA),
        digest=table.converted("digest", _digest, None),
        store_uri=store.uri,
        store_secret=store.secret,
        fallback_uri=store.fallback_uri,
        fallback_secret=store.fallback_secret,
        key_exportable=key.flag("exportable", default=False),
        handoffs=handoffs,
        handoff_tables=tuple(entry.as_written() for entry in table.tables("handoff")),
        policy=replace(
            _read_policy(name, table, key, uses_challenge=bool(challenge)),
            hands_over=bool(handoffs),
        ),
    )
    if store.uri:
        for reason in refused_pins(config):
            table.problem("handoff", reason)
    key.finish()
    table.finish()
    return config


def _read_handoffs(table: ConfigTable, base: Path) -> tuple[HandOff, ...]:
    """Reads every ``[[trustpoint.NAME.handoff]]``."""
    found: dict[str, HandOff] = {}
    for entry in table.tables("handoff"):
        kind = entry.converted("kind", str, "", example="files")
        name = entry.converted("name", _handoff_name, kind)
        if not kind:
            continue
        if name in found:
            entry.problem("name", f"is that of another hand-off: {name}; give each its own")
        handoff = open_handoff(kind, entry, base, name=name)
        if handoff is not None:
            found[name] = handoff
    return tuple(found.values())


def _handoff_name(text: str) -> str:
    if not NAME_PATTERN.fullmatch(text):
        raise ValueError("has 1 to 64 of A-Z a-z 0-9 . _ - and no dot first")
    return text


def _read_store(key: ConfigTable, base: Path, default: KeyStoreConfig) -> KeyStoreConfig:
    stores = _read_stores(key, base, "store")
    if not stores.uri:
        if stores.secret and "store" not in key:
            key.problem("secret", "belongs to a key.store, which is missing")
        return default
    return stores


def _read_stores(table: ConfigTable, base: Path, name: str) -> KeyStoreConfig:
    """Reads a store and its fallback; ``name`` is what the store's own key is called."""
    config = KeyStoreConfig(
        uri=table.converted(name, lambda text: resolve_store_uri(text, base), ""),
        secret=table.converted("secret", lambda text: resolve_reference(text, base), ""),
        fallback_uri=table.converted("fallback", lambda text: resolve_store_uri(text, base), ""),
        fallback_secret=table.converted(
            "fallback_secret", lambda text: resolve_reference(text, base), ""
        ),
    )
    if "fallback" in table and name not in table:
        table.problem("fallback", f"belongs to a {name}, which is missing")
    if "fallback_secret" in table and "fallback" not in table:
        table.problem("fallback_secret", "belongs to a fallback, which is missing")
    if config.uri and config.fallback_uri and place_of(config.uri) == place_of(config.fallback_uri):
        table.problem("fallback", f"is the same store as {name}")
    return config


def _read_policy(
    name: str, table: ConfigTable, key: ConfigTable, *, uses_challenge: bool
) -> EnrollmentPolicy:
    return EnrollmentPolicy(
        name=name,
        pin=shared(_read_pin(table)),
        ra_rule=shared(_read_ra_rule(table)),
        unpinned_ca=table.choice("on_unpinned", UnpinnedCa.REFUSE),
        floor=table.choice("floor", Floor.MODERN),
        key_id=key.converted("id", _key_id, ""),
        owns_key=key.flag("delete_when_replaced", default=True),
        uses_challenge=uses_challenge,
        key_use=table.converted("key_usage", _key_use, None),
        poll=shared(_read_poll(table.table("poll"))),
        retry=shared(_read_retry(table.table("retry"))),
        renewal=shared(_read_renewal(table.table("renewal"))),
        rollover=shared(_read_rollover(table.table("rollover"))),
        recovery=table.choice("recovery", Recovery.RETRANSMIT),
        clock_skew_s=table.number("clock_skew_s", 300.0, minimum=0, maximum=_DAY_S),
    )


def _read_pin(table: ConfigTable) -> CaPin | None:
    pin = table.converted("fingerprint", parse_fingerprint, None)
    legacy = table.converted("legacy_fingerprint", parse_legacy_fingerprint, None)
    if "fingerprint" in table and "legacy_fingerprint" in table:
        table.problem("legacy_fingerprint", "stands next to fingerprint; keep that one only")
    return pin or legacy


def _read_ra_rule(table: ConfigTable) -> RaRule:
    pins = table.texts("ra_fingerprints", parse_fingerprint)
    any_certificate = table.flag("any_certificate_may_be_ra", default=False)
    if pins and any_certificate:
        table.problem(
            "any_certificate_may_be_ra", "makes ra_fingerprints useless; keep one of the two"
        )
    return RaRule(pinned_sha256=tuple(pin.digest for pin in pins), any_certificate=any_certificate)


def _read_backoff(table: ConfigTable, default: Backoff) -> Backoff:
    return Backoff(
        first_s=table.number("first_s", default.first_s, minimum=0.1, maximum=_YEAR_S),
        growth=table.number("growth", default.growth, minimum=1, maximum=100),
        ceiling_s=table.number("ceiling_s", default.ceiling_s, minimum=0.1, maximum=_YEAR_S),
        jitter_share=table.number("jitter_share", default.jitter_share, minimum=0, maximum=1),
    )


def _read_poll(table: ConfigTable) -> PollPolicy:
    default = PollPolicy()
    policy = PollPolicy(
        backoff=_read_backoff(table, default.backoff),
        max_polls=table.whole("max_polls", default.max_polls, minimum=1, maximum=100_000),
        max_wait_s=table.number("max_wait_s", default.max_wait_s, minimum=1, maximum=_YEAR_S),
    )
    table.finish()
    return policy


def _read_retry(table: ConfigTable) -> RetryPolicy:
    default = RetryPolicy()
    policy = RetryPolicy(
        backoff=_read_backoff(table, default.backoff),
        max_attempts=table.whole("max_attempts", default.max_attempts, minimum=1, maximum=100_000),
    )
    table.finish()
    return policy


def _read_renewal(table: ConfigTable) -> RenewalPolicy:
    default = RenewalPolicy()
    policy = RenewalPolicy(
        enabled=table.flag("enabled", default.enabled),
        at_share=table.number("at_share", default.at_share, minimum=0.01, maximum=0.99),
        days_before_end=table.number("days_before_end", None, minimum=0, maximum=36_600),
        jitter_share=table.number("jitter_share", default.jitter_share, minimum=0, maximum=0.5),
        new_key=table.flag("new_key", default.new_key),
        send_challenge=table.flag("send_challenge", default.send_challenge),
        implicit=table.flag("implicit", default.implicit),
        after_expiry=table.choice("after_expiry", default.after_expiry),
        least_gap_s=table.number("least_gap_s", default.least_gap_s, minimum=1, maximum=_YEAR_S),
    )
    table.finish()
    return policy


def _read_rollover(table: ConfigTable) -> RolloverPolicy:
    default = RolloverPolicy()
    policy = RolloverPolicy(
        mode=table.choice("mode", default.mode),
        check_every_s=table.number(
            "check_every_s", default.check_every_s, minimum=60, maximum=_YEAR_S
        ),
        switch_before_s=table.number(
            "switch_before_s",
            default.switch_before_s,
            minimum=60,
            maximum=LONGEST_WINDOW.total_seconds(),
        ),
    )
    table.finish()
    return policy


def _check_url(text: str) -> str:
    split_url(text)
    return text


def _subject(text: str) -> x509.Name:
    try:
        return parse_subject(text)
    except ValueError as error:
        raise ValueError("is no RFC 4514 name such as CN=router1,O=Example") from error


def _dns_name(text: str) -> str:
    x509.DNSName(text)
    if not text or " " in text:
        raise ValueError("is no DNS name")
    return text


def _email(text: str) -> str:
    try:
        x509.RFC822Name(text)
    except ValueError as error:
        raise ValueError("is no e-mail address") from error
    return text


def _ip_address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError as error:
        raise ValueError("is no IP address") from error


def _digest(text: str) -> Digest:
    try:
        return Digest(text)
    except ValueError as error:
        names = ", ".join(digest.value for digest in Digest)
        raise ValueError(f"is one of {names}") from error


def _key_use(text: str) -> KeyUse:
    try:
        return KeyUse(text)
    except ValueError as error:
        names = ", ".join(use.value for use in KeyUse)
        raise ValueError(f"is one of {names}") from error


def _key_id(text: str) -> str:
    try:
        return check_key_id(text)
    except StoreUriError as error:
        raise ValueError(str(error)) from error
