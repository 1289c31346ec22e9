"""The certification authority: makes certificates from requests and lists the revoked ones.

It judges nothing but the template's rules and remembers nothing; the caller has checked the
request and keeps what comes back.

Spec: NDES 10, 11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from sceplab_ndes.depot import CertificateRecord
from sceplab_ndes.errors import RefusedError
from sceplab_ndes.hierarchy import Hierarchy, authority_key_id
from sceplab_ndes.serials import adcs_serial, random_serial
from sceplab_ndes.settings import RevocationSettings
from sceplab_ndes.template import CertificateTemplate, PublicKey
from sceplab_ndes.validity import validity_of
from sceplab_scep.algorithms import Digest
from sceplab_scep.certificates import signing_key
from sceplab_scep.csr import CsrView
from sceplab_scep.x509writer import encode_extension, name_element, sign_certificate

ENROLL_PATH = "/CertEnroll/"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateOrder:
    """What the CA is asked to certify; the request's own signature has been checked."""

    request_id: int
    csr: CsrView


class CertificateAuthority:
    """Issues certificates and revocation lists.

    Args:
        hierarchy: certificates and keys of the CA.
        template: the template everything is issued from.
        revocation: life time of revocation lists.
        host: name of the emulated machine, part of the AIA file name.
        random_bytes: source of serial numbers.
        generation: number of the CA; its files are named after it from 1 on.
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        template: CertificateTemplate,
        revocation: RevocationSettings,
        *,
        host: str,
        random_bytes: Callable[[int], bytes],
        generation: int = 0,
    ) -> None:
        self.hierarchy = hierarchy
        self.generation = generation
        self.template = template
        self._revocation = revocation
        self._random_bytes = random_bytes
        certificate = hierarchy.issuing.certificate
        self.name = _common_name(certificate)
        suffix = f"({generation})" if generation else ""
        self.crl_file_name = f"{self.name}{suffix}.crl"
        self.certificate_file_name = f"{host}_{self.name}{suffix}.crt"
        self._key = signing_key(hierarchy.issuing.key)
        self._issuer_name = certificate.subject
        self._issuer = name_element(certificate.subject)
        self._not_before = certificate.not_valid_before_utc
        self._not_after = certificate.not_valid_after_utc
        self._key_id = authority_key_id(certificate)
        self._own_extensions = [encode_extension(self._key_id)]

    def publish_at(self, base_url: str) -> None:
        """Has certificates name the CRL and the CA certificate under this URL.

        Args:
            base_url: for example ``http://ndes.example.test:8080``.
        """
        folder = base_url.rstrip("/") + ENROLL_PATH
        crl = x509.UniformResourceIdentifier(folder + quote(self.crl_file_name))
        certificate = x509.UniformResourceIdentifier(folder + quote(self.certificate_file_name))
        point = x509.DistributionPoint([crl], None, None, None)
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, certificate)
        self._own_extensions = [
            encode_extension(self._key_id),
            encode_extension(x509.CRLDistributionPoints([point])),
            encode_extension(x509.AuthorityInformationAccess([access])),
        ]

    def check(self, order: CertificateOrder) -> PublicKey:
        """Judges an order without signing anything; the public key to certify.

        Raises:
            RefusedError: the template does not let it pass.
        """
        public_key = self.template.check_key(order.csr.public_key)
        values = (extension.value for extension in order.csr.extensions)
        names = next((v for v in values if isinstance(v, x509.SubjectAlternativeName)), None)
        self.template.check_subject(order.csr.subject, names)
        self.template.check_extensions(order.csr.extensions)
        return public_key

    def issue(self, order: CertificateOrder, now: datetime) -> x509.Certificate:
        """A certificate for the order.

        Args:
            order: what to certify.
            now: current time, aware UTC.

        Raises:
            RefusedError: the template does not let it pass.
        """
        template = self.template
        public_key = self.check(order)
        # Of a CA that is not valid yet, certificates begin with it.
        not_before, not_after = validity_of(template.settings, max(now, self._not_before))
        try:
            extensions = [
                *template.extensions(public_key, order.csr.extensions),
                encode_extension(x509.SubjectKeyIdentifier.from_public_key(public_key)),
                *self._own_extensions,
            ]
        except ValueError as error:
            raise RefusedError("extension-refused", str(error)) from error
        return sign_certificate(
            subject=order.csr.subject_element,
            issuer=self._issuer,
            public_key=order.csr.public_key_element,
            serial_number=self._serial(order.request_id),
            validity=(max(not_before, self._not_before), min(not_after, self._not_after)),
            extensions=extensions,
            signer=self.hierarchy.issuing.key,
            digest=Digest.SHA256,
        )

    def _serial(self, request_id: int) -> int:
        if self.template.settings.serial_layout == "adcs":
            return adcs_serial(self._random_bytes, request_id=request_id)
        return random_serial(self._random_bytes)

    def has_issued(self, record: CertificateRecord) -> bool:
        """Whether a certificate is the work of this CA and not of another of the same name."""
        certificate = x509.load_der_x509_certificate(record.certificate)
        extensions = certificate.extensions
        named = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        return named == self._key_id

    def make_crl(
        self, revoked: Iterable[CertificateRecord], *, number: int, now: datetime
    ) -> x509.CertificateRevocationList:
        """A revocation list.

        Args:
            revoked: certificates to list; each says when and why.
            number: CRL number, larger than any before.
            now: current time, aware UTC.
        """
        life_time = timedelta(
            days=self._revocation.crl_days, hours=self._revocation.crl_overlap_hours
        )
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._issuer_name)
            .last_update(now)
            .next_update(now + life_time)
            .add_extension(self._key_id, critical=False)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for record in revoked:
            assert record.revoked_at is not None
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(int(record.serial, 16))
                .revocation_date(record.revoked_at)
            )
            reason = x509.ReasonFlags(record.revocation_reason)
            if reason is not x509.ReasonFlags.unspecified:  # RFC 5280 §5.3.1: leave it out
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self._key, hashes.SHA256())


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value)
