"""Mail and mutual TLS by OpenSSL, with files that the agent handed over, before and after renewals.

The agent runs as a process, its server is the emulated NDES, and each program reads its files
through the link of the hand-off ``files``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_agent.exit_codes import ExitCode
from sceplab_ndes.hierarchy import CaPlan
from sceplab_ndes.state import ServerState
from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import now
from tests.support.openssl_ends import Handshake, shake_hands, sign_mail, verify_mail
from tests.support.peers import openssl
from tests.support.server import make_server, serve_in_thread
from tests.support.soft_stores import soft_store

pytestmark = [pytest.mark.interop, pytest.mark.daemon]

SERVER_AUTH, CLIENT_AUTH, MAIL = (f"1.3.6.1.5.5.7.3.{number}" for number in (1, 2, 4))
LETTER = "The rack in row 7 is ready.\n"
MAILBOX = "ann@example.test"


@dataclass(frozen=True, eq=False)
class Holder:
    """An agent with a trustpoint whose certificate goes into files."""

    agent: AgentFolder
    server: ServerState

    @property
    def current(self) -> Path:
        """The link that consumers read through."""
        return self.agent.folder / "out" / "current"

    def certificate(self) -> x509.Certificate:
        """What a consumer finds now."""
        return x509.load_pem_x509_certificate((self.current / "certificate.pem").read_bytes())

    def run(self, command: str) -> x509.Certificate:
        """Runs a command that has to go well; the certificate that is there afterwards."""
        done = self.agent.run(command)
        assert done.status == ExitCode.OK, done.err
        assert "handoff.done" in done.err
        return self.certificate()

    def revoke(self) -> Path:
        """Revokes the certificate; the list from where the certificate says, as PEM."""
        serial = f"{self.certificate().serial_number:x}"
        self.server.administration.revoke(serial, now(), reason="keyCompromise")
        points = self.certificate().extensions.get_extension_for_class(x509.CRLDistributionPoints)
        names = points.value[0].full_name
        assert names is not None
        with urlopen(names[0].value) as answer:
            crl = x509.load_der_x509_crl(answer.read())
        path = self.agent.folder / "crl.pem"
        path.write_bytes(crl.public_bytes(Encoding.PEM))
        return path


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """CAs of any number; those that run are ended with the test."""
    with ExitStack() as stack:
        yield Site(tmp_path, stack)


@dataclass(frozen=True)
class Site:
    """Where agents are made, each with an NDES of its own."""

    folder: Path
    stack: ExitStack

    def holder(
        self, name: str, purpose: str, usage: str, *lines: str, same_key: str = "existing"
    ) -> Holder:
        """An agent that is not enrolled yet.

        Args:
            name: of its folder and of its CA.
            purpose: of the hand-off, as the configuration writes it.
            usage: object identifier of the template's one extended key usage.
            lines: TOML of the trustpoint.
            same_key: what the server answers to a renewal that keeps its key.
        """
        folder = self.folder / name
        folder.mkdir()
        server = make_server(
            "ndes", now=now(), key_store=soft_store(folder / "ca"),
            plan=CaPlan(common_name=f"{name} CA", two_tier=True),
            settings={
                "template": {"extended_key_usages": [usage]}, "renewal": {"same_key": same_key},
            },
        )  # fmt: skip
        url = self.stack.enter_context(serve_in_thread(server, now)).scep_url
        password = server.challenge.issue("admin", now())
        assert password is not None
        agent = AgentFolder(folder)
        handoff = f'[[trustpoint.lab.handoff]]\nkind = "files"\ndirectory = "out"\n{purpose}'
        agent.configure(
            url, floor="ndes", challenge=password.reveal(),
            fingerprint=server.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex(),
            extra="\n".join(["key.exportable = true", *lines, handoff]),
        )  # fmt: skip
        return Holder(agent, server)

    def mailbox(self, *lines: str, usage: str = MAIL, same_key: str = "existing") -> Holder:
        """An agent that wants a certificate for mail."""
        names = f'emails = ["{MAILBOX}"]'
        return self.holder(
            "mail", 'purpose = "smime"', usage, names, *lines, same_key=same_key
        )  # fmt: skip

    def sign(self, command: str, holder: Holder, letter: str) -> str:
        """The mail program signs the letter; the file name of the mail."""
        (self.folder / letter).write_text(LETTER)
        done = sign_mail(command, self.folder, holder.current, MAILBOX, letter)
        assert done.status == 0, done.output
        return f"{letter}.eml"

    def signer(self, command: str, mail: str, trusted: Path) -> x509.Certificate:
        """Whose certificate it is that a good signature was made with."""
        done = verify_mail(command, self.folder, mail, trusted)
        assert done.status == 0, done.output
        assert LETTER.strip() in done.output
        return x509.load_pem_x509_certificate((self.folder / "sender.pem").read_bytes())


@pytest.mark.covers("K5")
@pytest.mark.parametrize("command", ["cms", "smime"])
def test_signed_mail_verifies_before_and_after_a_renewal(site: Site, command: str) -> None:
    """Each signature with the certificate of its day; the old letter stays good, a changed not."""
    holder = site.mailbox()
    first = holder.run("enroll")
    trusted = holder.current / "ca.pem"
    old = site.sign(command, holder, "old")
    assert site.signer(command, old, trusted) == first
    second = holder.run("renew")
    assert second.public_key() != first.public_key()
    new = site.sign(command, holder, "new")
    assert site.signer(command, new, trusted) == second
    assert site.signer(command, old, trusted) == first
    names = second.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.RFC822Name) == [MAILBOX]
    letter = site.folder / new
    letter.write_bytes(letter.read_bytes().replace(b"row 7", b"row 8"))
    changed = verify_mail(command, site.folder, new, trusted)
    assert changed.status != 0
    assert "Verification failure" in changed.output


@pytest.mark.covers("K5")
@pytest.mark.parametrize("keeps_key", [True, False])
def test_mail_encrypted_before_a_renewal(site: Site, keeps_key: bool) -> None:
    """It can be read afterwards where the renewal keeps the key, and only there."""
    keeping = f"renewal = {{ new_key = {str(not keeps_key).lower()} }}"
    holder = site.mailbox(keeping, same_key="issue")
    holder.run("enroll")

    def encrypt(name: str) -> None:
        done = openssl(
            "cms", "-encrypt", "-aes256", "-in", "letter", "-out", name,
            holder.current / "certificate.pem", cwd=site.folder,
        )  # fmt: skip
        assert done.status == 0, done.output

    def can_read(name: str) -> bool:
        key = holder.current / "key.pem"
        read = site.folder / "read"
        read.unlink(missing_ok=True)
        # A wrong key gives noise, sometimes even with status 0.
        words = ("-decrypt", "-in", name, "-inkey", key, "-out", read.name)
        done = openssl("cms", *words, cwd=site.folder)
        return done.status == 0 and read.read_bytes().replace(b"\r\n", b"\n") == LETTER.encode()

    (site.folder / "letter").write_text(LETTER)
    encrypt("before.eml")
    assert can_read("before.eml")
    holder.run("renew")
    encrypt("after.eml")
    assert can_read("after.eml")
    assert can_read("before.eml") == keeps_key


@pytest.mark.covers("K5")
def test_certificate_of_another_template_is_refused_for_mail(site: Site) -> None:
    """Before a mail program stumbles: nothing is handed over, and the template is named."""
    holder = site.mailbox(usage=CLIENT_AUTH)
    done = holder.agent.run("enroll")
    assert done.status == ExitCode.HANDOFF
    assert "extended key usage is clientAuth and not emailProtection" in done.err
    assert "Secure Email" in done.err
    assert not holder.current.exists()


@pytest.mark.covers("K4", "K6", "K7", "K9")
def test_both_ends_of_tls_renew_and_a_revoked_client_is_refused(site: Site) -> None:
    """Server and client of different CAs take each other at every step, until a revocation."""
    web = site.holder("web", 'purpose = "tls-server"', SERVER_AUTH)
    device = site.holder("device", 'purpose = "tls-client"', CLIENT_AUTH)
    both = {web: [web.run("enroll")], device: [device.run("enroll")]}

    def connect(revocations: Path | None = None) -> Handshake:
        return shake_hands(web.current, device.current, revocations=revocations)

    def good(handshake: Handshake) -> None:
        assert handshake.answered, handshake
        assert "Verification: OK" in handshake.client.output
        assert handshake.seen_by_client == "O = Example, CN = router1.example.test"
        assert handshake.seen_by_server == "O = Example, CN = router1.example.test"

    good(connect())
    for renewing in (device, web):
        both[renewing].append(renewing.run("renew"))
        good(connect())
    for first, second in both.values():
        assert first.serial_number != second.serial_number
        assert first.public_key() != second.public_key()
    shown = openssl(
        "x509", "-noout", "-ext", "extendedKeyUsage", "-in", "certificate.pem", cwd=device.current
    )
    assert shown.output.split("\n")[1].strip() == "TLS Web Client Authentication"
    refused = connect(device.revoke())
    assert not refused.answered
    assert "certificate revoked" in refused.client.output
    assert "certificate revoked" in refused.server


@pytest.mark.covers("K6", "K7")
def test_ends_of_the_wrong_kind_are_refused(site: Site) -> None:
    """A server's certificate is no client's: what the agent would refuse, the server does too."""
    web = site.holder("web", 'purpose = "tls-server"', SERVER_AUTH)
    mistaken = site.holder("device", "", SERVER_AUTH)
    web.run("enroll")
    mistaken.run("enroll")
    refused = shake_hands(web.current, mistaken.current)
    assert not refused.answered
    assert "unsupported certificate" in refused.client.output + refused.server
