"""``crypto ca enroll``: makes a request and shows it."""

from __future__ import annotations

from collections.abc import Generator
from ipaddress import ip_address
from typing import Any

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.profiles.cisco.pasting import armored
from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco_nxos.switch import Context
from sceplab_devices.profiles.cisco_nxos.trustpoint import Trustpoint
from sceplab_devices.steps import Ask, Dialog, Step, WaitFor

REQUEST_TIMEOUT_S = 600.0
"""A chip may take its time to sign."""
_REQUEST_EVENTS = frozenset({PortEventKind.REQUEST_CREATED, PortEventKind.ENROLL_FAILED})


def enroll(ctx: Context) -> Dialog:
    """``[no] crypto ca enroll NAME``; ``no`` drops the request that waits.

    With a certificate in place it is a renewal by hand, with the key pair that ``rsakeypair``
    names.
    """
    switch, name = ctx.device, ctx.args["name"]
    trustpoint = switch.config.trustpoints.get(name)
    if trustpoint is None:
        ctx.say("trustpoint.unknown", name=name)
        return
    if ctx.negated or ctx.default:
        switch.port.cancel(name)
        return
    if not switch.view(name).ca_certificates_der:
        ctx.say("enroll.unauthenticated")
        return
    if switch.find_key(trustpoint.key_label) is None:
        ctx.say("enroll.no_key")
        return
    ctx.say("enroll.start")
    challenge: str = yield Ask(ctx.text("enroll.password"), echo=False)
    ctx.say("enroll.subject", name=switch.fqdn)
    yield from _ask_names(ctx, trustpoint)
    if name not in switch.config.trustpoints:  # removed from another session meanwhile
        ctx.say("trustpoint.unknown", name=name)
        return
    reason = switch.apply(trustpoint)
    event = None if reason else (yield from _request(ctx, name, challenge))
    if event is None or event.csr_der is None:
        reason = reason or (event.reason if event else "")
        ctx.say("enroll.failed", reason=reason or ctx.text("enroll.no_request"))
        return
    ctx.say("enroll.request", pem="\n".join(armored("CERTIFICATE REQUEST", event.csr_der)))


def _ask_names(ctx: Context, trustpoint: Trustpoint) -> Dialog:
    """Serial number and address, if they are wanted."""
    trustpoint.includes_serial = yield from ask_yes_no(ctx, ctx.text("enroll.serial_question"))
    if trustpoint.includes_serial:
        ctx.say("enroll.serial", serial=ctx.device.serial_number)
    trustpoint.address = ""
    if not (yield from ask_yes_no(ctx, ctx.text("enroll.address_question"))):
        return
    while True:
        typed: str = yield Ask(ctx.text("enroll.address"))
        try:
            trustpoint.address = str(ip_address(typed.strip()))
        except ValueError:
            ctx.say("enroll.not_an_address")
            continue
        return


def _request(ctx: Context, name: str, challenge: str) -> Generator[Step, Any, PortEvent | None]:
    ctx.device.port.create_request(name, challenge=challenge)
    event: PortEvent | None = yield WaitFor(
        lambda event: event.trustpoint == name and event.kind in _REQUEST_EVENTS,
        REQUEST_TIMEOUT_S,
    )
    return event
