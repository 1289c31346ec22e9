"""The three drivers over the same sessions: blocking, asyncio, virtual time."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.events import DeadlineReached, EnrollRequested, RenewRequested
from sceplab_agent.core.policy import Backoff, PollPolicy
from sceplab_agent.core.states import State
from sceplab_agent.drivers.aio import AsyncDriver, run_inline
from sceplab_agent.drivers.pause import Pause
from sceplab_agent.drivers.virtual import StuckMachineError, VirtualClock, VirtualDriver
from sceplab_agent.errors import JournalError, TransportError
from sceplab_agent.http_transport import StdlibTransport
from sceplab_agent.journal import MemoryJournal
from sceplab_agent.transport import HttpResponse, ThreadedTransport
from tests.support.raw_server import raw_server, silent
from tests.support.scripted_peer import T0, Agent, Received, ScriptedPeer

IN_MINUTES = PollPolicy(backoff=Backoff(first_s=600, growth=1, ceiling_s=600))


def installed(session: Any) -> bool:
    """Whether there is a certificate."""
    return bool(session.state is State.INSTALLED)


# Blocking


def test_blocking_driver_sleeps_in_slices(tmp_path: Path) -> None:
    """A long wait is slept in short turns, because clocks jump."""
    agent = Agent(tmp_path, policy={"poll": IN_MINUTES})
    agent.peer.plan(agent.peer.pend)
    agent.driver.feed(EnrollRequested())
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        agent.clock.move_to(agent.clock() + timedelta(seconds=seconds))

    agent.driver._sleep = sleep
    assert agent.driver.run_until(installed) is State.INSTALLED
    assert slept == [60.0] * 10
    assert agent.clock() == T0 + timedelta(minutes=10)


def test_blocking_driver_stops_at_a_moment(tmp_path: Path) -> None:
    """Who waits only so long gets the state of that moment."""
    agent = Agent(tmp_path, policy={"poll": IN_MINUTES})
    agent.peer.plan(agent.peer.pend)
    agent.driver.feed(EnrollRequested())
    assert agent.driver.run_until(installed, until=T0 + timedelta(minutes=5)) is State.PENDING
    assert len(agent.peer.received) == 1


def test_blocking_driver_stops_when_nothing_will_happen(tmp_path: Path) -> None:
    """Without a deadline there is nothing to wait for."""
    agent = Agent(tmp_path)
    agent.peer.plan(agent.peer.refuse)
    agent.driver.feed(EnrollRequested())
    assert agent.driver.run_until(installed) is State.FAILED


def test_illegal_event_changes_nothing(tmp_path: Path) -> None:
    """An event that cannot happen is refused and nothing is recorded."""
    agent = Agent(tmp_path)
    before = len(agent.journal.entries())
    with pytest.raises(IllegalEventError):
        agent.driver.feed(RenewRequested())
    assert agent.state is State.CONFIGURED
    assert len(agent.journal.entries()) == before


def test_interruption_leaves_a_state_that_can_be_decided(tmp_path: Path) -> None:
    """Ctrl-C while the request is out: the next session retransmits the same bytes."""
    agent = Agent(tmp_path)

    def interrupt(received: Received) -> bytes:
        raise KeyboardInterrupt

    agent.peer.plan(interrupt)
    with pytest.raises(KeyboardInterrupt):
        agent.driver.feed(EnrollRequested())
    agent.restart()
    agent.driver.run_until(installed)
    first, second = agent.peer.received
    assert agent.state is State.INSTALLED
    assert first.body == second.body


def test_served_deadline_that_stays_is_not_due_at_once() -> None:
    """A machine that asks for the same past moment again cannot spin the driver."""
    clock = VirtualClock(T0)
    pause = Pause(clock)
    assert pause.seconds(T0) == 0
    pause.serve(T0)
    assert pause.seconds(T0) == 1
    assert pause.seconds(T0) == 0
    assert pause.seconds(T0 + timedelta(days=9)) == 60
    assert pause.seconds(None) == 60


# asyncio


class AsyncPeer:
    """The scripted peer behind an asynchronous transport that yields to the loop."""

    def __init__(self, peer: ScriptedPeer) -> None:
        self.peer = peer
        self.in_flight = 0
        self.most_in_flight = 0

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """See `AsyncHttpTransport.request`."""
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        await asyncio.sleep(0)
        self.in_flight -= 1
        return self.peer.request(method, url, body=body, content_type=content_type)


def async_driver(agent: Agent, transport: Any = None, **options: Any) -> AsyncDriver:
    """An asyncio driver over the agent's session."""
    wire = transport or AsyncPeer(agent.peer)
    return AsyncDriver(agent.session, wire, clock=agent.clock, **options)


async def serve_until(driver: AsyncDriver, agent: Agent, state: State) -> None:
    """Serves in a task until the machine has been in a state, then cancels."""
    task = asyncio.create_task(driver.serve())
    await asyncio.to_thread(agent.diary.wait_for, state)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_asyncio_driver_enrolls_in_threads(tmp_path: Path) -> None:
    """Cryptography, journal and key store run beside the loop's thread."""
    agent = Agent(tmp_path)
    threads: set[int] = set()
    real = agent.store.generate

    def generate(*arguments: Any) -> Any:
        threads.add(threading.get_ident())
        return real(*arguments)

    agent.store.generate = generate  # type: ignore[method-assign]
    assert await async_driver(agent).feed(EnrollRequested()) is State.INSTALLED
    assert threads
    assert threading.get_ident() not in threads


async def test_asyncio_driver_may_run_inline(tmp_path: Path) -> None:
    """For virtual time everything stays in the loop's thread."""
    agent = Agent(tmp_path)
    driver = async_driver(agent, offload=run_inline)
    assert await driver.feed(EnrollRequested()) is State.INSTALLED


async def test_many_trustpoints_share_one_loop(tmp_path: Path) -> None:
    """Several sessions have requests out at the same time."""
    agents = [Agent(tmp_path / str(number)) for number in range(4)]
    wire = AsyncPeer(ScriptedPeer(agents[0].clock))
    drivers = [async_driver(agent, wire, offload=run_inline) for agent in agents]
    states = await asyncio.gather(*(driver.feed(EnrollRequested()) for driver in drivers))
    assert set(states) == {State.INSTALLED}
    assert wire.most_in_flight > 1


async def test_asyncio_driver_serves_posted_events_and_deadlines(tmp_path: Path) -> None:
    """A posted event starts the enrollment; a clock that is moved brings the poll."""
    agent = Agent(tmp_path, policy={"poll": IN_MINUTES})
    agent.peer.plan(agent.peer.pend)
    driver = async_driver(agent)
    driver.post(EnrollRequested())
    await serve_until(driver, agent, State.PENDING)
    assert len(agent.peer.received) == 1
    agent.clock.move_to(T0 + timedelta(minutes=10))
    driver.wake()
    await serve_until(driver, agent, State.INSTALLED)
    assert len(agent.peer.received) == 2


async def test_deadline_in_the_future_is_waited_for(tmp_path: Path) -> None:
    """The loop sleeps until the deadline and looks at the clock again."""
    agent = Agent(tmp_path, policy={"poll": IN_MINUTES})
    agent.peer.plan(agent.peer.pend)
    driver = async_driver(agent, longest_sleep_s=0.001)
    await driver.feed(EnrollRequested())
    agent.clock.move_to(T0 + timedelta(minutes=9))
    serving = asyncio.create_task(serve_until(driver, agent, State.INSTALLED))
    asyncio.get_running_loop().call_later(0.02, agent.clock.move_to, T0 + timedelta(minutes=10))
    await serving
    polled_at = [entry.at for entry in agent.diary.entries if entry.event_id == "enrollment.poll"]
    assert polled_at == [T0 + timedelta(minutes=10)]


async def test_cancellation_on_the_network_can_be_resumed(tmp_path: Path) -> None:
    """A request that is abandoned is recorded; the next session sends the same bytes."""
    agent = Agent(tmp_path)
    reached = asyncio.Event()

    class Hanging(AsyncPeer):
        async def request(self, method: str, url: str, **options: Any) -> HttpResponse:
            response = await super().request(method, url, **options)
            if "PKIOperation" in url:
                reached.set()
                await asyncio.Event().wait()
            return response

    task = asyncio.create_task(async_driver(agent, Hanging(agent.peer)).feed(EnrollRequested()))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    agent.restart()
    await async_driver(agent).feed(DeadlineReached())
    first, second = agent.peer.received
    assert agent.state is State.INSTALLED
    assert first.body == second.body


async def test_cancellation_waits_for_the_step_in_its_thread(tmp_path: Path) -> None:
    """Nobody closes the journal under the hands of a thread that still writes."""
    agent = Agent(tmp_path)
    assert isinstance(agent.journal, MemoryJournal)
    inside, go_on = threading.Event(), threading.Event()
    real = agent.store.generate

    def slow(*arguments: Any) -> Any:
        inside.set()
        assert go_on.wait(10)
        return real(*arguments)

    agent.store.generate = slow  # type: ignore[method-assign]
    task = asyncio.create_task(async_driver(agent).feed(EnrollRequested()))
    assert await asyncio.to_thread(inside.wait, 10)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=0.05)
    assert not done
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [key.key_id for key in agent.store.list_keys()] == ["lab"]
    assert agent.peer.received == []


async def test_failure_during_a_cancellation_is_not_swallowed(tmp_path: Path) -> None:
    """A journal that breaks while its driver is being cancelled is still told."""
    agent = Agent(tmp_path)
    inside, go_on = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        inside.set()
        assert go_on.wait(10)
        raise JournalError("the disk is full")

    agent.journal.commit = slow  # type: ignore[method-assign]
    task = asyncio.create_task(async_driver(agent).feed(EnrollRequested()))
    assert await asyncio.to_thread(inside.wait, 10)
    task.cancel()
    go_on.set()
    with pytest.raises(JournalError):
        await task


async def test_threaded_transport_works_in_a_loop(tmp_path: Path) -> None:
    """The blocking transport serves the asyncio driver, errors included."""
    agent = Agent(tmp_path)
    transport = ThreadedTransport(agent.peer)
    assert await async_driver(agent, transport).feed(EnrollRequested()) is State.INSTALLED
    agent.peer.plan(TransportError("down", is_retryable=True))
    assert await async_driver(agent, transport).feed(RenewRequested()) is State.RETRY_WAIT
    transport.close()


async def test_closing_the_transport_frees_its_threads() -> None:
    """A request to a silent server ends when the transport is closed."""
    blocking = StdlibTransport()
    transport = ThreadedTransport(blocking)
    arrived = threading.Event()

    def hold(connection: socket.socket, request: bytes) -> None:
        arrived.set()
        silent(connection, request)

    with raw_server(hold) as server:
        request = asyncio.create_task(transport.request("GET", server.url))
        assert await asyncio.to_thread(arrived.wait, 10)
        blocking.close()
        with pytest.raises(TransportError):
            await request
        transport.close()


# Virtual time


def virtual_course(place: Path, seed: int) -> tuple[list[Any], list[bytes]]:
    """A pending enrollment and three years of renewals of two trustpoints; what happened."""
    clock = VirtualClock(T0)
    driver = VirtualDriver(clock)
    agents = []
    for number in range(2):
        agent = Agent(place / str(number), clock=clock, seed=seed + number)
        agent.peer.plan(agent.peer.pend, agent.peer.pend)
        driver.add(agent.session, agent.peer)
        driver.feed(agent.session, EnrollRequested())
        agents.append(agent)
    driver.run_for(timedelta(days=3 * 365))
    course = [
        (entry.at, entry.event_id, entry.details.get("transaction_id"))
        for agent in agents
        for entry in agent.journal.entries()
    ]
    nonces = [m.request.sender_nonce for agent in agents for m in agent.peer.received]
    return course, nonces


def test_virtual_time_is_deterministic(tmp_path: Path) -> None:
    """The same seed gives the same moments, transactions and nonces; another seed does not."""
    first = virtual_course(tmp_path / "a", seed=1)
    second = virtual_course(tmp_path / "b", seed=1)
    other = virtual_course(tmp_path / "c", seed=9)
    assert first == second
    assert first[1] != other[1]
    assert sum(event_id == "certificate.installed" for _, event_id, _ in first[0]) >= 8


def test_virtual_driver_serves_in_the_order_of_time(tmp_path: Path) -> None:
    """Deadlines of several sessions come in their order, and the clock stands where it was sent."""
    clock = VirtualClock(T0)
    driver = VirtualDriver(clock)
    moments: list[tuple[int, float]] = []
    for number, first_s in enumerate((300, 100, 200)):
        backoff = Backoff(first_s=first_s, growth=1, ceiling_s=first_s)
        agent = Agent(
            tmp_path / str(number), clock=clock, policy={"poll": PollPolicy(backoff=backoff)}
        )

        def pend(received: Received, agent: Agent = agent, number: int = number) -> bytes:
            moments.append((number, (clock() - T0).total_seconds()))
            return agent.peer.pend(received)

        agent.peer.plan(*[pend] * 9)
        driver.add(agent.session, agent.peer)
        driver.feed(agent.session, EnrollRequested())
    assert driver.next_deadline() == T0 + timedelta(seconds=100)
    served = driver.run_until(T0 + timedelta(seconds=350))
    assert moments[3:] == [
        (1, 100), (1, 200), (2, 200), (0, 300), (1, 300)
    ]  # fmt: skip
    assert served == 5
    assert clock() == T0 + timedelta(seconds=350)


def test_machine_that_does_not_move_stops_the_clock_loudly(tmp_path: Path) -> None:
    """A deadline that stays where it is would hold virtual time for ever."""
    clock = VirtualClock(T0)
    agent = Agent(tmp_path, clock=clock)
    agent.peer.plan(agent.peer.pend)
    driver = VirtualDriver(clock)
    driver.add(agent.session, agent.peer)
    driver.feed(agent.session, EnrollRequested())
    machine: Any = agent.session.machine

    class Stuck:
        state = State.PENDING

        def handle(self, event: object, now: object) -> list[Any]:
            return []

        def next_deadline(self) -> Any:
            return machine.next_deadline()

    agent.session.machine = Stuck()  # type: ignore[assignment]
    with pytest.raises(StuckMachineError, match="lab stays at"):
        driver.run_for(timedelta(days=1))


def test_idle_driver_moves_its_clock(tmp_path: Path) -> None:
    """Time passes although nothing is due."""
    clock = VirtualClock(T0)
    driver = VirtualDriver(clock)
    agent = Agent(tmp_path, clock=clock)
    driver.add(agent.session, agent.peer)
    assert driver.step() is None
    assert driver.run_for(timedelta(days=1)) == 0
    assert clock() == T0 + timedelta(days=1)
    assert agent.peer.urls == []
