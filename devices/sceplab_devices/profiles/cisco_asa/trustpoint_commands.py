"""``crypto ca trustpoint`` and its sub-commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sceplab_devices.profiles.cisco.names import read_subject
from sceplab_devices.profiles.cisco.obfuscation import reveal
from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco.store import keep_line, line_key
from sceplab_devices.profiles.cisco.trustpoint import Entry
from sceplab_devices.profiles.cisco_asa.firewall import Context
from sceplab_devices.profiles.cisco_asa.trustpoint import Trustpoint
from sceplab_devices.steps import Dialog

Values = dict[str, str]


def enter_trustpoint(ctx: Context) -> Dialog:
    """``[no] crypto ca trustpoint NAME [noconfirm]``."""
    firewall, name = ctx.device, ctx.args["name"]
    trustpoints = firewall.config.trustpoints
    if not (ctx.negated or ctx.default):
        if name not in trustpoints:
            trustpoints[name] = Trustpoint(name)
            firewall.note_change()
        ctx.enter_mode("ca-trustpoint", name=name)
        return
    if name not in trustpoints:
        ctx.say("authenticate.unknown", name=name)
        return
    is_enrolled = bool(firewall.view(name).ca_certificates_der)
    if is_enrolled and not ctx.has("noconfirm"):
        ctx.say("trustpoint.remove")
        sure: bool = yield from ask_yes_no(ctx, ctx.text("trustpoint.remove_question"))
        if not sure or name not in trustpoints:
            return
    del trustpoints[name]
    firewall.port.remove(name)
    firewall.enrolling.pop(name, None)
    firewall.note_change()
    if is_enrolled:
        ctx.say("trustpoint.removed")


def trustpoint_left(ctx: Context, values: Mapping[str, str]) -> None:
    """The sub-mode was left: the port hears of the lines only now, all at once."""
    trustpoint = ctx.device.config.trustpoints.get(values["name"])
    if trustpoint is not None:
        ctx.device.apply(trustpoint)


def trustpoint_setting(ctx: Context) -> None:
    """Any sub-command: checked, then kept."""
    trustpoint = _present(ctx)
    if trustpoint is None:
        return
    key = line_key(ctx)
    ctx.device.note_change()
    if ctx.options.get("stored_no"):
        if ctx.negated:
            trustpoint.entries[key] = Entry(f"no {key}", {})
        else:
            trustpoint.entries.pop(key, None)
        return
    if ctx.negated or ctx.default:
        trustpoint.entries.pop(key, None)
        return
    values = dict(ctx.args)
    check = ctx.options.get("check")
    line = _CHECKS[check](values) if check else " ".join(ctx.words)
    if line is None:
        ctx.reject(str(ctx.options["parameter"]))
        return
    trustpoint.entries[key] = Entry(line, values)


def enter_crl(ctx: Context) -> None:
    """``[no] crl configure``: how revocation lists are fetched."""
    trustpoint = _present(ctx)
    if trustpoint is None:
        return
    if ctx.negated or ctx.default:
        trustpoint.crl_lines.clear()
        ctx.device.note_change()
    else:
        ctx.enter_mode("ca-crl", name=trustpoint.name)


def crl_setting(ctx: Context) -> None:
    """A line below ``crl configure``."""
    trustpoint = _present(ctx)
    if trustpoint is not None:
        keep_line(ctx, trustpoint.crl_lines)


def _present(ctx: Context) -> Trustpoint | None:
    """The trustpoint of the mode; ``None`` when it was removed from another session meanwhile."""
    return ctx.device.config.trustpoints.get(ctx.session.mode_values["name"])


def _subject_line(values: Values) -> str | None:
    return None if read_subject(values["name"]) is None else f"subject-name {values['name']}"


def _password_line(values: Values) -> str | None:
    kind, _, rest = values["password"].partition(" ")
    if kind == "7" and rest:  # as the saved configuration has it
        revealed = reveal(rest.strip())
        if revealed is None:
            return None
        values["password"] = revealed
    return "password *"


_CHECKS: dict[str, Callable[[Values], str | None]] = {
    "subject": _subject_line,
    "password": _password_line,
}
"""Each gives the line the configuration keeps, or ``None`` to refuse it; may add values."""
