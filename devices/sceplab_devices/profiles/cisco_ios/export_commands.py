"""``crypto pki export``: a trustpoint's certificates and key pair, for the operator to carry."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.pasting import armored, encode_base64
from sceplab_devices.profiles.cisco_ios.carried_files import ask_destination
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.steps import Dialog, Step

CIPHERS = ("3des", "aes", "des")


def export_pkcs12(ctx: Context) -> Dialog:
    """``crypto pki export NAME pkcs12 terminal|URL [password] PASSPHRASE``."""
    name = ctx.args["name"]
    if not _is_known(ctx, name):
        return
    if not _may_leave(ctx, ctx.device.view(name).key_label):
        return
    try:
        data = ctx.device.port.export_pkcs12(name, ctx.args["passphrase"])
    except DeviceError as error:
        ctx.say("export.failed", reason=error)
        return
    if "url" in ctx.args:
        if not (yield from ask_destination(ctx, ctx.args["url"], name, data)):
            return
    else:
        ctx.say("export.pkcs12", data="\n".join(encode_base64(data)))
    ctx.say("export.pkcs12_done")


def export_pem(ctx: Context) -> Dialog:
    """``crypto pki export NAME pem terminal|url URL [CIPHER [password] PASSPHRASE]``."""
    name = ctx.args["name"]
    if not _is_known(ctx, name):
        return
    view = ctx.device.view(name)
    if not view.ca_certificates_der:
        ctx.say("export.unauthenticated")
        return
    if "passphrase" in ctx.args and not _may_leave(ctx, view.key_label):
        return
    if view.certificate_der is None:
        ctx.say("export.only_ca", name=name)
    authority = armored("CERTIFICATE", view.ca_certificates_der[0])
    if not (yield from _give(ctx, "export.ca", ".ca", authority)):
        return
    if view.certificate_der is None:
        return
    if "passphrase" in ctx.args:
        cipher = next(word for word in ctx.words if word in CIPHERS)
        try:
            pem = ctx.device.port.export_key(view.key_label, ctx.args["passphrase"], cipher)
        except DeviceError as error:
            ctx.say("export.failed", reason=error)
            return
        title = ctx.text("export.key", label=view.key_label)
        if not (yield from _give(ctx, title, ".prv", pem.strip().splitlines())):
            return
    own = armored("CERTIFICATE", view.certificate_der)
    yield from _give(ctx, "export.certificate", ".crt", own)


def _give(ctx: Context, title: str, ending: str, lines: list[str]) -> Generator[Step, Any, bool]:
    """Shows a part under its title, or writes it to its file; false: it could not be written."""
    ctx.write(ctx.text(title) if title.startswith("export.") else title)
    if "url" not in ctx.args:
        ctx.write("\n".join([*lines, ""]))
        return True
    content = "\n".join([*lines, ""]).encode()
    default = ctx.args["name"] + ending
    written: bool = yield from ask_destination(ctx, ctx.args["url"], default, content)
    return written


def _may_leave(ctx: Context, label: str) -> bool:
    """Whether a key pair is exportable; one that does not exist is somebody else's error."""
    key = ctx.device.find_key(label)
    if key is None or key.exportable:
        return True
    ctx.say("export.not_exportable", label=label)
    return False


def _is_known(ctx: Context, name: str) -> bool:
    if name in ctx.device.config.trustpoints:
        return True
    ctx.say("authenticate.unknown", name=name)
    return False
