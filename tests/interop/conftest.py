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
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Callable[[str], None]:
    """Has a line said at the end of the run, also where tests pass."""
    return lambda line: record_property("said", f"{request.node.name}: {line}")
