"""The devices of a rack as client tools have to know them: where, as whom, called what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sceplab_devices.errors import DeviceError
from sceplab_devices.lines import Endpoint, parse_endpoint
from sceplab_devices.profile import open_profile
from sceplab_lab.inventory_platforms import Platform, platform_of
from sceplab_lab.rack import Rack, RackDevice
from sceplab_lab.rack_errors import RackError

PASSWORD_VARIABLE = "SCEPLAB_PASSWORD"  # noqa: S105 - the name of a variable
ENABLE_VARIABLE = "SCEPLAB_ENABLE"
"""Where tools look when the rack's own reference is to no environment variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryHost:
    """One device."""

    name: str
    hostname: str
    profile: str
    platform: Platform
    endpoints: tuple[Endpoint, ...]
    """With the ports really taken."""
    user: str
    """The first of the rack; empty: nobody is asked who he is."""
    password_variable: str
    """Environment variable with the password; empty: there is none."""
    enable_variable: str
    """The same for ``enable``."""

    def line(self, *kinds: str) -> Endpoint | None:
        """The first line of the first of these kinds that the device has."""
        for kind in kinds:
            for endpoint in self.endpoints:
                if endpoint.kind == kind:
                    return endpoint
        return None


def inventory_hosts(rack: Rack, running: str = "") -> list[InventoryHost]:
    """All devices of a rack.

    Args:
        rack: of the file.
        running: what ``sceplab device serve -i … --json`` printed; empty: not known, which will
            do when all ports are fixed.

    Raises:
        RackError: a port is not known, or that text is of another rack.
        DeviceError: a profile is not known.
    """
    taken = read_running(running) if running else {}
    platforms = {}
    hosts = []
    for device in rack.devices:
        try:
            if device.profile not in platforms:
                platforms[device.profile] = platform_of(open_profile(device.profile))
            endpoints = _endpoints(device, taken if running else None)
        except DeviceError as error:
            raise rack.wrong(device, error) from error
        user, reference = next(iter(device.users.items()), ("", ""))
        hosts.append(
            InventoryHost(
                name=device.name,
                hostname=device.hostname,
                profile=device.profile,
                platform=platforms[device.profile],
                endpoints=endpoints,
                user=user,
                password_variable=_variable(reference, PASSWORD_VARIABLE),
                enable_variable=_variable(device.enable_secret, ENABLE_VARIABLE),
            )
        )
    return hosts


def read_running(text: str) -> dict[str, tuple[Endpoint, ...]]:
    """Where each device listens, from the ready object of `sceplab device serve -i … --json`.

    Raises:
        RackError: it is no such object.
    """
    try:
        ready: Any = json.loads(text)
        return {
            str(device["name"]): tuple(parse_endpoint(line) for line in device["consoles"])
            for device in ready["devices"]
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, DeviceError) as error:
        raise RackError(
            "--running: not what 'sceplab device serve -i RACK --json' prints when it is ready"
        ) from error


def _endpoints(
    device: RackDevice, taken: Mapping[str, Sequence[Endpoint]] | None
) -> tuple[Endpoint, ...]:
    if taken is not None:
        if device.name not in taken:
            raise DeviceError("does not run, says --running; --only names those that do")
        return tuple(taken[device.name])
    for endpoint in device.endpoints:
        if str(endpoint).partition("?")[0].endswith(":0"):
            raise DeviceError(
                f"{endpoint} takes any free port; give --running with what "
                "'sceplab device serve -i RACK --json' printed, or a fixed port in the rack"
            )
    return device.endpoints


def _variable(reference: str, otherwise: str) -> str:
    if not reference:
        return ""
    scheme, _, name = reference.partition(":")
    return name if scheme == "env" else otherwise
