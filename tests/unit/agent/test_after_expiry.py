"""What follows when a certificate ended before it was renewed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from sceplab_agent.challenge import ChallengeSource
from sceplab_agent.cli_output import format_status
from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import BuildRequest, FetchCa, Notify
from sceplab_agent.core.events import EnrollRequested
from sceplab_agent.core.model import Awaited
from sceplab_agent.core.policy import AfterExpiry, Backoff, Recovery, RenewalPolicy, RetryPolicy
from sceplab_agent.core.states import State
from sceplab_agent.drivers.virtual import VirtualDriver
from sceplab_agent.errors import TransportTimeoutError
from sceplab_agent.pursuit import events_to_enroll
from sceplab_agent.status import read_status
from sceplab_agent.transport import HttpResponse, HttpTransport
from sceplab_hsm.errors import SecretUnavailableError
from sceplab_scep.attributes import MessageType
from tests.support.core import (
    LIFETIME,
    LOST,
    PKI,
    REJECTED,
    T0,
    UNREACHABLE,
    Stage,
    device_key,
    policy,
)
from tests.support.pair import Pair

END = T0 + LIFETIME
DAY_S = 86_400
RARELY = RetryPolicy(max_attempts=1, backoff=Backoff(first_s=DAY_S, ceiling_s=DAY_S))
"""A year of a server that is away passes in a moment."""
STOP = RenewalPolicy(after_expiry=AfterExpiry.STOP)


def expired(**changes: object) -> Stage:
    """A device that slept through the end of its certificate, at the moment it is told."""
    stage = Stage(policy=policy(**changes)).to_installed()
    stage.now = END + timedelta(hours=1)
    stage.give(ev.DeadlineReached())
    return stage


@pytest.mark.covers("M8")
def test_an_ended_certificate_is_enrolled_for() -> None:
    """By default at once, as a first enrollment with the challenge; nobody has to come."""
    stage = expired()
    assert stage.state is State.FAILED
    assert stage.ids() == ["certificate.expired"]
    assert stage.ids(Notify) == []
    assert stage.machine.next_deadline() == stage.now
    stage.wake()
    assert stage.state is State.CA_FETCH
    assert stage.ids() == ["enrollment.again"]
    stage.ca_received()
    stage.key_ready()
    request = stage.one(BuildRequest)
    assert request.message_type is MessageType.PKCS_REQ
    assert request.signer_certificate_der is None
    assert request.include_challenge
    stage.built()
    stage.issued()
    stage.give(ev.CertificateInstalled())
    assert stage.state is State.INSTALLED
    assert stage.machine.renewal_note == ""


@pytest.mark.parametrize(
    ("trouble", "pauses"),
    [(REJECTED, [900, 1800, 3600]), (UNREACHABLE, [900, 900, 900])],
    ids=["refused", "unreachable"],
)
def test_enrollments_after_the_end_back_off(trouble: ev.Event, pauses: list[int]) -> None:
    """Refusals are followed by pauses that double, what may pass by equal ones; also restarted."""
    stage = expired(retry=RetryPolicy(max_attempts=1), uses_challenge=False)
    seen = []
    for _ in pauses:
        stage.wake()
        stage.through_request()
        stage.give(trouble)
        assert stage.state is State.FAILED
        assert stage.ids(Notify) == ["operator.needed"]
        assert "another one is enrolled for by itself" in stage.machine.renewal_note
        assert stage.machine.next_step
        deadline = stage.machine.next_deadline()
        assert deadline is not None
        seen.append((deadline - stage.now).total_seconds())
        stage.restart()
        stage.give(ev.Restarted())
        assert stage.machine.next_deadline() == deadline
        assert stage.give(ev.DeadlineReached()) == []
    assert seen == pauses


@pytest.mark.parametrize("recovery", Recovery)
def test_a_lost_answer_after_the_end_does_not_stop_the_enrollments(recovery: Recovery) -> None:
    """The request may have spent its challenge: it is refused then, and tried again later."""
    stage = expired(recovery=recovery, uses_challenge=True)
    stage.wake()
    stage.through_request()
    stage.give(UNREACHABLE)
    for _ in range(6):
        if stage.state is State.FAILED:
            break
        if stage.machine.awaited is Awaited.NOTHING:
            stage.wake()
        match stage.commands[-1]:
            case FetchCa():
                stage.through_request()
            case BuildRequest():
                stage.built()
        stage.give(LOST)
    assert stage.state is State.FAILED
    assert "another one is enrolled for by itself" in stage.machine.renewal_note
    assert stage.wake()
    assert stage.ids() == ["enrollment.again"]


def test_the_longest_pause_is_a_day() -> None:
    """However often it was refused."""
    stage = expired(retry=RetryPolicy(max_attempts=1))
    for _ in range(12):
        stage.wake()
        stage.through_request()
        stage.give(REJECTED)
    deadline = stage.machine.next_deadline()
    assert deadline == stage.now + timedelta(seconds=DAY_S)


@pytest.mark.parametrize("rules", [STOP, RenewalPolicy(enabled=False)], ids=["stop", "disabled"])
def test_nothing_goes_on_where_the_policy_says_so(rules: RenewalPolicy) -> None:
    """The operator is told once, no timer runs; a request is heard."""
    stage = expired(renewal=rules)
    assert stage.state is State.FAILED
    assert stage.ids(Notify) == ["operator.needed"]
    assert stage.machine.next_deadline() is None
    assert "nothing goes on by itself" in stage.machine.renewal_note
    assert stage.give(ev.DeadlineReached()) == []
    stage.give(ev.EnrollRequested())
    assert stage.state is State.CA_FETCH


def test_a_certificate_that_had_ended_as_it_came_is_not_replaced_at_once() -> None:
    """A CA at its end, or a server's slow clock: within the tolerance, and no loop."""
    stage = expired()
    for _ in range(3):
        stage.wake()
        began_at = stage.now
        stage.through_request()
        key = stage.machine.new_key
        assert key is not None
        ending = PKI.issue(device_key(key.key_id), at=stage.now - LIFETIME, lifetime=LIFETIME)
        stage.issued(ending)
        stage.give(ev.CertificateInstalled())
        stage.wake()
        assert stage.state is State.FAILED
        assert stage.ids() == ["certificate.expired"]
        assert stage.machine.next_deadline() == began_at + timedelta(seconds=900)


def test_a_changed_policy_takes_a_stopped_one_up() -> None:
    """With ``enroll`` in place of ``stop`` the pause after the end counts, and then it begins."""
    stage = expired(renewal=STOP)
    stage.machine.set_policy(policy())
    stage.give(ev.TrustpointConfigured())
    stage.wake()
    assert stage.state is State.CA_FETCH


def test_a_clock_set_back_ends_the_enrollments() -> None:
    """The certificate is valid again: it is renewed in its time, and not enrolled for."""
    stage = expired(retry=RetryPolicy(max_attempts=1))
    stage.wake()
    stage.through_request()
    stage.give(REJECTED)
    stage.now = T0 + LIFETIME / 2
    stage.give(ev.DeadlineReached())
    stage.wake()
    assert stage.state is State.RENEW_DUE
    assert stage.now == T0 + 0.7 * LIFETIME


def test_a_clock_a_little_behind_the_newest_record_does_not_spin() -> None:
    """After the end, and before the newest record: the enrollment begins all the same."""
    stage = expired()
    stage.now -= timedelta(minutes=30)
    stage.give(ev.DeadlineReached())
    stage.wake()
    assert stage.state is State.CA_FETCH


def test_the_next_step_is_that_of_the_last_failure() -> None:
    """Nobody reached the server: make it reachable, and not: ask the CA's operator."""
    stage = Stage(policy=policy(renewal=STOP)).to_installed()
    stage.wake()
    stage.give(UNREACHABLE)
    stage.now = END
    stage.give(ev.DeadlineReached())
    assert "make the server reachable" in str(stage.one(Notify).details["next_step"])
    assert stage.machine.next_step == stage.one(Notify).details["next_step"]


class Line(HttpTransport):
    """A transport that can be cut."""

    def __init__(self, transport: HttpTransport) -> None:
        self._transport = transport
        self.is_cut = False

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
        if self.is_cut:
            raise TransportTimeoutError("nobody answers")
        return self._transport.request(
            method, url, body=body, content_type=content_type, headers=headers
        )


def line_of(pair: Pair) -> Line:
    """Has the agent work over a line that can be cut, as a new process."""
    line = Line(pair.transport)
    pair.session = pair.new_session()
    pair.driver = VirtualDriver(pair.clock)
    pair.driver.add(pair.session, line)
    return line


def enrolled(**rules: object) -> Pair:
    """An enrolled device whose server wants no challenge."""
    settings = {"challenge": {"mode": "none"}}
    pair = Pair(settings=settings, policy={"retry": RARELY, **rules})
    pair.driver.feed(pair.session, EnrollRequested())
    pair.pass_time(hours=2)
    assert pair.session.state is State.INSTALLED
    return pair


def test_a_server_that_comes_back_after_the_end_gives_a_certificate() -> None:
    """A month without it past the end, then a day: enrolled, one certificate."""
    pair = enrolled()
    first = pair.session.machine.active
    assert first is not None
    line = line_of(pair)
    line.is_cut = True
    pair.driver.run_until(first.not_after + timedelta(days=30))
    (status,) = read_status([pair.config()], pair.journal, state_dir=None)
    assert status.next_step_at is not None
    assert pair.session.machine.active == first
    line.is_cut = False
    pair.pass_time(days=1)
    active = pair.session.machine.active
    assert active is not None
    assert active.generation == 2
    assert pair.session.state is State.INSTALLED


def test_the_status_says_that_it_goes_on_or_does_not() -> None:
    """Its note and its next step, in words, for the person in front of it."""
    for rules, words in ((STOP, "nothing goes on by itself"), (RenewalPolicy(), "by itself")):
        pair = enrolled(renewal=rules)
        line_of(pair).is_cut = True
        pair.pass_time(days=400)
        (status,) = read_status([pair.config(renewal=rules)], pair.journal, state_dir=None)
        text = format_status(status)
        assert words in text
        assert "  to do        make the server reachable and enroll again" in text
        assert (status.next_step_at is None) == (rules is STOP)


def test_an_absent_challenge_is_named() -> None:
    """The request needs one, none is there: FAILED, what to do, and tried again later."""
    pair = Pair(policy={"retry": RARELY})
    pair.fetch_password()
    pair.driver.feed(pair.session, EnrollRequested())
    pair.pass_time(hours=2)
    line_of(pair).is_cut = True
    pair.pass_time(days=380)

    def nowhere() -> None:
        raise SecretUnavailableError("the file is not there")

    line = line_of(pair)
    pair.session._executor._builder._challenge = ChallengeSource(nowhere)  # type: ignore[arg-type]
    assert not line.is_cut
    pair.pass_time(days=2)
    machine = pair.session.machine
    assert machine.state is State.FAILED
    assert "put a challenge password in place" in machine.next_step
    assert machine.next_deadline() is not None


def test_a_service_that_starts_leaves_a_stopped_one_alone() -> None:
    """Nobody asked, and the policy says stop: only who asks gets an enrollment."""
    pair = enrolled(renewal=STOP)
    line_of(pair).is_cut = True
    pair.pass_time(days=400)
    now = pair.clock()
    assert events_to_enroll(pair.session, now, again=False, is_asked=False) == []
    assert events_to_enroll(pair.session, now, again=False) == [
        EnrollRequested(has_challenge=False)
    ]


def test_an_end_is_told_also_after_the_operator_was_called() -> None:
    """Renewals are off, a replacement was refused: the end of the certificate in use is news."""
    stage = Stage(policy=policy(renewal=RenewalPolicy(enabled=False))).to_installed()
    stage.give(ev.EnrollRequested())
    stage.through_request()
    stage.give(REJECTED)
    assert stage.state is State.FAILED
    stage.wake()
    assert stage.now == END
    assert stage.ids() == ["certificate.expired"]
