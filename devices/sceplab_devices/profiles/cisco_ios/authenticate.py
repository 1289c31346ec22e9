"""``crypto pki authenticate``: the CA certificate comes, then pin or operator trust it or not."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from typing import Any

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.hexdump import grouped_hex
from sceplab_devices.profiles.cisco.pasting import read_certificates, read_paste
from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco.trustpoint import pin_algorithm
from sceplab_devices.profiles.cisco.x509_text import fingerprint_text
from sceplab_devices.profiles.cisco_ios.enrollment_method import (
    EnrollmentMethod,
    enrollment_method,
)
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
        yield from authenticate_ca(ctx, trustpoint)


def authenticate_ca(ctx: Context, trustpoint: Trustpoint) -> Generator[Step, Any, bool]:
    """Gets the CA certificate the trustpoint's way; true when it is trusted."""
    if enrollment_method(ctx.device, trustpoint) is EnrollmentMethod.TERMINAL:
        return (yield from _take_pasted_ca(ctx, trustpoint))
    return (yield from fetch_ca(ctx, trustpoint))


def fetch_ca(ctx: Context, trustpoint: Trustpoint) -> Generator[Step, Any, bool]:
    """Fetches the CA certificate and settles whether it is trusted; true when it is."""
    router = ctx.device
    if router.view(trustpoint.name).state == "CA_FETCH":
        ctx.say("authenticate.in_progress")
        return False
    if not router.apply(trustpoint):
        ctx.say("authenticate.unreachable")
        return False
    router.counters.sessions_started += 1
    router.port.authenticate(trustpoint.name)
    event = None
    try:
        event = yield from _wait(trustpoint, _FETCHED, FETCH_TIMEOUT_S)
    finally:
        # After Ctrl-C, too: what this one comes to must not be the answer to the next.
        if event is None and router.config.trustpoints.get(trustpoint.name) is trustpoint:
            router.port.cancel(trustpoint.name)
    if event is None or event.kind == PortEventKind.CA_UNREACHABLE:
        ctx.say("authenticate.unreachable")
        return False
    if event.kind == PortEventKind.CA_PIN_MISSING:
        ctx.say("authenticate.pin_missing")
        return _reject(ctx)
    _show_attributes(ctx, event.certificate_der or b"")
    if event.kind == PortEventKind.CA_CERT_RECEIVED:
        return (yield from _ask_operator(ctx, trustpoint))
    return _settle_pin(ctx, trustpoint, matches=event.kind == PortEventKind.CA_PINNED_OK)


def _settle_pin(ctx: Context, trustpoint: Trustpoint, *, matches: bool) -> bool:
    ctx.say("authenticate.trustpoint_pin", pin=grouped_hex(bytes.fromhex(trustpoint.pin)).rstrip())
    if not matches:
        ctx.say("authenticate.pin_differs")
        return _reject(ctx)
    ctx.say("authenticate.pin_matches")
    return _accept(ctx)


def _take_pasted_ca(ctx: Context, trustpoint: Trustpoint) -> Generator[Step, Any, bool]:
    """``enrollment terminal``: the operator pastes the CA certificate."""
    router = ctx.device
    ctx.say("authenticate.paste")
    pasted = read_certificates((yield from read_paste()))
    if not pasted or not router.apply(trustpoint):
        ctx.say("authenticate.not_saved")
        return False
    trusted = yield from _settle_pasted(ctx, trustpoint, pasted[0])
    if not trusted:
        return False
    try:
        router.port.import_ca(trustpoint.name, pasted)
    except DeviceError as error:
        router.syslog("unusable", name=trustpoint.name, reason=error)
        ctx.say("authenticate.not_saved")
        return False
    ctx.say("authenticate.imported")
    return True


def _settle_pasted(
    ctx: Context, trustpoint: Trustpoint, certificate_der: bytes
) -> Generator[Step, Any, bool]:
    """Whether the pasted certificate is the CA's: by fingerprint, else the operator says."""
    if not trustpoint.pin and ctx.device.train.pin_required:
        ctx.say("authenticate.pin_missing")
        return _reject(ctx)
    _show_attributes(ctx, certificate_der)
    if trustpoint.pin:
        algorithm = pin_algorithm(trustpoint.pin)
        digest = hashlib.new(algorithm, certificate_der, usedforsecurity=False).hexdigest()
        return _settle_pin(ctx, trustpoint, matches=digest.upper() == trustpoint.pin)
    accepted: bool = yield from ask_yes_no(ctx, ctx.text("authenticate.question"))
    if not accepted:
        return _refuse(ctx)
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
        return _refuse(ctx)
    if not ctx.device.view(trustpoint.name).ca_certificates_der:
        kinds = frozenset({PortEventKind.CA_TRUSTED})
        if (yield from _wait(trustpoint, kinds, TRUST_TIMEOUT_S)) is None:
            return _reject(ctx)
    return _accept(ctx)


def _accept(ctx: Context) -> bool:
    ctx.say("authenticate.accepted")
    ctx.device.note_change()
    return True


def _refuse(ctx: Context) -> bool:
    ctx.say("authenticate.refused")
    ctx.say("authenticate.not_saved")
    return False


def _reject(ctx: Context) -> bool:
    ctx.say("authenticate.rejected")
    ctx.say("authenticate.not_saved")
    return False


def _show_attributes(ctx: Context, certificate_der: bytes) -> None:
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
