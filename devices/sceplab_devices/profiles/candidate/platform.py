"""What one platform with a candidate configuration is made of, read from its profile's data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sceplab_devices.errors import ProfileError
from sceplab_devices.kinds import Kind, own_kind
from sceplab_devices.profiles.candidate.commands import CommandTable, Request
from sceplab_devices.profiles.candidate.pipes import Pipes
from sceplab_devices.profiles.candidate.schema import Schema
from sceplab_devices.profiles.candidate.text import Style
from sceplab_devices.steps import Dialog

Handler = Callable[[Any, Request, Pipes], "Dialog | None"]
"""``handler(ctx, request, pipes)``: prints, or yields steps."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Commands, statements and manners of one platform."""

    table: CommandTable
    schema: Schema
    style: Style
    pipes: tuple[str, ...]
    handlers: Mapping[str, Handler]
    help: Mapping[str, str]
    manners: Mapping[str, Any]
    """The table ``[data.manners]``: small facts that shared code asks for."""


def read_platform(data: Mapping[str, Any], handlers: Mapping[str, Handler]) -> Platform:
    """Reads ``[data]`` and ``[kinds]``.

    Raises:
        ProfileError: an entry cannot be understood, or names no handler.
    """
    name = data["profile"]["name"]
    own: dict[str, Kind] = {
        kind: own_kind(kind, entry["placeholder"], entry["pattern"])
        for kind, entry in data.get("kinds", {}).items()
    }
    tables = data["data"]
    try:
        schema = Schema(tables["statements"], own)
        table = CommandTable(tables["commands"], own, schema)
    except ValueError as error:
        raise ProfileError(name, str(error), place="data") from error
    for command in table.commands:
        if command.handler not in handlers:
            raise ProfileError(name, f"unknown handler {command.handler!r}", place="data.commands")
    manners = tables["manners"]
    style = Style(
        indent=manners["indent"],
        joined=manners["joined"],
        quoted_words=frozenset(manners["quoted"]),
        one_line=frozenset(manners.get("one_line", ())),
        prefixes=frozenset(manners.get("prefixes", ())),
        separate=frozenset(manners.get("separate", ())),
    )
    return Platform(
        table, schema, style, tuple(manners["pipes"]), handlers, data.get("help", {}), manners
    )
