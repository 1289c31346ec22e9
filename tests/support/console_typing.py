"""Typing near the commands of a console's tables, and a watch over what the engine logs."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from hypothesis import strategies as st

from sceplab_devices.profile import DeviceProfile
from tests.support.consoles import Terminal
from tests.support.device_bench import DeviceBench

HAPPENINGS = ("ca_answers", "ca_is_silent", "ca_grants", "ca_pends", "ca_rejects", "poll", "renew")
_CHOICE = re.compile(r"\{([^{}]*)\}\*?|\[([^\[\]{}]*)\]")
_EXEC = "exec"


@contextmanager
def no_failures() -> Iterator[None]:
    """Fails behind its block when a command of a device did."""
    failures: list[str] = []

    class Watcher(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            failures.append(logging.Formatter().format(record))

    watcher = Watcher(logging.ERROR)
    logging.getLogger("sceplab_devices").addHandler(watcher)
    try:
        yield
    finally:
        logging.getLogger("sceplab_devices").removeHandler(watcher)
    assert failures == []


def every_form(line: str) -> list[str]:
    """All ways to type a command, with each of its alternatives."""
    found = _CHOICE.search(line)
    if found is None:
        return [" ".join(line.split())]
    choices = (found[1] or found[2]).split("|")
    return [
        form
        for choice in ([*choices, ""] if found[2] else choices)
        for form in every_form(line[: found.start()] + choice + line[found.end() :])
    ]


@dataclass(frozen=True, kw_only=True)
class TypedConsole:
    """One platform: how it is reached, and what is typed there."""

    trustpoint: str
    """Its name, and the word for all that has no other."""
    profile: Callable[[], DeviceProfile]
    bench: Callable[[str], DeviceBench]
    """Makes a device of one of the ``variants``."""
    operator: Callable[[DeviceBench], Terminal]
    """Opens a session in which every command may be typed, pages off."""
    opening: tuple[str, ...]
    """Typed at the console before anything else."""
    beforehand: tuple[str, ...]
    """Typed in configuration mode: the trustpoint."""
    answers: tuple[str, ...]
    scenes: list[list[str]]
    ways_in: Mapping[str, list[str]]
    """Lines from configuration mode into its sub-modes, besides those that the tables say."""
    kinds: Mapping[str, str]
    """What is typed for a parameter of that kind."""
    shows: tuple[str, str]
    """A command, and words of its output."""
    variants: tuple[str, ...] = ("",)
    happenings: tuple[str, ...] = HAPPENINGS
    bring: Callable[[DeviceBench, str], list[str]] | None = None
    """Lines to paste when something happens; ``None``: it happens at the CA."""

    @cached_property
    def commands(self) -> list[tuple[str, str]]:
        """Every command with its mode."""
        return sorted(
            {
                ("config" if mode in {"anywhere", "any-config"} else mode, self._typed(one.syntax))
                for one in self.profile().commands
                for mode in one.modes
            }
        )

    def way_to(self, mode: str) -> list[str]:
        """Lines from anywhere into a mode."""
        if mode == _EXEC:
            return ["end"]
        return ["configure terminal", *self._ways[mode]]

    def prefixes(self, mode: str) -> list[str]:
        """What commands of a mode may begin with."""
        return [""] if mode == _EXEC else ["", "no ", "default "]

    def happen(self, bench: DeviceBench, what: str) -> list[str]:
        """Lets something happen; gives what the operator has to paste then."""
        if self.bring is not None:
            return self.bring(bench, what)
        bench.port.happen(what, self.trustpoint)
        return []

    def session(self) -> st.SearchStrategy[list[str]]:
        """What is typed and what happens meanwhile (``@`` first)."""
        pieces = st.one_of(
            self._command(),
            self._command(),
            st.sampled_from([[answer] for answer in self.answers]),
            st.sampled_from([[f"@{name}"] for name in self.happenings]),
            st.sampled_from(self.scenes),
        )
        many = st.lists(pieces, min_size=10, max_size=25)
        return many.map(lambda drawn: [line for piece in drawn for line in piece])

    def _command(self) -> st.SearchStrategy[list[str]]:
        """A line near a command, in its mode: one of its forms, perhaps negated or cut short."""

        @st.composite
        def command(draw: st.DrawFn) -> list[str]:
            mode, syntax = draw(st.sampled_from(self.commands))
            line = draw(st.sampled_from(every_form(syntax)))
            if draw(st.integers(0, 9)) == 0:
                line = line[: draw(st.integers(0, len(line)))]
            prefix = draw(st.sampled_from(["", *self.prefixes(mode)]))
            return [*self.way_to(mode), prefix + line]

        return command()

    @cached_property
    def _ways(self) -> dict[str, list[str]]:
        told = {
            str(one.options["mode"]): [every_form(self._typed(one.syntax))[0]]
            for one in self.profile().commands
            if "mode" in one.options
        }
        return {"config": [], **self.ways_in, **told}

    def _typed(self, syntax: str) -> str:
        """One way to type a command's parameters."""
        text = re.sub(r"<\w+:(\d+)-\d+>", r"\1", syntax).replace("!", "")
        return re.sub(
            r"<[\w-]+:([\w-]+)>", lambda found: self.kinds.get(found[1], self.trustpoint), text
        )
