"""Settings that only some platforms have, for example the software train of a Cisco router."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from sceplab_devices.errors import DeviceError
from sceplab_devices.profile import DeviceProfile

_YES_NO = {"true": True, "yes": True, "false": False, "no": False}
_KINDS = {bool: "yes or no", int: "a whole number", str: "a text"}


def known_options(profile: DeviceProfile) -> dict[str, type]:
    """What can be set on a device of this platform, and of which type."""
    return {
        name: type(default) if type(default) in _KINDS else str
        for name, default in profile.device_settings().items()
    }


def read_options(profile: DeviceProfile, pairs: Iterable[str]) -> dict[str, Any]:
    """Settings from a command line.

    Args:
        profile: of the device.
        pairs: ``KEY=VALUE`` each.

    Raises:
        DeviceError: another form, an unknown key (the known ones are named) or a value that cannot
            be meant.
    """
    known = known_options(profile)
    options: dict[str, Any] = {}
    for pair in pairs:
        key, mark, text = pair.partition("=")
        if not mark or not key:
            raise DeviceError(f"--option {pair!r}: expected KEY=VALUE")
        _check_known(profile, key, known)
        options[key] = _typed(key, text, known[key])
    return options


def check_options(profile: DeviceProfile, options: Mapping[str, Any]) -> None:
    """Looks at settings that have types already.

    Raises:
        DeviceError: an unknown key (the known ones are named), or a value of another type.
    """
    if not options:
        return
    known = known_options(profile)
    for key, value in options.items():
        _check_known(profile, key, known)
        # type() and not isinstance: true is no number.
        if type(value) is not known[key]:
            quoted = "; write it in quotes" if known[key] is str else ""
            raise DeviceError(f"option {key!r} must be {_KINDS[known[key]]}{quoted}")


def _check_known(profile: DeviceProfile, key: str, known: Mapping[str, type]) -> None:
    if key in known:
        return
    if not known:
        raise DeviceError(f"unknown option {key!r}: profile {profile.name} has none")
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise DeviceError(
        f"unknown option {key!r}; {hint}profile {profile.name} knows: {', '.join(sorted(known))}"
    )


def _typed(key: str, text: str, kind: type) -> Any:
    if kind is str:
        return text
    try:
        return _YES_NO[text.lower()] if kind is bool else int(text)
    except (KeyError, ValueError) as error:
        raise DeviceError(f"option {key!r} must be {_KINDS[kind]}, not {text!r}") from error
