"""The commands of `sceplab-agent`, each a function of its arguments. The composition root."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import secrets
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from sceplab_agent.cli_control import ask_running
from sceplab_agent.cli_output import Output, Progress
from sceplab_agent.config import AgentConfig, load_config
from sceplab_agent.config_check import check_surroundings
from sceplab_agent.config_view import describe_config, format_toml
from sceplab_agent.core.next_steps import END_HANDOFF, NOT_CANCELLED
from sceplab_agent.core.states import State
from sceplab_agent.daemon.host import HostOptions, ServiceHost
from sceplab_agent.errors import EnrollmentFailedError
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.http_transport import StdlibTransport
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_agent.outcome import raise_for_outcome
from sceplab_agent.service import AgentService, Outside
from sceplab_agent.service_status import service_statuses, status_code, unopened_code
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.status import TrustpointStatus, read_status
from sceplab_agent.terminal import terminal_kept
from sceplab_agent.trustpoint import TrustpointConfig

_TRANSACTION_ID_BYTES = 16


def check(arguments: argparse.Namespace, output: Output) -> int:
    """Checks configuration, key stores and journal, and shows what is in force."""
    config = load_config(arguments.config)
    configs = config.select(tuple(arguments.trustpoints))
    findings = check_surroundings(config, configs, now=_now)
    view = describe_config(config)
    if output.as_json:
        output.document({"ok": True, "exit_code": 0, "config": view, "findings": findings})
    else:
        output.text(format_toml(view))
        output.text("")
        for finding in findings:
            output.text(f"# {finding}")
        output.text(f"# {config.file} is in order")
    return ExitCode.OK


def enroll(arguments: argparse.Namespace, output: Output) -> int:
    """Gets certificates; by the running agent, where one runs."""
    config, configs = _load(arguments)
    asked = _ask(arguments, output, config, again=arguments.again, wait=not arguments.no_wait)
    if asked is not None:
        return asked
    with make_service(config, output, is_tracing=arguments.trace) as service:
        sessions = service.enroll(configs, wait=not arguments.no_wait, again=arguments.again)
        return _tell(service, configs, sessions, output)


def renew(arguments: argparse.Namespace, output: Output) -> int:
    """Renews certificates now; by the running agent, where one runs."""
    config, configs = _load(arguments)
    asked = _ask(arguments, output, config, wait=not arguments.no_wait)
    if asked is not None:
        return asked
    with make_service(config, output, is_tracing=arguments.trace) as service:
        sessions = service.renew(configs, wait=not arguments.no_wait)
        return _tell(service, configs, sessions, output)


def cancel(arguments: argparse.Namespace, output: Output) -> int:
    """Gives enrollments up and deletes their new keys."""
    config, configs = _load(arguments)
    with make_service(config, output, is_tracing=False) as service:
        sessions = service.cancel(configs)
        code = ExitCode.OK
        for name, closed in service.unopened.items():
            code = _fail(output, f"{name}: {closed}", unopened_code(closed))
        for session in sessions:
            if session.machine.successor is not None:
                text = f"{session.name}: {NOT_CANCELLED}; next step: {END_HANDOFF}"
                code = _fail(output, text, ExitCode.HANDOFF)
        return output.statuses(_statuses(service, configs, sessions), code)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Serves all trustpoints until a signal comes."""
    config, configs = _load(arguments)
    options = HostOptions(
        load=lambda: _load(arguments),
        say=output.say,
        environment=os.environ,
        metrics=arguments.metrics,
    )
    with make_service(config, output, is_tracing=arguments.trace) as service:
        with terminal_kept():
            sessions, number, configs = asyncio.run(_host(service, configs, options))
        code = ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.OK
        output.say(f"stopped by {signal.Signals(number).name}")
        output.statuses(_statuses(service, configs, sessions), ExitCode.OK)
        return code


def status(arguments: argparse.Namespace, output: Output) -> int:
    """Shows what the running agent says, or else what the journal knows."""
    config, configs = _load(arguments)
    asked = _ask(arguments, output, config)
    if asked is not None:
        return asked
    journal = SqliteJournal.open_read_only(config.state_dir / FILE_NAME)
    try:
        statuses = read_status(configs, journal, state_dir=config.state_dir, now=_now())
    finally:
        if journal is not None:
            journal.close()
    return output.statuses(statuses, status_code(statuses))


def _ask(
    arguments: argparse.Namespace, output: Output, config: AgentConfig, **words: bool
) -> int | None:
    request = {"op": arguments.command, "trustpoints": list(arguments.trustpoints), **words}
    return ask_running(config, output, request)


def _load(arguments: argparse.Namespace) -> tuple[AgentConfig, tuple[TrustpointConfig, ...]]:
    config = load_config(arguments.config)
    return config, config.select(tuple(arguments.trustpoints))


def make_service(config: AgentConfig, output: Output, *, is_tracing: bool) -> AgentService:
    """The service of a command, with the real outside."""
    outside = Outside(
        transport=StdlibTransport(
            config.http.limits,
            tls_ca_file=config.http.tls_ca_file,
            user_agent=config.http.user_agent,
        ),
        clock=_now,
        sleep=time.sleep,
        random_bytes=os.urandom,
        rng=random.SystemRandom(),
        new_transaction_id=lambda: secrets.token_hex(_TRANSACTION_ID_BYTES).upper(),
        observer=Progress(output, _now, is_tracing=is_tracing),
    )
    return AgentService(config, outside)


def _now() -> datetime:
    return datetime.now(UTC)


async def _host(
    service: AgentService, configs: Sequence[TrustpointConfig], options: HostOptions
) -> tuple[list[EnrollmentSession], int, tuple[TrustpointConfig, ...]]:
    host = ServiceHost(service, options)
    sessions, number = await host.run(configs)
    return sessions, number, host.configs


def _tell(
    service: AgentService,
    configs: Sequence[TrustpointConfig],
    sessions: Sequence[EnrollmentSession],
    output: Output,
) -> int:
    """Prints how the trustpoints ended; the first failure, in their order, gives the exit code."""
    by_name = {session.name: session for session in sessions}
    codes = []
    for config in configs:
        session = by_name.get(config.name)
        if session is None:
            closed = service.unopened[config.name]
            codes.append(_fail(output, f"{config.name}: {closed}", unopened_code(closed)))
            continue
        try:
            if config.name in service.unrenewed:
                raise service.unrenewed[config.name]
            raise_for_outcome(session)
        except EnrollmentFailedError as error:
            codes.append(_fail(output, str(error), error.exit_code))
        else:
            codes += [ExitCode.PENDING] if session.state is State.PENDING else []
    waiting = ExitCode.PENDING if codes else ExitCode.OK
    code = next((code for code in codes if code is not ExitCode.PENDING), waiting)
    return output.statuses(_statuses(service, configs, sessions), code)


def _fail(output: Output, text: str, code: ExitCode) -> ExitCode:
    """Tells a failure of one trustpoint among others; in JSON its status says it."""
    if not output.as_json:
        output.fail(text, code)
    return code


def _statuses(
    service: AgentService,
    configs: Sequence[TrustpointConfig],
    sessions: Sequence[EnrollmentSession],
) -> list[TrustpointStatus]:
    by_name = {session.name: session for session in sessions}
    return service_statuses(service, configs, by_name, _now())
