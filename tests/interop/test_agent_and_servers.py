"""Our agent, as a process, against a server of others and against the NDES profile."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_scep.algorithms import Floor
from tests.support.agent_cli import AgentFolder
from tests.support.peers import openssl, scepserver
from tests.support.server import make_server, serve_in_thread

pytestmark = [pytest.mark.interop, pytest.mark.daemon]

CHALLENGE = "BDE00774A789610F"


def now() -> datetime:
    """A process looks at the real clock."""
    return datetime.now(UTC)


def read(path: Path) -> x509.Certificate:
    """A PEM certificate."""
    return x509.load_pem_x509_certificate(path.read_bytes())


def enroll_and_renew(agent: AgentFolder, root: Path) -> None:
    """Enrolls, renews with a new key, and has OpenSSL build both chains."""
    enrolled = agent.run("enroll", "--json")
    assert enrolled.status == 0, enrolled.out + enrolled.err
    first = read(agent.certificate)
    verified = openssl("verify", "-CAfile", root, agent.certificate, cwd=agent.folder)
    assert verified.status == 0, verified.output
    renewed = agent.run("renew", "--json")
    assert renewed.status == 0, renewed.out + renewed.err
    second = read(agent.certificate)
    assert second.serial_number != first.serial_number
    assert second.public_key() != first.public_key()
    assert second.subject == first.subject
    verified = openssl("verify", "-CAfile", root, agent.certificate, cwd=agent.folder)
    assert verified.status == 0, verified.output


@pytest.mark.covers("T-01", "T-07", "T-24", "T-38")
def test_agent_enrolls_and_renews_at_micromdm(tmp_path: Path) -> None:
    """At floor lab the agent enrolls and renews against micromdm's server, which answers in DES."""
    with scepserver(tmp_path, challenge=CHALLENGE) as url:
        ca = read(tmp_path / "depot" / "ca.pem")
        agent = AgentFolder(tmp_path)
        agent.configure(
            url,
            fingerprint=ca.fingerprint(hashes.SHA256()).hex(),
            challenge=CHALLENGE,
            floor="lab",
            extra="[trustpoint.lab.renewal]\nsend_challenge = true",
        )
        enroll_and_renew(agent, tmp_path / "depot" / "ca.pem")


@pytest.mark.covers("T-01", "C-14")
def test_agent_refuses_micromdm_at_the_default_floor(tmp_path: Path) -> None:
    """At floor modern the reply is refused; cause and floor are named, nothing is installed."""
    with scepserver(tmp_path, challenge=CHALLENGE) as url:
        ca = read(tmp_path / "depot" / "ca.pem")
        agent = AgentFolder(tmp_path)
        agent.configure(url, fingerprint=ca.fingerprint(hashes.SHA256()).hex(), challenge=CHALLENGE)
        refused = agent.run("enroll")
    assert refused.status == 2, refused.err
    assert "floor 'modern' refuses" in refused.err
    assert "sha1" in refused.err or "des-cbc" in refused.err
    assert "would allow it" in refused.err
    assert not agent.certificate.exists()
    assert CHALLENGE not in refused.out + refused.err


@pytest.mark.covers("A9", "M1", "M3")
def test_agent_enrolls_and_renews_at_an_ndes(tmp_path: Path) -> None:
    """At floor ndes the agent enrolls and renews against profile ndes (3DES and SHA-1)."""
    state = make_server("ndes", now=now())
    password = state.challenge.issue("admin", now())
    assert password is not None
    with serve_in_thread(state, now) as server:
        agent = AgentFolder(tmp_path)
        root = state.hierarchy.root.certificate
        agent.configure(
            server.scep_url,
            fingerprint=root.fingerprint(hashes.SHA256()).hex(),
            challenge=password.reveal(),
            floor="ndes",
        )
        (tmp_path / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
        enroll_and_renew(agent, tmp_path / "root.pem")


@pytest.mark.covers("F-01")
def test_agent_refuses_an_ndes_at_the_default_floor(tmp_path: Path) -> None:
    """At floor modern an NDES offers nothing the agent may use; cause and floor are named."""
    state = make_server("ndes", now=now())
    assert state.floor is Floor.NDES
    with serve_in_thread(state, now) as server:
        agent = AgentFolder(tmp_path)
        agent.configure(
            server.scep_url,
            fingerprint=state.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex(),
            challenge=CHALLENGE,
        )
        refused = agent.run("enroll")
    assert refused.status == 2, refused.err
    assert "des-ede3-cbc" in refused.err
    assert "floor 'ndes' would allow it" in refused.err
    assert not agent.certificate.exists()
