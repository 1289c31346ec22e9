"""Text of a configuration: ``show``, ``show full-configuration``, ``get``, and what is saved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sceplab_devices.profiles.fortinet_fortios.configuration import Configuration, Entry, Words
from sceplab_devices.profiles.fortinet_fortios.schema import (
    SECRETS,
    Attribute,
    Schema,
    Table,
)
from sceplab_devices.profiles.fortinet_fortios.values import plain, shown
from sceplab_devices.profiles.fortinet_fortios.words import quoted

Live = Callable[[Table, str], Mapping[str, Words]]
"""Values that no one types: what the engine says of an entry, by attribute."""

_STEP = "    "
_NAME_COLUMNS = 20


def nothing_live(_table: Table, _name: str) -> Mapping[str, Words]:
    """For texts without the engine's part."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes configurations in one manner."""

    schema: Schema
    live: Live = nothing_live
    is_full: bool = False
    """Values that are the default too."""
    with_hidden: bool = False
    """Hidden attributes too: for the saved text."""

    def whole(self, configuration: Configuration, *, skipped: Collection[str] = ()) -> list[str]:
        """Every table that has something in it, but the ``skipped`` ones (paths)."""
        lines = []
        for path, rows in configuration.tables.items():
            if path in skipped:
                continue
            block = self.table(configuration.schema.tables[path], rows)
            if self.is_full or len(block) > len(("config", "end")):
                lines += block
        return lines

    def table(self, table: Table, rows: Mapping[str, Entry], only: str = "") -> list[str]:
        """A table or object, from ``config`` to ``end``; ``only``: with this entry alone."""
        lines = [f"config {table.path.rpartition('/')[2]}"]
        for name, entry in rows.items():
            if table.is_object:
                lines += _indented(self.entry(table, name, entry))
            elif not only or name == only:
                body = self.entry(table, name, entry)
                lines += _indented([f"edit {key_text(table, name)}", *_indented(body), "next"])
        return [*lines, "end"]

    def entry(self, table: Table, name: str, entry: Entry) -> list[str]:
        """The lines inside an entry."""
        live = self.live(table, name)
        lines = []
        for attribute in table.attributes.values():
            if not attribute.hidden or self.with_hidden:
                lines += self._line(attribute, entry, live.get(attribute.name, ()))
        for path, rows in entry.inner.items():
            block = self.table(self.schema.tables[path], rows)
            if len(block) > len(("config", "end")):
                lines += block
        return lines

    def _line(self, attribute: Attribute, entry: Entry, live: Words) -> list[str]:
        words = live or entry.values.get(attribute.name)
        if words is None and self.is_full and not attribute.hidden:
            words = attribute.default_words
        if words is None or attribute.readonly:
            return []
        text = shown(attribute, words)
        if not text and (attribute.is_list or attribute.type in SECRETS):
            return [f"unset {attribute.name}"]
        return f"set {attribute.name} {text}".rstrip().split("\n")


def key_text(table: Table, name: str) -> str:
    """Name of an entry as ``edit`` takes it."""
    return name if table.key_is_number else quoted(name)


def _indented(lines: list[str]) -> list[str]:
    """A step deeper; lines inside of a quoted value stay where they are."""
    indented, is_inside = [], False
    for line in lines:
        indented.append(line if is_inside else _STEP + line)
        is_inside ^= _quotes_in(line) % 2 == 1
    return indented


def _quotes_in(line: str) -> int:
    return line.count('"') - line.count('\\"')


def get_entry(table: Table, name: str, entry: Entry, live: Mapping[str, Words]) -> list[str]:
    """What ``get`` lists of one entry or object."""
    lines = [] if table.is_object else [_get_line(table.key, name)]
    for attribute in table.attributes.values():
        if not attribute.hidden:
            words = live.get(attribute.name) or entry.words(attribute)
            lines.append(_get_line(attribute.name, plain(attribute, words)))
    return lines


def _get_line(name: str, value: str) -> str:
    return f"{name:<{_NAME_COLUMNS}}: {value} "


def get_table(table: Table, rows: Mapping[str, Entry], live: Live) -> list[str]:
    """What ``get`` lists of a table: two lines for each entry."""
    lines = []
    for name, entry in rows.items():
        own = live(table, name)
        fields = [f"{table.key}: {name}"]
        for wanted in table.get:
            attribute = table.attributes[wanted]
            value = plain(attribute, own.get(wanted) or entry.words(attribute))
            fields += [f"{wanted}: {value}"] if value else []
        lines += [f"== [ {name} ]", "".join(f"{field}    " for field in fields)]
    return lines
