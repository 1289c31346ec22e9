"""What the device's thread sees of a trustpoint while a worker's thread is at it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sceplab_agent.session import EnrollmentSession
from tests.support.lab_port import PortBench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[PortBench]:
    """A device with threads beside it, and an NDES that issues at once."""
    made = PortBench(tmp_path, in_threads=True)
    yield made
    made.close()


def test_a_view_is_what_was_published(bench: PortBench) -> None:
    """With a slow server in between, a view changes only when the device's thread takes note."""
    bench.authenticate()
    bench.transport.hold("PKIOperation")
    bench.enroll()
    before = bench.view
    bench.transport.gate.wait_for_somebody()  # the machine is far ahead
    assert bench.view is before
    assert before.state == "CA_PINNED"
    bench.threads.pump_until(lambda: bench.view.state == "REQUESTING")
    assert bench.view.pending_csr_der is None
    assert bench.view.certificate_der is None
    bench.transport.gate.release()
    bench.rest()
    assert bench.view.state == "INSTALLED"
    assert bench.view.certificate_der is not None


def test_an_event_finds_the_view_that_belongs_to_it(bench: PortBench) -> None:
    """Whoever hears of a trusted CA, a pending request or a certificate finds it in the view."""
    seen: dict[str, tuple[bool, bool, str]] = {}

    def look(event: Any) -> None:
        view = bench.view
        has_certificate = view.certificate_der is not None
        seen[event.kind] = (bool(view.ca_certificates_der), has_certificate, view.last_status)

    bench.port.subscribe(look)
    bench.authenticate()
    bench.enroll()
    bench.rest()
    assert seen["ca_pinned_ok"] == (True, False, "")
    assert seen["pkcsreq_sent"] == (True, False, "")
    assert seen["cert_issued"] == (True, True, "granted")


def test_sessions_are_made_in_the_device_thread(
    bench: PortBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed configuration takes effect between two exchanges, never under one."""
    made_in: list[int] = []

    class WatchedSession(EnrollmentSession):
        """Says in which thread it was made."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            made_in.append(threading.get_ident())
            super().__init__(*arguments, **named)

    monkeypatch.setattr("sceplab_lab.device_port.EnrollmentSession", WatchedSession)
    bench.authenticate()
    bench.transport.hold("PKIOperation")
    bench.enroll()
    bench.transport.gate.wait_for_somebody()
    made = len(made_in)
    bench.port.configure(bench.trustpoint(retry_period_s=120.0, dns_names=("r1.example.test",)))
    assert len(made_in) == made
    bench.transport.gate.release()
    bench.rest()
    assert len(made_in) == made + 1
    assert set(made_in) == {threading.get_ident()}
    assert bench.view.state == "INSTALLED"


def test_a_question_answered_late_is_asked_of_the_right_trustpoint(bench: PortBench) -> None:
    """The answer for a removed trustpoint does not accept the CA of the new one."""
    bench.port.configure(bench.trustpoint(pin_hex=""))
    bench.port.authenticate("LAB")
    bench.rest()
    assert bench.kinds()[-1] == "ca_cert_received"
    bench.port.remove("LAB")
    bench.port.configure(bench.trustpoint(pin_hex=""))
    bench.port.answer_ca("LAB", accept=True)
    bench.rest()
    assert bench.view.ca_certificates_der == ()
