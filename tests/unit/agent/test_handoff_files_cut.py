"""Hand-off ``files``, cut off before and after each of its operations on files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sceplab_agent.handoff.files import FilesHandOff, FilesSettings
from tests.support.deliveries import generation, present

CUT = 77
OPERATIONS = (
    "open", "mkdir", "chmod", "fchmod", "fchown", "fsync", "rename", "symlink", "unlink", "rmdir",
)  # fmt: skip
"""What `os` is asked for; `pathlib` and `shutil` come to it as well."""


def consumer_of(folder: Path) -> FilesHandOff:
    """A hand-off into ``folder/out``."""
    return FilesHandOff("files", FilesSettings(directory=folder / "out"), clock=present)


def all_steps(consumer: FilesHandOff, number: int, *, is_good: bool) -> None:
    """Hands a generation over, or rolls it back after installing."""
    memo = consumer.prepare(generation(number))
    consumer.install(generation(number), memo)
    if is_good:
        consumer.verify(generation(number), memo)
        consumer.commit(generation(number), memo)
    else:
        consumer.roll_back(generation(number), memo)


def die_at(cut: int, run: Callable[[], None]) -> bool:
    """Runs in a process of its own, which dies at that operation; false: it ended before.

    Odd cuts are before an operation, even ones after it. Nothing is cleaned up: no ``finally``.
    """
    for number in (1, 2):
        generation(number)  # made here: a child's would be lost
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        count = 0

        def counted(operation: Callable[..., object]) -> Callable[..., object]:
            def call(*args: object, **options: object) -> object:
                nonlocal count
                count += 1
                if count == cut:
                    os._exit(CUT)
                result = operation(*args, **options)
                count += 1
                if count == cut:
                    os._exit(CUT)
                return result

            return call

        try:
            for name in OPERATIONS:
                setattr(os, name, counted(getattr(os, name)))
            run()
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, CUT}
    return status == CUT


@pytest.mark.parametrize("is_good", [True, False], ids=["commit", "roll back"])
@pytest.mark.parametrize("had_one", [True, False], ids=["renewal", "first"])
def test_consumers_see_one_whole_generation_at_every_cut(
    tmp_path: Path, is_good: bool, had_one: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Old or new, never parts of both; the next start leaves nothing behind."""
    cuts = 0
    seen = set()
    while True:
        folder = tmp_path / str(cuts)
        folder.mkdir()
        consumer = consumer_of(folder)
        if had_one:
            all_steps(consumer, 1, is_good=True)
        if not die_at(cuts + 1, lambda c=consumer: all_steps(c, 2, is_good=is_good)):  # type: ignore[misc]
            break
        cuts += 1
        seen.add(_generation_in_use(folder, allow_none=not had_one))
        again = consumer_of(folder)
        all_steps(again, 2, is_good=True)
        again.check_installed(generation(2))
        left = {path.name for path in (folder / "out").iterdir()}
        assert left == {"current", os.readlink(folder / "out/current")}
    with capsys.disabled():
        print(f"\n{cuts} cuts", end=" ")
    assert cuts > 60
    assert seen == ({1, 2} if had_one else {0, 2})


def _generation_in_use(folder: Path, *, allow_none: bool) -> int:
    """The generation whose files are all there, read as its consumer reads."""
    consumer = consumer_of(folder)
    if allow_none and not (folder / "out/current").exists():
        return 0
    name = os.readlink(folder / "out/current")
    number = int(name.rpartition("-")[2])
    consumer.check_installed(generation(number))
    return number
