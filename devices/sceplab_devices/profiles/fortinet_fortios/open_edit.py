"""What a session is editing: a table, an entry or object not saved yet, or a virtual domain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sceplab_devices.profiles.fortinet_fortios.configuration import OBJECT, Entry
from sceplab_devices.profiles.fortinet_fortios.schema import Table

EditKind = Literal["table", "entry", "object", "scope"]


@dataclass(slots=True, kw_only=True)
class OpenEdit:
    """One level of ``config`` and ``edit``."""

    kind: EditKind
    table: Table
    """Of a scope: the table of virtual domains."""
    rows: dict[str, Entry] = field(default_factory=dict)
    """Where the entry is saved: the configuration's, or those of the entry one level up."""
    name: str = OBJECT
    """Of the entry; of a scope: ``global``, or the virtual domain."""
    entry: Entry = field(default_factory=Entry)
    """What ``set`` changes."""
