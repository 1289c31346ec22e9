"""What a Cisco box is called and what time it shows: host name, domain, time zone."""

from __future__ import annotations

from typing import Any

from sceplab_devices.context import CommandContext
from sceplab_devices.profiles.cisco.dates import Zone

_MAX_HOURS = 23


def set_hostname(ctx: CommandContext[Any]) -> None:
    """``hostname NAME``."""
    if ctx.negated or ctx.default:
        ctx.device.hostname = ctx.device.profile.hostname
    elif ctx.device.profile.is_hostname(ctx.args["name"]):
        ctx.device.hostname = ctx.args["name"]
    else:
        ctx.say("system.hostname_invalid")
        return
    ctx.device.note_change()


def set_domain_name(ctx: CommandContext[Any]) -> None:
    """``ip domain name NAME``, ``domain-name NAME``."""
    ctx.device.config.domain_name = "" if ctx.negated or ctx.default else ctx.args["name"]
    ctx.device.note_change()


def set_timezone(ctx: CommandContext[Any]) -> None:
    """``clock timezone NAME HOURS [MINUTES]``."""
    if ctx.negated or ctx.default:
        ctx.device.config.zone = Zone()
        ctx.device.note_change()
        return
    hours, minutes = int(ctx.args["hours"]), int(ctx.args.get("minutes", "0"))
    if abs(hours) > _MAX_HOURS:
        ctx.reject("hours")
        return
    sign = -1 if ctx.args["hours"].startswith("-") else 1
    ctx.device.config.zone = Zone(ctx.args["name"], hours * 60 + sign * minutes)
    ctx.device.note_change()
