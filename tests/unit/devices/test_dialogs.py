"""Commands that ask and wait: answers, passwords, single keys, events, interruptions."""

import pytest

from sceplab_devices.keys import TYPE_AHEAD_LIMIT_BYTES
from tests.support.consoles import Terminal


def test_a_question_is_asked_until_it_is_answered(terminal: Terminal) -> None:
    """The answer is echoed; help and Tab are plain keys meanwhile."""
    assert terminal.run("wipe disk") == "wipe disk\nReally wipe disk? [yes/no]: "
    assert terminal.run("maybe?") == (
        "maybe?\n% Please answer 'yes' or 'no'.\nReally wipe disk? [yes/no]: "
    )
    assert terminal.type("yex\bs\t\r") == "yex\b \bs\nWiped.\nbox>"


def test_a_whole_dialog_may_be_pasted(terminal: Terminal) -> None:
    """Command, answers and the next command in one piece."""
    assert terminal.type("wipe a\rno\rsh ver\r") == (
        "wipe a\nReally wipe a? [yes/no]: no\nKept.\nbox>sh ver\nSample OS 1.0 on box\nbox>"
    )


def test_passwords_are_not_shown(terminal: Terminal) -> None:
    """Nothing, or one star a character."""
    assert terminal.run("secret") == "secret\nPassword: "
    assert terminal.run("hunter2") == "\nAgain: "
    assert terminal.run("hunter3") == "*******\ndifferent\nbox>"


def test_single_keys_need_no_enter(terminal: Terminal) -> None:
    """Any key, or only the ones asked for."""
    assert terminal.run("reload") == "reload\nProceed? [confirm]"
    assert terminal.type("\r\n") == "\nkey '\\n'\nSure? (y/n)"
    assert terminal.type("xq\r") == ""
    assert terminal.type("n") == "n\nkey 'n'\nbox>"


@pytest.mark.parametrize(
    ("keys", "echo"), [("no\x03", "no^C\n"), ("\x1a", "^Z\n"), ("\x03", "^C\n")]
)
def test_a_question_can_be_abandoned(terminal: Terminal, keys: str, echo: str) -> None:
    """Ctrl-C and Ctrl-Z end the dialog; nothing of it happens."""
    terminal.run("wipe disk")
    assert terminal.type(keys) == f"{echo}box>"
    assert "Sample OS" in terminal.run("sh ver")


def test_a_single_key_question_can_be_abandoned(terminal: Terminal) -> None:
    """Ctrl-C is no key."""
    terminal.run("reload")
    assert terminal.type("\x03") == "\nbox>"


def test_abandoning_a_question_stays_in_the_mode(privileged: Terminal) -> None:
    """Only a command line's Ctrl-C leaves configuration."""
    privileged.run("conf t")
    privileged.run("do wipe disk")
    assert privileged.type("\x03") == "^C\nbox(config)#"


def test_an_awaited_event_continues_the_dialog(terminal: Terminal) -> None:
    """Other events do not; the line learns that there is output."""
    told = []
    terminal.console.on_activity = lambda: told.append(True)
    assert terminal.run("wait TP") == "wait TP\nWaiting ... "
    terminal.port.publish("pending", "OTHER")
    assert terminal.later() == ""
    terminal.port.publish("cert_issued", "TP")
    assert terminal.later() == "cert_issued\nbox>"
    assert told


def test_an_event_before_the_wait_is_not_lost(terminal: Terminal) -> None:
    """It counts from the start of the command; one from an earlier command does not."""
    terminal.run("wipe a")
    terminal.port.publish("cert_issued", "TP")
    terminal.run("no")
    assert terminal.run("wait TP") == "wait TP\nWaiting ... "
    terminal.type("\x03")
    original = terminal.device.profile.handlers["wait"]

    def answers_at_once(ctx):
        terminal.port.publish("pending", "TP")
        return original(ctx)

    terminal.device.profile.handlers["wait"] = answers_at_once
    try:
        assert terminal.run("wait TP") == "wait TP\nWaiting ... pending\nbox>"
    finally:
        terminal.device.profile.handlers["wait"] = original


def test_a_wait_ends_in_time(terminal: Terminal) -> None:
    """By the device's clock, which may jump."""
    terminal.run("wait TP 90")
    deadline = terminal.console.next_deadline()
    assert deadline is not None
    assert (deadline - terminal.clock()).total_seconds() == 90
    terminal.console.tick(terminal.clock.advance(89))
    assert terminal.later() == ""
    terminal.device.tick(terminal.clock.advance(3600))
    assert terminal.later() == "timeout\nbox>"
    assert terminal.console.next_deadline() is None


@pytest.mark.parametrize("key", ["\x03", "\x1e"])
def test_a_wait_can_be_interrupted(terminal: Terminal, key: str) -> None:
    """Ctrl-C and Ctrl-Shift-6; what was typed before the key is dropped, what follows is not."""
    terminal.run("wait TP")
    assert terminal.type(f"sh cl\r{key}sh ver\r") == "\nbox>sh ver\nSample OS 1.0 on box\nbox>"
    assert terminal.device.left == ["wait"]


def test_what_is_typed_during_a_wait_is_kept(terminal: Terminal) -> None:
    """It is echoed and carried out when the console reads again."""
    terminal.run("wait TP")
    assert terminal.type("sh ver\r") == ""
    terminal.port.publish("pending", "TP")
    assert terminal.later() == "pending\nbox>sh ver\nSample OS 1.0 on box\nbox>"


def test_endless_typing_during_a_wait_is_bounded(terminal: Terminal) -> None:
    """A megabyte is forgotten beyond the limit, and the console goes on."""
    terminal.run("wait TP")
    for _ in range(100):
        terminal.type(b"x" * 10_000)
    assert len(terminal.console._keys) == TYPE_AHEAD_LIMIT_BYTES
    terminal.port.publish("pending", "TP")
    assert terminal.later().startswith("pending\nbox>" + "x" * 1024)
    assert terminal.type("\x15\r").endswith("box>")


def test_a_dropped_line_ends_the_dialog(terminal: Terminal) -> None:
    """The handler's clean-up runs; later events find nobody."""
    terminal.run("wait TP")
    terminal.console.disconnect()
    assert terminal.device.left == ["wait"]
    terminal.port.publish("pending", "TP")
    assert terminal.later() == ""


def test_a_question_pages_no_lines_away(terminal: Terminal) -> None:
    """Output before a question is shown before it, however it was split."""
    terminal.run("terminal length 3")
    assert terminal.run("wipe a").endswith("Really wipe a? [yes/no]: ")
    assert terminal.run("yes") == "yes\nWiped.\nbox>"
