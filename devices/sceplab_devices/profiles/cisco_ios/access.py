"""Who may come in on a line: its own password, or a login name."""

from __future__ import annotations

import hmac

from sceplab_devices import builtin
from sceplab_devices.profiles.cisco.obfuscation import reveal
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.profiles.cisco_ios.terminal_lines import line_settings
from sceplab_devices.steps import Ask, AskKey, Dialog


def wait_for_return(ctx: Context) -> Dialog:
    """Idle screen of a console, until Enter."""
    ctx.write_partial(
        ctx.text("login.idle", hostname=ctx.device.hostname, line=ctx.session.line.name)
    )
    yield AskKey("", keys="\n", echo=False)
    ctx.write()


def let_in(ctx: Context) -> Dialog:
    """``login``: the line's password is asked; else a login name where the box has some."""
    settings = line_settings(ctx.device, ctx.session)
    if settings.get("login") != "login" or ctx.session.user:
        yield from builtin.login(ctx)
        return
    password = reveal(settings.get("password", "").rpartition(" ")[2]) or ""
    if not password:
        ctx.say("login.none_set")
        ctx.close()
        return
    ctx.say("login.banner")
    for _ in range(builtin.LOGIN_ATTEMPTS):
        typed: str = yield Ask(ctx.text("login.password"), echo=False)
        if hmac.compare_digest(typed.encode(), password.encode()):
            return
    ctx.say("login.bad_passwords")
    ctx.close()
