"""System commands: configuration mode, saving, restarting, names, features, terminal, files."""

from __future__ import annotations

from collections.abc import Mapping

from sceplab_devices.batch import MEMORY_LINE
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.dates import MONTHS
from sceplab_devices.profiles.cisco.store import open_block, store
from sceplab_devices.profiles.cisco_nxos.config_text import render_config
from sceplab_devices.profiles.cisco_nxos.switch import Context
from sceplab_devices.steps import AskKey, Dialog

_SECONDS = 60.0


def configure(ctx: Context) -> None:
    """``configure [terminal]``."""
    ctx.say("system.configure")
    ctx.enter_mode("config")


def config_left(ctx: Context, _values: Mapping[str, str]) -> None:
    """Configuration mode was left."""
    session = ctx.session
    if session.line is MEMORY_LINE:
        return
    is_console = session.line.kind == "console"
    where = "console0" if is_console else f"{session.line.peer}@pts/{session.line.number}"
    line = "console" if is_console else "vty"
    ctx.device.syslog("configured", line=line, user=session.user or "admin", where=where)


# --- saving and restarting ------------------------------------------------------------------------


def copy_to_startup(ctx: Context) -> None:
    """``copy running-config startup-config``."""
    try:
        ctx.device.save(render_config(ctx.device))
    except DeviceError as error:
        ctx.say("system.not_saved", reason=error)
        return
    ctx.say("system.copied")


def erase_startup(ctx: Context) -> Dialog:
    """``write erase``."""
    key: str = yield AskKey(ctx.text("system.erase_question"), keys="yYnN\n")
    if key not in "yY":
        return
    try:
        ctx.device.save("")
    except DeviceError as error:
        ctx.say("system.not_saved", reason=error)


def reload_device(ctx: Context) -> Dialog:
    """``reload``."""
    if not ctx.device.is_saved:
        ctx.say("system.unsaved")
    key: str = yield AskKey(ctx.text("system.reload_question"), keys="yYnN\n")
    if key in "yY":
        ctx.device.on_reload()


# --- names, time zone, features -------------------------------------------------------------------


def set_hostname(ctx: Context) -> None:
    """``hostname NAME``, ``switchname NAME``."""
    if ctx.negated or ctx.default:
        ctx.device.hostname = ctx.device.profile.hostname
    elif ctx.device.profile.is_hostname(ctx.args["name"]):
        ctx.device.hostname = ctx.args["name"]
    else:
        ctx.reject("name")
        return
    ctx.device.note_change()


def set_feature(ctx: Context) -> None:
    """``[no] feature NAME``; its lines go with it."""
    features, name = ctx.device.config.features, ctx.args["name"].lower()
    if name not in ctx.device.profile.data["features"]:
        ctx.reject("name")
        return
    if ctx.negated or ctx.default:
        features.discard(name)
        ctx.device.config.lines.pop(name, None)
    else:
        features.add(name)
    ctx.device.note_change()


def store_of_feature(ctx: Context) -> None:
    """A line that is known while option ``feature`` is enabled."""
    if ctx.options["feature"] in ctx.device.config.features:
        store(ctx)
    else:
        ctx.reject()


def use_trustpoint(ctx: Context) -> None:
    """A line that names the certificate of a trustpoint, which has to have one.

    Option ``feature``: has to be enabled, else the line is unknown.
    """
    feature = ctx.options.get("feature")
    if feature and feature not in ctx.device.config.features:
        ctx.reject()
        return
    removes = ctx.negated or ctx.default
    if not removes and ctx.session.line is not MEMORY_LINE:
        name = ctx.args["trustpoint"]
        if name not in ctx.device.config.trustpoints:
            ctx.say("trustpoint.unknown", name=name)
            return
        if ctx.device.view(name).certificate_der is None:
            ctx.say("trustpoint.no_certificate")
            return
    store(ctx)


def enter_line(ctx: Context) -> None:
    """A header that opens a block. Options: ``section``, ``mode``."""
    open_block(ctx, " ".join(ctx.words))


# --- terminal, log, files -------------------------------------------------------------------------


def session_timeout(ctx: Context) -> None:
    """``terminal session-timeout MINUTES``: this session only."""
    ctx.session.exec_timeout_s = _SECONDS * int(ctx.args["minutes"])


def clear_logging(ctx: Context) -> None:
    """``clear logging logfile``."""
    ctx.device.log_buffer.clear()


def list_files(ctx: Context) -> None:
    """``dir [bootflash:]``."""
    switch = ctx.device
    place = switch.files.parse(ctx.args.get("url", "bootflash:"))
    if place is None:
        ctx.reject("url")
        return
    system, wanted = place
    files = [file for file in switch.files.listing(system) if wanted in ("", file.name)]
    if wanted and not files:
        ctx.say("files.missing")
        return
    for file in files:
        at = switch.config.zone.local(file.written_at)
        stamp = f"{MONTHS[at.month - 1]} {at:%d %H:%M:%S %Y}"
        ctx.say("files.entry", size=f"{len(file.content):>10}", at=stamp, name=file.name)
    used = sum(len(file.content) for file in switch.files.listing(system))
    total = int(switch.profile.data["bootflash_bytes"])
    ctx.say("files.usage", used=f"{used:>10}", free=f"{total - used:>10}", total=f"{total:>10}")


def show_file(ctx: Context) -> None:
    """``show file bootflash:FILE``: of what is text."""
    content = ctx.device.files.read(ctx.args["url"])
    if content is None:
        ctx.say("files.missing")
        return
    ctx.write(content.decode("ascii", "replace").replace("\r\n", "\n").removesuffix("\n"))


def delete_file(ctx: Context) -> Dialog:
    """``delete bootflash:FILE [no-prompt]``."""
    url = ctx.args["url"]
    if ctx.device.files.read(url) is None:
        ctx.say("files.missing")
        return
    if not ctx.has("no-prompt"):
        question = ctx.text("files.delete_question", url=url)
        key: str = yield AskKey(question, keys="yYnN\n")
        if key not in "yY\n":
            return
    ctx.device.files.delete(url)
