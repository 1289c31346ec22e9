"""The configuration as it is saved: tables with entries, entries with values and inner tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sceplab_devices.profiles.fortinet_fortios.schema import Attribute, Schema, Table

Words = tuple[str, ...]
OBJECT = ""
"""Name of the only entry of an object."""


@dataclass(slots=True)
class Entry:
    """One entry: what is set in it, and the tables inside."""

    values: dict[str, Words] = field(default_factory=dict)
    inner: dict[str, dict[str, Entry]] = field(default_factory=dict)
    """Rows of inner tables, by table path."""

    def words(self, attribute: Attribute) -> Words:
        """Value in force: the one set, else the default."""
        return self.values.get(attribute.name, attribute.default_words)

    def text(self, name: str) -> str:
        """First word of what is set; empty: nothing is."""
        return next(iter(self.values.get(name, ())), "")

    def rows(self, table: Table) -> dict[str, Entry]:
        """Rows of an inner table."""
        return self.inner.setdefault(table.path, {OBJECT: Entry()} if table.is_object else {})

    def copy(self) -> Entry:
        """One that can be changed without changing this one."""
        inner = {
            path: {name: entry.copy() for name, entry in rows.items()}
            for path, rows in self.inner.items()
        }
        return Entry(dict(self.values), inner)


class Configuration:
    """Every table of a box.

    Args:
        schema: which there are; entries of a box as delivered are among its data.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.tables: dict[str, dict[str, Entry]] = {}
        for table in schema.top_level():
            rows = {
                name: Entry({key: tuple(value.split(" ")) for key, value in values.items()})
                for name, values in table.entries.items()
            }
            self.tables[table.path] = rows or ({OBJECT: Entry()} if table.is_object else {})

    def rows(self, path: str) -> dict[str, Entry]:
        """Rows of a top-level table."""
        return self.tables[path]

    def entry(self, path: str, name: str = OBJECT) -> Entry | None:
        """An entry of a top-level table, or the object itself."""
        return self.tables[path].get(name)

    def value(self, path: str, attribute: str, name: str = OBJECT) -> str:
        """First word of the value in force; empty: no such entry, or no value."""
        entry = self.entry(path, name)
        words = entry.words(self.schema.tables[path].attributes[attribute]) if entry else ()
        return words[0] if words else ""

    def users_of(self, path: str, name: str) -> int:
        """How many attributes of the configuration point to an entry."""
        return sum(
            words.count(name)
            for table, entry in self._all_entries()
            for attribute in table.attributes.values()
            if path in attribute.to
            for words in (entry.values.get(attribute.name, ()),)
        )

    def rename_references(self, path: str, old: str, new: str) -> None:
        """Whatever pointed to ``old`` points to ``new``."""
        for table, entry in self._all_entries():
            for attribute in table.attributes.values():
                words = entry.values.get(attribute.name)
                if words and path in attribute.to:
                    entry.values[attribute.name] = tuple(
                        new if word == old else word for word in words
                    )

    def _all_entries(self) -> Iterator[tuple[Table, Entry]]:
        for path, rows in self.tables.items():
            yield from self._entries(self.schema.tables[path], rows)

    def _entries(self, table: Table, rows: dict[str, Entry]) -> Iterator[tuple[Table, Entry]]:
        for entry in rows.values():
            yield table, entry
            for path, inner in entry.inner.items():
                yield from self._entries(self.schema.tables[path], inner)
