"""A configuration of several files: merged by name, and its mistakes told with their file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sceplab_agent.config import load_config
from sceplab_agent.errors import ConfigError

GENERAL = '[agent]\nstate_dir = "state"\n[keystore]\nuri = "soft:keys"\n'


def trustpoint(name: str, extra: str = "") -> str:
    """TOML of one trustpoint."""
    url = "http://ca.example.org/scep"
    return f'[trustpoint.{name}]\nurl = "{url}"\nsubject = "CN={name}"\n{extra}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory of three files and one that is hidden."""
    (tmp_path / "00-agent.toml").write_text(GENERAL)
    (tmp_path / "20-b.toml").write_text(trustpoint("a"))
    (tmp_path / "10-z.toml").write_text(trustpoint("z") + trustpoint("y"))
    (tmp_path / ".20-b.toml.swp.toml").write_text("half a li")
    (tmp_path / "notes.txt").write_text("no TOML")
    return tmp_path


def test_files_are_merged_in_the_order_of_their_names(folder: Path) -> None:
    """Trustpoints come in the order of the files; paths start from the directory."""
    config = load_config(folder)
    assert [one.name for one in config.trustpoints] == ["z", "y", "a"]
    assert config.state_dir == folder / "state"
    assert config.file == str(folder)


def test_trustpoint_named_twice_is_told_with_both_files(folder: Path) -> None:
    """Nothing is chosen between two of one name."""
    (folder / "30-c.toml").write_text(trustpoint("y"))
    with pytest.raises(ConfigError) as caught:
        load_config(folder)
    (problem,) = caught.value.problems
    assert problem.path == "trustpoint.y"
    assert "10-z.toml" in problem.reason
    assert "30-c.toml" in problem.reason


def test_general_table_stands_in_one_file(folder: Path) -> None:
    """Two key stores of all trustpoints are a mistake, too."""
    (folder / "30-c.toml").write_text(GENERAL)
    with pytest.raises(ConfigError) as caught:
        load_config(folder)
    assert [problem.path for problem in caught.value.problems] == ["agent", "keystore"]


def test_mistake_is_told_with_its_file(folder: Path) -> None:
    """The reader of the message knows which file to open."""
    (folder / "20-b.toml").write_text(trustpoint("a", "colour = 1"))
    with pytest.raises(ConfigError, match=r"trustpoint\.a\.colour: .*\(in 20-b\.toml\)"):
        load_config(folder)


def test_every_broken_file_is_told(folder: Path) -> None:
    """Two files that are no TOML give two problems."""
    (folder / "20-b.toml").write_text("[[[")
    (folder / "30-c.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError) as caught:
        load_config(folder)
    assert [problem.path for problem in caught.value.problems] == ["20-b.toml", "30-c.toml"]


def test_directory_without_files_is_refused(tmp_path: Path) -> None:
    """An empty directory is no empty configuration."""
    with pytest.raises(ConfigError, match=r"has no \*\.toml file"):
        load_config(tmp_path)


@pytest.mark.parametrize("text", ["trustpoint = 3", "trustpoint = []"])
def test_trustpoint_that_is_no_table_is_told(folder: Path, text: str) -> None:
    """A value where a table belongs is a problem, not a crash."""
    (folder / "05-first.toml").write_text(text)
    with pytest.raises(ConfigError, match="must be a table"):
        load_config(folder)
