"""Requests of a FortiGate that nobody watches."""

from __future__ import annotations

from tests.support.fortigate import FortiBench


def test_a_request_that_waits_is_logged_once() -> None:
    """Not at every poll."""
    bench = FortiBench()
    terminal = bench.operator()
    bench.generate(terminal)
    bench.port.ca_answers("VPN")
    bench.port.ca_pends("VPN")
    bench.port.poll("VPN")
    bench.port.ca_pends("VPN")
    logged = terminal.run("execute log display")
    assert logged.count("Certificate request waits for approval") == 1


def test_a_request_is_saved_when_whoever_asked_for_it_is_gone() -> None:
    """A large key takes its time; the line may drop meanwhile."""
    bench = FortiBench()
    bench.port.requests_are_slow = True
    terminal = bench.operator()
    terminal.run("execute vpn certificate local generate rsa WEB 2048 fw.example.test")
    terminal.console.disconnect()
    bench.port.request_comes()
    bench.restart()
    shown = bench.operator().run("show vpn certificate local WEB")
    assert "BEGIN CERTIFICATE REQUEST" in shown
