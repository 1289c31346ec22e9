"""``crypto key export | import``: key pairs as PEM."""

from __future__ import annotations

from sceplab_devices.api import KeyView
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.pasting import armored, read_paste
from sceplab_devices.profiles.cisco_ios.carried_files import ask_destination, ask_source
from sceplab_devices.profiles.cisco_ios.export_commands import CIPHERS
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.steps import Dialog


def export_key(ctx: Context) -> Dialog:
    """``crypto key export rsa|ec NAME pem terminal|url URL CIPHER PASSPHRASE``."""
    label = ctx.args["label"]
    key = _find(ctx, label)
    if key is None:
        ctx.say("key_file.unknown", label=label)
        return
    if not key.exportable:
        ctx.say("export.not_exportable", label=label)
        return
    cipher = next(word for word in ctx.words if word in CIPHERS)
    try:
        private = ctx.device.port.export_key(label, ctx.args["passphrase"], cipher)
    except DeviceError as error:
        ctx.say("key_file.export_failed", reason=error)
        return
    public = "\n".join(armored("PUBLIC KEY", key.public_key_der)) + "\n"
    ctx.say("export.key", label=label)
    if "url" not in ctx.args:
        ctx.say("key_file.data")
        ctx.write_partial(public)
        ctx.write(private.strip())
        return
    url = ctx.args["url"]
    ctx.say("key_file.exporting_public")
    if not (yield from ask_destination(ctx, url, f"{label}.pub", public.encode())):
        return
    ctx.say("key_file.exporting_private")
    yield from ask_destination(ctx, url, f"{label}.prv", private.encode())


def import_key(ctx: Context) -> Dialog:
    """``crypto key import rsa|ec NAME pem terminal|url URL [exportable] PASSPHRASE``."""
    router, label = ctx.device, ctx.args["label"]
    if router.find_key(label) is not None:
        ctx.say("keys.exists", label=label)
        ctx.say("key_file.import_failed")
        return
    if "url" in ctx.args:
        ctx.say("key_file.importing_public")
        if (yield from ask_source(ctx, ctx.args["url"], f"{label}.pub")) is None:
            return
        ctx.say("key_file.importing_private")
        content: bytes | None = yield from ask_source(ctx, ctx.args["url"], f"{label}.prv")
        if content is None:
            return
        pem = content.decode("latin-1")
    else:
        # The public half is pasted for old times' sake; the private one has it inside.
        ctx.say("key_file.paste_public")
        yield from read_paste()
        ctx.say("key_file.paste_private")
        pem = yield from read_paste(ends_on_blank=False)
    is_first = not router.key_pairs()
    exportable = ctx.has("exportable")
    try:
        router.port.import_key(label, pem, ctx.args["passphrase"], exportable=exportable)
    except DeviceError as error:
        ctx.say("key_file.import_reason", reason=error)
        ctx.say("key_file.import_failed")
        return
    router.syslog("key_added", label=label)
    if is_first:
        router.syslog("ssh_enabled", version=router.train.ssh)
    ctx.say("key_file.import_done")


def _find(ctx: Context, label: str) -> KeyView | None:
    """The key pair of that label and of the typed kind."""
    key = ctx.device.find_key(label)
    kind = "rsa:" if ctx.has("rsa") else "ec:"
    return key if key is not None and key.algorithm.startswith(kind) else None
