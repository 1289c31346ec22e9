"""Typed words to places in the configuration: `read_path` for set, delete, edit and show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sceplab_devices.profiles.candidate.schema import Node, Step
from sceplab_devices.profiles.candidate.words import Word

Path = tuple[str, ...]
ProblemKind = Literal["unknown", "invalid", "value", "missing", "ambiguous"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why words were not understood."""

    kind: ProblemKind
    """``unknown``: the first word is no command; ``invalid``: a word that cannot stand there;
    ``value``: a value of the wrong form; ``missing``: more words are needed."""
    offset: int
    """Column of the word in the line; of the end of the line when something is missing."""
    word: str = ""
    choices: tuple[str, ...] = ()
    """What an ambiguous word may mean."""


@dataclass(slots=True)
class Place:
    """Where words lead.

    Attributes:
        path: the words in full.
        steps: what each of them is.
        node: what may follow.
        more: statements set by the same line before this one (``retry 5 retry-interval 60``).
    """

    path: Path
    steps: tuple[Step, ...]
    node: Node
    more: list[Place] = field(default_factory=list)


def read_path(root: Node, words: list[Word], *, several: bool = False) -> Place | Problem:
    """Follows words through the schema.

    Args:
        root: where they begin.
        words: as typed, keywords perhaps abbreviated.
        several: behind a complete statement another one of the same object may follow.
    """
    place = Place((), (), root)
    objects = [place]
    for word in words:
        found = _step(place, word)
        if isinstance(found, Problem) and several and place.node.is_end:
            found = _step_back(objects, word, found)
            if isinstance(found, Place):
                found.more = [*place.more, Place(place.path, place.steps, place.node)]
        if isinstance(found, Problem):
            return found
        if not found.more:
            found.more = place.more
        place = found
        if place.node.is_container:
            objects.append(place)
    return place


def _step(place: Place, word: Word) -> Place | Problem:
    node = place.node
    names = [] if word.quoted else node.matching(word.text)
    if len(names) == 1:
        step = (*place.steps, Step.KEYWORD)
        return Place((*place.path, names[0]), step, node.keywords[names[0]])
    if names:
        return Problem("ambiguous", word.offset, word.text, tuple(names))
    if node.value is None:
        return Problem("invalid", word.offset, word.text)
    text = node.value.expand(word.text)
    if text is None:
        return Problem("value", word.offset, word.text)
    return Place((*place.path, text), (*place.steps, node.value.step), node.value.node)


def _step_back(objects: list[Place], word: Word, problem: Problem) -> Place | Problem:
    """The innermost open object, or a container around it, that knows the word."""
    for place in reversed(objects):
        found = _step(Place(place.path, place.steps, place.node), word)
        if isinstance(found, Place) and found.steps[-1] is Step.KEYWORD:
            return found
    return problem
