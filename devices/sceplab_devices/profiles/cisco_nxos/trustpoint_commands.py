"""``crypto ca trustpoint`` and its sub-commands."""

from __future__ import annotations

from collections.abc import Mapping

from sceplab_devices.batch import MEMORY_LINE
from sceplab_devices.profiles.cisco.store import line_key
from sceplab_devices.profiles.cisco.trustpoint import Entry
from sceplab_devices.profiles.cisco_nxos.switch import Context
from sceplab_devices.profiles.cisco_nxos.trustpoint import Trustpoint


def enter_trustpoint(ctx: Context) -> None:
    """``[no] crypto ca trustpoint NAME``. CRL and CA certificate have to be deleted before it."""
    switch, name = ctx.device, ctx.args["name"]
    trustpoints = switch.config.trustpoints
    if not (ctx.negated or ctx.default):
        if name not in trustpoints:
            trustpoints[name] = Trustpoint(name)
            switch.note_change()
        ctx.enter_mode("trustpoint", name=name)
        return
    trustpoint = trustpoints.get(name)
    if trustpoint is None:
        ctx.say("trustpoint.unknown", name=name)
    elif trustpoint.crl is not None:
        ctx.say("trustpoint.has_crl")
    elif switch.view(name).ca_certificates_der:
        ctx.say("trustpoint.has_ca")
    elif switch.view(name).certificate_der:
        ctx.say("trustpoint.has_certificate")
    else:
        del trustpoints[name]
        switch.port.remove(name)
        switch.note_change()


def trustpoint_left(ctx: Context, values: Mapping[str, str]) -> None:
    """The sub-mode was left: the port hears of the lines only now, all at once."""
    trustpoint = ctx.device.config.trustpoints.get(values["name"])
    if trustpoint is None:
        return
    reason = ctx.device.apply(trustpoint)
    if reason:
        ctx.say("trustpoint.unusable", name=trustpoint.name, reason=reason)


def trustpoint_setting(ctx: Context) -> None:
    """A sub-command that is kept."""
    trustpoint = _present(ctx)
    if trustpoint is None:
        return
    ctx.device.note_change()
    key = line_key(ctx)
    if ctx.negated or ctx.default:
        trustpoint.entries.pop(key, None)
    else:
        trustpoint.entries[key] = Entry(" ".join(ctx.words), dict(ctx.args))


def choose_key(ctx: Context) -> None:
    """``[no] rsakeypair LABEL [SIZE]``: not while a certificate of the present one is there."""
    trustpoint = _present(ctx)
    if trustpoint is None:
        return
    wanted = "" if ctx.negated or ctx.default else ctx.args["label"]
    is_new = wanted != trustpoint.key_label and ctx.session.line is not MEMORY_LINE
    if is_new and ctx.device.view(trustpoint.name).certificate_der:
        ctx.say("trustpoint.has_certificate")
        return
    trustpoint_setting(ctx)


def delete_ca(ctx: Context) -> None:
    """``delete ca-certificate``: not before the identity certificate."""
    trustpoint = _present(ctx)
    if trustpoint is None:
        return
    view = ctx.device.view(trustpoint.name)
    if not view.ca_certificates_der:
        ctx.say("trustpoint.no_ca")
    elif view.certificate_der:
        ctx.say("trustpoint.has_certificate")
    else:
        _start_over(ctx, trustpoint)


def delete_certificate(ctx: Context) -> None:
    """``delete certificate [force]``: the last one of the box goes with ``force`` only."""
    trustpoint = _present(ctx)
    if trustpoint is None:
        return
    switch = ctx.device
    view = switch.view(trustpoint.name)
    if view.certificate_der is None:
        ctx.say("trustpoint.no_certificate")
        return
    others = [
        name
        for name in switch.config.trustpoints
        if name != trustpoint.name and switch.view(name).certificate_der
    ]
    if not others and not ctx.has("force"):
        ctx.say("trustpoint.last_certificate")
        return
    _start_over(ctx, trustpoint)
    if view.ca_certificates_der:
        switch.port.import_ca(trustpoint.name, view.ca_certificates_der)


def delete_crl(ctx: Context) -> None:
    """``delete crl``."""
    trustpoint = _present(ctx)
    if trustpoint is None:
        return
    if trustpoint.crl is None:
        ctx.say("trustpoint.no_crl")
    trustpoint.crl = None


def _start_over(ctx: Context, trustpoint: Trustpoint) -> None:
    """The port forgets what it has for the trustpoint; the configuration stays."""
    ctx.device.port.remove(trustpoint.name)
    ctx.device.apply(trustpoint)
    ctx.device.note_change()


def _present(ctx: Context) -> Trustpoint | None:
    """The trustpoint of the mode; ``None`` when it was removed from another session meanwhile."""
    return ctx.device.config.trustpoints.get(ctx.session.mode_values["name"])
