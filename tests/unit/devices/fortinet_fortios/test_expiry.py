"""A FortiGate warns of certificates that end, when the moment comes."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509

from tests.support.fortigate import FortiBench


def test_a_warning_comes_by_itself() -> None:
    """The box names its moment, warns once, and waits for nothing then."""
    bench = FortiBench()
    terminal = bench.operator()
    bench.enroll(terminal)
    der = bench.port.view("VPN").certificate_der
    end = x509.load_der_x509_certificate(der or b"").not_valid_after_utc
    due = end - timedelta(days=40)
    assert bench.box.next_deadline() is None
    for line in (
        "config vpn certificate local", "edit VPN", "set auto-regenerate-days-warning 40", "end",
    ):  # fmt: skip
        terminal.run(line)
    assert bench.box.next_deadline() == due
    count = len(bench.box.events)
    bench.clock.advance((due - bench.clock()).total_seconds())
    bench.box.on_deadline(bench.clock())
    (told,) = list(bench.box.events)[count:]
    assert (told.at, f"{end:%Y-%m-%d}" in told.text) == (due, True)
    assert bench.box.next_deadline() is None


def test_a_moved_clock_moves_the_warning() -> None:
    """The moment is the box's; whoever wakes it has a clock of his own."""
    bench = FortiBench()
    terminal = bench.operator()
    bench.enroll(terminal)
    for line in (
        "config vpn certificate local", "edit VPN", "set auto-regenerate-days-warning 40", "end",
    ):  # fmt: skip
        terminal.run(line)
    before = bench.box.next_deadline()
    assert before is not None
    bench.box.clock_offset = timedelta(days=1)
    assert bench.box.next_deadline() == before - timedelta(days=1)
