"""Judges renewals: a request signed with a certificate of ours, in either form.

RenewalReq says so itself; a PKCSReq becomes a renewal through its signer (the implicit form).

Spec: checklist 13 (5, 6, 7), S-04, T-25 to T-28; NDES 8.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509

from sceplab_ndes.depot import CertificateRecord, CertificateTable
from sceplab_ndes.errors import RefusedError
from sceplab_ndes.incoming import IncomingRequest, Sender
from sceplab_ndes.serials import serial_hex
from sceplab_ndes.settings import RenewalSettings
from sceplab_scep.names import name_text


class RenewalJudge:
    """Knows our certificates and the rules of renewal.

    Args:
        certificates: what we issued.
        issuer: name of the issuing CA.
        settings: the rules.
    """

    def __init__(
        self, certificates: CertificateTable, issuer: x509.Name, settings: RenewalSettings
    ) -> None:
        self._certificates = certificates
        self._issuer = issuer
        self.settings = settings

    def find_own(self, sender: Sender) -> CertificateRecord | None:
        """The record of the signer certificate if we issued it, whatever its state.

        The very bytes have to be ours, so nothing else has to be verified.
        """
        if sender.certificate.issuer != self._issuer:
            return None
        record = self._certificates.find(serial_hex(sender.certificate.serial_number))
        if record is None or record.certificate != sender.certificate_der:
            return None
        return record

    def check(self, record: CertificateRecord, request: IncomingRequest, now: datetime) -> None:
        """Judges a renewal whose signer is the certificate of ``record``.

        Raises:
            RefusedError: the first rule that is broken.
        """
        old = request.sender.certificate
        self._check_signer(record, old, now)
        if self.settings.same_subject and request.csr.subject != old.subject:
            raise RefusedError(
                "renewal-subject",
                f"'{request.subject_text}' is not '{name_text(old.subject)}'",
            )
        self._check_names(old, request)
        window = timedelta(days=self.settings.window_days)
        if window and old.not_valid_after_utc - now > window:
            raise RefusedError(
                "renewal-window", f"possible from {old.not_valid_after_utc - window:%Y-%m-%d} on"
            )
        if self.settings.same_key == "refuse" and request.key_digest == record.key_digest:
            raise RefusedError("renewal-key")

    def _check_signer(
        self, record: CertificateRecord, old: x509.Certificate, now: datetime
    ) -> None:
        if record.revoked_at is not None:
            raise RefusedError("renewal-signer", f"certificate {record.serial} is revoked")
        if now < old.not_valid_before_utc:
            raise RefusedError("renewal-signer", f"certificate {record.serial} is not valid yet")
        if now > old.not_valid_after_utc + timedelta(days=self.settings.expired_days):
            raise RefusedError("renewal-signer", f"certificate {record.serial} has expired")

    def _check_names(self, old: x509.Certificate, request: IncomingRequest) -> None:
        if self.settings.san == "any":
            return
        had, asked = _names_of(old.extensions), _names_of(request.csr.extensions)
        if not asked <= had or (self.settings.san == "same" and asked != had):
            raise RefusedError("renewal-subject", "other alternative names than before")


def _names_of(extensions: x509.Extensions) -> frozenset[x509.GeneralName]:
    for extension in extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            return frozenset(extension.value)
    return frozenset()
