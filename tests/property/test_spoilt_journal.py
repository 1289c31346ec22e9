"""A bit anywhere, or any piece of another content: the journal tells all, or that it is damaged."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sceplab_agent.journal_file import FILE_NAME
from sceplab_agent.set_aside import set_damage_aside
from tests.support.damage import as_after_a_kill, bytes_below, flip
from tests.support.spoilt_journal import (
    FILES,
    T0,
    leave_killed,
    require_truth_or_error,
    told,
)

SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a killed agent leaves."""
    return leave_killed(
        tmp_path_factory.mktemp("journal"), tmp_path_factory.mktemp("killed") / "state"
    )


@pytest.fixture(scope="module")
def truth(killed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the journal says when it is whole."""
    return told(as_after_a_kill(killed, tmp_path_factory.mktemp("truth") / "state"))


@SETTINGS
@given(suffix=st.sampled_from(FILES), bit=st.integers(0, 2**24))
def test_any_bit(killed: Path, truth: dict[str, Any], suffix: str, bit: int) -> None:
    """One bit of one file is turned."""
    with tempfile.TemporaryDirectory() as place:
        folder = as_after_a_kill(killed, Path(place) / "state")
        path = folder / (FILE_NAME + suffix)
        flip(path, bit)
        require_truth_or_error(folder, truth, path)


@SETTINGS
@given(
    suffix=st.sampled_from(FILES),
    piece=st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=600), st.booleans()),
)
def test_any_piece(
    killed: Path, truth: dict[str, Any], suffix: str, piece: tuple[float, bytes, bool]
) -> None:
    """A piece of a file is overwritten, and perhaps nothing comes behind it."""
    at, content, is_cut = piece
    with tempfile.TemporaryDirectory() as place:
        folder = as_after_a_kill(killed, Path(place) / "state")
        path = folder / (FILE_NAME + suffix)
        whole = path.read_bytes()
        start = int(at * len(whole))
        rest = b"" if is_cut else whole[start + len(content) :]
        path.write_bytes(whole[:start] + content + rest)
        require_truth_or_error(folder, truth, path)


@SETTINGS
@example(suffix="", bit=30911)  # SQLite's message quotes what is no UTF-8
@given(suffix=st.sampled_from(["", "-wal"]), bit=st.integers(0, 2**24))
def test_what_is_set_aside_is_kept(killed: Path, suffix: str, bit: int) -> None:
    """Every file is somewhere afterwards as it was, and a journal can be made or read."""
    with tempfile.TemporaryDirectory() as place:
        folder = as_after_a_kill(killed, Path(place) / "state")
        flip(folder / (FILE_NAME + suffix), bit)
        before = bytes_below(folder)
        done = set_damage_aside(folder, [], accept_older=False, now=T0)
        after = bytes_below(folder)
        if not done:
            assert after.keys() >= before.keys()
            return
        kept = {Path(name).name: content for name, content in after.items()}
        for name, content in before.items():
            assert name.endswith("-shm") or kept[name] == content
        assert set(told(folder).values()) == {None}
