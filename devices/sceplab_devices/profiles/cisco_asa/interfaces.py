"""``interface``: what is kept of interfaces."""

from __future__ import annotations

from sceplab_devices.batch import MEMORY_LINE
from sceplab_devices.profiles.cisco.store import Block, keep_line
from sceplab_devices.profiles.cisco_asa.firewall import Context

_INSIDE_LEVEL = 100


def enter_interface(ctx: Context) -> None:
    """``interface NAME``."""
    typed = ctx.args.get("interface") or ctx.args["type"] + ctx.args["number"]
    name = ctx.device.interface_name(typed)
    if not name:
        ctx.reject("interface" if "interface" in ctx.args else "number")
        return
    ctx.enter_mode("interface", name=name)


def store_in_interface(ctx: Context) -> None:
    """A line of the interface."""
    keep_line(ctx, _block(ctx).lines)


def name_interface(ctx: Context) -> None:
    """``[no] nameif NAME``: a first name gives a security level."""
    lines = _block(ctx).lines
    keep_line(ctx, lines)
    if ctx.negated or ctx.default:
        lines.pop("security-level", None)
    elif "security-level" not in lines:
        name = ctx.args["name"]
        level = _INSIDE_LEVEL if name == "inside" else 0
        lines["security-level"] = f"security-level {level}"
        if ctx.session.line is not MEMORY_LINE:
            ctx.say("system.security_level", name=name, level=level)


def _block(ctx: Context) -> Block:
    return ctx.device.config.interfaces[ctx.session.mode_values["name"]]
