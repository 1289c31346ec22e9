"""Who is at a terminal and what they may: login, ``enable``, users and their passwords."""

from __future__ import annotations

from sceplab_devices import builtin
from sceplab_devices.profiles.cisco_asa.firewall import FULL_PRIVILEGE, Context
from sceplab_devices.profiles.cisco_asa.passwords import is_hashed
from sceplab_devices.steps import Ask, Dialog

ATTEMPTS = 3
DEFAULT_USER_PRIVILEGE = 2
_RIGHTS_OF = "rights of"
"""Session variable: whose rights the terminal has after ``login``; empty after ``enable``."""


def open_console(ctx: Context) -> None:
    """First thing on a console line."""
    _prepare(ctx)


def open_vty(ctx: Context) -> Dialog:
    """First thing on a network line."""
    yield from builtin.login(ctx)
    if not ctx.is_closing:
        _prepare(ctx)


def _prepare(ctx: Context) -> None:
    session, config = ctx.session, ctx.device.config
    session.length = config.page_length
    is_console = session.line.kind == "console"
    if is_console:
        session.monitor = "logging console" in config.lines.get("logging", {})
    # Deviation: network lines stay open when nothing is configured, because a laboratory clock may
    # jump by a year.
    limits = config.lines.get("ssh", {})
    limit = limits.get("console timeout" if is_console else "ssh timeout", "0")
    session.exec_timeout_s = 60.0 * int(limit.split()[-1])
    ctx.say("login.hint")


def enable(ctx: Context) -> Dialog:
    """``enable [LEVEL]``. The password is asked for even when none is set: Enter is right then."""
    firewall, session = ctx.device, ctx.session
    level = int(ctx.args.get("level", FULL_PRIVILEGE))
    if level > session.privilege:
        is_local = firewall.config.has_line("aaa", "aaa authentication enable console LOCAL")
        own = firewall.users.get(session.user) if is_local else None
        wanted = firewall.enable_password if own is None else own
        for _ in range(ATTEMPTS):
            typed: str = yield Ask(ctx.text("login.password"), echo=False, mask="*")
            if firewall.matches_password(wanted, typed):
                break
            ctx.say("login.invalid_password")
        else:
            ctx.say("login.enable_refused")
            return
        session.variables[_RIGHTS_OF] = session.user if own is not None else ""
    session.privilege = level


def login(ctx: Context) -> Dialog:
    """``login``: takes on the rights of a user.

    Deviation: a box without users lets everybody in, as its lines do.
    """
    firewall, session = ctx.device, ctx.session
    for _ in range(ATTEMPTS):
        name: str = yield Ask(ctx.text("login.username"))
        password: str = yield Ask(ctx.text("login.password"), echo=False, mask="*")
        if not firewall.users or firewall.accepts_login(name, password):
            session.user = session.variables[_RIGHTS_OF] = name
            session.privilege = firewall.config.privileges.get(name, FULL_PRIVILEGE)
            return
        ctx.say("login.invalid")


def leave_session(ctx: Context) -> None:
    """``exit``, ``quit``: closes the mode; in exec, the session."""
    if not ctx.leave_mode():
        log_off(ctx)


def log_off(ctx: Context) -> None:
    """``logout``."""
    ctx.say("login.goodbye")
    builtin.logout(ctx)


def rights_name(ctx: Context) -> str:
    """Whose rights the terminal has, as log lines and ``show curpriv`` name them."""
    return ctx.session.variables.get(_RIGHTS_OF, "") or f"enable_{ctx.session.privilege}"


def set_enable_password(ctx: Context) -> None:
    """``enable password PASSWORD [pbkdf2 | encrypted] [level N]``."""
    removes = ctx.negated or ctx.default
    if not removes and not _takes_password(ctx):
        return
    password = "" if removes else ctx.args["password"]
    ctx.device.enable_password = password
    ctx.device.note_change()


def set_user(ctx: Context) -> None:
    """``username NAME password PASSWORD [pbkdf2 | encrypted] [privilege N]``."""
    firewall, name = ctx.device, ctx.args["name"]
    if ctx.negated or ctx.default:
        firewall.users.pop(name, None)
        firewall.config.privileges.pop(name, None)
        firewall.note_change()
        return
    if not _takes_password(ctx):
        return
    firewall.users[name] = ctx.args["password"]
    firewall.config.privileges[name] = int(ctx.args.get("level", DEFAULT_USER_PRIVILEGE))
    firewall.note_change()


def _takes_password(ctx: Context) -> bool:
    """Whether the password can be kept; else the operator knows.

    Deviation: ``encrypted``, the hash of software before 9.7, is not read. Kept as it is typed, it
    would be a password of its own.
    """
    if ctx.has("encrypted"):
        ctx.say("login.old_hash")
        return False
    if ctx.has("pbkdf2") and not is_hashed(ctx.args["password"]):
        ctx.reject("password")
        return False
    return True
