"""Help in its three forms and Tab, byte for byte."""

import pytest

from tests.support.consoles import Terminal


def test_help_on_an_empty_line_lists_all_commands(terminal: Terminal) -> None:
    """Header, two leading blanks, aligned descriptions; hidden and privileged ones are missing."""
    assert terminal.type("?") == (
        "?\n"
        "Exec commands:\n"
        "  break\n"
        "  clear     Reset functions\n"
        "  disable\n"
        "  echo\n"
        "  enable\n"
        "  exit\n"
        "  logout\n"
        "  make\n"
        "  reload\n"
        "  say\n"
        "  secret\n"
        "  show      Show running system information\n"
        "  terminal\n"
        "  wait\n"
        "  wipe\n"
        "\n"
        "box>"
    )


def test_help_behind_letters_lists_completions_in_columns(terminal: Terminal) -> None:
    """Without descriptions; the line is typed again."""
    assert terminal.type("e?") == "e?\necho    enable  exit    \n\nbox>e"
    assert terminal.type("ch?") == "ch?\necho  \n\nbox>ech"


def test_columns_break_at_the_width(terminal: Terminal) -> None:
    """As many as fit."""
    terminal.run("terminal width 12")
    assert terminal.type("e?") == "e?\necho    \nenable  \nexit    \n\nbox>e"


@pytest.mark.parametrize(
    ("typed", "rows"),
    [
        ("clear ", ["  cache", "  counters"]),
        ("enable ", ["  <0-15>  Enable level", "  <cr>"]),
        ("wipe ", ["  WORD  Name of the thing"]),
        ("show clock ", ["  detail", "  |       Output modifiers", "  <cr>"]),
        ("sh ver ", ["  |     Output modifiers", "  <cr>"]),
        ("make key ec bits 512 ", ["  exportable", "  label", "  <cr>"]),
        ("echo ", ["  LINE"]),
        ("echo some text ", ["  LINE", "  <cr>"]),
        ("show version | inc ", ["  LINE  Regular Expression"]),
        ("show version | inc x ", ["  <cr>"]),
        ("terminal no ", ["  monitor"]),
        ("exit ", ["  <cr>"]),
    ],
)
def test_help_behind_a_blank_lists_what_may_follow(
    terminal: Terminal, typed: str, rows: list[str]
) -> None:
    """Parameters as placeholders, ``|`` and ``<cr>`` last."""
    text = "\n".join(rows)
    assert terminal.type(typed + "?") == f"{typed}?\n{text}\n\nbox>{typed}"


def test_help_lists_the_filters(terminal: Terminal) -> None:
    """Behind the bar, with their descriptions."""
    shown = terminal.type("show version | ?")
    assert "\n  include   Include lines that match\n" in shown
    assert shown.endswith("\nbox>show version | ")
    terminal.type("\x15")
    assert terminal.type("show version | in?") == (
        "show version | in?\ninclude  \n\nbox>show version | in"
    )


def test_help_where_nothing_fits(terminal: Terminal) -> None:
    """The platform's answer; the line stays."""
    assert terminal.type("foo ?") == "foo ?\n% Unrecognized command\nbox>foo "
    terminal.type("\x15")
    assert terminal.type("zz?") == "zz?\n% Unrecognized command\nbox>zz"
    terminal.type("\x15")
    assert terminal.type("e x ?") == 'e x ?\n% Ambiguous command:  "e x "\n\nbox>e x '


def test_a_word_that_may_be_a_parameter_is_shown_as_one(terminal: Terminal) -> None:
    """The placeholder stands for it."""
    assert terminal.type("enable 1?") == "enable 1?\n<0-15>  \n\nbox>enable 1"


def test_help_looks_at_the_text_before_the_cursor(terminal: Terminal) -> None:
    """What stands behind it comes back with the cursor in its place."""
    terminal.type("clear xyz\x02\x02\x02")
    assert terminal.type("?").endswith("\n\nbox>clear xyz\b\b\b")


def test_help_in_a_sub_mode(privileged: Terminal) -> None:
    """Its own commands; its own descriptions first; global ones are found behind their words."""
    privileged.run("conf t")
    privileged.run("site a")
    shown = privileged.type("?")
    assert "  color    Colour of this site\n" in shown
    assert "  hostname" not in shown
    assert "  no       Negate a command or set its defaults\n" in shown
    assert privileged.type("color ?").endswith("?\n  green\n  red\n\nbox(site-a)#color ")
    privileged.type("\x15")
    assert "  PORT\n" in privileged.type("port ?")
    privileged.type("\x15")
    assert privileged.type("do show v?").startswith("do show v?\nversion  \n")
    privileged.type("\x15")
    assert "  color   Colour of this site\n" in privileged.type("no ?")


def test_long_help_is_paged(terminal: Terminal) -> None:
    """Like any output; the line is typed again afterwards."""
    terminal.run("terminal length 5")
    assert terminal.type("?").endswith("Exec commands:\n  break\n  clear     Reset functions\n"
                                       "  disable\n --More-- ")  # fmt: skip
    assert terminal.type("q").endswith("\bbox>")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("sh", "show "),
        ("sh ver", "sh version "),
        ("SHOW cl", "SHOW clock "),
        ("show version | inc", "show version | include "),
        ("make key e", "make key ec "),
    ],
)
def test_tab_completes_on_a_new_line(terminal: Terminal, typed: str, completed: str) -> None:
    """Prompt and completed line are printed again; the rest can be typed on."""
    assert terminal.type(typed + "\t") == f"{typed}\nbox>{completed}"


@pytest.mark.parametrize("typed", ["e", "foo", "", "show ", "wipe na", "echo sh", "selft"])
def test_tab_rings_where_there_is_no_one_way(terminal: Terminal, typed: str) -> None:
    """Several completions, none, or no word to complete."""
    assert terminal.type(typed + "\t") == f"{typed}\a"


def test_tab_in_a_sub_mode(privileged: Terminal) -> None:
    """Own words first, then the global ones."""
    privileged.run("conf t")
    privileged.run("site a")
    assert privileged.type("col\t").endswith("#color ")
    privileged.type("\x15")
    assert privileged.type("host\t").endswith("#hostname ")


def test_tab_completes_before_the_cursor(terminal: Terminal) -> None:
    """What stands behind it stays."""
    assert terminal.type("shver\x02\x02\x02\t") == "shver\b\b\b\nbox>show ver\b\b\b"
    assert terminal.type("\r").endswith("Sample OS 1.0 on box\nbox>")
