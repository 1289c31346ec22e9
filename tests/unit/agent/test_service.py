"""The agent put together: sessions from a journal, outcomes, the service loop."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sceplab_agent.challenge import ChallengeSource
from sceplab_agent.config import AgentConfig, load_config
from sceplab_agent.core.events import EnrollRequested, FailureCause
from sceplab_agent.core.states import State
from sceplab_agent.daemon.loop import run_service
from sceplab_agent.drivers.virtual import VirtualClock
from sceplab_agent.errors import (
    CaNotTrustedError,
    EnrollmentFailedError,
    EnrollmentRejectedError,
    JournalError,
    TransportError,
)
from sceplab_agent.exit_codes import ExitCode, exit_code_for
from sceplab_agent.fingerprint import format_pin
from sceplab_agent.journal import MemoryJournal
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_agent.outcome import is_settled, raise_for_outcome
from sceplab_agent.service import AgentService, Outside
from sceplab_agent.status import read_status
from sceplab_agent.transport import HttpResponse
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
from sceplab_hsm.software import SoftwareKeyStore
from sceplab_scep.attributes import FailInfo
from tests.support.scripted_peer import (
    AUTHORITY,
    CHALLENGE,
    PASSPHRASE,
    STRANGER,
    T0,
    YEAR,
    Agent,
    Diary,
    ScriptedPeer,
)
from tests.support.secret_files import write_secret

DEADLINE_S = 20.0


class ClosablePeer(ScriptedPeer):
    """The scripted peer as the service's transport."""

    is_closed = False

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """See `HttpTransport.request`."""
        if self.is_closed:
            raise TransportError("closed", is_retryable=True)
        return super().request(method, url, body=body, content_type=content_type)

    def close(self) -> None:
        """See `ClosableTransport.close`."""
        self.is_closed = True


@dataclass
class Place:
    """A configuration on disk and everything outside the service."""

    folder: Path
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(T0))
    diary: Diary = field(default_factory=Diary)
    peer: ClosablePeer = field(init=False)

    def __post_init__(self) -> None:
        """Writes the files."""
        self.peer = ClosablePeer(self.clock)
        write_secret(self.folder / "pass", PASSPHRASE)
        write_secret(self.folder / "otp", CHALLENGE)
        self.configure("first", "second")

    def configure(self, *names: str, extra: str = "") -> AgentConfig:
        """Writes the configuration anew and reads it."""
        tables = [
            f"""
[trustpoint.{name}]
url = "http://ca.example.test/scep"
subject = "CN={name}"
fingerprint = "{AUTHORITY.pin().digest.hex()}"
challenge = "file:otp"
{extra}
"""
            for name in names
        ]
        (self.folder / "agent.toml").write_text(
            '[agent]\nstate_dir = "state"\n[keystore]\nuri = "soft:keys?kdf=lab"\n'
            'secret = "file:pass"\n' + "".join(tables)
        )
        return self.config

    @property
    def config(self) -> AgentConfig:
        """The configuration as it stands on disk."""
        return load_config(self.folder / "agent.toml")

    def service(self, config: AgentConfig | None = None) -> AgentService:
        """A service, as a new process would make it."""
        self.peer.is_closed = False
        draw = random.Random(5)
        outside = Outside(
            transport=self.peer,
            clock=self.clock,
            sleep=lambda seconds: self.clock.move_to(self.clock() + timedelta(seconds=seconds)),
            random_bytes=draw.randbytes,
            rng=draw,
            new_transaction_id=lambda: draw.randbytes(16).hex().upper(),
            observer=self.diary,
        )
        return AgentService(config or self.config, outside)

    def enroll(self, **options: Any) -> dict[str, State]:
        """Enrolls everything; the states by name."""
        with self.service() as service:
            options = {"wait": True, "again": False, **options}
            sessions = service.enroll(self.config.trustpoints, **options)
            return {session.name: session.state for session in sessions}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Two trustpoints of one CA."""
    return Place(tmp_path)


def test_pending_trustpoints_are_polled_side_by_side(place: Place) -> None:
    """One that waits for days does not delay the other's polls."""
    place.peer.plan(place.peer.pend, place.peer.pend, *[place.peer.pend] * 4)
    assert place.enroll() == {"first": State.INSTALLED, "second": State.INSTALLED}
    polls = [e.trustpoint for e in place.diary.entries if e.event_id == "enrollment.poll"]
    assert polls[:4] == ["first", "second", "first", "second"]


def test_finished_trustpoint_is_left_alone(place: Place) -> None:
    """A second call sends nothing; one trustpoint that is new is enrolled."""
    place.enroll()
    sent = len(place.peer.received)
    assert place.enroll() == {"first": State.INSTALLED, "second": State.INSTALLED}
    assert len(place.peer.received) == sent
    place.configure("first", "second", "third")
    assert place.enroll()["third"] is State.INSTALLED
    assert len(place.peer.received) == sent + 1


def test_one_store_by_two_spellings_serves_one_of_two_that_would_share_keys(place: Place) -> None:
    """Where only the open stores tell that they are one, the second trustpoint is left out."""
    (place.folder / "link").symlink_to("keys")
    first, second = place.config.trustpoints
    second = replace(
        second,
        store_uri=f"soft:{place.folder}/link",
        policy=replace(second.policy, key_id=first.policy.first_key_id),
    )
    config = replace(place.config, trustpoints=(first, second))
    with place.service(config) as service:
        (session,) = service.enroll(config.trustpoints, wait=True, again=False)
        assert (session.name, session.state) == ("first", State.INSTALLED)
        assert "are one store)" in str(service.unopened["second"])


def test_expired_certificate_is_enrolled_for_again(place: Place) -> None:
    """What has ended does not count as enrolled."""
    place.enroll()
    place.clock.move_to(T0 + 2 * YEAR)
    sent = len(place.peer.received)
    assert place.enroll()["first"] is State.INSTALLED
    assert len(place.peer.received) == sent + 2


def test_lost_key_store_of_a_pending_request_is_an_error(place: Place) -> None:
    """The key of a pending request is not made anew somewhere else."""
    place.configure("first")
    place.peer.plan(place.peer.pend)
    assert place.enroll(wait=False) == {"first": State.PENDING}
    (place.folder / "keys").rename(place.folder / "away")
    with place.service() as service:
        assert service.enroll(place.config.trustpoints, wait=True, again=False) == []
        assert "there is no key store" in str(service.unopened["first"])
    assert not (place.folder / "keys").exists()


def test_blocked_trustpoint_can_be_enrolled_after_the_pin_was_corrected(place: Place) -> None:
    """An operator's enroll is what leaves BLOCKED."""
    place.configure("first")
    place.peer.authority = STRANGER
    assert place.enroll() == {"first": State.BLOCKED}
    place.peer.authority = AUTHORITY
    assert place.enroll() == {"first": State.INSTALLED}


def test_blocked_renewal_can_be_repeated(place: Place) -> None:
    """A certificate in use can be renewed once the CA is the right one again."""
    place.configure("first")
    place.enroll()
    place.peer.authority = STRANGER
    with place.service() as service:
        (session,) = service.renew(service_configs(place), wait=True)
        assert session.state is State.BLOCKED
        with pytest.raises(CaNotTrustedError):
            raise_for_outcome(session)
    place.peer.authority = AUTHORITY
    with place.service() as service:
        (session,) = service.renew(service_configs(place), wait=True)
        raise_for_outcome(session)
        assert session.machine.active is not None
        assert session.machine.active.generation == 2


def service_configs(place: Place) -> Any:
    """The trustpoints of the file."""
    return place.config.trustpoints


async def test_run_serves_all_until_it_is_stopped(place: Place) -> None:
    """The loop enrolls every trustpoint and gives the state directory back when stopped."""
    place.peer.plan(place.peer.pend)
    with place.service() as service:
        stop = asyncio.Event()
        running = asyncio.create_task(run_service(service, place.config.trustpoints, stop))
        await asyncio.to_thread(place.diary.wait_for, State.INSTALLED)
        await asyncio.to_thread(place.diary.wait_for, State.PENDING)
        stop.set()
        sessions = await running
    assert {session.state for session in sessions} == {State.PENDING, State.INSTALLED}
    assert place.peer.is_closed
    assert place.enroll() == {"first": State.INSTALLED, "second": State.INSTALLED}


async def test_run_tries_what_had_failed_once_at_its_start(place: Place) -> None:
    """A service that is started again gives a refused trustpoint another try."""
    place.configure("first")
    place.peer.plan(place.peer.refuse)
    assert place.enroll() == {"first": State.FAILED}
    with place.service() as service:
        stop = asyncio.Event()
        running = asyncio.create_task(run_service(service, place.config.trustpoints, stop))
        await asyncio.to_thread(place.diary.wait_for, State.INSTALLED)
        stop.set()
        await running
    assert len(place.peer.received) == 2


async def test_run_ends_with_the_journal(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that cannot be written ends the service; nothing goes on unrecorded."""
    real = SqliteJournal.commit

    def commit(self: SqliteJournal, trustpoint: str, at: datetime, record: Any) -> Any:
        if record.event_id == "enrollment.request":
            raise JournalError("the disk is full")
        return real(self, trustpoint, at, record)

    monkeypatch.setattr(SqliteJournal, "commit", commit)
    with place.service() as service, pytest.raises(JournalError, match="disk is full"):
        await run_service(service, place.config.trustpoints, asyncio.Event())
    assert place.peer.received == []


def with_own_store(place: Place, name: str, uri: str) -> None:
    """Gives one of the trustpoints a key store of its own, and everyone short pauses."""
    place.configure("first", "second")
    text = (place.folder / "agent.toml").read_text()
    pauses = "retry = { first_s = 0.1, growth = 1, ceiling_s = 0.1, max_attempts = 2 }"
    own = f'key = {{ store = "{uri}", secret = "file:pass" }}\n'
    for table in ("first", "second"):
        added = pauses + "\n" + (own if table == name else "")
        text = text.replace(f"[trustpoint.{table}]\n", f"[trustpoint.{table}]\n{added}")
    (place.folder / "agent.toml").write_text(text)


def test_closed_key_store_stops_its_trustpoint_only(place: Place) -> None:
    """One store that does not open leaves its trustpoint out, and the reason is at hand."""
    with_own_store(place, "first", "soft:nowhere/keys?kdf=lab")
    (place.folder / "nowhere").write_text("a file in the way")
    with place.service() as service:
        sessions = service.enroll(place.config.trustpoints, wait=True, again=False)
        assert [(s.name, s.state) for s in sessions] == [("second", State.INSTALLED)]
        assert list(service.unopened) == ["first"]
        (renewed,) = service.renew(place.config.trustpoints, wait=True)
        assert renewed.machine.active is not None
        assert renewed.machine.active.generation == 2
    told = [notice for notice in place.diary.notices if notice.event_id == "key-store.closed"]
    assert "not a directory" in str(told[0].details["reason"])


async def test_run_opens_a_key_store_that_comes_back(place: Place) -> None:
    """The others go on meanwhile; once the cause is gone the trustpoint enrolls by itself."""
    with_own_store(place, "first", "soft:nowhere/keys?kdf=lab")
    (place.folder / "nowhere").write_text("a file in the way")
    with place.service() as service:
        stop = asyncio.Event()
        running = asyncio.create_task(run_service(service, place.config.trustpoints, stop))
        await asyncio.to_thread(place.diary.wait_for, State.INSTALLED)
        assert list(service.unopened) == ["first"]
        place.diary.states.clear()
        (place.folder / "nowhere").unlink()
        await asyncio.to_thread(place.diary.wait_for, State.INSTALLED)
        assert service.unopened == {}
        stop.set()
        sessions = await running
    assert [(s.name, s.state) for s in sessions] == [
        ("first", State.INSTALLED),
        ("second", State.INSTALLED),
    ]


async def test_run_can_be_stopped_while_a_key_store_is_closed(place: Place) -> None:
    """Waiting for a token holds nothing up; the trustpoint stays where it was."""
    with_own_store(place, "first", "soft:nowhere/keys?kdf=lab")
    (place.folder / "nowhere").write_text("a file in the way")
    with place.service() as service:
        stop = asyncio.Event()
        stop.set()
        assert await run_service(service, place.config.trustpoints[:1], stop) == []
        assert list(service.unopened) == ["first"]
    (place.folder / "nowhere").unlink()
    assert place.enroll() == {"first": State.INSTALLED, "second": State.INSTALLED}


class Hang:
    """A call that hangs like one in a library: in its thread, until the test lets it go."""

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()

    def here(self) -> None:
        """Hangs."""
        self.reached.set()
        assert self.go_on.wait(DEADLINE_S)


async def test_key_store_that_hangs_at_opening_stops_its_trustpoint_only(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one enrolls meanwhile, and the service ends although the call does not."""
    monkeypatch.setattr("sceplab_agent.drivers.threads.GRACE_S", 0.05)
    hang = Hang()

    def open_store(uri: str, *words: Any, **options: Any) -> Any:
        if "slow" in uri:
            hang.here()
        return open_key_store(uri, *words, **options)

    monkeypatch.setattr("sceplab_agent.key_stores.open_key_store", open_store)
    with_own_store(place, "first", "soft:slow?kdf=lab")
    try:
        async with asyncio.timeout(DEADLINE_S):
            with place.service() as service:
                stop = asyncio.Event()
                running = asyncio.create_task(run_service(service, place.config.trustpoints, stop))
                await asyncio.to_thread(place.diary.wait_for, State.INSTALLED)
                assert await asyncio.to_thread(hang.reached.wait, DEADLINE_S)
                stop.set()
                sessions = await running
                assert [session.name for session in sessions] == ["second"]
                assert "slow?kdf=lab had not opened yet" in str(service.unopened["first"])
    finally:
        hang.go_on.set()


async def test_key_store_that_hangs_at_work_does_not_hold_the_end_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chip that stops answering in mid-call counts as a power cut: the next run goes on."""
    monkeypatch.setattr("sceplab_agent.drivers.threads.GRACE_S", 0.05)
    place.configure("first")
    hang, ended = Hang(), threading.Event()
    real = SoftwareKeyStore.generate

    def generate(self: SoftwareKeyStore, *words: Any) -> Any:
        hang.here()
        try:
            return real(self, *words)
        finally:
            ended.set()

    monkeypatch.setattr(SoftwareKeyStore, "generate", generate)
    try:
        async with asyncio.timeout(DEADLINE_S):
            with place.service() as service:
                stop = asyncio.Event()
                running = asyncio.create_task(run_service(service, place.config.trustpoints, stop))
                assert await asyncio.to_thread(hang.reached.wait, DEADLINE_S)
                stop.set()
                await running
    finally:
        hang.go_on.set()
    assert await asyncio.to_thread(ended.wait, DEADLINE_S)
    assert place.enroll() == {"first": State.INSTALLED}
    assert len(place.peer.received) == 1


class RunningClock(VirtualClock):
    """Time that passes by itself, for what waits in an event loop."""

    def __call__(self) -> datetime:
        """The present moment, aware UTC."""
        return datetime.now(UTC)


async def test_run_takes_up_what_gave_up_on_its_key_store(tmp_path: Path) -> None:
    """A token that was away for longer than all attempts last is not the end."""
    place = Place(tmp_path, clock=RunningClock(T0))
    fault = "fault=removed:generate:1:12"
    with_own_store(place, "first", f"fault+soft:own?kdf=lab&{fault}")
    with place.service() as service:
        stop = asyncio.Event()
        running = asyncio.create_task(run_service(service, place.config.trustpoints[:1], stop))
        await asyncio.to_thread(place.diary.wait_for, State.FAILED)
        await asyncio.to_thread(place.diary.wait_for, State.INSTALLED)
        stop.set()
        (session,) = await running
    assert session.state is State.INSTALLED
    assert len(place.peer.received) == 1


def test_wrong_key_type_is_no_matter_of_waiting(place: Place) -> None:
    """What the store cannot do fails at once, with the key store as its cause."""
    place.configure("first", extra='key = { store = "tpm-stub:chip", secret = "file:pass",'
                                   ' algorithm = "rsa:4096" }')  # fmt: skip
    with place.service() as service:
        (session,) = service.enroll(place.config.trustpoints, wait=True, again=False)
    failure = session.machine.failure
    assert session.state is State.FAILED
    assert failure is not None
    assert failure.cause is FailureCause.KEY_STORE
    assert "enrollment.retry" not in [entry.event_id for entry in place.diary.entries]


def test_cancelled_enrollment_leaves_no_key(place: Place) -> None:
    """What is under way or failed is given up with its key; what is in use stays."""
    place.peer.plan(place.peer.pend)
    assert place.enroll(wait=False) == {"first": State.PENDING, "second": State.INSTALLED}
    with place.service() as service:
        states = {s.name: s.state for s in service.cancel(place.config.trustpoints)}
    assert states == {"first": State.CA_PINNED, "second": State.INSTALLED}
    assert [path.name for path in (place.folder / "keys").glob("*.key")] == ["second.key"]
    assert place.enroll() == {"first": State.INSTALLED, "second": State.INSTALLED}


def test_damaged_snapshot_is_told_and_kept(tmp_path: Path) -> None:
    """A snapshot nobody can read stops its trustpoint; it is not replaced by a new start."""
    journal = MemoryJournal()
    agent = Agent(tmp_path, journal=journal)
    agent.driver.feed(EnrollRequested())
    at, _ = journal._snapshots["lab"]
    journal._snapshots["lab"] = (at, '{"version": 1, "state": "PENDING"}')
    with pytest.raises(JournalError, match="knows of trustpoint lab cannot be used"):
        agent.restart()
    (status,) = read_status([agent.trustpoint()], journal, state_dir=None)
    assert status.is_unreadable
    assert "knows of trustpoint lab cannot be used" in status.failure


def test_refusal_carries_its_fields(tmp_path: Path) -> None:
    """A library's user gets failInfo, text and transactionID, not only a sentence."""
    agent = Agent(tmp_path)
    agent.peer.plan(
        lambda received: agent.peer.refuse(
            received, fail_info=FailInfo.BAD_TIME, fail_info_text="late", hresult=-2146877420
        )
    )
    agent.driver.feed(EnrollRequested())
    with pytest.raises(EnrollmentRejectedError, match='badTime: "late"') as caught:
        raise_for_outcome(agent.session)
    error = caught.value
    assert (error.fail_info, error.fail_info_text) == (FailInfo.BAD_TIME, "late")
    assert error.transaction_id == agent.peer.received[0].request.transaction_id
    assert "HRESULT 0x80094014" in str(error)
    assert error.exit_code is ExitCode.REJECTED


def test_distrust_carries_the_pin(tmp_path: Path) -> None:
    """A pin mismatch says what was expected."""
    agent = Agent(tmp_path)
    agent.peer.authority = STRANGER
    agent.driver.feed(EnrollRequested())
    with pytest.raises(CaNotTrustedError) as caught:
        raise_for_outcome(agent.session)
    assert caught.value.expected_hex == format_pin(AUTHORITY.pin())
    assert caught.value.exit_code is ExitCode.TRUST


def test_unfinished_session_is_not_settled(tmp_path: Path) -> None:
    """PENDING is neither failure nor end; a fresh trustpoint has nothing to show."""
    agent = Agent(tmp_path)
    with pytest.raises(EnrollmentFailedError, match="stopped in CONFIGURED"):
        raise_for_outcome(agent.session)
    agent.peer.plan(agent.peer.pend)
    agent.driver.feed(EnrollRequested())
    assert not is_settled(agent.session)
    raise_for_outcome(agent.session)


@pytest.mark.parametrize("cause", FailureCause)
def test_every_cause_has_an_exit_code(cause: FailureCause) -> None:
    """No cause ends in the code for bugs."""
    assert exit_code_for(cause) not in {ExitCode.OK, ExitCode.FAILED}
    assert exit_code_for(None) is ExitCode.FAILED


def test_challenge_is_redacted_without_being_asked_for() -> None:
    """Redaction follows a quiet reference, never a prompt, and forgives a dangling one."""
    asked: list[str] = []

    def resolve() -> Secret:
        asked.append("asked")
        return Secret("Hunter2+")

    quiet = ChallengeSource(resolve)
    assert quiet.redact("xhunter2+x HUNTER2+") == "x***x ***"
    asked.clear()
    interactive = ChallengeSource(resolve, is_interactive=True)
    assert interactive.redact("Hunter2+") == "Hunter2+"
    assert asked == []
    interactive.take()
    assert interactive.redact("Hunter2+") == "***"
    empty = ChallengeSource.from_reference("", prompt="")
    assert empty.redact("untouched") == "untouched"
    dangling = ChallengeSource.from_reference("env:NO_SUCH_VARIABLE_HERE", prompt="")
    assert dangling.redact("untouched") == "untouched"


def test_journal_of_the_service_is_where_status_looks(place: Place) -> None:
    """What the service wrote, status reads from another connection while it works."""
    with place.service() as service:
        service.enroll(place.config.trustpoints, wait=True, again=False)
        journal = SqliteJournal.open_read_only(place.folder / "state" / FILE_NAME)
        assert journal is not None
        statuses = read_status(place.config.trustpoints, journal, state_dir=place.folder / "state")
        journal.close()
    assert [status.state for status in statuses] == [State.INSTALLED, State.INSTALLED]
    assert all(Path(status.certificate_file).exists() for status in statuses)
