r"""Regular expressions of output filters, matched in time proportional to the text.

Operators type these patterns, and the standard library's matcher takes exponential time on some of
them (``(a+)+$``), which would stop every console of the process. This one follows all alternatives
at once (Thompson's construction) and remembers the sets it meets, so no pattern can stall it. It
answers one question, whether a line matches anywhere; it knows no groups to extract and no
back-references.

Notation, as Cisco documents it: ``.`` ``[a-z]`` ``[^a-z]`` ``*`` ``+`` ``?`` ``|`` ``( )`` ``^``
``$``, ``_`` (start, end, blank, comma, brace, parenthesis or underscore) and ``\\`` before any of
them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PATTERN_LIMIT_CHARS = 128
_CACHED_SETS = 256
_SPECIAL = frozenset(".[]*+?|()^$_\\")
_DELIMITERS = frozenset(" ,{}()_")


class PatternError(ValueError):
    """The pattern cannot be read."""


@dataclass(slots=True)
class _Node:
    """One state of the automaton: takes a character, or leads on without one, or accepts."""

    chars: frozenset[str] | None = None
    inverted: bool = False
    only: str = ""
    """``begin`` or ``end``: may only be passed there."""
    takes: bool = False
    next: list[int] = field(default_factory=list)

    def accepts(self, char: str) -> bool:
        return self.takes and (self.chars is None or (char in self.chars) != self.inverted)


@dataclass(slots=True)
class _Piece:
    """Part of an automaton: its first node and the nodes whose ``next`` is still open."""

    first: int
    open: list[int]


class LinePattern:
    """A compiled pattern.

    Args:
        text: the pattern.
        delimiters: ``_`` is a delimiter; else it is a character like others.
        ignore_case: capitals and small letters are the same.

    Raises:
        PatternError: from the constructor.
    """

    def __init__(self, text: str, *, delimiters: bool = True, ignore_case: bool = False) -> None:
        if len(text) > PATTERN_LIMIT_CHARS:
            raise PatternError(f"pattern is longer than {PATTERN_LIMIT_CHARS} characters")
        self._ignores_case = ignore_case
        text = text.lower() if ignore_case else text
        special = _SPECIAL if delimiters else _SPECIAL - {"_"}
        self._literal = text if text and not special.intersection(text) else None
        self._nodes: list[_Node] = []
        if self._literal is not None:
            return
        compiler = _Compiler(text, self._nodes, delimiters=delimiters)
        self._accept = compiler.finish()
        self._at_begin = self._closure([compiler.first], begin=True)
        self._restart = self._closure([compiler.first], begin=False)
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def matches(self, line: str) -> bool:
        """Whether the pattern occurs anywhere in ``line``."""
        line = line.lower() if self._ignores_case else line
        if self._literal is not None:
            return self._literal in line
        present = self._at_begin
        for char in line:
            if self._accept in present:
                return True
            step = self._steps.get((present, char))
            if step is None:
                step = self._step(present, char)
            present = step
        if self._accept in present:
            return True
        return self._accept in self._closure(list(present), begin=not line, end=True)

    def _step(self, present: frozenset[int], char: str) -> frozenset[int]:
        reached = [
            target
            for index in present
            if self._nodes[index].accepts(char)
            for target in self._nodes[index].next
        ]
        result = self._closure(reached, begin=False) | self._restart
        if len(self._steps) >= _CACHED_SETS:
            self._steps.clear()
        self._steps[present, char] = result
        return result

    def _closure(self, starts: list[int], *, begin: bool, end: bool = False) -> frozenset[int]:
        seen: set[int] = set()
        todo = list(starts)
        while todo:
            index = todo.pop()
            if index in seen:
                continue
            seen.add(index)
            node = self._nodes[index]
            if (
                node.takes
                or (node.only == "begin" and not begin)
                or (node.only == "end" and not end)
            ):
                continue
            todo.extend(node.next)
        return frozenset(seen)


class _Compiler:
    """Reads a pattern and fills the node list."""

    def __init__(self, text: str, nodes: list[_Node], *, delimiters: bool) -> None:
        self.text = text
        self.delimiters = delimiters
        self.nodes = nodes
        self.position = 0
        self.first = 0

    def finish(self) -> int:
        """Compiles everything; returns the accepting node."""
        piece = self.alternatives()
        if self.position < len(self.text):
            raise PatternError("unmatched )")
        accept = self.node()
        self.connect(piece, accept)
        self.first = piece.first
        return accept

    def node(self, **settings: object) -> int:
        self.nodes.append(_Node(**settings))  # type: ignore[arg-type]
        return len(self.nodes) - 1

    def connect(self, piece: _Piece, target: int) -> None:
        for index in piece.open:
            self.nodes[index].next.append(target)

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def alternatives(self) -> _Piece:
        split = self.node()
        open_ends: list[int] = []
        while True:
            piece = self.sequence()
            self.nodes[split].next.append(piece.first)
            open_ends += piece.open
            if self.peek() != "|":
                return _Piece(split, open_ends)
            self.position += 1

    def sequence(self) -> _Piece:
        first = self.node()
        whole = _Piece(first, [first])
        while self.peek() not in ("", "|", ")"):
            piece = self.repeated(self.atom())
            self.connect(whole, piece.first)
            whole = _Piece(first, piece.open)
        return whole

    def repeated(self, piece: _Piece) -> _Piece:
        while self.peek() in ("*", "+", "?") and self.peek():
            sign = self.text[self.position]
            self.position += 1
            split = self.node(next=[piece.first])
            if sign == "?":
                piece = _Piece(split, [*piece.open, split])
                continue
            self.connect(piece, split)
            piece = _Piece(split if sign == "*" else piece.first, [split])
        return piece

    def atom(self) -> _Piece:
        char = self.text[self.position]
        self.position += 1
        if char in "*+?":
            raise PatternError(f"nothing to repeat before {char}")
        if char == "(":
            piece = self.alternatives()
            if self.peek() != ")":
                raise PatternError("missing )")
            self.position += 1
            return piece
        if char == "_" and self.delimiters:
            return self.delimiter()
        if char in "^$":
            return self.single(only="begin" if char == "^" else "end")
        if char == "[":
            return self.bracket()
        if char == ".":
            return self.single(takes=True)
        if char == "\\":
            if not self.peek():
                raise PatternError("trailing backslash")
            char = self.text[self.position]
            self.position += 1
        return self.single(takes=True, chars=frozenset(char))

    def single(self, **settings: object) -> _Piece:
        index = self.node(**settings)
        return _Piece(index, [index])

    def delimiter(self) -> _Piece:
        ends = [
            self.node(only="begin"),
            self.node(only="end"),
            self.node(takes=True, chars=_DELIMITERS),
        ]
        return _Piece(self.node(next=list(ends)), ends)

    def bracket(self) -> _Piece:
        inverted = self.peek() == "^"
        self.position += inverted
        end = self.text.find("]", self.position + 1)
        if end < 0:
            raise PatternError("missing ]")
        body = self.text[self.position : end]
        self.position = end + 1
        chars: set[str] = set()
        index = 0
        while index < len(body):
            if body[index + 1 : index + 2] == "-" and index + 2 < len(body):
                chars.update(map(chr, range(ord(body[index]), ord(body[index + 2]) + 1)))
                index += 3
            else:
                chars.add(body[index])
                index += 1
        return self.single(takes=True, chars=frozenset(chars), inverted=inverted)
