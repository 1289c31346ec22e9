"""The service as a process: signals, reload, clock, service manager, control socket, metrics."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from sceplab_agent.config import AgentConfig
from sceplab_agent.daemon import control_socket
from sceplab_agent.daemon.clock_watch import LOOK_EVERY_S, ClockWatch, look_again, tell_jump
from sceplab_agent.daemon.control_server import ControlServer
from sceplab_agent.daemon.loop import ServiceLoop
from sceplab_agent.daemon.metrics_address import listen_tcp
from sceplab_agent.daemon.notify import Notifier
from sceplab_agent.daemon.operations import Operations
from sceplab_agent.daemon.tally import Bell, Tally
from sceplab_agent.drivers.threads import run_in_thread
from sceplab_agent.durable import MAKE_ROOM, NO_ROOM
from sceplab_agent.errors import (
    AgentError,
    ConfigError,
    JournalError,
    JournalFullError,
    RequestRefusedError,
    SnapshotDamagedError,
)
from sceplab_agent.service import AgentService
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.trustpoint import TrustpointConfig

_STATUS_EVERY_S = 0.2
"""The service manager is told at most this often; a look at all trustpoints takes time, too."""

Loaded = tuple[AgentConfig, Sequence[TrustpointConfig]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """What the process is told beside the configuration."""

    load: Callable[[], Loaded]
    """Reads the configuration anew; raises `ConfigError`."""
    say: Callable[[str], None]
    """A line of the log."""
    environment: Mapping[str, str]
    metrics: tuple[str, int] | None = None
    """Loopback address and port of ``/metrics``; ``None``: on the control socket only."""


class ServiceHost:
    """Runs one service until a signal ends it. To be made in the event loop.

    Args:
        service: entered.
        options: see there.
    """

    def __init__(self, service: AgentService, options: HostOptions) -> None:
        self._service = service
        self._options = options
        self._bell = Bell()
        self._loop = ServiceLoop(service, tell=self._bell.ring)
        self._notifier = Notifier(options.environment)
        self._watch = ClockWatch(service.outside.clock)
        tally = Tally()
        service.observers.add(tally)
        service.observers.add(self._bell)
        self._operations = Operations(self._loop, self._bell, tally)
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._signals: list[int] = []

    @property
    def configs(self) -> tuple[TrustpointConfig, ...]:
        """The trustpoints served, by the newest configuration."""
        return self._loop.configs

    async def run(self, configs: Sequence[TrustpointConfig]) -> tuple[list[EnrollmentSession], int]:
        """Serves until SIGTERM or SIGINT.

        Returns:
            The sessions, and the number of the signal.

        Raises:
            AgentError: the journal failed, or a socket cannot be made.
        """
        self._take_signals()
        self._loop.adopt(self._service.config, configs)
        failure: AgentError | None = None
        sessions: list[EnrollmentSession] = []
        async with self._listening(), asyncio.TaskGroup() as group:
            helpers = [
                group.create_task(work)
                for work in (self._mind_clock(), self._mind_reload(), self._mind_status())
            ]
            if self._notifier.watchdog_s is not None:
                helpers.append(group.create_task(self._mind_watchdog(self._notifier.watchdog_s)))
            self._notifier.ready(self._summary())
            try:
                sessions = await self._loop.run(self._stop)
            except AgentError as error:
                failure = error
            for helper in helpers:
                helper.cancel()
        if failure is not None:
            raise failure
        return sessions, self._signals[0]

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_end, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)

    def _on_end(self, number: int) -> None:
        self._signals.append(number)
        self._notifier.stopping()
        self._stop.set()

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        state_dir = self._service.config.state_dir
        table, metrics = self._operations.table, self._operations.metrics
        async with contextlib.AsyncExitStack() as stack:
            try:
                listener = control_socket.listen(state_dir, self._options.environment)
            except OSError as error:
                text = f"the control socket in {state_dir} cannot be made: {error.strerror}"
                if error.errno in NO_ROOM:
                    raise JournalFullError(f"{text}; {MAKE_ROOM}") from error
                step = "give this user access to the directory"
                if isinstance(error, IsADirectoryError):
                    step = f"{error.filename} is a directory, move it away"
                raise JournalError(f"{text}; {step}") from error
            stack.callback(control_socket.remove, state_dir)
            await stack.enter_async_context(ControlServer(table, metrics).listening(listener))
            if self._options.metrics is not None:
                host, port = self._options.metrics
                try:
                    web = listen_tcp(host, port)
                except OSError as error:
                    raise RequestRefusedError(
                        f"--metrics {host}:{port} cannot be used: {error.strerror}"
                    ) from error
                self._options.say(f"metrics on http://{host}:{web.getsockname()[1]}/metrics")
                await stack.enter_async_context(ControlServer({}, metrics).listening(web))
            yield

    async def _mind_clock(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._look_at_clock()

    def _look_at_clock(self) -> None:
        shift = self._watch.look()
        if not shift.needs_look:
            return
        now = self._service.outside.clock()
        if shift.is_jump:
            self._options.say(f"the clock was set by {shift.jumped_s:.0f} s; it is {now} now")
        errand = tell_jump(shift, now) if shift.is_jump else look_again
        for config in self._loop.configs:
            with contextlib.suppress(RequestRefusedError):
                self._loop.ask(config.name, errand)

    async def _mind_reload(self) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            self._notifier.reloading()
            self._look_at_clock()
            try:
                config, configs = await run_in_thread(self._options.load)
                http = self._service.config.http
                changes = self._loop.adopt(config, configs)
            except ConfigError as error:
                self._options.say(f"reload refused, everything stays as it was: {error}")
                self._notifier.ready(f"reload refused: {error}")
                continue
            later = "" if config.http == http else "; [http] is taken at the next start"
            self._options.say(f"reloaded {config.file}: {changes}{later}")
            self._notifier.ready(self._summary())

    async def _mind_status(self) -> None:
        told = ""
        while True:
            bell = self._bell.next
            summary = self._summary()
            if summary != told:
                self._notifier.status(summary)
                told = summary
            await asyncio.sleep(_STATUS_EVERY_S)
            await bell.wait()

    async def _mind_watchdog(self, every_s: float) -> None:
        while True:
            self._notifier.alive()
            await asyncio.sleep(every_s)

    def _summary(self) -> str:
        sessions = self._loop.sessions
        states = Counter(session.state.value for session in sessions.values())
        unopened = self._service.unopened
        closed = [error for name, error in unopened.items() if name not in sessions]
        damaged = sum(isinstance(error, SnapshotDamagedError) for error in closed)
        states["damaged in the journal"] = damaged
        states["key store not open"] = len(closed) - damaged
        states["opening"] = len(self._loop.configs) - len(sessions) - len(closed)
        told = ", ".join(f"{number} {name}" for name, number in sorted((+states).items()))
        return f"{len(self._loop.configs)} trustpoints: {told}"
