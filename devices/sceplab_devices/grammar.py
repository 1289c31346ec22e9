"""Command grammar: from what was typed to the command meant, with abbreviations.

Syntax of one command, in words separated by blanks::

    keyword              any unambiguous prefix is accepted, case is ignored
    !keyword             hidden keyword: accepted when spelled in full, never shown
    <name:kind>          parameter; kinds: word, line (rest of the line), ipv4, url, hex,
                         N-M (range of whole numbers), or a kind of the profile's [kinds]
    [ a b ]              optional; [ a | b ]: at most one of
    { a | b c | d }      one of
    { a | b <x:word> }*  any of, in any order, each at most once

Keywords win over parameters, a narrower kind over a wider one. The table of a mode is compiled
state by state when somebody first types that far, once per profile, and is shared by all consoles.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sceplab_devices.errors import DeviceError
from sceplab_devices.kinds import Kind
from sceplab_devices.syntax import Expression, Keyword, Leaf, Parameter, may_end, next_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One entry of a profile's command table."""

    modes: tuple[str, ...]
    syntax: str
    expression: Expression
    handler: str
    no: Expression | None
    """What follows ``no``; ``None``: refused."""
    privilege: int
    hidden: bool
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """One way to type a command: plain, after ``no``, after ``default``, after ``do``."""

    command: Command
    expression: Expression
    """Everything to be typed, prefix words included."""
    prefix: tuple[str, ...] = ()

    @property
    def negated(self) -> bool:
        """Typed with ``no``."""
        return "no" in self.prefix

    @property
    def default(self) -> bool:
        """Typed with ``default``."""
        return "default" in self.prefix


@dataclass(frozen=True, slots=True)
class Token:
    """A typed word and where it stands in the line."""

    text: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A line that is a command."""

    form: Form
    words: tuple[str, ...]
    """Keywords in full, parameters as typed, without the form's prefix."""
    keywords: frozenset[str]
    args: Mapping[str, str]
    offsets: Mapping[str, int]
    """Column of each parameter in the line."""
    last_offset: int
    filter: Token | None = None
    """What stands behind ``|``, blanks around it removed."""

    def offset_of(self, parameter: str) -> int:
        """Column of a parameter, or of the last word when it was not typed."""
        return self.offsets.get(parameter, self.last_offset)


@dataclass(frozen=True, slots=True)
class Failure:
    """A line that is no command."""

    kind: Literal["invalid", "incomplete", "ambiguous"]
    index: int
    """Number of words that were understood."""
    token: Token | None = None
    """The word that was not."""


Edge: TypeAlias = str | Kind
"""A step through the table: a keyword in lower case, or a parameter of a kind."""

PREFIX_WORDS = frozenset({"do", "no", "default"})
"""First words that help paths leave out."""


class State:
    """Everything that may come after certain words.

    Attributes:
        keywords: full spelling by lower-case spelling, hidden ones included.
        shown: lower-case spellings of the keywords that help and Tab show, sorted.
        parameters: parameters that may come, narrowest kind first.
        ends: forms that may end here, in table order.
    """

    __slots__ = ("_next", "_targets", "ends", "keywords", "parameters", "shown")

    def __init__(self, positions: Iterable[tuple[Form, Expression]]) -> None:
        targets: dict[Edge, list[tuple[Form, Expression]]] = {}
        self.keywords: dict[str, str] = {}
        shown: set[str] = set()
        parameters: dict[str, Parameter] = {}
        ends: list[Form] = []
        for form, expression in positions:
            if may_end(expression):
                ends.append(form)
            for leaf, rest in next_steps(expression):
                if isinstance(leaf, Keyword):
                    edge: Edge = leaf.text.lower()
                    self.keywords.setdefault(leaf.text.lower(), leaf.text)
                    if not (leaf.hidden or form.command.hidden):
                        shown.add(leaf.text.lower())
                else:
                    edge = leaf.kind
                    parameters.setdefault(leaf.kind.name, leaf)
                targets.setdefault(edge, []).append((form, rest))
        self.shown = sorted(shown)
        self.parameters = sorted(parameters.values(), key=lambda item: item.kind.rank)
        self.ends = tuple(ends)
        self._targets = targets
        self._next: dict[Edge, State] = {}

    def find(self, word: str) -> Edge | None:
        """The step that ``word`` takes, ``None`` when there is none.

        Raises:
            AmbiguousWordError: several keywords begin with it.
        """
        lowered = word.lower()
        if lowered in self.keywords:
            return lowered
        candidates = self.completions(lowered)
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise AmbiguousWordError(word)
        for parameter in self.parameters:
            if parameter.kind.accepts(word):
                return parameter.kind
        return None

    def completions(self, prefix: str) -> list[str]:
        """Shown keywords that begin with ``prefix``, sorted, in lower case."""
        lowered = prefix.lower()
        first = bisect_left(self.shown, lowered)
        found = []
        for keyword in self.shown[first:]:
            if not keyword.startswith(lowered):
                break
            found.append(keyword)
        return found

    def follow(self, edge: Edge) -> State:
        """The state behind a step that `find` gave."""
        state = self._next.get(edge)
        if state is None:
            state = self._next[edge] = State(self._targets[edge])
        return state


class AmbiguousWordError(DeviceError):
    """Several keywords begin with the typed word. Never leaves this package."""


_WORD = re.compile(r"\S+")


def tokenize(line: str) -> list[Token]:
    """Words of a line. A ``|`` in front of a word is a word of its own."""
    tokens = []
    for found in _WORD.finditer(line):
        text, offset = found[0], found.start()
        if len(text) > 1 and text[0] == "|":
            tokens.append(Token("|", offset))
            text, offset = text[1:], offset + 1
        tokens.append(Token(text, offset))
    return tokens


@dataclass(slots=True)
class Walk:
    """How far a list of words leads into a table."""

    state: State
    edges: list[Edge]
    keywords: list[str]
    """Keywords among the edges, without the prefix words; the path help texts are found by."""
    consumed: int
    """Words understood."""
    pipe: int = -1
    """Index of the word ``|`` that starts an output filter; -1: none."""
    after_pipe: tuple[Token, ...] = ()
    """Words of the output filter."""
    problem: Literal["", "invalid", "ambiguous"] = ""


class Grammar:
    """The commands of one mode at one privilege."""

    def __init__(self, forms: Iterable[Form], filterable: Iterable[str]) -> None:
        self.start = State([(form, form.expression) for form in forms])
        self._filterable = frozenset(filterable)

    def walk(self, tokens: list[Token]) -> Walk:
        """Follows the words as far as they fit."""
        walk = Walk(self.start, [], [], 0)
        for index, token in enumerate(tokens):
            if token.text == "|" and self._may_filter(walk):
                walk.pipe = index
                walk.after_pipe = tuple(tokens[index + 1 :])
                return walk
            try:
                edge = walk.state.find(token.text)
            except AmbiguousWordError:
                walk.problem = "ambiguous"
                return walk
            if edge is None:
                walk.problem = "invalid"
                return walk
            if isinstance(edge, str) and (walk.keywords or edge not in PREFIX_WORDS):
                walk.keywords.append(edge)
            walk.edges.append(edge)
            walk.state = walk.state.follow(edge)
            if isinstance(edge, Kind) and edge.is_rest:
                walk.consumed = len(tokens)
                return walk
            walk.consumed = index + 1
        return walk

    def _may_filter(self, walk: Walk) -> bool:
        return bool(walk.state.ends and walk.keywords and walk.keywords[0] in self._filterable)

    def parse(self, line: str) -> Match | Failure | None:
        """The command that ``line`` is; ``None`` for a blank line."""
        tokens = tokenize(line)
        if not tokens:
            return None
        walk = self.walk(tokens)
        if walk.problem:
            return Failure(walk.problem, walk.consumed, tokens[walk.consumed])
        if not walk.state.ends:
            return Failure("incomplete", walk.consumed)
        return _bind(walk, tokens, line)


def _bind(walk: Walk, tokens: list[Token], line: str) -> Match:
    """Gives the words of a finished walk the names that the form's syntax has for them."""
    form = walk.state.ends[0]
    leaves = _leaves(form.expression, walk.edges, 0)
    assert leaves is not None, "the walk ended in this form"
    args: dict[str, str] = {}
    offsets: dict[str, int] = {}
    words: list[str] = []
    for leaf, token in zip(leaves, tokens, strict=False):
        if isinstance(leaf, Keyword):
            words.append(leaf.text)
            continue
        text = line[token.offset :].rstrip() if leaf.kind.is_rest else token.text
        args[leaf.name] = text
        offsets[leaf.name] = token.offset
        words.append(text)
    skipped = len(form.prefix)
    pipe = tokens[walk.pipe] if walk.pipe >= 0 else None
    return Match(
        form=form,
        words=tuple(words[skipped:]),
        keywords=frozenset(leaf.text for leaf in leaves[skipped:] if isinstance(leaf, Keyword)),
        args=args,
        offsets=offsets,
        last_offset=tokens[len(leaves) - 1].offset,
        filter=_text_behind(pipe, line) if pipe else None,
    )


def _text_behind(pipe: Token, line: str) -> Token:
    text = line[pipe.offset + 1 :]
    return Token(text.strip(), len(line) - len(text.lstrip()))


def _leaves(expression: Expression, edges: list[Edge], index: int) -> list[Leaf] | None:
    """The leaves of ``expression`` that the steps from ``index`` on stand for."""
    if index == len(edges):
        return [] if may_end(expression) else None
    for leaf, rest in next_steps(expression):
        edge: Edge = leaf.text.lower() if isinstance(leaf, Keyword) else leaf.kind
        if edge == edges[index]:
            tail = _leaves(rest, edges, index + 1)
            if tail is not None:
                return [leaf, *tail]
    return None
