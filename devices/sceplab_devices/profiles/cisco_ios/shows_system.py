"""``show`` commands about the box itself."""

from __future__ import annotations

from sceplab_devices.profiles.cisco.dates import clock_text, uptime_text
from sceplab_devices.profiles.cisco_ios.config_text import interface_lines, render_config
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.session import Session

_FIRST_VTY_LINE = 2
"""Absolute number of ``vty 0``: console and auxiliary line come before it."""


def show_version(ctx: Context) -> None:
    """``show version``."""
    router, train = ctx.device, ctx.device.train
    for text in train.banner:
        ctx.write(text)
    ctx.say(
        "show.rom",
        bootstrap=train.bootstrap,
        hostname=router.hostname,
        uptime=uptime_text(router.now() - router.started_at),
        image=train.image,
    )
    ctx.say(
        "show.hardware",
        hardware=train.hardware,
        serial=router.serial_number,
        count=len(train.interfaces),
    )


def show_privilege(ctx: Context) -> None:
    """``show privilege``."""
    ctx.say("show.privilege", level=ctx.session.privilege)


def show_clock(ctx: Context) -> None:
    """``show clock``."""
    router = ctx.device
    mark = "" if router.clock_is_set else "*"
    ctx.write(mark + clock_text(router.device_time(), router.config.zone))


def show_users(ctx: Context) -> None:
    """``show users``."""
    ctx.say("show.users_head")
    for console in ctx.device.consoles:
        session = console.session
        mark = "*" if session is ctx.session else " "
        line = _line_text(session)
        ctx.write(f"{mark} {line:<13}{session.user:<10} {'idle':<20} 00:00:00 {session.line.peer}")
    ctx.say("show.users_tail")


def _line_text(session: Session) -> str:
    if session.line.kind == "console":
        return f" 0 con {session.line.number}"
    number = session.line.number
    return f"{_FIRST_VTY_LINE + number:2d} vty {number}"


def show_hosts(ctx: Context) -> None:
    """``show hosts``."""
    config = ctx.device.config
    lines = config.lines.get("ip-names", {})
    has_lookup = "no ip domain lookup" not in lines.values()
    if config.domain_name:
        ctx.say("show.hosts_domain", domain=config.domain_name)
    servers = [line.split()[-1] for line in lines.values() if line.startswith("ip name-server")]
    service = "domain service" if has_lookup else "static mappings"
    ctx.say("show.hosts_head", service=service, servers=", ".join(servers) or "255.255.255.255")
    for line in lines.values():
        if line.startswith("ip host "):
            _, _, name, address = line.split()
            ctx.write(f"{name:<25} {'None':<5} (perm, OK)  0   IP    {address}")


def show_ip_interface_brief(ctx: Context) -> None:
    """``show ip interface brief``."""
    ctx.say("show.interfaces_head")
    for interface in ctx.device.config.interfaces.values():
        method = "manual" if interface.address else "DHCP" if interface.uses_dhcp else "unset"
        status = "administratively down" if interface.is_shut_down else "up"
        protocol = "down" if interface.is_shut_down else "up"
        address = interface.address or "unassigned"
        ctx.write(f"{interface.name:<26} {address:<15} YES {method:<6} {status:<21} {protocol}")


def show_logging(ctx: Context) -> None:
    """``show logging``."""
    router = ctx.device
    is_off = router.config.has_line("logging", "no logging console")
    state = "show.log_disabled" if is_off else "show.log_enabled"
    ctx.say("show.log_head")
    ctx.say("show.log_console", state=ctx.text(state, count=router.logged))
    ctx.say("show.log_monitor")
    ctx.say("show.log_buffer", count=router.logged)
    ctx.write()
    for text in router.log_buffer:
        ctx.write(text)


def show_running_config(ctx: Context) -> None:
    """``show running-config [interface NAME]``."""
    ctx.say("system.building")
    ctx.write()
    text = render_config(ctx.device)
    if ctx.has("interface"):
        typed = ctx.args.get("interface") or ctx.args["type"] + ctx.args["number"]
        interface = ctx.device.config.interfaces.get(ctx.device.interface_name(typed))
        if interface is None:
            ctx.reject("interface" if "interface" in ctx.args else "number")
            return
        text = "\n".join(["!", *interface_lines(interface), "end"]) + "\n"
    ctx.write(f"Current configuration : {len(text)} bytes")
    ctx.write(text)


def show_startup_config(ctx: Context) -> None:
    """``show startup-config``."""
    text = ctx.device.startup_config
    if not text:
        ctx.say("system.startup_missing")
        return
    ctx.say("system.startup_head", used=len(text))
    ctx.write(text)
