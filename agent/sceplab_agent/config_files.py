"""Reads the TOML of a configuration: one file, or the files of a directory made into one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sceplab_agent.errors import ConfigError, ConfigProblem

_MAX_FILE_BYTES = 1_048_576
_MAX_FILES = 10_000
_GROUP = "trustpoint"
"""The one table that several files may share: each brings trustpoints of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSource:
    """The whole configuration as `tomllib` reads it, and where it came from."""

    values: Mapping[str, object]
    base: Path
    """Absolute directory that relative paths start from."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Which file of a directory brought a table, by its dotted path; empty for a single file."""

    def place(self, problem: ConfigProblem) -> ConfigProblem:
        """The problem, with the file of the directory that it is in."""
        names = problem.path.split(".")
        for depth in (2, 1):
            file = self.files.get(".".join(names[:depth]))
            if file is not None:
                return ConfigProblem(problem.path, f"{problem.reason} (in {file})")
        return problem


def read_source(path: Path) -> ConfigSource:
    """Reads a file, or every ``*.toml`` of a directory in the order of their names.

    Hidden files are left out. A table may stand in one file only, but for the trustpoints, of which
    each file brings its own.

    Raises:
        ConfigError: a file cannot be read or is no TOML, or two of them disagree.
    """
    if not path.is_dir():
        return ConfigSource(values=_read(path), base=path.absolute().parent)
    return _merge(path, _list(path))


def _list(folder: Path) -> list[Path]:
    try:
        found = sorted(
            file for file in folder.iterdir() if file.suffix == ".toml" and file.name[0] != "."
        )
    except OSError as error:
        raise _error(folder, f"cannot be read: {error.strerror}") from error
    if not found:
        raise _error(folder, "has no *.toml file")
    if len(found) > _MAX_FILES:
        raise _error(folder, f"has more than {_MAX_FILES} files")
    return found


def _merge(folder: Path, paths: Sequence[Path]) -> ConfigSource:
    values: dict[str, Any] = {}
    files: dict[str, str] = {}
    problems: list[ConfigProblem] = []

    def take(into: dict[str, Any], key: str, value: object, where: str, file: str) -> None:
        if where in files:
            reason = f"stands in {files[where]} and in {file}; keep one of the two"
            problems.append(ConfigProblem(where, reason))
            return
        files[where] = file
        into[key] = value

    for path in paths:
        try:
            table = _read(path)
        except ConfigError as error:
            problems += [ConfigProblem(path.name, problem.reason) for problem in error.problems]
            continue
        for key, value in table.items():
            if key == _GROUP:
                if not isinstance(value, dict):
                    problems.append(ConfigProblem(key, f"must be a table (in {path.name})"))
                    continue
                group = values.setdefault(_GROUP, {})
                for name, trustpoint in value.items():
                    take(group, name, trustpoint, f"{_GROUP}.{name}", path.name)
            else:
                take(values, key, value, key, path.name)
    if problems:
        raise ConfigError(str(folder), tuple(problems))
    return ConfigSource(values=values, base=folder.absolute(), files=files)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _error(path, f"cannot be read: {error.strerror}") from error
    if len(content) > _MAX_FILE_BYTES:
        raise _error(path, "is longer than 1 MiB")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _error(path, "is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise _error(path, f"is no TOML: {error}") from error


def _error(path: Path, reason: str) -> ConfigError:
    return ConfigError(str(path), (ConfigProblem("", reason),))
