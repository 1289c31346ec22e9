"""``crypto ca authenticate``: the CA certificate comes, then is trusted by pin or operator."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Generator
from typing import Any

from cryptography import x509

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.pasting import read_certificates, read_paste
from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco.trustpoint import pin_algorithm
from sceplab_devices.profiles.cisco.x509_text import fingerprint_text
from sceplab_devices.profiles.cisco_asa.firewall import Context
from sceplab_devices.profiles.cisco_asa.trustpoint import Trustpoint
from sceplab_devices.steps import Dialog, Step, WaitFor

FETCH_TIMEOUT_S = 120.0
TRUST_TIMEOUT_S = 30.0

_FETCHED = frozenset(
    {
        PortEventKind.CA_CERT_RECEIVED,
        PortEventKind.CA_PINNED_OK,
        PortEventKind.CA_PIN_MISMATCH,
        PortEventKind.CA_UNREACHABLE,
    }
)


def authenticate(ctx: Context) -> Dialog:
    """``crypto ca authenticate NAME [fingerprint HEX] [nointeractive]``."""
    name = ctx.args["name"]
    trustpoint = ctx.device.config.trustpoints.get(name)
    if trustpoint is None:
        ctx.say("authenticate.unknown", name=name)
        return
    if ctx.device.view(name).ca_certificates_der:
        ctx.say("authenticate.authenticated", name=name)
        return
    typed = _typed_pin(ctx)
    if typed is None:
        ctx.reject("fingerprint")
        return
    pin, is_silent = typed
    if trustpoint.is_terminal:
        yield from _paste(ctx, trustpoint, pin, is_silent=is_silent)
    elif not trustpoint.url:
        ctx.say("enroll.no_url", name=name)
    else:
        yield from _fetch(ctx, trustpoint, pin, is_silent=is_silent)


def _typed_pin(ctx: Context) -> tuple[str, bool] | None:
    """Fingerprint (empty: none) and whether nothing shall be asked; ``None``: it is malformed.

    The digits may be typed in groups.
    """
    words = ctx.args.get("fingerprint", "").lower().replace(":", "").split()
    is_silent = ctx.has("nointeractive")
    if len(words) > 1 and "nointeractive".startswith(words[-1]):
        words.pop()
        is_silent = True
    pin = "".join(words).removeprefix("0x")
    is_hex = all(digit in string.hexdigits for digit in pin)
    if pin and not (is_hex and pin_algorithm(pin)):
        return None
    return pin, is_silent


def _fetch(ctx: Context, trustpoint: Trustpoint, pin: str, *, is_silent: bool) -> Dialog:
    firewall = ctx.device
    if firewall.view(trustpoint.name).state == "CA_FETCH":
        ctx.say("authenticate.in_progress", name=trustpoint.name)
        return
    trustpoint.pin = pin
    is_usable = firewall.apply(trustpoint)
    trustpoint.pin = ""  # it counts for this command alone
    if not is_usable:
        ctx.say("authenticate.unreachable")
        return
    firewall.port.authenticate(trustpoint.name)
    event = None
    try:
        event = yield from _wait(trustpoint, _FETCHED, FETCH_TIMEOUT_S)
    finally:
        # After Ctrl-C, too: what this one comes to must not be the answer to the next.
        if event is None and firewall.has(trustpoint):
            firewall.port.cancel(trustpoint.name)
    if event is None or event.kind == PortEventKind.CA_UNREACHABLE:
        ctx.say("authenticate.unreachable")
    elif event.kind == PortEventKind.CA_PIN_MISMATCH:
        ctx.say("authenticate.mismatch")
    elif event.kind == PortEventKind.CA_PINNED_OK:
        _show_attributes(ctx, event.certificate_der or b"")
        _accept(ctx, trustpoint, event.certificate_der or b"")
    else:
        yield from _settle(ctx, trustpoint, event.certificate_der or b"", is_silent=is_silent)


def _settle(ctx: Context, trustpoint: Trustpoint, ca_der: bytes, *, is_silent: bool) -> Dialog:
    """Asks the operator about a fetched certificate, unless told to ask nothing."""
    firewall = ctx.device
    _show_attributes(ctx, ca_der)
    accepted = is_silent
    try:
        if not is_silent:
            accepted = yield from ask_yes_no(ctx, ctx.text("authenticate.question"))
    finally:
        # Ctrl-C and a dropped line are a refusal too: the port must not wait for ever.
        if firewall.has(trustpoint):
            firewall.port.answer_ca(trustpoint.name, accept=accepted)
    if not firewall.has(trustpoint):  # another session removed it
        ctx.say("authenticate.unknown", name=trustpoint.name)
        return
    if not accepted:
        ctx.say("authenticate.refused")
        return
    if not firewall.view(trustpoint.name).ca_certificates_der:
        kinds = frozenset({PortEventKind.CA_TRUSTED})
        if (yield from _wait(trustpoint, kinds, TRUST_TIMEOUT_S)) is None:
            ctx.say("authenticate.refused")
            return
    _accept(ctx, trustpoint, ca_der)


def _paste(ctx: Context, trustpoint: Trustpoint, pin: str, *, is_silent: bool) -> Dialog:
    """``enrollment terminal``: the operator brings the certificate."""
    ctx.say("authenticate.paste")
    certificates = read_certificates((yield from read_paste(ends_on_blank=False)))
    if not certificates:
        ctx.say("authenticate.not_parsed")
        return
    ca_der = certificates[0]
    if pin and _fingerprint(ca_der, pin_algorithm(pin)) != pin:
        ctx.say("authenticate.mismatch")
        return
    _show_attributes(ctx, ca_der)
    if not (pin or is_silent):
        accepted: bool = yield from ask_yes_no(ctx, ctx.text("authenticate.question"))
        if not accepted:
            ctx.say("authenticate.refused")
            return
    if not ctx.device.has(trustpoint):  # another session removed it
        ctx.say("authenticate.unknown", name=trustpoint.name)
        return
    if not ctx.device.apply(trustpoint):
        ctx.say("authenticate.not_parsed")
        return
    try:
        ctx.device.port.import_ca(trustpoint.name, certificates)
    except DeviceError as error:
        ctx.say("authenticate.not_imported", reason=error)
        return
    _accept(ctx, trustpoint, ca_der)
    ctx.say("authenticate.imported")


def _fingerprint(data_der: bytes, algorithm: str) -> str:
    return hashlib.new(algorithm, data_der, usedforsecurity=False).hexdigest()


def _show_attributes(ctx: Context, ca_der: bytes) -> None:
    shown = fingerprint_text(ca_der, "md5").rstrip().lower()
    ctx.say("authenticate.attributes", fingerprint=shown)


def _accept(ctx: Context, trustpoint: Trustpoint, ca_der: bytes) -> None:
    authority = x509.load_der_x509_certificate(ca_der)
    if authority.subject != authority.issuer:
        ctx.say("authenticate.subordinate", name=trustpoint.name)
    ctx.say("authenticate.accepted")
    ctx.device.note_change()


def _wait(
    trustpoint: Trustpoint, kinds: frozenset[str], timeout_s: float
) -> Generator[Step, Any, PortEvent | None]:
    event: PortEvent | None = yield WaitFor(
        lambda event: event.trustpoint == trustpoint.name and event.kind in kinds, timeout_s
    )
    return event
