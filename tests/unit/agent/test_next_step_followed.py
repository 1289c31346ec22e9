"""Who does what the message says, and nothing else, gets a certificate."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sceplab_agent.exit_codes import ExitCode
from sceplab_ndes.state import ServerState
from tests.support.agent_cli import AgentFolder, AgentRun
from tests.support.agent_process import Running, approve_all, configure, now
from tests.support.server import make_server
from tests.support.switched_server import switched_server
from tests.support.waiting import wait_until

pytestmark = pytest.mark.daemon

RARELY = "retry = { first_s = 3600, ceiling_s = 3600, max_attempts = 1 }"
MANUAL = {"template": {"approval": "manual"}}
BESIDE = pytest.mark.parametrize("is_running", [False, True], ids=["alone", "beside run"])


@dataclass(kw_only=True)
class Place:
    """An agent, its server, and perhaps a running service."""

    agent: AgentFolder
    state: ServerState
    url: str
    running: Running | None = None

    def command(self, *words: str, code: ExitCode = ExitCode.OK) -> AgentRun:
        """Runs a command that has to end with a code."""
        run = self.agent.run(*words)
        assert run.status == code, run.err + run.out
        return run

    def start(self) -> None:
        """Starts the service and waits until it answers."""
        self.running = Running(self.agent, "run")
        socket = self.agent.folder / "state" / "control.sock"
        wait_until(socket.exists, "the running agent")

    def trustpoint(self, *words: str) -> dict[str, Any]:
        """How ``lab`` stands, by a command that gives JSON."""
        document = self.agent.run(*(words or ("status",)), "--json").document()
        (found,) = [one for one in document["trustpoints"] if one["name"] == "lab"]
        return dict(found)

    def serial(self) -> object:
        """Of the certificate in use."""
        return self.trustpoint()["serial_number"]

    def give_password(self) -> None:
        """The operator puts a new one-time password in place."""
        password = self.state.challenge.issue("admin", now())
        assert password is not None
        (self.agent.folder / "challenge").write_text(password.reveal() + "\n")

    def edit(self, before: str, after: str) -> None:
        """Changes the configuration."""
        path = self.agent.folder / "agent.toml"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An agent that pauses for an hour after its first failure, and its server."""
    state = make_server(settings=getattr(request, "param", None), now=now())
    with switched_server(now) as server:
        server.answer_by(state)
        agent = configure(tmp_path, state, server.url, extra=RARELY)
        found = Place(agent=agent, state=state, url=server.url)
        yield found
        if found.running is not None:
            assert found.running.end(signal.SIGTERM)[0] == ExitCode.OK
    state.close()


@BESIDE
def test_enroll_tries_what_was_refused_beside_a_valid_certificate(
    place: Place, *, is_running: bool
) -> None:
    """``enroll`` does not tell the refusal of ``enroll --again`` once more."""
    place.command("enroll")
    before = place.serial()
    if is_running:
        place.start()
    refused = place.command("enroll", "--again", code=ExitCode.REJECTED)
    assert "ask the CA's operator and renew again" in refused.err
    assert "new challenge password and enroll --again" in refused.err
    place.command("enroll")
    renewed = place.serial()
    assert renewed != before
    place.command("enroll", "--again", code=ExitCode.REJECTED)
    place.give_password()
    place.command("enroll", "--again")
    assert place.serial() not in {before, renewed}


@BESIDE
def test_enroll_looks_again_at_a_ca_that_was_refused(place: Place, *, is_running: bool) -> None:
    """With the wrong pin still in place it fails again; with the right one it renews."""
    place.command("enroll")
    before, text = place.serial(), (place.agent.folder / "agent.toml").read_text()
    pin = next(line for line in text.splitlines() if line.startswith("fingerprint"))
    place.edit(pin, 'fingerprint = "sha256:' + "0" * 64 + '"')
    if is_running:
        place.start()
    blocked = place.command("renew", code=ExitCode.TRUST)
    assert "set the pins, renew again" in blocked.err
    place.command("enroll", code=ExitCode.TRUST)
    (place.agent.folder / "agent.toml").write_text(text)
    if place.running is not None:
        place.running.process.send_signal(signal.SIGHUP)
        place.running.wait_for("reloaded")
    place.command("renew" if is_running else "enroll")  # a reload lifts the block already
    assert place.serial() != before


@BESIDE
def test_a_lost_key_is_replaced_as_the_message_says(place: Place, *, is_running: bool) -> None:
    """``enroll --again`` does it, also after a renewal has failed for want of the key."""
    place.command("enroll")
    before = place.serial()
    (place.agent.folder / "keys" / "lab.key").unlink()
    if is_running:
        place.start()
    lost = place.command("renew", code=ExitCode.KEY_STORE)
    step = place.trustpoint()["next_step"]
    assert step.endswith("set renewal.new_key = true and enroll --again")
    assert f"; next step: {step}" in lost.err
    place.give_password()
    place.command("enroll", "--again")
    assert place.serial() != before


@pytest.mark.parametrize("place", [MANUAL], indirect=True)
def test_a_call_without_waiting_asks_when_a_poll_is_due(place: Place) -> None:
    """Called again and again, ``--no-wait`` ends with the certificate that was approved."""
    place.command("enroll", "--no-wait", code=ExitCode.PENDING)
    approve_all(place.state)

    def is_enrolled() -> bool:
        run = place.agent.run("enroll", "--no-wait")
        assert run.status in {ExitCode.OK, ExitCode.PENDING}, run.err
        return run.status == ExitCode.OK

    wait_until(is_enrolled, "the next poll")
    assert place.serial()


def test_a_running_agent_opens_a_key_store_when_it_is_asked(place: Place) -> None:
    """The passphrase is mended and ``renew`` renews, long before the pause is over."""
    place.command("enroll")
    before, path = place.serial(), place.agent.folder / "passphrase"
    right = path.read_text()
    path.write_text("wrong\n")
    place.start()
    closed = place.command("renew", code=ExitCode.KEY_STORE)
    assert "the passphrase is wrong" in closed.err
    assert place.trustpoint()["next_step"] == "make the key store usable and renew again"
    path.write_text(right)
    place.command("renew")
    assert place.serial() != before


@BESIDE
def test_one_without_a_certificate_keeps_no_other_from_its_renewal(
    place: Place, *, is_running: bool
) -> None:
    """It is named, with the command that helps it, and gives the exit code."""
    place.command("enroll")
    before = place.serial()
    with (place.agent.folder / "agent.toml").open("a") as file:
        file.write(
            f'\n[trustpoint.other]\nurl = "{place.url}"\nsubject = "CN=other"\n'
            f'fingerprint = "{"0" * 64}"\n'
        )
    if is_running:
        place.start()
    run = place.command("renew", code=ExitCode.CONFIGURATION)
    assert "other: there is no valid certificate to renew" in run.err
    assert "run: sceplab-agent enroll other" in run.err
    assert "lab: INSTALLED" in run.out
    assert place.serial() != before


@BESIDE
def test_who_has_to_approve_the_ca_is_told_how(place: Place, *, is_running: bool) -> None:
    """The fingerprint, the two ways to approve it, and the code of trust; nobody waits for it."""
    text = (place.agent.folder / "agent.toml").read_text()
    pin = next(line for line in text.splitlines() if line.startswith("fingerprint"))
    place.edit(pin, 'on_unpinned = "ask"')
    if is_running:
        place.start()
    asked = place.command("enroll", code=ExitCode.TRUST)
    shown = pin.split('"')[1].replace(":", " ")
    assert f"the CA shows {shown}, which waits for an approval" in asked.err
    assert "approve-fingerprint, where an agent runs; or set the fingerprint" in asked.err
    if is_running:
        assert "approve-fingerprint" in place.trustpoint()["next_step"]
        return
    place.edit('on_unpinned = "ask"', pin)
    place.command("enroll")


def test_who_has_no_fingerprint_sees_what_there_is_to_compare(place: Place) -> None:
    """A refusal without a pin shows what the server sent, and says nothing of other programs."""
    text = (place.agent.folder / "agent.toml").read_text()
    pin = next(line for line in text.splitlines() if line.startswith("fingerprint"))
    place.edit(pin, "")
    refused = place.command("enroll", code=ExitCode.TRUST)
    assert pin.split('"')[1].removeprefix("sha256:").upper() in refused.err
    assert "set the pins, enroll again" in refused.err


def test_what_was_wrong_with_the_journal_is_told_whole(place: Place) -> None:
    """``set-aside`` says what it took out of the way, to the end of the sentence."""
    place.command("enroll")
    (place.agent.folder / "state" / "journal.sqlite3").unlink()
    done = place.command("set-aside")
    assert "is damaged (it is gone; it had" in done.out
    assert "entries)" in done.out


@pytest.mark.parametrize("place", [MANUAL], indirect=True)
def test_the_key_of_an_open_request_is_made_anew_as_the_message_says(place: Place) -> None:
    """``enroll`` begins a new request; nothing is said of renewals."""
    place.command("enroll", "--no-wait", code=ExitCode.PENDING)
    before = place.trustpoint()["transaction_id"]
    (place.agent.folder / "keys" / "lab.key").unlink()
    lost = place.command("enroll", code=ExitCode.KEY_STORE)
    assert "next step: enroll again, with a new challenge password if the CA wants one" in lost.err
    assert "renew" not in lost.err
    place.give_password()
    place.command("enroll", "--no-wait", code=ExitCode.PENDING)
    assert place.trustpoint()["transaction_id"] != before


def test_status_tells_of_an_end_that_nobody_was_there_to_note(place: Place) -> None:
    """A stopped agent: the state is of the journal, the end is of the clock."""
    place.command("enroll")
    assert not place.trustpoint()["renewal_note"]
    offset = place.agent.folder / "offset"
    offset.write_text(str(400 * 86_400))
    shifted = Path(__file__).parents[2] / "support" / "shifted_agent.py"
    later = replace(place.agent, environment={"CLOCK_OFFSET": str(offset)}, program=(str(shifted),))
    told = "the certificate has ended; run sceplab-agent enroll lab, or set the clock"
    assert told in later.run("status").out
    refused = later.run("renew")
    assert refused.status == ExitCode.CONFIGURATION
    assert "the last one ended at" in refused.err
    assert "if the clock here is wrong, set it and renew again" in refused.err
