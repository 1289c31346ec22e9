"""What tests with daemons share."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.ipsec_site import IpsecSite


@pytest.fixture
def site() -> Iterator[IpsecSite]:
    """Two routers; what runs there is ended with the test."""
    with tempfile.TemporaryDirectory(prefix="ike-") as folder, IpsecSite(Path(folder)) as site:
        yield site


@pytest.fixture
def report(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], None]:
    """Prints a line that is seen also where tests pass."""

    def show(line: str) -> None:
        with capsys.disabled():
            print(f"\n{request.node.name}: {line}")

    return show
