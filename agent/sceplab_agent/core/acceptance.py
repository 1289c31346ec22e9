"""Judges the certificate in a reply before it is installed. Changes nothing.

Spec: checklist C-42, C-43, C-44.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sceplab_agent.core.events import FailureCause
from sceplab_agent.core.model import Transaction
from sceplab_agent.core.next_steps import CLOCK, UNCHANGED
from sceplab_agent.core.policy import EnrollmentPolicy
from sceplab_agent.core.values import ActiveCertificate, TrustedCa
from sceplab_agent.core.verdicts import CertificateFit, CertificateUnfit
from sceplab_scep.certificates import (
    check_issued,
    choose_issued,
    describe_certificate,
    load_certificate,
    subject_der,
)
from sceplab_scep.chains import find_path
from sceplab_scep.errors import (
    NotValidNowError,
    SameCertificateError,
    ScepError,
    SignatureInvalidError,
)


def judge_issued(
    transaction: Transaction,
    *,
    public_key_der: bytes,
    ca: TrustedCa,
    active: ActiveCertificate | None,
    policy: EnrollmentPolicy,
    now: datetime,
    newest_at: datetime,
) -> CertificateFit | CertificateUnfit:
    """Whether the reply holds a certificate that may be installed.

    The subject asked for is that of the certificate the request was signed with: the self-signed
    one has the subject of the request, the old one is what a renewal asks for.

    Args:
        transaction: with the certificates of the reply.
        public_key_der: our key, SubjectPublicKeyInfo.
        ca: what the certificate has to chain to.
        active: the certificate that would be replaced.
        policy: floor and clock skew.
        now: current time, UTC.
        newest_at: newest moment recorded. A certificate that does not fit an earlier ``now`` is
            judged there, or at its start if that is later.
    """
    try:
        certificate_der = choose_issued(transaction.reply_certificates_der, public_key_der)
        if now < newest_at and not fits(certificate_der, now, policy):
            now = max(newest_at, describe_certificate(certificate_der).not_before)
        signer_der = transaction.signer_certificate_der
        authorities = (*ca.chain_der, *transaction.reply_certificates_der)
        check_issued(
            certificate_der,
            public_key_der=public_key_der,
            chain_der=authorities,
            anchor_der=ca.anchor_der,
            now=now,
            skew_s=policy.clock_skew_s,
            expected_subject_der=subject_der(load_certificate(signer_der)) if signer_der else None,
            replaced_serial=_replaced_serial(certificate_der, active),
            floor=policy.floor,
        )
        chain_der = _chain(certificate_der, authorities, ca.anchor_der, policy)
    except ScepError as error:
        return _unfit(error)
    return CertificateFit(certificate_der=certificate_der, chain_der=chain_der)


def _replaced_serial(certificate_der: bytes, active: ActiveCertificate | None) -> int | None:
    """The serial number that the new certificate must not have: another CA's means nothing."""
    if active is None:
        return None
    issuer = load_certificate(active.certificate_der).issuer
    is_of_one_ca = load_certificate(certificate_der).issuer == issuer
    return active.serial_number if is_of_one_ca else None


def _unfit(error: ScepError) -> CertificateUnfit:
    """Whose fault it is, and what to do about it."""
    reason = str(error)
    if isinstance(error, SameCertificateError):
        return CertificateUnfit(
            cause=FailureCause.CONFIGURATION, reason=reason, next_step=UNCHANGED, is_unchanged=True
        )
    if isinstance(error, NotValidNowError):
        return CertificateUnfit(cause=FailureCause.PEER, reason=reason, next_step=CLOCK)
    is_stranger = isinstance(error, SignatureInvalidError)
    cause = FailureCause.TRUST if is_stranger else FailureCause.PEER
    return CertificateUnfit(cause=cause, reason=reason)


def fits(certificate_der: bytes, now: datetime, policy: EnrollmentPolicy) -> bool:
    """Whether the clock and a certificate's validity agree.

    Of a certificate just issued, in a reply bound to our nonce, that speaks for the clock: it is
    not before the issue, so a later moment on record comes from a clock that was ahead. Whoever
    rules over the clock alone gains nothing: he can set it to that moment anyway.
    """
    summary = describe_certificate(certificate_der)
    return summary.not_before - timedelta(seconds=policy.clock_skew_s) <= now < summary.not_after


def _chain(
    certificate_der: bytes,
    authorities_der: Sequence[bytes],
    anchor_der: bytes,
    policy: EnrollmentPolicy,
) -> tuple[bytes, ...]:
    """CA certificates from the issuer up to the anchor, DER."""
    certificate, anchor = load_certificate(certificate_der), load_certificate(anchor_der)
    if certificate.issuer == anchor.subject:
        return (anchor_der,)
    by_certificate = {load_certificate(der): der for der in authorities_der}
    path = find_path(certificate, list(by_certificate), anchor, policy.floor) or []
    return tuple(by_certificate[authority] for authority in path)
