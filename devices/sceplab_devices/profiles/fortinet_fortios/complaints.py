"""Error texts of the shell, as ``[texts.error]`` has them."""

from __future__ import annotations

from sceplab_devices.profiles.fortinet_fortios.box import Context
from sceplab_devices.profiles.fortinet_fortios.paths import Lost

_BY_REASON = {"unknown": "unknown_word", "ambiguous": "ambiguous", "incomplete": "incomplete"}


def complain(ctx: Context, kind: str, **values: object) -> None:
    """Prints an error of the shell."""
    ctx.say(f"error.{kind}", **values)


def lost(ctx: Context, reason: Lost) -> None:
    """Prints why words name nothing."""
    complain(ctx, _BY_REASON[reason.kind], word=reason.word)
