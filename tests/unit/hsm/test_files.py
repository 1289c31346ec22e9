"""Private files: what is read, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sceplab_hsm import files
from sceplab_hsm.errors import StoreBusyError, StoreUnavailableError
from sceplab_hsm.files import (
    create_private,
    locked_directory,
    make_private_directory,
    read_private,
    remove,
)


def test_a_file_is_written_once(tmp_path: Path) -> None:
    """A second write of the same name changes nothing, also when the name is a dangling link."""
    create_private(tmp_path / "a", b"first")
    with pytest.raises(FileExistsError):
        create_private(tmp_path / "a", b"second")
    assert read_private(tmp_path / "a", limit_bytes=5)[0] == b"first"
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        create_private(tmp_path / "link", b"through")
    assert not (tmp_path / "nowhere").exists()


def test_only_plain_private_files_of_sensible_size_are_read(tmp_path: Path) -> None:
    """A link, a pipe, a directory and a long file are refused at once; a pipe is not waited for."""
    create_private(tmp_path / "plain", b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "plain")
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name in ("link", "pipe", "folder"):
        with pytest.raises(StoreUnavailableError, match=name):
            read_private(tmp_path / name, limit_bytes=5)
    with pytest.raises(StoreUnavailableError, match="longer than 4 bytes"):
        read_private(tmp_path / "plain", limit_bytes=4)


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    """A link under the temporary name is removed, and what it points to stays as it is."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    (tmp_path / ".sceplab-new.tmp").symlink_to(victim)
    create_private(tmp_path / "a", b"content")
    assert victim.read_bytes() == b"untouched"
    assert not (tmp_path / "a").is_symlink()


def test_directories_are_made_private_and_left_alone(tmp_path: Path) -> None:
    """A new directory and its new parents are 0700; an existing one keeps its mode."""
    make_private_directory(tmp_path / "x" / "y" / "z")
    for made in ("x", "x/y", "x/y/z"):
        assert (tmp_path / made).stat().st_mode & 0o777 == 0o700
    (tmp_path / "open").mkdir(mode=0o755)
    make_private_directory(tmp_path / "open")
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o755


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    """A file in the place of a directory, or of its parent, is what the text names."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "x" / "y"):
        with pytest.raises(StoreUnavailableError, match=r"/file is not a directory"):
            make_private_directory(path)


def test_waiting_for_a_directory_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who never gives a lock back is an error that names the directory; then it is free again."""
    monkeypatch.setattr(files, "_LONGEST_WAIT_S", 0.01)
    with (
        locked_directory(tmp_path),
        pytest.raises(StoreBusyError, match=tmp_path.name),
        locked_directory(tmp_path),
    ):
        pytest.fail("both hold it")
    create_private(tmp_path / "a", b"content")


def test_what_is_written_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new directory's parent, then a new file before it gets its name, then its directory."""
    events: list[str] = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(descriptor: int) -> None:
        events.append(f"sync {os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}'))}")
        real_fsync(descriptor)

    def rename(old: Path, new: Path) -> None:
        events.append(f"rename {old.name} {new.name}")
        real_rename(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    make_private_directory(tmp_path / "keys")
    create_private(tmp_path / "keys" / "a", b"content")
    remove(tmp_path / "keys" / "a")
    assert events == [
        f"sync {tmp_path.name}",
        "sync .sceplab-new.tmp",
        "rename .sceplab-new.tmp a",
        "sync keys",
        "sync keys",
    ]
