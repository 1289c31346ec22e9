"""First words of a line, by what is being edited, and what each does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sceplab_devices.profiles.fortinet_fortios import editing, entries, setting, shows
from sceplab_devices.profiles.fortinet_fortios.box import Context, FortiGate
from sceplab_devices.profiles.fortinet_fortios.commands import ACTIONS, Action, Command, below
from sceplab_devices.profiles.fortinet_fortios.complaints import complain, lost
from sceplab_devices.profiles.fortinet_fortios.open_edit import OpenEdit
from sceplab_devices.profiles.fortinet_fortios.paths import Found, Path, find_path
from sceplab_devices.profiles.fortinet_fortios.words import Word, read_line
from sceplab_devices.steps import Ask, Dialog

CONTINUED = "> "
_LONGEST = 64 * 1024
_COMMAND_VERBS = ("get", "execute", "diagnose")
_CHANGING = frozenset(
    {"set", "unset", "append", "unselect", "delete", "rename", "move", "purge", "execute"}
)
_ALL_RIGHTS = 15


def _leave(ctx: Context, words: Sequence[Word]) -> None:
    """``exit``: ends the session."""
    del words
    ctx.end()
    ctx.close()


_EVERYWHERE: dict[str, Callable[[Context, Sequence[Word]], Dialog | None]] = {
    "config": editing.config, "get": shows.get, "show": shows.show,
    "tree": shows.tree,
}  # fmt: skip
_EXEC: dict[str, Action] = {**_EVERYWHERE, "exit": _leave}
_SCOPE: dict[str, Action] = {
    **_EVERYWHERE, "next": editing.next_entry, "end": editing.end_edit, "exit": _leave,
}  # fmt: skip
_TABLE: dict[str, Action] = {
    "edit": editing.edit_entry, "delete": entries.delete, "purge": entries.purge,
    "rename": entries.rename, "move": entries.move, "get": shows.get, "show": shows.show,
    "tree": shows.tree, "end": editing.end_edit, "abort": editing.abort,
}  # fmt: skip
_OBJECT: dict[str, Action] = {
    "config": editing.config, "set": setting.set_value, "unset": setting.unset,
    "append": setting.append, "unselect": setting.unselect, "get": shows.get,
    "show": shows.show, "tree": shows.tree, "abort": editing.abort, "end": editing.end_edit,
}  # fmt: skip
_ENTRY: dict[str, Action] = {**_OBJECT, "next": editing.next_entry}
_BY_KIND: dict[str, Mapping[str, Action]] = {
    "table": _TABLE, "entry": _ENTRY, "object": _OBJECT, "scope": _SCOPE,
}  # fmt: skip


def verbs_here(edit: OpenEdit | None) -> list[str]:
    """First words that are known where the session stands."""
    if edit is None or (edit.kind == "scope"):
        own = _EXEC if edit is None else _SCOPE
        return [*list(own)[:3], "diagnose", "execute", *list(own)[3:]]
    verbs = list(_BY_KIND[edit.kind])
    return [verb for verb in verbs if verb != "move" or edit.table.key_is_number]


def verb_of(edit: OpenEdit | None, typed: Word) -> str:
    """The first word that was meant: the first that begins so; empty: none."""
    if typed.is_quoted or not typed.text:
        return ""
    known = verbs_here(edit)
    if typed.text in known:
        return typed.text
    return next((verb for verb in known if verb.startswith(typed.text)), "")


def run_line(ctx: Context) -> Dialog:
    """Carries out a typed line; one whose quote is open goes on in the next lines."""
    text = ctx.line
    while read_line(text).is_open:
        more: str = yield Ask(CONTINUED)
        text = f"{text}\n{more}"
        if len(text) > _LONGEST:
            complain(ctx, "too_long")
            return
    words = read_line(text).words
    if not words:
        return
    edit = ctx.device.current(ctx.session)
    verb = verb_of(edit, words[0])
    if not verb or (verb in _CHANGING and ctx.session.privilege < _ALL_RIGHTS):
        complain(ctx, "unknown_action")
        return
    dialog = _act(ctx, edit, verb, words[1:])
    if dialog is not None:
        yield from dialog


def _act(ctx: Context, edit: OpenEdit | None, verb: str, words: Sequence[Word]) -> Dialog | None:
    is_top = edit is None or edit.kind == "scope"
    if is_top and verb in _COMMAND_VERBS:
        found = command_of(ctx.device, verb, words)
        if found is not None:
            command, used = found
            rest = words[used:]
            if len(rest) > command.limit:
                complain(ctx, "unknown_word", word=rest[command.limit].text)
                return None
            return ACTIONS[command.handler](ctx, rest)
        if verb != "get":
            reason = find_path(below(tuple(ctx.device.commands), verb), words)
            assert not isinstance(reason, Found), "it was looked for just now"
            lost(ctx, reason)
            return None
    own = _EXEC if edit is None else _BY_KIND[edit.kind]
    return own[verb](ctx, words)


def command_of(device: FortiGate, verb: str, words: Sequence[Word]) -> tuple[Command, int] | None:
    """The command that words behind a verb name, and how many of them do."""
    paths: dict[Path, Path] = below(tuple(device.commands), verb)
    found = find_path(paths, words)
    if not isinstance(found, Found):
        return None
    return device.commands[paths[found.path]], found.used
