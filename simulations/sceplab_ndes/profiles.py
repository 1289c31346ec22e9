"""Server profiles by name: read from ``data/profiles.toml``, changed by overrides, checked.

Spec: checklist 25.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from pydantic import ValidationError

from sceplab_ndes.errors import ConfigError
from sceplab_ndes.settings import ServerProfile
from sceplab_ndes.validation import closest, describe_mistakes
from sceplab_scep.algorithms import Cipher, Digest, Floor

DEFAULT_PROFILE = "compat"

Overrides = Mapping[str, Any]
"""Settings by section, as a configuration file's ``[settings]`` table has them."""


@cache
def _tables() -> dict[str, dict[str, Any]]:
    text = resources.files("sceplab_ndes").joinpath("data/profiles.toml").read_text("utf-8")
    return tomllib.loads(text)


def profile_names() -> list[str]:
    """Names of the profiles there are."""
    return [name for name in _tables() if name != "defaults"]


def load_profile(name: str = DEFAULT_PROFILE, overrides: Overrides | None = None) -> ServerProfile:
    """The profile of that name with the overrides applied.

    Raises:
        ConfigError: no such profile or setting, or a value that is not possible.
    """
    if name not in profile_names():
        hint = closest(name, profile_names())
        raise ConfigError(f"no server profile '{name}'; {hint}", source="profile")
    tables = _tables()
    merged = _merge(_merge(tables["defaults"], tables[name]), overrides or {})
    try:
        return ServerProfile.model_validate({**merged, "name": name})
    except ValidationError as error:
        raise ConfigError(describe_mistakes(error, ServerProfile), source="settings") from error


def _merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged


def check_floor(profile: ServerProfile, floor: Floor) -> None:
    """Refuses a floor at which the profile cannot write its replies.

    Raises:
        ConfigError: names the algorithms and the floor that would do.
    """
    used: list[Digest | Cipher] = []
    if profile.reply.digest != "as-request":
        used.append(Digest(profile.reply.digest))
    if profile.reply.cipher != "as-request":
        used.append(Cipher(profile.reply.cipher))
    refused = [algorithm for algorithm in used if not floor.allows(algorithm)]
    if refused:
        names = " and ".join(algorithm.value for algorithm in refused)
        needed = next(f for f in Floor if all(f.allows(algorithm) for algorithm in refused))
        raise ConfigError(
            f"profile '{profile.name}' answers with {names}, which floor '{floor.value}' refuses; "
            f"start it with floor '{needed.value}' or choose another profile",
            source="floor",
        )
