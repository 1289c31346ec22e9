"""``interface``: addresses and state of interfaces."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from sceplab_devices.profiles.cisco.store import keep_line
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.profiles.cisco_ios.running_config import Interface


def enter_interface(ctx: Context) -> None:
    """``[no] interface NAME``."""
    router = ctx.device
    typed = ctx.args.get("interface") or ctx.args["type"] + ctx.args["number"]
    name = router.interface_name(typed)
    parameter = "interface" if "interface" in ctx.args else "number"
    if not name:
        ctx.reject(parameter)
        return
    interface = router.config.interfaces.get(name)
    if ctx.default and interface is not None:
        fresh = Interface(name, interface.is_physical, interface.is_physical)
        router.config.interfaces[name] = fresh
        router.note_change()
        ctx.say("system.interface_reset", name=name)
        return
    if ctx.negated or ctx.default:
        if interface is not None and interface.is_physical:
            ctx.say("system.physical_interface")
        elif interface is not None:
            del router.config.interfaces[name]
            router.note_change()
        return
    if interface is None:
        router.config.interfaces[name] = Interface(name)
        router.note_change()
        router.syslog("protocol", interface=name, state="up")
    ctx.enter_mode("config-if", interface=name)


def set_address(ctx: Context) -> None:
    """``[no] ip address …``."""
    interface = _present(ctx)
    if interface is None:
        return
    mask, address = ctx.args.get("mask", ""), ctx.args.get("address", "")
    if ctx.negated or ctx.default:
        mask = address = ""
    elif mask and not _is_usable(address, mask):
        bits = int(IPv4Address(mask)).bit_count()
        ctx.say("system.bad_mask", bits=bits, address=address)
        return
    interface.address, interface.mask = address, mask
    interface.uses_dhcp = ctx.has("dhcp") and not ctx.negated
    ctx.device.note_change()


def _is_usable(address: str, mask: str) -> bool:
    try:
        network = IPv4Network(f"{address}/{mask}", strict=False)
    except ValueError:
        return False
    has_ends = network.prefixlen < 31  # noqa: PLR2004 - RFC 3021
    ends = (network.network_address, network.broadcast_address)
    return network.netmask == IPv4Address(mask) and not (has_ends and IPv4Address(address) in ends)


def shut_down(ctx: Context) -> None:
    """``[no] shutdown``."""
    interface = _present(ctx)
    if interface is None:
        return
    is_shut_down = not (ctx.negated or ctx.default)
    if interface.is_shut_down == is_shut_down:
        return
    interface.is_shut_down = is_shut_down
    ctx.device.note_change()
    ctx.device.syslog("link_down" if is_shut_down else "link_up", interface=interface.name)
    state = "down" if is_shut_down else "up"
    ctx.device.syslog("protocol", interface=interface.name, state=state)


def store_in_interface(ctx: Context) -> None:
    """Any other line of the interface."""
    interface = _present(ctx)
    if interface is not None:
        keep_line(ctx, interface.lines)


def _present(ctx: Context) -> Interface | None:
    """The interface of the mode; ``None`` when it was removed from another session meanwhile."""
    return ctx.device.config.interfaces.get(ctx.session.mode_values["interface"])
