"""How FortiOS reads lines: paths of keywords, objects of the schema, quoted words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sceplab_devices.interpreter import NOTHING_TO_DO, Decision
from sceplab_devices.profiles.fortinet_fortios.box import FortiGate
from sceplab_devices.profiles.fortinet_fortios.commands import below
from sceplab_devices.profiles.fortinet_fortios.grep import GrepProblem, read_grep
from sceplab_devices.profiles.fortinet_fortios.open_edit import OpenEdit
from sceplab_devices.profiles.fortinet_fortios.paths import (
    Found,
    Lost,
    Path,
    find_path,
    next_keywords,
    pick,
)
from sceplab_devices.profiles.fortinet_fortios.reach import inner_tables, reachable_tables
from sceplab_devices.profiles.fortinet_fortios.schema import Attribute, Table
from sceplab_devices.profiles.fortinet_fortios.setting import attributes_here
from sceplab_devices.profiles.fortinet_fortios.verbs import command_of, verb_of, verbs_here
from sceplab_devices.profiles.fortinet_fortios.words import Word, read_line

if TYPE_CHECKING:
    from sceplab_devices.device import Device
    from sceplab_devices.session import Session

RUN = "line"
"""Handler of every line."""
_GAP = 4
_FILTERABLE = frozenset({"show", "get", "diagnose", "execute", "tree"})

Choice = tuple[str, str]
"""What may stand somewhere, and its help. In angle brackets: not to be typed as it stands."""


class FortiLanguage:
    """See `Language`."""

    def interpret(self, device: Device, session: Session, line: str) -> Decision:
        """See `Language.interpret`."""
        assert isinstance(device, FortiGate)
        typed = read_line(line)
        if not line.strip() or line.lstrip().startswith("#"):
            return NOTHING_TO_DO
        if typed.filter is None:
            return Decision(handler=RUN)
        verb = verb_of(device.current(session), typed.words[0]) if typed.words else ""
        chosen = read_grep(typed.filter)
        if isinstance(chosen, GrepProblem) or verb not in _FILTERABLE:
            word = chosen.word if isinstance(chosen, GrepProblem) else "|"
            return Decision(error=device.profile.text("error.unknown_word", word=word))
        return Decision(handler=RUN, filter=chosen)

    def help_text(self, device: Device, session: Session, typed: str) -> str:
        """See `Language.help_text`."""
        assert isinstance(device, FortiGate)
        start, words = _behind(typed)
        fitting = [
            (word, text)
            for word, text in choices(device, session, words)
            if word.startswith(start) or _is_placeholder(word)
        ]
        width = max((len(word) for word, _ in fitting), default=0) + _GAP
        return "".join(f"{word:<{width}}{text}".rstrip() + "\n" for word, text in fitting)

    def complete(self, device: Device, session: Session, typed: str) -> list[str]:
        """See `Language.complete`."""
        assert isinstance(device, FortiGate)
        start, words = _behind(typed)
        kept = typed[: len(typed) - len(start)]
        return [
            f"{kept}{word}"
            for word, _ in choices(device, session, words)
            if word.startswith(start) and not word.startswith("<")
        ]


def _is_placeholder(word: str) -> bool:
    return word.startswith("<") and word != "<Enter>"


def _behind(typed: str) -> tuple[str, Sequence[Word]]:
    """The word being typed, and the complete ones before it."""
    line = read_line(typed)
    if line.ends_with_blank or not line.words:
        return "", line.words
    return typed[line.words[-1].start :], line.words[:-1]


def choices(device: FortiGate, session: Session, words: Sequence[Word]) -> list[Choice]:
    """What may follow complete words."""
    edit = device.current(session)
    if not words:
        helps = device.profile.data["verbs"]
        return [(verb, helps.get(verb, "")) for verb in verbs_here(edit)]
    verb, rest = verb_of(edit, words[0]), words[1:]
    if edit is None or edit.kind == "scope":
        return _at_top(device, edit, verb, rest)
    if verb == "config":
        return _tables(device, inner_tables(device.schema, edit), rest)
    if edit.kind == "table" and verb in ("edit", "delete", "rename", "move"):
        return _entries(edit, rest)
    if verb in ("set", "unset", "append", "unselect"):
        return _values(device, edit, verb, rest)
    return [("<Enter>", "")] if verb and not rest else []


def _at_top(
    device: FortiGate, scope: OpenEdit | None, verb: str, rest: Sequence[Word]
) -> list[Choice]:
    found: list[Choice] = []
    if verb in ("get", "execute", "diagnose"):
        found += _commands(device, verb, rest)
    if verb in ("get", "show", "config", "tree"):
        if verb == "show" and not rest:
            found.append(("full-configuration", device.profile.data["verbs"]["full"]))
        if verb == "show" and rest and "full-configuration".startswith(rest[0].text):
            rest = rest[1:]
        tables = reachable_tables(device, scope)
        found += _tables(device, tables, rest)
        if verb in ("get", "show"):
            found += _names_behind(device, tables, rest)
    if not rest and verb in ("show", "exit", "end", "next", "tree"):
        found.append(("<Enter>", ""))
    helps: dict[str, str] = {}
    for word, text in found:
        helps[word] = helps.get(word) or text
    return list(helps.items())


def _commands(device: FortiGate, verb: str, rest: Sequence[Word]) -> list[Choice]:
    paths: dict[Path, Path] = below(tuple(device.commands), verb)
    helps = device.profile.data["words"]
    found = []
    for word in next_keywords(paths, rest):
        path = _full_path(paths, rest, word)
        command = device.commands.get((verb, *path))
        key = " ".join(path)
        text = command.help if command else helps.get(f"{verb} {key}", helps.get(key, ""))
        found.append((word, text))
    known = command_of(device, verb, rest)
    if known is not None:
        command, used = known
        behind = len(rest) - used
        if behind < len(command.arguments):
            found.append((command.arguments[behind], ""))
        found.append(("<Enter>", ""))
    return found


def _tables(device: FortiGate, tables: dict[Path, Table], rest: Sequence[Word]) -> list[Choice]:
    found = []
    for word in next_keywords(tables, rest):
        path = _full_path(tables, rest, word)
        is_whole = path in tables
        text = tables[path].help if is_whole else device.profile.data["words"].get(" ".join(path))
        found.append((word, text or ""))
    return found


def _full_path(paths: Iterable[Path], rest: Sequence[Word], word: str) -> Path:
    """Abbreviated words in full, and the keyword behind them."""
    left = list(paths)
    full: list[str] = []
    for depth, typed in enumerate(rest):
        picked = pick(dict.fromkeys(path[depth] for path in left if len(path) > depth), typed)
        full.append(picked if isinstance(picked, str) else typed.text)
        left = [path for path in left if len(path) > depth and path[depth] == full[-1]]
    return (*full, word)


def _names_behind(
    device: FortiGate, tables: dict[Path, Table], rest: Sequence[Word]
) -> list[Choice]:
    """Entries of the table that the words name."""
    found = find_path(tables, rest)
    if not isinstance(found, Found) or found.used != len(rest):
        return []
    table = tables[found.path]
    names = [] if table.is_object else list(device.config.rows(table.path))
    return [*((name, "") for name in names), ("<Enter>", "")]


def _entries(edit: OpenEdit, rest: Sequence[Word]) -> list[Choice]:
    if rest:
        return [("<Enter>", "")]
    own = f"<{edit.table.key}>"
    return [*((name, "") for name in edit.rows), (own, edit.table.help)]


def _values(device: FortiGate, edit: OpenEdit, verb: str, rest: Sequence[Word]) -> list[Choice]:
    known = attributes_here(edit)
    if not rest:
        return [(name, attribute.help) for name, attribute in known.items()]
    name = pick(known, rest[0])
    if isinstance(name, Lost):
        return []
    attribute = known[name]
    if verb == "unset" or (len(rest) > 1 and not attribute.is_list):
        return [("<Enter>", "")]
    return _words_of(device, attribute)


def _words_of(device: FortiGate, attribute: Attribute) -> list[Choice]:
    if attribute.options:
        return list(attribute.options.items())
    if attribute.to:
        return [
            (name, table.rpartition(" ")[2])
            for table in attribute.to
            for name in device.config.rows(table)
        ] or [("<string>", attribute.help)]
    kinds = device.profile.data["placeholders"]
    return [(kinds[attribute.type], attribute.help)]
