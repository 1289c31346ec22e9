"""Files of a box."""

from __future__ import annotations

import pytest

from sceplab_devices.profiles.cisco.flash import (
    FILE_COUNT_LIMIT,
    FILE_LIMIT_BYTES,
    FileStore,
)
from sceplab_devices.session import CONSOLE_LINE
from tests.support.consoles import START
from tests.support.ios import RouterBench


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("flash:x", ("flash", "x")),
        ("flash:/x", ("flash", "x")),
        ("FLASH:a/b", ("flash", "a/b")),
        ("nvram:", ("nvram", "")),
        ("x", ("flash", "x")),
        ("tftp://10.0.0.9/x", None),
        ("usb0:x", None),
    ],
)
def test_urls(url: str, place: tuple[str, str] | None) -> None:
    """File system and path, or none of this box; a name alone is in the default file system."""
    assert FileStore(("flash", "nvram")).parse(url) == place


def test_a_store_is_bounded() -> None:
    """Files have a largest size and a largest number; one that exists can be written again."""
    store = FileStore(("flash",))
    assert not store.write("flash:big", bytes(FILE_LIMIT_BYTES + 1), START)
    assert not store.write("flash:", b"x", START)
    assert all(store.write(f"flash:{n}", b"x", START) for n in range(FILE_COUNT_LIMIT))
    assert not store.write("flash:more", b"x", START)
    assert store.write("flash:0", b"new", START)
    assert store.read("flash:0") == b"new"
    assert store.delete("flash:0")
    assert not store.delete("flash:0")
    assert store.read("flash:0") is None


@pytest.mark.parametrize(("train", "name"), [("classic", "flash"), ("recent", "bootflash")])
def test_a_listing_names_its_file_system(train: str, name: str) -> None:
    """The one the train starts from."""
    assert RouterBench(train).run("dir").startswith(f"Directory of {name}:/\n")


def test_the_set_up_dialog_is_asked_once_on_the_console() -> None:
    """Not on network lines, not of a configured box, not again after the answer."""
    bench = RouterBench(initial_dialog=True)
    vty = bench.terminal()
    assert "initial configuration dialog" not in vty.shown(vty.greeting)
    console = bench.terminal(CONSOLE_LINE)
    assert "initial configuration dialog? [yes/no]: " in console.shown(console.greeting)
    assert "Press RETURN to get started!" in console.run("no")
    console.run("")
    again = bench.terminal(CONSOLE_LINE)
    assert "is now available" in again.shown(again.greeting)


def test_reload_asks_the_host() -> None:
    """Once, and only after the last question."""
    bench = RouterBench()
    asked: list[str] = []
    bench.router.on_reload = lambda: asked.append("reload")
    bench.run("configure terminal", "hostname R2", "end", "reload", "no", "n")
    assert asked == []
    bench.run("reload", "no", "\r")
    assert asked == ["reload"]
