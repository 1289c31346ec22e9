"""``crypto pki trustpoint`` and its sub-commands."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping

from sceplab_devices.profiles.cisco.names import read_subject
from sceplab_devices.profiles.cisco.obfuscation import obfuscate, reveal
from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco.store import line_key
from sceplab_devices.profiles.cisco.trustpoint import Entry, pin_algorithm
from sceplab_devices.profiles.cisco_ios.automatic import enroll_automatically
from sceplab_devices.profiles.cisco_ios.config_text import trustpoint_lines
from sceplab_devices.profiles.cisco_ios.keys import is_in_range
from sceplab_devices.profiles.cisco_ios.router import Context, Router
from sceplab_devices.profiles.cisco_ios.trustpoint import (
    Trustpoint,
    shown_url,
)
from sceplab_devices.steps import Dialog

Values = dict[str, str]


def enter_trustpoint(ctx: Context) -> Dialog:
    """``[no] crypto pki trustpoint NAME``."""
    router = ctx.device
    name = ctx.args["name"]
    trustpoints = router.config.trustpoints
    if ctx.negated or ctx.default:
        if name not in trustpoints:
            ctx.say("trustpoint.missing", name=name)
            return
        ctx.say("trustpoint.remove")
        sure: bool = yield from ask_yes_no(ctx, ctx.text("trustpoint.remove_question"))
        if sure:
            del trustpoints[name]
            router.port.remove(name)
            router.note_change()
            ctx.say("trustpoint.removed")
        return
    if name not in trustpoints:
        trustpoints[name] = Trustpoint(name)
        router.note_change()
        if router.train.logs_trustpoint_create:
            router.syslog("trustpoint_created", name=name)
    ctx.enter_mode("ca-trustpoint", name=name)


def trustpoint_left(ctx: Context, values: Mapping[str, str]) -> None:
    """The sub-mode was left: the port hears of the lines only now, all at once."""
    trustpoint = ctx.device.config.trustpoints.get(values["name"])
    if trustpoint is not None and ctx.device.apply(trustpoint):
        enroll_automatically(ctx.device, trustpoint)


def trustpoint_setting(ctx: Context) -> None:
    """Any sub-command: checked, then kept."""
    trustpoint = ctx.device.config.trustpoints.get(ctx.session.mode_values["name"])
    if trustpoint is None:  # removed from another session meanwhile
        return
    key = line_key(ctx)
    ctx.device.note_change()
    if ctx.negated or ctx.default:
        trustpoint.entries.pop(key, None)
        return
    values = dict(ctx.args)
    line = " ".join(ctx.words)
    check = ctx.options.get("check")
    if check:
        checked = _CHECKS[check](ctx.device, values)
        if checked is None:
            ctx.reject(str(check) if check in ctx.args else next(iter(ctx.args)))
            return
        line = checked
    trustpoint.entries[key] = Entry(line, values)


def show_trustpoint_lines(ctx: Context) -> None:
    """``show`` inside a trustpoint: what is configured of it."""
    trustpoint = ctx.device.config.trustpoints.get(ctx.session.mode_values["name"])
    if trustpoint is not None:
        ctx.write("\n".join(trustpoint_lines(ctx.device, trustpoint)))


def _url_line(_router: Router, values: Values) -> str | None:
    return f"enrollment url {shown_url(values['url'])}"


def _fingerprint_line(_router: Router, values: Values) -> str | None:
    words = values["fingerprint"].split()
    named = words.pop(0).lower() if words[0].lower() in {"md5", "sha1", "sha256"} else ""
    digits = "".join(words).replace(":", "").upper()
    if any(digit not in string.hexdigits for digit in digits):
        return None
    algorithm = pin_algorithm(digits)
    if not algorithm or named not in ("", algorithm):
        return None
    values["pin"] = digits
    return f"fingerprint {digits}"


def _subject_line(_router: Router, values: Values) -> str | None:
    return None if read_subject(values["name"]) is None else f"subject-name {values['name']}"


def _password_line(_router: Router, values: Values) -> str | None:
    kind, _, rest = values["password"].partition(" ")
    if kind == "7" and rest:
        revealed = reveal(rest.strip())
        if revealed is None:
            return None
        values["password"] = revealed
    elif kind == "0" and rest:
        values["password"] = rest.strip()
    return f"password 7 {obfuscate(values['password'])}"


def _key_line(router: Router, values: Values) -> str | None:
    sizes = [values[name] for name in ("size", "encryption") if name in values]
    if not all(is_in_range(router, size) for size in sizes):
        return None
    return " ".join(["rsakeypair", values["label"], *sizes])


_CHECKS: dict[str, Callable[[Router, Values], str | None]] = {
    "url": _url_line,
    "fingerprint": _fingerprint_line,
    "subject": _subject_line,
    "password": _password_line,
    "size": _key_line,
}
"""Each gives the line the configuration keeps, or ``None`` to refuse it; may add values."""
