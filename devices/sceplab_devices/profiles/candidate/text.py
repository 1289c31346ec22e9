"""A configuration as text: in braces, as ``set`` lines, and as differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sceplab_devices.profiles.candidate.paths import Path
from sceplab_devices.profiles.candidate.schema import Node, Step
from sceplab_devices.profiles.candidate.tree import Tree, child, ordered, statements
from sceplab_devices.profiles.candidate.words import quoted


@dataclass(frozen=True, slots=True)
class Style:
    """How a platform writes braces."""

    indent: int
    joined: bool
    """An object stands on its keyword's line (``ca-profile LAB {``), not in braces of its own."""
    quoted_words: frozenset[str] = frozenset()
    """Statements whose value is always in quotes."""
    one_line: frozenset[str] = frozenset()
    """Keywords whose objects stand on one line when they have one statement."""
    prefixes: frozenset[str] = frozenset()
    """Keywords that are written in front of each word below them: ``family inet {``."""
    separate: frozenset[str] = frozenset()
    """Keywords whose objects stand in braces of their own all the same."""

    def joins(self, keyword: str) -> bool:
        """Objects of this keyword stand on its line."""
        return self.joined and keyword not in self.separate


def braces(tree: Tree, node: Node, style: Style, depth: int = 0) -> Iterator[str]:
    """The lines of a configuration in braces."""
    for word, below in ordered(tree, node):
        yield from _statement(word, below, node, style, depth)


def _statement(word: str, below: Tree, node: Node, style: Style, depth: int) -> Iterator[str]:
    after = child(node, word)
    margin = " " * style.indent * depth
    step = after.value.step if after.value and word in node.keywords else None
    always = word in style.quoted_words
    shown = word if word in node.keywords else quoted(word)
    is_listed = step is Step.EACH and word not in style.separate
    if below and (step is Step.VALUE or is_listed):
        yield from (f"{margin}{shown} {quoted(text, always=always)};" for text in below)
    elif step is Step.MEMBER and below:
        texts = " ".join(quoted(text) for text in below)
        yield f"{margin}{shown} {texts};" if len(below) == 1 else f"{margin}{shown} [ {texts} ];"
    elif step is Step.OBJECT and below and style.joins(word):
        for name, inside in below.items():
            head, place = f"{shown} {quoted(name)}", child(after, name)
            lines = list(braces(inside, place, style)) if word in style.one_line else []
            if len(lines) == 1:
                yield f"{margin}{head} {lines[0]}"
            else:
                yield from _block(head, inside, place, style, depth)
    elif below and word in style.prefixes:
        for name, inside in ordered(below, after):
            yield from _block(f"{shown} {name}", inside, child(after, name), style, depth)
    else:
        yield from _block(shown, below, after, style, depth)


def _block(head: str, inside: Tree, node: Node, style: Style, depth: int) -> Iterator[str]:
    margin = " " * style.indent * depth
    if not inside:
        yield f"{margin}{head};"
        return
    yield f"{margin}{head} {{"
    yield from braces(inside, node, style, depth + 1)
    yield f"{margin}}}"


def set_line(path: Path, style: Style, *, verb: str = "set") -> str:
    """One statement as the command that sets it."""
    words = [
        quoted(word, always=bool(at) and path[at - 1] in style.quoted_words)
        for at, word in enumerate(path)
    ]
    return " ".join([verb, *words])


def set_lines(tree: Tree, node: Node, style: Style, path: Path = ()) -> list[str]:
    """Every statement as the command that sets it."""
    if not tree and not path:
        return []
    return [set_line((*path, *words), style) for words in statements(tree, node)]


def differences(
    old: Tree, new: Tree, node: Node, style: Style, path: Path = ()
) -> Iterator[tuple[Path, str, list[str]]]:
    """What changed: the container, ``-`` or ``+``, and the lines of a statement."""
    words = [word for word, _ in ordered({**old, **new}, node)]
    for word in words:
        before, after = old.get(word), new.get(word)
        if before == after:
            continue
        below = child(node, word)
        if before and after and (below.is_container or _is_object(below)):
            yield from differences(before, after, below, style, (*path, word))
            continue
        for sign, present in (("-", before), ("+", after)):
            if present is not None:
                yield path, sign, _changed(word, present, node, style, path)


def _is_object(node: Node) -> bool:
    return node.value is not None and node.value.step is Step.OBJECT


def _changed(word: str, tree: Tree, node: Node, style: Style, path: Path) -> list[str]:
    if _is_object(node) and path and style.joins(path[-1]):  # named with its keyword, one level up
        return list(_block(f"{path[-1]} {quoted(word)}", tree, child(node, word), style, 0))
    return list(_statement(word, tree, node, style, 0))


def compare_lines(old: Tree, new: Tree, node: Node, style: Style) -> list[str]:
    """Differences as ``show | compare`` prints them."""
    lines: list[str] = []
    banner = ""
    for path, sign, changed in differences(old, new, node, style):
        at = path[:-1] if path and style.joins(path[-1]) and _names_object(node, path) else path
        place = edit_banner(at)
        if place != banner:
            lines.append(place)
            banner = place
        lines += [f"{sign}   {line}" for line in changed]
    return lines


def _names_object(node: Node, path: Path) -> bool:
    """The path ends in a keyword behind which objects are named."""
    for word in path:
        node = child(node, word)
    return _is_object(node) and not node.is_container


def edit_banner(path: Path) -> str:
    """``[edit security pki]``."""
    return f"[{' '.join(['edit', *(quoted(word) for word in path)])}]"
