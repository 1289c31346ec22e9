"""Other people's clients, unmodified, enroll at our server: strongSwan, certmonger, micromdm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_ndes.events import ServerEvent
from sceplab_ndes.state import ServerState
from sceplab_scep.algorithms import Floor
from tests.support.peers import Certmonger, Result, StrongswanPki, certmonger, openssl, scepclient
from tests.support.server import make_server, serve_in_thread

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


class Peer:
    """A running server as these tests see it.

    Args:
        approves: approve each request as soon as its PENDING is decided.
        options: settings and further arguments of the server.
    """

    def __init__(self, *, approves: bool = False, **options: Any) -> None:
        self.events: list[ServerEvent] = []
        self._approves = approves
        settings = {"template": {"approval": "manual"}} if approves else {}
        self.state: ServerState = make_server(
            "compat", settings=settings, now=now(), events=self._observe, **options
        )
        self.url = ""

    def password(self) -> str:
        """A one-time password."""
        issued = self.state.challenge.issue("admin", now())
        assert issued is not None
        return issued.reveal()

    def kinds(self) -> list[str]:
        """What happened to requests, in order."""
        return [event.kind for event in self.events if event.kind.startswith("request.")]

    def check_issued(self, path: Path) -> x509.Certificate:
        """OpenSSL builds the chain of a certificate, and the server remembers having issued it."""
        root = path.with_name("root.pem")
        root.write_bytes(self.state.hierarchy.root.certificate.public_bytes(Encoding.PEM))
        checked = openssl("verify", "-CAfile", root, path, cwd=path.parent)
        assert checked.status == 0, checked.output
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        issued = {int(record.serial, 16) for record in self.state.administration.certificates()}
        assert certificate.serial_number in issued
        return certificate

    def _observe(self, event: ServerEvent) -> None:
        self.events.append(event)
        if self._approves and event.kind == "request.pending":
            for request in self.state.administration.pending():
                self.state.administration.approve(request.request_id, now())


def now() -> datetime:
    """These programs look at the real clock."""
    return datetime.now(UTC)


@contextmanager
def running(peer: Peer) -> Iterator[Peer]:
    """Serves on a loopback port."""
    with serve_in_thread(peer.state, now) as server:
        peer.url = server.base_url + "/scep"
        yield peer


# --- strongSwan -----------------------------------------------------------------------------------


def enroll_strongswan(pki: StrongswanPki, peer: Peer, *extra: str) -> Result:
    """Fetches the CA certificates and enrolls."""
    fetched = pki.fetch_ca()
    assert fetched.status == 0, fetched.output
    signing, encryption = sort_by_usage(pki.folder)
    return pki.enroll(*extra, encrypt_to=encryption, signed_by=signing, password=peer.password())


def sort_by_usage(folder: Path) -> tuple[str, str]:
    """File names of the RA certificates: for signatures, for encryption."""
    names = {}
    for path in sorted(folder.glob("ra*.pem")):
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        names[usage.digital_signature] = path.name
    return names[True], names[False]


@pytest.mark.covers("A1", "A36", "T-02", "T-03")
def test_strongswan_enrolls(tmp_path: Path) -> None:
    """strongSwan `pki --scep` 5.9.8 enrolls against profile compat at the default floor."""
    with running(Peer()) as peer:
        result = enroll_strongswan(StrongswanPki(tmp_path, peer.url), peer)
        assert result.status == 0, result.output
        certificate = peer.check_issued(tmp_path / "certificate.pem")
    assert peer.state.floor is Floor.MODERN
    assert peer.kinds() == ["request.issued"]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["peer.example.test"]


@pytest.mark.covers("C19", "M6")
def test_strongswan_waits_for_an_approval(tmp_path: Path) -> None:
    """strongSwan polls a PENDING request and gets its certificate once it is approved."""
    with running(Peer(approves=True)) as peer:
        pki = StrongswanPki(tmp_path, peer.url)
        result = enroll_strongswan(pki, peer, "--interval", "1", "--maxpolltime", "30")
        assert result.status == 0, result.output
        peer.check_issued(tmp_path / "certificate.pem")
    assert peer.kinds() == ["request.pending", "request.redelivered"]


def test_strongswan_is_refused_without_the_password(tmp_path: Path) -> None:
    """A wrong challenge password ends in a CertRep FAILURE that strongSwan reports."""
    with running(Peer()) as peer:
        pki = StrongswanPki(tmp_path, peer.url)
        assert pki.fetch_ca().status == 0
        signing, encryption = sort_by_usage(tmp_path)
        result = pki.enroll(encrypt_to=encryption, signed_by=signing, password="0123456789ABCDEF")
    assert result.status != 0
    assert peer.kinds() == ["request.refused"]


# --- certmonger -----------------------------------------------------------------------------------


def enroll_certmonger(session: Certmonger, peer: Peer) -> None:
    """Adds the CA and files one request."""
    added = session.getcert("add-scep-ca", "-c", "lab", "-u", peer.url)
    assert added.status == 0, added.output
    filed = session.getcert(
        "request", "-c", "lab", "-f", session.folder / "certificate.pem",
        "-k", session.folder / "key.pem", "-N", "CN=certmonger.example.test",
        "-D", "certmonger.example.test", "-L", peer.password(),
    )  # fmt: skip
    assert filed.status == 0, filed.output


@pytest.mark.covers("A1", "A36", "T-08")
def test_certmonger_enrolls(tmp_path: Path) -> None:
    """certmonger enrolls against profile compat at the default floor."""
    with running(Peer()) as peer, certmonger(tmp_path) as session:
        enroll_certmonger(session, peer)
        status = session.wait_for_status("MONITORING", "CA_REJECTED", "CA_UNREACHABLE")
        assert status == "MONITORING", session.getcert("list").output
        peer.check_issued(tmp_path / "certificate.pem")
    assert peer.kinds() == ["request.issued"]


@pytest.mark.covers("C19", "M6", "T-08")
def test_certmonger_waits_for_an_approval(tmp_path: Path) -> None:
    """certmonger reads our PENDING, polls when told to, and gets the certificate."""
    with running(Peer(approves=True)) as peer, certmonger(tmp_path) as session:
        enroll_certmonger(session, peer)
        status = session.wait_for_status("CA_WORKING", "MONITORING", "CA_UNREACHABLE")
        assert status in {"CA_WORKING", "MONITORING"}, session.getcert("list").output
        session.getcert("refresh", "-a")
        status = session.wait_for_status("MONITORING", "CA_REJECTED", "CA_UNREACHABLE")
        assert status == "MONITORING", session.getcert("list").output
        peer.check_issued(tmp_path / "certificate.pem")
    assert peer.kinds() == ["request.pending", "request.redelivered"]


# --- micromdm -------------------------------------------------------------------------------------


@pytest.mark.covers("A1", "A36", "T-01", "T-11", "T-35")
def test_micromdm_enrolls_at_floor_lab(tmp_path: Path) -> None:
    """micromdm's client, which always writes single DES and SHA-1, enrolls at floor lab."""
    with running(Peer(floor=Floor.LAB)) as peer:
        result = scepclient(peer.url, tmp_path, challenge=peer.password())
        assert result.status == 0, result.output
        peer.check_issued(tmp_path / "client.pem")
    assert peer.kinds() == ["request.issued"]


@pytest.mark.covers("T-01", "S-19")
def test_micromdm_is_refused_at_the_default_floor(tmp_path: Path) -> None:
    """At the default floor the same client is refused, with algorithm and floor named."""
    with running(Peer()) as peer:
        result = scepclient(peer.url, tmp_path, challenge=peer.password())
        refused = [event for event in peer.events if event.kind == "request.refused"]
        assert not peer.state.administration.certificates()
    assert result.status != 0
    assert not (tmp_path / "client.pem").exists()
    assert "des-cbc" in refused[0].detail or "sha1" in refused[0].detail
    assert "floor 'modern' refuses" in refused[0].detail


@pytest.mark.slow  # it sleeps 30 seconds between two requests
@pytest.mark.covers("T-06", "S-45")
def test_micromdm_polls_by_sending_again(tmp_path: Path) -> None:
    """Its resent request, byte for byte the same, is taken for a poll."""
    with running(Peer(approves=True, floor=Floor.LAB)) as peer:
        result = scepclient(peer.url, tmp_path, challenge=peer.password())
        assert result.status == 0, result.output
        peer.check_issued(tmp_path / "client.pem")
    assert peer.kinds() == ["request.pending", "request.redelivered"]
