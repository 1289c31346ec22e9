"""Reads a profile's data files into checked objects. Complaints name the place in the data."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, TypeVar

from sceplab_devices.errors import ProfileError
from sceplab_devices.grammar import Command
from sceplab_devices.kinds import BUILT_IN, Kind, own_kind
from sceplab_devices.modes import Mode
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
_COMMAND_KEYS = ("modes", "syntax", "handler", "no", "privilege", "hidden", "options")


class ProfileReader:
    """Turns one merged table into settings, modes and commands; ``profile`` names it in errors."""

    def __init__(self, profile: str, data: Data) -> None:
        self.profile = profile
        self.data = data
        self._check_keys("", data, SECTIONS)

    def section(self, name: str) -> Data:
        """A top-level table."""
        value = self.data.get(name, {})
        if not isinstance(value, dict):
            raise ProfileError(self.profile, "must be a table", place=name)
        return value

    def settings(self, kind: type[T], place: str, values: Data) -> T:
        """An instance of a settings dataclass from a table with just its fields."""
        names = [item.name for item in fields(kind)]  # type: ignore[arg-type]
        self._check_keys(place, values, names)
        converted = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        try:
            return kind(**converted)
        except TypeError as error:
            raise ProfileError(self.profile, str(error), place=place) from error

    def modes(self) -> dict[str, Mode]:
        """The table ``[modes]``."""
        modes = {
            name: self.settings(Mode, f"modes.{name}", {"id": name, **values})
            for name, values in self.section("modes").items()
        }
        for mode in modes.values():
            for key in ("fallback", "do"):
                wanted = getattr(mode, key)
                if wanted and wanted not in modes:
                    self._unknown(f"modes.{mode.id}.{key}", "mode", wanted, modes)
        return modes

    def kinds(self) -> dict[str, Kind]:
        """The table ``[kinds]``."""
        kinds = {}
        for name, values in self.section("kinds").items():
            place = f"kinds.{name}"
            self._check_keys(place, values, ("placeholder", "pattern"))
            if name in BUILT_IN:
                raise ProfileError(self.profile, "is a built-in kind", place=place)
            try:
                kinds[name] = own_kind(name, values["placeholder"], values["pattern"])
            except (KeyError, re.error) as error:
                raise ProfileError(self.profile, f"{error!r}", place=place) from error
        return kinds

    def commands(self, modes: Mapping[str, Mode], handlers: Iterable[str]) -> tuple[Command, ...]:
        """The array ``[[command]]``."""
        known_modes = {*modes, *(group for mode in modes.values() for group in mode.groups)}
        kinds = self.kinds()
        commands = []
        entries = self.data.get("command", [])
        for number, entry in enumerate(entries):
            place = f"command {entry.get('syntax', number)!r}"
            self._check_keys(place, entry, _COMMAND_KEYS)
            for key in ("modes", "syntax", "handler"):
                if key not in entry:
                    raise ProfileError(self.profile, f"lacks {key!r}", place=place)
            for mode in entry["modes"]:
                if mode not in known_modes:
                    self._unknown(place, "mode", mode, known_modes)
            if entry["handler"] not in handlers:
                self._unknown(place, "handler", entry["handler"], handlers)
            commands.append(self._command(place, entry, kinds))
        return tuple(commands)

    def check_references(self, profile: DeviceProfile) -> None:
        """Handlers that modes and lines name, and the base mode, must exist."""
        if profile.shell.base_mode not in profile.modes:
            self._unknown("shell.base_mode", "mode", profile.shell.base_mode, profile.modes)
        for mode in profile.modes.values():
            for key in ("unknown", "raw"):
                self._check_handler(f"modes.{mode.id}.{key}", getattr(mode, key), profile.handlers)
            place = f"modes.{mode.id}.on_leave"
            self._check_handler(place, mode.on_leave, profile.leave_handlers)
        for kind, line in profile.lines.items():
            self._check_handler(f"lines.{kind}.opening", line.opening, profile.handlers)

    def _check_handler(self, place: str, name: str, known: Iterable[str]) -> None:
        if name and name not in known:
            self._unknown(place, "handler", name, known)

    def _command(self, place: str, entry: Data, kinds: dict[str, Kind]) -> Command:
        try:
            expression = parse_syntax(entry["syntax"], kinds)
            no = _after_no(entry.get("no", True), expression, kinds)
        except ValueError as error:
            raise ProfileError(self.profile, str(error), place=place) from error
        return Command(
            modes=tuple(entry["modes"]),
            syntax=entry["syntax"],
            expression=expression,
            handler=entry["handler"],
            no=no,
            privilege=entry.get("privilege", 0),
            hidden=entry.get("hidden", False),
            options=entry.get("options", {}),
        )

    def _check_keys(self, place: str, table: Any, known: Iterable[str]) -> None:
        if not isinstance(table, dict):
            raise ProfileError(self.profile, "must be a table", place=place)
        for key in table:
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
