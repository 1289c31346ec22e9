"""``line console | vty``: settings of terminal lines and what they do to sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sceplab_devices.profiles.cisco.obfuscation import obfuscate, reveal
from sceplab_devices.profiles.cisco.store import Block, keep_line
from sceplab_devices.profiles.cisco_ios.router import Context, Router

if TYPE_CHECKING:
    from sceplab_devices.session import Session

FACTORY_LINES = ("line con 0", "line aux 0", "line vty 0 4")


def enter_line(ctx: Context) -> None:
    """``line console 0``, ``line vty 0 4`` and so on."""
    number = ctx.args["number"]
    if ctx.has("vty"):
        header = f"line vty {number}" + (f" {ctx.args['last']}" if "last" in ctx.args else "")
    else:
        header = f"line {'con' if ctx.has('console') else 'aux'} {number}"
    ctx.device.config.terminal_lines.setdefault(header, Block(header))
    ctx.enter_mode("config-line", header=header)


def set_line(ctx: Context) -> None:
    """A setting of the line; sessions on it follow at once."""
    header = ctx.session.mode_values["header"]
    line = ""
    if "minutes" in ctx.args:
        line = f"exec-timeout {ctx.args['minutes']} {ctx.args.get('seconds', '0')}"
    elif "password" in ctx.args:
        line = f"password 7 {obfuscate(ctx.args['password'])}"
    elif "hidden" in ctx.args and reveal(ctx.args["hidden"]) is None:
        ctx.reject("hidden")
        return
    keep_line(ctx, ctx.device.config.terminal_lines[header].lines, line)
    for console in ctx.device.consoles:
        if _covers(header, console.session):
            apply_line_settings(ctx.device, console.session)


def apply_line_settings(router: Router, session: Session) -> None:
    """Brings a session in line with the configuration of its line."""
    settings = line_settings(router, session)
    # Deviation: the box ends idle sessions after ten minutes by itself; here only when configured,
    # because a laboratory clock may jump by a year.
    timeout = settings.get("exec-timeout", "exec-timeout 0 0").split()[1:]
    minutes, seconds = timeout
    session.exec_timeout_s = 60.0 * int(minutes) + int(seconds)
    session.synchronous = "logging synchronous" in settings
    if "privilege level" in settings:
        session.privilege = max(session.privilege, int(settings["privilege level"].split()[-1]))
    for key in ("length", "width"):
        if key in settings:
            setattr(session, key, int(settings[key].split()[-1]))
    if session.line.kind == "console":
        session.monitor = not router.config.has_line("logging", "no logging console")


def line_settings(router: Router, session: Session) -> dict[str, str]:
    """What is configured for the line a session is on: line by its key."""
    settings: dict[str, str] = {}
    for header, block in router.config.terminal_lines.items():
        if _covers(header, session):
            settings |= block.lines
    return settings


def vty_numbers(header: str) -> range:
    """Numbers of the network lines that a header is about; none for other lines."""
    _, kind, *numbers = header.split()
    return range(int(numbers[0]), int(numbers[-1]) + 1) if kind == "vty" else range(0)


def _covers(header: str, session: Session) -> bool:
    """Whether a line header is about a session's line."""
    _, kind, *numbers = header.split()
    if session.line.kind == "console":
        return kind == "con"
    return kind == "vty" and int(numbers[0]) <= session.line.number <= int(numbers[-1])
