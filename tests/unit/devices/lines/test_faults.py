"""Faults of lines: what they do to bytes, and what a client sees on a socket and on a cable."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_devices.lines.faults import FaultPlan, LineFaults
from tests.support.line_rack import Client, Rack, TerminalClient

OPENING = b"\r\nbox con0 is now available\r\n\r\nPress RETURN to get started.\r\n"
"""What the console line shows first."""
ON_EACH = pytest.mark.parametrize("kind", ["tcp", "pty"])
CHUNKS = st.lists(st.binary(max_size=40), max_size=40)


async def prompt(rack: Rack, kind: str, options: str) -> Client | TerminalClient:
    """A client at the prompt of a new line."""
    client = await rack.any_client(await rack.line(kind, options))
    await client.until(b"started.\r\n")
    await client.exchange(b"\r")
    return client


def carried(plan: FaultPlan, chunks: list[bytes], sessions: int = 1) -> bytes:
    """What comes out of the last of some sessions."""
    line = LineFaults(plan)
    for _ in range(sessions):
        session = line.new_session(b" --More-- ")
        assert session is not None
        out = b"".join(map(session.outgoing, chunks))
    return out


@given(CHUNKS, st.integers(0, 1000), st.floats(0.0, 1.0))
def test_noise_depends_on_the_seed_and_not_on_the_cutting(
    chunks: list[bytes], seed: int, chance: float
) -> None:
    """Same seed, same bytes, however they are cut; nothing is lost or added."""
    plan = FaultPlan(noise=chance, more=1, seed=seed)
    whole = carried(plan, [b"".join(chunks)])
    assert carried(plan, chunks) == whole
    assert len(whole) == sum(map(len, chunks))


def test_noise_hits_as_often_as_it_says() -> None:
    """One byte in ten, another one in another session, all of them at 1."""
    data = bytes(20_000)
    noisy = carried(FaultPlan(noise=0.1, seed=3), [data])
    assert 1_800 < len(data) - noisy.count(0) < 2_200
    assert carried(FaultPlan(noise=0.1, seed=3), [data], sessions=2) != noisy
    assert 0 not in carried(FaultPlan(noise=1.0), [data])


@given(CHUNKS, st.integers(1, 400))
def test_the_carrier_goes_after_a_number_of_bytes(chunks: list[bytes], place: int) -> None:
    """Exactly there, once for the line."""
    line = LineFaults(FaultPlan(drop=place))
    session = line.new_session(b"")
    assert session is not None
    out = b"".join(map(session.outgoing, chunks))
    total = b"".join(chunks)
    assert out == total[:place]
    assert session.is_carrier_lost == (len(total) >= place)
    second = line.new_session(b"")
    assert second is not None
    if session.is_carrier_lost:
        assert b"".join(map(second.outgoing, chunks)) == total


def test_a_chance_drops_every_session_somewhere_else() -> None:
    """Repeatably."""
    plan = FaultPlan(drop=0.01, seed=5)
    places = [len(carried(plan, [bytes(10_000)], sessions=number)) for number in range(1, 9)]
    assert len(set(places)) > 4
    assert places == [len(carried(plan, [bytes(10_000)], sessions=n)) for n in range(1, 9)]
    assert max(places) < 10_000


@ON_EACH
async def test_noise_on_a_line_repeats_with_its_seed(rack: Rack, kind: str) -> None:
    """Two lines with one seed garble alike, another seed differs."""
    seen = []
    for options in ("noise:0.1&seed=7", "noise:0.1&seed=7", "noise:0.1&seed=8", "noise:0"):
        server = await rack.line(kind, f"faults={options}")
        seen.append(await (await rack.any_client(server)).take(len(OPENING)))
        await server.close()
    assert seen[0] == seen[1]
    assert seen[2] not in (seen[0], OPENING)
    assert seen[3] == OPENING


@ON_EACH
async def test_a_lost_carrier_ends_the_session_once(rack: Rack, kind: str) -> None:
    """After so many bytes; the line takes the next client, and that session is whole."""
    server = await rack.line(kind, "faults=drop:30")
    client = await rack.any_client(server)
    assert await client.rest() == OPENING[:30]
    await rack.ended()
    assert await (await rack.any_client(server)).take(len(OPENING)) == OPENING


@ON_EACH
async def test_an_echo_comes_late(rack: Rack, kind: str) -> None:
    """By the time that was asked for, and in order."""
    client = await prompt(rack, kind, "faults=echo:0.1")
    before = time.monotonic()
    assert await client.exchange(b"sh ver\r") == b"sh ver\r\nSample OS 1.0 on box\r\nbox>"
    assert 0.1 <= time.monotonic() - before < 5


@ON_EACH
async def test_paging_gets_stuck(rack: Rack, kind: str) -> None:
    """The first Space at the paging prompt is lost; Return and the second one work."""
    client = await prompt(rack, kind, "faults=more:1")
    await client.exchange(b"show lines 60\r", end=b"line 23\r\n --More-- ")
    await client.exchange(b" \r", end=b"line 24\r\n --More-- ")
    await client.exchange(b" ", end=b"line 47\r\n --More-- ")
    assert (await client.exchange(b" ", end=b"box>")).endswith(b"line 60\r\nbox>")


@ON_EACH
async def test_a_space_that_is_no_paging_key_stays(rack: Rack, kind: str) -> None:
    """Only at the paging prompt."""
    client = await prompt(rack, kind, "faults=more:1")
    assert await client.exchange(b"sh ver\r") == b"sh ver\r\nSample OS 1.0 on box\r\nbox>"


@ON_EACH
async def test_the_line_is_cut_while_a_question_is_open(rack: Rack, kind: str) -> None:
    """The question is shown, then nothing; the next session asks and gets its answer."""
    server = await rack.line(kind, "faults=cut:1")
    client = await rack.any_client(server)
    await client.until(b"started.\r\n")
    await client.exchange(b"\r")
    await client.exchange(b"reload\r", end=b"[confirm]")
    assert await client.rest() == b""
    client = await rack.any_client(server)
    await client.until(b"started.\r\n")
    await client.exchange(b"\r")
    await client.exchange(b"reload\r", end=b"[confirm]")
    assert b"Sure" in await client.exchange(b"\r", end=b"(y/n)")
