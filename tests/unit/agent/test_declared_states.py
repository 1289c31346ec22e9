"""What goes wrong around the agent ends in a declared state, names the next step, and passes.

Each row of `CASES` brings one cause about for the real process, beside a real server, and takes it
away again. The table "When something is wrong" of ``agent/README.md`` says the same in words.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sceplab_agent.core.states import State
from sceplab_agent.exit_codes import ExitCode
from sceplab_ndes.state import ServerState
from tests.support.agent_cli import AgentFolder, AgentRun
from tests.support.agent_process import Running, approve_all, configure, now
from tests.support.server import make_server
from tests.support.small_disk import SmallDisk, mount_small_disk
from tests.support.switched_server import SwitchedServer, switched_server
from tests.support.waiting import wait_until

pytestmark = pytest.mark.daemon

DAY_S = 86_400
YEAR_S = 365 * DAY_S
PAST_EXPIRY_S = YEAR_S + 10 * DAY_S
"""Certificates of the server live a year, its own ones longer."""
DISK_KIB = 16_384
"""Ample for the journal of one test: the log beside it grows to 4 MiB."""
SHIFTED = str(Path(__file__).parents[2] / "support" / "shifted_agent.py")


@dataclass(kw_only=True)
class Site:
    """An agent, its server and the clocks of both."""

    agent: AgentFolder
    server: SwitchedServer
    state: ServerState
    """What answers, when all is well."""
    stack: ExitStack
    """Closed after the test."""
    server_ahead_s: float = 0.0
    """By how much the server's clock is ahead of the real one."""

    def server_now(self) -> datetime:
        """The server's time."""
        return now() + timedelta(seconds=self.server_ahead_s)

    def configure(self, renewal: str) -> None:
        """Puts a line about renewals into the trustpoint, in place of the one before."""
        path = self.agent.folder / "agent.toml"
        lines = [one for one in path.read_text().splitlines() if not one.startswith("renewal =")]
        lines.insert(lines.index("[trustpoint.lab]") + 1, renewal)
        path.write_text("\n".join(lines) + "\n")

    def set_agent_clock(self, ahead_s: float) -> None:
        """Sets the agent's clock off the real one; at once, as a file is replaced."""
        path = self.agent.folder / "offset"
        self.agent.environment["CLOCK_OFFSET"] = str(path)
        fresh = path.with_suffix(".new")
        fresh.write_text(str(ahead_s))
        fresh.rename(path)

    def let_pass(self, running: Running, ahead_s: float) -> None:
        """Moves both clocks on, and has the agent look at its own."""
        self.server_ahead_s = ahead_s
        self.step(running, ahead_s)

    def step(self, running: Running, ahead_s: float) -> None:
        """Sets the agent's clock alone, and has it look."""
        self.set_agent_clock(ahead_s)
        running.process.send_signal(signal.SIGHUP)

    def give_password(self) -> None:
        """The operator puts a new one-time password in place."""
        password = self.state.challenge.issue("admin", self.server_now())
        assert password is not None
        (self.agent.folder / "challenge").write_text(password.reveal() + "\n")

    def trustpoint(self) -> dict[str, Any]:
        """How the trustpoint stands, by ``status``."""
        run = self.agent.run("status", "--json")
        assert run.status == ExitCode.OK, run.err + run.out
        (found,) = run.document()["trustpoints"]
        return dict(found)

    def command(self, *words: str) -> AgentRun:
        """Runs a command that has to succeed."""
        run = self.agent.run(*words)
        assert run.status == ExitCode.OK, run.err + run.out
        return run


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How the agent stands while the cause lasts."""

    state: str
    code: int
    said: str


Cause = Callable[[Site], AbstractContextManager[Ended]]


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """An agent beside a server of its own, with the settings that the case wants."""
    state = make_server(settings=request.param, now=now())
    sites: list[Site] = []

    def clock() -> datetime:
        return sites[0].server_now() if sites else now()

    with switched_server(clock) as server, ExitStack() as stack:
        server.answer_by(state)
        quick = "retry = { first_s = 0.1, ceiling_s = 0.1, max_attempts = 2 }"
        agent = replace(configure(tmp_path, state, server.url, extra=quick), program=(SHIFTED,))
        place = Site(agent=agent, server=server, state=state, stack=stack)
        sites.append(place)
        place.set_agent_clock(0)
        yield place
        state.close()


def stop(running: Running) -> int:
    """Ends the service as its manager does; its exit code."""
    return running.end(signal.SIGTERM)[0]


def state_of(line: str) -> str:
    """The state in which the trustpoint was when it said so: what follows may change it soon."""
    _time, _trustpoint, state, _event, *_details = line.split()
    return state


def serial(site: Site) -> object:
    """Serial number of the active certificate."""
    return site.trustpoint()["serial_number"]


def put_on_small_disk(site: Site) -> SmallDisk:
    """Has the state directory made on a disk of its own, as long as the site is there."""
    folder = site.agent.folder
    (folder / "disk").mkdir(mode=0o700)
    disk = site.stack.enter_context(mount_small_disk(folder / "disk", size_kib=DISK_KIB))
    text = (folder / "agent.toml").read_text()
    (folder / "agent.toml").write_text(text.replace('"state"', '"disk/agent"'))
    site.agent = replace(site.agent, launcher=disk.launcher(folder))
    return disk


@contextmanager
def disk_full_at_first(site: Site) -> Iterator[Ended]:
    """There is no room for the first entry; with room the same command enrolls."""
    disk = put_on_small_disk(site)
    disk.fill()
    run = site.agent.run("enroll")
    yield Ended(state=site.trustpoint()["state"], code=run.status, said=run.err)
    disk.make_room()
    site.command("enroll")
    assert site.agent.run("check").status == ExitCode.OK


@contextmanager
def disk_full_while_polling(site: Site) -> Iterator[Ended]:
    """The service ends; started again with room, it goes on with the same transaction."""
    disk = put_on_small_disk(site)
    running = Running(site.agent, "run")
    running.wait_for("enrollment.pending")
    before = site.trustpoint()["transaction_id"]
    disk.fill()
    code, _, said = running.finish()
    yield Ended(state=site.trustpoint()["state"], code=code, said=said)
    disk.make_room()
    assert site.trustpoint()["transaction_id"] == before
    approve_all(site.state)
    again = Running(site.agent, "run")
    again.wait_for("certificate.installed")
    assert stop(again) == ExitCode.OK


@contextmanager
def disk_full_at_renewal(site: Site) -> Iterator[Ended]:
    """No room to renew: the certificate stays, and with room it is renewed."""
    disk = put_on_small_disk(site)
    site.command("enroll")
    before = serial(site)
    disk.fill()
    run = site.agent.run("renew")
    disk.make_room()
    ended = site.trustpoint()
    assert ended["serial_number"] == before
    yield Ended(state=ended["state"], code=run.status, said=run.err)
    site.command("renew")
    assert serial(site) != before


@contextmanager
def read_only_at_first(site: Site) -> Iterator[Ended]:
    """Nothing can be written from the start, which `check` tells, too."""
    disk = put_on_small_disk(site)
    disk.set_writable(False)
    assert site.agent.run("check").status == ExitCode.STORAGE
    run = site.agent.run("enroll")
    yield Ended(state=site.trustpoint()["state"], code=run.status, said=run.err)
    disk.set_writable(True)
    site.command("enroll")


@contextmanager
def read_only_later(site: Site) -> Iterator[Ended]:
    """An enrolled agent can be looked at and not renewed; the service does not start."""
    disk = put_on_small_disk(site)
    site.command("enroll")
    before = serial(site)
    disk.set_writable(False)
    assert site.agent.run("run").status == ExitCode.STORAGE
    assert "certificate.installed" in site.command("events").out
    run = site.agent.run("renew")
    ended = site.trustpoint()
    assert ended["serial_number"] == before
    yield Ended(state=ended["state"], code=run.status, said=run.err)
    disk.set_writable(True)
    site.command("renew")
    assert serial(site) != before


@contextmanager
def clock_back_at_first(site: Site) -> Iterator[Ended]:
    """A device that thinks it is last year finds no certificate of the server valid."""
    site.set_agent_clock(-YEAR_S)
    run = site.agent.run("enroll")
    yield Ended(state=site.trustpoint()["state"], code=run.status, said=run.err)
    site.set_agent_clock(0)
    site.command("enroll")


@contextmanager
def clock_back(site: Site) -> Iterator[Ended]:
    """The certificate of a running service is not valid yet; nothing is given up."""
    running = Running(site.agent, "run")
    running.wait_for("certificate.installed")
    before = serial(site)
    site.step(running, -YEAR_S)
    said = running.wait_for("clock.jumped")
    state = site.trustpoint()["state"]
    site.step(running, 0)
    assert "none if the clock is right now" in running.wait_for("clock.jumped")
    site.command("renew")
    assert serial(site) != before
    yield Ended(state=state, code=stop(running), said=said)


@contextmanager
def clock_past_expiry(site: Site) -> Iterator[Ended]:
    """The certificate has ended by a wrong clock; put right, it is valid and renews."""
    site.configure('renewal = { after_expiry = "stop" }')
    yield from end_by_clock(site)


@contextmanager
def clock_past_expiry_unattended(site: Site) -> Iterator[Ended]:
    """The same with a spent password at hand: refused, and the certificate stays as it is."""
    yield from end_by_clock(site)


def end_by_clock(site: Site) -> Iterator[Ended]:
    """Sets the clock of a running service past the end, and back after it stopped."""
    running = Running(site.agent, "run")
    running.wait_for("certificate.installed")
    before = serial(site)
    site.step(running, PAST_EXPIRY_S)
    said, needed = running.wait_for_each("clock.jumped", "operator.needed")
    state = state_of(needed)
    code = stop(running)
    assert site.agent.run("renew").status == ExitCode.CONFIGURATION
    yield Ended(state=state, code=code, said=said)
    site.set_agent_clock(0)
    site.command("renew")
    assert serial(site) != before


@contextmanager
def clock_step_while_polling(site: Site) -> Iterator[Ended]:
    """A step of the time service changes nothing: the same request is polled for and issued."""
    running = Running(site.agent, "run")
    running.wait_for("enrollment.pending")
    before = site.trustpoint()["transaction_id"]
    site.step(running, 600)
    said = running.wait_for("clock.jumped")
    ended = site.trustpoint()
    assert ended["transaction_id"] == before
    approve_all(site.state)
    running.wait_for("certificate.installed")
    yield Ended(state=ended["state"], code=stop(running), said=said)


@contextmanager
def server_gone(site: Site) -> Iterator[Ended]:
    """From before the renewal until after the end nobody answers; then a new password is needed."""
    site.configure('renewal = { after_expiry = "stop" }')
    running = Running(site.agent, "run")
    running.wait_for("certificate.installed")
    before = serial(site)
    site.server.go()
    site.let_pass(running, YEAR_S - 10 * DAY_S)
    assert "Connection refused" in running.wait_for("enrollment.retry")
    # Between two retries, which follow one another quickly here.
    wait_until(lambda: site.trustpoint()["state"] == State.RETRY_WAIT.value, "the pause")
    site.let_pass(running, PAST_EXPIRY_S)
    running.wait_for("certificate.expired")
    said = running.wait_for("operator.needed")
    ended = site.trustpoint()
    yield Ended(state=ended["state"], code=stop(running), said=said)
    lost = site.agent.run("enroll")
    assert lost.status == ExitCode.TRANSPORT
    assert "next_step=make the server reachable and enroll again" in lost.err
    site.server.answer_by(site.state)
    site.give_password()
    site.command("enroll")
    assert serial(site) != before


@contextmanager
def server_gone_for_a_while(site: Site) -> Iterator[Ended]:
    """The same, and nobody comes: with server and password back the service enrolls by itself."""
    running = Running(site.agent, "run")
    running.wait_for("certificate.installed")
    before = serial(site)
    site.server.go()
    site.let_pass(running, PAST_EXPIRY_S)
    running.wait_for("enrollment.again")
    said = running.wait_for("operator.needed")
    ended = site.trustpoint()
    assert ended["renewal_note"]
    site.give_password()
    site.server.answer_by(site.state)
    running.wait_for("certificate.installed")
    assert serial(site) != before
    yield Ended(state=state_of(said), code=stop(running), said=said)


@contextmanager
def unchanged_certificate(site: Site) -> Iterator[Ended]:
    """A server that wants a new key each time gives the certificate in use; it is named."""
    site.configure("renewal = { new_key = false }")
    site.command("enroll")
    before = serial(site)
    run = site.agent.run("renew", "--quiet")
    ended = site.trustpoint()
    assert ended["serial_number"] == before
    assert "renewal.new_key = true" in ended["next_step"]
    yield Ended(state=ended["state"], code=run.status, said=run.err)
    site.configure("renewal = { new_key = true }")
    site.command("renew")
    assert serial(site) != before


@contextmanager
def another_ca(site: Site) -> Iterator[Ended]:
    """A stranger answers: nothing is sent to it, the certificate stays, the right one renews."""
    site.command("enroll")
    before = serial(site)
    stranger = make_server(now=now())
    site.server.answer_by(stranger)
    run = site.agent.run("renew")
    ended = site.trustpoint()
    assert ended["serial_number"] == before
    assert "enrollment.request " not in run.err
    site.server.answer_by(site.state)
    stranger.close()
    yield Ended(state=ended["state"], code=run.status, said=run.err)
    site.command("enroll")
    site.command("renew")
    assert serial(site) != before


@contextmanager
def another_ca_for_a_while(site: Site) -> Iterator[Ended]:
    """The same under ``run``, and nobody comes: with the right CA back the service renews."""
    running = Running(site.agent, "run")
    running.wait_for("certificate.installed")
    before = serial(site)
    stranger = make_server(now=now())
    site.server.answer_by(stranger)
    site.let_pass(running, YEAR_S - 10 * DAY_S)
    running.wait_for("lab BLOCKED ca.distrusted")
    said = running.wait_for("operator.needed")
    running.wait_for("lab BLOCKED ca.distrusted")  # again: it has looked once more
    assert serial(site) == before
    site.server.answer_by(site.state)
    stranger.close()
    running.wait_for("certificate.installed")
    assert serial(site) != before
    yield Ended(state=state_of(said), code=stop(running), said=said)


APPROVAL = {"template": {"approval": "manual"}}
DISK_STEP = "make room on its disk, or make the disk writable"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row: a cause, and what is declared to come of it."""

    cause: Cause
    state: State
    code: ExitCode
    step: str
    """Part of the message: what to do."""
    settings: dict[str, dict[str, str]] | None = None
    """Of the server's profile, by section."""


CASES = (
    Case(cause=disk_full_at_first, state=State.UNCONFIGURED, code=ExitCode.STORAGE, step=DISK_STEP),
    Case(
        cause=disk_full_while_polling,
        state=State.PENDING,
        code=ExitCode.STORAGE,
        step=DISK_STEP,
        settings=APPROVAL,
    ),
    Case(cause=disk_full_at_renewal, state=State.INSTALLED, code=ExitCode.STORAGE, step=DISK_STEP),
    Case(cause=read_only_at_first, state=State.UNCONFIGURED, code=ExitCode.STORAGE, step=DISK_STEP),
    Case(cause=read_only_later, state=State.INSTALLED, code=ExitCode.STORAGE, step=DISK_STEP),
    Case(
        cause=clock_back_at_first,
        state=State.FAILED,
        code=ExitCode.TRANSPORT,
        step="if the clock here is wrong, set it",
    ),
    Case(cause=clock_back, state=State.INSTALLED, code=ExitCode.OK, step="set the clock; until"),
    Case(
        cause=clock_past_expiry,
        state=State.FAILED,
        code=ExitCode.OK,
        step="run sceplab-agent enroll lab; if not, set it",
    ),
    Case(
        cause=clock_past_expiry_unattended,
        state=State.FAILED,
        code=ExitCode.OK,
        step="none: another one is enrolled for; if not, set it now",
    ),
    Case(
        cause=clock_step_while_polling,
        state=State.PENDING,
        code=ExitCode.OK,
        step="next_step=none if the clock is right now",
        settings=APPROVAL,
    ),
    Case(
        cause=server_gone,
        state=State.FAILED,
        code=ExitCode.OK,
        step="next_step=make the server reachable",
    ),
    Case(
        cause=server_gone_for_a_while,
        state=State.FAILED,
        code=ExitCode.OK,
        step="next_step=make the server reachable",
    ),
    Case(
        cause=unchanged_certificate,
        state=State.FAILED,
        code=ExitCode.CONFIGURATION,
        step="next step: set renewal.new_key = true",
        settings={"renewal": {"same_key": "existing"}},
    ),
    Case(
        cause=another_ca,
        state=State.BLOCKED,
        code=ExitCode.TRUST,
        step="next_step=compare fingerprints out of band, set the pins",
    ),
    Case(
        cause=another_ca_for_a_while,
        state=State.BLOCKED,
        code=ExitCode.OK,
        step="next_step=compare fingerprints out of band, set the pins",
    ),
)


@pytest.mark.parametrize(
    ("site", "case"),
    [pytest.param(case.settings, case, id=case.cause.__name__) for case in CASES],
    indirect=["site"],
)
def test_cause_ends_in_its_declared_state_and_passes(site: Site, case: Case) -> None:
    """State, exit code and next step are those of the table; with the cause gone all goes on."""
    with case.cause(site) as ended:
        assert (ended.state, ended.code) == (case.state.value, case.code)
        assert case.step in ended.said
        assert "Traceback" not in ended.said
    assert site.trustpoint()["state"] == State.INSTALLED.value
