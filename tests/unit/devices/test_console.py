"""Sessions byte for byte: echo, prompts, errors, modes, keys, paging, filters."""

import logging
from collections.abc import Callable

import pytest

from sceplab_devices.builtin import show_history
from sceplab_devices.context import CommandContext
from sceplab_devices.profile import DeviceProfile
from sceplab_devices.profile_data import read_folder
from tests.support.consoles import CONSOLE_LINE, IdlePort, ManualClock, Terminal
from tests.support.sample_profile import HANDLERS, LEAVE_HANDLERS, SampleDevice, folder


def test_the_prompt_comes_first(terminal: Terminal) -> None:
    """Without an opening dialog the terminal shows the prompt, nothing else."""
    assert terminal.greeting == b"box>"


def test_a_command_is_echoed_answered_and_followed_by_the_prompt(terminal: Terminal) -> None:
    """The bytes of a whole exchange."""
    assert terminal.console.receive(b"sh ver\r\n") == (
        b"sh ver\r\nSample OS 1.0 on box\r\nbox>"
    )  # fmt: skip


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\x00"])
def test_an_empty_line_prints_the_prompt_again(terminal: Terminal, end: str) -> None:
    """Once for each kind of line end, also when it comes byte by byte."""
    assert terminal.type(end) == "\nbox>"
    assert "".join(terminal.type(char) for char in end + end) == "\nbox>\nbox>"


def test_keys_are_echoed_as_they_come(terminal: Terminal) -> None:
    """Not only when the line is complete."""
    assert [terminal.type(char) for char in "sh v"] == ["s", "h", " ", "v"]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("foo", "    ^\n% Invalid input detected at '^' marker.\n\n"),
        ("show  foo", " " * 10 + "^\n% Invalid input detected at '^' marker.\n\n"),
        ("sh ver x", " " * 11 + "^\n% Invalid input detected at '^' marker.\n\n"),
        ("terminal length 999", " " * 20 + "^\n% Invalid input detected at '^' marker.\n\n"),
        ("show", "% Incomplete command.\n\n"),
        ("clear c", '% Ambiguous command:  "clear c"\n\n'),
        ("  cle c ", '% Ambiguous command:  "cle c"\n\n'),
        ("configure terminal", "    ^\n% Invalid input detected at '^' marker.\n\n"),
        ("! a comment", ""),
        ("selftest", ""),
    ],
)
def test_errors_say_where(terminal: Terminal, line: str, answer: str) -> None:
    """The marker counts the prompt; privileged commands do not exist below their privilege."""
    assert terminal.run(line) == f"{line}\n{answer}box>"


def test_the_marker_stays_on_the_screen(terminal: Terminal) -> None:
    """A line that wraps has its marker under the column where the word is shown."""
    terminal.run("terminal width 40")
    line = "show" + " " * 50 + "foo"
    assert terminal.run(line).split("\n")[1] == " " * (4 + 54 - 40) + "^"


def test_a_device_rejects_a_value_it_cannot_take(privileged: Terminal) -> None:
    """A handler's refusal looks like the parser's."""
    privileged.run("conf t")
    assert privileged.run("port ge0/1 address 127.0.0.1") == (
        "port ge0/1 address 127.0.0.1\n"
        + " " * (len("box(config)#") + len("port ge0/1 address "))
        + "^\n% Invalid input detected at '^' marker.\n\nbox(config)#"
    )


def test_modes_change_the_prompt_and_fall_back(privileged: Terminal) -> None:
    """A global command typed in a sub-mode leaves the sub-mode; exec commands need ``do``."""
    assert privileged.run("conf t") == (
        "conf t\nEnter configuration commands, one per line.  End with CNTL/Z.\nbox(config)#"
    )
    assert privileged.run("site a") == "site a\nbox(site-a)#"
    assert privileged.run("color red") == "color red\nbox(site-a)#"
    assert privileged.run("do sh ver") == "do sh ver\nSample OS 1.0 on box\nbox(site-a)#"
    assert privileged.run("site b") == "site b\nbox(site-b)#"
    assert privileged.device.left == ["a"]
    assert privileged.run("hostname R1") == "hostname R1\nR1(config)#"
    assert "Invalid input" in privileged.run("show version")
    assert privileged.run("do sh ver") == "do sh ver\nSample OS 1.0 on R1\nR1(config)#"
    assert privileged.run("exit") == "exit\nR1#"
    assert privileged.device.colors == {"a": "red"}


def test_an_error_in_a_sub_mode_names_the_word_that_got_furthest(privileged: Terminal) -> None:
    """The own mode's words count before the global ones where both end alike."""
    privileged.run("conf t")
    privileged.run("site a")
    marker = " " * len("box(site-a)#")
    assert privileged.run("color pink").split("\n")[1] == marker + "      ^"
    assert privileged.run("port ge0/1 address x").split("\n")[1] == marker + " " * 19 + "^"
    assert privileged.run("bogus").split("\n")[1] == marker + "^"


def test_the_host_name_is_cut_in_configuration_prompts(privileged: Terminal) -> None:
    """To 20 characters, and only there."""
    privileged.run("conf t")
    assert privileged.run("hostname " + "h" * 30).endswith("\n" + "h" * 20 + "(config)#")
    assert privileged.run("end").endswith("\n" + "h" * 30 + "#")


def test_no_and_default_reach_the_handler(privileged: Terminal) -> None:
    """With the full syntax, a syntax of their own, or anything behind the leading words."""
    privileged.run("conf t")
    privileged.run("hostname other")
    assert privileged.run("no hostname") == "no hostname\nbox(config)#"
    privileged.run("hostname other")
    assert privileged.run("default hostname x").endswith("box(config)#")
    assert privileged.run("no port ge0/1 whatever it takes") == (
        "no port ge0/1 whatever it takes\n"
        "('port', 'ge0/1 whatever it takes') [('rest', 'ge0/1 whatever it takes')] {} True False\n"
        "box(config)#"
    )
    assert "Invalid input" in privileged.run("no exit")
    privileged.run("site a")
    assert privileged.run("no serial ff").split("\n")[1] == (
        "('serial', 'ff') [('digits', 'ff')] {'note': 'kept'} True False"
    )


def test_ctrl_z_carries_out_the_line_and_ends(privileged: Terminal) -> None:
    """It is shown as ``^Z`` and leaves every mode, and the log line follows the prompt."""
    privileged.run("terminal monitor")
    privileged.run("conf t")
    privileged.run("site a")
    assert privileged.type("color green\x1a") == (
        "color green^Z\nbox#\n%SAMPLE-5-CONFIG: configured\n"
    )
    assert privileged.device.colors == {"a": "green"}


def test_ctrl_c_drops_the_line_and_leaves_configuration(privileged: Terminal) -> None:
    """Nothing of the line is carried out."""
    privileged.run("conf t")
    privileged.run("site a")
    assert privileged.type("color red\x03") == "color red^C\nbox#"
    assert privileged.device.colors == {}
    assert privileged.type("show\x03") == "show^C\nbox#"


def test_ctrl_r_shows_the_line_again(terminal: Terminal) -> None:
    """With the cursor where it was."""
    terminal.type("show ver\x02")
    assert terminal.type("\x12") == "\nbox>show ver\b"


def test_ctrl_v_takes_the_next_key_as_text(terminal: Terminal) -> None:
    """So that a question mark can be typed; a control key after it is dropped."""
    assert terminal.type("echo a\x16?b\x16\x01\r") == "echo a?b\na?b\nbox>"


def test_history_gives_commands_but_no_answers(terminal: Terminal) -> None:
    """What was typed into a question is not remembered."""
    terminal.run("secret")
    terminal.run("hunter2")
    terminal.run("hunter2")
    assert terminal.type("\x1b[A") == "secret"
    assert terminal.type("\x10") == "\a"
    assert terminal.type("\r") == "\nPassword: "


def test_output_comes_in_pages(terminal: Terminal) -> None:
    """Space: a page; Enter: a line; another key: the end. The prompt is wiped each time."""
    erased = "\b" * 9 + " " * 8 + "\b" * 9
    first = "".join(f"line {number}\n" for number in range(1, 24))
    assert terminal.run("show lines 60") == f"show lines 60\n{first} --More-- "
    assert terminal.type("\r") == f"{erased}line 24\n --More-- "
    second = "".join(f"line {number}\n" for number in range(25, 48))
    assert terminal.type(" ") == f"{erased}{second} --More-- "
    assert terminal.type("qsh ver\r") == f"{erased}box>sh ver\nSample OS 1.0 on box\nbox>"


def test_paging_ends_by_itself(terminal: Terminal) -> None:
    """The last page is followed by the prompt."""
    terminal.run("show lines 24")
    assert terminal.type(" ").endswith("line 24\nbox>")


def test_terminal_length_zero_turns_paging_off(terminal: Terminal) -> None:
    """For this session."""
    terminal.run("terminal length 0")
    assert terminal.run("show lines 5000").count("\n") == 5001


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("show run | include colo", " color red\n"),
        ("show run | sec site", "site a\n color red\n  deep a\n"),
        ("show run|i x", "         ^\n% Invalid input detected at '^' marker.\n\n"),
        ("show run | count .", "Number of lines which match regexp = 5\n"),
        ("show run | b end", "end\n"),
        ("show run | inc (", "% Invalid regular expression\n\n"),
        ("show run | xyz e", " " * 15 + "^\n% Invalid input detected at '^' marker.\n\n"),
        ("show run | inc", "% Incomplete command.\n\n"),
        ("show run | redirect flash:x", "%Error opening flash:x (No such device)\n"),
        ("show ver | include nothing", ""),
    ],
)
def test_output_filters(privileged: Terminal, line: str, answer: str) -> None:
    """Abbreviated verbs, patterns, errors."""
    for command in ("conf t", "site a", "color red", "end"):
        privileged.run(command)
    assert privileged.run(line) == f"{line}\n{answer}box#"


def test_output_goes_to_a_file_of_the_device(privileged: Terminal) -> None:
    """Whole lines, without the prompt; tee shows them too."""
    kept: list[tuple[str, str, bool]] = []

    def store(url: str, text: str, *, append: bool) -> str:
        kept.append((url, text, append))
        return ""

    privileged.device.store_output = store  # type: ignore[method-assign]
    assert privileged.run("show clock | redirect flash:a").count("\n") == 1
    assert privileged.run("show clock | append flash:a").count("\n") == 1
    assert "12:00:00 UTC" in privileged.run("show clock | tee flash:b")
    text = "12:00:00 UTC 2026-03-01\n"
    assert kept == [("flash:a", text, False), ("flash:a", text, True), ("flash:b", text, False)]


def test_a_filter_may_turn_paging_off() -> None:
    """For this command alone."""
    data = {**read_folder(folder()), "shell": {"filters": ["no-more"]}}
    p = Terminal(
        DeviceProfile(
            data, handlers=HANDLERS, device_class=SampleDevice, leave_handlers=LEAVE_HANDLERS
        )
    )
    assert p.run("show lines 50 | no-more").count("\n") == 51
    assert p.run("show lines 50").endswith(" --More-- ")


def test_prompts_of_two_lines_name_the_user_and_the_path(caplog: pytest.LogCaptureFixture) -> None:
    """The error's marker counts the last line."""
    data = {
        "profile": {"name": "p", "hostname": "mx"},
        "modes": {"exec": {"prompt": "\n[edit]\n{user}@{hostname}# "}},
    }
    profile = DeviceProfile(data)
    device = profile.new_device(port=IdlePort(), clock=ManualClock())
    console = device.open_console(user="admin")
    assert console.open() == b"\r\n[edit]\r\nadmin@mx# "
    assert console.receive(b"foo\r").split(b"\r\n")[1] == b" " * len("admin@mx# ") + b"^"
    assert not caplog.records


def test_a_filter_works_behind_do(privileged: Terminal) -> None:
    """The mode stays."""
    privileged.run("conf t")
    assert privileged.run("do show lines 30 | include ine 2$") == (
        "do show lines 30 | include ine 2$\nline 2\nbox(config)#"
    )


def test_a_raw_mode_gets_every_line(privileged: Terminal) -> None:
    """Blank lines, comments and commands alike; nothing of it enters the history."""
    privileged.run("conf t")
    assert privileged.run("banner") == "banner\n"
    for line in ("one", "", "! two", "end", "sh ver"):
        assert privileged.run(line) == f"{line}\n"
    assert privileged.run("quit") == "quit\nbox(config)#"
    assert privileged.device.pasted == ["one", "", "! two", "end", "sh ver"]
    assert privileged.type("\x10") == "banner"


def test_a_broken_handler_is_logged_and_the_console_lives(
    terminal: Terminal, caplog: pytest.LogCaptureFixture
) -> None:
    """What it wrote before is shown, the platform's error follows, the next command works."""
    with caplog.at_level(logging.ERROR):
        assert terminal.run("break") == "break\nbefore\n% Command failed\n\nbox>"
        assert terminal.run("break late") == "break late\nbefore\nGo on? "
        assert terminal.run("y") == "y\n% Command failed\n\nbox>"
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [
        ZeroDivisionError, ZeroDivisionError,
    ]  # fmt: skip
    assert "Sample OS" in terminal.run("show version")


def test_a_broken_handler_leaves_no_trace_in_the_next_command(privileged: Terminal) -> None:
    """Ctrl-Z of the line that broke does not end the modes of the line after it."""
    privileged.run("conf t")
    privileged.type("do break\x1a")
    assert privileged.run("site a") == "site a\nbox(site-a)#"


def test_a_clean_up_that_breaks_is_survived(
    terminal: Terminal, caplog: pytest.LogCaptureFixture
) -> None:
    """A dialog that resists being closed does not keep the prompt."""
    terminal.run("break cleanup")
    assert terminal.type("\x03") == "^C\nbox>"
    assert "clean-up of a command failed" in caplog.text
    terminal.run("break cleanup")
    terminal.console.disconnect()
    assert terminal.device.consoles == []


def test_a_megabyte_line_is_cut_and_answered(terminal: Terminal) -> None:
    """The console answers it like any wrong line, and the next one works."""
    shown = terminal.type(b"x" * 1_000_000 + b"\r")
    assert shown.startswith("x" * 1024 + "\a\n")
    assert shown.endswith("% Invalid input detected at '^' marker.\n\nbox>")
    assert len(shown) < 3000
    assert terminal.run("sh ver").endswith("Sample OS 1.0 on box\nbox>")


def test_output_that_nobody_took_stops_the_input(privileged: Terminal) -> None:
    """A paste of many long outputs is carried out as the output is taken, and completely."""
    data = b"show lines 5000\r" * 40
    sizes = [len(privileged.console.receive(data))]
    while privileged.console.has_input:
        sizes.append(len(privileged.console.receive(b"")))
    assert len(sizes) > 3
    assert max(sizes) < 512 * 1024
    assert sum(sizes) > 40 * 5000 * 10


def test_the_terminal_never_gets_a_character_it_cannot_show(terminal: Terminal) -> None:
    """Control characters and non-ASCII in a text become question marks."""
    terminal.device.hostname = "b\x1b[2Jö"
    assert terminal.run("sh ver") == "sh ver\nSample OS 1.0 on b?[2J?\nb?[2J?>"


def test_sessions_share_the_device_and_nothing_else(
    privileged: Terminal, second_terminal: Callable[[Terminal], Terminal]
) -> None:
    """Host name here and there; privilege, mode and history of their own."""
    other = second_terminal(privileged)
    privileged.run("conf t")
    privileged.run("hostname shared")
    assert other.run("") == "\nshared>"
    assert len(privileged.device.consoles) == 2
    other.console.disconnect()
    assert privileged.device.consoles == [privileged.console]


def test_leaving_the_base_mode_closes_a_vty(terminal: Terminal) -> None:
    """The console says so and takes nothing more."""
    assert terminal.run("exit") == "exit\n"
    assert terminal.console.is_closed
    assert terminal.run("sh ver") == ""
    assert terminal.device.consoles == []


def test_a_console_line_goes_idle_instead(sample_profile: DeviceProfile) -> None:
    """It waits for Return before and after a session; privilege does not survive."""
    idle = "\nbox con0 is now available\n\nPress RETURN to get started.\n"
    terminal = Terminal(sample_profile, line=CONSOLE_LINE)
    assert terminal.shown(terminal.greeting) == idle
    assert terminal.type("x?") == ""
    assert terminal.type("\r") == "\nbox>"
    terminal.run("enable")
    assert terminal.run("exit") == f"exit\n{idle}"
    assert not terminal.console.is_closed
    assert terminal.type("\r") == "\nbox>"


def test_a_dropped_line_leaves_the_modes(privileged: Terminal) -> None:
    """Closing a dialog and leaving modes runs what the profile wants run, once."""
    for command in ("conf t", "site a"):
        privileged.run(command)
    privileged.console.disconnect()
    privileged.console.disconnect()
    assert privileged.device.left == ["a"]
    assert list(privileged.device.log_buffer) == ["%SAMPLE-5-CONFIG: configured"]


def test_an_idle_session_times_out(terminal: Terminal) -> None:
    """Typing postpones it; a tick before the time does nothing."""
    console = terminal.console
    assert console.next_deadline() is None
    console.session.exec_timeout_s = 60
    terminal.clock.advance(50)
    terminal.type("x")
    deadline = console.next_deadline()
    assert deadline is not None
    console.tick(terminal.clock.advance(59))
    assert not console.is_closed
    console.tick(terminal.clock.advance(1))
    assert terminal.clock() == deadline
    assert console.is_closed


def test_what_an_idle_session_says_is_the_platforms() -> None:
    """On a line of its own, before the line closes."""
    data = {**read_folder(folder())}
    data["texts"] = {**data["texts"], "login": {"idle_timeout": "Idle for too long.\n"}}
    p = Terminal(DeviceProfile(data, handlers=HANDLERS, leave_handlers=LEAVE_HANDLERS))
    p.console.session.exec_timeout_s = 60
    p.type("sh")
    p.console.tick(p.clock.advance(60))
    assert p.later() == "\nIdle for too long.\n"
    assert p.console.is_closed


def test_a_login_that_nobody_answers_ends() -> None:
    """Each question has the time of its line; an open session has not."""
    data = {
        "profile": {"name": "p"},
        "lines": {"vty": {"opening": "login", "login_timeout_s": 30}},
        "modes": {"exec": {"prompt": "p>"}},
    }
    p = Terminal(DeviceProfile(data), users={"a": "b"})
    p.console.tick(p.clock.advance(29))
    p.run("a")
    p.console.tick(p.clock.advance(29))
    assert not p.console.is_closed
    p.console.tick(p.clock.advance(1))
    assert p.later() == "\n% Password:  timeout expired!\n"
    assert p.console.is_closed
    p = Terminal(p.device.profile, device=p.device)
    p.run("a")
    assert p.run("b").endswith("p>")
    assert p.console.next_deadline() is None


def test_history_belongs_to_the_session(sample_profile: DeviceProfile) -> None:
    """The next one on the same line begins without; a handler can show it."""
    console = Terminal(sample_profile, line=CONSOLE_LINE)
    console.type("\r")
    console.run("show clock")
    console.run("show version")
    session = console.console.session
    assert session.history == ["show clock", "show version"]
    context = CommandContext(console.device, session)
    show_history(context)
    assert context.take_output() == "  show clock\n  show version\n"
    console.run("exit")
    console.type("\r")
    assert console.type("\x10") == "\a"


def test_the_paging_prompt_may_say_how_far() -> None:
    """In whole percent of the lines."""
    data = {**read_folder(folder())}
    data["shell"] = {**data["shell"], "more": "---(more {percent}%)---"}
    p = Terminal(DeviceProfile(data, handlers=HANDLERS, leave_handlers=LEAVE_HANDLERS))
    assert p.run("show lines 92").endswith("---(more 25%)---")
    assert p.type(" ").endswith("---(more 50%)---")
    p.type("q")
    assert p.run("show lines 46").endswith("---(more 50%)---")


def test_one_session_may_have_the_configuration_for_itself(
    privileged: Terminal, second_terminal: Callable[[Terminal], Terminal]
) -> None:
    """Until it lets go or ends in any way."""
    device, second = privileged.device, second_terminal(privileged)
    mine, other = privileged.console.session, second.console.session
    assert device.take_configuration(mine) is None
    assert device.take_configuration(mine) is None
    assert device.take_configuration(other) is mine
    device.release_configuration(other)
    assert device.configured_by is mine
    privileged.console.disconnect()
    assert device.take_configuration(other) is None
    device.release_configuration(other)
    assert device.configured_by is None


def test_a_terminal_that_tells_its_size_is_believed(terminal: Terminal) -> None:
    """Zero is unknown; paging that was turned off stays off."""
    terminal.console.resize(132, 43)
    assert (terminal.console.session.width, terminal.console.session.length) == (132, 43)
    terminal.run("terminal length 0")
    terminal.console.resize(0, 50)
    assert (terminal.console.session.width, terminal.console.session.length) == (132, 0)
