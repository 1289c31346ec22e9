"""``show`` commands about the box itself."""

from __future__ import annotations

from sceplab_devices.profiles.cisco.dates import clock_text, uptime_text
from sceplab_devices.profiles.cisco_ios.config_text import interface_lines, render_config
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.profiles.cisco_ios.terminal_lines import FACTORY_LINES, vty_numbers
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
        tail="\n".join(train.hardware_tail),
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
    kind = "con" if session.line.kind == "console" else "vty"
    return f"{_absolute_number(session):2d} {kind} {session.line.number}"


def _absolute_number(session: Session) -> int:
    number = session.line.number
    return number if session.line.kind == "console" else _FIRST_VTY_LINE + number


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


def show_lines(ctx: Context) -> None:
    """``show line``."""
    router = ctx.device
    ctx.say("show.line_head")
    used = {console.session.line.name for console in router.consoles}
    own = _absolute_number(ctx.session)
    vtys = {
        number for header in (*FACTORY_LINES, *router.config.terminal_lines)
        for number in vty_numbers(header)
    }  # fmt: skip
    for number, kind in enumerate(["CTY", "AUX", *(["VTY"] * (max(vtys) + 1))]):
        name = "con0" if kind == "CTY" else f"vty{number - _FIRST_VTY_LINE}"
        mark = "*" if number == own else "A" if name in used else " "
        speed = "9600/9600" if kind == "AUX" else ""
        ctx.write(
            f"{mark} {number:5} {number:4} {kind} {speed:>11}  -    -      -    -    -"
            f" {int(name in used):6} {0:7}     0/0      -"
        )


def show_inventory(ctx: Context) -> None:
    """``show inventory``."""
    router = ctx.device
    name, description = router.train.chassis
    ctx.say(
        "show.inventory",
        name=name,
        description=description.format(serial=router.serial_number),
        model=router.train.model,
        serial=router.serial_number,
    )


def show_clock_detail(ctx: Context) -> None:
    """``show clock detail``."""
    show_clock(ctx)
    ctx.say("show.clock_user" if ctx.device.clock_is_set else "show.clock_none")


def show_ntp(ctx: Context) -> None:
    """``show ntp status``, ``show ntp associations``."""
    servers = [line.split()[2] for line in ctx.device.config.lines.get("ntp", {}).values()]
    if not servers:
        ctx.say("show.ntp_disabled")
    elif ctx.has("status"):
        ctx.say("show.ntp_status")
    else:
        ctx.say("show.ntp_head")
        for server in servers:
            ctx.write(
                f" ~{server:<15}  .INIT.          16      -     64     0  0.000   0.000 15937."
            )


def show_text(ctx: Context) -> None:
    """An output that is the same on every box. Option ``text``: its key."""
    ctx.say(str(ctx.options["text"]))


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
