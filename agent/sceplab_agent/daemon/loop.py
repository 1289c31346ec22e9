"""All trustpoints of a service in one event loop, and what a new configuration changes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sceplab_agent.config import AgentConfig
from sceplab_agent.core.states import State
from sceplab_agent.daemon.worker import Means, Worker
from sceplab_agent.drivers.aio import Errand
from sceplab_agent.errors import RequestRefusedError
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.service import AgentService
from sceplab_agent.service_status import unopened_code
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.transport import ThreadedTransport
from sceplab_agent.trustpoint import TrustpointConfig

_OPENING_AT_ONCE = 16
"""Of one key store. A thousand at once take memory that the process never gives back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a new configuration changes, by names of trustpoints."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def __str__(self) -> str:
        """For a log line."""
        parts = [
            f"{what} {', '.join(names)}"
            for what, names in (
                ("added", self.added),
                ("changed", self.changed),
                ("removed", self.removed),
            )
            if names
        ]
        return "; ".join(parts) or "no trustpoint changed"


class ServiceLoop:
    """Runs one worker for each trustpoint. To be made in the event loop.

    Args:
        service: entered, and not used otherwise meanwhile.
        tell: called in the loop when a key store of `sessions` has opened, or has not.
    """

    def __init__(self, service: AgentService, tell: Callable[[], None] = lambda: None) -> None:
        outside = service.outside
        self.service = service
        self._transport = ThreadedTransport(outside.transport)
        self._means = Means(
            open_session=service.open_session,
            doors=defaultdict(lambda: asyncio.Semaphore(_OPENING_AT_ONCE)),
            transport=self._transport,
            clock=outside.clock,
            rng=outside.rng,
            tell=tell,
        )
        self._configs: tuple[TrustpointConfig, ...] = ()
        self._workers: dict[str, Worker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def configs(self) -> tuple[TrustpointConfig, ...]:
        """The trustpoints served, in the order of the configuration."""
        return self._configs

    @property
    def sessions(self) -> Mapping[str, EnrollmentSession]:
        """By name; none of a trustpoint whose key store has not opened."""
        found = {config.name: self._workers[config.name].session for config in self._configs}
        return {name: session for name, session in found.items() if session is not None}

    def adopt(self, config: AgentConfig, configs: Sequence[TrustpointConfig]) -> Changes:
        """Works by a configuration from now on; each trustpoint once its exchange is over.

        Raises:
            ConfigError: it cannot be taken by a running service; nothing was changed.
        """
        self.service.adopt(config)
        before = {one.name: one for one in self._configs}
        after = {one.name: one for one in configs}
        self._configs = tuple(configs)
        for name in before.keys() - after.keys():
            self._workers[name].leave()
        for name, one in after.items():
            worker = self._workers.get(name)
            if worker is None:
                self._begin(one)
            elif name not in before or before[name] != one:
                worker.change(one)
        return Changes(
            added=tuple(name for name in after if name not in before),
            changed=tuple(name for name in after if before.get(name, after[name]) != after[name]),
            removed=tuple(name for name in before if name not in after),
        )

    async def run(self, stop: asyncio.Event) -> list[EnrollmentSession]:
        """Enrolls, polls and renews until ``stop`` is set.

        Each trustpoint opens its key store by itself: one that does not open, or not yet, stops
        its trustpoints only. It is tried again with the pauses of their retry policy. A trustpoint
        that gave up on its key store or disk is tried again after the longest of these pauses.
        A call that hangs in a key store delays the end by seconds only; see `completed`.

        Returns:
            The sessions; none of a trustpoint that is still in `AgentService.unopened`.

        Raises:
            AgentError: the journal failed; every trustpoint was stopped.
        """
        stopping = asyncio.create_task(stop.wait())
        ends: list[asyncio.Future[Any]] = [stopping, self._failed]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks = list(self._tasks.values())
            for task in (stopping, *tasks):
                task.cancel()
            self._failed.cancel()
            # After the cancellation, so that no session takes the break for a server's fault.
            self.service.outside.transport.close()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(self._transport.close)
        for result in results:
            if isinstance(result, Exception):
                raise result
        sessions = self.sessions
        self.service.note_unopened(self._configs, sessions)
        return list(sessions.values())

    def hasten(self, name: str) -> None:
        """Has a key store that did not open tried again at once, not at the end of its pause."""
        worker = self._workers.get(name)
        if worker is not None and name not in self.sessions and worker.hasten():
            self.service.forget_unopened(name)

    def ask(self, name: str, errand: Errand) -> asyncio.Future[State]:
        """Has an errand run between two steps of a trustpoint; see `AsyncDriver.ask`.

        Raises:
            RequestRefusedError: it is not served, or has no session.
        """
        if name not in {config.name for config in self._configs}:
            known = ", ".join(config.name for config in self._configs)
            raise RequestRefusedError(
                f"there is no trustpoint '{name}'; known: {known}", exit_code=ExitCode.CONFIGURATION
            )
        closed = self.service.unopened.get(name)
        if closed is not None and name not in self.sessions:
            raise RequestRefusedError(f"{name}: {closed}", exit_code=unopened_code(closed))
        return self._workers[name].ask(errand)

    def _begin(self, config: TrustpointConfig) -> None:
        worker = Worker(config, self._means)
        task = asyncio.create_task(worker.run(), name=config.name)
        self._workers[config.name], self._tasks[config.name] = worker, task
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if task.exception() is not None:
            if not self._failed.done():
                self._failed.set_result(None)  # the task itself is asked for its exception
            return
        del self._workers[task.get_name()], self._tasks[task.get_name()]


async def run_service(
    service: AgentService, configs: Sequence[TrustpointConfig], stop: asyncio.Event
) -> list[EnrollmentSession]:
    """Serves trustpoints of the service's configuration; see `ServiceLoop.run`."""
    loop = ServiceLoop(service)
    loop.adopt(service.config, configs)
    return await loop.run(stop)
