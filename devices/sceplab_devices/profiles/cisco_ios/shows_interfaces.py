"""``show`` commands about interfaces and what is reachable through them."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Interface, IPv4Network

from sceplab_devices.profiles.cisco_ios.router import Context, Router
from sceplab_devices.profiles.cisco_ios.running_config import Interface

_DEFAULT_ROUTE = ["0.0.0.0", "0.0.0.0"]  # noqa: S104 - a destination, nothing is bound
_SHORT = {"GigabitEthernet": "Gi", "Loopback": "Lo", "Tunnel": "Tu", "Vlan": "Vl"}


def show_interfaces(ctx: Context) -> None:
    """``show interfaces [NAME]``."""
    for interface in _chosen(ctx):
        _say_interface(ctx, interface)


def show_interfaces_description(ctx: Context) -> None:
    """``show interfaces description``."""
    ctx.say("show_interface.description_head")
    for interface in ctx.device.config.interfaces.values():
        status = "admin down" if interface.is_shut_down else "up"
        text = _description(interface)
        name, protocol = _short_name(interface.name), _protocol(interface)
        ctx.write(f"{name:<30} {status:<14} {protocol:<8} {text}".rstrip())


def show_interfaces_status(ctx: Context) -> None:
    """``show interfaces status``."""
    ctx.say("show_interface.status_head")
    for interface in ctx.device.config.interfaces.values():
        if interface.is_physical:
            status = "disabled" if interface.is_shut_down else "connected"
            ctx.write(
                f"{_short_name(interface.name):<9} {_description(interface)[:18]:<18} "
                f"{status:<12} {'routed':<10} {'auto':>7} {'auto':>6} RJ45"
            )


def show_ip_interface(ctx: Context) -> None:
    """``show ip interface [NAME]``."""
    for interface in _chosen(ctx):
        ctx.write(_state_line(interface))
        if interface.address:
            ctx.say("show_interface.ip", address=_with_length(interface))
        else:
            ctx.say("show_interface.no_ip")


def show_ip_interface_brief(ctx: Context) -> None:
    """``show ip interface brief``."""
    ctx.say("show.interfaces_head")
    for interface in ctx.device.config.interfaces.values():
        method = "manual" if interface.address else "DHCP" if interface.uses_dhcp else "unset"
        status = "administratively down" if interface.is_shut_down else "up"
        address = interface.address or "unassigned"
        protocol = _protocol(interface)
        ctx.write(f"{interface.name:<26} {address:<15} YES {method:<6} {status:<21} {protocol}")


def show_ipv6_interface(_ctx: Context) -> None:
    """``show ipv6 interface``: no interface has IPv6."""


def show_arp(ctx: Context) -> None:
    """``show arp``: the box's own addresses; it has no neighbors."""
    ctx.say("show_interface.arp_head")
    for interface in ctx.device.config.interfaces.values():
        if interface.is_physical and interface.address and not interface.is_shut_down:
            mac = mac_address(ctx.device, interface.name)
            ctx.write(
                f"Internet  {interface.address:<15} {'-':>9}   {mac}  ARPA   {interface.name}"
            )


def show_ip_route(ctx: Context) -> None:
    """``show ip route``: connected networks and configured routes."""
    config = ctx.device.config
    static = [
        line.split() for line in config.lines.get("ip", {}).values() if line.startswith("ip route ")
    ]
    default = next((words[4] for words in static if words[2:4] == _DEFAULT_ROUTE), "")
    ctx.say("show_interface.route_codes")
    if default:
        ctx.write(f"Gateway of last resort is {default} to network 0.0.0.0\n")
        ctx.write(f"S*    0.0.0.0/0 [1/0] via {default}")
    else:
        ctx.write("Gateway of last resort is not set\n")
    for words in static:
        if words[4] != default:
            network = IPv4Network(f"{words[2]}/{words[3]}", strict=False)
            ctx.write(f"S        {network} [1/0] via {words[4]}")
    for interface in config.interfaces.values():
        if interface.address and not interface.is_shut_down:
            address = IPv4Interface(f"{interface.address}/{interface.mask}")
            ctx.write(f"C        {address.network} is directly connected, {interface.name}")
            ctx.write(f"L        {address.ip}/32 is directly connected, {interface.name}")


def mac_address(router: Router, name: str) -> str:
    """Ethernet address of an interface, as IOS writes it; the same at every start."""
    digest = hashlib.sha256(f"{router.serial_number} {name}".encode()).hexdigest()
    digits = (router.train.mac_vendor.replace(".", "") + digest)[:12]
    return f"{digits[:4]}.{digits[4:8]}.{digits[8:]}"


def _say_interface(ctx: Context, interface: Interface) -> None:
    ctx.write(_state_line(interface))
    if interface.is_physical:
        ctx.say("show_interface.ethernet", mac=mac_address(ctx.device, interface.name))
    elif interface.name.startswith("Loopback"):
        ctx.say("show_interface.loopback")
    else:
        ctx.say("show_interface.virtual", kind=interface.name.rstrip("0123456789"))
    if _description(interface):
        ctx.write(f"  Description: {_description(interface)}")
    if interface.address:
        ctx.write(f"  Internet address is {_with_length(interface)}")
    ctx.say("show_interface.ethernet_rest" if interface.is_physical else "show_interface.rest")
    ctx.say("show_interface.counters")


def _chosen(ctx: Context) -> list[Interface]:
    """The interface that was typed, or all; none, and an error, when it does not exist."""
    router = ctx.device
    if "interface" not in ctx.args and "type" not in ctx.args:
        return list(router.config.interfaces.values())
    typed = ctx.args.get("interface") or ctx.args["type"] + ctx.args["number"]
    found = router.config.interfaces.get(router.interface_name(typed))
    if found is None:
        ctx.reject("interface" if "interface" in ctx.args else "number")
        return []
    return [found]


def _state_line(interface: Interface) -> str:
    status = "administratively down" if interface.is_shut_down else "up"
    return f"{interface.name} is {status}, line protocol is {_protocol(interface)} "


def _protocol(interface: Interface) -> str:
    return "down" if interface.is_shut_down else "up"


def _with_length(interface: Interface) -> str:
    return str(IPv4Interface(f"{interface.address}/{interface.mask}"))


def _description(interface: Interface) -> str:
    return interface.lines.get("description", "").removeprefix("description ")


def _short_name(name: str) -> str:
    for long, short in _SHORT.items():
        if name.startswith(long):
            return short + name.removeprefix(long)
    return name
