"""The answer to GetNextCACert: the CA certificates of tomorrow, signed by the CA of today.

::

    SignedData (signed by the current CA) around SignedData (certs-only: next CA, its RAs)

Nothing inside is looked at before the signature is verified with a certificate that was trusted
already.

Spec: RFC 8894 §4.7; checklist 14, C-31, S-20.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.ca_selection import CaSelection, select_ca_certificates
from sceplab_scep.chains import is_ca, is_directly_issued, is_valid_at
from sceplab_scep.degenerate import build_certs_only, read_certs_only
from sceplab_scep.errors import (
    MalformedMessageError,
    SignatureInvalidError,
    UntrustedSignerError,
)
from sceplab_scep.names import name_text
from sceplab_scep.ports import MessageSigner
from sceplab_scep.ra_rule import RaRule
from sceplab_scep.signeddata import (
    ReceivedSignedData,
    build_signed_data,
    find_certificate,
    parse_signed_data,
    verify_signed_data,
)
from sceplab_scep.x509fields import certificate_der, fields_of

_SECTION = "RFC 8894 §4.7.1"
_WHAT = "GetNextCACert answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCa:
    """A verified answer."""

    anchor: x509.Certificate
    """The next CA: the highest certificate that the current chain does not have."""
    certificates: tuple[x509.Certificate, ...]
    """Every certificate of the answer, in its order."""
    signer: x509.Certificate
    """Who vouches for it: a certificate of the current CA, or its RA's."""

    def select(
        self, *, ra_rule: RaRule | None = None, skew_s: float = 300.0, floor: Floor = Floor.MODERN
    ) -> CaSelection:
        """Roles of the certificates below the next CA, as `select_ca_certificates` has them.

        Validity is not held against the clock: the next RA may begin later.

        Raises:
            SignatureInvalidError: nobody below the next CA can receive a request.
        """
        return select_ca_certificates(
            [certificate_der(certificate) for certificate in self.certificates],
            hashlib.sha256(certificate_der(self.anchor)).digest(),
            "sha256",
            ra_rule=ra_rule,
            skew_s=skew_s,
            floor=floor,
        )


def build_next_ca(
    certificates: Sequence[x509.Certificate],
    *,
    signer: MessageSigner,
    signer_certificate: x509.Certificate,
    digest: Digest = Digest.SHA256,
    sorted_set: bool = False,
) -> bytes:
    """The body of an answer.

    Args:
        certificates: the next CA and its RAs, in the order wanted on the wire.
        signer: key of the current CA.
        signer_certificate: certificate of the current CA; it travels along.
        digest: of the signature.
        sorted_set: put the certificates in DER's order.

    Spec: RFC 8894 §4.7.1; checklist S-20.
    """
    return build_signed_data(
        build_certs_only(certificates, sorted_set=sorted_set),
        (),
        signer=signer,
        signer_certificate=signer_certificate,
        digest=digest,
        certificates=[signer_certificate],
    )


def read_next_ca(
    data: bytes,
    *,
    trusted_signers: Sequence[x509.Certificate],
    current_chain: Sequence[x509.Certificate],
    now: datetime | None,
    skew_s: float = 300.0,
    floor: Floor = Floor.MODERN,
) -> NextCa:
    """Reads an answer and makes sure that the current CA made it and that it makes sense.

    Args:
        data: the body of the HTTP reply.
        trusted_signers: certificates that may vouch: the pinned CA's, and by the older drafts its
            RA's. What the answer itself carries counts for nothing.
        current_chain: CA certificates in force, the issuing one first, the anchor last.
        now: current time, aware UTC; ``None`` when the clock cannot be trusted.
        skew_s: tolerance of comparisons with it, seconds.
        floor: weakest digest of the signature and of certificates below the next CA.

    Raises:
        MalformedMessageError: no such message, or no certificate in it.
        SignatureInvalidError: the signature does not verify, or no single next CA is in it whose
            validity goes on where the current one's ends; `UntrustedSignerError` when somebody
            else signed.
        UnsupportedAlgorithmError: an unknown algorithm or one below the floor.

    Spec: RFC 8894 §4.7.1; checklist 14, C-31, C-46.
    """
    received = parse_signed_data(data)
    signer = _find_signer(received, trusted_signers, now, skew_s)
    verify_signed_data(received, signer, floor, "server")
    if not received.content:
        raise MalformedMessageError(
            f"the {_WHAT} holds nothing", section=_SECTION, attribute="eContent"
        )
    certificates = tuple(read_certs_only(received.content))
    anchor = _find_anchor(certificates, current_chain, floor)
    _check_validity(anchor, current_chain[0], now, skew_s)
    return NextCa(anchor=anchor, certificates=certificates, signer=signer)


def _find_signer(
    received: ReceivedSignedData,
    trusted_signers: Sequence[x509.Certificate],
    now: datetime | None,
    skew_s: float,
) -> x509.Certificate:
    """Who vouches: one that is trusted, and valid where the clock can tell."""
    signer = find_certificate(received.signer_info.sid, trusted_signers)
    if signer is None:
        raise UntrustedSignerError(
            "the next CA certificate is signed by nobody of the current CA",
            section=_SECTION,
            attribute="signerInfos",
        )
    if now is not None and not is_valid_at(signer, now, skew_s):
        raise UntrustedSignerError(
            f"the next CA certificate is signed by {name_text(signer.subject)}, whose certificate "
            f"is valid from {signer.not_valid_before_utc:%Y-%m-%d} to "
            f"{signer.not_valid_after_utc:%Y-%m-%d} only",
            section=_SECTION,
            attribute="signerInfos",
        )
    return signer


def _find_anchor(
    certificates: Sequence[x509.Certificate],
    current_chain: Sequence[x509.Certificate],
    floor: Floor,
) -> x509.Certificate:
    """The one CA that is new and not below another new one; its self-signed certificate first."""
    candidates = [c for c in dict.fromkeys(certificates) if c not in current_chain and is_ca(c)]
    highest = [c for c in candidates if not _has_issuer(c, candidates, floor)]
    if len({fields_of(c).public_key_der for c in highest}) != 1:
        found = f"{len(highest)} new CAs" if highest else "no new CA certificate"
        raise SignatureInvalidError(f"{found} in the {_WHAT}", section=_SECTION)
    own = [c for c in highest if is_directly_issued(c, c, floor)]
    crossed = [c for c in highest if _has_issuer(c, current_chain, floor)]
    if not own and not crossed:
        raise SignatureInvalidError(
            f"the next CA certificate {name_text(highest[0].subject)} is signed neither by itself "
            "nor by the current CA",
            section=_SECTION,
        )
    return (own or crossed)[0]


def _has_issuer(
    certificate: x509.Certificate, candidates: Sequence[x509.Certificate], floor: Floor
) -> bool:
    """Whether one of the candidates with another key issued it."""
    key = fields_of(certificate).public_key_der
    return any(
        fields_of(other).public_key_der != key and is_directly_issued(certificate, other, floor)
        for other in candidates
    )


def _check_validity(
    anchor: x509.Certificate, current: x509.Certificate, now: datetime | None, skew_s: float
) -> None:
    """A successor outlives the CA it follows, begins before that ends, and is not over."""
    begins, ends = anchor.not_valid_before_utc, anchor.not_valid_after_utc
    trouble = ""
    if ends <= current.not_valid_after_utc:
        trouble = f"it ends {ends:%Y-%m-%d}, no later than the current CA"
    elif begins > current.not_valid_after_utc:
        trouble = f"it begins {begins:%Y-%m-%d}, after the current CA has ended"
    elif now is not None and begins < now and not is_valid_at(anchor, now, skew_s):
        trouble = f"it ended {ends:%Y-%m-%d}"
    if trouble:
        raise SignatureInvalidError(
            f"the next CA certificate is unusable: {trouble}", section=_SECTION
        )
