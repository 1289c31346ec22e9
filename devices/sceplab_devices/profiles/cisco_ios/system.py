"""Shell and system commands: configuration mode, saving, names, clock, users, debugging."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from sceplab_devices.batch import MEMORY_LINE
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.dates import MONTHS, weekday_text
from sceplab_devices.profiles.cisco.obfuscation import is_hashed, reveal
from sceplab_devices.profiles.cisco.store import store
from sceplab_devices.profiles.cisco_ios.config_text import render_config
from sceplab_devices.profiles.cisco_ios.port_events import MESSAGES, TRANSACTIONS
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.profiles.cisco_ios.running_config import User
from sceplab_devices.steps import Ask, AskKey, Dialog


def grant_privilege(ctx: Context) -> None:
    """Gives a session what its user's line in the configuration says."""
    user = ctx.device.config.users.get(ctx.session.user)
    if user is not None:
        ctx.session.privilege = max(ctx.session.privilege, user.privilege)


def unknown_command(ctx: Context) -> None:
    """A first word exec does not know is taken for a host to connect to."""
    words = ctx.line.split()
    if len(words) > 1:
        ctx.reject()
        return
    if not ctx.device.config.has_line("ip-names", "no ip domain lookup"):
        ctx.say("system.translating", word=words[0])
    ctx.say("system.unknown_command")


def configure(ctx: Context) -> Dialog:
    """``configure [terminal]``."""
    if not ctx.has("terminal"):
        typed: str = yield Ask(ctx.text("system.configure_question"))
        source = typed.strip().lower()
        if not "terminal".startswith(source):
            ctx.say("system.configure_source")
            return
    ctx.say("system.configure")
    ctx.enter_mode("config")


def config_left(ctx: Context, _values: Mapping[str, str]) -> None:
    """Configuration mode was left."""
    line = ctx.session.line
    if line is MEMORY_LINE:
        ctx.device.syslog("configured_from_memory")
        return
    if line.kind == "console":
        user = f"{ctx.session.user} on console" if ctx.session.user else "console"
    else:
        peer = f" ({line.peer})" if line.peer else ""
        user = f"{ctx.session.user} on {line.name}{peer}".lstrip().removeprefix("on ")
    ctx.device.syslog("configured", user=user)


# --- saving ---------------------------------------------------------------------------------------


def write_memory(ctx: Context) -> None:
    """``write [memory]``."""
    ctx.say("system.building")
    if save_text(ctx, render_config(ctx.device)):
        ctx.say("system.saved")


def erase_startup(ctx: Context) -> Dialog:
    """``write erase``, ``erase startup-config``."""
    key: str = yield AskKey(ctx.text("system.erase_question"))
    if key in ("\n", "y", "Y") and save_text(ctx, ""):
        ctx.say("system.erased")


def save_text(ctx: Context, text: str) -> bool:
    """Saves a configuration; false: it could not be kept, and that was said."""
    try:
        ctx.device.save(text)
    except DeviceError as error:
        ctx.say("system.not_saved", reason=error)
        return False
    return True


# --- names ----------------------------------------------------------------------------------------


# --- clock ----------------------------------------------------------------------------------------


def clock_set(ctx: Context) -> None:
    """``clock set HH:MM:SS DAY MONTH YEAR``."""
    router = ctx.device
    zone = router.config.zone
    month = ctx.args["month"].lower()
    number = next(
        (index for index, name in enumerate(MONTHS, 1) if month.startswith(name.lower())), 0
    )
    try:
        hour, minute, second = map(int, ctx.args["time"].split(":"))
        moment = datetime(
            int(ctx.args["year"]),
            number,
            int(ctx.args["day"]),
            hour,
            minute,
            second,
            tzinfo=timezone(timedelta(minutes=zone.minutes)),
        )
    except ValueError:
        ctx.reject("month" if not number else "time")
        return
    before = router.device_time()
    router.clock_offset = moment - router.now()
    router.clock_is_set = True
    router.syslog(
        "clock_set",
        before=weekday_text(before, zone),
        after=weekday_text(moment, zone),
        user="console" if ctx.session.line.kind == "console" else ctx.session.line.name,
    )
    router.syslog("clock_authoritative")


# --- users and passwords --------------------------------------------------------------------------


def set_enable_password(ctx: Context) -> None:
    """``enable secret|password PASSWORD``."""
    password = _typed_password(ctx)
    if password is None:
        ctx.reject("hash" if "hash" in ctx.args else "hidden")
        return
    ctx.device.enable_password = password
    ctx.device.config.enable_is_secret = ctx.has("secret")
    ctx.device.note_change()


def set_user(ctx: Context) -> None:
    """``username NAME [privilege N] secret|password PASSWORD``."""
    router, name = ctx.device, ctx.args["name"]
    router.note_change()
    if ctx.negated or ctx.default:
        router.users.pop(name, None)
        router.config.users.pop(name, None)
        return
    password = _typed_password(ctx)
    if password is None:
        ctx.reject("hash" if "hash" in ctx.args else "hidden")
        return
    router.users[name] = password
    router.config.users[name] = User(int(ctx.args.get("level", "1")), ctx.has("secret"))


def _typed_password(ctx: Context) -> str | None:
    """The password, in clear or as its hash; empty after ``no``; ``None`` when it is damaged."""
    if ctx.negated or ctx.default:
        return ""
    if "hash" in ctx.args:
        return ctx.args["hash"] if is_hashed(ctx.args["hash"]) else None
    hidden = ctx.args.get("hidden")
    return ctx.args["password"] if hidden is None else reveal(hidden)


# --- log and debugging ----------------------------------------------------------------------------


def logging_console(ctx: Context) -> None:
    """``[no] logging console``: kept as its ``no`` form, and followed by open console sessions."""
    section = ctx.device.config.lines.setdefault("logging", {})
    section.pop("logging console", None)
    if ctx.negated:
        section["logging console"] = "no logging console"
    elif "level" in ctx.args and not ctx.default:
        store(ctx)
    ctx.device.note_change()
    for console in ctx.device.consoles:
        if console.session.line.kind == "console":
            console.session.monitor = not ctx.negated


def clear_logging(ctx: Context) -> None:
    """``clear logging``."""
    ctx.device.log_buffer.clear()


def debug_pki(ctx: Context) -> None:
    """``[no] debug crypto pki messages|transactions``."""
    kind = MESSAGES if ctx.has("messages") else TRANSACTIONS
    if ctx.options.get("off"):
        ctx.device.debugging.discard(kind)
        ctx.say("debug.off", kind=kind)
    else:
        ctx.device.debugging.add(kind)
        ctx.say("debug.on", kind=kind)


def undebug_all(ctx: Context) -> None:
    """``undebug all``."""
    ctx.device.debugging.clear()
    ctx.say("debug.all_off")
