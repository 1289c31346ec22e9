"""``show``, ``get`` and ``tree``: the configuration, whole or in part."""

from __future__ import annotations

from collections.abc import Sequence

from sceplab_devices.profiles.fortinet_fortios.box import Context
from sceplab_devices.profiles.fortinet_fortios.complaints import complain, lost
from sceplab_devices.profiles.fortinet_fortios.config_text import (
    Writer,
    get_entry,
    get_table,
)
from sceplab_devices.profiles.fortinet_fortios.configuration import OBJECT
from sceplab_devices.profiles.fortinet_fortios.open_edit import OpenEdit
from sceplab_devices.profiles.fortinet_fortios.paths import Found, find_path
from sceplab_devices.profiles.fortinet_fortios.reach import (
    VDOM,
    inner_tables,
    reachable_tables,
)
from sceplab_devices.profiles.fortinet_fortios.schema import Schema, Table
from sceplab_devices.profiles.fortinet_fortios.words import Word

FULL = "full-configuration"


def show(ctx: Context, words: Sequence[Word]) -> None:
    """``show [full-configuration] [PATH [ENTRY]]``; inside of ``config`` what is open."""
    is_full = bool(words) and len(words[0].text) > 1 and FULL.startswith(words[0].text)
    words = words[1:] if is_full else words
    device = ctx.device
    writer = Writer(schema=device.schema, live=device.live, is_full=is_full)
    edit = device.current(ctx.session)
    if edit is not None and edit.kind != "scope":
        if words:
            complain(ctx, "unknown_word", word=words[0].text)
        else:
            _print(ctx, _open_block(writer, edit))
        return
    if not words:
        ctx.write(ctx.text("config.header"))
        _print(ctx, writer.whole(device.config, skipped=() if device.has_vdoms else (VDOM,)))
        return
    found = _find(ctx, edit, words)
    if found is None:
        return
    table, name = found
    _print(ctx, writer.table(table, device.config.rows(table.path), only=name))


def _open_block(writer: Writer, edit: OpenEdit) -> list[str]:
    if edit.kind == "table":
        return writer.table(edit.table, edit.rows)
    rows = {edit.name: edit.entry}
    return writer.table(edit.table, rows)


def get(ctx: Context, words: Sequence[Word]) -> None:
    """``get PATH [ENTRY]``; inside of ``config`` what is open."""
    device = ctx.device
    edit = device.current(ctx.session)
    if edit is not None and edit.kind != "scope":
        if words:
            complain(ctx, "unknown_word", word=words[0].text)
        elif edit.kind == "table":
            _print(ctx, get_table(edit.table, edit.rows, device.live))
        else:
            live = device.live(edit.table, edit.name)
            _print(ctx, get_entry(edit.table, edit.name, edit.entry, live))
        return
    found = _find(ctx, edit, words)
    if found is None:
        return
    table, name = found
    rows = device.config.rows(table.path)
    if name or table.is_object:
        entry = rows[name or OBJECT]
        _print(ctx, get_entry(table, name, entry, device.live(table, name)))
    else:
        _print(ctx, get_table(table, rows, device.live))


def _find(ctx: Context, scope: OpenEdit | None, words: Sequence[Word]) -> tuple[Table, str] | None:
    """The table that words name, and the entry; empty: all of it."""
    tables = reachable_tables(ctx.device, scope)
    found = find_path(tables, words)
    if not isinstance(found, Found):
        lost(ctx, found)
        return None
    table, rest = tables[found.path], words[found.used :]
    if not rest:
        return table, ""
    if table.is_object or len(rest) > 1:
        complain(ctx, "unknown_word", word=rest[-1].text)
        return None
    if rest[0].text not in ctx.device.config.rows(table.path):
        complain(ctx, "no_entry", word=rest[0].text)
        return None
    return table, rest[0].text


def tree(ctx: Context, words: Sequence[Word]) -> None:
    """``tree [PATH]``: tables and what can be set in them."""
    device = ctx.device
    edit = device.current(ctx.session)
    if edit is not None and edit.kind != "scope":
        _print(ctx, _branch(device.schema, edit.table))
        return
    tables = reachable_tables(device, edit)
    if words:
        found = find_path(tables, words)
        if not isinstance(found, Found):
            lost(ctx, found)
            return
        _print(ctx, _branch(device.schema, tables[found.path]))
        return
    for table in dict.fromkeys(table.path for table in tables.values()):
        _print(ctx, _branch(device.schema, device.schema.tables[table]))


def _branch(schema: Schema, table: Table) -> list[str]:
    """A table in the manner of ``tree``."""
    title = f"<{table.path.rpartition('/')[2]}>"
    lines = [f"{title} --*{table.key} ({table.key_limit})" if table.key else title]
    for attribute in table.attributes.values():
        if not attribute.hidden:
            lines.append(f"    |- {attribute.name}{f' ({attribute.size})' * bool(attribute.size)}")
    for inner in inner_tables(schema, OpenEdit(kind="entry", table=table)).values():
        lines += [f"    {line}" for line in _branch(schema, inner)]
    return lines


def _print(ctx: Context, lines: Sequence[str]) -> None:
    for line in lines:
        ctx.write(line)
