"""Lab tokens: private, whole or not there, with PINs that nobody saw on a command line."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import ModuleMissingError, StoreUnavailableError, StoreUriError
from sceplab_hsm.pkcs11.softhsm import init_softhsm
from tests.support.programs import require_program
from tests.support.softhsm import MODULE, make_token, open_token, pin_of
from tests.support.source_tree import source_environment


@pytest.fixture
def utility() -> Path:
    """The program that makes SoftHSM's tokens."""
    return require_program("softhsm2-util", package="softhsm2")


def test_everything_lies_in_a_private_directory(utility: Path, tmp_path: Path) -> None:
    """The directory, made with its parents, is 0700; PIN files are 0600 and differ."""
    place = tmp_path / "a" / "lab"
    token = init_softhsm(place, label="router1")
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {path.name for path in place.iterdir()} == {
        "softhsm2.conf",
        "tokens",
        "router1.pin",
        "router1.so-pin",
    }
    pins = [place / "router1.pin", place / "router1.so-pin"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in pins} == {0o600}
    assert pins[0].read_text() != pins[1].read_text()
    assert pin_of(token) not in token.uri
    assert token.secret_reference == f"file:{pins[0]}"


def test_a_second_call_finds_the_token() -> None:
    """The same directory and label give the same token, with the keys that were made in it."""
    token = make_token("again")
    store = open_token(token)
    store.generate("kept", KeyAlgorithm.EC_P256)
    store.close()
    assert make_token("again") == token
    store = open_token(token)
    assert [info.key_id for info in store.list_keys()] == ["kept"]
    store.close()


def test_two_tokens_share_a_configuration() -> None:
    """Tokens of one directory are used side by side in one process, and do not see each other."""
    first, second = (open_token(make_token()) for _ in range(2))
    first.generate("k", KeyAlgorithm.EC_P256)
    assert second.list_keys() == []
    first.close()
    second.close()


def test_both_pins_work_and_the_first_one_does_not(
    utility: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was on the command line opens nothing; the PINs in the files do."""
    tool = require_program("pkcs11-tool", package="opensc")
    folder, log = tmp_path / "bin", tmp_path / "log"
    folder.mkdir()
    wrapper = folder / utility.name
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {utility} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    token = init_softhsm(tmp_path / "lab", label="t")
    words = log.read_text().split()
    shown = words[words.index("--pin") + 1]
    so_pin = (tmp_path / "lab" / "t.so-pin").read_text().strip()
    assert not {pin_of(token), so_pin} & set(words)

    def succeeds(*options: str) -> bool:
        done = subprocess.run(
            [tool, "--module", MODULE, "--token-label", "t", "--login", *options],
            env={**os.environ, "SOFTHSM2_CONF": os.fspath(token.configuration)},
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    assert succeeds("--list-objects", "--pin", pin_of(token))
    assert not succeeds("--list-objects", "--pin", shown)
    new_pin = ("--login-type", "so", "--init-pin", "--new-pin", "87654321", "--so-pin")
    assert not succeeds(*new_pin, shown)
    assert succeeds(*new_pin, so_pin)


def test_processes_that_make_one_token_at_once_make_one(utility: Path, tmp_path: Path) -> None:
    """The second waits for the first and finds its token."""
    program = """
import sys
from sceplab_hsm.pkcs11.softhsm import init_softhsm
print(init_softhsm(sys.argv[1]).uri)
"""
    command = [sys.executable, "-c", program, os.fspath(tmp_path / "lab")]
    started = [
        subprocess.Popen(command, env=source_environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    uris = {process.communicate(timeout=60)[0] for process in started}
    assert len(uris) == 1
    assert [path.name for path in (tmp_path / "lab" / "tokens").iterdir()] == ["lab"]


@pytest.mark.parametrize("label", ["", "a b", "../up", ".hidden", "x" * 33, "ä"])
def test_labels_are_plain(label: str, tmp_path: Path) -> None:
    """A label is a file name too."""
    with pytest.raises(StoreUriError, match="token label"):
        init_softhsm(tmp_path, label=label)
    assert not list(tmp_path.iterdir())


def test_an_open_directory_is_refused(utility: Path, tmp_path: Path) -> None:
    """A directory that others can enter is no place for PINs."""
    tmp_path.chmod(0o755)
    with pytest.raises(StoreUnavailableError, match="chmod 700"):
        init_softhsm(tmp_path)


def test_a_missing_utility_names_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without SoftHSM the text says what to install."""
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(ModuleMissingError, match="apt-get install softhsm2"):
        init_softhsm(tmp_path / "lab")


def test_a_missing_binding_names_its_package(tmp_path: Path) -> None:
    """Without python-pkcs11 the command says what to install, and makes nothing."""
    hidden = "import sys; sys.modules['pkcs11'] = None; from sceplab_hsm.cli import main; "
    done = subprocess.run(
        [sys.executable, "-c", hidden + "sys.exit(main(['softhsm-init', 'lab']))"],
        env=source_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6
    assert "pip install python-pkcs11" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_failure_of_the_utility_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the program says last is told, and no half token stays."""
    wrapper = tmp_path / "softhsm2-util"
    wrapper.write_text("#!/bin/sh\necho first\necho ERROR: no room >&2\nexit 1\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(StoreUnavailableError, match="no room"):
        init_softhsm(tmp_path / "lab")
    assert list((tmp_path / "lab" / "tokens").iterdir()) == []
