"""``show`` commands about the box itself."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from sceplab_devices.profiles.cisco.dates import clock_text
from sceplab_devices.profiles.cisco_asa.access import rights_name
from sceplab_devices.profiles.cisco_asa.config_text import config_groups, render_config
from sceplab_devices.profiles.cisco_asa.firewall import FULL_PRIVILEGE, Context
from sceplab_devices.profiles.cisco_asa.passwords import without_secrets


def show_current_privilege(ctx: Context) -> None:
    """``show curpriv``."""
    session = ctx.session
    modes = "P_UNPR" if session.privilege < FULL_PRIVILEGE else "P_PRIV"
    if len(session.frames) > 1:
        modes += " P_CONF"
    ctx.say("show.privilege", user=rights_name(ctx), level=session.privilege, modes=modes)


def show_version(ctx: Context) -> None:
    """``show version``."""
    firewall = ctx.device
    zone = firewall.config.zone
    ctx.say(
        "show.version",
        hostname=firewall.hostname,
        uptime=uptime_text(firewall.now() - firewall.started_at),
        serial=firewall.serial_number,
    )
    if firewall.changed_at is None:
        ctx.say("show.unmodified")
    else:
        ctx.say("show.modified", user=firewall.changed_by, at=clock_text(firewall.changed_at, zone))


def uptime_text(duration: timedelta) -> str:
    """``6 days 20 hours``, ``20 hours 5 mins`` or ``5 mins 10 secs``."""
    minutes, seconds = divmod(max(0, duration // timedelta(seconds=1)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = ((days, "day"), (hours, "hour"), (minutes, "min"), (seconds, "sec"))
    first = next((at for at, (count, _) in enumerate(units) if count), len(units) - 1)
    shown = units[first : first + 2]
    return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in shown)


def show_clock(ctx: Context) -> None:
    """``show clock``."""
    ctx.write(clock_text(ctx.device.now(), ctx.device.config.zone))


def show_pager(ctx: Context) -> None:
    """``show pager``."""
    ctx.say("show.pager" if ctx.session.length else "show.no_pager", length=ctx.session.length)


def show_terminal(ctx: Context) -> None:
    """``show terminal``."""
    monitor = "monitor" if ctx.session.monitor else "no monitor"
    ctx.say("show.terminal", width=ctx.session.width, monitor=monitor)


def show_hostname(ctx: Context) -> None:
    """``show hostname [fqdn]``."""
    ctx.write(ctx.device.fqdn if ctx.has("fqdn") else ctx.device.hostname)


def say_text(ctx: Context) -> None:
    """Prints a text that needs no state, the one that option ``text`` names."""
    ctx.say(str(ctx.options["text"]))


def show_interfaces_brief(ctx: Context) -> None:
    """``show interface ip brief``."""
    ctx.say("show.interfaces_head")
    for interface in ctx.device.config.interfaces.values():
        words = interface.lines.get("ip address", "").split()
        address = words[2] if len(words) > 3 else "unassigned"  # noqa: PLR2004 - with its mask
        method = "manual" if address != "unassigned" else "DHCP" if words else "unset"
        is_down = "shutdown" in interface.lines
        status = "administratively down" if is_down else "up"
        protocol = "down" if is_down else "up"
        name = interface.header.removeprefix("interface ")
        ctx.write(f"{name:<26} {address:<15} YES {method:<6} {status:<21} {protocol}")


def show_logging(ctx: Context) -> None:
    """``show logging``."""
    firewall = ctx.device
    lines = firewall.config.lines.get("logging", {})
    ctx.say(
        "show.logging",
        state="enabled" if "logging enable" in lines else "disabled",
        timestamps="enabled" if "logging timestamp" in lines else "disabled",
        console=_destination(lines.get("logging console"), firewall.logged),
        monitor=_destination(lines.get("logging monitor"), firewall.logged),
        buffer=_destination(lines.get("logging buffered"), firewall.logged),
    )
    for text in firewall.log_buffer:
        ctx.write(text)


def _destination(line: str | None, count: int) -> str:
    return f"level {line.split()[-1]}, {count} messages logged" if line else "disabled"


def show_running_config(ctx: Context) -> None:
    """``show running-config [all] [SECTION …]``."""
    firewall = ctx.device
    wanted = [ctx.args[name] for name in ("a", "b", "c", "d") if name in ctx.args]
    if wanted:
        for group in config_groups(firewall):
            words = group[0].split()
            if len(wanted) <= len(words) and all(map(str.startswith, words, wanted)):
                ctx.write(without_secrets("\n".join(group)))
        return
    text = render_config(firewall)
    ctx.say("show.config_head", serial=firewall.serial_number)
    ctx.write(without_secrets(text.removesuffix(": end\n")) + f"Cryptochecksum:{_checksum(text)}")
    ctx.write(": end")


def show_startup_config(ctx: Context) -> None:
    """``show startup-config``."""
    firewall = ctx.device
    text = firewall.startup_config
    if not text:
        ctx.say("show.no_startup")
        return
    if firewall.saved_at is not None:
        at = clock_text(firewall.saved_at, firewall.config.zone)
        ctx.say("show.written", user=firewall.saved_by, at=at)
    ctx.say("show.config_head", serial=firewall.serial_number)
    ctx.write(without_secrets(text.removesuffix(": end\n")) + f"Cryptochecksum:{_checksum(text)}")
    ctx.write(": end")


def _checksum(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
