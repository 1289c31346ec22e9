"""Software trains: which of two known texts or rules a box follows."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from sceplab_devices.errors import ProfileError


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """One software train. The fields are the keys of its table in ``tables/trains.toml``."""

    name: str
    title: str
    version: str
    """As the running configuration names it."""
    banner: tuple[str, ...]
    """First lines of ``show version``."""
    bootstrap: str
    image: str
    hardware: str
    interfaces: tuple[str, ...]
    """Interfaces of a box as delivered."""
    modulus_min: int
    modulus_max: int
    modulus_default: int
    """RSA key sizes in bits."""
    digest: str
    """What ``hash`` is when not configured."""
    ssh: str
    """Version the first key enables."""
    certificate_log: str
    """Log text of an issued certificate: ``certret`` or ``cert_install``."""
    pin_required: bool
    """A CA without configured fingerprint is refused instead of asked for."""
    quiet: bool
    """Enrolling asks nothing the configuration could have said."""
    logs_trustpoint_create: bool
    logs_manual_enrollment: bool
    logs_request_fingerprint: bool
    rejection_names_trustpoint: bool
    unauthenticated_enroll: str
    """Enrolling without CA certificate: ``refuse``, or ``authenticate`` first."""


@cache
def load_trains() -> Mapping[str, Train]:
    """Every train by its name."""
    text = files(__package__).joinpath("tables/trains.toml").read_text(encoding="utf-8")
    trains = {}
    for name, table in tomllib.loads(text).items():
        banner, interfaces = tuple(table.pop("banner")), tuple(table.pop("interfaces"))
        trains[name] = Train(name=name, banner=banner, interfaces=interfaces, **table)
    return MappingProxyType(trains)


def find_train(name: str) -> Train:
    """The train called ``name``.

    Raises:
        ProfileError: there is none; the message lists the known ones.
    """
    trains = load_trains()
    if name not in trains:
        known = ", ".join(sorted(trains))
        raise ProfileError("cisco-ios", f"no train {name!r}; known: {known}")
    return trains[name]
