"""Names, numbers and OIDs of SCEP's signed attributes. Nothing is encoded here.

Spec: RFC 8894 §3.2.1.
"""

from __future__ import annotations

import enum


class MessageType(enum.IntEnum):
    """messageType. Spec: RFC 8894 §3.2.1.2."""

    CERT_REP = 3
    RENEWAL_REQ = 17
    PKCS_REQ = 19
    CERT_POLL = 20
    GET_CERT = 21
    GET_CRL = 22


class PkiStatus(enum.IntEnum):
    """pkiStatus of a CertRep. There is no 1. Spec: RFC 8894 §3.2.1.3."""

    SUCCESS = 0
    FAILURE = 2
    PENDING = 3


class FailInfo(enum.IntEnum):
    """failInfo of a CertRep FAILURE. Spec: RFC 8894 §3.2.1.4."""

    BAD_ALG = 0
    BAD_MESSAGE_CHECK = 1
    BAD_REQUEST = 2
    BAD_TIME = 3
    BAD_CERT_ID = 4

    @property
    def wire_name(self) -> str:
        """The RFC's spelling, for example ``badRequest``."""
        return _FAIL_INFO_NAMES[self]


_FAIL_INFO_NAMES = {
    FailInfo.BAD_ALG: "badAlg",
    FailInfo.BAD_MESSAGE_CHECK: "badMessageCheck",
    FailInfo.BAD_REQUEST: "badRequest",
    FailInfo.BAD_TIME: "badTime",
    FailInfo.BAD_CERT_ID: "badCertId",
}

NONCE_BYTES = 16
"""Length of the nonces we make. Spec: RFC 8894 §3.2.1.5."""
