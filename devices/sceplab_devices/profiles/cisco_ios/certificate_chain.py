"""``crypto pki certificate chain``: certificates as a configuration carries them.

A pasted CA certificate is taken where the trustpoint has none. A router certificate needs its
request, which no paste brings: it is read to its ``quit`` and dropped, so that a saved
configuration can be typed back.
"""

from __future__ import annotations

import logging

from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.pasting import PASTE_LIMIT_CHARS
from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.steps import Dialog

logger = logging.getLogger(__name__)

_PASTED = "pasted certificate"


def enter_certificate_chain(ctx: Context) -> Dialog:
    """``[no] crypto pki certificate chain NAME``."""
    name = ctx.args["name"]
    if not (ctx.negated or ctx.default):
        ctx.enter_mode("config-cert-chain", name=name)
        return
    if name not in ctx.device.config.trustpoints:
        ctx.say("trustpoint.missing", name=name)
        return
    ctx.say("trustpoint.remove_certificates", name=name)
    sure: bool = yield from ask_yes_no(ctx, ctx.text("trustpoint.remove_question"))
    if sure:
        ctx.device.forget_certificates(name, keeps_ca=False)


def enter_certificate_paste(ctx: Context) -> None:
    """``certificate [ca] SERIAL``."""
    ctx.session.variables[_PASTED] = ""
    name = ctx.session.mode_values["name"]
    ctx.enter_mode("config-pubkey", name=name, kind="ca" if ctx.has("ca") else "")


def certificate_paste(ctx: Context) -> None:
    """One pasted line."""
    line = ctx.line.strip()
    pasted = ctx.session.variables.get(_PASTED, "")
    if line != "quit":
        if len(pasted) + len(line) <= PASTE_LIMIT_CHARS:
            ctx.session.variables[_PASTED] = pasted + line.replace(" ", "")
        return
    place = ctx.session.mode_values
    ctx.leave_mode()
    if place["kind"] == "ca":
        _take_authority(ctx, place["name"], pasted)
    ctx.session.variables.pop(_PASTED, None)


def _take_authority(ctx: Context, name: str, pasted: str) -> None:
    router = ctx.device
    trustpoint = router.config.trustpoints.get(name)
    if trustpoint is None or router.view(name).ca_certificates_der:
        return
    try:
        router.give_ca(trustpoint, [bytes.fromhex(pasted)])
    except (DeviceError, ValueError) as error:
        logger.info("%s: pasted certificate of %s not taken: %s", router.hostname, name, error)
