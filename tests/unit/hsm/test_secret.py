"""Secrets show themselves to nobody; references to them fail clearly."""

from __future__ import annotations

import copy
import getpass
import json
import logging
import os
import pickle
import traceback
import warnings
from pathlib import Path

import pytest

from sceplab_hsm.errors import SecretUnavailableError
from sceplab_hsm.lab import ensure_lab_secret
from sceplab_hsm.secret import Secret, resolve_secret, secret_file_warning, secrets_from
from tests.support.secret_files import write_secret

TEXT = "hunter2-of-the-lab"


def test_a_secret_is_never_printed(caplog: pytest.LogCaptureFixture) -> None:
    """No ordinary way of turning a value into text shows the secret."""
    secret = Secret(TEXT)
    logging.getLogger("test").warning("opened with %s and %r", secret, [secret])
    shown = (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!s:>40}",
        f"{secret:>40}",
        "%s" % secret,  # noqa: UP031 - old code formats this way
        repr({"pin": secret}),
        json.dumps({"pin": secret}, default=str),
        caplog.text,
    )
    assert all("***" in text and TEXT not in text for text in shown)
    assert not hasattr(secret, "__dict__")


def test_a_secret_is_in_no_traceback() -> None:
    """A traceback with the values of local variables shows stars."""

    def fail() -> None:
        secret = Secret(TEXT)
        raise RuntimeError(f"with {secret}")

    with pytest.raises(RuntimeError) as caught:
        fail()
    shown = "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )
    assert "Secret(***)" in shown
    assert TEXT not in shown


@pytest.mark.parametrize("work", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_a_secret_is_not_copied_away(work: object) -> None:
    """Pickling, copying and JSON refuse."""
    with pytest.raises(TypeError):
        work(Secret(TEXT))  # type: ignore[operator]


def test_a_secret_reveals_itself_when_asked() -> None:
    """``reveal`` gives the text; an empty one is false."""
    assert Secret(TEXT).reveal() == TEXT
    assert Secret(TEXT)
    assert not Secret("")


def test_environment_variables_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """``env:NAME`` gives the variable; an unset one is named."""
    monkeypatch.setenv("LAB_PIN", TEXT)
    assert resolve_secret("env:LAB_PIN").reveal() == TEXT
    monkeypatch.delenv("LAB_PIN")
    with pytest.raises(SecretUnavailableError, match="environment variable LAB_PIN is not set"):
        resolve_secret("env:LAB_PIN")


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_files_are_followed(tmp_path: Path, ending: str) -> None:
    """``file:PATH`` gives the content without one line end."""
    file = write_secret(tmp_path / "pin", " " + TEXT + "\n " + ending)
    assert resolve_secret(f"file:{file}").reveal() == f" {TEXT}\n "


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A missing file, a directory and a binary file: path and reason, never the content."""
    binary = write_secret(tmp_path / "binary", "")
    binary.write_bytes(b"\xff\xfe" + TEXT.encode())
    for path, reason in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "Is a directory"),
        (binary, "not UTF-8"),
    ):
        with pytest.raises(SecretUnavailableError, match=f"{path}.*{reason}") as caught:
            resolve_secret(f"file:{path}")
        assert TEXT not in str(caught.value)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o646])
def test_file_that_everybody_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    """Readable or writable by others: refused before it is read, with the command that mends it."""
    file = write_secret(tmp_path / "pin", TEXT)
    file.chmod(mode)
    with pytest.raises(SecretUnavailableError, match=f"run: chmod 600 {file}$") as caught:
        resolve_secret(f"file:{file}")
    assert f"{mode:o}" in str(caught.value)
    assert TEXT not in str(caught.value)
    file.chmod(0o600)
    assert resolve_secret(f"file:{file}").reveal() == TEXT


@pytest.mark.parametrize("mode", [0o640, 0o440, 0o660])
def test_file_of_a_group_is_taken_and_remarked_on(tmp_path: Path, mode: int) -> None:
    """A service's group or a systemd credential may be meant: used, and a check mentions it."""
    file = write_secret(tmp_path / "pin", TEXT)
    file.chmod(mode)
    assert resolve_secret(f"file:{file}").reveal() == TEXT
    assert f"open to its group (mode {mode:o})" in secret_file_warning(f"file:{file}")


def test_private_or_absent_file_is_not_remarked_on(tmp_path: Path) -> None:
    """Nothing to say of a private file, of one that is not there, or of other references."""
    file = write_secret(tmp_path / "pin", TEXT)
    for reference in (f"file:{file}", f"file:{tmp_path}/none", "env:PATH", "prompt:", "file:"):
        assert secret_file_warning(reference) == ""


def test_secret_may_come_through_a_pipe() -> None:
    """A pipe has no other readers, whatever its mode says."""
    reader, writer = os.pipe()
    os.write(writer, TEXT.encode() + b"\n")
    os.close(writer)
    try:
        assert resolve_secret(f"file:/dev/fd/{reader}").reveal() == TEXT
    finally:
        os.close(reader)


def test_unknown_home_directory_is_told() -> None:
    """``~nobody-of-that-name`` leads nowhere."""
    with pytest.raises(SecretUnavailableError, match="no such home directory"):
        resolve_secret("file:~no-such-user-here/pin")
    assert secret_file_warning("file:~no-such-user-here/pin") == ""


def test_people_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """``prompt:`` asks with the prompt given, or with the one in the reference."""
    asked: list[str] = []
    monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or TEXT)
    assert resolve_secret("prompt:", prompt="PIN of the lab: ").reveal() == TEXT
    assert resolve_secret("prompt:Which? ").reveal() == TEXT
    assert secrets_from("prompt:")("Passphrase: ").reveal() == TEXT
    assert asked == ["PIN of the lab: ", "Which? ", "Passphrase: "]


def test_nobody_to_ask_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal nothing is read, least of all with echo."""

    def end_of_file(prompt: str) -> str:
        raise EOFError

    def with_echo(prompt: str) -> str:
        warnings.warn("Can not control echo", getpass.GetPassWarning, stacklevel=2)
        return TEXT

    for fallback in (end_of_file, with_echo):
        monkeypatch.setattr(getpass, "getpass", fallback)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(SecretUnavailableError, match="no terminal"):
                resolve_secret("prompt:")


@pytest.mark.parametrize("reference", [TEXT, "", "env:", "file:", "pin:1234", "ENV:X"])
def test_plain_secrets_are_refused(reference: str) -> None:
    """What is no reference may be the secret itself: it is refused and not repeated."""
    with pytest.raises(SecretUnavailableError, match="env:NAME, file:PATH or prompt:") as caught:
        resolve_secret(reference)
    assert not reference or reference not in str(caught.value).replace("env:NAME, file:PATH", "")


def test_a_lab_secret_is_made_once(tmp_path: Path) -> None:
    """The first call writes a random 0600 file, the next ones leave it; the reference resolves."""
    file = tmp_path / "lab" / "passphrase"
    reference = ensure_lab_secret(file)
    assert reference == f"file:{file}"
    assert file.stat().st_mode & 0o777 == 0o600
    first = resolve_secret(reference).reveal()
    assert len(first) >= 40
    assert ensure_lab_secret(str(file)) == reference
    assert resolve_secret(reference).reveal() == first
    assert resolve_secret(ensure_lab_secret(tmp_path / "other")).reveal() != first
