"""The box itself: status, clock, log, debugging, reload."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from datetime import UTC, datetime, time
from typing import Any

from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.fortinet_fortios.box import GLOBAL, Context
from sceplab_devices.profiles.fortinet_fortios.complaints import complain
from sceplab_devices.profiles.fortinet_fortios.port_events import renew_due, warn_of_ends
from sceplab_devices.profiles.fortinet_fortios.words import Word
from sceplab_devices.steps import AskKey, Dialog, Step

_SHOWN_EVENTS = 10
_DAY_S = 86_400
_TIME = re.compile(r"\d{1,2}:\d{1,2}:\d{1,2}", re.ASCII)


def status(ctx: Context, words: Sequence[Word]) -> None:
    """``get system status``."""
    del words
    device = ctx.device
    is_multi = device.has_vdoms
    ctx.say(
        "system.status",
        hostname=device.hostname,
        serial=device.serial_number,
        encryption=device.setting(GLOBAL, "private-data-encryption").title(),
        vdoms="multiple" if is_multi else "disable",
        time=f"{device.box_time():%a %b %e %H:%M:%S %Y}",
    )


def performance(ctx: Context, words: Sequence[Word]) -> None:
    """``get system performance status``."""
    del words
    seconds = int((ctx.device.now() - ctx.device.started_at).total_seconds())
    days, rest = divmod(max(seconds, 0), _DAY_S)
    ctx.say("system.performance", days=days, hours=rest // 3600, minutes=rest % 3600 // 60)


def no_tunnels(ctx: Context, words: Sequence[Word]) -> None:
    """Lists of IPsec tunnels: none is up here."""
    del words
    ctx.write_partial("")


def no_gateways(ctx: Context, words: Sequence[Word]) -> None:
    """``diagnose vpn ike gateway list``: nothing to list, and nothing is printed."""
    no_tunnels(ctx, words)


def date(ctx: Context, words: Sequence[Word]) -> None:
    """``execute date [YYYY-MM-DD]``."""
    device = ctx.device
    if not words:
        ctx.say("system.date", date=f"{device.box_time():%Y-%m-%d}")
        return
    try:
        wanted = datetime.strptime(words[0].text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        complain(ctx, "value", word=words[0].text)
        return
    _set_clock(ctx, datetime.combine(wanted, device.box_time().timetz()))


def clock_time(ctx: Context, words: Sequence[Word]) -> None:
    """``execute time [HH:MM:SS]``."""
    device = ctx.device
    if not words:
        ctx.say("system.time", time=f"{device.box_time():%H:%M:%S}")
        return
    try:
        hour, minute, second = (int(part) for part in _numbers(words[0].text))
        wanted = time(hour, minute, second, tzinfo=UTC)
    except ValueError:
        complain(ctx, "value", word=words[0].text)
        return
    _set_clock(ctx, datetime.combine(device.box_time().date(), wanted))


def _numbers(text: str) -> list[str]:
    return text.split(":") if _TIME.fullmatch(text) else []


def _set_clock(ctx: Context, moment: datetime) -> None:
    ctx.device.clock_offset = moment - ctx.device.now()
    renew_due(ctx.device)


def reboot(ctx: Context, words: Sequence[Word]) -> Dialog:
    """``execute reboot``, after a question."""
    del words
    yes: bool = yield from _ask(ctx, "system.reboot")
    if yes:
        ctx.say("system.going_down")
        ctx.device.on_reload()


def factory_reset(ctx: Context, words: Sequence[Word]) -> Dialog:
    """``execute factoryreset``: certificates, keys and configuration go."""
    del words
    yes: bool = yield from _ask(ctx, "system.factory_reset")
    if not yes:
        return
    device = ctx.device
    for name in list(device.config.rows("vpn certificate local")):
        device.port.remove(name)
    try:
        pairs = device.port.keys()
        for pair in pairs:
            device.port.delete_key(pair.label)
        device.is_restoring = True  # what still ends in this box is not saved
        device.on_save("")
    except DeviceError:
        device.is_restoring = False
        complain(ctx, "failed")
        return
    ctx.say("system.going_down")
    device.on_reload()


def _ask(ctx: Context, key: str) -> Generator[Step, Any, bool]:
    ctx.write_partial(ctx.text(key))
    answer: str = yield AskKey("", keys="yn")
    return answer == "y"


def backup(ctx: Context, words: Sequence[Word]) -> None:
    """``execute backup config …``: there is no server to send it to."""
    if not words:
        complain(ctx, "incomplete")
    else:
        ctx.say("system.no_backup")


def save_config(ctx: Context, words: Sequence[Word]) -> None:
    """``execute cfg save``."""
    del words
    ctx.say("system.saved" if ctx.device.save() else "system.not_saved")


def log_display(ctx: Context, words: Sequence[Word]) -> None:
    """``execute log display``: the last events, newest first."""
    del words
    device = ctx.device
    warn_of_ends(device)
    events = list(device.events)[::-1][:_SHOWN_EVENTS]
    ctx.say("system.log_header", found=len(device.events), returned=len(events))
    for number, event in enumerate(events, start=1):
        ctx.say(
            "system.log_line",
            number=number,
            date=f"{event.at:%Y-%m-%d}",
            time=f"{event.at:%H:%M:%S}",
            eventtime=int(event.at.timestamp() * 1_000_000_000),
            level=event.level,
            text=event.text,
        )
        ctx.write()


def log_delete(ctx: Context, words: Sequence[Word]) -> Dialog:
    """``execute log delete-all``, after a question."""
    del words
    yes: bool = yield from _ask(ctx, "system.log_delete")
    if yes:
        ctx.device.events.clear()


def debug_application(ctx: Context, words: Sequence[Word]) -> None:
    """``diagnose debug application NAME [LEVEL]``; level 0 turns it off."""
    if not words:
        complain(ctx, "incomplete")
        return
    name, level = words[0].text, words[1].text if len(words) > 1 else "0"
    if not re.fullmatch(r"-?\d{1,9}", level, re.ASCII):
        complain(ctx, "value", word=level)
    elif int(level):
        ctx.device.debugging.applications[name] = int(level)
        ctx.say("system.debug_duration")
    else:
        ctx.device.debugging.applications.pop(name, None)


def debug_enable(ctx: Context, words: Sequence[Word]) -> None:
    """``diagnose debug enable``: debug lines come to this terminal."""
    del words
    ctx.session.monitor = True


def debug_disable(ctx: Context, words: Sequence[Word]) -> None:
    """``diagnose debug disable``."""
    del words
    ctx.session.monitor = False


def debug_reset(ctx: Context, words: Sequence[Word]) -> None:
    """``diagnose debug reset``: no debugging of anything."""
    del words
    ctx.device.debugging.applications.clear()


def chip(ctx: Context, words: Sequence[Word]) -> None:
    """``diagnose hardware deviceinfo tpm``: whether keys live in a chip."""
    del words
    pairs = ctx.device.port.keys()
    has_chip = any(pair.storage.startswith("tpm") for pair in pairs)
    ctx.say("system.tpm" if has_chip else "system.no_tpm")
