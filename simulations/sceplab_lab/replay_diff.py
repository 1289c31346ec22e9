"""Differences of one played step for people: a unified diff in which every byte can be seen."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from itertools import takewhile

from sceplab_devices.transcript import Step, fits

_CONTEXT_LINES = 3


def visible(line: str) -> str:
    """A line with escapes for what cannot be seen, blanks at its end included."""
    text = line.encode("unicode_escape").decode("ascii").replace("\\\\", "\\")
    stripped = text.rstrip(" ")
    return stripped + "\\x20" * (len(text) - len(stripped))


def differences(step: Step) -> list[str]:
    """Lines of a unified diff: ``-`` what the transcript says, ``+`` what the device says."""
    wanted = _without_wildcards(step.expected, step.actual)
    if not step.has_echo:
        wanted = ["(echo of what was typed)", *wanted]
    diff = difflib.unified_diff(
        [visible(line) for line in wanted],
        [visible(line) for line in step.actual],
        lineterm="",
        n=_CONTEXT_LINES,
    )
    return list(_marked(list(diff)[2:]))


def _marked(diff: list[str]) -> Iterator[str]:
    """The diff; where one line stands for one other, a caret is below their first difference."""
    before, previous = "", ""
    for line, following in zip(diff, [*diff[1:], ""], strict=True):
        yield line
        is_pair = previous.startswith("-") and line.startswith("+")
        if is_pair and not before.startswith("-") and not following.startswith("+"):
            pairs = zip(previous[1:], line[1:], strict=False)
            same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            if same:
                yield f"?{' ' * same}^"
        before, previous = previous, line


def _without_wildcards(expected: list[str], actual: list[str]) -> list[str]:
    """The expected lines, those with wildcards replaced by the line they stand for."""
    left = list(actual)
    lines = []
    for wanted in expected:
        found = next((line for line in left if fits(wanted, line)), None)
        if found is not None:
            del left[: left.index(found) + 1]
        lines.append(wanted if found is None else found)
    return lines
