"""What can be proved of certificates that were handed over, by TLS with the files themselves."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_agent.errors import HandOffError
from sceplab_agent.handoff.api import Delivery, ProofKind, Proved
from sceplab_agent.handoff.files import FilesHandOff, FilesSettings
from sceplab_agent.handoff.proof import Proof, prove
from sceplab_agent.handoff.purposes import IKE_INTERMEDIATE, Purpose
from sceplab_scep.certificates import signing_key
from tests.support.consumers import MemoryConsumer
from tests.support.deliveries import CA_WISH, CLIENT, SERVER, Wish, deliver, present, root
from tests.support.pki import ec_key


def handed_over(folder: Path, delivery: Delivery, purpose: Purpose | None = None) -> FilesHandOff:
    """Files of a delivery in ``folder/out``."""
    settings = FilesSettings(directory=folder / "out", purpose=purpose)
    consumer = FilesHandOff("files", settings, clock=present)
    memo = consumer.prepare(delivery)
    consumer.install(delivery, memo)
    consumer.commit(delivery, memo)
    return consumer


def proof_of(folder: Path, wish: Wish, *, key_leaves: bool = True) -> Proof:
    """What is proved of such a certificate."""
    delivery = deliver(root().issue(wish), key_leaves=key_leaves)
    return prove(delivery, handed_over(folder, delivery), present)


@pytest.mark.parametrize(
    ("wish", "role"),
    [
        (Wish(purposes=(CLIENT,)), "tls-client"),
        (Wish(purposes=(SERVER,)), "tls-server"),
        (Wish(purposes=()), "tls-client"),
        (Wish(key=ec_key("device"), uses=("digital_signature",)), "tls-client"),
    ],
)
def test_handshake_with_the_files(wish: Wish, role: str, tmp_path: Path) -> None:
    """Client or server, as the certificate allows; it is said to be the lesser proof."""
    proof = proof_of(tmp_path, wish)
    assert (proof.kind, proof.is_proved) == (ProofKind.TLS, True)
    assert role in proof.text
    assert "TLSv1." in proof.text
    assert "lesser proof" in proof.weakness


def test_what_no_handshake_can_show_is_looked_at(tmp_path: Path) -> None:
    """Certificates for other things, and keys that stay in their store."""
    ipsec = proof_of(tmp_path, Wish(purposes=(IKE_INTERMEDIATE,)))
    assert (ipsec.kind, ipsec.is_proved) == (ProofKind.CHECK, True)
    (tmp_path / "token").mkdir()
    token = proof_of(tmp_path / "token", Wish(), key_leaves=False)
    assert (token.kind, token.is_proved) == (ProofKind.CHECK, True)
    assert "the key was not used" in token.weakness


def test_handshake_below_an_intermediate_ca(tmp_path: Path) -> None:
    """The chain file brings the CAs in between; the pinned CA need not be self-signed."""
    sub = root().issue(replace(CA_WISH, subject="CN=Sub", key=ec_key("sub")))
    chains = {"whole": [sub.certificate, root().certificate], "pinned": [sub.certificate]}
    for name, chain in chains.items():
        (tmp_path / name).mkdir()
        delivery = deliver(sub.issue(Wish()), chain)
        proof = prove(delivery, handed_over(tmp_path / name, delivery), present)
        assert (proof.kind, proof.is_proved) == (ProofKind.TLS, True), proof.text


def test_broken_files_are_found(tmp_path: Path) -> None:
    """Another key, another certificate, none."""
    delivery = deliver(root().issue())
    consumer = handed_over(tmp_path, delivery)
    key = tmp_path / "out/current/key.pem"
    content = key.read_bytes()
    key.write_bytes(ec_key("other").pem)
    proof = prove(delivery, consumer, present)
    assert (proof.is_proved, "key that is not" in proof.text) == (False, True)
    key.write_bytes(content)
    assert prove(delivery, consumer, present).is_proved
    renewed = prove(deliver(root().issue()), consumer, present)
    assert "other certificates than were delivered" in renewed.text
    (tmp_path / "out/current").unlink()
    assert "nothing was handed over yet" in prove(delivery, consumer, present).text


def test_ended_certificate_is_refused_by_the_handshake(tmp_path: Path) -> None:
    """OpenSSL looks at the clock; nobody had to say what the certificate is for."""
    proof = proof_of(tmp_path, Wish(starts_in=timedelta(days=-60)))
    assert not proof.is_proved
    assert proof.text == "the TLS handshake failed: certificate has expired"


def test_purpose_is_held_against_again(tmp_path: Path) -> None:
    """What has ended since is found also where no handshake is possible."""
    delivery = deliver(root().issue(Wish(purposes=(IKE_INTERMEDIATE,))))
    consumer = handed_over(tmp_path, delivery, Purpose.IPSEC)
    assert prove(delivery, consumer, present).is_proved
    assert not prove(delivery, consumer, lambda: present() + timedelta(days=60)).is_proved


class ProvingConsumer(MemoryConsumer):
    """A consumer that proves itself when asked."""

    def prove(self, delivery: Delivery) -> Proved:
        """Works with the first generation."""
        if delivery.generation != 1:
            raise HandOffError(self.name, "it is down")
        return Proved(kind=ProofKind.CONSUMER, text="port open")


def test_consumers_prove_themselves() -> None:
    """Theirs is the full proof; those who cannot, and trustpoints without any, are looked at."""
    delivery = deliver(root().issue())
    proof = prove(delivery, ProvingConsumer(), present)
    assert (proof.kind, proof.text, proof.weakness) == (ProofKind.CONSUMER, "port open", "")
    assert not prove(deliver(root().issue(), generation=2), ProvingConsumer(), present).is_proved
    for handoff in (MemoryConsumer(), None):
        assert prove(delivery, handoff, present).kind is ProofKind.CHECK
    assert not prove(deliver(root().issue(), []), None, present).is_proved


def _revocations(*revoked: x509.Certificate) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root().certificate.subject)
        .last_update(present() - timedelta(days=1))
        .next_update(present() + timedelta(days=1))
    )
    for certificate in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(certificate.serial_number)
            .revocation_date(present() - timedelta(hours=1))
            .build()
        )
    return builder.sign(signing_key(root().key), hashes.SHA256()).public_bytes(Encoding.PEM)


def _server(folder: Path, revocations: bytes) -> ssl.SSLContext:
    """A TLS server that asks for a certificate of our CA and looks at its revocation list."""
    holder = root().issue(Wish(purposes=(SERVER,), key=ec_key("server")))
    own, trusted = folder / "server.pem", folder / "trusted.pem"
    own.write_bytes(holder.certificate.public_bytes(Encoding.PEM) + holder.key.pem)
    trusted.write_bytes(root().certificate.public_bytes(Encoding.PEM) + revocations)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    context.load_verify_locations(trusted)
    return context


def _shake(client: ssl.SSLContext, server: ssl.SSLContext) -> tuple[bytes | None, bytes | None]:
    """A handshake; the certificates that client and server saw, DER."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    device = client.wrap_bio(to_client, to_server, server_hostname="router1.example.test")
    web = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [device, web]
    while waiting:
        for end in tuple(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
    return device.getpeercert(binary_form=True), web.getpeercert(binary_form=True)


@pytest.mark.covers("K4", "K6")
def test_server_takes_the_delivered_certificate_until_it_is_revoked(tmp_path: Path) -> None:
    """Mutual TLS with the files; after revocation the same files are refused."""
    holder = root().issue(Wish(purposes=(CLIENT,)))
    handed_over(tmp_path, deliver(holder), Purpose.TLS_CLIENT)
    current = tmp_path / "out" / "current"
    client = ssl.create_default_context(cafile=current / "ca.pem")
    client.load_cert_chain(current / "fullchain.pem", current / "key.pem")
    _, seen = _shake(client, _server(tmp_path, _revocations()))
    assert seen == holder.certificate.public_bytes(Encoding.DER)
    with pytest.raises(ssl.SSLError, match="certificate revoked"):
        _shake(client, _server(tmp_path, _revocations(holder.certificate)))


@pytest.mark.covers("K9")
def test_server_certificate_is_renewed_under_its_consumer(tmp_path: Path) -> None:
    """A web server that reads through the link shows the renewed certificate when it reads anew."""
    current = tmp_path / "out" / "current"
    for number in (1, 2):
        holder = root().issue(Wish(purposes=(SERVER,), key=ec_key(f"server {number}")))
        handed_over(tmp_path, deliver(holder, generation=number), Purpose.TLS_SERVER)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(current / "fullchain.pem", current / "key.pem")
        client = ssl.create_default_context(cafile=current / "ca.pem")
        seen, _ = _shake(client, server)
        assert seen == holder.certificate.public_bytes(Encoding.DER)
