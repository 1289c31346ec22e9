"""`sceplab-agent run` as a process: reload, control socket, service manager, metrics, clock."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from prometheus_client.parser import text_string_to_metric_families

from sceplab_agent.daemon.control_socket import NAME, connect
from sceplab_agent.exit_codes import ExitCode
from sceplab_ndes.state import ServerState
from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import (
    PROMPT_S,
    Running,
    approve_all,
    configure,
    start_and_pend,
)

pytestmark = pytest.mark.daemon

YEAR_S = 365 * 86_400
SHIFTED = (str(Path(__file__).parents[2] / "support" / "shifted_agent.py"),)


def edit(agent: AgentFolder, old: str, new: str) -> None:
    """Changes the configuration file."""
    path = agent.folder / "agent.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def status(agent: AgentFolder, name: str = "lab") -> dict[str, object]:
    """How a trustpoint stands, by the command line."""
    return next(
        one
        for one in agent.run("status", "--json").document()["trustpoints"]
        if one["name"] == name
    )


def end(running: Running) -> None:
    """Ends the agent as a service manager does; it has nothing to complain of."""
    code, _, err = running.end(signal.SIGTERM)
    assert code == ExitCode.OK, err


def event_ids(agent: AgentFolder) -> list[str]:
    """Names of all events of the journal, by the command line."""
    lines = agent.run("events", "--json").out.splitlines()
    return [json.loads(line)["event"] for line in lines]


def test_reload_keeps_the_open_transaction(
    manual_server: tuple[ServerState, str], tmp_path: Path
) -> None:
    """New settings hold from the next exchange on; the pending request is still the same one."""
    server, url = manual_server
    agent = configure(tmp_path, server, url)
    running = start_and_pend(agent, "run")
    before = status(agent)["transaction_id"]
    edit(agent, "max_polls = 10000", "max_polls = 9000")
    body = (tmp_path / "agent.toml").read_text().partition("[trustpoint.lab]\n")[2]
    with (tmp_path / "agent.toml").open("a") as file:
        file.write(f'[trustpoint.other]\nkey = {{ id = "second" }}\n{body}')
    running.process.send_signal(signal.SIGHUP)
    assert "added other; changed lab" in running.wait_for("reloaded")
    assert "policy.poll" in running.wait_for("trustpoint.changed")
    assert status(agent)["transaction_id"] == before
    approve_all(server)
    running.wait_for("certificate.installed")
    end(running)
    assert event_ids(agent).count("enrollment.request") <= 2


def test_broken_file_changes_nothing(
    manual_server: tuple[ServerState, str], tmp_path: Path
) -> None:
    """A reload of a file with a mistake is refused, said, and the service goes on."""
    server, url = manual_server
    agent = configure(tmp_path, server, url)
    running = start_and_pend(agent, "run")
    good = (tmp_path / "agent.toml").read_text()
    (tmp_path / "agent.toml").write_text("[trustpoint.lab")
    running.process.send_signal(signal.SIGHUP)
    assert "everything stays as it was" in running.wait_for("reload refused")
    (tmp_path / "agent.toml").write_text(good.replace('"state"', '"elsewhere"'))
    running.process.send_signal(signal.SIGHUP)
    assert "agent.state_dir" in running.wait_for("reload refused")
    approve_all(server)
    running.wait_for("certificate.installed")
    end(running)


def test_removed_trustpoint_leaves_its_transaction_in_the_journal(
    manual_server: tuple[ServerState, str], tmp_path: Path
) -> None:
    """It is served no longer; put back, it goes on with the same transaction."""
    server, url = manual_server
    agent = configure(tmp_path, server, url)
    running = start_and_pend(agent, "run")
    before = status(agent)["transaction_id"]
    edit(agent, "[trustpoint.lab]", "[trustpoint.new]")
    running.process.send_signal(signal.SIGHUP)
    assert "sceplab-agent cancel" in running.wait_for("trustpoint.removed")
    edit(agent, "[trustpoint.new]", "[trustpoint.lab]")
    running.process.send_signal(signal.SIGHUP)
    running.wait_for("added lab")
    assert status(agent)["transaction_id"] == before
    end(running)


def test_waiting_for_a_trustpoint_ends_when_it_is_removed(
    manual_server: tuple[ServerState, str], tmp_path: Path
) -> None:
    """Who waits for its enrollment is told so; the connection does not just break off."""
    server, url = manual_server
    agent = configure(tmp_path, server, url)
    running = start_and_pend(agent, "run")
    connection = connect(tmp_path / "state")
    assert connection is not None
    with connection, connection.makefile() as replies:
        connection.settimeout(PROMPT_S)
        connection.sendall(b'{"op": "enroll", "trustpoints": ["lab"], "wait": true}\n')
        assert status(agent)["state"] == "PENDING"
        edit(agent, "[trustpoint.lab]", "[trustpoint.new]")
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("trustpoint.removed")
        reply = json.loads(replies.readline())
    assert reply["exit_code"] == ExitCode.CONFIGURATION
    assert reply["errors"] == ["lab: it is no longer in the configuration"]
    end(running)


def test_running_agent_renews_and_tells(server: tuple[ServerState, str], tmp_path: Path) -> None:
    """`renew` and `events --follow` go by the agent that holds the state directory."""
    state, url = server
    agent = configure(tmp_path, state, url)
    running = Running(agent, "run")
    running.wait_for("certificate.installed")
    first = status(agent)["serial_number"]
    follower = Running(agent, "events", "--follow", "--json")
    done = agent.run("renew", "--json")
    assert done.status == ExitCode.OK, done.err
    (renewed,) = done.document()["trustpoints"]
    assert renewed["state"] == "INSTALLED"
    assert renewed["serial_number"] != first
    assert follower.process.stdout is not None
    for line in follower.process.stdout:
        if json.loads(line)["event"] == "renewal.due":
            break
    else:
        raise AssertionError("the follower never heard of the renewal")
    follower.end(signal.SIGINT)
    end(running)
    assert not (tmp_path / "state" / NAME).exists()


def test_operator_approves_the_fingerprint_that_is_asked(
    server: tuple[ServerState, str], tmp_path: Path
) -> None:
    """A CA in question is accepted by its own fingerprint alone."""
    state, url = server
    agent = configure(tmp_path, state, url)
    asked = state.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex()
    edit(agent, f'fingerprint = "sha256:{asked}"', 'on_unpinned = "ask"')
    refused = agent.run("approve-fingerprint", "lab", asked)
    assert refused.status == ExitCode.CONFIGURATION
    assert "no agent runs" in refused.err
    running = Running(agent, "run")
    line = running.wait_for("ca.asked")
    shown = line.partition("sha256=")[2].split()[0]
    assert status(agent)["asked_sha256"] == shown
    assert agent.run("approve-fingerprint", "lab", "ab" * 32).status == ExitCode.TRUST
    assert agent.run("approve-fingerprint", "lab", "ab").status == ExitCode.CONFIGURATION
    assert status(agent)["state"] == "CA_FETCH"
    assert agent.run("approve-fingerprint", "lab", f"sha256:{shown.upper()}").status == ExitCode.OK
    running.wait_for("certificate.installed")
    assert agent.run("approve-fingerprint", "lab", shown).status == ExitCode.FAILED
    assert status(agent)["ca_basis"] == "operator"
    end(running)


def test_socket_is_private_and_takes_any_bytes(
    server: tuple[ServerState, str], tmp_path: Path
) -> None:
    """Garbage, endless lines and silence end one connection and disturb nobody."""
    state, url = server
    agent = configure(tmp_path, state, url)
    running = Running(agent, "run")
    running.wait_for("certificate.installed")
    assert (tmp_path / "state" / NAME).stat().st_mode & 0o777 == 0o600
    silent = connect(tmp_path / "state")
    for sent in (b"\n", b"[]\n", b"{\n", b'{"op":[]}\n', b"\xff\xfe\n", b"[" * 60_000 + b"\n"):
        connection = connect(tmp_path / "state")
        assert connection is not None
        with connection:
            connection.settimeout(PROMPT_S)
            connection.sendall(sent)
            assert json.loads(connection.makefile().readline())["ok"] is False
    endless = connect(tmp_path / "state")
    assert endless is not None
    with endless:
        endless.settimeout(PROMPT_S)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            endless.sendall(b"x" * 10_000_000)
    assert status(agent)["state"] == "INSTALLED"
    assert silent is not None
    silent.close()
    end(running)


def test_service_manager_is_told(server: tuple[ServerState, str], tmp_path: Path) -> None:
    """READY, STATUS, WATCHDOG, RELOADING with its moment, READY again, STOPPING."""
    state, url = server
    agent = configure(tmp_path, state, url)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0sceplab-test-{tmp_path}"[:100])
        manager.settimeout(PROMPT_S)
        address = manager.getsockname().decode()
        agent.environment.update(NOTIFY_SOCKET=f"@{address[1:]}", WATCHDOG_USEC="200000")
        running = Running(agent, "run")

        def told(text: str) -> str:
            while text not in (message := manager.recv(4096).decode()):
                pass
            return message

        assert "STATUS=1 trustpoints" in told("READY=1")
        told("WATCHDOG=1")
        told("STATUS=1 trustpoints: 1 INSTALLED")
        running.process.send_signal(signal.SIGHUP)
        assert int(told("RELOADING=1").partition("MONOTONIC_USEC=")[2]) > 0
        told("READY=1")
        running.process.send_signal(signal.SIGTERM)
        told("STOPPING=1")
        assert running.finish()[0] == ExitCode.OK
        again = Running(agent, "run")
        told("STATUS=1 trustpoints: 1 INSTALLED")  # nothing happens to it any more
        end(again)


def test_metrics_are_read_by_prometheus(server: tuple[ServerState, str], tmp_path: Path) -> None:
    """The page is what the reference parser understands, with the numbers of the trustpoint."""
    state, url = server
    agent = configure(tmp_path, state, url)
    running = Running(agent, "run", "--metrics", "127.0.0.1:0")
    page_url = running.wait_for("metrics on ").split()[-1]
    running.wait_for("certificate.installed")
    with urllib.request.urlopen(page_url, timeout=PROMPT_S) as page:
        text = page.read().decode()
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["sceplab_trustpoint_state", "INSTALLED", "lab"] == 1
    assert samples["sceplab_trustpoint_state", "PENDING", "lab"] == 0
    assert samples["sceplab_certificate_days_to_expiry", "lab"] > 1
    assert samples["sceplab_next_deadline_seconds", "lab"] > 0
    assert samples["sceplab_last_success_timestamp_seconds", "lab"] > 1e9
    end(running)


def shift(agent: AgentFolder, seconds: float) -> None:
    """Sets the agent's clock off the real one; at once, as a file is replaced."""
    path = agent.folder / "offset"
    agent.environment["CLOCK_OFFSET"] = str(path)
    fresh = agent.folder / "offset.new"
    fresh.write_text(str(seconds))
    fresh.rename(path)


def test_clock_set_past_expiry_names_the_next_step(
    server: tuple[ServerState, str], tmp_path: Path
) -> None:
    """Without an enrollment of its own it ends in FAILED; log and journal say what to do."""
    state, url = server
    agent = configure(tmp_path, state, url, extra='renewal = { after_expiry = "stop" }')
    shift(agent, 0)
    running = Running(agent, "run", program=SHIFTED)
    running.wait_for("certificate.installed")
    shift(agent, 10 * YEAR_S)
    running.process.send_signal(signal.SIGHUP)
    jumped, _ = running.wait_for_each("clock.jumped", "certificate.expired")
    assert "sceplab-agent enroll lab" in jumped
    assert status(agent)["state"] == "FAILED"
    end(running)
    assert {"clock.jumped", "certificate.expired"} <= set(event_ids(agent))


def test_clock_set_back_does_not_starve_the_polls(
    manual_server: tuple[ServerState, str], tmp_path: Path
) -> None:
    """A year back: the next poll is not a year away, and the certificate comes."""
    server, url = manual_server
    agent = configure(tmp_path, server, url)
    shift(agent, 0)
    running = start_and_pend(agent, "run", program=SHIFTED)
    shift(agent, -YEAR_S)
    running.process.send_signal(signal.SIGHUP)
    assert "polls and retries go on" in running.wait_for("clock.jumped")
    approve_all(server)
    running.wait_for("certificate.installed")
    end(running)


def test_clock_step_forward_causes_one_poll(
    manual_server: tuple[ServerState, str], tmp_path: Path
) -> None:
    """A step over several poll times makes one poll, not one for each."""
    server, url = manual_server
    agent = configure(tmp_path, server, url)
    edit(agent, "first_s = 0.1, ceiling_s = 0.1", "first_s = 100, ceiling_s = 100")
    shift(agent, 0)
    running = start_and_pend(agent, "run", program=SHIFTED)
    shift(agent, 1000)
    running.process.send_signal(signal.SIGHUP)
    running.wait_for("enrollment.poll")
    running.wait_for("enrollment.pending")
    assert agent.run("status").status == ExitCode.OK
    end(running)
    assert event_ids(agent).count("enrollment.poll") == 1
