"""Where is the key while the agent works? Looks into the memory of the process.

A store that works inside the agent's process has its keys there, whatever its interface refuses.
Only another process, or a chip, keeps them out.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sceplab_hsm.pkcs11.softhsm import LabToken, init_softhsm
from sceplab_ndes.state import ServerState
from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import Running, approve_all, configure, now
from tests.support.memory_scan import MemoryWatch, find_factor, find_numbers
from tests.support.p11kit import CLIENT_MODULE, p11_kit_server
from tests.support.programs import require_program
from tests.support.server import make_server, serve_in_thread
from tests.support.softhsm import MODULE as SOFTHSM
from tests.support.softhsm import pin_of
from tests.support.swtpm import software_tpm, tpm_uri

pytestmark = pytest.mark.daemon

HIT_S = 100.0
"""How long a key may hide that has to be found; it takes a second or two."""

Scan = Callable[[int], Iterable[str]]


@pytest.fixture
def server() -> Iterator[tuple[ServerState, str]]:
    """A server that waits for an approval, and its URL."""
    state = make_server(settings={"template": {"approval": "manual"}}, now=now())
    with serve_in_thread(state, now) as running:
        yield state, running.scep_url


def watch_enrollment(
    agent: AgentFolder, server: ServerState, scan_for: Callable[[], Scan], *, looks: int = 0
) -> set[str]:
    """Enrolls, and looks into the agent's memory all the time, until it has its certificate.

    Args:
        agent: configured; it polls ten times a second and signs every poll.
        server: the request waits there until enough was seen.
        scan_for: gives the scan once the request is pending.
        looks: how many without a find are enough; 0: something has to be found, and is waited for.

    Returns:
        What was found.
    """
    running = Running(agent, "run")
    running.wait_for("enrollment.pending")
    with MemoryWatch(running.process.pid, scan_for()) as watch:
        if not looks:
            watch.has_found.wait(HIT_S)
        while watch.looks < looks:
            running.wait_for("enrollment.poll")
        approve_all(server)
        running.wait_for("certificate.installed")
        watch.look_once_more()
    status, _, err = running.end(signal.SIGTERM)
    assert status == 0, err
    return watch.found


def looks_for_own_key(server: ServerState) -> Scan:
    """Looks for a prime of the key that signed the pending request, which nobody knows."""
    signer = server.administration.pending()[0].signer_certificate
    public_key = x509.load_der_x509_certificate(signer).public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    modulus = public_key.public_numbers().n
    tried: set[bytes] = set()
    return lambda pid: {"prime"} if find_factor(pid, modulus, tried) else ()


def looks_for(key: rsa.RSAPrivateKey) -> Scan:
    """Looks for the secret numbers of a key that we know."""
    private = key.private_numbers()
    secrets = {"prime": private.p, "other prime": private.q, "exponent": private.d}
    return lambda pid: find_numbers(pid, secrets)


def import_key(token: LabToken, label: str, folder: Path) -> rsa.RSAPrivateKey:
    """Puts a key that we know into a token, as nobody should outside a test."""
    key = rsa.generate_private_key(65537, 4096)  # signs for longer
    file = folder / "known.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    words = ["--import", str(file), "--token", token.label, "--label", label, "--id", "a1"]
    subprocess.run(
        [require_program("softhsm2-util", package="softhsm2"), *words, "--pin", pin_of(token)],
        env={**os.environ, "SOFTHSM2_CONF": str(token.configuration)},
        capture_output=True,
        check=True,
    )
    file.unlink()
    return key


def test_a_software_key_is_in_the_memory(server: tuple[ServerState, str], tmp_path: Path) -> None:
    """The scan finds a software key: it can tell, and a passphrase does not change it."""
    state, url = server
    agent = configure(tmp_path, state, url)
    assert watch_enrollment(agent, state, lambda: looks_for_own_key(state)) == {"prime"}


@pytest.fixture
def token(tmp_path: Path) -> LabToken:
    """A SoftHSM token that only agents open, never this process."""
    require_program("softhsm2-util", package="softhsm2")
    return init_softhsm(tmp_path / "token")


USE_KNOWN = 'key = { id = "known", delete_when_replaced = false }'


@pytest.mark.interop
def test_a_token_in_the_process_keeps_nothing_out(
    server: tuple[ServerState, str], token: LabToken, tmp_path: Path
) -> None:
    """SoftHSM gives no key away, but while it signs the primes are in the agent's memory."""
    state, url = server
    key = import_key(token, "known", tmp_path)
    store = {"store": token.uri, "secret": token.secret_reference}
    agent = configure(tmp_path, state, url, extra=USE_KNOWN, **store)
    found = watch_enrollment(agent, state, lambda: looks_for(key))
    assert found & {"prime", "other prime"}


@pytest.mark.interop
def test_a_token_behind_a_server_keeps_the_key_out(
    server: tuple[ServerState, str], token: LabToken, tmp_path: Path
) -> None:
    """With the same token behind `p11-kit server` neither prime nor exponent is in the agent."""
    state, url = server
    key = import_key(token, "known", tmp_path)
    conf = str(token.configuration)
    uri = f"pkcs11:token={token.label}?module-path={CLIENT_MODULE}"
    store = {"store": uri, "secret": token.secret_reference}
    agent = configure(tmp_path, state, url, extra=USE_KNOWN, **store)
    with (
        TemporaryDirectory(prefix="p11-") as short,
        p11_kit_server(SOFTHSM, Path(short), SOFTHSM2_CONF=conf) as address,
    ):
        agent.environment["P11_KIT_SERVER_ADDRESS"] = address
        assert watch_enrollment(agent, state, lambda: looks_for(key), looks=40) == set()


@pytest.mark.interop
@pytest.mark.covers("L3")
def test_a_tpm_keeps_the_key_out(server: tuple[ServerState, str], tmp_path: Path) -> None:
    """No prime of a key made in a TPM is in the agent while it enrolls and polls with it."""
    state, url = server
    with software_tpm(tmp_path / "chip") as chip:
        (tmp_path / "pin").write_text("4711")
        (tmp_path / "pin").chmod(0o600)
        uri = tpm_uri(chip, tmp_path / "tpm-keys")
        agent = configure(tmp_path, state, url, store=uri, secret="file:pin")
        found = watch_enrollment(agent, state, lambda: looks_for_own_key(state), looks=5)
    assert found == set()
