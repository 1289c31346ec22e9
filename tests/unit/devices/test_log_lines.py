"""Log lines that come while somebody types: where they stand, and who gets them."""

from collections.abc import Callable

import pytest

from sceplab_devices.profile import DeviceProfile
from tests.support.consoles import CONSOLE_LINE, Terminal


@pytest.fixture
def monitored(terminal: Terminal) -> Terminal:
    """A vty that shows log lines."""
    terminal.run("terminal monitor")
    return terminal


def test_a_line_interrupts_what_is_typed(monitored: Terminal) -> None:
    """The typed text is not shown again, but it is still there."""
    monitored.type("show ver")
    monitored.device.log("*Mar  1: %A-5-B: text")
    assert monitored.later() == "\n*Mar  1: %A-5-B: text\n"
    assert monitored.type("\r") == "\nSample OS 1.0 on box\nbox>"


def test_a_second_line_needs_no_line_end_of_its_own(monitored: Terminal) -> None:
    """Lines of several rows stay together."""
    monitored.device.log("one\n  more")
    monitored.device.log("two")
    assert monitored.later() == "\none\n  more\ntwo\n"


def test_synchronous_logging_shows_prompt_and_text_again(monitored: Terminal) -> None:
    """With the cursor in its place; in a question, the question."""
    monitored.console.session.synchronous = True
    monitored.type("show ver\x02\x02")
    monitored.device.log("text")
    assert monitored.later() == "\ntext\nbox>show ver\b\b"
    monitored.type("\x15\x0b")
    monitored.run("wipe a")
    monitored.type("ye")
    monitored.device.log("text")
    assert monitored.later() == "\ntext\nReally wipe a? [yes/no]: ye"


def test_a_line_of_the_running_command_follows_the_prompt(monitored: Terminal) -> None:
    """The logger speaks when the terminal waits again."""
    assert monitored.run("say hello") == "say hello\nsaid\nbox>\nhello\n"


def test_a_line_during_a_wait_comes_at_once(monitored: Terminal) -> None:
    """On a line of its own."""
    monitored.run("wait TP")
    monitored.device.log("text")
    assert monitored.later() == "\ntext\n"
    monitored.port.publish("pending", "TP")
    assert monitored.later() == "pending\nbox>"


def test_a_line_during_paging_waits(monitored: Terminal) -> None:
    """The page prompt is not torn."""
    monitored.run("show lines 30")
    monitored.device.log("text")
    assert monitored.later() == ""
    assert monitored.type("q").endswith("box>\ntext\n")


def test_who_gets_log_lines(
    sample_profile: DeviceProfile,
    terminal: Terminal,
    second_terminal: Callable[[Terminal], Terminal],
) -> None:
    """A console line from the start, a vty after ``terminal monitor``; the buffer always."""
    console = Terminal(sample_profile, line=CONSOLE_LINE, device=terminal.device)
    console.type("\r")
    other = second_terminal(terminal)
    other.run("terminal monitor")
    terminal.device.log("text")
    assert [each.later() for each in (terminal, console, other)] == ["", "\ntext\n", "\ntext\n"]
    other.run("terminal no monitor")
    terminal.device.log("more")
    assert other.later() == ""
    assert list(terminal.device.log_buffer) == ["text", "more"]


def test_lines_nobody_takes_are_bounded(monitored: Terminal) -> None:
    """A terminal that is never read keeps a bounded amount, and the buffer its last lines."""
    for number in range(20_000):
        monitored.device.log(f"line {number} " + "x" * 100)
    assert len(monitored.later()) < 1024 * 1024
    assert len(monitored.device.log_buffer) == 1000
    assert monitored.run("sh ver").startswith("sh ver\nSample OS 1.0 on box\nbox>")


def test_an_event_hook_that_breaks_harms_nobody(
    monitored: Terminal, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; waiting dialogs still get the event."""

    def broken(_event: object) -> None:
        raise ZeroDivisionError

    monitored.device.handle_event = broken  # type: ignore[method-assign]
    monitored.run("wait TP")
    monitored.port.publish("pending", "TP")
    assert monitored.later() == "pending\nbox>"
    assert "handling of pending failed" in caplog.text
