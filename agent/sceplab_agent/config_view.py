"""The effective configuration as shown back: defaults filled in, secrets only as references."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeGuard

from sceplab_agent.core.policy import EnrollmentPolicy, PinAlgorithm
from sceplab_agent.fingerprint import format_pin
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_scep.names import name_text

if TYPE_CHECKING:
    from sceplab_agent.config import AgentConfig  # it imports the users of `mask_uri`

View = dict[str, object]

_PIN_IN_URI = re.compile(r"(pin-value=)[^&;?]*")
"""RFC 7512 lets a PIN stand in a PKCS#11 URI."""


def describe_config(config: AgentConfig) -> View:
    """JSON-ready form, in the shape and with the key names of the file."""
    http: View = {**asdict(config.http.limits), "user_agent": config.http.user_agent}
    if config.http.tls_ca_file is not None:
        http["tls_ca_file"] = str(config.http.tls_ca_file)
    return {
        "agent": {"state_dir": str(config.state_dir)},
        "http": http,
        "trustpoint": {
            trustpoint.name: _describe_trustpoint(trustpoint) for trustpoint in config.trustpoints
        },
    }


def mask_uri(uri: str) -> str:
    """A key store's URI without the PIN it may hold."""
    return _PIN_IN_URI.sub(r"\1***", uri)


def format_toml(view: View, path: str = "") -> str:
    """The view as TOML text that the agent would read again."""
    arrays = {key: value for key, value in view.items() if _is_tables(value)}
    plain = {
        key: value
        for key, value in view.items()
        if not isinstance(value, dict) and key not in arrays
    }
    tables = {key: value for key, value in view.items() if isinstance(value, dict)}
    lines = [f"{key} = {_toml_value(value)}" for key, value in plain.items()]
    if path and plain:
        lines.insert(0, f"[{path}]")
    blocks = ["\n".join(lines)] if lines else []
    blocks += [
        format_toml(value, f"{path}.{_toml_key(key)}" if path else _toml_key(key))
        for key, value in tables.items()
    ]
    for key, entries in arrays.items():
        name = f"{path}.{_toml_key(key)}" if path else _toml_key(key)
        blocks += [_format_entry(entry, name) for entry in entries]
    return "\n\n".join(blocks)


def _is_tables(value: object) -> TypeGuard[list[View]]:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _format_entry(entry: View, name: str) -> str:
    """One ``[[name]]``, whatever tables it holds behind it."""
    header = f"[[{name}]]"
    text = format_toml(entry, name)
    return f"{header}{text.removeprefix(f'[{name}]')}" if text.startswith(f"[{name}]") else header


def _describe_trustpoint(config: TrustpointConfig) -> View:
    policy = config.policy
    view: View = {"url": config.url}
    if config.ca_identifier:
        view["ca_identifier"] = config.ca_identifier
    if policy.pin is not None:
        is_strong = policy.pin.algorithm is PinAlgorithm.SHA256
        view["fingerprint" if is_strong else "legacy_fingerprint"] = format_pin(policy.pin)
    view["on_unpinned"] = policy.unpinned_ca.value
    view["ra_fingerprints"] = [f"sha256:{pin.hex()}" for pin in policy.ra_rule.pinned_sha256]
    view["any_certificate_may_be_ra"] = policy.ra_rule.any_certificate
    view["subject"] = name_text(config.subject)
    view["dns_names"] = list(config.dns_names)
    view["emails"] = list(config.emails)
    view["ip_addresses"] = [str(address) for address in config.ip_addresses]
    if config.challenge:
        view["challenge"] = config.challenge
    if policy.key_use is not None:
        view["key_usage"] = policy.key_use.value
    if config.digest is not None:
        view["digest"] = config.digest.value
    view["floor"] = policy.floor.value
    view["recovery"] = policy.recovery.value
    view["clock_skew_s"] = policy.clock_skew_s
    view["key"] = _describe_key(config)
    view |= _describe_policy(policy)
    if config.handoff_tables:
        view["handoff"] = [dict(table) for table in config.handoff_tables]
    return view


def _describe_key(config: TrustpointConfig) -> View:
    view: View = {
        "algorithm": config.key_algorithm.value,
        "store": mask_uri(config.store_uri),
        "id": config.policy.first_key_id,
        "delete_when_replaced": config.policy.owns_key,
        "exportable": config.key_exportable,
    }
    if config.store_secret:
        view["secret"] = config.store_secret
    if config.fallback_uri:
        view["fallback"] = mask_uri(config.fallback_uri)
    if config.fallback_secret:
        view["fallback_secret"] = config.fallback_secret
    return view


def _describe_policy(policy: EnrollmentPolicy) -> View:
    poll, retry = policy.poll, policy.retry
    renewal = {key: value for key, value in asdict(policy.renewal).items() if value is not None}
    renewal["after_expiry"] = policy.renewal.after_expiry.value
    return {
        "poll": {
            **asdict(poll.backoff),
            "max_polls": poll.max_polls,
            "max_wait_s": poll.max_wait_s,
        },
        "retry": {**asdict(retry.backoff), "max_attempts": retry.max_attempts},
        "renewal": renewal,
        "rollover": {
            "mode": policy.rollover.mode.value,
            "check_every_s": policy.rollover.check_every_s,
            "switch_before_s": policy.rollover.switch_before_s,
        },
    }


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml_value(key)


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(_toml_value(item) for item in value)}]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
