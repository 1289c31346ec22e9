"""``crypto pki authenticate``: the CA certificate is fetched, then trusted by pin or operator."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.profiles.cisco.hexdump import grouped_hex
from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco.x509_text import fingerprint_text
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.profiles.cisco_ios.trustpoint import Trustpoint
from sceplab_devices.steps import Dialog, Step, WaitFor

FETCH_TIMEOUT_S = 120.0
TRUST_TIMEOUT_S = 30.0

_FETCHED = frozenset(
    {
        PortEventKind.CA_CERT_RECEIVED,
        PortEventKind.CA_PINNED_OK,
        PortEventKind.CA_PIN_MISMATCH,
        PortEventKind.CA_PIN_MISSING,
        PortEventKind.CA_UNREACHABLE,
    }
)


def authenticate(ctx: Context) -> Dialog:
    """``crypto pki authenticate NAME``."""
    name = ctx.args["name"]
    trustpoint = ctx.device.config.trustpoints.get(name)
    if trustpoint is None:
        ctx.say("authenticate.unknown", name=name)
    elif ctx.device.view(name).ca_certificates_der:
        ctx.say("authenticate.authenticated")
    else:
        yield from fetch_ca(ctx, trustpoint)


def fetch_ca(ctx: Context, trustpoint: Trustpoint) -> Generator[Step, Any, bool]:
    """Fetches the CA certificate and settles whether it is trusted; true when it is."""
    router = ctx.device
    if not router.apply(trustpoint):
        ctx.say("authenticate.unreachable")
        return False
    router.counters.sessions_started += 1
    router.port.authenticate(trustpoint.name)
    event = yield from _wait(trustpoint, _FETCHED, FETCH_TIMEOUT_S)
    if event is None:
        router.port.cancel(trustpoint.name)
    if event is None or event.kind == PortEventKind.CA_UNREACHABLE:
        ctx.say("authenticate.unreachable")
        return False
    if event.kind == PortEventKind.CA_PIN_MISSING:
        ctx.say("authenticate.pin_missing")
        return _reject(ctx)
    _show_attributes(ctx, event)
    if event.kind == PortEventKind.CA_CERT_RECEIVED:
        return (yield from _ask_operator(ctx, trustpoint))
    ctx.say("authenticate.trustpoint_pin", pin=grouped_hex(bytes.fromhex(trustpoint.pin)).rstrip())
    if event.kind == PortEventKind.CA_PIN_MISMATCH:
        ctx.say("authenticate.pin_differs")
        return _reject(ctx)
    ctx.say("authenticate.pin_matches")
    return _accept(ctx)


def _ask_operator(ctx: Context, trustpoint: Trustpoint) -> Generator[Step, Any, bool]:
    port = ctx.device.port
    accepted = False
    try:
        accepted = yield from ask_yes_no(ctx, ctx.text("authenticate.question"))
    finally:
        # Ctrl-C and a dropped line are a refusal too: the port must not wait for ever.
        port.answer_ca(trustpoint.name, accept=accepted)
    if not accepted:
        ctx.say("authenticate.refused")
        ctx.say("authenticate.not_saved")
        return False
    if not ctx.device.view(trustpoint.name).ca_certificates_der:
        kinds = frozenset({PortEventKind.CA_TRUSTED})
        if (yield from _wait(trustpoint, kinds, TRUST_TIMEOUT_S)) is None:
            return _reject(ctx)
    return _accept(ctx)


def _accept(ctx: Context) -> bool:
    ctx.say("authenticate.accepted")
    ctx.device.note_change()
    return True


def _reject(ctx: Context) -> bool:
    ctx.say("authenticate.rejected")
    ctx.say("authenticate.not_saved")
    return False


def _show_attributes(ctx: Context, event: PortEvent) -> None:
    certificate_der = event.certificate_der or b""
    ctx.say(
        "authenticate.attributes",
        md5=fingerprint_text(certificate_der, "md5"),
        sha1=fingerprint_text(certificate_der, "sha1"),
    )


def _wait(
    trustpoint: Trustpoint, kinds: frozenset[str], timeout_s: float
) -> Generator[Step, Any, PortEvent | None]:
    event: PortEvent | None = yield WaitFor(
        lambda event: event.trustpoint == trustpoint.name and event.kind in kinds, timeout_s
    )
    return event
