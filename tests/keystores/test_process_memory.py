"""Where is the key while the agent works? Looks into the memory of the process.

A store that works inside the agent's process has its keys there, whatever its interface refuses.
Only another process, or a chip, keeps them out.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from sceplab_ndes.state import ServerState
from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import Running, approve_all, configure, now
from tests.support.memory_scan import find_factor
from tests.support.server import make_server, serve_in_thread

pytestmark = pytest.mark.daemon

SCANS_WHILE_POLLING = 5


@pytest.fixture
def server() -> Iterator[tuple[ServerState, str]]:
    """A server that waits for an approval, and its URL."""
    state = make_server(settings={"template": {"approval": "manual"}}, now=now())
    with serve_in_thread(state, now) as running:
        yield state, running.scep_url


def key_is_in_memory(agent: AgentFolder, server: ServerState) -> list[bool]:
    """Enrolls, and looks for a prime of the key in the agent's memory.

    Returns:
        What was found: several times while the agent polls, signing each poll, and at the end,
        when it has its certificate.
    """
    running = Running(agent, "run")
    running.wait_for("enrollment.pending")
    signer = server.administration.pending()[0].signer_certificate
    public_key = x509.load_der_x509_certificate(signer).public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    modulus = public_key.public_numbers().n
    found = []
    for _ in range(SCANS_WHILE_POLLING):
        running.wait_for("enrollment.poll")
        found.append(find_factor(running.process.pid, modulus))
    approve_all(server)
    running.wait_for("certificate.installed")
    found.append(find_factor(running.process.pid, modulus))
    status, _, err = running.end(signal.SIGTERM)
    assert status == 0, err
    installed = x509.load_pem_x509_certificate(agent.certificate.read_bytes())
    assert installed.public_key() == public_key
    return found


def test_a_software_key_is_in_the_memory(server: tuple[ServerState, str], tmp_path: Path) -> None:
    """The scan finds a software key: it can tell, and a passphrase does not change it."""
    state, url = server
    assert all(key_is_in_memory(configure(tmp_path, state, url), state))
