"""Help (``?``) and word completion (Tab) in a session's present mode. Pure, as `interpreter` is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sceplab_devices.grammar import Token, Walk, tokenize
from sceplab_devices.interpreter import marker_line, mode_chain
from sceplab_devices.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sceplab_devices.device import Device
    from sceplab_devices.modes import Mode
    from sceplab_devices.session import Session

_DEFAULT_COLUMNS = 80


def help_text(device: Device, session: Session, typed: str) -> str:
    """What ``?`` prints behind ``typed``: lines with their ends, an empty line last.

    Three forms: all commands on an empty line, the words that may follow after a blank, and the
    completions of a word directly behind its letters.
    """
    tokens = tokenize(typed)
    partial = tokens.pop() if tokens and not typed.endswith(" ") else None
    problem = ""
    for mode in mode_chain(device, session.mode):
        walk = device.profile.grammar(mode.id, session.privilege).walk(tokens)
        if walk.problem:
            problem = problem or walk.problem
            continue
        if partial:
            lines = _columns(_words(device, walk, partial), session.width or _DEFAULT_COLUMNS)
        else:
            lines = _rows(_table(device, mode, walk))
        if lines:
            header = [mode.help_header] if mode.help_header and not (tokens or partial) else []
            return "\n".join([*header, *lines, "", ""])
    kind = "ambiguous" if problem == "ambiguous" else "unrecognized"
    marker = marker_line(device, session, len(typed))
    return device.profile.error(kind, line=typed, marker=marker) + "\n"


def complete(device: Device, session: Session, typed: str) -> list[str]:
    """The lines that ``typed`` becomes with its last word completed, each with a blank behind."""
    tokens = tokenize(typed)
    if not tokens or typed.endswith(" "):
        return []
    partial = tokens.pop()
    for mode in mode_chain(device, session.mode):
        walk = device.profile.grammar(mode.id, session.privilege).walk(tokens)
        if walk.problem or _is_rest(walk):
            continue
        found = _keywords(device, walk, partial.text)
        if found:
            return [f"{typed[: partial.offset]}{word} " for word in found]
    return []


def _is_rest(walk: Walk) -> bool:
    return bool(walk.edges) and isinstance(walk.edges[-1], Kind) and walk.edges[-1].is_rest


def _keywords(device: Device, walk: Walk, prefix: str) -> list[str]:
    if walk.pipe >= 0:
        if _filter_words(device, walk):
            return []
        return device.profile.filters.candidates(prefix)
    return [walk.state.keywords[word] for word in walk.state.completions(prefix)]


def _filter_words(device: Device, walk: Walk) -> list[str]:
    """The words of the filter that is being typed, the last one where several may follow."""
    words = [token.text for token in walk.after_pipe]
    while device.profile.filters.chained and "|" in words:
        del words[: words.index("|") + 1]
    return words


def _words(device: Device, walk: Walk, partial: Token) -> list[str]:
    """Completions of a word, or the parameters that it may be."""
    if _is_rest(walk):
        return []
    keywords = _keywords(device, walk, partial.text)
    if keywords or walk.pipe >= 0:
        return keywords
    return [
        parameter.kind.placeholder
        for parameter in walk.state.parameters
        if parameter.kind.accepts(partial.text)
    ]


def _table(device: Device, mode: Mode, walk: Walk) -> list[tuple[str, str]]:
    """What may follow, with descriptions: parameters, keywords, then ``|`` and ``<cr>``."""
    tables = (mode.help, device.profile.help)
    if walk.pipe >= 0:
        words = _filter_words(device, walk)
        if words:
            return [("LINE", "Regular Expression")] if len(words) == 1 else [("<cr>", "")]
        return [
            (verb, describe(tables, [], verb)) for verb in sorted(device.profile.filters.makers)
        ]
    if _is_rest(walk):
        return [("LINE", ""), ("<cr>", "")]
    state = walk.state
    entries = [
        (parameter.kind.placeholder, describe(tables, walk.keywords, f"<{parameter.name}>"))
        for parameter in state.parameters
    ]
    entries += [
        (state.keywords[word], describe(tables, walk.keywords, state.keywords[word]))
        for word in state.shown
    ]
    entries.sort()
    if state.ends:
        if walk.keywords and walk.keywords[0] in device.profile.shell.filterable:
            entries.append(("|", describe(tables, [], "|")))
        entries.append(("<cr>", ""))
    return entries


def describe(tables: tuple[Mapping[str, str], ...], path: list[str], word: str) -> str:
    """Help text of a word: by the full path of keywords before it, else by the word alone."""
    full = " ".join([*path, word])
    for key in (full, word):
        for table in tables:
            if key in table:
                return table[key]
    return ""


def _rows(entries: list[tuple[str, str]]) -> list[str]:
    width = max((len(word) for word, _ in entries), default=0)
    return [f"  {word:<{width}}  {text}".rstrip() for word, text in entries]


def _columns(words: list[str], columns: int) -> list[str]:
    width = max((len(word) for word in words), default=0) + 2
    fitting = max(columns // width, 1)
    return [
        "".join(f"{word:<{width}}" for word in words[start : start + fitting])
        for start in range(0, len(words), fitting)
    ]
