"""Which statements a configuration may hold: a tree made from lines of the profile's data.

A line is a statement's path. Words stand for themselves; the rest is::

    <name:kind>      a value; with more words behind it, the name of an object
    <name:kind>*     any number of values, a statement each
    <name:kind>[]    any number of values in one statement
    {a|b|c}          one of these words

Kinds are those of `sceplab_devices.kinds`, and the profile's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from sceplab_devices.kinds import Kind, find_kind

_TOKEN = re.compile(r"<([\w-]+):([^>]+)>(\*|\[\])?|\{([^}]+)\}|(\S+)")


class Step(Enum):
    """What a word of a path is."""

    KEYWORD = auto()
    OBJECT = auto()
    """Name of an object that has statements of its own."""
    VALUE = auto()
    """The one value of a statement; a new one takes its place."""
    EACH = auto()
    """One of several statements that differ in this value."""
    MEMBER = auto()
    """One of several values of one statement."""


@dataclass(slots=True)
class Node:
    """A place in the tree: what may follow."""

    keywords: dict[str, Node] = field(default_factory=dict)
    value: Value | None = None

    @property
    def is_end(self) -> bool:
        """Nothing can follow."""
        return not self.keywords and self.value is None

    @property
    def is_container(self) -> bool:
        """It holds statements, not one value."""
        return bool(self.keywords)

    def matching(self, prefix: str) -> list[str]:
        """Keywords that a typed word may mean: the exact one, else all it begins."""
        if prefix in self.keywords:
            return [prefix]
        return [word for word in self.keywords if prefix and word.startswith(prefix)]


@dataclass(slots=True)
class Value:
    """A value in the place of a word."""

    name: str
    kind: Kind | None
    """``None``: one of ``choices``."""
    choices: tuple[str, ...]
    step: Step
    node: Node

    def accepts(self, word: str) -> bool:
        """Whether ``word`` may stand here."""
        return word in self.choices if self.kind is None else self.kind.accepts(word)

    def expand(self, word: str) -> str | None:
        """The value that a typed word means; a choice may be abbreviated."""
        if self.kind is not None or word in self.choices:
            return word if self.accepts(word) else None
        found = [choice for choice in self.choices if word and choice.startswith(word)]
        return found[0] if len(found) == 1 else None


class Schema:
    """All statements.

    Args:
        lines: as the module says.
        kinds: the profile's own.

    Raises:
        ValueError: a line cannot be understood, or contradicts another one.
    """

    def __init__(self, lines: Iterable[str], kinds: Mapping[str, Kind]) -> None:
        self.root = Node()
        for line in lines:
            self._add(line, dict(kinds))
        _settle(self.root)

    def _add(self, line: str, kinds: dict[str, Kind]) -> None:
        node = self.root
        for found in _TOKEN.finditer(line):
            if found[5]:
                if "<" in found[5] or "{" in found[5]:
                    raise ValueError(f"{line!r}: {found[5]!r} is neither word nor value")
                node = node.keywords.setdefault(found[5], Node())
            else:
                node = _value(node, found, kinds, line).node


def _value(node: Node, found: re.Match[str], kinds: dict[str, Kind], line: str) -> Value:
    if node.value is not None:
        return node.value
    step = {"*": Step.EACH, "[]": Step.MEMBER}.get(found[3] or "", Step.VALUE)
    if found[4]:
        choices = tuple(choice.strip() for choice in found[4].split("|"))
        node.value = Value("", None, choices, step, Node())
    else:
        kind = find_kind(found[2], kinds)
        if kind is None:
            raise ValueError(f"{line!r}: unknown kind {found[2]!r}")
        node.value = Value(found[1], kind, (), step, Node())
    return node.value


def _settle(node: Node) -> None:
    """A value with something behind it is the name of an object."""
    for child in node.keywords.values():
        _settle(child)
    if node.value is not None:
        if not node.value.node.is_end:
            node.value.step = Step.OBJECT
        _settle(node.value.node)


def each_path(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every statement, a value as ``<name>`` or its first choice; for tests and help."""
    if node.is_end:
        yield path
    for word, child in node.keywords.items():
        yield from each_path(child, (*path, word))
    if node.value is not None:
        value = node.value
        shown = value.choices[0] if value.kind is None else f"<{value.kind.name}>"
        yield from each_path(value.node, (*path, shown))
