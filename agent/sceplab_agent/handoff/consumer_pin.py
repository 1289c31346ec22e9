"""The token's PIN for consumers that log in to the token by themselves, in the agent's absence too.

A PIN that a person types in opens the agent's own session and goes no further: nobody is there to
type it when a renewal is handed over. So a consumer's PIN has to stand behind a reference.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sceplab_agent.handoff.api import LogsIn
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.errors import StoreUriError
from sceplab_hsm.pkcs11.uri import Pkcs11Uri
from sceplab_hsm.secret import Secret, resolve_secret
from sceplab_hsm.uri import scheme_of

_PROMPT = "prompt:"
_NEXT_STEP = "set secret of the key store to file:PATH or env:NAME"


def secret_for_consumers(config: TrustpointConfig) -> Callable[[], Secret] | None:
    """Gives passphrase or PIN of the trustpoint's store; ``None``: it has none, or it is typed."""
    reference = _pin_source(config) or config.store_secret
    if not reference or reference.startswith(_PROMPT):
        return None
    return partial(resolve_secret, reference)


def refused_pins(config: TrustpointConfig) -> list[str]:
    """Why hand-offs cannot work: their PIN would be typed in. One text each, with the next step."""
    return [
        f"hand-off {name} logs in to the token by itself, and a PIN that is typed in (prompt:) "
        f"does not reach it; {_NEXT_STEP}"
        for name in _without_pin(config, is_typed=True)
    ]


def missing_pins(config: TrustpointConfig) -> list[str]:
    """Hand-offs that have no PIN, which is right for tokens without one only."""
    return [
        f"hand-off {name} logs in to the token by itself, and no PIN is configured for it; if the "
        f"token has one, {_NEXT_STEP}"
        for name in _without_pin(config, is_typed=False)
    ]


def _without_pin(config: TrustpointConfig, *, is_typed: bool) -> list[str]:
    names = [one.name for one in config.handoffs if isinstance(one, LogsIn) and one.logs_in]
    lacking = [
        one
        for one in config.variants()
        if scheme_of(one.store_uri) == "pkcs11"
        and secret_for_consumers(one) is None
        and one.store_secret.startswith(_PROMPT) is is_typed
    ]
    return names if lacking else []


def _pin_source(config: TrustpointConfig) -> str:
    """The reference inside a ``pkcs11:`` URI; the store itself prefers it, too."""
    if not config.store_uri or scheme_of(config.store_uri) != "pkcs11":
        return ""
    try:
        return Pkcs11Uri.parse(config.store_uri).pin_source or ""
    except StoreUriError:
        return ""  # the store says so when it is opened
