"""``delete``, ``rename``, ``move``, ``purge``: the entries of the open table as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from sceplab_devices.profiles.fortinet_fortios.box import ADMIN, Context
from sceplab_devices.profiles.fortinet_fortios.complaints import complain
from sceplab_devices.profiles.fortinet_fortios.effects import after_delete, before_rename
from sceplab_devices.profiles.fortinet_fortios.open_edit import OpenEdit
from sceplab_devices.profiles.fortinet_fortios.words import Word
from sceplab_devices.steps import AskKey, Dialog

_RENAME_WORDS = 3
_MOVE_WORDS = 3


def delete(ctx: Context, words: Sequence[Word]) -> None:
    """``delete NAME``: refused while something points to it."""
    edit = _edit(ctx)
    if not words:
        complain(ctx, "incomplete")
        return
    if not _knows(ctx, edit, words[0]) or not _is_free(ctx, edit, words[0].text):
        return
    _remove(ctx, edit, words[0].text)


def rename(ctx: Context, words: Sequence[Word]) -> None:
    """``rename A to B``: what points to it follows."""
    edit = _edit(ctx)
    if len(words) < _RENAME_WORDS:
        complain(ctx, "incomplete")
        return
    old, new = words[0].text, words[2].text
    if not _knows(ctx, edit, words[0]):
        return
    if words[1].text != "to":
        complain(ctx, "unknown_word", word=words[1].text)
        return
    if edit.table.fixed or not new or len(new) > edit.table.key_limit:
        complain(ctx, "value", word=new)
        return
    if new in edit.rows:
        complain(ctx, "duplicate", word=new)
        return
    problem = before_rename(edit.table.path, old)
    if problem:
        complain(ctx, problem.kind, **problem.values)
        return
    renamed = {new if name == old else name: entry for name, entry in edit.rows.items()}
    edit.rows.clear()
    edit.rows.update(renamed)
    if "/" not in edit.table.path:
        ctx.device.config.rename_references(edit.table.path, old, new)
        ctx.device.changed()


def move(ctx: Context, words: Sequence[Word]) -> None:
    """``move A before|after B``."""
    edit = _edit(ctx)
    if len(words) < _MOVE_WORDS:
        complain(ctx, "incomplete")
        return
    if not _knows(ctx, edit, words[0]) or not _knows(ctx, edit, words[2]):
        return
    if words[1].text not in ("before", "after"):
        complain(ctx, "unknown_word", word=words[1].text)
        return
    moved, mark = words[0].text, words[2].text
    order = [name for name in edit.rows if name != moved]
    if moved != mark:
        order.insert(order.index(mark) + (words[1].text == "after"), moved)
        rows = {name: edit.rows[name] for name in order}
        edit.rows.clear()
        edit.rows.update(rows)
        ctx.device.changed()


def purge(ctx: Context, words: Sequence[Word]) -> Dialog:
    """``purge``: every entry, after a question."""
    del words
    edit = _edit(ctx)
    ctx.write_partial(ctx.text("edit.purge"))
    answer: str = yield AskKey("", keys="yn")
    if answer != "y":
        return
    for name in list(edit.rows):
        if edit.table.fixed or not _is_free(ctx, edit, name):
            return
        _remove(ctx, edit, name)


def _knows(ctx: Context, edit: OpenEdit, word: Word) -> bool:
    if word.text in edit.rows:
        return True
    complain(ctx, "no_entry", word=word.text)
    return False


def _is_free(ctx: Context, edit: OpenEdit, name: str) -> bool:
    is_last_user = edit.table.path == ADMIN and len(edit.rows) == 1
    if edit.table.fixed or is_last_user:
        complain(ctx, "fixed", word=name)
        return False
    users = 0 if "/" in edit.table.path else ctx.device.config.users_of(edit.table.path, name)
    if users:
        complain(ctx, "in_use", count=users)
    return not users


def _remove(ctx: Context, edit: OpenEdit, name: str) -> None:
    entry = edit.rows.pop(name)
    if "/" not in edit.table.path:
        after_delete(ctx.device, edit.table.path, name, entry)
        ctx.device.changed()


def _edit(ctx: Context) -> OpenEdit:
    edit = ctx.device.current(ctx.session)
    assert edit is not None, "these commands are known inside of a table only"
    return edit
