"""``interface``: what is kept of interfaces, and their tables."""

from __future__ import annotations

from sceplab_devices.profiles.cisco.store import Block, keep_line
from sceplab_devices.profiles.cisco_nxos.switch import Context, Switch

_MANAGEMENT = "mgmt0"


def enter_interface(ctx: Context) -> None:
    """``interface NAME``."""
    typed = ctx.args.get("interface") or ctx.args["type"] + ctx.args["number"]
    name = ctx.device.interface_name(typed)
    if not name:
        ctx.reject("interface" if "interface" in ctx.args else "number")
        return
    ctx.enter_mode("interface", name=name)


def store_in_interface(ctx: Context) -> None:
    """A line of the interface.

    Options: ``key`` and ``stored_no`` as of `cisco.store.store`; ``feature`` that has to be on.
    """
    feature = ctx.options.get("feature")
    if feature and feature not in ctx.device.config.features:
        ctx.reject()
        return
    block = ctx.device.config.interfaces[ctx.session.mode_values["name"]]
    if not ctx.options.get("stored_no"):
        keep_line(ctx, block.lines)
        return
    line = " ".join(ctx.words)
    ctx.device.note_change()
    if ctx.negated:
        block.lines[line] = f"no {line}"
    else:
        block.lines.pop(line, None)


def _ports(switch: Switch) -> list[tuple[str, Block]]:
    return [
        (name, block) for name, block in switch.config.interfaces.items() if name != _MANAGEMENT
    ]


def _address(block: Block) -> str:
    words = block.lines.get("ip address", "").split()
    return words[2].partition("/")[0] if len(words) > 2 else "--"  # noqa: PLR2004 - ip address A/B


def show_brief(ctx: Context) -> None:
    """``show interface brief``."""
    switch = ctx.device
    management = switch.config.interfaces[_MANAGEMENT]
    ctx.say("show.brief_management")
    state = "down" if "shutdown" in management.lines else "up"
    ctx.write(f"{_MANAGEMENT:<6} --           {state:<6} {_address(management):<35}  1000    1500")
    ctx.write()
    ctx.say("show.brief_ports")
    for name, block in _ports(switch):
        is_down = "shutdown" in block.lines
        is_routed = "switchport" in block.lines
        reason = "Administratively down" if is_down else "none"
        ctx.write(
            f"{name.replace('Ethernet', 'Eth'):<13} {'--' if is_routed else '1':<7} eth  "
            f"{'routed' if is_routed else 'access':<6} {'down' if is_down else 'up':<7} "
            f"{reason:<25} 1000(D) --"
        )


def show_status(ctx: Context) -> None:
    """``show interface status``."""
    switch = ctx.device
    ctx.say("show.status_head")
    for name, block in switch.config.interfaces.items():
        is_routed = name == _MANAGEMENT or "switchport" in block.lines
        state = "disabled" if "shutdown" in block.lines else "connected"
        title = block.lines.get("description", "description --").partition(" ")[2][:18]
        short = name.replace("Ethernet", "Eth")
        kind = "--" if name == _MANAGEMENT else "10g"
        ctx.write(
            f"{short:<13} {title:<18} {state:<9} {'routed' if is_routed else '1':<9} full    "
            f"1000    {kind}"
        )
