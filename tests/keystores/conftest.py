"""Every kind of key store, opened empty in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sceplab_hsm.api import KeyStore
from tests.support.key_stores import OPENERS


@pytest.fixture(params=sorted(OPENERS))
def key_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyStore]:
    """An empty store of each kind."""
    with OPENERS[request.param](tmp_path / "store") as store:
        yield store


@pytest.fixture
def soft(tmp_path: Path) -> Iterator[KeyStore]:
    """An empty software store, to compare with."""
    with OPENERS["soft"](tmp_path / "soft") as store:
        yield store
