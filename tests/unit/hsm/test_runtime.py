"""The directory for locks: whose it is, and what is refused."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from sceplab_hsm.errors import StoreUnavailableError
from sceplab_hsm.pkcs11.exclusion import excluded
from sceplab_hsm.runtime import runtime_directory
from sceplab_hsm.tpm.chiplock import lock_path_of


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the directory is made without ``XDG_RUNTIME_DIR``; it is not there yet."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"sceplab-{os.geteuid()}"


def test_it_is_private_with_all_that_is_in_it(place: Path) -> None:
    """The directory and those of the locks in it are 0700."""
    with excluded("pkcs11-names", "07"):
        made = [place, *place.rglob("*")]
    assert [path.name for path in made] == [place.name, "pkcs11-names", "07"]
    assert {path.stat().st_mode & 0o777 for path in made} == {0o700}


def test_an_open_one_is_refused(place: Path) -> None:
    """One that others can write to is not used, and the text says what to do; closed, it is."""
    place.mkdir()
    place.chmod(0o777)
    with pytest.raises(StoreUnavailableError, match=r"mode 777.*XDG_RUNTIME_DIR"):
        runtime_directory()
    with pytest.raises(StoreUnavailableError, match="XDG_RUNTIME_DIR"), excluded("x"):
        pytest.fail("it was used")
    with pytest.raises(StoreUnavailableError, match="XDG_RUNTIME_DIR"):
        lock_path_of("swtpm:port=1")
    place.chmod(0o700)
    assert runtime_directory() == place


def test_a_link_is_refused(place: Path, tmp_path: Path) -> None:
    """A link leads into the hands of who made it."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailableError, match=r"is a link.*XDG_RUNTIME_DIR"):
        runtime_directory()


def test_one_of_another_user_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a private one: its maker can open it again at any time."""
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    place.with_name(f"sceplab-{other}").mkdir(mode=0o700)
    with pytest.raises(StoreUnavailableError, match=r"another user.*XDG_RUNTIME_DIR"):
        runtime_directory()


def test_the_users_own_runtime_directory_goes_first(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``XDG_RUNTIME_DIR`` is used when it is this user's; what is not is passed over."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_directory() == tmp_path / "sceplab"
    for other in ("relative", str(tmp_path / "missing"), ""):
        monkeypatch.setenv("XDG_RUNTIME_DIR", other)
        assert runtime_directory() == place


@pytest.mark.parametrize(
    "spelling",
    [
        "swtpm:port=2321,host=127.0.0.1",
        "swtpm:host=localhost,port=2321",
        "swtpm:host=LOCALHOST",
        "swtpm:port=02321",
        "swtpm:",
        "swtpm",
    ],
)
def test_a_chip_has_one_lock_however_it_is_spelled(spelling: str) -> None:
    """Order, case and what may be left out make no difference; another port does."""
    assert lock_path_of(spelling) == lock_path_of("swtpm:host=127.0.0.1,port=2321")
    assert lock_path_of(spelling) != lock_path_of("swtpm:host=127.0.0.1,port=2323")
    assert lock_path_of(spelling) != lock_path_of("swtpm:host=10.0.0.1,port=2321")
    assert lock_path_of(spelling) != lock_path_of("swtpm:path=/run/chip")
