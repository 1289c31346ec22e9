"""Which tables and objects a configuration has, and what their attributes may be: all from data.

::

    [data.tables."user peer"]               # "parent/child" for a table inside an entry
    help = "Configure peer users."
    key = "name"                            # absent: one object, no entries
    key_limit = 35
    [data.tables."user peer".attributes]
    ca = { type = "reference", to = ["vpn certificate ca"], help = "CA certificate." }

Attribute types: ``string``, ``text`` (several lines), ``password``, ``login-password``,
``integer``, ``option``, ``options`` (several), ``reference``, ``references``, ``address``,
``address-mask``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sceplab_devices.profile_data import ProfileReader

LISTS = frozenset({"options", "references"})
SECRETS = frozenset({"password", "login-password"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """What ``set NAME`` takes."""

    name: str
    type: str
    help: str = ""
    size: int = 0
    """Characters at most; 0: any number."""
    minimum: int = 0
    maximum: int = 2_147_483_647
    """Bounds of an integer."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Words of an option, with their help."""
    to: tuple[str, ...] = ()
    """Tables that a reference may point into."""
    default: str = ""
    required: bool = False
    readonly: bool = False
    hidden: bool = False
    """Kept in the saved configuration, never shown or typed."""

    @property
    def is_list(self) -> bool:
        """Several words at a time."""
        return self.type in LISTS

    @property
    def default_words(self) -> tuple[str, ...]:
        """Value of an attribute that is not set."""
        return tuple(self.default.split()) if self.default else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of entries, or an object without any."""

    path: str
    help: str = ""
    key: str = ""
    """Name of what names an entry; empty: an object."""
    key_limit: int = 79
    key_is_number: bool = False
    fixed: bool = False
    """Entries are the box's own: none can be made or deleted."""
    older: tuple[str, ...] = ()
    """Other paths of the same table."""
    is_global: bool = False
    """With virtual domains: configured below ``config global``."""
    get: tuple[str, ...] = ()
    """Attributes that ``get`` lists for each entry; none: the name alone."""
    entries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Entries of a box as delivered."""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Last word of the path, as prompts show it."""
        return self.path.replace("/", " ").split()[-1]

    @property
    def is_object(self) -> bool:
        """Without entries."""
        return not self.key


class Schema:
    """All tables, by path."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.tables = dict(tables)
        self._typed = {
            tuple(path.split()): table
            for table in tables.values()
            if "/" not in table.path
            for path in (table.path, *table.older)
        }

    def typed(self) -> dict[tuple[str, ...], Table]:
        """Top-level tables by the words that name them."""
        return self._typed

    def inside(self, table: Table) -> dict[tuple[str, ...], Table]:
        """Tables inside an entry of ``table``, by the words that name them."""
        prefix = f"{table.path}/"
        return {
            (path.removeprefix(prefix),): inner
            for path, inner in self.tables.items()
            if path.startswith(prefix) and "/" not in path.removeprefix(prefix)
        }

    def top_level(self) -> list[Table]:
        """Tables that are inside no other, in the order of the data."""
        return [table for table in self.tables.values() if "/" not in table.path]


def read_schema(profile: str, data: Mapping[str, Any]) -> Schema:
    """The schema in ``[data.tables]``.

    Raises:
        ProfileError: a table or an attribute has unknown or wrong fields.
    """
    reader = ProfileReader(profile, {})
    tables = {}
    for path, values in data.items():
        place = f"data.tables.{path}"
        rest = {key: value for key, value in values.items() if key not in ("attributes", "entries")}
        attributes = {}
        for name, entry in values.get("attributes", {}).items():
            fields = {**entry, "name": name}
            if isinstance(fields.get("options"), list):
                fields["options"] = dict.fromkeys(fields["options"], "")
            attributes[name] = reader.settings(Attribute, f"{place}.{name}", fields)
        table = reader.settings(Table, place, {**rest, "path": path})
        entries = values.get("entries", {})
        tables[path] = replace(table, attributes=attributes, entries=entries)
    return Schema(tables)
