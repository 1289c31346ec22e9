"""``set``, ``unset``, ``append``, ``unselect``: values of the entry that is being edited."""

from __future__ import annotations

from collections.abc import Sequence

from sceplab_devices.profiles.fortinet_fortios.box import Context
from sceplab_devices.profiles.fortinet_fortios.complaints import complain, lost
from sceplab_devices.profiles.fortinet_fortios.configuration import Entry, Words
from sceplab_devices.profiles.fortinet_fortios.open_edit import OpenEdit
from sceplab_devices.profiles.fortinet_fortios.paths import Lost, pick
from sceplab_devices.profiles.fortinet_fortios.schema import Attribute
from sceplab_devices.profiles.fortinet_fortios.values import ValueProblem, check
from sceplab_devices.profiles.fortinet_fortios.words import Word


def set_value(ctx: Context, words: Sequence[Word]) -> None:
    """``set NAME VALUE``."""
    attribute = _attribute(ctx, words)
    if attribute is None:
        return
    if len(words) == 1:
        complain(ctx, "incomplete")
        return
    value = _checked(ctx, attribute, words[1:])
    if value is not None:
        _put(_edit(ctx).entry, attribute, value)


def unset(ctx: Context, words: Sequence[Word]) -> None:
    """``unset NAME``: back to the default."""
    attribute = _attribute(ctx, words)
    if attribute is None:
        return
    if len(words) > 1:
        complain(ctx, "unknown_word", word=words[1].text)
        return
    _edit(ctx).entry.values.pop(attribute.name, None)


def append(ctx: Context, words: Sequence[Word]) -> None:
    """``append NAME VALUE…``: more words of a list."""
    attribute = _list_attribute(ctx, words)
    if attribute is None:
        return
    value = _checked(ctx, attribute, words[1:])
    if value is not None:
        entry = _edit(ctx).entry
        _put(entry, attribute, tuple(dict.fromkeys([*entry.words(attribute), *value])))


def unselect(ctx: Context, words: Sequence[Word]) -> None:
    """``unselect NAME VALUE…``: words taken out of a list."""
    attribute = _list_attribute(ctx, words)
    if attribute is None:
        return
    entry = _edit(ctx).entry
    present = entry.words(attribute)
    for word in words[1:]:
        if word.text not in present:
            complain(ctx, "value_not_found", word=word.text)
            return
    gone = {word.text for word in words[1:]}
    _put(entry, attribute, tuple(word for word in present if word not in gone))


def attributes_here(edit: OpenEdit, *, with_hidden: bool = False) -> dict[str, Attribute]:
    """Attributes that can be typed in the entry being edited."""
    return {
        name: attribute
        for name, attribute in edit.table.attributes.items()
        if not attribute.readonly and (with_hidden or not attribute.hidden)
    }


def _attribute(ctx: Context, words: Sequence[Word]) -> Attribute | None:
    if not words:
        complain(ctx, "incomplete")
        return None
    known = attributes_here(_edit(ctx), with_hidden=ctx.device.is_restoring)
    name = pick(known, words[0])
    if isinstance(name, Lost):
        lost(ctx, name)
        return None
    return known[name]


def _list_attribute(ctx: Context, words: Sequence[Word]) -> Attribute | None:
    attribute = _attribute(ctx, words)
    if attribute is None:
        return None
    if not attribute.is_list:
        complain(ctx, "unknown_word", word=words[0].text)
        return None
    if len(words) == 1:
        complain(ctx, "incomplete")
        return None
    return attribute


def _checked(ctx: Context, attribute: Attribute, words: Sequence[Word]) -> Words | None:
    config = ctx.device.config
    value = check(
        attribute,
        tuple(word.text for word in words),
        lambda table, name: ctx.device.is_restoring or name in config.rows(table),
    )
    if isinstance(value, ValueProblem):
        shown = value.word.splitlines()[0] if value.word else value.word
        name = _edit(ctx).name or attribute.name
        complain(ctx, f"value_{value.kind}", word=shown, name=attribute.name, entry=name)
        return None
    return value


def _put(entry: Entry, attribute: Attribute, value: Words) -> None:
    """Sets a value; one that is the default is not kept."""
    if value == attribute.default_words:
        entry.values.pop(attribute.name, None)
    else:
        entry.values[attribute.name] = value


def _edit(ctx: Context) -> OpenEdit:
    edit = ctx.device.current(ctx.session)
    assert edit is not None, "these commands are known inside of an entry only"
    return edit
