"""What a traced program did below a folder is what the model says it did."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.power.disk_image import UnmodelledError, read_image
from tests.support.power.model_disk import Disk
from tests.support.power.traced_calls import TraceError, read_calls
from tests.support.power.traced_disk import Step, TracedDisk
from tests.support.power.tracing import require_strace, trace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder that is looked at."""
    path = tmp_path.resolve() / "root"
    path.mkdir()
    return path


def _repeat(root: Path, work: Callable[[], object]) -> tuple[Disk, list[Step]]:
    """Does the work under strace, and again on a model disk."""

    def whole_work() -> int:
        work()
        return 0

    traced = TracedDisk(root, Disk.load(root))
    status, calls = trace(require_strace(), whole_work, root.parent / "trace")
    assert status == 0
    traced.expect_children(calls)
    steps = [step for call in calls if (step := traced.take(call))]
    return traced.disk, steps


def _write_files(root: Path) -> None:
    (root / "a").write_bytes(b"first")
    with (root / "a").open("r+b") as file:
        file.seek(2)
        file.read(1)
        file.write(b"XY")
    with (root / "a").open("ab") as file:
        file.write(b"end")
        os.fsync(file.fileno())
    (root / "b").write_bytes(b"long content")
    (root / "b").write_bytes(b"short")
    (root / "b").chmod(0o640)
    os.truncate(os.open(root / "b", os.O_WRONLY), 3)
    descriptor = os.open(root / "c", os.O_WRONLY | os.O_CREAT | os.O_DSYNC, 0o666)
    os.pwrite(descriptor, b"tail", 10)
    os.writev(descriptor, [b"one", b"two"])
    os.dup2(descriptor, 77)
    os.write(77, b"three")
    os.unlink(root / "a")


def test_files_are_repeated(root: Path) -> None:
    """Positions, appending, truncation, duplicates and modes come out as they did."""
    disk, steps = _repeat(root, lambda: _write_files(root))
    assert disk.seen() == read_image(root)
    assert disk.synced() == {}, "no name was synced"
    assert [step.name for step in steps if step.is_sync] == ["sync a"]


def test_written_with_dsync_is_durable(root: Path) -> None:
    """Content that goes through such a descriptor needs no sync; its name does."""
    (root / "c").write_bytes(b"")

    def work() -> None:
        os.write(os.open(root / "c", os.O_WRONLY | os.O_DSYNC), b"content")

    disk, _ = _repeat(root, work)
    assert disk.synced()["c"].content == b"content"


def _change_names(root: Path) -> None:
    os.umask(0o027)
    (root / "d/e").mkdir(parents=True)
    (root / "d/e/f").write_bytes(b"content")
    (root / "link").symlink_to("d/e")
    (root / "link/f").rename(root / "link/g")
    os.link(root / "d/e/g", root / "d/h")
    (root / "other").symlink_to("d")
    (root / "other").rename(root / "link")
    (root / "t/u").mkdir(parents=True)
    (root / "t/u/v").write_bytes(b"gone")
    shutil.rmtree(root / "t")
    descriptor = os.open(root / "d", os.O_RDONLY)
    os.rename("h", "i", src_dir_fd=descriptor, dst_dir_fd=descriptor)
    os.fsync(descriptor)


def test_names_are_repeated(root: Path) -> None:
    """Directories, links, renames and removals, by path and by descriptor."""
    disk, steps = _repeat(root, lambda: _change_names(root))
    assert disk.seen() == read_image(root)
    assert steps[-1] == Step("sync d", is_sync=True)


def _use_sqlite(root: Path) -> None:
    with contextlib.closing(sqlite3.connect(root / "x.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES (?)", ("x" * 10_000,))
        os.kill(os.getpid(), 9)


def test_commit_of_sqlite_is_durable(root: Path) -> None:
    """A database that is left by SIGKILL has its committed row in the synced image."""
    traced = TracedDisk(root, Disk.load(root))

    def work() -> int:
        _use_sqlite(root)
        return 0

    status, calls = trace(require_strace(), work, root.parent / "trace")
    assert status == -9
    for call in calls:
        traced.take(call)
    seen, found = traced.disk.seen(), read_image(root)
    assert {name: node for name, node in seen.items() if name != "x.db-shm"} == {
        name: node for name, node in found.items() if name != "x.db-shm"
    }
    assert traced.disk.synced()["x.db-wal"] == seen["x.db-wal"]


def test_threads_and_programs_are_followed(root: Path) -> None:
    """A thread shares descriptors, a program that was started has copies."""

    def work() -> None:
        with (root / "a").open("wb", buffering=0) as file:
            thread = threading.Thread(target=file.write, args=(b"by a thread",))
            thread.start()
            thread.join()
            script = 'echo "by a program" >&3; echo "its own" > b; mv b c'
            os.dup2(file.fileno(), 3)
            subprocess.run(["/bin/sh", "-c", script], check=True, cwd=root, pass_fds=(3,))

    disk, _ = _repeat(root, work)
    assert disk.seen() == read_image(root)
    assert disk.seen()["c"].content == b"its own\n"


def test_what_the_model_does_not_know_is_refused(root: Path) -> None:
    """A way to write that is not repeated ends the test instead of passing by."""
    (root / "a").write_bytes(b"content")

    def work() -> None:
        descriptor = os.open(root / "a", os.O_RDWR)
        os.posix_fallocate(descriptor, 0, 100_000)

    with pytest.raises(UnmodelledError, match="fallocate"):
        _repeat(root, work)


def test_mapping_that_writes_is_refused(root: Path) -> None:
    """Nobody sees what goes through a mapping."""
    (root / "a").write_bytes(bytes(4096))

    def work() -> None:
        import mmap

        with (root / "a").open("r+b") as file:
            mmap.mmap(file.fileno(), 4096)

    with pytest.raises(UnmodelledError, match="mapping"):
        _repeat(root, work)


def test_line_that_is_not_understood_is_refused() -> None:
    """A trace is read whole or not at all."""
    with pytest.raises(TraceError, match="not a call"):
        list(read_calls(["7 fsync(3<"]))
    with pytest.raises(TraceError, match="cut short"):
        next(read_calls(['7 write(3, "\\x61"..., 9) = 9'])).text(1)
