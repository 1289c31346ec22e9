"""Reads the tables of a configuration file: types, ranges, names nobody knows.

Every mistake is collected with its dotted path, so that one run shows them all. Values are repeated
only where a fixed set of words is expected: anything else might be a secret in the wrong place.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from sceplab_agent.errors import ConfigProblem

T = TypeVar("T")
E = TypeVar("E", bound=enum.Enum)

_CLOSE_ENOUGH = 0.5


class ConfigTable:
    """One table. Ask for every key it may have, then call `finish`.

    A getter notes a mistake and returns the default, so that reading goes on.

    Args:
        values: as `tomllib` gave them.
        path: dotted path of the table; empty for the whole file.
        problems: where mistakes are collected.
    """

    def __init__(
        self, values: Mapping[str, object], path: str, problems: list[ConfigProblem]
    ) -> None:
        self._values = values
        self._path = path
        self._problems = problems
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def problem(self, key: str, reason: str) -> None:
        """Notes a mistake; an empty key stands for the table itself."""
        path = ".".join(part for part in (self._path, key) if part)
        self._problems.append(ConfigProblem(path, reason))

    def text(self, key: str, default: str = "") -> str:
        """A text."""
        value: str = self._typed(key, str, "a text in quotes", default)
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value: bool = self._typed(key, bool, "true or false", default)
        return value

    def number(self, key: str, default: T, *, minimum: float, maximum: float) -> float | T:
        """A finite number within bounds, both included."""
        value = self._typed(key, (int, float), "a number", None)
        if value is None:
            return default
        if not minimum <= value <= maximum:  # false for nan, too
            self.problem(key, f"must be from {minimum:g} to {maximum:g}")
            return default
        return float(value)

    def whole(self, key: str, default: int, *, minimum: int, maximum: int) -> int:
        """A whole number within bounds, both included."""
        value: int = self._typed(key, int, "a whole number", default)
        if not minimum <= value <= maximum:
            self.problem(key, f"must be from {minimum} to {maximum}")
            return default
        return value

    def choice(self, key: str, default: E, allowed: Collection[E] | None = None) -> E:
        """A word that is the value of an enumeration's member."""
        kind = type(default)
        words = {member.value: member for member in (allowed or kind)}
        word = self.text(key, default.value)
        if word in words:
            return words[word]
        close = difflib.get_close_matches(word, words, n=1, cutoff=_CLOSE_ENOUGH)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        self.problem(key, f"is one of {', '.join(words)}{hint}")
        return default

    def texts(self, key: str, convert: Callable[[str], T]) -> tuple[T, ...]:
        """An array of texts, each converted; `ValueError` of the conversion is the mistake."""
        values = self._typed(key, list, "an array of texts", [])
        found = []
        for number, value in enumerate(values, start=1):
            if not isinstance(value, str):
                self.problem(key, f"entry {number} must be a text in quotes")
                continue
            try:
                found.append(convert(value))
            except ValueError as error:
                self.problem(key, f"entry {number}: {error}")
        return tuple(found)

    def converted(
        self, key: str, convert: Callable[[str], T], default: T, *, example: str = ""
    ) -> T:
        """A text, converted; `ValueError` of the conversion is the mistake.

        Args:
            key: its name.
            convert: text to value.
            default: value of an absent or wrong one.
            example: the key must be there and not be empty, for example so.
        """
        value = self._typed(key, str, "a text in quotes", None)
        if example and (key not in self._values or value == ""):
            what = "is empty" if key in self._values else "is missing"
            self.problem(key, f'{what}; write for example {key} = "{example}"')
            return default
        if value is None:
            return default
        try:
            return convert(value)
        except ValueError as error:
            self.problem(key, str(error))
            return default

    def table(self, key: str) -> ConfigTable:
        """A table inside this one; an absent one is empty."""
        values = self._typed(key, dict, "a table", {})
        return ConfigTable(values, f"{self._path}.{key}" if self._path else key, self._problems)

    def tables(self, key: str) -> list[ConfigTable]:
        """An array of tables; mistakes are noted with the number of the table, from 1."""
        path = f"{self._path}.{key}" if self._path else key
        found = []
        for number, values in enumerate(self._typed(key, list, "an array of tables", []), start=1):
            if isinstance(values, dict):
                found.append(ConfigTable(values, f"{path}[{number}]", self._problems))
            else:
                self.problem(key, f"entry {number} must be a table")
        return found

    def mapping(self, key: str) -> Mapping[str, object]:
        """A table inside this one as it is written, for what another program is to read."""
        values: Mapping[str, object] = self._typed(key, dict, "a table", {})
        return values

    def as_written(self) -> Mapping[str, object]:
        """The whole table as the file has it, nothing checked."""
        return dict(self._values)

    def names(self) -> list[str]:
        """The keys of this table, in the order of the file; asking counts as knowing them all."""
        self._asked.update(self._values)
        return list(self._values)

    def finish(self) -> None:
        """Notes every key that nobody asked for, with the closest one that is known."""
        for key in self._values:
            if key not in self._asked:
                close = difflib.get_close_matches(key, self._asked, n=1, cutoff=_CLOSE_ENOUGH)
                hint = f"; did you mean '{close[0]}'?" if close else _known(self._asked)
                self.problem(key, f"is not known here{hint}")

    def _typed(self, key: str, kind: type | tuple[type, ...], what: str, default: Any) -> Any:
        self._asked.add(key)
        if key not in self._values:
            return default
        value = self._values[key]
        # To Python a bool is a number; to TOML it is not.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.problem(key, f"must be {what}")
            return default
        return value


def _known(names: Collection[str]) -> str:
    return f"; known: {', '.join(sorted(names))}" if names else ""
