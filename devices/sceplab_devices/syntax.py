"""Syntax strings of commands as small expressions, and the one operation a parser needs on them.

`next_steps` gives every word that may come next together with the expression that remains, so that
a command table can be followed word by word without building an automaton by hand. The notation is
described in `sceplab_devices.grammar`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from sceplab_devices.kinds import Kind, find_kind


@dataclass(frozen=True, slots=True)
class Keyword:
    """A word to be typed."""

    text: str
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value to be typed."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other. Empty: nothing more."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several."""

    options: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class AnyOrder:
    """Any of several in any order, each at most once."""

    options: tuple[Expression, ...]


Leaf: TypeAlias = Keyword | Parameter
Expression: TypeAlias = Leaf | Sequence | Choice | AnyOrder

NOTHING = Sequence(())


def may_end(expression: Expression) -> bool:
    """Whether the command may end here."""
    match expression:
        case Sequence(items):
            return all(may_end(item) for item in items)
        case Choice(options):
            return any(may_end(option) for option in options)
        case AnyOrder():
            return True
        case _:
            return False


def next_steps(expression: Expression) -> Iterator[tuple[Leaf, Expression]]:
    """Every word that may come next, with what may follow it."""
    match expression:
        case Sequence(items):
            for position, item in enumerate(items):
                for leaf, rest in next_steps(item):
                    yield leaf, join(rest, *items[position + 1 :])
                if not may_end(item):
                    break
        case Choice(options):
            for option in options:
                yield from next_steps(option)
        case AnyOrder(options):
            for position, option in enumerate(options):
                others = AnyOrder(options[:position] + options[position + 1 :])
                for leaf, rest in next_steps(option):
                    yield leaf, join(rest, others)
        case _:
            yield expression, NOTHING


def join(*items: Expression) -> Expression:
    """The items one after the other, without needless nesting (equal states must compare equal)."""
    flat: list[Expression] = []
    for item in items:
        if isinstance(item, Sequence):
            flat.extend(item.items)
        elif not (isinstance(item, AnyOrder) and not item.options):
            flat.append(item)
    return flat[0] if len(flat) == 1 else Sequence(tuple(flat))


def leading_keywords(expression: Expression) -> Expression:
    """The keywords (and choices of keywords) before the first parameter or optional part."""
    items = expression.items if isinstance(expression, Sequence) else (expression,)
    kept: list[Expression] = []
    for item in items:
        plain = isinstance(item, Keyword) or (
            isinstance(item, Choice) and all(isinstance(option, Keyword) for option in item.options)
        )
        if not plain:
            break
        kept.append(item)
    return join(*kept)


_TOKEN = re.compile(r"<[^<>\s]+>|\}\*|[\[\]{}|]|[^\s\[\]{}|<>]+")


def parse_syntax(text: str, own_kinds: dict[str, Kind]) -> Expression:
    """Expression of a syntax string.

    Raises:
        ValueError: the text breaks the notation; the message says where.
    """
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != "".join(text.split()):
        raise ValueError(f"cannot read syntax {text!r}")
    reader = _Reader(text, tokens, own_kinds)
    expression = reader.alternatives(closing="")
    if may_end(expression):
        raise ValueError(f"syntax {text!r} needs at least one word")
    return expression


class _Reader:
    """Recursive reader of one syntax string."""

    def __init__(self, text: str, tokens: list[str], own_kinds: dict[str, Kind]) -> None:
        self.text = text
        self.tokens = tokens
        self.position = 0
        self.own_kinds = own_kinds

    def alternatives(self, closing: str) -> Expression:
        """Reads ``a | b …`` up to and over the ``closing`` bracket."""
        options: list[Expression] = []
        items: list[Expression] = []
        while self.position < len(self.tokens):
            piece = self.tokens[self.position]
            self.position += 1
            if piece == "|" and closing:
                options.append(join(*items))
                items = []
            elif closing and piece[0] == closing:
                options.append(join(*items))
                if piece == "}*":
                    return AnyOrder(tuple(options))
                return options[0] if len(options) == 1 else Choice(tuple(options))
            else:
                items.append(self.item(piece))
        if closing:
            raise ValueError(f"syntax {self.text!r} lacks a {closing!r}")
        return join(*items)

    def item(self, piece: str) -> Expression:
        """Reads what begins with ``piece``."""
        if piece == "[":
            return Choice((self.alternatives("]"), NOTHING))
        if piece == "{":
            return self.alternatives("}")
        if piece[0] in "]}|":
            raise ValueError(f"syntax {self.text!r} has a stray {piece!r}")
        if piece[0] != "<":
            return Keyword(piece.removeprefix("!"), hidden=piece.startswith("!"))
        name, _, kind_name = piece[1:-1].partition(":")
        kind = find_kind(kind_name or "word", self.own_kinds)
        if kind is None:
            raise ValueError(f"syntax {self.text!r}: unknown parameter kind {kind_name!r}")
        return Parameter(name, kind)
