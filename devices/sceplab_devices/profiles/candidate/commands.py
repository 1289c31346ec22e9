"""The command table: fixed words, then options in any order.

An entry of ``[[data.commands]]``::

    modes = ["operational"]              # where it can be typed
    words = "request security pki generate-key-pair"
    options = ["certificate-id <id:name>", "size {256|384|2048}", "scep"]
    required = ["certificate-id"]        # options that must be there
    positional = ["<file:name>"]         # values without a keyword, in this order, before options
    path = "any"                         # behind it stands a place in the configuration instead:
                                         # "any", "several" statements, or "container"
    handler = "generate_key_pair"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sceplab_devices.kinds import Kind
from sceplab_devices.profiles.candidate.paths import Place, Problem, ProblemKind, read_path
from sceplab_devices.profiles.candidate.schema import Node, Schema
from sceplab_devices.profiles.candidate.words import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command."""

    handler: str
    modes: tuple[str, ...]
    words: tuple[str, ...]
    options: Node
    positional: tuple[Node, ...] = ()
    required: tuple[str, ...] = ()
    path: str = ""


@dataclass(slots=True)
class Request:
    """A typed command, understood.

    Attributes:
        args: values by option (or positional name); an option without a value has itself.
        place: where in the configuration, for commands with a path.
    """

    command: Command
    args: dict[str, str] = field(default_factory=dict)
    place: Place | None = None


@dataclass(slots=True)
class _Step:
    """A place among the fixed words."""

    below: dict[str, _Step] = field(default_factory=dict)
    command: Command | None = None


class CommandTable:
    """The commands of a platform.

    Args:
        entries: as the module says.
        kinds: the profile's own.
        schema: of the configuration, for commands with a path.

    Raises:
        ValueError: an entry cannot be understood.
    """

    def __init__(
        self, entries: Iterable[Mapping[str, Any]], kinds: Mapping[str, Kind], schema: Schema
    ) -> None:
        self.schema = schema
        self.commands = [_command(entry, kinds) for entry in entries]
        self._roots: dict[str, _Step] = {}
        for command in self.commands:
            for mode in command.modes:
                step = self._roots.setdefault(mode, _Step())
                for word in command.words:
                    step = step.below.setdefault(word, _Step())
                step.command = command

    def parse(self, mode: str, words: list[Word], base: Node) -> Request | Problem:
        """What typed words mean.

        Args:
            mode: they were typed in.
            words: of the line, pipes excluded; at least one.
            base: where paths begin (``edit`` moves it).
        """
        step, at = self._roots[mode], 0
        while at < len(words):
            word = words[at]
            names = _matching(step.below, word)
            if len(names) > 1:
                return Problem("ambiguous", word.offset, word.text, tuple(names))
            if not names:
                break
            step = step.below[names[0]]
            at += 1
        command = step.command
        if command is None:
            if at == len(words):
                return Problem("missing", _end(words))
            kind: ProblemKind = "invalid" if at else "unknown"
            return Problem(kind, words[at].offset, words[at].text)
        request = Request(command)
        problem = self._read_rest(request, words[at:], base, _end(words))
        return problem or request

    def _read_rest(
        self, request: Request, words: list[Word], base: Node, end: int
    ) -> Problem | None:
        command = request.command
        for node in command.positional:
            if words:
                place = read_path(node, words[:1])
                if isinstance(place, Problem):
                    return place
                assert node.value is not None, "a positional is a value"
                request.args[node.value.name] = place.path[0]
                words = words[1:]
        if command.path:
            return self._read_place(request, words, base, end)
        while words:
            found = read_path(command.options, words[:1])
            if isinstance(found, Problem):
                return found
            name, words = found.path[0], words[1:]
            request.args[name] = name
            if found.node.value is not None:
                if not words:
                    return Problem("missing", end)
                text = found.node.value.expand(words[0].text)
                if text is None:
                    return Problem("value", words[0].offset, words[0].text)
                request.args[name], words = text, words[1:]
        if any(name not in request.args for name in command.required):
            return Problem("missing", end)
        return None

    def _read_place(
        self, request: Request, words: list[Word], base: Node, end: int
    ) -> Problem | None:
        several = request.command.path == "several"
        place = read_path(base, words, several=several)
        if isinstance(place, Problem):
            return place
        node = place.node
        needs_value = node.value is not None and not node.is_container
        if several and not (words and (node.is_end or node.is_container)):
            return Problem("missing", end)
        if request.command.path == "container" and (
            not words or needs_value or (node.is_end and not node.is_container)
        ):
            return Problem("missing" if needs_value or not words else "invalid", end)
        request.place = place
        return None

    def following(self, mode: str, words: list[Word], base: Node) -> Following:
        """What may stand behind complete words; for help and completion."""
        step = self._roots[mode]
        for at, word in enumerate(words):
            names = _matching(step.below, word)
            if len(names) != 1:
                return _following_command(step.command, words[at:], base)
            step = step.below[names[0]]
        following = _following_command(step.command, [], base)
        following.words = [*step.below, *following.words]
        return following


@dataclass(slots=True)
class Following:
    """What may be typed next."""

    words: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    """Names of values in angle brackets."""
    can_end: bool = False
    is_known: bool = True
    """The words before it were understood."""


def _matching(below: Mapping[str, _Step], word: Word) -> list[str]:
    if word.quoted:
        return []
    if word.text in below:
        return [word.text]
    return [name for name in below if name.startswith(word.text)]


def _end(words: list[Word]) -> int:
    last = words[-1]
    return last.offset + len(last.text) + (2 if last.quoted else 0)


def _following_command(command: Command | None, words: list[Word], base: Node) -> Following:
    if command is None:
        return Following(is_known=not words)
    for at, node in enumerate(command.positional):
        if not words:
            following = _of_node(node)
            following.can_end = not command.required
            if at == len(command.positional) - 1:
                following.words += list(command.options.keywords)
            return following
        words = words[1:]
    if command.path:
        place = read_path(base, words, several=command.path == "several")
        if isinstance(place, Problem):
            return Following(is_known=False)
        following = _of_node(place.node)
        following.can_end = not following.values and (bool(words) or command.path == "any")
        return following
    return _following_options(command, words)


def _following_options(command: Command, words: list[Word]) -> Following:
    typed = set()
    while words:
        found = read_path(command.options, words[:1])
        if isinstance(found, Problem):
            return Following(is_known=False)
        typed.add(found.path[0])
        words = words[1:]
        if found.node.value is not None:
            if not words:
                return _of_node(found.node)
            words = words[1:]
    left = [name for name in command.options.keywords if name not in typed]
    return Following(left, can_end=typed.issuperset(command.required))


def _of_node(node: Node) -> Following:
    following = Following(list(node.keywords))
    if node.value is not None:
        following.words += node.value.choices
        if node.value.kind is not None:
            following.values.append(f"<{node.value.name}>")
    return following


def _command(entry: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Command:
    known = {"modes", "words", "options", "required", "positional", "path", "handler"}
    unknown = set(entry) - known
    if unknown:
        raise ValueError(f"command {entry.get('words')!r}: unknown keys {sorted(unknown)}")
    options = Schema(entry.get("options", ()), kinds).root
    positional = tuple(Schema([line], kinds).root for line in entry.get("positional", ()))
    return Command(
        handler=entry["handler"],
        modes=tuple(entry["modes"]),
        words=tuple(entry["words"].split()),
        options=options,
        positional=positional,
        required=tuple(entry.get("required", ())),
        path=entry.get("path", ""),
    )
