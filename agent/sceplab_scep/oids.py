"""Object identifiers, and their mapping to the algorithms and attributes of this package.

Spec: RFC 8894 §3.2.1; RFC 5652; RFC 3370; RFC 5754; checklist 2.2, 2.3.
"""

from __future__ import annotations

from cryptography.x509 import ObjectIdentifier as Oid

from sceplab_scep.algorithms import Cipher, Digest

DATA = Oid("1.2.840.113549.1.7.1")
SIGNED_DATA = Oid("1.2.840.113549.1.7.2")
ENVELOPED_DATA = Oid("1.2.840.113549.1.7.3")

CONTENT_TYPE = Oid("1.2.840.113549.1.9.3")
MESSAGE_DIGEST = Oid("1.2.840.113549.1.9.4")
SIGNING_TIME = Oid("1.2.840.113549.1.9.5")
CHALLENGE_PASSWORD = Oid("1.2.840.113549.1.9.7")
EXTENSION_REQUEST = Oid("1.2.840.113549.1.9.14")

MESSAGE_TYPE = Oid("2.16.840.1.113733.1.9.2")
PKI_STATUS = Oid("2.16.840.1.113733.1.9.3")
FAIL_INFO = Oid("2.16.840.1.113733.1.9.4")
SENDER_NONCE = Oid("2.16.840.1.113733.1.9.5")
RECIPIENT_NONCE = Oid("2.16.840.1.113733.1.9.6")
TRANSACTION_ID = Oid("2.16.840.1.113733.1.9.7")
FAIL_INFO_TEXT = Oid("1.3.6.1.5.5.7.24.1")
NDES_ERROR = Oid("1.3.6.1.4.1.311.21.33")
NDES_MESSAGE = Oid("1.3.6.1.4.1.311.21.38")

ATTRIBUTE_NAMES: dict[Oid, str] = {
    CONTENT_TYPE: "contentType",
    MESSAGE_DIGEST: "messageDigest",
    SIGNING_TIME: "signingTime",
    MESSAGE_TYPE: "messageType",
    PKI_STATUS: "pkiStatus",
    FAIL_INFO: "failInfo",
    SENDER_NONCE: "senderNonce",
    RECIPIENT_NONCE: "recipientNonce",
    TRANSACTION_ID: "transactionID",
    FAIL_INFO_TEXT: "failInfoText",
    NDES_ERROR: "NDES error",
    NDES_MESSAGE: "NDES server message",
}
"""Names for people; the first nine are those of the specifications."""

RSA_ENCRYPTION = Oid("1.2.840.113549.1.1.1")
RSAES_OAEP = Oid("1.2.840.113549.1.1.7")
MGF1 = Oid("1.2.840.113549.1.1.8")
P_SPECIFIED = Oid("1.2.840.113549.1.1.9")
RSASSA_PSS = Oid("1.2.840.113549.1.1.10")
SUBJECT_KEY_IDENTIFIER = Oid("2.5.29.14")

DIGESTS: dict[Digest, Oid] = {
    Digest.MD5: Oid("1.2.840.113549.2.5"),
    Digest.SHA1: Oid("1.3.14.3.2.26"),
    Digest.SHA224: Oid("2.16.840.1.101.3.4.2.4"),
    Digest.SHA256: Oid("2.16.840.1.101.3.4.2.1"),
    Digest.SHA384: Oid("2.16.840.1.101.3.4.2.2"),
    Digest.SHA512: Oid("2.16.840.1.101.3.4.2.3"),
}

RSA_SIGNATURES: dict[Digest, Oid] = {
    Digest.MD5: Oid("1.2.840.113549.1.1.4"),
    Digest.SHA1: Oid("1.2.840.113549.1.1.5"),
    Digest.SHA224: Oid("1.2.840.113549.1.1.14"),
    Digest.SHA256: Oid("1.2.840.113549.1.1.11"),
    Digest.SHA384: Oid("1.2.840.113549.1.1.12"),
    Digest.SHA512: Oid("1.2.840.113549.1.1.13"),
}

ECDSA_SIGNATURES: dict[Digest, Oid] = {
    Digest.SHA1: Oid("1.2.840.10045.4.1"),
    Digest.SHA224: Oid("1.2.840.10045.4.3.1"),
    Digest.SHA256: Oid("1.2.840.10045.4.3.2"),
    Digest.SHA384: Oid("1.2.840.10045.4.3.3"),
    Digest.SHA512: Oid("1.2.840.10045.4.3.4"),
}

CIPHERS: dict[Cipher, Oid] = {
    Cipher.DES_CBC: Oid("1.3.14.3.2.7"),
    Cipher.DES_EDE3_CBC: Oid("1.2.840.113549.3.7"),
    Cipher.AES128_CBC: Oid("2.16.840.1.101.3.4.1.2"),
    Cipher.AES192_CBC: Oid("2.16.840.1.101.3.4.1.22"),
    Cipher.AES256_CBC: Oid("2.16.840.1.101.3.4.1.42"),
}

DIGEST_BY_OID = {oid: digest for digest, oid in DIGESTS.items()}
CIPHER_BY_OID = {oid: cipher for cipher, oid in CIPHERS.items()}
SIGNATURE_DIGEST_BY_OID = {
    oid: digest for table in (RSA_SIGNATURES, ECDSA_SIGNATURES) for digest, oid in table.items()
}
"""Digest a combined signature algorithm names."""
