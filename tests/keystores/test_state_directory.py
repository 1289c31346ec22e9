"""An agent whose key is in a token keeps nothing of it in its own directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import now
from tests.support.server import make_server, serve_in_thread
from tests.support.softhsm import make_token, open_token, pin_of


@pytest.mark.covers("L6")
def test_only_the_certificate_is_in_the_state_directory(tmp_path: Path) -> None:
    """No file is a key or holds the PIN, and the certificate is that of the token's key."""
    token = make_token()
    state = make_server(now=now())
    password = state.challenge.issue("admin", now())
    assert password is not None
    with serve_in_thread(state, now) as server:
        agent = AgentFolder(tmp_path)
        agent.configure(
            server.scep_url,
            fingerprint=state.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex(),
            challenge=password.reveal(),
            store=token.uri,
            secret=token.secret_reference,
        )
        done = agent.run("enroll")
    assert done.status == 0, done.err
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert b"PRIVATE KEY" not in content, path
        assert pin_of(token).encode() not in content, path
    assert not [path for path in files if path.suffix in (".key", ".object", ".pin")]
    certificate = x509.load_pem_x509_certificate(agent.certificate.read_bytes())
    store = open_token(token)
    keys = [store.get(info.key_id).public_key for info in store.list_keys()]
    assert keys == [certificate.public_key()]
    store.close()
