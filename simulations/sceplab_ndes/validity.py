"""How long certificates of the template are valid: as typed, and from when to when.

Lifetimes of a day and more begin ten minutes before the request, for devices whose clock is slow.
Shorter ones begin with it: a lab that lets certificates run out in minutes would have them half
over at once.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from sceplab_ndes.errors import ConfigError
from sceplab_ndes.hierarchy import BACKDATE
from sceplab_ndes.settings import TemplateSettings

LONGEST = timedelta(days=36500)

_DAY = timedelta(days=1)
_TYPED = re.compile(r"([1-9][0-9]{0,8})([mhd])", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": _DAY}


def validity_settings(typed: str, *, source: str) -> dict[str, int]:
    """Settings of the template for a lifetime such as ``10m``, ``36h`` or ``30d``.

    Args:
        typed: whole minutes, hours or days.
        source: option or key it was given by.

    Raises:
        ConfigError: it is something else, or longer than a hundred years.
    """
    lifetime = duration_of(typed, source=source)
    if lifetime % _DAY:
        return {"validity_minutes": lifetime // _UNITS["m"]}
    return {"validity_days": lifetime // _DAY, "validity_minutes": 0}


def duration_of(typed: str, *, source: str) -> timedelta:
    """A duration such as ``10m``, ``36h`` or ``30d``.

    Args:
        typed: whole minutes, hours or days.
        source: option or key it was given by.

    Raises:
        ConfigError: it is something else, or longer than a hundred years.
    """
    found = _TYPED.fullmatch(typed)
    duration = int(found[1]) * _UNITS[found[2]] if found else timedelta()
    if not found or duration > LONGEST:
        raise ConfigError(
            f"'{typed}' is no lifetime: 10m, 36h and 30d are minutes, hours and days, up to 36500d",
            source=source,
        )
    return duration


def lifetime_of(template: TemplateSettings) -> timedelta:
    """How long a certificate is valid."""
    if template.validity_minutes:
        return timedelta(minutes=template.validity_minutes)
    return timedelta(days=template.validity_days)


def validity_text(template: TemplateSettings) -> str:
    """The lifetime as it would be typed: ``4m``, ``36h``, ``365d``."""
    lifetime = lifetime_of(template)
    unit = next(unit for unit in ("d", "h", "m") if not lifetime % _UNITS[unit])
    return f"{lifetime // _UNITS[unit]}{unit}"


def validity_of(template: TemplateSettings, now: datetime) -> tuple[datetime, datetime]:
    """Begin and end of a certificate that is made now."""
    lifetime = lifetime_of(template)
    begins = now if lifetime < _DAY else now - BACKDATE
    return begins, begins + lifetime
