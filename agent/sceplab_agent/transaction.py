"""Messages and keys of a transaction: builds requests, opens and judges replies.

Nothing is decided here. A reply that is malformed, forged or not for us becomes a failure that
names the reason; what is trusted never changes by it.

Spec: RFC 8894 §3; checklist 6, 16.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_agent.challenge import ChallengeSource
from sceplab_agent.core.commands import BuildRequest, SendRequest
from sceplab_agent.core.events import (
    FailureCause,
    ReplyIssued,
    ReplyPending,
    ReplyRejected,
    RequestBuilt,
    RequestFailed,
    TransportFailed,
)
from sceplab_agent.core.next_steps import CHALLENGE, KEY_LOST, NEW_KEY_LOST
from sceplab_agent.core.pinning import RA_SETTINGS_HINT
from sceplab_agent.key_stores import may_pass
from sceplab_agent.observer import Observer, SilentObserver
from sceplab_agent.text import clean_text
from sceplab_agent.trustpoint import TrustpointConfig, alternative_names
from sceplab_agent.watched_key import WatchedKey
from sceplab_hsm.api import KeyHandle, KeyStore
from sceplab_hsm.errors import (
    KeyDamagedError,
    KeyNotFoundError,
    KeyStoreError,
    SecretUnavailableError,
)
from sceplab_scep.algorithms import AlgorithmSuite, lowest_floor
from sceplab_scep.attributes import NONCE_BYTES, MessageType, PkiStatus
from sceplab_scep.capabilities import choose_algorithms
from sceplab_scep.certificates import self_signed_certificate
from sceplab_scep.csr import build_csr
from sceplab_scep.errors import ScepError, UnsupportedAlgorithmError, UntrustedSignerError
from sceplab_scep.key_usage import usage_extension
from sceplab_scep.messages import CertPoll, CertRep, PkcsReq, RenewalReq, Request
from sceplab_scep.pkimessage import build_request
from sceplab_scep.reply import read_cert_rep

_SERIAL_BYTES = 16

RandomBytes = Callable[[int], bytes]
ReplyEvent = ReplyIssued | ReplyPending | ReplyRejected | TransportFailed


class RequestBuilder:
    """Builds and signs the messages of one trustpoint.

    Args:
        config: subject, names, digest, floor.
        store: holds the keys.
        challenge: asked only for a message that carries the challenge password.
        random_bytes: source of nonces and serial numbers; `os.urandom` on a device.
        observer: shown every certification request.
    """

    __slots__ = ("_challenge", "_config", "_observer", "_random_bytes", "_store")

    def __init__(
        self,
        config: TrustpointConfig,
        *,
        store: KeyStore,
        challenge: ChallengeSource,
        random_bytes: RandomBytes,
        observer: Observer | None = None,
    ) -> None:
        self._config = config
        self._store = store
        self._challenge = challenge
        self._random_bytes = random_bytes
        self._observer = observer or SilentObserver()

    def build(self, command: BuildRequest, now: datetime) -> RequestBuilt | RequestFailed:
        """Carries one command out. Every failure is an event; none names a secret."""
        try:
            return self._build(command, now)
        except SecretUnavailableError as error:
            failed = self._failed(FailureCause.CONFIGURATION, f"challenge password: {error}")
            return dataclasses.replace(failed, next_step=CHALLENGE)
        except KeyStoreError as error:
            step = ""
            if isinstance(error, (KeyNotFoundError, KeyDamagedError)):
                is_renewal = command.message_type is MessageType.RENEWAL_REQ
                step = KEY_LOST if is_renewal else NEW_KEY_LOST
            failed = self._failed(FailureCause.KEY_STORE, str(error))
            return dataclasses.replace(failed, is_retryable=may_pass(error), next_step=step)
        except UnsupportedAlgorithmError as error:
            return self._failed(FailureCause.CONFIGURATION, str(error))
        except (ScepError, ValueError) as error:
            return self._failed(FailureCause.CONFIGURATION, f"the request cannot be built: {error}")

    def _build(self, command: BuildRequest, now: datetime) -> RequestBuilt:
        suite = self._choose_suite(command)
        signer = self._store.get(command.signer_key_id)
        if not signer.algorithm.is_rsa:
            raise ValueError("the reply is encrypted to the signing key, so that has to be RSA")
        own = _load(command.signer_certificate_der)
        if own is None:
            own = self_signed_certificate(
                self._config.subject,
                signer,
                now=now,
                digest=suite.digest,
                serial=int.from_bytes(self._random_bytes(_SERIAL_BYTES)) >> 1 or 1,
            )
        message = self._message(command, suite, own)
        recipient = x509.load_der_x509_certificate(command.recipient_der)
        message_der = build_request(
            message,
            signer=signer,
            signer_certificate=own,
            recipient=recipient,
            suite=suite,
            now=now,
        )
        return RequestBuilt(
            message_der=message_der,
            sender_nonce=message.sender_nonce,
            signer_certificate_der=own.public_bytes(Encoding.DER),
        )

    def _choose_suite(self, command: BuildRequest) -> AlgorithmSuite:
        floor = self._config.policy.floor
        suite = choose_algorithms(command.capabilities, floor)
        digest = self._config.digest
        if digest is None:
            return suite
        if not floor.allows(digest):
            raise UnsupportedAlgorithmError(
                digest.value, floor=floor.value, allowed_by=lowest_floor(digest).value
            )
        return dataclasses.replace(suite, digest=digest)

    def _message(
        self, command: BuildRequest, suite: AlgorithmSuite, own: x509.Certificate
    ) -> Request:
        nonce = self._random_bytes(NONCE_BYTES)
        if command.message_type is MessageType.CERT_POLL:
            issuer = x509.load_der_x509_certificate(command.issuer_der)
            return CertPoll(
                transaction_id=command.transaction_id,
                sender_nonce=nonce,
                issuer=issuer.subject,
                subject=own.subject,
            )
        kind = RenewalReq if command.message_type is MessageType.RENEWAL_REQ else PkcsReq
        return kind(
            transaction_id=command.transaction_id,
            sender_nonce=nonce,
            csr_der=self._csr(command, suite),
        )

    def _csr(self, command: BuildRequest, suite: AlgorithmSuite) -> bytes:
        replaced = _load(command.subject_certificate_der)
        subject = self._config.subject if replaced is None else replaced.subject
        challenge = self._challenge.take().reveal() if command.include_challenge else ""
        csr_der = build_csr(
            subject,
            self._store.get(command.key_id),
            digest=suite.digest,
            challenge=challenge,
            extensions=self._extensions(replaced),
        )
        self._observer.csr_signed(self._config.name, csr_der)
        return csr_der

    def _extensions(
        self, replaced: x509.Certificate | None
    ) -> list[x509.Extension[x509.ExtensionType]]:
        """What a request asks for besides the subject.

        A renewal keeps the names of the certificate it replaces, as servers demand; the key usage
        is the configured one each time.
        """
        asked: list[x509.Extension[x509.ExtensionType]] = []
        names = alternative_names(self._config) if replaced is None else _names_of(replaced)
        if names is not None:
            asked.append(x509.Extension(names.oid, False, names))
        use = self._config.policy.key_use
        if use is not None:
            usage = usage_extension(use)
            asked.append(x509.Extension(usage.oid, True, usage))
        return asked

    def _failed(self, cause: FailureCause, reason: str) -> RequestFailed:
        return RequestFailed(cause=cause, reason=self._challenge.redact(clean_text(reason)))


class ReplyReader:
    """Opens the replies to one trustpoint's messages.

    Args:
        config: name and floor.
        challenge: blacked out of whatever the server says.
    """

    __slots__ = ("_challenge", "_config")

    def __init__(self, config: TrustpointConfig, *, challenge: ChallengeSource) -> None:
        self._config = config
        self._challenge = challenge

    def read(self, command: SendRequest, reply: bytes, key: KeyHandle) -> ReplyEvent:
        """What a body that answers ``command`` means.

        Args:
            command: the message that was sent, and who may answer it.
            reply: body as received.
            key: the key the reply is encrypted to.

        Spec: checklist C-17, C-18, C-40, C-41, C-46.
        """
        watched = WatchedKey(key)
        try:
            rep = read_cert_rep(
                reply,
                transaction_id=command.transaction_id,
                sender_nonce=command.sender_nonce,
                decrypter=watched,
                decrypter_certificate=x509.load_der_x509_certificate(
                    command.signer_certificate_der
                ),
                trusted_signers=[
                    x509.load_der_x509_certificate(der) for der in command.trusted_signers_der
                ],
                floor=self._config.policy.floor,
            )
        except UnsupportedAlgorithmError as error:
            return self._unusable(FailureCause.CONFIGURATION, str(error), is_retryable=False)
        except UntrustedSignerError as error:
            rule = self._config.policy.ra_rule
            advice = f"; an RA certificate has {rule.demand}; {RA_SETTINGS_HINT}"
            # Whoever is on the way can forge one reply; the next one may be the server's.
            return self._unusable(
                FailureCause.TRUST,
                str(error),
                is_retryable=True,
                advice="" if rule.any_certificate else advice,
            )
        except (ScepError, ValueError) as error:
            failure = watched.failure
            if failure is not None:
                return TransportFailed(
                    cause=FailureCause.KEY_STORE,
                    reason=reason_of(failure),
                    is_retryable=may_pass(failure),
                )
            return self._unusable(FailureCause.PEER, str(error), is_retryable=True)
        return self._judge(rep, reply)

    def _judge(self, rep: CertRep, reply: bytes) -> ReplyEvent:
        if rep.status is PkiStatus.PENDING:
            return ReplyPending()
        if rep.status is PkiStatus.FAILURE and rep.fail_info is not None:
            said = clean_text(rep.fail_info_text or rep.server_message)
            return ReplyRejected(
                fail_info=rep.fail_info,
                text=self._challenge.redact(said),
                hresult=rep.hresult,
            )
        if rep.status is PkiStatus.SUCCESS and rep.certificates:
            return ReplyIssued(
                reply_der=reply,
                certificates_der=tuple(
                    certificate.public_bytes(Encoding.DER) for certificate in rep.certificates
                ),
            )
        return self._unusable(
            FailureCause.PEER,
            f"the reply says {rep.status.name} and lacks what belongs to it",
            is_retryable=True,
        )

    def _unusable(
        self, cause: FailureCause, reason: str, *, is_retryable: bool, advice: str = ""
    ) -> TransportFailed:
        text = self._challenge.redact(clean_text(reason))
        return TransportFailed(
            cause=cause, reason=f"unusable reply: {text}{advice}", is_retryable=is_retryable
        )


def reason_of(error: KeyStoreError) -> str:
    """What a person is told of a key store's failure, with the next step."""
    if isinstance(error, KeyNotFoundError):
        return f"{error}; restore it, or enroll --again with renewal.new_key = true"
    return str(error)


def _load(certificate_der: bytes | None) -> x509.Certificate | None:
    if certificate_der is None:
        return None
    return x509.load_der_x509_certificate(certificate_der)


def _names_of(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
