"""``show`` commands about the box itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from sceplab_devices.profiles.cisco.dates import clock_text, written_text
from sceplab_devices.profiles.cisco_nxos.config_text import config_groups, render_config
from sceplab_devices.profiles.cisco_nxos.switch import Context


def show_version(ctx: Context) -> None:
    """``show version``."""
    switch = ctx.device
    ctx.say(
        "show.version",
        hostname=switch.hostname,
        serial=switch.serial_number,
        uptime=uptime_text(switch.now() - switch.started_at),
    )


def uptime_text(duration: timedelta) -> str:
    """``1 day(s), 2 hour(s), 3 minute(s), 4 second(s)``."""
    minutes, seconds = divmod(max(0, duration // timedelta(seconds=1)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} day(s), {hours} hour(s), {minutes} minute(s), {seconds} second(s)"


def show_clock(ctx: Context) -> None:
    """``show clock``."""
    ctx.say("show.clock", at=clock_text(ctx.device.now(), ctx.device.config.zone))


def show_hostname(ctx: Context) -> None:
    """``show hostname``, ``show switchname``."""
    ctx.write(f"{ctx.device.fqdn} ")


def show_inventory(ctx: Context) -> None:
    """``show inventory``."""
    ctx.say("show.inventory", serial=ctx.device.serial_number)


def show_features(ctx: Context) -> None:
    """``show feature``."""
    ctx.say("show.features_head")
    for name, shown in ctx.device.profile.data["features"].items():
        state = "enabled" if name in ctx.device.config.features else "disabled"
        ctx.write(f"{shown:<22} {1:<9} {state}")


def show_logfile(ctx: Context) -> None:
    """``show logging logfile``, ``show logging last N``."""
    lines = list(ctx.device.log_buffer)
    count = int(ctx.args.get("count", len(lines)))
    for text in lines[len(lines) - min(count, len(lines)) :]:
        ctx.write(text)


def show_running_config(ctx: Context) -> None:
    """``show running-config [all] [SECTION …]``."""
    switch = ctx.device
    wanted = [ctx.args[name] for name in ("a", "b", "c", "d") if name in ctx.args]
    _head(ctx, " ".join(ctx.words), "running", switch.changed_at)
    if not wanted:
        ctx.write(render_config(switch).removesuffix("\n"))
        return
    ctx.write(str(switch.profile.data["version_line"]))
    for group in config_groups(switch):
        words = group[0].split()
        if len(wanted) <= len(words) and all(map(_begins, words, wanted)):
            ctx.write("\n".join(group))


def _begins(word: str, typed: str) -> bool:
    return word.lower().startswith(typed.lower())


def show_startup_config(ctx: Context) -> None:
    """``show startup-config``."""
    switch = ctx.device
    if not switch.startup_config:
        ctx.say("show.no_startup")
        return
    _head(ctx, "show startup-config", "startup", switch.saved_at)
    ctx.write(switch.startup_config.removesuffix("\n"))


def _head(ctx: Context, command: str, kind: str, moment: datetime | None) -> None:
    switch, zone = ctx.device, ctx.device.config.zone
    ctx.say("show.config_command", command=command)
    at = written_text(moment or switch.started_at, zone)
    ctx.say(f"show.config_{kind}", at=at)
    ctx.say("show.config_time", at=written_text(switch.now(), zone))
