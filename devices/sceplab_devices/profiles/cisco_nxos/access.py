"""Who is at a terminal: login, users and their passwords."""

from __future__ import annotations

from sceplab_devices import builtin
from sceplab_devices.profiles.cisco.dates import MONTHS
from sceplab_devices.profiles.cisco.obfuscation import is_hashed
from sceplab_devices.profiles.cisco_nxos.switch import Context
from sceplab_devices.steps import Ask, Dialog

_DEFAULT_ROLE = "network-operator"
_SECONDS = 60.0


def open_line(ctx: Context) -> Dialog:
    """First thing on a line of either kind."""
    yield from _login(ctx)
    if ctx.is_closing:
        return
    session, config = ctx.session, ctx.device.config
    is_console = session.line.kind == "console"
    if is_console:
        session.monitor = "no logging console" not in config.lines.get("logging", {}).values()
    block = config.blocks.get("line", {}).get("line console" if is_console else "line vty")
    if block is not None and "exec-timeout" in block.lines:
        session.exec_timeout_s = _SECONDS * int(block.lines["exec-timeout"].split()[-1])
    if block is not None and "terminal length" in block.lines:
        session.length = int(block.lines["terminal length"].split()[-1])
    ctx.say("login.welcome")


def _login(ctx: Context) -> Dialog:
    """Asks for name and password where the box has users; three failures close the session."""
    if ctx.session.user or not ctx.device.asks_login:
        return
    ctx.say("login.banner")
    for _ in range(builtin.LOGIN_ATTEMPTS):
        name: str = yield from builtin.ask_name(ctx)
        password: str = yield Ask(ctx.text("login.password"), echo=False)
        if ctx.device.accepts_login(name, password):
            ctx.session.user = name
            return
        ctx.say("login.invalid")
    ctx.close()


def leave_session(ctx: Context) -> None:
    """``exit``: closes the mode; in exec, the session."""
    if not ctx.leave_mode():
        ctx.close()


def set_user(ctx: Context) -> None:
    """``username NAME [password [0 | 5 | 8] PASSWORD] [role ROLE]``.

    Deviation: the role is kept and shown; every user has all rights.
    """
    switch, name = ctx.device, ctx.args["name"]
    if ctx.negated or ctx.default:
        if name in switch.users:
            del switch.users[name]
            switch.config.roles.pop(name, None)
            switch.note_change()
        else:
            ctx.say("login.no_user", name=name)
        return
    password = ctx.args.get("password")
    if password is not None:
        if (ctx.has("5") or ctx.has("8")) and not is_hashed(password):
            ctx.reject("password")
            return
        switch.users[name] = password
    elif name not in switch.users:
        ctx.say("login.no_password")
        return
    role = ctx.args.get("role") or switch.config.roles.get(name) or _DEFAULT_ROLE
    switch.config.roles[name] = role
    switch.note_change()


def show_users(ctx: Context) -> None:
    """``show users``: who is at a terminal."""
    switch = ctx.device
    ctx.say("show.users_head")
    for console in switch.consoles:
        session = console.session
        at = switch.config.zone.local(session.opened_at)
        is_console = session.line.kind == "console"
        line = "console" if is_console else f"pts/{session.line.number}"
        peer = f"({session.line.peer})" if session.line.peer else ""
        own = "*" if session is ctx.session else ""
        moment = f"{MONTHS[at.month - 1]} {at.day:2d} {at:%H:%M}"
        text = f"{session.user or 'admin':<8} {line:<12} {moment}   .         {peer} {own}"
        ctx.write(text.rstrip())


def show_accounts(ctx: Context) -> None:
    """``show user-account [NAME]``."""
    for name, role in ctx.device.config.roles.items():
        if ctx.args.get("name") in (None, name):
            ctx.say("show.account", name=name, role=role)
