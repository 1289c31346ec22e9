"""A device that talks to a server by URL, with the standard library: for servers in processes."""

from __future__ import annotations

import urllib.request
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from sceplab_scep.algorithms import AlgorithmSuite, Digest, Floor
from sceplab_scep.certificates import self_signed_certificate
from sceplab_scep.csr import build_csr
from sceplab_scep.degenerate import read_certs_only
from sceplab_scep.messages import CertPoll, PkcsReq
from sceplab_scep.pkimessage import build_request
from sceplab_scep.reply import read_cert_rep
from tests.support.scep_device import next_nonce
from tests.support.server import shared_key

_TIMEOUT_S = 20


class RemoteDevice:
    """Enrolls and polls over HTTP.

    Args:
        url: SCEP URL of the server.
    """

    def __init__(self, url: str, name: str = "router1.example.test") -> None:
        self._url = url
        self._key = shared_key("device")
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self_signed_certificate(
            self._subject, self._key, now=datetime.now(UTC), digest=Digest.SHA256, serial=1
        )
        self._ra_signing, self._ra_encryption, self._ca = read_certs_only(
            self._fetch("operation=GetCACert")
        )
        self.certificate: x509.Certificate | None = None

    def enroll(self, transaction_id: str, challenge: str) -> str:
        """Sends a PKCSReq; name of the status."""
        csr = build_csr(self._subject, self._key, digest=Digest.SHA256, challenge=challenge)
        return self._ask(
            PkcsReq(transaction_id=transaction_id, sender_nonce=next_nonce(), csr_der=csr)
        )

    def poll(self, transaction_id: str) -> str:
        """Sends a CertPoll; name of the status."""
        return self._ask(
            CertPoll(
                transaction_id=transaction_id,
                sender_nonce=next_nonce(),
                issuer=self._ca.subject,
                subject=self._subject,
            )
        )

    def _ask(self, message: PkcsReq | CertPoll) -> str:
        data = build_request(
            message,
            signer=self._key,
            signer_certificate=self._certificate,
            recipient=self._ra_encryption,
            suite=AlgorithmSuite(),
        )
        rep = read_cert_rep(
            self._fetch("operation=PKIOperation", data),
            transaction_id=message.transaction_id,
            sender_nonce=message.sender_nonce,
            decrypter=self._key,
            decrypter_certificate=self._certificate,
            trusted_signers=[self._ra_signing],
            floor=Floor.MODERN,
        )
        self.certificate = rep.certificates[0] if rep.certificates else None
        return rep.status.name

    def _fetch(self, query: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self._url}?{query}", data=body)
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            content: bytes = answer.read()
            return content
