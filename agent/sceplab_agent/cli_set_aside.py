"""``sceplab-agent set-aside``: takes what is damaged out of the way; every byte is kept."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from sceplab_agent.cli_output import Output
from sceplab_agent.config import AgentConfig, load_config
from sceplab_agent.errors import JournalError
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_agent.set_aside import set_damage_aside
from sceplab_agent.state_dir import StateDirLock

_NEXT_STEP = (
    "run sceplab-agent audit: it shows keys and files that nobody names any more; then enroll"
)


def set_aside(arguments: argparse.Namespace, output: Output) -> int:
    """Sets a damaged journal aside, or what a journal knows of damaged trustpoints."""
    config = load_config(arguments.config)
    asked = set(arguments.trustpoints)
    removed = _removed(config)
    configs = config.select(tuple(name for name in arguments.trustpoints if name not in removed))
    if asked and asked <= removed:
        configs = ()
    with StateDirLock(config.state_dir):
        done = set_damage_aside(
            config.state_dir,
            configs,
            removed=removed & asked if asked else removed,
            accept_older=arguments.accept_older,
            now=datetime.now(UTC),
        )
    if output.as_json:
        document = {"ok": True, "exit_code": 0, "set_aside": [one.to_json() for one in done]}
        output.document(document)
        return ExitCode.OK
    for one in done:
        output.text(one.reason.partition("; restore")[0])
        output.text(f"  set aside: {one.path}")
    output.text(_NEXT_STEP if done else "nothing is damaged; nothing was done")
    return ExitCode.OK


def _removed(config: AgentConfig) -> set[str]:
    """Names of the journal, where it can be read, that the configuration has no more."""
    known = {trustpoint.name for trustpoint in config.trustpoints}
    try:
        journal = SqliteJournal.open_read_only(config.state_dir / FILE_NAME)
    except JournalError:
        return set()  # told by who sets it aside
    if journal is None:
        return set()
    try:
        return set(journal.trustpoints()) - known
    finally:
        journal.close()
