"""``show crypto key mypubkey``."""

from __future__ import annotations

from sceplab_devices.api import KeyView
from sceplab_devices.profiles.cisco.dates import date_text
from sceplab_devices.profiles.cisco.hexdump import hex_lines
from sceplab_devices.profiles.cisco_ios.router import Context


def show_keys(ctx: Context) -> None:
    """``show crypto key mypubkey rsa|ec|all [NAME]``."""
    kinds = [kind for kind in ("rsa", "ec") if ctx.has(kind) or ctx.has("all")]
    wanted = ctx.args.get("label")
    for key in ctx.device.key_pairs():
        if key.algorithm.partition(":")[0] in kinds and wanted in (None, key.label):
            _show_key(ctx, key)


def _show_key(ctx: Context, key: KeyView) -> None:
    ctx.say("show_key.generated_at", at=date_text(key.generated_at, ctx.device.config.zone))
    ctx.say("show_key.name", label=key.label)
    ctx.say("show_key.type", type=key.algorithm.partition(":")[0].upper())
    words = ctx.device.profile.data["key_storage"]
    ctx.write(words.get(key.storage, words["other"]).format(storage=key.storage, label=key.label))
    ctx.say("show_key.usage")
    ctx.say("show_key.exportable" if key.exportable else "show_key.not_exportable")
    ctx.say("show_key.data")
    for line in hex_lines(key.public_key_der):
        ctx.write(line)
