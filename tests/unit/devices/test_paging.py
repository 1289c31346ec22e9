"""Pages: how much fits, and what the keys bring up."""

from sceplab_devices.paging import Pager

TEXT = "".join(f"{number}\n" for number in range(1, 11))


def lines(first: int, last: int) -> str:
    """A part of the text."""
    return "".join(f"{number}\n" for number in range(first, last + 1))


def test_a_page_leaves_a_line_for_its_prompt() -> None:
    """A terminal of four lines shows three."""
    pager = Pager()
    assert pager.show(TEXT, 4) == lines(1, 3)
    assert pager.rest == lines(4, 10)


def test_space_enter_and_any_other_key() -> None:
    """A page, a line, the end."""
    pager = Pager()
    pager.show(TEXT, 4)
    assert pager.answer("\r", 4) == lines(4, 4)
    assert pager.answer(" ", 4) == lines(5, 7)
    assert pager.answer("q", 4) == ""
    assert pager.rest == ""


def test_what_fits_exactly_needs_no_prompt() -> None:
    """The last page asks for nothing."""
    pager = Pager()
    assert pager.show(lines(1, 3), 4) == lines(1, 3)
    assert pager.rest == ""
    pager.restart()
    pager.show(lines(1, 6), 4)
    pager.answer(" ", 4)
    assert pager.rest == ""


def test_several_outputs_share_a_page_until_something_is_typed() -> None:
    """A page is counted over the texts shown since the last key."""
    pager = Pager()
    assert pager.show(lines(1, 2), 4) == lines(1, 2)
    assert pager.show(lines(3, 4), 4) == lines(3, 3)
    pager.restart()
    assert pager.show(lines(1, 3), 4) == lines(1, 3)


def test_length_zero_is_no_paging_and_length_one_still_moves() -> None:
    """``terminal length 0`` shows everything; a page is never empty."""
    assert Pager().show(TEXT, 0) == TEXT
    pager = Pager()
    assert pager.show(TEXT, 1) == lines(1, 1)
    assert pager.answer("\r", 1) == lines(2, 2)
