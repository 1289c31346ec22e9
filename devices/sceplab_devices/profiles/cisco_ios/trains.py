"""Software trains: which of two known texts or rules a box follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sceplab_devices.errors import ProfileError


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """One software train. The fields are the keys of its table in ``data/trains.toml``."""

    name: str
    title: str
    version: str
    """As the running configuration names it."""
    banner: tuple[str, ...]
    """First lines of ``show version``."""
    bootstrap: str
    image: str
    file_systems: tuple[str, ...]
    """Names without colon; the first one is what ``dir`` shows."""
    model: str
    chassis: tuple[str, ...]
    """Name and description of ``show inventory``; ``{serial}``: of the box."""
    hardware_tail: tuple[str, ...]
    """Last lines of ``show version``."""
    mac_vendor: str
    """First half of the box's MAC addresses, as IOS writes it."""
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
    session_cleanup: bool
    """``show crypto pki timers`` has the line for ended PKI sessions."""
    logs_trustpoint_create: bool
    logs_manual_enrollment: bool
    logs_request_fingerprint: bool
    rejection_names_trustpoint: bool
    unauthenticated_enroll: str
    """Enrolling without CA certificate: ``refuse``, or ``authenticate`` first."""


def read_train(data: Mapping[str, Any], name: str = "") -> Train:
    """A train from a profile's data.

    Args:
        data: the profile's ``[data]``.
        name: of the train; empty: the default one.

    Raises:
        ProfileError: there is none of that name; the message lists the known ones.
    """
    trains = data["trains"]
    name = name or data["train"]
    if name not in trains:
        raise ProfileError("cisco-ios", f"no train {name!r}; known: {', '.join(sorted(trains))}")
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in trains[name].items()
    }
    return Train(name=name, **values)
