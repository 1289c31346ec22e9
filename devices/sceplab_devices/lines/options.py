"""Options of an endpoint, behind its question mark: speed, login, host key, faults."""

from __future__ import annotations

from dataclasses import dataclass, field

from sceplab_devices.lines.faults import FaultPlan, parse_faults

AUTH_METHODS = ("none", "password", "keyboard-interactive")
FASTEST_BAUD = 4_000_000

_ALL_KINDS = ("faults", "seed")
_OPTIONS_OF_KIND = {
    "tcp": ("baud", *_ALL_KINDS),
    "telnet": ("baud", *_ALL_KINDS),
    "ssh": ("auth", "host-key", *_ALL_KINDS),
    "rfc2217": ("baud", *_ALL_KINDS),
    "pty": ("baud", *_ALL_KINDS),
    "serial": ("baud", *_ALL_KINDS),
}


@dataclass(frozen=True, slots=True)
class LineOptions:
    """What an endpoint says besides its place."""

    text: str = ""
    """As written."""
    baud: int = field(default=0, compare=False)
    """Bits a second, ten to a byte; 0: as fast as it goes, or the kind's own speed."""
    auth: tuple[str, ...] = field(default=(), compare=False)
    """SSH logins offered, of `AUTH_METHODS`; empty: what the device asks for."""
    host_key: str = field(default="", compare=False)
    """File of the SSH host key; empty: keys are made and kept."""
    faults: FaultPlan = field(default_factory=FaultPlan, compare=False)


def parse_options(kind: str, text: str) -> LineOptions:
    """Reads what stands behind the question mark.

    Raises:
        ValueError: the kind has no such option, or not with this value; the text says which.
    """
    found: dict[str, str] = {}
    for part in text.split("&") if text else ():
        name, equals, value = part.partition("=")
        if name not in _OPTIONS_OF_KIND[kind]:
            known = ", ".join(_OPTIONS_OF_KIND[kind])
            raise ValueError(f"{kind} has no option {name!r}; known: {known}")
        if not equals or not value:
            raise ValueError(f"option {name!r} needs a value: {name}=…")
        if name in found:
            raise ValueError(f"option {name!r} is given twice")
        found[name] = value
    seed = _whole(found, "seed", 0)
    return LineOptions(
        text=text,
        baud=_baud(found),
        auth=_auth(found.get("auth", "")),
        host_key=found.get("host-key", ""),
        faults=parse_faults(found.get("faults", ""), seed=seed),
    )


def _whole(found: dict[str, str], name: str, default: int) -> int:
    value = found.get(name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 18):  # noqa: PLR2004 - 63 bits
        raise ValueError(f"{name}={value}: expected a whole number")
    return int(value)


def _baud(found: dict[str, str]) -> int:
    baud = _whole(found, "baud", 0)
    if "baud" in found and not 1 <= baud <= FASTEST_BAUD:
        raise ValueError(f"baud={baud}: expected 1 to {FASTEST_BAUD}")
    return baud


def _auth(text: str) -> tuple[str, ...]:
    methods = tuple(text.split("+")) if text else ()
    for method in methods:
        if method not in AUTH_METHODS:
            raise ValueError(f"unknown login {method!r}; known: {', '.join(AUTH_METHODS)}")
    return methods
