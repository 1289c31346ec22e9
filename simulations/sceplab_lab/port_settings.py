"""What a device's configuration means to the agent: settings to trustpoint and policy."""

from __future__ import annotations

import re
from ipaddress import ip_address

from sceplab_agent.core.policy import (
    Backoff,
    CaPin,
    EnrollmentPolicy,
    PinAlgorithm,
    PollPolicy,
    RenewalPolicy,
    RolloverMode,
    RolloverPolicy,
    UnpinnedCa,
)
from sceplab_agent.trustpoint import TrustpointConfig, alternative_names, parse_subject
from sceplab_devices.api import TrustpointSettings
from sceplab_hsm.api import KeyAlgorithm
from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.ra_rule import RaRule

_PLAIN = re.compile(r"[A-Za-z0-9._#+-]+")
_DEVICE_RA_RULE = RaRule(any_certificate=True)
"""Devices choose RA certificates by key usage, as far as their documents say, and no command names
an RA certificate. A device that refused would not work with servers that the real one works with,
and its operator could do nothing about it."""
_PIN_ALGORITHM_BY_DIGITS = {64: "sha256", 40: "sha1", 32: "md5"}


def key_id_of(label: str) -> str:
    """Name of a device's key pair in its store: the label, other characters as ``@`` and hex."""
    if _PLAIN.fullmatch(label):
        return label
    return "".join(
        character if _PLAIN.fullmatch(character) else f"@{character.encode().hex()}@"
        for character in label
    )


def trustpoint_config(
    settings: TrustpointSettings, *, key_id: str, floor: Floor, has_challenge: bool
) -> TrustpointConfig:
    """The agent's form of a trustpoint.

    Args:
        settings: as the device's configuration says.
        key_id: name of its key pair in the key store.
        floor: weakest algorithms this device accepts.
        has_challenge: whether the operator gave a challenge password.

    Raises:
        ValueError: subject, name, pin, key or digest is malformed; the text says which.
    """
    renewal = RenewalPolicy(
        enabled=settings.auto_renew_share is not None,
        at_share=settings.auto_renew_share or 1.0,
        new_key=settings.new_key_on_renewal,
    )
    policy = EnrollmentPolicy(
        name=settings.name,
        pin=_pin(settings),
        unpinned_ca=UnpinnedCa.REFUSE if settings.pin_required else UnpinnedCa.ASK,
        ra_rule=_DEVICE_RA_RULE,
        floor=floor,
        key_id=key_id,
        owns_key=False,  # the device's keys belong to their labels
        uses_challenge=has_challenge,
        poll=_poll_policy(settings),
        renewal=renewal,
        rollover=RolloverPolicy(mode=RolloverMode.OFF),  # the devices have no such step
    )
    config = TrustpointConfig(
        name=settings.name,
        url=settings.url,
        ca_identifier=settings.ca_identifier,
        subject=parse_subject(settings.subject),
        dns_names=settings.dns_names,
        emails=settings.emails,
        ip_addresses=tuple(ip_address(text) for text in settings.ip_addresses),
        key_algorithm=KeyAlgorithm(settings.key_algorithm),
        digest=Digest(settings.digest) if settings.digest else None,
        policy=policy,
    )
    alternative_names(config)  # complains now, not when the request is made
    return config


def _poll_policy(settings: TrustpointSettings) -> PollPolicy:
    period_s = settings.retry_period_s
    return PollPolicy(
        backoff=Backoff(first_s=period_s, growth=1.0, ceiling_s=period_s),
        max_polls=settings.retry_count,
        max_wait_s=period_s * (settings.retry_count + 1),
    )


def _pin(settings: TrustpointSettings) -> CaPin | None:
    if not settings.pin_hex:
        return None
    name = settings.pin_algorithm or _PIN_ALGORITHM_BY_DIGITS.get(len(settings.pin_hex), "")
    try:
        return CaPin(algorithm=PinAlgorithm(name), digest=bytes.fromhex(settings.pin_hex))
    except ValueError as error:
        raise ValueError(
            f"fingerprint {settings.pin_hex!r} is not a SHA-256, SHA-1 or MD5 value"
        ) from error
