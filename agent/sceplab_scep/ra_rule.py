"""Which certificates that a CA issued may act in its name, and which are only somebody's.

A CA signs thousands of device certificates with the same key as the few of its registration
authority. Key usage does not tell them apart: a router's certificate signs and receives keys, too.

Spec: RFC 8894 §2.2; RFC 6402 (id-kp-cmcRA); checklist 15.3.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509

from sceplab_scep.errors import MalformedMessageError
from sceplab_scep.x509fields import certificate_der, read_extension

CERTIFICATE_REQUEST_AGENT = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.1")
"""What both RA certificates of NDES carry."""
CMC_RA = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")

_PURPOSES = (
    f"Certificate Request Agent ({CERTIFICATE_REQUEST_AGENT.dotted_string}) "
    f"or cmcRA ({CMC_RA.dotted_string})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RaRule:
    """What makes a certificate below the pinned CA an RA certificate.

    By default its extended key usage. The CA's own certificates need no rule.
    """

    pinned_sha256: tuple[bytes, ...] = ()
    """Fingerprints of the only certificates that are RAs, whatever their extended key usage;
    empty: extended key usage decides."""
    any_certificate: bool = False
    """Take every certificate of the CA. Whoever holds one can then pose as the server."""
    ignores_key_usage: bool = False
    """For servers whose RA certificates carry wrong key usages."""

    def accepts(self, certificate: x509.Certificate) -> bool:
        """Whether a certificate that chains to the anchor may act as its RA."""
        if self.any_certificate:
            return True
        if self.pinned_sha256:
            return hashlib.sha256(certificate_der(certificate)).digest() in self.pinned_sha256
        return is_marked_as_ra(certificate)

    @property
    def demand(self) -> str:
        """What an RA certificate must have, for a person."""
        if self.any_certificate:
            return "to be issued by the CA"
        if self.pinned_sha256:
            return "a pinned SHA-256 fingerprint"
        return f"the extended key usage {_PURPOSES}"


def is_marked_as_ra(certificate: x509.Certificate) -> bool:
    """Whether the CA says in the certificate that it is an RA's.

    anyExtendedKeyUsage says nothing, no extended key usage says nothing.
    """
    try:
        usage = read_extension(certificate, x509.ExtendedKeyUsage)
    except MalformedMessageError:
        return False
    return usage is not None and (CERTIFICATE_REQUEST_AGENT in usage or CMC_RA in usage)
