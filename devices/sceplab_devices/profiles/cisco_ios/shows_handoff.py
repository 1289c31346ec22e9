"""Outputs of those who use certificates: IPsec and 802.1X.

They tell what is configured. No session is ever up on an emulated box, and they say so.
"""

from __future__ import annotations

from sceplab_devices.profiles.cisco_ios.router import Context, Router
from sceplab_devices.profiles.cisco_ios.running_config import Interface

_RULE = "--------------------------------------------"


def show_crypto_session(ctx: Context) -> None:
    """``show crypto session [detail]``."""
    ctx.say("show_handoff.session_detail" if ctx.has("detail") else "show_handoff.session")
    for interface in ctx.device.config.interfaces.values():
        if _is_protected(interface):
            ctx.say("show_handoff.session_down", interface=interface.name)


def show_ikev2_sa(_ctx: Context) -> None:
    """``show crypto ikev2 sa [detailed]``: there is none, and the box then prints nothing."""


def show_isakmp_sa(ctx: Context) -> None:
    """``show crypto isakmp sa``."""
    ctx.say("show_handoff.isakmp_sa")


def show_ipsec_sa(ctx: Context) -> None:
    """``show crypto ipsec sa``."""
    ctx.say("show_handoff.ipsec_sa")


def show_dot1x(ctx: Context) -> None:
    """``show dot1x [all [details] | interface NAME [details]]``."""
    router = ctx.device
    if not ctx.has("interface"):
        enabled = router.config.has_line("dot1x", "dot1x system-auth-control")
        ctx.say("show_handoff.dot1x", state="Enabled" if enabled else "Disabled")
    for interface in _dot1x_interfaces(ctx):
        for line in _dot1x_lines(router, interface):
            ctx.write(line)


def show_access_session(ctx: Context) -> None:
    """``show access-session [interface NAME [details]]``."""
    ctx.say("show_handoff.no_access_session")


def _is_protected(interface: Interface) -> bool:
    return any(key.startswith(("crypto map", "tunnel protection")) for key in interface.lines)


def _dot1x_interfaces(ctx: Context) -> list[Interface]:
    router = ctx.device
    if ctx.has("interface"):
        typed = ctx.args.get("interface") or ctx.args["type"] + ctx.args["number"]
        found = router.config.interfaces.get(router.interface_name(typed))
        if found is None:
            ctx.reject("interface" if "interface" in ctx.args else "number")
            return []
        chosen = [found]
    elif ctx.has("all"):
        chosen = list(router.config.interfaces.values())
    else:
        return []
    return [interface for interface in chosen if _roles(interface)]


def _roles(interface: Interface) -> set[str]:
    return {line.split()[-1] for line in interface.lines.values() if line.startswith("dot1x pae ")}


def _dot1x_lines(router: Router, interface: Interface) -> list[str]:
    lines = ["", f"Dot1x Info for {interface.name}", _RULE]
    roles = _roles(interface)
    if roles & {"authenticator", "both"}:
        lines += router.profile.text("show_handoff.authenticator").split("\n")
    if roles & {"supplicant", "both"}:
        lines += router.profile.text("show_handoff.supplicant").split("\n")
        credentials = _named(interface, "dot1x credentials ")
        eap = _named(interface, "dot1x supplicant eap profile ")
        if credentials:
            lines.append(f"Credentials profile       = {credentials}")
        if eap:
            lines.append(f"EAP profile               = {eap}")
        lines += ["", router.profile.text("show_handoff.no_client")]
    return lines


def _named(interface: Interface, start: str) -> str:
    found = (line for line in interface.lines.values() if line.startswith(start))
    return next(found, "").removeprefix(start)
