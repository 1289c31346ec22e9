"""``show crypto ca`` and ``show crypto key``: what the enrollment engine holds."""

from __future__ import annotations

from sceplab_devices.profiles.cisco_nxos.certificate_text import certificate_lines, crl_lines
from sceplab_devices.profiles.cisco_nxos.switch import Context


def show_certificates(ctx: Context) -> None:
    """``show crypto ca certificates [NAME]``. A request that waits is not shown: it is text."""
    for name in _wanted(ctx):
        view = ctx.device.view(name)
        ctx.say("show_ca.trustpoint", name=name)
        if view.certificate_der is not None:
            ctx.say("show_ca.certificate")
            ctx.write("\n".join(certificate_lines(view.certificate_der)))
            ctx.write()
        for index, certificate_der in enumerate(view.ca_certificates_der):
            ctx.say("show_ca.authority", index=index)
            ctx.write("\n".join(certificate_lines(certificate_der)))
            ctx.write()


def show_trustpoints(ctx: Context) -> None:
    """``show crypto ca trustpoints``."""
    for name in _wanted(ctx):
        trustpoint = ctx.device.config.trustpoints[name]
        methods = " ".join(trustpoint.revocation_methods)
        ctx.say("show_ca.settings", name=name, label=trustpoint.key_label, methods=methods)


def show_crl(ctx: Context) -> None:
    """``show crypto ca crl NAME``."""
    for name in _wanted(ctx):
        ctx.say("show_ca.trustpoint", name=name)
        crl = ctx.device.config.trustpoints[name].crl
        if crl is not None:
            ctx.say("show_ca.crl")
            ctx.write("\n".join(crl_lines(crl)))


def _wanted(ctx: Context) -> list[str]:
    """Trustpoints the command is about; an unknown one is said."""
    wanted = ctx.args.get("name")
    if wanted is not None and wanted not in ctx.device.config.trustpoints:
        ctx.say("trustpoint.unknown", name=wanted)
    return [name for name in ctx.device.config.trustpoints if wanted in (None, name)]


def show_keys(ctx: Context) -> None:
    """``show crypto key mypubkey rsa``."""
    words = ctx.device.profile.data["key_storage"]
    for key in ctx.device.key_pairs():
        if not key.algorithm.startswith("rsa:"):
            continue
        ctx.say(
            "show_key.pair",
            label=key.label,
            bits=key.algorithm.removeprefix("rsa:"),
            exportable="yes" if key.exportable else "no",
        )
        storage = words.get(key.storage, words["other"]).format(storage=key.storage)
        if storage:
            ctx.write(storage)
        ctx.write()
