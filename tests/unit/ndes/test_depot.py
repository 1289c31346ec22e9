"""The depot's own promises: durability, schema, transactions, several users at once."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from sceplab_ndes.depot import Depot
from sceplab_ndes.errors import StateError
from tests.support.server import NOW


def open_depot(path: Path | None = None) -> Depot:
    """A depot with a real salt."""
    return Depot(path, random_bytes=os.urandom)


def test_what_is_committed_is_there_after_reopening(tmp_path: Path) -> None:
    """Values, salt and passwords; WAL and synchronous=FULL are in force."""
    path = tmp_path / "depot.sqlite"
    first = open_depot(path)
    with first.transaction():
        first.write("base_url", b"http://x")
        first.passwords.add(b"d" * 32, fetched_by="a", at=NOW, expires_at=NOW)
    salt = first.password_salt
    assert first._database.row("PRAGMA journal_mode")[0] == "wal"
    assert first._database.row("PRAGMA synchronous")[0] == 2
    first.close()
    second = open_depot(path)
    assert second.read("base_url") == b"http://x"
    assert second.password_salt == salt
    assert second.passwords.find(b"d" * 32) is not None
    second.close()
    second.close()


def test_nobody_else_reads_the_file(tmp_path: Path) -> None:
    """Mode 0600 for the depot and SQLite's files beside it, also where it was open before."""
    path = tmp_path / "depot.sqlite"
    for mode in (None, 0o644):
        if mode is not None:
            path.chmod(mode)
        depot = open_depot(path)
        with depot.transaction():
            depot.write("a", b"1")
        names = {item.name: item.stat().st_mode & 0o777 for item in tmp_path.iterdir()}
        depot.close()
        beside = dict.fromkeys(("depot.sqlite", "depot.sqlite-shm", "depot.sqlite-wal"), 0o600)
        assert names == beside


def test_a_depot_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The error has the path and the next step."""
    with pytest.raises(StateError, match=r"none/depot\.sqlite: No such file.*choose another"):
        open_depot(tmp_path / "none" / "depot.sqlite")


def test_an_exception_undoes_the_whole_transaction() -> None:
    """Also what a nested block wrote."""
    depot = open_depot()

    def fail() -> None:
        with depot.transaction():
            depot.write("a", b"1")
            with depot.transaction():
                depot.write("b", b"2")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert depot.read("a") is None
    assert depot.read("b") is None
    with depot.transaction():
        depot.write("c", b"3")
    assert depot.read("c") == b"3"


def test_nothing_is_visible_to_others_before_the_commit(tmp_path: Path) -> None:
    """A second connection sees the old state until the block ends."""
    path = tmp_path / "depot.sqlite"
    one, two = open_depot(path), open_depot(path)
    with one.transaction():
        one.write("a", b"1")
        assert two.read("a") is None
    assert two.read("a") == b"1"
    one.close()
    two.close()


def test_threads_take_turns() -> None:
    """Four threads, two hundred increments each, none lost."""
    depot = open_depot()
    with depot.transaction():
        depot.write("n", b"0")

    def work() -> None:
        for _ in range(200):
            with depot.transaction():
                depot.write("n", str(int(depot.read("n") or b"0") + 1).encode())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert depot.read("n") == b"800"


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """With both versions in the text."""
    path = tmp_path / "depot.sqlite"
    open_depot(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StateError, match="schema 99"):
        open_depot(path)


def test_another_file_is_no_depot(tmp_path: Path) -> None:
    """Not even touched."""
    path = tmp_path / "depot.sqlite"
    path.write_bytes(b"this is a text file, not a database" * 100)
    with pytest.raises(StateError, match="not a depot"):
        open_depot(path)
    assert path.read_bytes().startswith(b"this is a text file")


def test_request_numbers_go_on_after_reopening(tmp_path: Path) -> None:
    """Numbers of earlier requests are not given again."""
    from tests.support.scep_device import ScepDevice, issued
    from tests.support.server import make_server

    path = tmp_path / "depot.sqlite"
    lax = {"challenge": {"mode": "none"}}
    for expected in (1, 2):
        server = make_server(settings=lax, depot_path=path)
        issued(ScepDevice(server=server).enroll())
        assert server.administration.requests()[-1].request_id == expected
        server.close()


def test_a_kill_between_answers_loses_nothing(tmp_path: Path) -> None:
    """A child process that enrolls and is gone at once leaves certificate and request behind."""
    from tests.support.child_process import start_child, wait_for_child
    from tests.support.scep_device import ScepDevice, issued
    from tests.support.server import make_server, shared_key

    path = tmp_path / "depot.sqlite"
    shared_key("device")
    server = make_server(settings={"challenge": {"mode": "none"}}, depot_path=path)
    server.close()

    def work() -> int:
        child = make_server(settings={"challenge": {"mode": "none"}}, depot_path=path)
        issued(ScepDevice(server=child).enroll(transaction_id="CUT"))
        os._exit(0)

    assert wait_for_child(start_child(work)) == 0
    after = make_server(settings={"challenge": {"mode": "none"}}, depot_path=path)
    (row,) = after.administration.requests()
    (certificate,) = after.administration.certificates()
    assert row.transaction_id == "CUT"
    assert row.serial == certificate.serial
    after.close()
