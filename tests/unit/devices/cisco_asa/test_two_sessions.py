"""What other sessions do to an ASA while a dialog is open."""

from __future__ import annotations

import pytest

from tests.support.asa import FirewallBench
from tests.support.consoles import Terminal

_TRUSTPOINT = (
    "crypto ca trustpoint TP", "enrollment url http://10.0.0.9/x", "keypair K", "exit",
)  # fmt: skip
_UNKNOWN = "ERROR: CA trustpoint 'TP' is not known.\nasa(config)# "


def _operator(bench: FirewallBench) -> Terminal:
    terminal = bench.terminal()
    for line in ("enable", "", "terminal pager 0", "configure terminal"):
        terminal.run(line)
    return terminal


def _asked_about_the_ca(bench: FirewallBench) -> Terminal:
    terminal = _operator(bench)
    for line in (*_TRUSTPOINT, "crypto ca authenticate TP"):
        terminal.run(line)
    bench.port.ca_answers("TP")
    return terminal


@pytest.mark.parametrize("is_made_again", [False, True])
def test_a_trustpoint_goes_while_its_ca_is_asked_about(is_made_again: bool) -> None:
    """The answer is for a trustpoint that is not there; nobody waits for it."""
    bench = FirewallBench()
    terminal = _asked_about_the_ca(bench)
    bench.run("no crypto ca trustpoint TP", *(_TRUSTPOINT if is_made_again else ()))
    assert terminal.run("yes").endswith(_UNKNOWN)
    assert not bench.port.view("TP").ca_certificates_der


def test_a_trustpoint_goes_while_its_enrollment_is_asked_about() -> None:
    """No request leaves, and the engine keeps nothing of it."""
    bench = FirewallBench()
    terminal = _asked_about_the_ca(bench)
    for line in ("yes", "crypto key generate rsa label K noconfirm", "crypto ca enroll TP"):
        terminal.run(line)
    for line in ("otp", "otp", "no"):
        terminal.run(line)
    bench.run("no crypto ca trustpoint TP noconfirm")
    assert terminal.run("yes").endswith(_UNKNOWN)
    assert "TP" not in bench.port.names()


def test_a_ca_that_somebody_else_is_asked_about() -> None:
    """A second session does not get between the question and its answer."""
    bench = FirewallBench()
    terminal = _asked_about_the_ca(bench)
    said = bench.run("crypto ca authenticate TP nointeractive")
    assert said == "ERROR: Authentication of trustpoint 'TP' is in progress."
    assert "CA certificate accepted" in terminal.run("yes")


def test_an_interrupted_fetch_is_over() -> None:
    """The next one hears of its own server, not of the one before."""
    bench = FirewallBench()
    terminal = _operator(bench)
    for line in (*_TRUSTPOINT, "crypto ca authenticate TP"):
        terminal.run(line)
    assert terminal.type("\x03").endswith("asa(config)# ")
    assert bench.port.view("TP").state == "CONFIGURED"
    terminal.run("crypto ca authenticate TP")
    bench.port.ca_answers("TP")
    assert "CA certificate accepted" in terminal.run("yes")


def test_pending_is_said_once() -> None:
    """Polls that change nothing are silent."""
    bench = FirewallBench()
    terminal = _asked_about_the_ca(bench)
    for line in ("yes", "crypto ca enroll TP noconfirm"):
        terminal.run(line)
    bench.port.ca_pends("TP")
    assert "request is pending." in terminal.later()
    bench.port.poll("TP")
    bench.port.ca_pends("TP")
    assert terminal.later() == ""


def test_who_configured_and_who_saved() -> None:
    """They are named to whoever looks, not he."""
    bench = FirewallBench(users={"anna": "a", "bert": "b"})
    anna = bench.terminal()
    for line in ("anna", "a", "login", "anna", "a", "configure terminal", "hostname fw", "end"):
        anna.run(line)
    anna.run("write memory")
    bert = bench.terminal()
    for line in ("bert", "b", "login", "bert", "b", "terminal pager 0"):
        bert.run(line)
    assert "Configuration last modified by anna at " in bert.run("show version")
    assert ": Written by anna at " in bert.run("show startup-config")
