"""The enrollment engine's events: log lines appear whether or not anybody looks."""

from __future__ import annotations

from datetime import timedelta

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.session import CONSOLE_LINE
from tests.support.consoles import Terminal
from tests.support.ios import RouterBench

TRUSTPOINT = (
    "configure terminal",
    "crypto pki trustpoint VPN",
    "enrollment url http://10.0.0.9",
    "serial-number none",
    "ip-address none",
    "password otp",
)


def enrolled(bench: RouterBench, *lines: str) -> None:
    """Brings a router to the point where a request is out."""
    bench.run(*TRUSTPOINT, *lines)
    terminal = bench.terminal()
    for line in ("enable", "configure terminal", "crypto pki authenticate VPN"):
        terminal.run(line)
    bench.port.ca_answers("VPN")
    for line in ("yes", "crypto pki enroll VPN", "yes"):
        terminal.run(line)
    terminal.console.disconnect()


def test_result_without_a_session_is_found_later() -> None:
    """A certificate that arrives while nobody is logged in stands in the log and the outputs."""
    bench = RouterBench()
    enrolled(bench)
    bench.port.ca_grants("VPN")
    assert "%PKI-6-CERTRET: Certificate received" in bench.run("show logging")
    assert "Certificate Serial Number (hex): 02" in bench.run("show crypto pki certificates VPN")


def test_vty_shows_log_lines_only_after_terminal_monitor() -> None:
    """A network session sees log lines once it asks for them, a console at once."""
    bench = RouterBench()
    enrolled(bench)
    silent, watching = bench.terminal(), bench.terminal()
    watching.run("terminal monitor")
    console = bench.terminal(CONSOLE_LINE)
    console.run("")
    bench.port.ca_grants("VPN")
    assert silent.later() == ""
    assert "%PKI-6-CERTRET" in watching.later()
    assert "%PKI-6-CERTRET" in console.later()
    watching.run("terminal no monitor")
    bench.router.syslog("failed")
    assert watching.later() == ""


def test_an_interrupted_fetch_is_over() -> None:
    """Ctrl-C drops it: the next one hears of its own server, not of the one before."""
    bench = RouterBench()
    bench.run(*TRUSTPOINT)
    terminal = bench.terminal()
    for line in ("enable", "configure terminal", "crypto pki authenticate VPN"):
        terminal.run(line)
    assert "request in progress" in bench.run("configure terminal", "crypto pki authenticate VPN")
    assert bench.port.view("VPN").state == "CA_FETCH"
    assert terminal.type("\x03").endswith("(config)#")
    assert bench.port.view("VPN").state == "CONFIGURED"
    terminal.run("crypto pki authenticate VPN")
    bench.port.ca_answers("VPN")
    assert "certificate accepted" in terminal.run("yes")


def test_no_logging_console_silences_the_console() -> None:
    """``no logging console`` holds for open and for new console sessions, until taken back."""
    bench = RouterBench()
    old = bench.terminal(CONSOLE_LINE)
    old.run("")
    bench.run("configure terminal", "no logging console")
    new = bench.terminal(CONSOLE_LINE)
    new.run("")
    bench.router.syslog("failed")
    assert (old.later(), new.later()) == ("", "")
    assert "Console logging: disabled" in bench.run("show logging")
    bench.run("configure terminal", "logging console")
    bench.router.syslog("failed")
    assert "%PKI-6-CERTFAIL" in old.later()


def test_clock_mark_of_log_lines() -> None:
    """Log lines carry a star until the clock is set, then the set time."""
    bench = RouterBench()
    bench.router.syslog("failed")
    assert bench.router.log_buffer[-1].startswith("*Mar  1 12:00:00.000: %PKI-6-CERTFAIL")
    bench.run("clock set 18:30:00 7 July 2027")
    assert bench.run("show clock") == "18:30:00.000 UTC Wed Jul 7 2027"
    bench.advance(timedelta(seconds=5))
    bench.router.syslog("failed")
    assert bench.router.log_buffer[-1].startswith("Jul  7 18:30:05.000: %PKI-6-CERTFAIL")


def test_failed_renewal_after_the_end_names_the_expired_certificate() -> None:
    """A renewal that fails once the certificate has ended is logged as expiry."""
    bench = RouterBench()
    enrolled(bench)
    bench.port.ca_grants("VPN")
    failed = PortEvent(kind=PortEventKind.RENEW_FAILED, trustpoint="VPN", at=bench.clock.now)
    bench.router.handle_event(failed)
    assert "%PKI-6-CERTFAIL" in bench.router.log_buffer[-1]
    bench.advance(timedelta(days=366))
    late = PortEvent(kind=PortEventKind.RENEW_FAILED, trustpoint="VPN", at=bench.clock.now)
    bench.router.handle_event(late)
    assert "The certificate (SN: 02) has expired." in bench.router.log_buffer[-1]
    assert "Validity period ended on 12:00:00 UTC Mar 1 2027" in bench.router.log_buffer[-1]


def test_unknown_event_is_ignored() -> None:
    """Kinds the platform has no words for change nothing."""
    bench = RouterBench()
    event = PortEvent(kind=PortEventKind.STATE_CHANGED, trustpoint="VPN", at=bench.clock.now)
    bench.router.handle_event(event)
    assert not bench.router.log_buffer


def test_settings_the_engine_refuses_are_logged() -> None:
    """A trustpoint that makes no request is reported, and enrolling does not start."""
    bench = RouterBench()
    output = bench.run(*TRUSTPOINT, "fqdn none", "subject-name CN=R1", "rsakeypair K 4096", "exit")
    assert output == ""
    terminal = _authenticated(bench)
    terminal.run("crypto pki enroll VPN")
    assert "% Error in generating keys: no available resources" in terminal.run("yes")
    assert bench.port.challenges == []


def _authenticated(bench: RouterBench) -> Terminal:
    terminal = bench.terminal()
    for line in ("enable", "configure terminal", "crypto pki authenticate VPN"):
        terminal.run(line)
    bench.port.ca_answers("VPN")
    terminal.run("yes")
    return terminal


def test_subject_without_any_name_cannot_be_used() -> None:
    """With nothing to put into the subject the engine is not asked to enroll."""
    bench = RouterBench()
    bench.run(*TRUSTPOINT, "subject-name CN=R1", "fqdn none", "exit")
    terminal = _authenticated(bench)
    bench.run("configure terminal", "crypto pki trustpoint VPN", "no subject-name")
    terminal.run("crypto pki enroll VPN")
    terminal.run("yes")
    assert bench.port.challenges == []
    assert "trustpoint VPN cannot be used: empty subject" in bench.run("show logging")


def test_counters_follow_the_sessions() -> None:
    """Sessions are counted when they start and when they end, in this order."""
    bench = RouterBench()
    enrolled(bench)
    assert "PKI Sessions Active: 1" in bench.run("show crypto pki counters")
    bench.port.ca_grants("VPN")
    assert "PKI Sessions Active: 0" in bench.run("show crypto pki counters")
    assert "Successful Validations: 1" in bench.run("show crypto pki counters")


def test_waiting_for_the_ca_ends_in_time() -> None:
    """A CA that never answers ends the dialog after two minutes and drops the attempt."""
    bench = RouterBench()
    bench.run(*TRUSTPOINT)
    terminal = bench.terminal()
    for line in ("enable", "configure terminal", "crypto pki authenticate VPN"):
        terminal.run(line)
    bench.advance(timedelta(seconds=121))
    assert "status = FAIL, cert length = 0" in terminal.later()
