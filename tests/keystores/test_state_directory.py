"""An agent whose key is in a token keeps nothing of it in its own directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import now
from tests.support.memory_scan import holds_factor
from tests.support.server import make_server, serve_in_thread
from tests.support.softhsm import make_token, open_token, pin_of


def is_key(content: bytes, modulus: int) -> bool:
    """Whether a file's content has a private key in it: as text, in DER, or one of its primes."""
    return b"PRIVATE KEY" in content or holds_factor(content, modulus)


@pytest.mark.parametrize("bits", [2048, 3072])
def test_a_planted_key_is_found(bits: int) -> None:
    """In every form in which a key is kept, anywhere in a file, between other random bytes."""
    key = rsa.generate_private_key(65537, bits)
    private, public = key.private_numbers(), key.public_key().public_numbers()
    forms = {
        form: key.private_bytes(Encoding.DER, form, NoEncryption())
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    }
    size = bits // 16
    around = public.n.to_bytes(bits // 8, "big")
    planted = [
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        *forms.values(),
        *(n.to_bytes(size, "big") for n in (private.p, private.q)),
        *(n.to_bytes(size, "little") for n in (private.p, private.q)),
    ]
    for content in planted:
        for before in range(9):
            assert is_key(around[:before] + content + around, public.n)
    other = rsa.generate_private_key(65537, bits).public_key().public_numbers().n
    assert not is_key(around + forms[PrivateFormat.PKCS8], other)


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
    certificate = x509.load_pem_x509_certificate(agent.certificate.read_bytes())
    public_key = certificate.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    modulus = public_key.public_numbers().n
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert not is_key(content, modulus), path
        assert pin_of(token).encode() not in content, path
    assert not [path for path in files if path.suffix in (".key", ".object", ".pin")]
    store = open_token(token)
    keys = [store.get(info.key_id).public_key for info in store.list_keys()]
    assert keys == [certificate.public_key()]
    store.close()
