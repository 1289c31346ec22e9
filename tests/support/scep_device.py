"""A device of few words for tests of the server: builds requests, reads answers, nothing else.

It uses the codec and no state machine, so that a test says exactly what goes over the wire.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from sceplab_hsm.api import KeyHandle
from sceplab_ndes.exchange import ScepHttpRequest, ScepHttpResponse
from sceplab_ndes.state import ServerState
from sceplab_scep.algorithms import AlgorithmSuite, Floor
from sceplab_scep.attributes import FailInfo, PkiStatus
from sceplab_scep.certificates import self_signed_certificate
from sceplab_scep.csr import build_csr
from sceplab_scep.messages import CertPoll, CertRep, PkcsReq, RenewalReq
from sceplab_scep.pkimessage import build_request
from sceplab_scep.reply import read_cert_rep
from tests.support.server import NOW, shared_key

SCEP_PATH = "/certsrv/mscep/mscep.dll"
LONG_NAMES = pytest.mark.filterwarnings("ignore:Attribute's length must be:UserWarning")
"""For tests with names that are too long: ``cryptography`` warns when it writes or reads one."""

_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message and what its answer has to match."""

    data: bytes
    transaction_id: str
    nonce: bytes


@dataclass(slots=True, kw_only=True)
class ScepDevice:
    """One enrolling device that talks to a server in memory."""

    server: ServerState
    key: KeyHandle = field(default_factory=lambda: shared_key("device"))
    name: str = "router1.example.test"
    floor: Floor = Floor.LAB
    suite: AlgorithmSuite = field(default_factory=AlgorithmSuite)
    now: datetime = NOW
    signer: tuple[KeyHandle, x509.Certificate] | None = None
    """Key and certificate messages are signed with; ``None`` for a self-signed one."""

    @property
    def subject(self) -> x509.Name:
        """Subject of requests; longer than X.509 allows only under `LONG_NAMES`."""
        attribute = x509.NameAttribute(NameOID.COMMON_NAME, self.name, _validate=False)
        return x509.Name([attribute])

    def identity(self) -> tuple[KeyHandle, x509.Certificate]:
        """Who signs."""
        if self.signer is None:
            certificate = self_signed_certificate(
                self.subject, self.key, now=self.now, digest=self.suite.digest, serial=1
            )
            self.signer = (self.key, certificate)
        return self.signer

    def csr(self, challenge: str = "", **options: Any) -> bytes:
        """A certification request."""
        return build_csr(
            self.subject, self.key, digest=self.suite.digest, challenge=challenge, **options
        )

    def send(
        self, message: PkcsReq | RenewalReq | CertPoll, recipient: x509.Certificate | None = None
    ) -> Sent:
        """Signs and envelopes a message."""
        key, certificate = self.identity()
        data = build_request(
            message,
            signer=key,
            signer_certificate=certificate,
            recipient=recipient or self.server.hierarchy.ra_encryption.certificate,
            suite=self.suite,
        )
        return Sent(data, message.transaction_id, message.sender_nonce)

    def pkcs_req(
        self,
        challenge: str = "",
        *,
        transaction_id: str = "",
        csr: bytes | None = None,
        recipient: x509.Certificate | None = None,
        **options: Any,
    ) -> Sent:
        """A PKCSReq with a transactionID of its own unless one is given."""
        message = PkcsReq(
            transaction_id=transaction_id or f"T{next(_NUMBERS)}",
            sender_nonce=next_nonce(),
            csr_der=csr if csr is not None else self.csr(challenge, **options),
        )
        return self.send(message, recipient)

    def renewal_req(self, *, transaction_id: str = "", csr: bytes | None = None) -> Sent:
        """A RenewalReq; ``signer`` has to be the old certificate."""
        message = RenewalReq(
            transaction_id=transaction_id or f"T{next(_NUMBERS)}",
            sender_nonce=next_nonce(),
            csr_der=csr if csr is not None else self.csr(),
        )
        return self.send(message)

    def cert_poll(self, transaction_id: str) -> Sent:
        """A CertPoll with a fresh nonce."""
        message = CertPoll(
            transaction_id=transaction_id,
            sender_nonce=next_nonce(),
            issuer=self.server.hierarchy.issuing.certificate.subject,
            subject=self.subject,
        )
        return self.send(message)

    def post(self, data: bytes, now: datetime | None = None) -> ScepHttpResponse:
        """What the server answers over HTTP."""
        request = ScepHttpRequest(
            method="POST", path=SCEP_PATH, raw_query="operation=PKIOperation", body=data
        )
        return self.server.responder.respond(request, now or self.now)

    def read(self, response: ScepHttpResponse, sent: Sent) -> CertRep:
        """The CertRep in an answer, with every check a client makes."""
        assert response.status == 200, response.body
        assert response.headers["Content-Type"] == "application/x-pki-message"
        key, certificate = self.identity()
        return read_cert_rep(
            response.body,
            transaction_id=sent.transaction_id,
            sender_nonce=sent.nonce,
            decrypter=key,
            decrypter_certificate=certificate,
            trusted_signers=[self.server.hierarchy.ra_signing.certificate],
            floor=self.floor,
        )

    def ask(self, sent: Sent, now: datetime | None = None) -> CertRep:
        """Posts a message and reads the answer."""
        return self.read(self.post(sent.data, now), sent)

    def enroll(self, challenge: str = "", now: datetime | None = None, **options: Any) -> CertRep:
        """A whole first enrollment."""
        return self.ask(self.pkcs_req(challenge, **options), now)

    def with_certificate(self, certificate: x509.Certificate, **changes: Any) -> ScepDevice:
        """The same device, renewing: messages are signed with this certificate's key."""
        values: dict[str, Any] = {
            "server": self.server,
            "key": self.key,
            "name": self.name,
            "floor": self.floor,
            "suite": self.suite,
            "now": self.now,
            "signer": (self.key, certificate),
        }
        return ScepDevice(**{**values, **changes})


def next_nonce() -> bytes:
    """A nonce no other message has."""
    return next(_NUMBERS).to_bytes(16)


def fetch_password(server: ServerState, now: datetime = NOW, user: str = "admin") -> str:
    """A one-time password, as the admin page would show it."""
    password = server.challenge.issue(user, now)
    assert password is not None
    return password.reveal()


def issued(rep: CertRep) -> x509.Certificate:
    """The certificate of a SUCCESS."""
    assert rep.status is PkiStatus.SUCCESS, (rep.fail_info, rep.fail_info_text, rep.hresult)
    return rep.certificates[0]


def refused(rep: CertRep, *, text: str = "", fail_info: FailInfo | None = None) -> CertRep:
    """Makes sure that a reply is a FAILURE of that kind."""
    assert rep.status is PkiStatus.FAILURE
    assert text in rep.fail_info_text
    assert fail_info in {None, rep.fail_info}
    return rep


def list_names(certificates: Sequence[x509.Certificate]) -> list[str]:
    """Common names, for messages."""
    return [
        str(c.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value) for c in certificates
    ]
