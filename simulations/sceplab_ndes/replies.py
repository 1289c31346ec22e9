"""Writes CertReps: to whom, signed by whom, with which algorithms, in the profile's spelling.

Spec: RFC 8894 §3.3.2; checklist S-11 to S-14, S-41, S-42, T-01, T-03, T-08, T-09; NDES 5.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509

from sceplab_ndes.hierarchy import Hierarchy
from sceplab_ndes.refusals import Refusal
from sceplab_ndes.settings import ReplySettings
from sceplab_scep.algorithms import AlgorithmSuite, Cipher, Digest, Floor, KeyTransport
from sceplab_scep.attributes import NONCE_BYTES, FailInfo, PkiStatus
from sceplab_scep.messages import CertRep
from sceplab_scep.reply import ReplyStyle, build_cert_rep

_DEFAULT = AlgorithmSuite()
_Algorithm = TypeVar("_Algorithm", Digest, Cipher)


@dataclass(slots=True, kw_only=True)
class Conversation:
    """What an answer has to match in its request; the envelope's part is known later."""

    transaction_id: str
    sender_nonce: bytes
    """Goes back as recipientNonce, whatever its length."""
    sender_certificate: x509.Certificate | None
    """The signer of the request; the answer is encrypted to it."""
    digest: Digest | None
    """Digest of the request, ``None`` when unknown."""
    cipher: Cipher | None = None
    key_transport: KeyTransport | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A CertRep FAILURE and what stands in it."""

    reply: bytes
    fail_info: FailInfo
    hresult: int | None


class ReplyWriter:
    """Writes the CertReps of one server.

    Args:
        hierarchy: the signer, and the chain where replies carry one.
        settings: algorithms and spelling.
        floor: algorithms below it are never written.
        random_bytes: source of senderNonces.
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        settings: ReplySettings,
        floor: Floor,
        *,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._signer = hierarchy.ra_signing
        self._chain = hierarchy.chain if settings.include_chain else ()
        self._settings = settings
        self._floor = floor
        self._random_bytes = random_bytes
        self._style = ReplyStyle(
            empty_content=settings.empty_content,
            include_certificates=settings.include_certificates,
            signature_oid=settings.signature_oid,
            sorted_certificates=settings.sorted_certificates,
        )

    def success(self, to: Conversation, certificate: x509.Certificate) -> bytes:
        """CertRep SUCCESS with the certificate."""
        return self._write(
            to,
            CertRep(
                transaction_id=to.transaction_id,
                recipient_nonce=to.sender_nonce,
                sender_nonce=self._random_bytes(NONCE_BYTES),
                status=PkiStatus.SUCCESS,
                server_message=self._settings.server_message,
                certificates=(certificate, *self._chain),
            ),
        )

    def pending(self, to: Conversation) -> bytes:
        """CertRep PENDING."""
        return self._write(
            to,
            CertRep(
                transaction_id=to.transaction_id,
                recipient_nonce=to.sender_nonce,
                sender_nonce=self._random_bytes(NONCE_BYTES),
                status=PkiStatus.PENDING,
            ),
        )

    def failure(self, to: Conversation, refusal: Refusal, detail: str = "") -> Failure:
        """CertRep FAILURE.

        Args:
            to: the request.
            refusal: the cause.
            detail: what exactly, for people.
        """
        settings = self._settings
        fail_info = refusal.ndes_fail_info if settings.hresult else refusal.fail_info
        hresult = refusal.hresult if settings.hresult else None
        shows_detail = detail and not refusal.is_secretive
        text = f"{refusal.text} ({detail})" if shows_detail else refusal.text
        reply = self._write(
            to,
            CertRep(
                transaction_id=to.transaction_id,
                recipient_nonce=to.sender_nonce,
                sender_nonce=self._random_bytes(NONCE_BYTES),
                status=PkiStatus.FAILURE,
                fail_info=fail_info,
                fail_info_text=text if settings.fail_info_text else "",
                hresult=hresult,
            ),
        )
        return Failure(reply, fail_info, hresult)

    def _write(self, to: Conversation, rep: CertRep) -> bytes:
        return build_cert_rep(
            rep,
            signer=self._signer.key,
            signer_certificate=self._signer.certificate,
            recipient=to.sender_certificate,
            suite=self._suite(to),
            style=self._style,
        )

    def _suite(self, to: Conversation) -> AlgorithmSuite:
        settings = self._settings
        digest = to.digest if settings.digest == "as-request" else Digest(settings.digest)
        cipher = to.cipher if settings.cipher == "as-request" else Cipher(settings.cipher)
        transport: KeyTransport | None = KeyTransport.PKCS1V15
        if settings.key_transport == "oaep":
            transport = KeyTransport.OAEP_SHA1
        elif settings.key_transport == "as-request":
            transport = to.key_transport
        return AlgorithmSuite(
            digest=self._allowed(digest) or _DEFAULT.digest,
            cipher=self._allowed(cipher) or _DEFAULT.cipher,
            key_transport=transport or _DEFAULT.key_transport,
        )

    def _allowed(self, algorithm: _Algorithm | None) -> _Algorithm | None:
        return algorithm if algorithm is not None and self._floor.allows(algorithm) else None
