"""The model of a disk forgets what it must, and keeps what it must."""

import random
import stat
from pathlib import Path

import pytest

from tests.support.power.disk_image import (
    Image,
    Node,
    UnmodelledError,
    digest,
    read_image,
    write_image,
)
from tests.support.power.model_disk import BLOCK_BYTES, Disk

FILE, DIRECTORY, LINK = stat.S_IFREG | 0o600, stat.S_IFDIR | 0o700, stat.S_IFLNK | 0o777
ME = (0, 0)


def _contents(image: Image) -> dict[str, bytes]:
    return {name: node.content for name, node in image.items()}


def _with_file(content: bytes, **kwargs: bool) -> tuple[Disk, int]:
    """A disk with the durable file ``a``."""
    disk = Disk(**kwargs)
    number = disk.create("a", FILE, ME)
    disk.write(number, 0, content)
    disk.sync_all()
    return disk, number


def _parts(disk: Disk, seeds: int = 300) -> list[dict[str, bytes]]:
    """All the images that chance makes."""
    found = {}
    for seed in range(seeds):
        image = disk.partly_synced(random.Random(seed))
        found[digest(image)] = _contents(image)
    return list(found.values())


def test_write_without_fsync_is_lost() -> None:
    """Programs see the new content, the disk has the old one."""
    disk, number = _with_file(b"old")
    disk.write(number, 0, b"new!")
    assert _contents(disk.seen()) == {"a": b"new!"}
    assert _contents(disk.synced()) == {"a": b"old"}
    disk.sync(number)
    assert _contents(disk.synced()) == {"a": b"new!"}


def test_truncation_without_fsync_is_lost() -> None:
    """Also a cut, and a growth, wait for the sync."""
    disk, number = _with_file(b"content")
    disk.truncate(number, 3)
    assert _contents(disk.synced()) == {"a": b"content"}
    disk.sync(number)
    disk.truncate(number, 5)
    assert _contents(disk.synced()) == {"a": b"con"}
    disk.sync(number)
    assert _contents(disk.synced()) == {"a": b"con\0\0"}


def test_name_without_sync_of_its_directory_is_lost() -> None:
    """A synced file whose name is not synced is not there."""
    disk = Disk()
    number = disk.create("a", FILE, ME)
    disk.write(number, 0, b"content")
    disk.sync(number)
    assert disk.synced() == {}
    disk.sync(0)
    assert _contents(disk.synced()) == {"a": b"content"}


def test_lenient_disk_keeps_the_name_of_a_synced_file() -> None:
    """Most file systems do; names of files that nobody syncs are lost there, too."""
    disk = Disk(is_lenient=True)
    disk.create("b", FILE, ME)
    disk.sync(disk.create("d", DIRECTORY, ME))
    number = disk.create("d/a", FILE, ME)
    disk.write(number, 0, b"content")
    disk.sync(number)
    assert _contents(disk.synced())["d/a"] == b"content"


def test_name_that_is_synced_before_its_file_is_an_empty_file() -> None:
    """The directory knows the file, the content never reached the disk."""
    disk = Disk()
    number = disk.create("a", FILE, ME)
    disk.write(number, 0, b"content")
    disk.sync(0)
    assert _contents(disk.synced()) == {"a": b""}


def test_rename_without_sync_of_the_directory_is_the_old_file() -> None:
    """Old name and old content stay until the directory is synced."""
    disk, _ = _with_file(b"old")
    number = disk.create("a.new", FILE, ME)
    disk.write(number, 0, b"new")
    disk.sync(number)
    disk.rename("a.new", "a")
    assert _contents(disk.seen()) == {"a": b"new"}
    assert _contents(disk.synced()) == {"a": b"old"}
    disk.sync(0)
    assert _contents(disk.synced()) == {"a": b"new"}


def test_rename_of_a_file_that_is_not_synced_leaves_an_empty_one() -> None:
    """The classic: rename over the old file without a sync of the new one."""
    disk, _ = _with_file(b"old")
    number = disk.create("a.new", FILE, ME)
    disk.write(number, 0, b"new")
    disk.rename("a.new", "a")
    disk.sync(0)
    assert _contents(disk.synced()) == {"a": b""}


def test_rename_is_one_step() -> None:
    """Chance never shows a directory with neither or both names."""
    disk, _ = _with_file(b"content")
    disk.rename("a", "b")
    assert sorted(map(sorted, _parts(disk))) == [["a"], ["b"]]


def test_removal_without_sync_of_the_directory_comes_back() -> None:
    """With the content that was durable."""
    disk, _ = _with_file(b"content")
    disk.unlink("a")
    assert disk.seen() == {}
    assert _contents(disk.synced()) == {"a": b"content"}
    disk.sync(0)
    assert disk.synced() == {}


def test_new_directory_needs_a_sync_of_its_parent() -> None:
    """A whole tree is lost with one name."""
    disk = Disk()
    directory = disk.create("d", DIRECTORY, ME)
    number = disk.create("d/a", FILE, ME)
    disk.sync(number)
    disk.sync(directory)
    assert disk.synced() == {}
    disk.sync(0)
    assert sorted(disk.synced()) == ["d", "d/a"]


def test_link_is_durable_with_its_directory() -> None:
    """A switched link points at the old target until then."""
    disk = Disk()
    disk.create("current", LINK, ME, b"one")
    disk.sync(0)
    disk.create("current.new", LINK, ME, b"two")
    disk.rename("current.new", "current")
    assert _contents(disk.synced()) == {"current": b"one"}
    disk.sync(0)
    assert _contents(disk.synced()) == {"current": b"two"}


def test_mode_and_owner_wait_for_the_sync_of_the_file() -> None:
    """They belong to the file, not to its name."""
    disk, number = _with_file(b"content")
    disk.set_mode(number, 0o644)
    disk.set_owner(number, (-1, 7))
    disk.sync(0)
    assert disk.synced()["a"] == Node(FILE, ME, b"content")
    disk.sync(number)
    assert disk.synced()["a"] == Node(stat.S_IFREG | 0o644, (0, 7), b"content")


def test_chance_keeps_whole_blocks_in_any_order() -> None:
    """Of two written blocks each may be there without the other; none is half there."""
    disk, number = _with_file(b"-" * 2 * BLOCK_BYTES)
    disk.write(number, 0, b"+" * 2 * BLOCK_BYTES)
    found = {(image["a"][:1], image["a"][-1:]) for image in _parts(disk)}
    assert found == {(b"-", b"-"), (b"-", b"+"), (b"+", b"-"), (b"+", b"+")}
    assert {len(set(image["a"][:BLOCK_BYTES])) for image in _parts(disk)} == {1}


def test_chance_touches_nothing_that_is_synced() -> None:
    """Without anything unsynced there is one image only."""
    disk, _ = _with_file(b"content")
    assert _parts(disk) == [{"a": b"content"}]


def test_block_behind_a_lost_one_is_behind_zeros() -> None:
    """A file that grew has a hole where the write did not arrive."""
    disk, number = _with_file(b"")
    disk.write(number, 0, b"+" * (BLOCK_BYTES + 1))
    assert {"a": bytes(BLOCK_BYTES) + b"+"} in _parts(disk)


def test_path_through_a_link_is_followed() -> None:
    """A consumer's path leads into the generation that is current."""
    disk = Disk()
    disk.create("g", DIRECTORY, ME)
    number = disk.create("g/a", FILE, ME)
    disk.create("current", LINK, ME, b"g")
    assert disk.look_up("current/a") == number
    disk.unlink("current/a")
    assert sorted(disk.seen()) == ["current", "g"]


def test_link_out_of_the_tree_is_refused() -> None:
    """The model knows its own tree only."""
    disk = Disk()
    disk.create("out", LINK, ME, b"../elsewhere")
    with pytest.raises(UnmodelledError, match="leads out"):
        disk.look_up("out")


def test_folder_survives_the_way_through_an_image(tmp_path: Path) -> None:
    """Read, loaded and written again, a folder is the same."""
    source = tmp_path / "source"
    (source / "d").mkdir(parents=True, mode=0o700)
    (source / "d/a").write_bytes(b"content")
    (source / "d/a").chmod(0o400)
    (source / "d").chmod(0o500)
    (source / "link").symlink_to("d/a")
    image = Disk.load(source).synced()
    assert digest(image) == digest(read_image(source))
    write_image(image, tmp_path / "target")
    assert read_image(tmp_path / "target") == read_image(source)
    (source / "d").chmod(0o700)
    (tmp_path / "target/d").chmod(0o700)
