"""Parts of the service by themselves: clock watch, metrics text, addresses, socket, unit file."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from sceplab_agent.daemon.clock_watch import ClockWatch
from sceplab_agent.daemon.control_socket import NAME, connect, is_allowed, listen, remove
from sceplab_agent.daemon.metrics import Family, write_metrics
from sceplab_agent.daemon.metrics_address import parse_metrics_address
from sceplab_agent.daemon.notify import Notifier
from sceplab_agent.event_catalogue import EVENTS, format_event, render
from tests.support.programs import require_program
from tests.support.source_tree import ROOT

T0 = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wall_s", "elapsed_s", "jumped_s", "slept_s", "needs_look"),
    [
        (60, 60, 0, 0, False),
        (-3540, 60, -3600, 0, True),
        (3660, 60, 3600, 0, True),
        (7260, 7260, 0, 7200, True),
        (60.2, 60, 0.2, 0, False),
    ],
)
def test_watch_tells_a_set_clock_from_a_suspended_machine(
    wall_s: float,
    elapsed_s: float,
    jumped_s: float,
    slept_s: float,
    needs_look: bool,
) -> None:
    """What the wall clock moved beyond the time that passed was set; the rest was sleep."""
    wall, awake, elapsed = [T0], [0.0], [0.0]
    watch = ClockWatch(lambda: wall[0], awake=lambda: awake[0], elapsed=lambda: elapsed[0])
    wall[0] += timedelta(seconds=wall_s)
    awake[0], elapsed[0] = 60, elapsed_s
    shift = watch.look()
    assert shift.jumped_s == pytest.approx(jumped_s)
    assert shift.slept_s == pytest.approx(slept_s)
    assert shift.needs_look is needs_look
    assert not watch.look().needs_look


@given(label=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")))
def test_any_label_survives_the_metrics_text(label: str) -> None:
    """Quotes, backslashes and line ends in a label are read back as they were."""
    family = Family("sceplab_test_total", "counter", "A\nhelp\\text.")
    family.add(1.5, trustpoint=label)
    (read,) = text_string_to_metric_families(write_metrics([family]))
    assert [(one.labels, one.value) for one in read.samples] == [({"trustpoint": label}, 1.5)]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("localhost:0", ("127.0.0.1", 0)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_metrics_address_is_read(text: str, address: tuple[str, int]) -> None:
    """IPv4, IPv6 and the name that everybody types."""
    assert parse_metrics_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9464",
        ":9464",
        "0.0.0.0:1",
        "192.0.2.1:1",
        "::1",
        "127.0.0.1:x",
        "host:1",
        "[::1]:99999",
    ],
)
def test_metrics_address_of_others_is_refused(text: str) -> None:
    """Metrics stay on this machine."""
    with pytest.raises(ValueError, match=r"HOST:PORT|IP address|loopback"):
        parse_metrics_address(text)


@pytest.mark.parametrize(
    ("environment", "every_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "x"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_watchdog_is_fed_twice_as_often_as_asked(
    environment: Mapping[str, str], every_s: float | None
) -> None:
    """Only what is meant for this very process counts."""
    assert Notifier(environment).watchdog_s == every_s


def test_nobody_to_notify_is_no_failure(tmp_path: Path) -> None:
    """Without a service manager, or with one that went away, nothing happens."""
    Notifier({}).ready("up")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("up")


def test_socket_in_the_runtime_directory_is_found_by_the_state_directory(tmp_path: Path) -> None:
    """Clients know the state directory only; paths may be longer than a socket's address."""
    state = tmp_path / ("s" * 100)
    runtime = tmp_path / ("r" * 100)
    for folder in (state, runtime):
        folder.mkdir()
    assert connect(state) is None
    (state / NAME).write_text("left behind")
    with listen(state, {"RUNTIME_DIRECTORY": str(runtime)}) as listener:
        assert (runtime / NAME).stat().st_mode & 0o777 == 0o600
        connection = connect(state)
        assert connection is not None
        with connection:
            listener.setblocking(True)
            with listener.accept()[0] as accepted:
                assert is_allowed(accepted)
    remove(state)
    assert list(state.iterdir()) == list(runtime.iterdir()) == []


def test_peer_of_another_user_is_not_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel says who is at the other end; only our user and root may ask."""
    with listen(tmp_path, {}) as listener:
        connection = connect(tmp_path)
        assert connection is not None
        listener.setblocking(True)
        with connection, listener.accept()[0] as accepted:
            stranger = b"".join(number.to_bytes(4, "little") for number in (1, 4711, 4711))

            class Stranger:
                """A connection whose other end is of another user."""

                def getsockopt(self, *_: int) -> bytes:
                    """The credentials of that user."""
                    return stranger

            assert is_allowed(accepted)
            assert not is_allowed(Stranger())  # type: ignore[arg-type]


def test_page_of_events_is_fresh() -> None:
    """docs/events.md is what the catalogue says now."""
    assert (ROOT / "docs" / "events.md").read_text() == render(), (
        "run: python -m sceplab_agent.event_catalogue > docs/events.md"
    )


def test_every_event_has_a_meaning() -> None:
    """No row of the page is empty, and details from outside stay on one line."""
    assert all(one.meaning for one in EVENTS.values())
    line = format_event(
        {
            "at": T0.isoformat(),
            "trustpoint": "lab",
            "event": "enrollment.rejected",
            "level": "error",
            "details": {"text": "no\n\x1b[2Jway", "nothing": None},
        }
    )
    assert line == "2026-11-02 00:00:00 lab error enrollment.rejected text=no [2Jway"


def test_unit_file_is_what_systemd_understands(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say about the unit of the documentation."""
    analyze = require_program("systemd-analyze", package="systemd")
    text = (ROOT / "docs" / "sceplab-agent.service").read_text()
    for line in ("Type=notify", "ProtectSystem=strict", "StateDirectory=", "LoadCredential="):
        assert line in text
    unit = tmp_path / "sceplab-agent.service"
    unit.write_text(text.replace("/usr/bin/sceplab-agent", "/bin/true"))
    done = subprocess.run(
        [str(analyze), "verify", "--recursive-errors=no", "--man=no", str(unit)],
        env={**os.environ, "SYSTEMD_LOG_TARGET": "console"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if "sceplab" in line]
    assert (done.returncode, told) == (0, [])


def test_drop_in_of_charon_is_what_systemd_understands(tmp_path: Path) -> None:
    """It extends a unit like strongSwan's with the command that hands over once more.

    The README of the agent names it.
    """
    analyze = require_program("systemd-analyze", package="systemd")
    drop_in = ROOT / "docs" / "strongswan-sceplab-agent.conf"
    assert f"(../docs/{drop_in.name})" in (ROOT / "agent" / "README.md").read_text()
    text = drop_in.read_text().replace("/usr/bin/sceplab-agent", "/bin/echo")
    assert text.count("=-/bin/echo handoff again -c /etc/sceplab-agent\n") == 2
    (tmp_path / "strongswan.service.d").mkdir()
    (tmp_path / "strongswan.service.d" / "sceplab-agent.conf").write_text(text)
    unit = tmp_path / "strongswan.service"
    unit.write_text("[Service]\nType=notify\nExecStart=/bin/true\nExecReload=/bin/true\n")
    done = subprocess.run(
        [str(analyze), "verify", "--recursive-errors=no", "--man=no", str(unit)],
        env={**os.environ, "SYSTEMD_LOG_TARGET": "console"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if "sceplab" in line or "strongswan" in line]
    assert (done.returncode, told) == (0, [])
