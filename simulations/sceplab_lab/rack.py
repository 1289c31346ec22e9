"""A rack: the devices of one file, ranges written out, defaults merged, ports counted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sceplab_devices.errors import EndpointError
from sceplab_devices.lines import Endpoint, parse_endpoint
from sceplab_lab.rack_errors import RackError
from sceplab_lab.rack_mistakes import describe_mistake
from sceplab_lab.rack_model import DeviceEntry, DeviceSettings, RackFile, ServerSettings
from sceplab_lab.yaml_file import YamlFile

_RANGE = re.compile(r"\{(\d{1,6})\.\.(\d{1,6})\}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_MOST_DEVICES = 100_000
_LAST_PORT = 65535
_LISTED = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RackDevice:
    """One device as its file describes it."""

    name: str
    line: int
    """Of the file, counted from 1."""
    profile: str
    hostname: str
    endpoints: tuple[Endpoint, ...]
    options: Mapping[str, Any]
    users: Mapping[str, str]
    """Login name to reference."""
    enable_secret: str
    keys: str
    keys_secret: str
    server: str | None
    """``None``: the rack's; empty: none."""
    floor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rack:
    """A whole file."""

    source: Path
    state: Path | None
    """``None``: a temporary folder."""
    server: str | ServerSettings
    devices: tuple[RackDevice, ...]

    def only(self, names: Sequence[str]) -> Rack:
        """The rack with some of its devices; names, ports and folders stay what they are.

        Args:
            names: empty: all.

        Raises:
            RackError: there is no such device.
        """
        if not names:
            return self
        known = [device.name for device in self.devices]
        for name in names:
            if name not in known:
                close = get_close_matches(name, known, n=1)
                hint = f"did you mean '{close[0]}'?" if close else f"it has {_listed(known)}"
                raise RackError(f"has no device '{name}'; {hint}", source=str(self.source))
        return replace(self, devices=tuple(one for one in self.devices if one.name in names))

    def wrong(self, device: RackDevice, reason: object) -> RackError:
        """An error about one device."""
        return RackError(
            f"device {device.name}: {reason}", source=str(self.source), line=device.line
        )


def load_rack(path: Path) -> Rack:
    """Reads a rack file.

    Raises:
        RackError: it cannot be read or cannot be meant so; the first mistake, with its line.
    """
    source = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RackError(f"cannot be read: {error.strerror}", source=source) from error
    except UnicodeDecodeError as error:
        raise RackError("is not UTF-8 text", source=source) from error
    return read_rack(text, path)


def read_rack(text: str, path: Path) -> Rack:
    """A rack from the text of its file.

    Args:
        text: YAML.
        path: of the file; other files are named relative to its folder.

    Raises:
        RackError: as `load_rack`.
    """
    file = YamlFile(text, str(path))
    try:
        model = RackFile.model_validate(file.data)
    except ValidationError as error:
        raise describe_mistake(error, file, RackFile, source=str(path)) from error
    rack = Rack(
        source=path,
        state=path.parent / model.state if model.state else None,
        server=model.server,
        devices=tuple(_devices(model, file, str(path))),
    )
    _check_distinct(rack)
    return rack


def _devices(model: RackFile, file: YamlFile, source: str) -> Iterator[RackDevice]:
    shared = count()
    """Where the ports of the defaults' lines are."""
    left = _MOST_DEVICES
    for number, entry in enumerate(model.devices):
        line = file.line_of(("devices", number))
        merged = _merged(model.defaults, entry)
        names = _names(entry, source, line)
        left -= len(names)
        if left < 0:
            raise RackError(f"more than {_MOST_DEVICES} devices", source=source, line=line)
        has_own_lines = "lines" in entry.model_fields_set
        for index, (name, n) in enumerate(names):
            step = index if has_own_lines else next(shared)
            try:
                yield _device(entry, merged, name, n, step=step, line=line)
            except EndpointError as error:
                raise RackError(f"device {name}: {error}", source=source, line=line) from error


def _merged(defaults: DeviceSettings, entry: DeviceEntry) -> dict[str, Any]:
    merged = {}
    for key in DeviceSettings.model_fields:
        own, common = getattr(entry, key), getattr(defaults, key)
        if isinstance(own, dict):
            merged[key] = {**common, **own}
        else:
            merged[key] = own if key in entry.model_fields_set else common
    return merged


def _names(entry: DeviceEntry, source: str, line: int) -> list[tuple[str, str]]:
    """Names of an entry's devices, each with what ``{n}`` stands for."""
    found = _RANGE.search(entry.name)
    if found and entry.count is not None:
        raise RackError(f"'{entry.name}': a range or 'count', not both", source=source, line=line)
    if found:
        first, last, width = int(found[1]), int(found[2]), len(found[1])
        if last < first or last - first >= _MOST_DEVICES:
            raise RackError(f"'{entry.name}': not a range", source=source, line=line)
        numbers = [f"{number:0{width}}" for number in range(first, last + 1)]
        head, tail = entry.name[: found.start()], entry.name[found.end() :]
        names = [(f"{head}{number}{tail}", number) for number in numbers]
    elif entry.count is not None:
        names = [(f"{entry.name}{n}", str(n)) for n in range(1, entry.count + 1)]
    else:
        names = [(entry.name, "1")]
    for name, _ in (names[0], names[-1]):
        if not _NAME.fullmatch(name):
            raise RackError(
                f"'{name}' is no name for a device: letters, digits and . _ - only, at most 63, "
                "and ranges as r{1..20}",
                source=source,
                line=line,
            )
    return names


def _device(
    entry: DeviceEntry, merged: dict[str, Any], name: str, n: str, *, step: int, line: int
) -> RackDevice:
    def filled(text: str) -> str:
        return text.replace("{name}", name).replace("{n}", n)

    return RackDevice(
        name=name,
        line=line,
        profile=merged["profile"],
        hostname=filled(entry.hostname) or name,
        endpoints=tuple(_endpoint(filled(text), step) for text in merged["lines"]),
        options={
            key: filled(value) if isinstance(value, str) else value
            for key, value in merged["options"].items()
        },
        users={user: filled(reference) for user, reference in merged["users"].items()},
        enable_secret=filled(merged["enable_secret"]),
        keys=filled(merged["keys"]),
        keys_secret=filled(merged["keys_secret"]),
        server=merged["server"],
        floor=merged["floor"],
    )


def _endpoint(text: str, step: int) -> Endpoint:
    endpoint = parse_endpoint(text)
    if not endpoint.port:
        return endpoint
    port = endpoint.port + step
    if port > _LAST_PORT:
        raise EndpointError(text, f"counted up it is port {port}, above {_LAST_PORT}")
    return replace(endpoint, port=port)


def _check_distinct(rack: Rack) -> None:
    """No two devices have one name, one place to listen or one key store.

    Raises:
        RackError: two have.
    """
    names: dict[str, RackDevice] = {}
    places: dict[str, RackDevice] = {}
    for device in rack.devices:
        if device.name in names:
            raise rack.wrong(device, f"line {names[device.name].line} has one of that name")
        names[device.name] = device
        wanted = [device.keys] if device.keys else []
        for endpoint in device.endpoints:
            where = str(endpoint).partition("?")[0].partition(":")[2]
            if not where.endswith(":0"):
                wanted.append(where)
        for place in wanted:
            if place in places:
                raise rack.wrong(device, f"{place} belongs to device {places[place].name} already")
            places[place] = device


def _listed(names: Sequence[str]) -> str:
    """A few names, for people."""
    shown = ", ".join(names[:_LISTED])
    return f"{shown} and {len(names) - _LISTED} more" if len(names) > _LISTED else shown
