"""The agent's configuration: TOML, read into frozen values. Secrets only by reference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sceplab_agent.config_files import read_source
from sceplab_agent.config_paths import resolve_path
from sceplab_agent.config_table import ConfigTable
from sceplab_agent.config_trustpoint import read_key_store, read_trustpoint
from sceplab_agent.errors import ConfigError, ConfigProblem
from sceplab_agent.key_names import find_conflicts
from sceplab_agent.transport import HttpLimits
from sceplab_agent.trustpoint import TrustpointConfig

_HOUR_S = 3600.0
_MIN_REPLY_BYTES = 1024
_MAX_REPLY_BYTES = 64 * 1024 * 1024
_HEADER_TEXT = re.compile(r"[\x20-\x7e]{0,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """``[http]``: how servers are reached."""

    limits: HttpLimits = field(default_factory=HttpLimits)
    tls_ca_file: Path | None = None
    """Whom https servers are checked against; ``None``: the operating system's trust store."""
    user_agent: str = ""
    """Header of that name; empty: none."""

    @classmethod
    def from_table(cls, table: ConfigTable, *, base: Path) -> HttpConfig:
        """Reads the table."""
        default = HttpLimits()
        config = cls(
            limits=HttpLimits(
                connect_timeout_s=_timeout(table, "connect_timeout_s", default.connect_timeout_s),
                read_timeout_s=_timeout(table, "read_timeout_s", default.read_timeout_s),
                total_timeout_s=_timeout(table, "total_timeout_s", default.total_timeout_s),
                max_reply_bytes=table.whole(
                    "max_reply_bytes",
                    default.max_reply_bytes,
                    minimum=_MIN_REPLY_BYTES,
                    maximum=_MAX_REPLY_BYTES,
                ),
            ),
            tls_ca_file=table.converted("tls_ca_file", lambda text: resolve_path(text, base), None),
            user_agent=table.converted("user_agent", _header_text, ""),
        )
        table.finish()
        return config


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """A whole configuration, of one file or several."""

    file: str
    """Its name, for people."""
    state_dir: Path
    """Journal and certificates; absolute."""
    http: HttpConfig
    trustpoints: tuple[TrustpointConfig, ...]
    """In the order of the file, or of the files' names."""

    @classmethod
    def from_mapping(cls, values: Mapping[str, object], *, file: str, base: Path) -> AgentConfig:
        """Checks what `tomllib` read.

        Args:
            values: the whole file.
            file: its name, for people.
            base: absolute directory that relative paths start from.

        Raises:
            ConfigError: with every mistake, not only the first.
        """
        problems: list[ConfigProblem] = []
        table = ConfigTable(values, "", problems)
        agent = table.table("agent")
        state_dir = agent.converted(
            "state_dir", lambda text: resolve_path(text, base), base, example="state"
        )
        agent.finish()
        http = HttpConfig.from_table(table.table("http"), base=base)
        default_store = read_key_store(table.table("keystore"), base)
        group = table.table("trustpoint")
        trustpoints = tuple(
            read_trustpoint(name, group.table(name), base=base, default_store=default_store)
            for name in group.names()
        )
        if not trustpoints:
            table.problem("trustpoint", "there is none; add a table [trustpoint.NAME]")
        table.finish()
        for name, reason in find_conflicts(trustpoints):
            problems.append(ConfigProblem(f"trustpoint.{name}.key.id", reason))
        if problems:
            raise ConfigError(file, tuple(problems))
        return cls(file=file, state_dir=state_dir, http=http, trustpoints=trustpoints)

    def select(self, names: tuple[str, ...]) -> tuple[TrustpointConfig, ...]:
        """The trustpoints named, in that order; all of them when none is named.

        Raises:
            ConfigError: a name is not in the file.
        """
        known = {trustpoint.name: trustpoint for trustpoint in self.trustpoints}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ConfigError(
                self.file,
                tuple(
                    ConfigProblem("", f"there is no trustpoint '{name}'; known: {', '.join(known)}")
                    for name in unknown
                ),
            )
        return tuple(known[name] for name in dict.fromkeys(names)) or self.trustpoints


def load_config(path: Path) -> AgentConfig:
    """Reads and checks a configuration: a file, or a directory of ``*.toml`` files.

    Raises:
        ConfigError: it cannot be read, is no TOML, or has mistakes.
    """
    source = read_source(path)
    try:
        return AgentConfig.from_mapping(source.values, file=str(path), base=source.base)
    except ConfigError as error:
        raise ConfigError(error.file, tuple(map(source.place, error.problems))) from error


def _timeout(table: ConfigTable, key: str, default: float) -> float:
    return table.number(key, default, minimum=0.1, maximum=_HOUR_S)


def _header_text(text: str) -> str:
    if not _HEADER_TEXT.fullmatch(text):
        raise ValueError("must be at most 200 printable ASCII characters")
    return text
