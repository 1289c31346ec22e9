"""Commands that ask a running agent: `approve-fingerprint`, `events`; others by `ask_running`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sceplab_agent.cli_output import Output
from sceplab_agent.config import AgentConfig, load_config
from sceplab_agent.control_client import ask_agent
from sceplab_agent.errors import RequestRefusedError
from sceplab_agent.event_catalogue import entry_to_json, format_event
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_agent.status import TrustpointStatus, read_status

_LOOK_EVERY_S = 1.0
"""How often a journal without a running agent is looked into."""


def ask_running(config: AgentConfig, output: Output, request: Mapping[str, object]) -> int | None:
    """Has a running agent do it and prints how its trustpoints stand.

    Returns:
        The exit code; ``None``: no agent runs in that state directory.

    Raises:
        AgentError: it went away.
        RequestRefusedError: it refused.
    """
    replies = ask_agent(config.state_dir, request)
    if replies is None:
        return None
    if request.get("wait"):
        output.say("the running agent does it; its progress: sceplab-agent events --follow")
    reply = next(replies)
    require_ok(reply)
    code = ExitCode(int(reply.get("exit_code", 0)))
    for error in reply.get("errors", []):
        if not output.as_json:
            output.fail(str(error), code)
    return output.statuses([TrustpointStatus.from_json(one) for one in reply["trustpoints"]], code)


def approve_fingerprint(arguments: argparse.Namespace, output: Output) -> int:
    """Accepts the CA that a running agent asks about."""
    config = load_config(arguments.config)
    name = arguments.trustpoint
    request = {
        "op": "approve-fingerprint",
        "trustpoints": [name],
        "fingerprint": arguments.fingerprint,
    }
    code = ask_running(config, output, request)
    if code is not None:
        return code
    step = f"or write the fingerprint into the configuration as trustpoint.{name}.fingerprint"
    if _knows_next_ca(config, name):
        # As the pin it would block renewals, which the present CA serves until the switch.
        step = "then approve it again"
    raise RequestRefusedError(
        f"no agent runs in {config.state_dir}, so none asks; start sceplab-agent run, {step}",
        exit_code=ExitCode.CONFIGURATION,
    )


def _knows_next_ca(config: AgentConfig, name: str) -> bool:
    """Whether the journal knows the next CA of a trustpoint."""
    configs = config.select((name,))
    journal = SqliteJournal.open_read_only(config.state_dir / FILE_NAME)
    try:
        (status,) = read_status(configs, journal, state_dir=None)
    finally:
        if journal is not None:
            journal.close()
    return bool(status.next_ca_sha256)


def events(arguments: argparse.Namespace, output: Output) -> int:
    """Shows the journal, and with ``--follow`` what is added to it."""
    config = load_config(arguments.config)
    names = [*arguments.trustpoints, *arguments.trustpoint]
    config.select(tuple(names))
    request = {"op": "events", "trustpoints": names, "follow": arguments.follow}
    replies = ask_agent(config.state_dir, request)
    found = (
        _of_journal(config.state_dir, set(names), follow=arguments.follow)
        if replies is None
        else _of_agent(replies)
    )
    for event in found:
        output.text(
            json.dumps(event, ensure_ascii=False) if output.as_json else format_event(event)
        )
    return ExitCode.OK


def _of_agent(replies: Iterable[dict[str, Any]]) -> Iterator[Mapping[str, object]]:
    for reply in replies:
        if "event" not in reply:
            require_ok(reply)
            return
        yield reply["event"]


def _of_journal(
    state_dir: Path, names: set[str], *, follow: bool
) -> Iterator[Mapping[str, object]]:
    seq = 0
    while True:
        journal = SqliteJournal.open_read_only(state_dir / FILE_NAME)
        try:
            while page := journal.entries(after=seq) if journal is not None else []:
                seq = page[-1].seq
                yield from (
                    entry_to_json(entry) for entry in page if not names or entry.trustpoint in names
                )
        finally:
            if journal is not None:
                journal.close()
        if not follow:
            return
        time.sleep(_LOOK_EVERY_S)


def require_ok(reply: Mapping[str, Any]) -> None:
    """Raises the running agent's refusal.

    Raises:
        RequestRefusedError: it refused.
    """
    if "error" in reply:
        code = ExitCode(int(reply.get("exit_code", ExitCode.FAILED)))
        raise RequestRefusedError(str(reply["error"]), exit_code=code)
