"""The way into a session: banners, name and password, and the first password of a new box."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sceplab_devices.profiles.fortinet_fortios import hidden
from sceplab_devices.profiles.fortinet_fortios.box import ADMIN, GLOBAL, Context
from sceplab_devices.steps import Ask, AskKey, Dialog, Step

ATTEMPTS = 3
_ALL_RIGHTS, _READ_ONLY = 15, 1


def login(ctx: Context) -> Dialog:
    """Opens a session. Whoever the line has let in is not asked for a name again."""
    session, device = ctx.session, ctx.device
    session.length = device.page_lines
    session.exec_timeout_s = device.idle_limit_s
    if not session.user:
        yield from _banner(ctx, "pre-login-banner")
        name: str = yield from _ask_name(ctx)
        if not name:
            ctx.close()
            return
        session.user = name
        if not device.config.value(ADMIN, "password", name):
            changed: bool = yield from _first_password(ctx, name)
            if not changed:
                ctx.close()
                return
        ctx.say("login.welcome")
    profile = device.config.value(ADMIN, "accprofile", session.user)
    session.privilege = _READ_ONLY if profile.endswith("readonly") else _ALL_RIGHTS
    yield from _banner(ctx, "post-login-banner")


def _banner(ctx: Context, setting: str) -> Dialog:
    if ctx.device.setting(GLOBAL, setting) != "enable":
        return
    ctx.say(f"login.{setting}")
    yield AskKey(ctx.text("login.accept"), keys="a", echo=False)
    ctx.write()


def _ask_name(ctx: Context) -> Generator[Step, Any, str]:
    """Name of who logged in; empty: nobody did."""
    for _ in range(ATTEMPTS):
        name: str = yield Ask(ctx.text("login.name", hostname=ctx.device.hostname))
        if not name.strip():
            continue
        password: str = yield Ask(ctx.text("login.secret"), echo=False)
        if ctx.device.accepts_login(name.strip(), password):
            return name.strip()
        ctx.say("login.incorrect")
    return ""


def _first_password(ctx: Context, name: str) -> Generator[Step, Any, bool]:
    """Makes a user without a password choose one."""
    ctx.say("login.forced")
    for _ in range(ATTEMPTS):
        first: str = yield Ask(ctx.text("login.new"), echo=False)
        second: str = yield Ask(ctx.text("login.confirm"), echo=False)
        entry = ctx.device.config.entry(ADMIN, name)
        if entry is not None and first and first == second:
            entry.values["password"] = (hidden.hash_login(first),)
            ctx.device.changed()
            return True
        ctx.say("login.differs" if first != second else "login.empty")
    return False
