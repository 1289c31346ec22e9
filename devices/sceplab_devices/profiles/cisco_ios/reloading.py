"""``reload``, and the dialog of a box that comes up without a configuration."""

from __future__ import annotations

from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco_ios.access import let_in
from sceplab_devices.profiles.cisco_ios.router import Context, Router
from sceplab_devices.profiles.cisco_ios.system import write_memory
from sceplab_devices.steps import AskKey, Dialog


def reload_box(ctx: Context) -> Dialog:
    """``reload``."""
    router = ctx.device
    if not router.is_saved:
        ctx.write()
        save: bool = yield from ask_yes_no(ctx, ctx.text("system.reload_save"))
        if save:
            write_memory(ctx)
    key: str = yield AskKey(ctx.text("system.reload_question"))
    if key not in ("\n", "y", "Y"):
        return
    ctx.write()
    where = "console" if ctx.session.line.kind == "console" else ctx.session.line.name
    router.syslog("reload", user=where)
    router.on_reload()


def offers_setup(router: Router) -> bool:
    """Whether a console begins with the set-up dialog."""
    return router.initial_dialog and not router.startup_config and router.is_saved


def offer_setup(ctx: Context) -> Dialog:
    """The set-up dialog. Deviation: ``yes`` explains itself and sets nothing up."""
    wanted: bool = yield from ask_yes_no(ctx, ctx.text("system.setup_question"))
    if wanted:
        ctx.say("system.setup_missing")
    ctx.device.initial_dialog = False
    ctx.write_partial(ctx.text("system.setup_end"))
    yield AskKey("", keys="\n", echo=False)
    ctx.write()
    yield from let_in(ctx)
