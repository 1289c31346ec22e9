"""Work of a device that breaks off: what its console shows, and how it goes on."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sceplab_agent.errors import JournalError
from sceplab_devices.errors import DeviceError
from sceplab_devices.profile import open_profile
from sceplab_lab.breakdown import describe_breakdown, retry_after_s
from tests.support.lab_port import URL, PortBench, full_disk

SECRET = "Hunter2Hunter2"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[PortBench]:
    """A device and an NDES that issues at once."""
    made = PortBench(tmp_path)
    yield made
    made.close()


def failing(times: int = 1) -> list[Exception]:
    """Errors that nobody expects, with a secret in their text."""
    return [RuntimeError(f"challenge {SECRET}") for _ in range(times)]


def test_an_enrollment_that_raises_is_shown_and_resumed(
    bench: PortBench, caplog: pytest.LogCaptureFixture
) -> None:
    """The console hears of the failure, the log names the place and no text; later it goes well."""
    bench.authenticate()
    bench.transport.failures = failing()
    bench.kinds()
    with caplog.at_level(logging.DEBUG):
        bench.enroll()
    assert bench.heard[-1].kind == "enroll_failed"
    assert "internal error: RuntimeError in lab_port.py" in bench.heard[-1].reason
    assert bench.view.last_status == "failed"
    assert bench.view.failure == bench.heard[-1].reason
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text + repr(bench.heard) + repr(bench.view)
    bench.wait(minutes=2)
    assert bench.view.state == "INSTALLED"
    assert bench.view.failure == ""
    assert bench.view.last_status == "granted"


def test_the_operator_may_enroll_again_at_once(bench: PortBench) -> None:
    """After a breakdown the trustpoint takes the next command."""
    bench.authenticate()
    bench.transport.failing, bench.transport.failures = "GetCACert", failing()
    bench.enroll()
    assert bench.view.last_status == "failed"
    bench.enroll()
    assert bench.view.state == "INSTALLED"


def test_a_fetch_that_raises_ends_the_dialog(bench: PortBench) -> None:
    """Somebody waits for the CA certificate: he hears that it cannot be had, and may try again."""
    bench.transport.failing, bench.transport.failures = "GetCACert", failing()
    bench.authenticate()
    assert bench.kinds()[-1] == "ca_unreachable"
    bench.port.authenticate("LAB")
    assert bench.kinds()[-1] == "ca_pinned_ok"


def test_a_poll_that_raises_is_not_the_last(tmp_path: Path) -> None:
    """Polling goes on after a breakdown, and the certificate arrives."""
    bench = PortBench(tmp_path, settings={"template": {"approval": "manual"}})
    bench.authenticate()
    bench.enroll()
    assert bench.view.state == "PENDING"
    bench.transport.failures = failing()
    bench.wait(minutes=1)
    assert bench.kinds()[-1] == "enroll_failed"
    for request in bench.server.administration.pending():
        bench.server.administration.approve(request.request_id, bench.clock())
    bench.wait(minutes=5)
    assert bench.view.state == "INSTALLED"
    bench.close()


def test_a_renewal_that_raises_is_a_failed_renewal(bench: PortBench) -> None:
    """The certificate in use stays; the renewal is reported and goes well later."""
    bench.authenticate(new_key_on_renewal=True)
    bench.enroll()
    first = bench.view.certificate_der
    bench.transport.failures = failing()
    bench.port.renew("LAB")
    assert bench.kinds()[-1] == "renew_failed"
    assert bench.view.certificate_der == first
    bench.wait(minutes=2)
    assert bench.view.certificate_der != first


def test_repeated_breakdowns_wait_longer(bench: PortBench) -> None:
    """What always raises is tried ever more seldom, and never in a loop."""
    bench.authenticate()
    bench.transport.failures = failing(100)
    bench.enroll()
    moments = []
    for _ in range(4):
        due = bench.port.next_deadline()
        assert due is not None
        moments.append(due)
        bench.wait(seconds=(due - bench.clock()).total_seconds())
    waits = [later - earlier for earlier, later in itertools.pairwise(moments)]
    # A failed retransmission has a moment of its own in between.
    assert all(wait >= timedelta(seconds=60) for wait in waits)
    assert bench.wait(days=1) < 60


def test_a_full_disk_is_a_failed_enrollment(bench: PortBench) -> None:
    """A journal that cannot be written ends the attempt at the console, not the process."""
    bench.authenticate()
    with full_disk():
        bench.enroll()
        assert bench.kinds()[-1] == "enroll_failed"
        assert "journal" in bench.view.failure
        bench.port.authenticate("LAB")
        assert bench.kinds()[-1] == "ca_unreachable"
        bench.port.renew("LAB")
        bench.port.cancel("LAB")
        with pytest.raises(DeviceError):
            bench.port.configure(bench.trustpoint(name="OTHER"))
        assert bench.view.ca_certificates_der
    bench.enroll()
    assert bench.view.state == "INSTALLED"
    bench.port.configure(bench.trustpoint(name="OTHER"))
    assert bench.port.view("OTHER").state == "CONFIGURED"


def test_a_disk_that_fills_up_during_an_enrollment(tmp_path: Path) -> None:
    """Polls that cannot be noted fail; with room again the enrollment goes on where it was."""
    bench = PortBench(tmp_path, settings={"template": {"approval": "manual"}})
    bench.authenticate()
    bench.enroll()
    with full_disk():
        assert bench.wait(minutes=5) < 10
    assert bench.view.last_status == "failed"
    for request in bench.server.administration.pending():
        bench.server.administration.approve(request.request_id, bench.clock())
    bench.wait(hours=2)
    assert bench.view.state == "INSTALLED"
    bench.close()


def test_a_trustpoint_can_be_removed_from_a_full_disk(bench: PortBench) -> None:
    """Removing gives room back and needs none."""
    bench.authenticate()
    bench.enroll()
    with full_disk():
        bench.port.remove("LAB")
    assert not bench.place.exists()
    assert bench.view.state == "UNCONFIGURED"


def test_a_lost_state_folder_is_a_failure(bench: PortBench) -> None:
    """A folder that is no folder any more refuses new trustpoints; the device answers on."""
    bench.authenticate()
    folder = bench.place.parent
    folder.rename(bench.folder / "elsewhere")
    folder.write_text("")
    with pytest.raises(DeviceError, match="trustpoints/OTHER"):
        bench.port.configure(bench.trustpoint(name="OTHER"))
    bench.enroll()
    assert "cannot write into" in bench.view.failure
    assert bench.view.certificate_der is None
    folder.unlink()
    (bench.folder / "elsewhere").rename(folder)
    bench.wait(minutes=5)
    assert bench.view.state == "INSTALLED"


def test_a_journal_that_cannot_be_opened_again_is_said(bench: PortBench) -> None:
    """With a journal that is gone the last view stays, and every command is a failure."""
    bench.authenticate()
    bench.port._trustpoints["LAB"].journal.close()  # as a broken disk does
    bench.enroll()
    assert bench.kinds()[-1] == "enroll_failed"
    assert bench.view.ca_certificates_der
    bench.enroll()
    assert bench.kinds()[-1] == "enroll_failed"


def test_the_console_of_a_device_with_a_full_disk(bench: PortBench) -> None:
    """The router says that it failed, takes the next command, and enrolls once there is room."""
    router = open_profile("cisco-ios").new_device(port=bench.port, clock=bench.clock, hostname="R1")
    console = router.open_console()
    console.open()

    def type_in(*lines: str) -> str:
        printed = b""
        for line in lines:
            printed += console.receive(line.encode() + b"\r") + console.take_output()
        return printed.decode()

    type_in("", "enable", "configure terminal", "crypto pki trustpoint LAB")
    type_in(f"enrollment url {URL}", f"fingerprint {bench.trustpoint().pin_hex}")
    type_in("rsakeypair K", "serial-number none", "ip-address none", "fqdn none")
    type_in("subject-name CN=R1", f"password {bench.password()}")
    with full_disk():
        assert "Traceback" not in type_in("exit")
        printed = type_in("crypto pki authenticate LAB")
        assert "% Error in receiving Certificate Authority certificate" in printed
        assert "Invalid" not in type_in("do show crypto pki trustpoints status")
    assert "fingerprints matched" in type_in("crypto pki authenticate LAB")
    with full_disk():
        assert "%PKI-6-CERTFAIL" in type_in("crypto pki enroll LAB", "yes")
    assert "%PKI-6-CERTRET" in type_in("crypto pki enroll LAB", "yes")


def test_words_of_a_breakdown() -> None:
    """Errors of ours speak for themselves; of others only kind and place are told."""
    assert describe_breakdown(JournalError("the journal is locked")) == "the journal is locked"
    assert describe_breakdown(OSError(28, "No space left", "/x")) == "/x: No space left"
    assert describe_breakdown(ValueError(SECRET)) == "internal error: ValueError"
    assert [retry_after_s(failures) for failures in (1, 2, 7, 5000)] == [60, 120, 3600, 3600]
