"""A missing peer program is never passed over in silence."""

import os

import pytest

from tests.support.programs import require_program


@pytest.mark.parametrize(("ci", "user"), [("", 0), ("true", 1000)])
def test_missing_program_skips_with_the_line_to_type(
    monkeypatch: pytest.MonkeyPatch, ci: str, user: int
) -> None:
    """On a contributor's machine the reason says how to get the program."""
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(pytest.skip.Exception, match=r"apt-get install .* -y scep"):
        require_program("no-such-program", package="scep")


def test_missing_program_fails_in_continuous_integration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the bootstrap installs packages, an absent one is an error."""
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(pytest.fail.Exception, match="no-such-program is missing"):
        require_program("no-such-program", package="scep")


def test_present_program_is_found() -> None:
    """The path that comes back can be started."""
    assert os.access(require_program("sh", package="openssl"), os.X_OK)
