"""YAML as plain values, with the line each of them stands on.

YAML 1.1 takes ``no`` for false, ``0123`` for 83, ``12:30`` for 750 and ``2026-01-01`` for a date.
Nothing of this is undone here; `YamlFile.written` gives what stands in the file, so that whoever
expects a text can say what to quote.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from sceplab_lab.rack_errors import RackError

LIMIT_CHARACTERS = 1_000_000
_DEEPEST = 20
"""A rack has five levels; libyaml's own recursion ends the process at some thousand."""
_OPENING = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_CLOSING = (yaml.MappingEndEvent, yaml.SequenceEndEvent)

Path = Sequence[str | int]
"""Keys and positions from the top."""


class YamlFile:
    """One document.

    Args:
        text: of the file.
        source: its name, for errors.

    Raises:
        RackError: no YAML, too long or too deep, or a key is given twice.
    """

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        if len(text) > LIMIT_CHARACTERS:
            raise RackError(f"is longer than {LIMIT_CHARACTERS} characters", source=source)
        try:
            self._check_depth(text)
            loader = yaml.CSafeLoader(text)
            try:
                self._root = loader.get_single_node()
                self._check_keys(self._root, set())
                self.data: Any = None
                if self._root is not None:
                    self.data = loader.construct_document(self._root)
            finally:
                loader.dispose()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            reason = f"is no YAML: {error.problem or error.context}"
            lines = text.splitlines()
            if mark and mark.line < len(lines) and lines[mark.line].lstrip(" ").startswith("\t"):
                reason = "is indented with a tab; YAML takes blanks only"
            raise RackError(reason, source=source, line=mark.line + 1 if mark else 0) from error
        except (yaml.YAMLError, ValueError) as error:
            # ValueError: a date or a number that only looks like one, for example 2026-13-40.
            raise RackError(f"is no YAML: {error}", source=source) from error

    def line_of(self, path: Path) -> int:
        """Line of a value, or of the nearest one above it that is in the file."""
        node, key_line = self._descend(path)
        return key_line or (node.start_mark.line + 1 if node is not None else 0)

    def written(self, path: Path) -> str:
        """A plain value as it stands in the file; empty: it is none."""
        node, _ = self._descend(path)
        return node.value if isinstance(node, yaml.ScalarNode) else ""

    def _descend(self, path: Path) -> tuple[yaml.Node | None, int]:
        """The node of a path, and the line of its key; parts that are not there are passed over."""
        node, line = self._root, 0
        for part in path:
            if isinstance(node, yaml.MappingNode):
                found = [pair for pair in node.value if _is_key(pair[0], part)]
                if found:
                    line, node = found[-1][0].start_mark.line + 1, found[-1][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                node = node.value[part]
                line = node.start_mark.line + 1
        return node, line

    def _check_depth(self, text: str) -> None:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            depth += isinstance(event, _OPENING) - isinstance(event, _CLOSING)
            if depth > _DEEPEST:
                line = event.start_mark.line + 1
                raise RackError("is nested too deep", source=self._source, line=line)

    def _check_keys(self, node: yaml.Node | None, seen: set[int]) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                self._check_keys(item, seen)
        elif isinstance(node, yaml.MappingNode):
            names: set[str] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in names and key.value != "<<":
                    line = key.start_mark.line + 1
                    raise RackError(f"key '{key.value}' is twice", source=self._source, line=line)
                names.add(getattr(key, "value", "") if isinstance(key, yaml.ScalarNode) else "")
                self._check_keys(value, seen)


def _is_key(node: yaml.Node, part: str | int) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == str(part)
