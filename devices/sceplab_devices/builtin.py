"""Handlers that any profile's data may name: session ends, privilege, login, terminal settings.

Texts come from ``[texts.login]``; what they need of a command's syntax is said at each.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sceplab_devices.context import CommandContext, Handler
from sceplab_devices.steps import Ask, AskKey, Dialog, Step

Context = CommandContext[Any]

PRIVILEGED = 15
LOGIN_ATTEMPTS = 3


def accept(_ctx: Context) -> None:
    """Takes the command and does nothing."""


def leave(ctx: Context) -> None:
    """``exit``: closes the mode; in the base mode, the session."""
    if not ctx.leave_mode():
        ctx.close()


def end(ctx: Context) -> None:
    """Back to the base mode."""
    ctx.end()


def logout(ctx: Context) -> None:
    """Ends the session from any mode."""
    ctx.end()
    ctx.close()


def enable(ctx: Context) -> Dialog:
    """``enable [<level:0-15>]``: raises the privilege, after the password if the device has one."""
    level = int(ctx.args.get("level", PRIVILEGED))
    password = ctx.device.enable_password
    if level > ctx.session.privilege and password:
        for _ in range(LOGIN_ATTEMPTS):
            typed: str = yield Ask(ctx.text("login.enable_password"), echo=False)
            if ctx.device.matches_password(password, typed):
                break
        else:
            ctx.say("login.enable_refused")
            return
    ctx.session.privilege = level


def disable(ctx: Context) -> None:
    """``disable [<level:0-15>]``: lowers the privilege, to 1 unless told."""
    ctx.session.privilege = min(ctx.session.privilege, int(ctx.args.get("level", "1")))


def login(ctx: Context) -> Dialog:
    """Asks for name and password where the device does; three failures close the session.

    Whoever the line has let in already is not asked.
    """
    if ctx.session.user or not ctx.device.asks_login:
        return
    ctx.say("login.banner")
    for _ in range(LOGIN_ATTEMPTS):
        name: str = yield Ask(ctx.text("login.username"))
        password: str = yield Ask(ctx.text("login.password"), echo=False)
        if ctx.device.accepts_login(name, password):
            ctx.session.user = name
            return
        ctx.say("login.invalid")
    ctx.close()


def ask_name(ctx: Context) -> Generator[Step, Any, str]:
    """The login name. Enter alone, which wakes a serial terminal, is none: it is asked again."""
    name = ""
    while not name:
        typed: str = yield Ask(ctx.text("login.username", hostname=ctx.device.hostname))
        name = typed.strip()
    return name


def press_return(ctx: Context) -> Dialog:
    """Idle screen of a console: waits for Enter, then `login`."""
    ctx.write_partial(
        ctx.text("login.idle", hostname=ctx.device.hostname, line=ctx.session.line.name)
    )
    yield AskKey("", keys="\n", echo=False)
    ctx.write()
    yield from login(ctx)


def terminal_length(ctx: Context) -> None:
    """``terminal length <n:0-512>``."""
    ctx.session.length = int(ctx.args["n"])


def terminal_width(ctx: Context) -> None:
    """``terminal width <n:0-512>``."""
    ctx.session.width = int(ctx.args["n"])


def terminal_monitor(ctx: Context) -> None:
    """``terminal [no] monitor``: log lines on this terminal."""
    ctx.session.monitor = not ctx.has("no")


def terminal_history(ctx: Context) -> None:
    """``terminal history size <n:0-256>``."""
    ctx.session.history_size = int(ctx.args["n"])


def show_history(ctx: Context) -> None:
    """``show history``: the lines typed in this session, this one included."""
    for line in ctx.session.history:
        ctx.write(f"  {line}")


HANDLERS: dict[str, Handler] = {
    "show_history": show_history,
    "accept": accept,
    "exit": leave,
    "end": end,
    "logout": logout,
    "enable": enable,
    "disable": disable,
    "login": login,
    "press_return": press_return,
    "terminal_length": terminal_length,
    "terminal_width": terminal_width,
    "terminal_monitor": terminal_monitor,
    "terminal_history": terminal_history,
}
