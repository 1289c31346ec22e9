"""Sessions, terminal settings, logs and the box itself."""

from __future__ import annotations

from collections.abc import Mapping

from sceplab_devices import builtin
from sceplab_devices.profiles.candidate.commands import Request
from sceplab_devices.profiles.candidate.pipes import Pipes
from sceplab_devices.profiles.candidate.platform import Handler
from sceplab_devices.profiles.candidate.tree import find, names
from sceplab_devices.profiles.juniper_junos.dates import duration_text, system_text
from sceplab_devices.profiles.juniper_junos.device import Context
from sceplab_devices.steps import Ask, Dialog


def open_console(ctx: Context) -> Dialog:
    """What a console shows first: who it is, a login where one is configured, the release."""
    if ctx.device.asks_login and not ctx.session.user:
        ctx.say("login.console_banner", hostname=ctx.device.hostname)
    yield from open_vty(ctx)


def open_vty(ctx: Context) -> Dialog:
    """What a network line shows first."""
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
    ctx.say("login.release", release=ctx.device.profile.data["release"])


def exit_session(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``exit`` and ``quit`` in operational mode."""
    ctx.close()


def screen_length(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``set cli screen-length N``; 0: no paging."""
    ctx.session.length = int(request.args["length"])
    ctx.say("cli.screen_length", length=request.args["length"])


def screen_width(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``set cli screen-width N``."""
    ctx.session.width = int(request.args["width"])
    ctx.say("cli.screen_width", width=request.args["width"])


def complete_on_space(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``set cli complete-on-space {on | off}``."""
    is_on = "off" not in request.args
    ctx.session.completes_on_blank = is_on
    ctx.say("cli.complete_on" if is_on else "cli.complete_off")


def no_timestamp(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``set cli timestamp disable``: they are never shown, but scripts make sure of it."""
    ctx.say("cli.no_timestamp")


def show_cli(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show cli``."""
    session = ctx.session
    state = "on" if session.completes_on_blank else "off"
    ctx.write(f"CLI complete-on-space set to {state}")
    ctx.write("CLI idle-timeout disabled")
    ctx.write(f"CLI screen-length set to {session.length}")
    ctx.write(f"CLI screen-width set to {session.width}")
    ctx.write(f"CLI working-directory is '/var/{ctx.device.user_of(session)}'")


def show_version(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show version``."""
    data = ctx.device.profile.data
    ctx.write(f"Hostname: {ctx.device.hostname}")
    ctx.write(f"Model: {data['model']}")
    ctx.write(f"Junos: {data['release']}")
    ctx.write(f"JUNOS Software Release [{data['release']}]")


def show_uptime(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show system uptime``."""
    box = ctx.device
    now, last = box.now(), box.revisions[0]
    since = duration_text(now - box.started_at)
    ctx.write(f"Current time: {system_text(now)}")
    ctx.write("Time Source:  LOCAL CLOCK")
    ctx.write(f"System booted: {system_text(box.started_at)} ({since})")
    ctx.write(f"Protocols started: {system_text(box.started_at)} ({since})")
    ago = duration_text(now - last.at)
    ctx.write(f"Last configured: {system_text(last.at)} ({ago}) by {last.user}")


def show_interfaces(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show interfaces terse``: what is configured; every link is up."""
    ctx.write("Interface               Admin Link Proto    Local                 Remote")
    interfaces = find(ctx.device.active, "interfaces") or {}
    for name, settings in interfaces.items():
        admin = "down" if "disable" in settings else "up"
        ctx.write(f"{name:<24}{admin:<6}{admin}")
        for unit, inside in (settings.get("unit") or {}).items():
            addresses = names(inside, "family", "inet", "address")
            proto = "inet" if find(inside, "family", "inet") is not None else ""
            first = addresses[0] if addresses else ""
            ctx.write(f"{name + '.' + unit:<24}{admin:<6}{admin:<5}{proto:<9}{first}".rstrip())
            for address in addresses[1:]:
                ctx.write(f"{'':<44}{address}")


def show_log(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``show log FILE``."""
    lines = ctx.device.logs.get(request.args["filename"])
    if lines is None:
        ctx.say("cli.no_log", file=f"/var/log/{request.args['filename']}")
        return
    for line in lines:
        ctx.write(line)


def clear_log(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``clear log FILE``."""
    lines = ctx.device.logs.get(request.args["filename"])
    if lines is None:
        ctx.say("cli.no_log", file=f"/var/log/{request.args['filename']}")
        return
    lines.clear()


def monitor_start(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``monitor start FILE``: log lines appear on this terminal."""
    if request.args["filename"] not in ctx.device.logs:
        ctx.say("cli.no_log", file=f"/var/log/{request.args['filename']}")
        return
    ctx.session.monitor = True


def monitor_stop(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``monitor stop [FILE]``."""
    ctx.session.monitor = False


def reboot(ctx: Context, _request: Request, _pipes: Pipes) -> Dialog:
    """``request system reboot``: comes up with what was committed."""
    answer: str = yield Ask(ctx.text("cli.reboot_question"))
    if answer.strip().lower() not in ("yes", "y"):
        return
    ctx.say("cli.reboot")
    ctx.device.on_reload()
    ctx.close()


def no_sessions(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show security ike security-associations``: none is up, so the list is empty."""
    _say_unless_empty(ctx, "cli.ike_down")


def no_ipsec_sessions(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show security ipsec security-associations``."""
    _say_unless_empty(ctx, "cli.ipsec_down")


def show_dot1x(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show dot1x interface``: what is configured; nobody is authenticated."""
    block = find(ctx.device.active, "protocols", "dot1x", "authenticator", "interface")
    if not block:
        ctx.say("cli.dot1x_none")
        return
    ctx.write("802.1X Information:")
    ctx.write("Interface     Role           State           MAC address          User")
    for name in block:
        ctx.write(f"{name:<14}Authenticator  Connecting")


def run(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``run`` alone never gets here: its command is read in its place."""


def _say_unless_empty(ctx: Context, key: str) -> None:
    text = ctx.text(key)
    if text:
        ctx.write(text)


COMMANDS: Mapping[str, Handler] = {
    "exit_session": exit_session,
    "screen_length": screen_length,
    "screen_width": screen_width,
    "complete_on_space": complete_on_space,
    "no_timestamp": no_timestamp,
    "show_cli": show_cli,
    "show_version": show_version,
    "show_uptime": show_uptime,
    "show_interfaces": show_interfaces,
    "show_log": show_log,
    "clear_log": clear_log,
    "monitor_start": monitor_start,
    "monitor_stop": monitor_stop,
    "reboot": reboot,
    "no_sessions": no_sessions,
    "no_ipsec_sessions": no_ipsec_sessions,
    "show_dot1x": show_dot1x,
    "run": run,
}
