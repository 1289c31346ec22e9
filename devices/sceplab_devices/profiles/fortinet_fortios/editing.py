"""``config``, ``edit``, ``next``, ``end``, ``abort``: what is edited is opened, saved, left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sceplab_devices.profiles.fortinet_fortios.authorities import is_import
from sceplab_devices.profiles.fortinet_fortios.box import GLOBAL, Context
from sceplab_devices.profiles.fortinet_fortios.complaints import complain, lost
from sceplab_devices.profiles.fortinet_fortios.configuration import OBJECT, Entry
from sceplab_devices.profiles.fortinet_fortios.effects import after_commit, before_commit
from sceplab_devices.profiles.fortinet_fortios.open_edit import OpenEdit
from sceplab_devices.profiles.fortinet_fortios.paths import Found, find_path
from sceplab_devices.profiles.fortinet_fortios.reach import VDOM, inner_tables, reachable_tables
from sceplab_devices.profiles.fortinet_fortios.schema import Table
from sceplab_devices.profiles.fortinet_fortios.words import Word
from sceplab_devices.steps import AskKey, Dialog

_BAD_IN_NAMES = frozenset("<>()#\"'\n")


def config(ctx: Context, words: Sequence[Word]) -> None:
    """``config PATH``: opens a table or object."""
    edit = ctx.device.current(ctx.session)
    if edit is not None and edit.kind != "scope":
        tables = inner_tables(ctx.device.schema, edit)
    else:
        tables = reachable_tables(ctx.device, edit)
    found = find_path(tables, words)
    if not isinstance(found, Found):
        lost(ctx, found)
        return
    if len(words) > found.used:
        complain(ctx, "unknown_word", word=words[found.used].text)
        return
    if found.path == ("global",):
        push(ctx, OpenEdit(kind="scope", table=ctx.device.schema.tables[VDOM], name="global"))
        return
    table = tables[found.path]
    rows = (
        edit.entry.rows(table) if "/" in table.path and edit else ctx.device.config.rows(table.path)
    )
    if table.is_object:
        entry = rows[OBJECT].copy()
        push(ctx, OpenEdit(kind="object", table=table, rows=rows, entry=entry))
    else:
        push(ctx, OpenEdit(kind="table", table=table, rows=rows))


def push(ctx: Context, edit: OpenEdit) -> None:
    """Opens a level; the prompt names it."""
    label = edit.name if edit.kind in ("entry", "scope") else edit.table.name
    ctx.enter_mode("edit", name=label, ticket=ctx.device.new_ticket(edit))


def discard(ctx: Context, values: Mapping[str, str]) -> None:
    """A level was left, saved or not."""
    ctx.device.edits.pop(values["ticket"], None)


def edit_entry(ctx: Context, words: Sequence[Word]) -> None:
    """``edit NAME``: opens an entry, a new one if need be."""
    table_edit = _current(ctx)
    table = table_edit.table
    if not words:
        complain(ctx, "incomplete")
        return
    if len(words) > 1:
        complain(ctx, "unknown_word", word=words[1].text)
        return
    name = _entry_name(table, table_edit.rows, words[0].text)
    if not name:
        complain(ctx, "value", word=words[0].text)
        return
    if table.path == VDOM and name in table_edit.rows:
        ctx.say("edit.vdom", name=name)
        push(ctx, OpenEdit(kind="scope", table=table, name=name))
        return
    known = table_edit.rows.get(name)
    if known is None and table.fixed:
        complain(ctx, "fixed", word=name)
        return
    if known is None and not ctx.device.is_restoring:
        ctx.say("edit.new", name=name)
    entry = known.copy() if known else Entry()
    push(ctx, OpenEdit(kind="entry", table=table, rows=table_edit.rows, name=name, entry=entry))


def _entry_name(table: Table, rows: Mapping[str, Entry], typed: str) -> str:
    """Name of the entry; empty: none can be called so. ``0`` takes the next free number."""
    if not table.key_is_number:
        is_good = 0 < len(typed) <= table.key_limit and not _BAD_IN_NAMES & set(typed)
        return typed if is_good and not is_import(typed) else ""
    if not (typed.isascii() and typed.isdigit() and len(typed) <= len("4294967295")):
        return ""
    if int(typed) == 0:
        return str(max(map(int, rows), default=0) + 1)
    return str(int(typed))


def next_entry(ctx: Context, words: Sequence[Word]) -> None:
    """``next``: saves the entry, back to the table."""
    del words
    if _current(ctx).kind == "scope" or commit(ctx):
        ctx.leave_mode()


def end_edit(ctx: Context, words: Sequence[Word]) -> Dialog:
    """``end``: saves, and leaves the table. Turning virtual domains on or off ends the session."""
    del words
    edit = _current(ctx)
    logs_out = edit.table.path == GLOBAL and not ctx.device.is_restoring and _turns_vdoms(edit)
    if logs_out:
        ctx.write_partial(ctx.text("edit.vdom_mode"))
        answer: str = yield AskKey("", keys="yn")
        if answer != "y":
            return
    if edit.kind in ("entry", "object") and not commit(ctx):
        return
    leave_table(ctx, edit)
    if logs_out:
        ctx.end()
        ctx.close()


def _turns_vdoms(edit: OpenEdit) -> bool:
    attribute = edit.table.attributes["vdom-mode"]
    return edit.entry.words(attribute) != edit.rows[edit.name].words(attribute)


def abort(ctx: Context, words: Sequence[Word]) -> None:
    """``abort``: leaves the table without saving."""
    del words
    leave_table(ctx, _current(ctx))


def leave_table(ctx: Context, edit: OpenEdit) -> None:
    """Closes the level, and of an entry its table too."""
    ctx.leave_mode()
    above = ctx.device.current(ctx.session)
    if above is not None and above.kind == "table" and edit.kind in ("entry", "scope"):
        ctx.leave_mode()


def commit(ctx: Context) -> bool:
    """Saves the open entry or object; false, with a complaint, when it cannot be."""
    device, edit = ctx.device, _current(ctx)
    for attribute in edit.table.attributes.values():
        if attribute.required and not edit.entry.words(attribute):
            complain(ctx, "missing", name=attribute.name)
            return False
    problem = before_commit(device, edit)
    if problem:
        complain(ctx, problem.kind, **problem.values)
        return False
    old = edit.rows.get(edit.name)
    edit.rows[edit.name] = edit.entry.copy()
    if "/" not in edit.table.path:
        after_commit(device, edit.table.path, edit.name, old)
        device.changed()
    return True


def _current(ctx: Context) -> OpenEdit:
    edit = ctx.device.current(ctx.session)
    assert edit is not None, "these commands are known inside of a table only"
    return edit
