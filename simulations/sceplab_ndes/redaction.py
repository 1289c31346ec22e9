"""A certification request without its challenge password, so that the depot never holds one.

Spec: RFC 8894 §7.3; checklist S-22.
"""

from __future__ import annotations

from cryptography.hazmat.asn1 import encode_der

from sceplab_scep import oids
from sceplab_scep.ber import decode_tolerant
from sceplab_scep.cms import CertificationRequest, CertificationRequestInfo, to_tlv
from sceplab_scep.csr import CsrView

_WHAT = "certification request"


def without_challenge(csr: CsrView) -> bytes:
    """The request, DER, with the challenge password cut out; its signature does not verify then."""
    if csr.challenge is None:
        return csr.der
    request, _ = decode_tolerant(CertificationRequest, csr.der, _WHAT)
    info, _ = decode_tolerant(CertificationRequestInfo, encode_der(request.info), _WHAT)
    kept = [a for a in info.attributes or [] if a.type != oids.CHALLENGE_PASSWORD]
    info.attributes = kept
    request.info = to_tlv(info)
    return encode_der(request)
