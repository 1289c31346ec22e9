"""A configuration: nested words, and what set and delete do to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from sceplab_devices.profiles.candidate.paths import Path, Place
from sceplab_devices.profiles.candidate.schema import Node, Step

Tree: TypeAlias = dict[str, "Tree"]
"""Each word with what stands below it; an empty one ends a statement."""


def put(tree: Tree, place: Place) -> None:
    """Sets a statement, and those that its line set before it."""
    for earlier in place.more:
        put(tree, earlier)
    for word, step in zip(place.path, place.steps, strict=True):
        if step is Step.VALUE and word not in tree:
            tree.clear()
        tree = tree.setdefault(word, {})


def take(tree: Tree, path: Path) -> bool:
    """Deletes what stands at a path, and containers that are empty then; false: nothing does."""
    if not path:
        had_any = bool(tree)
        tree.clear()
        return had_any
    below = tree.get(path[0])
    if below is None:
        return False
    if len(path) == 1:
        del tree[path[0]]
        return True
    found = take(below, path[1:])
    if found and not below:
        del tree[path[0]]
    return found


def find(tree: Tree, *path: str) -> Tree | None:
    """What stands below a path; ``None``: nothing, not even the path."""
    for word in path:
        below = tree.get(word)
        if below is None:
            return None
        tree = below
    return tree


def value(tree: Tree, *path: str) -> str:
    """The value of a statement; empty: not set."""
    return next(iter(find(tree, *path) or {}), "")


def names(tree: Tree, *path: str) -> list[str]:
    """Names of the objects (or the values) at a path, in the order they were set."""
    return list(find(tree, *path) or {})


def copy(tree: Tree) -> Tree:
    """A configuration of its own with the same statements."""
    return {word: copy(below) for word, below in tree.items()}


def statements(tree: Tree, node: Node, path: Path = ()) -> Iterator[Path]:
    """Every statement's words, in the order of the schema."""
    if not tree:
        yield path
    for word, below in ordered(tree, node):
        yield from statements(below, child(node, word), (*path, word))


def ordered(tree: Tree, node: Node) -> list[tuple[str, Tree]]:
    """What stands in a container: keywords as the schema lists them, names as they were set."""
    known = [(word, tree[word]) for word in node.keywords if word in tree]
    return known + [(word, below) for word, below in tree.items() if word not in node.keywords]


def child(node: Node, word: str) -> Node:
    """What may follow a word."""
    if word in node.keywords:
        return node.keywords[word]
    return node.value.node if node.value else Node()
