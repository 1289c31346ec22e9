"""The journal in memory and in its file: one behaviour, and what the file refuses."""

from __future__ import annotations

import json
import sqlite3
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sceplab_agent.core.commands import Record
from sceplab_agent.core.values import Part
from sceplab_agent.errors import JournalError, JournalFullError
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.journal import Journal, MemoryJournal, encode_json
from sceplab_agent.journal_file import OPEN_FILES, SCHEMA_VERSION, connect, reported
from sceplab_agent.journal_sqlite import SqliteJournal

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def record(state: str, **details: str | int | bool | None) -> Record:
    """A record of that state."""
    return Record(event_id=f"test.{state}", details=details, snapshot={"state": state, "n": [1]})


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    """Both kinds."""
    kind = MemoryJournal() if request.param == "memory" else _open(tmp_path)
    yield kind
    kind.close()


def _open(folder: Path) -> SqliteJournal:
    return SqliteJournal.create_or_open(folder / "journal.sqlite3")


def test_entry_and_snapshot_are_one_unit(journal: Journal) -> None:
    """A commit keeps the entry and replaces the snapshot; both come back as they were."""
    first = journal.commit("lab", T0, record("PENDING", polls=3, ok=True, none=None, text="ä"))
    second = journal.commit("lab", T0 + timedelta(hours=1), record("INSTALLED"))
    stored = journal.snapshot("lab")
    assert journal.entries() == [first, second]
    assert first.details == {"polls": 3, "ok": True, "none": None, "text": "ä"}
    assert stored is not None
    assert (stored.at, stored.body) == (second.at, {"state": "INSTALLED", "n": [1]})


def test_trustpoints_do_not_mix(journal: Journal) -> None:
    """Each trustpoint has its own snapshot; entries keep the order of all."""
    journal.commit("b", T0, record("ONE"))
    journal.commit("a", T0, record("TWO"))
    journal.commit("b", T0, record("THREE"))
    assert journal.trustpoints() == ["a", "b"]
    assert [entry.event_id for entry in journal.entries("b")] == ["test.ONE", "test.THREE"]
    stored = journal.snapshot("a")
    assert stored is not None
    assert stored.body["state"] == "TWO"
    assert journal.snapshot("c") is None


def test_entries_can_be_followed(journal: Journal) -> None:
    """A reader that remembers the last number gets only what is new, in portions."""
    for number in range(5):
        journal.commit("lab", T0, record(str(number)))
    seqs = [entry.seq for entry in journal.entries()]
    assert seqs == sorted(set(seqs))
    assert [entry.seq for entry in journal.entries(after=seqs[1], limit=2)] == seqs[2:4]


def test_what_is_no_json_is_refused_whole(journal: Journal) -> None:
    """A snapshot that is not JSON-ready leaves neither entry nor snapshot behind."""
    bad = Record(event_id="test.bad", details={}, snapshot={"key": b"bytes"})
    with pytest.raises(TypeError):
        journal.commit("lab", T0, bad)
    assert journal.entries() == []
    assert journal.snapshot("lab") is None


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"part": Part()},
        {"a": 1, "part": Part(b="x", c=[1, "ä"]), "plain": {"part": Part(d=None)}, "e": None},
        {"plain": {"only": {"nested": {}}}},
        Part(a=1, b={"c": 2}),
    ],
)
def test_parts_are_written_as_other_objects(value: dict[str, object]) -> None:
    """A second text, made with what is kept of the first, reads back the same."""
    first, second = encode_json(value), encode_json(value)
    assert json.loads(first) == json.loads(second) == value


def test_a_part_is_encoded_once() -> None:
    """Snapshots that share one share its text."""
    part = Part(body="x" * 100)
    encode_json({"part": part})
    assert part.text == '{"body":"' + "x" * 100 + '"}'
    part.text = '{"body":"kept"}'
    assert encode_json({"n": 1, "part": part}) == '{"n":1,"part":{"body":"kept"}}'


def test_journal_outlives_its_process(tmp_path: Path) -> None:
    """What was committed is there when the file is opened again, even without a close."""
    left_open = _open(tmp_path)
    left_open.commit("lab", T0, record("PENDING"))
    again = _open(tmp_path)
    stored = again.snapshot("lab")
    assert stored is not None
    assert stored.body["state"] == "PENDING"
    again.close()
    left_open.close()


def test_file_is_private_and_durable(tmp_path: Path) -> None:
    """Mode 0600 for the file and its companions, WAL, and a sync with every commit."""
    journal = _open(tmp_path)
    journal.commit("lab", T0, record("PENDING"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes) == {f"journal.sqlite3{suffix}" for suffix in ("", "-wal", "-shm", "-mark")}
    assert set(modes.values()) == {0o600}
    settings = [
        journal._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous")
    ]
    assert settings == ["wal", 2]
    journal.close()


def test_commit_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """When the second half of a commit fails the first is not there either."""
    journal = _open(tmp_path)
    journal.commit("lab", T0, record("BEFORE"))
    journal._connection.execute(
        "CREATE TEMP TRIGGER full BEFORE UPDATE ON main.snapshot "
        "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    with pytest.raises(JournalError):
        journal.commit("lab", T0, record("AFTER"))
    stored = journal.snapshot("lab")
    assert stored is not None
    assert stored.body["state"] == "BEFORE"
    assert len(journal.entries()) == 1
    journal.close()


def test_threads_share_the_file(tmp_path: Path) -> None:
    """Commits from several threads are all there, none torn."""
    journal = _open(tmp_path)

    def work(name: str) -> None:
        for number in range(20):
            journal.commit(name, T0, record(str(number)))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.entries()) == 80
    assert journal.trustpoints() == list("abcd")
    journal.close()


def test_looking_makes_nothing(tmp_path: Path) -> None:
    """A look at a journal that is not there makes no file."""
    assert SqliteJournal.open_read_only(tmp_path / "journal.sqlite3") is None
    assert list(tmp_path.iterdir()) == []


def test_looking_works_while_the_agent_writes(tmp_path: Path) -> None:
    """A reader sees what is committed, and cannot write."""
    writer = _open(tmp_path)
    writer.commit("lab", T0, record("PENDING"))
    reader = SqliteJournal.open_read_only(tmp_path / "journal.sqlite3")
    assert reader is not None
    writer.commit("lab", T0, record("INSTALLED"))
    stored = reader.snapshot("lab")
    assert stored is not None
    assert stored.body["state"] == "INSTALLED"
    with pytest.raises(JournalError, match="readonly"):
        reader.commit("lab", T0, record("FORGED"))
    reader.close()
    writer.close()


def test_an_open_journal_takes_as_many_files_as_told(tmp_path: Path) -> None:
    """Whoever opens many makes room for them by this number."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    journal = _open(tmp_path)
    journal.commit("lab", T0, record("PENDING"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before + OPEN_FILES
    journal.close()


def _damage_nothing(path: Path) -> None:
    path.write_bytes(b"")


def _damage_text(path: Path) -> None:
    path.write_bytes(b"this is no database, just a text that is long enough " * 20)


def _damage_truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _damage_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for offset in range(4096, len(content), 4096):
        content[offset : offset + 64] = b"\xff" * 64
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_damage_nothing, _damage_text, _damage_truncate, _damage_page])
@pytest.mark.parametrize("mode", ["write", "read"])
def test_damaged_journal_is_refused_and_kept(tmp_path: Path, damage: object, mode: str) -> None:
    """A damaged file is named with the next step, and not one byte of it is changed."""
    journal = _open(tmp_path)
    for number in range(50):
        journal.commit("lab", T0, record("PENDING", text="x" * 200, number=number))
    journal.close()
    path = tmp_path / "journal.sqlite3"
    damage(path)  # type: ignore[operator]
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"is damaged .* sceplab-agent set-aside"):
        _open(tmp_path) if mode == "write" else SqliteJournal.open_read_only(path)
    assert path.read_bytes() == before


def test_unreadable_row_is_damage(tmp_path: Path) -> None:
    """A snapshot that is no JSON is refused when it is read."""
    journal = _open(tmp_path)
    journal.commit("lab", T0, record("PENDING"))
    journal._connection.execute("UPDATE snapshot SET body = '{\"version\": '")
    with pytest.raises(JournalError, match="knows of trustpoint lab cannot be used"):
        journal.snapshot("lab")
    journal.close()


def test_newer_journal_is_refused(tmp_path: Path) -> None:
    """A file of a newer version is left to that version."""
    _open(tmp_path).close()
    path = tmp_path / "journal.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(JournalError, match="written by a newer version"):
        _open(tmp_path)


def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    """Somebody else's database is not touched."""
    path = tmp_path / "journal.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE browser_history (url TEXT)")
    connection.close()
    with pytest.raises(JournalError, match="of another program"):
        _open(tmp_path)


def test_journal_whose_main_file_is_gone_is_damage(tmp_path: Path) -> None:
    """A write-ahead log without its database is not overwritten by a new journal."""
    (tmp_path / "journal.sqlite3-wal").write_bytes(b"committed work")
    with pytest.raises(JournalError, match="is damaged"):
        _open(tmp_path)
    assert (tmp_path / "journal.sqlite3-wal").read_bytes() == b"committed work"


def test_full_disk_is_told_as_such(tmp_path: Path) -> None:
    """No room for an entry: the code of storage, nothing written, and all is well with room."""
    journal = _open(tmp_path)
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    large = record("large", text="x" * 100_000)
    with pytest.raises(JournalFullError, match="make room on its disk") as caught:
        journal.commit("lab", T0, large)
    assert caught.value.exit_code is ExitCode.STORAGE
    assert journal.entries() == []
    journal._connection.execute("PRAGMA max_page_count = 100000")
    assert journal.commit("lab", T0, large).seq == 1
    journal.close()


def test_journal_that_may_not_be_written_is_told_as_such(tmp_path: Path) -> None:
    """There is room on its disk, so that is not what is asked for."""
    path = tmp_path / "journal.sqlite3"
    SqliteJournal.create_or_open(path).close()
    reader = connect(path, "ro")
    with pytest.raises(JournalError, match="give this user access to it") as caught, reported(path):
        reader.execute("DELETE FROM entry")
    reader.close()
    assert not isinstance(caught.value, JournalFullError)


def test_locked_journal_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that holds the file is named as the reason."""
    monkeypatch.setattr("sceplab_agent.journal_file._BUSY_TIMEOUT_S", 0.01)
    journal = _open(tmp_path)
    other = sqlite3.connect(tmp_path / "journal.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="locked by another process"):
        journal.commit("lab", T0, record("PENDING"))
    other.execute("ROLLBACK")
    journal.commit("lab", T0, record("PENDING"))
    other.close()
    journal.close()


def test_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    """Without its directory the journal cannot be made."""
    with pytest.raises(JournalError, match="No such file"):
        _open(tmp_path / "nowhere")


def test_creation_that_was_cut_off_is_begun_again(tmp_path: Path) -> None:
    """What a cut during the very first creation left behind does not count."""
    (tmp_path / "journal.sqlite3.new").write_bytes(b"half a database")
    journal = _open(tmp_path)
    journal.commit("lab", T0, record("PENDING"))
    journal.close()
    assert not (tmp_path / "journal.sqlite3.new").exists()
