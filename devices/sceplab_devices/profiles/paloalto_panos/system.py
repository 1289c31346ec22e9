"""Sessions, terminal settings and the box itself."""

from __future__ import annotations

from collections.abc import Mapping

from sceplab_devices import builtin
from sceplab_devices.profiles.candidate.commands import Request
from sceplab_devices.profiles.candidate.pipes import Pipes
from sceplab_devices.profiles.candidate.platform import Handler
from sceplab_devices.profiles.candidate.tree import find, names, value
from sceplab_devices.profiles.paloalto_panos.device import Context
from sceplab_devices.steps import Ask, AskKey, Dialog


def open_session(ctx: Context) -> Dialog:
    """Login where one is configured, then the line about failed attempts."""
    if ctx.device.asks_login and not ctx.session.user:
        for _ in range(builtin.LOGIN_ATTEMPTS):
            user: str = yield from builtin.ask_name(ctx)
            password: str = yield Ask(ctx.text("login.password"), echo=False)
            if ctx.device.accepts_login(user, password):
                ctx.session.user = user
                break
            ctx.say("login.invalid")
        else:
            ctx.close()
            return
    ctx.write_partial(ctx.text("login.welcome"))


def exit_session(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``exit`` and ``quit`` in operational mode."""
    ctx.close()


def accept(_ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """Takes a terminal setting that changes nothing here."""


def pager(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``set cli pager {on | off}``."""
    settings = ctx.device.profile.lines[ctx.session.line.kind]
    ctx.session.length = 0 if "off" in request.args else settings.length


def terminal_width(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``set cli terminal width N``."""
    ctx.session.width = int(request.args["width"])


def terminal_height(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``set cli terminal height N``; a pager that is off stays off."""
    if ctx.session.length:
        ctx.session.length = int(request.args["height"])


def output_format(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``set cli config-output-format {default | set}``."""
    ctx.session.variables["format"] = "set" if "set" in request.args else "default"


def show_system(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show system info``."""
    box = ctx.device
    system = find(box.active, "deviceconfig", "system") or {}
    data = box.profile.data
    up = box.now() - box.started_at
    hours, rest = divmod(up.seconds, 3600)
    lines = {
        "hostname": box.hostname,
        "ip-address": value(system, "ip-address") or "unknown",
        "public-ip-address": "unknown",
        "netmask": value(system, "netmask") or "unknown",
        "default-gateway": value(system, "default-gateway") or "unknown",
        "time": f"{box.now():%a %b} {box.now().day:2d} {box.now():%H:%M:%S %Y}",
        "uptime": f"{up.days} days, {hours}:{rest // 60:02d}:{rest % 60:02d}",
        "family": "vm",
        "model": data["model"],
        "serial": data["serial"],
        "sw-version": data["release"],
        "app-version": "8635-7675",
        "platform-family": "vm",
        "vpn-disable-mode": "off",
        "multi-vsys": "off",
        "operational-mode": "normal",
        "device-certificate-status": "None",
    }
    ctx.write()
    for name, text in lines.items():
        ctx.write(f"{name}: {text}")
    ctx.write()


def show_clock(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show clock``."""
    now = ctx.device.now()
    ctx.write(f"\n{now:%a %b} {now.day:2d} {now:%H:%M:%S} UTC {now:%Y}\n")


def show_interface(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``show interface NAME``: what is configured."""
    name = request.args["interface"]
    settings = find(ctx.device.active, "network", "interface", "ethernet", name)
    if settings is None:
        ctx.say("system.no_interface", name=name)
        return
    ctx.write(f"Name: {name}")
    for address in names(settings, "layer3", "ip"):
        ctx.write(f"Interface IP address: {address}")


def show_log(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show log system``."""
    for line in ctx.device.system_log:
        ctx.write(line)


def restart(ctx: Context, _request: Request, _pipes: Pipes) -> Dialog:
    """``request restart system``: comes up with what was committed."""
    key: str = yield AskKey(ctx.text("system.restart_question"), keys="ynYN")
    if key.lower() != "y":
        return
    ctx.say("system.restart")
    ctx.device.on_reload()
    ctx.close()


def ike_down(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show vpn ike-sa``: no session is up."""
    ctx.say("system.ike_down")


def ipsec_down(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show vpn ipsec-sa``: no tunnel is up."""
    ctx.say("system.ipsec_down")


COMMANDS: Mapping[str, Handler] = {
    "exit_session": exit_session,
    "accept": accept,
    "pager": pager,
    "terminal_width": terminal_width,
    "terminal_height": terminal_height,
    "output_format": output_format,
    "show_system": show_system,
    "show_clock": show_clock,
    "show_interface": show_interface,
    "show_log": show_log,
    "restart": restart,
    "ike_down": ike_down,
    "ipsec_down": ipsec_down,
    "run": accept,
}
