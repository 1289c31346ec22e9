"""System commands: configuration mode, saving, restarting, names, time zone, terminal, log."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from sceplab_devices.batch import MEMORY_LINE
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.hexdump import grouped_hex
from sceplab_devices.profiles.cisco.obfuscation import obfuscate, reveal
from sceplab_devices.profiles.cisco.store import keep_line, open_block, store
from sceplab_devices.profiles.cisco_asa.access import rights_name
from sceplab_devices.profiles.cisco_asa.config_text import render_config
from sceplab_devices.profiles.cisco_asa.firewall import Context
from sceplab_devices.profiles.cisco_asa.running_config import DEFAULT_PAGE_LENGTH
from sceplab_devices.steps import Ask, AskKey, Dialog


def configure(ctx: Context) -> None:
    """``configure [terminal]``."""
    ctx.device.changed_by = rights_name(ctx)
    ctx.enter_mode("config")


def config_left(ctx: Context, _values: Mapping[str, str]) -> None:
    """Configuration mode was left."""
    if ctx.session.line is not MEMORY_LINE:
        ctx.device.syslog("configured", user=rights_name(ctx))


# --- saving and restarting ------------------------------------------------------------------------


def write_memory(ctx: Context) -> None:
    """``write [memory]``."""
    ctx.say("system.building")
    if _save(ctx):
        ctx.say("system.saved")


def copy_to_startup(ctx: Context) -> Dialog:
    """``copy [/noconfirm] running-config startup-config``."""
    if not ctx.has("/noconfirm"):
        yield Ask(ctx.text("system.source_question"))
    ctx.write()
    _save(ctx)


def erase_startup(ctx: Context) -> Dialog:
    """``write erase``."""
    key: str = yield AskKey(ctx.text("system.erase_question"))
    if key not in ("\n", "y", "Y"):
        return
    try:
        ctx.device.save("", user=rights_name(ctx))
    except DeviceError as error:
        ctx.say("system.not_saved", reason=error)
        return
    ctx.say("system.saved")


def reload_device(ctx: Context) -> Dialog:
    """``reload [noconfirm]``."""
    if not ctx.has("noconfirm"):
        if not ctx.device.is_saved:
            answer = ""
            while answer not in ("y", "n"):
                typed: str = yield Ask(ctx.text("system.save_question"))
                answer = typed.strip()[:1].lower()
            if answer == "y":
                ctx.say("system.building")
                if not _save(ctx):
                    return
        key: str = yield AskKey(ctx.text("system.reload_question"))
        if key not in ("\n", "y", "Y"):
            return
    ctx.say("system.reloading")
    ctx.device.on_reload()


def _save(ctx: Context) -> bool:
    text = render_config(ctx.device)
    try:
        ctx.device.save(text, user=rights_name(ctx))
    except DeviceError as error:
        ctx.say("system.not_saved", reason=error)
        return False
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    ctx.say("system.checksum", checksum=grouped_hex(digest).lower())
    return True


# --- names and time zone --------------------------------------------------------------------------


# --- terminal and log -----------------------------------------------------------------------------


def terminal_pager(ctx: Context) -> None:
    """``terminal pager [lines] N``: this session only."""
    ctx.session.length = int(ctx.args["n"])


def set_pager(ctx: Context) -> None:
    """``pager [lines] N``: this session, and every new one."""
    length = 0 if ctx.negated else int(ctx.args.get("n", DEFAULT_PAGE_LENGTH))
    ctx.device.config.page_length = ctx.session.length = length
    ctx.device.note_change()


def set_logging(ctx: Context) -> None:
    """``[no] logging …``: open console sessions follow."""
    store(ctx)
    shows = "logging console" in ctx.device.config.lines["logging"]
    for console in ctx.device.consoles:
        if console.session.line.kind == "console":
            console.session.monitor = shows


def clear_logging(ctx: Context) -> None:
    """``clear logging buffer``."""
    ctx.device.log_buffer.clear()


def change_to(ctx: Context) -> None:
    """``changeto …``: there is a single context."""
    ctx.say("system.single_context")


# --- lines with more to them than text ------------------------------------------------------------


def enter_block(ctx: Context) -> None:
    """A header that opens a block. Options: ``section``, ``mode``."""
    open_block(ctx, " ".join(ctx.words))


def store_secret(ctx: Context) -> None:
    """A line of a block that ends in a secret; it is kept hidden from a glance."""
    place = ctx.session.mode_values
    block = ctx.device.config.blocks[place["section"]].get(place["header"])
    if block is None:
        return
    if ctx.negated or ctx.default:
        keep_line(ctx, block.lines)
        return
    if ctx.has("7") and reveal(ctx.args["secret"]) is None:
        ctx.reject("secret")
        return
    hidden = ctx.args["secret"] if ctx.has("7") else obfuscate(ctx.args["secret"])
    keywords = " ".join(word for word in ctx.words[:-1] if word not in ("0", "7"))
    keep_line(ctx, block.lines, f"{keywords} 7 {hidden}")


def use_for_ssl(ctx: Context) -> None:
    """``ssl trust-point NAME [INTERFACE]``: the trustpoint has to be enrolled."""
    removes = ctx.negated or ctx.default
    is_new = not removes and ctx.session.line is not MEMORY_LINE
    if is_new and ctx.device.view(ctx.args["name"]).certificate_der is None:
        ctx.say("trustpoint.not_enrolled")
        return
    store(ctx)
