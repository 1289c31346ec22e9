"""Reads a profile's data files into checked objects. Complaints name the place in the data."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, TypeVar

from sceplab_devices.completer import MANNERS
from sceplab_devices.errors import ProfileError
from sceplab_devices.filters import FilterMaker, FilterSet
from sceplab_devices.grammar import Command
from sceplab_devices.kinds import BUILT_IN, Kind, own_kind
from sceplab_devices.modes import Mode
from sceplab_devices.shell import CLOSINGS, ShellSettings
from sceplab_devices.syntax import (
    NOTHING,
    Choice,
    Expression,
    Parameter,
    join,
    leading_keywords,
    parse_syntax,
)

if TYPE_CHECKING:
    from sceplab_devices.profile import DeviceProfile

Data = dict[str, Any]
T = TypeVar("T")

SECTIONS = (
    "profile", "shell", "lines", "modes", "command", "help", "kinds", "errors", "texts", "data",
)  # fmt: skip
_TOML_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "bool | str": (bool, str),
    "tuple[str, ...]": (list,),
    "Mapping[str, str]": (dict,),
    "Mapping[str, Any]": (dict,),
}
"""What a settings field accepts, by its annotation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """An element of the array ``[[command]]``."""

    modes: tuple[str, ...]
    syntax: str
    handler: str
    no: bool | str = True
    privilege: int = 0
    hidden: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _KindEntry:
    """A table ``[kinds.NAME]``."""

    placeholder: str
    pattern: str


class ProfileReader:
    """Turns one merged table into settings, modes and commands; ``profile`` names it in errors."""

    def __init__(self, profile: str, data: Data) -> None:
        self.profile = profile
        self.data = data
        self._check_keys("", data, SECTIONS)

    def section(self, name: str) -> Data:
        """A top-level table."""
        return self._table(self.data.get(name, {}), name)

    def settings(self, kind: type[T], place: str, values: Data) -> T:
        """An instance of a settings dataclass from a table with just its fields."""
        known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
        self._check_keys(place, values, known)
        for name, item in known.items():
            if name in values:
                self._check_type(f"{place}.{name}", values[name], str(item.type))
            elif item.default is MISSING and item.default_factory is MISSING:
                raise ProfileError(self.profile, f"lacks {name!r}", place=place)
        converted = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return kind(**converted)

    def texts(self, name: str) -> dict[str, str]:
        """A top-level table of texts, tables inside it flattened to dotted keys."""
        return self._flatten(name, self.section(name))

    def _flatten(self, place: str, table: Data, prefix: str = "") -> dict[str, str]:
        flat: dict[str, str] = {}
        for key, value in table.items():
            if isinstance(value, dict):
                flat.update(self._flatten(f"{place}.{key}", value, f"{prefix}{key}."))
            else:
                self._check_type(f"{place}.{key}", value, "str")
                flat[prefix + key] = value
        return flat

    def modes(self) -> dict[str, Mode]:
        """The table ``[modes]``."""
        modes = {
            name: self.settings(
                Mode, f"modes.{name}", {**self._table(values, f"modes.{name}"), "id": name}
            )
            for name, values in self.section("modes").items()
        }
        for mode in modes.values():
            for key in ("fallback", "do"):
                wanted = getattr(mode, key)
                if wanted and wanted not in modes:
                    self._unknown(f"modes.{mode.id}.{key}", "mode", wanted, modes)
        return modes

    def pattern(self, place: str, text: Any) -> re.Pattern[str]:
        """A regular expression; ASCII only, as terminals type it."""
        self._check_type(place, text, "str")
        try:
            return re.compile(text, re.ASCII)
        except re.error as error:
            raise ProfileError(self.profile, f"pattern: {error}", place=place) from error

    def kinds(self) -> dict[str, Kind]:
        """The table ``[kinds]``."""
        kinds = {}
        for name, values in self.section("kinds").items():
            place = f"kinds.{name}"
            entry = self.settings(_KindEntry, place, values)
            if name in BUILT_IN:
                raise ProfileError(self.profile, "is a built-in kind", place=place)
            try:
                kinds[name] = own_kind(name, entry.placeholder, entry.pattern)
            except re.error as error:
                raise ProfileError(self.profile, f"pattern: {error}", place=place) from error
        return kinds

    def commands(self, modes: Mapping[str, Mode], handlers: Iterable[str]) -> tuple[Command, ...]:
        """The array ``[[command]]``."""
        known_modes = {*modes, *(group for mode in modes.values() for group in mode.groups)}
        kinds = self.kinds()
        commands = []
        entries = self.data.get("command", [])
        if not isinstance(entries, list):
            raise ProfileError(self.profile, "must be an array of tables", place="command")
        for number, table in enumerate(entries):
            known = self._table(table, f"command {number}")
            place = f"command {known.get('syntax', number)!r}"
            entry = self.settings(_Entry, place, table)
            for mode in entry.modes:
                if mode not in known_modes:
                    self._unknown(place, "mode", mode, known_modes)
            self._check_handler(place, entry.handler, handlers)
            commands.append(self._command(place, entry, kinds))
        return tuple(commands)

    def filters(self, shell: ShellSettings, makers: Mapping[str, FilterMaker]) -> FilterSet:
        """The filters that ``shell.filters`` names."""
        for name in shell.filters:
            if name not in makers:
                self._unknown("shell.filters", "filter", name, makers)
        return FilterSet({name: makers[name] for name in shell.filters}, shell.filter_chain)

    def check_references(self, profile: DeviceProfile) -> None:
        """Handlers that modes and lines name, and the base mode, must exist."""
        if profile.shell.base_mode not in profile.modes:
            self._unknown("shell.base_mode", "mode", profile.shell.base_mode, profile.modes)
        for mode in profile.modes.values():
            for key in ("unknown", "raw"):
                self._check_handler(f"modes.{mode.id}.{key}", getattr(mode, key), profile.handlers)
            place = f"modes.{mode.id}.on_leave"
            self._check_handler(place, mode.on_leave, profile.leave_handlers)
        if profile.shell.completion not in MANNERS:
            self._unknown("shell.completion", "manner", profile.shell.completion, MANNERS)
        for key in profile.shell.completion_keys:
            if key not in ("\t", " "):
                self._unknown("shell.completion_keys", "key", key, ("\t", " "))
        for kind, line in profile.lines.items():
            self._check_handler(f"lines.{kind}.opening", line.opening, profile.handlers)
            if line.closing not in CLOSINGS:
                self._unknown(f"lines.{kind}.closing", "way", line.closing, CLOSINGS)

    def _check_handler(self, place: str, name: str, known: Iterable[str]) -> None:
        if name and name not in known:
            self._unknown(place, "handler", name, known)

    def _command(self, place: str, entry: _Entry, kinds: dict[str, Kind]) -> Command:
        try:
            expression = parse_syntax(entry.syntax, kinds)
            no = _after_no(entry.no, expression, kinds)
        except ValueError as error:
            raise ProfileError(self.profile, str(error), place=place) from error
        return Command(
            modes=entry.modes,
            syntax=entry.syntax,
            expression=expression,
            handler=entry.handler,
            no=no,
            privilege=entry.privilege,
            hidden=entry.hidden,
            options=entry.options,
        )

    def _table(self, value: Any, place: str) -> Data:
        if not isinstance(value, dict):
            raise ProfileError(self.profile, "must be a table", place=place)
        return value

    def _check_type(self, place: str, value: Any, annotation: str) -> None:
        # type() and not isinstance: true is no number.
        if type(value) not in _TOML_TYPES[annotation]:
            expected = " or ".join(kind.__name__ for kind in _TOML_TYPES[annotation])
            raise ProfileError(self.profile, f"must be of type {expected}", place=place)

    def _check_keys(self, place: str, table: Any, known: Iterable[str]) -> None:
        for key in self._table(table, place):
            if key not in known:
                self._unknown(f"{place}.{key}".lstrip("."), "key", key, known)

    def _unknown(self, place: str, what: str, name: str, known: Iterable[str]) -> None:
        close = get_close_matches(name, list(known), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ProfileError(self.profile, f"unknown {what} {name!r}{hint}", place=place)


def _after_no(
    setting: bool | str, expression: Expression, kinds: dict[str, Kind]
) -> Expression | None:
    if setting is True:
        return expression
    if setting is False:
        return None
    if setting == "*":
        rest = Choice((Parameter("rest", BUILT_IN["line"]), NOTHING))
        return join(leading_keywords(expression), rest)
    return parse_syntax(setting, kinds)


def read_folder(folder: Traversable) -> Data:
    """All ``*.toml`` files below a folder, in the order of their names, as one table.

    Raises:
        ProfileError: a file cannot be read, or two files give the same key different meanings.
    """
    data: Data = {}
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.is_dir():
            merge(data, read_folder(entry), source=entry.name)
        elif entry.name.endswith(".toml"):
            merge(data, _read_file(entry), source=entry.name)
    return data


def read_defaults() -> Data:
    """What a profile need not say itself."""
    return _read_file(files("sceplab_devices") / "defaults.toml")


def _read_file(entry: Traversable) -> Data:
    try:
        return tomllib.loads(entry.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProfileError(entry.name, str(error)) from error


def merge(base: Data, extra: Mapping[str, Any], *, source: str, override: bool = False) -> None:
    """Adds ``extra`` to ``base``: tables key by key, arrays one behind the other.

    Args:
        base: changed in place.
        extra: what is added; not changed, not shared with the result where it is a table.
        source: named in errors.
        override: ``extra`` wins, arrays are replaced; else a key given twice is an error.
    """
    for key, value in extra.items():
        present = base.get(key)
        if isinstance(value, Mapping) and isinstance(present, dict):
            merge(present, value, source=source, override=override)
        elif isinstance(value, Mapping) and present is None:
            base[key] = {}
            merge(base[key], value, source=source, override=override)
        elif isinstance(value, list) and isinstance(present, list) and not override:
            present.extend(value)
        elif present is None or override:
            base[key] = list(value) if isinstance(value, list) else value
        else:
            raise ProfileError(source, "is given twice", place=key)
