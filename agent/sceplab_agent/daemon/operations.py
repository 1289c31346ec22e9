"""What a local client may ask of a running agent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial

from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.events import CaAccepted
from sceplab_agent.core.states import State
from sceplab_agent.daemon.control_server import Operation, Request
from sceplab_agent.daemon.loop import ServiceLoop
from sceplab_agent.daemon.metrics import agent_families, write_metrics
from sceplab_agent.daemon.tally import Bell, Tally
from sceplab_agent.drivers.aio import Errand
from sceplab_agent.drivers.threads import run_in_thread
from sceplab_agent.errors import EnrollmentFailedError, RequestRefusedError
from sceplab_agent.event_catalogue import entry_to_json
from sceplab_agent.exchange import Exchange
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.fingerprint import parse_fingerprint
from sceplab_agent.handoff.again import HandedAgain, code_of
from sceplab_agent.journal import JournalEntry
from sceplab_agent.outcome import is_on_the_side, is_settled, raise_for_outcome, why_no_renewal
from sceplab_agent.pursuit import events_to_enroll, events_to_renew
from sceplab_agent.service_status import service_statuses, status_code
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.status import TrustpointStatus
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_scep.certificates import fingerprint

_OPENING_S = 10.0
"""How long a key store may take that is just being opened; then its trustpoint is left out."""
_PAGE = 200
"""Journal entries read at a time."""


class Operations:
    """The operations of one running service.

    Args:
        loop: the service.
        bell: rung when something happens.
        tally: what happened.
    """

    def __init__(self, loop: ServiceLoop, bell: Bell, tally: Tally) -> None:
        self._loop = loop
        self._bell = bell
        self._tally = tally
        self._clock = loop.service.outside.clock
        self._started_at = self._clock()

    @property
    def table(self) -> Mapping[str, Operation]:
        """Operations by the name that a request gives as ``op``."""
        return {
            "status": self._status,
            "renew": self._renew,
            "enroll": self._enroll,
            "approve-fingerprint": self._approve,
            "handoff-again": self._hand_again,
            "events": self._events,
            "metrics": self._tell_metrics,
        }

    def statuses(self, configs: Sequence[TrustpointConfig]) -> list[TrustpointStatus]:
        """How trustpoints stand at this moment."""
        loop = self._loop
        return service_statuses(loop.service, configs, loop.sessions, self._clock())

    def metrics(self) -> str:
        """The text of ``/metrics``."""
        statuses = self.statuses(self._loop.configs)
        now, started_at = self._clock(), self._started_at
        return write_metrics(agent_families(statuses, self._tally, now=now, started_at=started_at))

    async def _tell_metrics(self, request: Request) -> AsyncIterator[Mapping[str, object]]:
        yield {"ok": True, "text": self.metrics()}

    async def _status(self, request: Request) -> AsyncIterator[Mapping[str, object]]:
        statuses = self.statuses(self._select(request))
        code = int(status_code(statuses))
        yield {
            "ok": not code,
            "exit_code": code,
            "trustpoints": [one.to_json() for one in statuses],
        }

    async def _renew(self, request: Request) -> AsyncIterator[Mapping[str, object]]:
        configs = self._select(request)
        yield await self._pursue(configs, self._begin_renewal, wait=request.get("wait") is True)

    async def _enroll(self, request: Request) -> AsyncIterator[Mapping[str, object]]:
        again = request.get("again") is True

        def begin(session: EnrollmentSession) -> Exchange[None]:
            for event in events_to_enroll(session, self._clock(), again=again):
                yield from session.process(event)

        configs = self._select(request)
        yield await self._pursue(configs, begin, wait=request.get("wait") is True)

    async def _approve(self, request: Request) -> AsyncIterator[Mapping[str, object]]:
        try:
            typed = parse_fingerprint(str(request.get("fingerprint")))
        except ValueError as error:
            raise RequestRefusedError(
                f"the fingerprint {error}", exit_code=ExitCode.CONFIGURATION
            ) from error
        configs = self._select(request)
        for config in configs:
            await self._loop.ask(config.name, _accept_if(typed.digest))
        statuses = self.statuses(configs)
        yield {"ok": True, "exit_code": 0, "trustpoints": [one.to_json() for one in statuses]}

    async def _hand_again(self, request: Request) -> AsyncIterator[Mapping[str, object]]:
        configs = [config for config in self._select(request) if config.handoffs]
        await self._await_sessions(configs)
        told: list[HandedAgain] = []

        def errand(session: EnrollmentSession) -> Exchange[None]:
            told.extend((yield from session.hand_again()))

        for config in configs:
            try:
                await self._loop.ask(config.name, errand)
            except RequestRefusedError as error:
                told.append(HandedAgain(trustpoint=config.name, is_done=False, text=str(error)))
        code = code_of(told)
        handoffs = [one.to_json() for one in told]
        yield {"ok": code is ExitCode.OK, "exit_code": int(code), "handoffs": handoffs}

    async def _await_sessions(self, configs: Sequence[TrustpointConfig]) -> None:
        """Gives key stores that are being opened a moment; those that did not open, a try."""
        for config in configs:
            self._loop.hasten(config.name)
        unopened = self._loop.service.unopened
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_OPENING_S):
                while True:
                    bell = self._bell.next
                    known = {*self._loop.sessions, *unopened}
                    if all(config.name in known for config in configs):
                        break
                    await bell.wait()

    async def _events(self, request: Request) -> AsyncIterator[Mapping[str, object]]:
        after, names = request.get("after"), {config.name for config in self._select(request)}
        seq = after if isinstance(after, int) else 0
        is_all = not request.get("trustpoints")
        while True:
            bell = self._bell.next
            page = await run_in_thread(partial(self._page, seq))
            for entry in page:
                seq = entry.seq
                if is_all or entry.trustpoint in names:
                    yield {"event": entry_to_json(entry)}
            if page:
                continue
            if request.get("follow") is not True:
                break
            await bell.wait()
        yield {"ok": True}

    def _page(self, after: int) -> list[JournalEntry]:
        return self._loop.service.journal.entries(after=after, limit=_PAGE)

    def _select(self, request: Request) -> list[TrustpointConfig]:
        served = {config.name: config for config in self._loop.configs}
        names = request.get("trustpoints")
        if not isinstance(names, list) or not names:
            return list(served.values())
        unknown = [str(name) for name in names if str(name) not in served]
        if unknown:
            raise RequestRefusedError(
                f"the running agent has no trustpoint '{unknown[0]}'; known: {', '.join(served)}",
                exit_code=ExitCode.CONFIGURATION,
            )
        return [served[str(name)] for name in dict.fromkeys(map(str, names))]

    def _begin_renewal(self, session: EnrollmentSession) -> Exchange[None]:
        if reason := why_no_renewal(session, self._clock()):
            raise RequestRefusedError(f"{session.name}: {reason}", exit_code=ExitCode.CONFIGURATION)
        for event in events_to_renew(session):
            yield from session.process(event)

    async def _pursue(
        self, configs: Sequence[TrustpointConfig], begin: Errand, *, wait: bool
    ) -> Mapping[str, object]:
        refused = await self._begin(configs, begin)
        names = [config.name for config in configs if config.name not in refused]
        if refused and not names:
            raise next(iter(refused.values()))
        while wait:
            bell = self._bell.next
            sessions = self._loop.sessions
            if all(is_settled(sessions[name]) for name in names if name in sessions):
                break
            await bell.wait()
        errors = [str(error) for error in refused.values()]
        codes = [error.exit_code for error in refused.values()]
        sessions = self._loop.sessions
        for name in names:
            if name not in sessions:
                errors.append(f"{name}: it is no longer in the configuration")
                codes.append(ExitCode.CONFIGURATION)
                continue
            try:
                raise_for_outcome(sessions[name])
            except EnrollmentFailedError as error:
                errors.append(str(error))
                codes.append(error.exit_code)
        statuses = self.statuses(configs)
        side = {name for name in names if name in sessions and is_on_the_side(sessions[name])}
        waiting = any(one.state is State.PENDING and one.name not in side for one in statuses)
        code = next(iter(codes), ExitCode.PENDING if waiting else ExitCode.OK)
        return {
            "ok": code is ExitCode.OK,
            "exit_code": int(code),
            "trustpoints": [one.to_json() for one in statuses],
            "errors": errors,
        }

    async def _begin(
        self, configs: Sequence[TrustpointConfig], begin: Errand
    ) -> dict[str, RequestRefusedError]:
        """Has an errand begun everywhere; who refuses it, and why, in the order of ``configs``."""
        await self._await_sessions(configs)
        refused: dict[str, RequestRefusedError] = {}
        asked: dict[str, asyncio.Future[State]] = {}
        for config in configs:
            try:
                asked[config.name] = self._loop.ask(config.name, begin)
            except RequestRefusedError as error:
                refused[config.name] = error
        for name, answer in asked.items():
            try:
                await answer
            except RequestRefusedError as error:
                refused[name] = error
        return {config.name: refused[config.name] for config in configs if config.name in refused}


def _accept_if(digest: bytes) -> Errand:
    """Accepts the CA that is in question, if it is the one of this SHA-256 fingerprint."""

    def errand(session: EnrollmentSession) -> Exchange[None]:
        candidate = session.machine.candidate
        if candidate is None:
            raise RequestRefusedError(f"{session.name}: no CA certificate waits for an approval")
        asked = fingerprint(candidate.anchor_der, "sha256")
        if asked != digest:
            raise RequestRefusedError(
                f"{session.name}: the CA shows sha256 {asked.hex()}, which is not what was typed; "
                "nothing was accepted: ask the CA's operator for its fingerprint",
                exit_code=ExitCode.TRUST,
            )
        try:
            yield from session.process(CaAccepted())
        except IllegalEventError as error:
            raise RequestRefusedError(
                f"{session.name}: no CA certificate waits for an approval"
            ) from error

    return errand
