"""What trustpoints at rest share, and what wakes them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sceplab_agent.core.events import EnrollRequested
from sceplab_agent.core.sharing import shared
from sceplab_agent.daemon.clock_watch import ClockWatch
from sceplab_agent.drivers.wake_up import WakeUp
from tests.support.pair import Pair
from tests.support.scripted_peer import T0


def test_an_equal_value_takes_no_room_of_its_own() -> None:
    """The first one is kept; an equal number of another type is another value."""
    first, second = bytearray(range(40)), bytearray(range(40))
    assert shared(bytes(first)) is shared(bytes(second))
    assert isinstance(shared(1.0), float)
    assert isinstance(shared(1), int)


def test_trustpoints_of_one_ca_keep_its_certificates_once() -> None:
    """Read from the journal twice, they are the same objects."""
    pair = Pair(settings={"challenge": {"mode": "none"}}, policy={"uses_challenge": False})
    pair.driver.feed(pair.session, EnrollRequested())
    one, other = (pair.new_session().machine for _ in range(2))
    assert one.ca is not None
    assert other.ca is not None
    assert one.ca is not other.ca
    assert one.ca.anchor_der is other.ca.anchor_der
    assert one.ca.chain_der is other.ca.chain_der
    assert one.ca.capabilities is other.ca.capabilities
    assert one.active is not None
    assert one.active.chain_der is one.ca.chain_der


async def test_who_waits_is_woken_or_sleeps_its_time_out() -> None:
    """Woken early, not at all, and not kept waiting for what happened before."""
    wake_up = WakeUp()
    await wake_up.wait(0.001)
    assert not wake_up.is_set()
    waiting = asyncio.create_task(wake_up.wait())
    asyncio.get_running_loop().call_soon(wake_up.set)
    async with asyncio.timeout(10):
        await waiting
        await wake_up.wait(3600)
    assert wake_up.is_set()
    wake_up.clear()
    assert not wake_up.is_set()


async def test_a_cancelled_wait_leaves_the_next_one_alone() -> None:
    """The first is cancelled while the second already waits; only that one is woken."""
    wake_up = WakeUp()
    first = asyncio.create_task(wake_up.wait())
    second = asyncio.create_task(wake_up.wait())
    first.get_loop().call_soon(first.cancel)
    await asyncio.wait([first])
    assert first.cancelled()
    wake_up.set()
    async with asyncio.timeout(10):
        await second


def test_small_steps_of_the_clock_add_up() -> None:
    """Nobody else looks at the clock for a day: steps of less than a second are not forgotten."""
    wall, passed = [T0], [0.0]
    watch = ClockWatch(lambda: wall[0], awake=lambda: passed[0], elapsed=lambda: passed[0])
    found = []
    for _ in range(6):
        wall[0] += timedelta(seconds=60.3)
        passed[0] += 60
        found.append(watch.look().needs_look)
    assert found == [False, False, False, True, False, False]
