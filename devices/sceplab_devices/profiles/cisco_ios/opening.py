"""What a session begins with: the idle console, the set-up dialog, the login."""

from __future__ import annotations

from sceplab_devices.profiles.cisco_ios.access import let_in, wait_for_return
from sceplab_devices.profiles.cisco_ios.reloading import offer_setup, offers_setup
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.profiles.cisco_ios.system import grant_privilege
from sceplab_devices.profiles.cisco_ios.terminal_lines import apply_line_settings
from sceplab_devices.steps import Dialog


def open_console(ctx: Context) -> Dialog:
    """First thing on a console line."""
    apply_line_settings(ctx.device, ctx.session)
    if offers_setup(ctx.device):
        yield from offer_setup(ctx)
    else:
        yield from wait_for_return(ctx)
        yield from let_in(ctx)
    grant_privilege(ctx)


def open_vty(ctx: Context) -> Dialog:
    """First thing on a network line."""
    apply_line_settings(ctx.device, ctx.session)
    yield from let_in(ctx)
    grant_privilege(ctx)
