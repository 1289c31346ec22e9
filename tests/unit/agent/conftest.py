"""Servers for agents in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sceplab_ndes.state import ServerState
from tests.support.agent_process import now
from tests.support.server import make_server, serve_in_thread


@pytest.fixture
def manual_server() -> Iterator[tuple[ServerState, str]]:
    """A server that waits for an approval, and its URL."""
    server = make_server(settings={"template": {"approval": "manual"}}, now=now())
    with serve_in_thread(server, now) as running:
        yield server, running.scep_url


@pytest.fixture
def server() -> Iterator[tuple[ServerState, str]]:
    """A server that issues at once, and its URL."""
    server = make_server(now=now())
    with serve_in_thread(server, now) as running:
        yield server, running.scep_url
