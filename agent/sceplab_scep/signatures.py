"""Signing and verifying with a named digest, and the identifiers that say so on the wire.

RSA PKCS#1 v1.5 and ECDSA. RSASSA-PSS is named in refusals, not used.

Spec: RFC 3370 §3; RFC 5754; RFC 5758; checklist F-06, T-03.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.asn1 import Null
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from sceplab_scep import oids
from sceplab_scep.algorithms import Cipher, Digest, Floor, lowest_floor
from sceplab_scep.cms import AlgorithmIdentifier
from sceplab_scep.errors import LocalProtocolError, UnsupportedAlgorithmError

HASHES: dict[Digest, hashes.HashAlgorithm] = {
    Digest.MD5: hashes.MD5(),  # noqa: S303 - only at floor `lab`
    Digest.SHA1: hashes.SHA1(),  # noqa: S303 - only at floor `ndes` and below
    Digest.SHA224: hashes.SHA224(),
    Digest.SHA256: hashes.SHA256(),
    Digest.SHA384: hashes.SHA384(),
    Digest.SHA512: hashes.SHA512(),
}

_PKCS1V15 = PKCS1v15()
_NULL = Null()
RSA_ENCRYPTION = AlgorithmIdentifier(algorithm=oids.RSA_ENCRYPTION, parameters=_NULL)
"""PKCS#1 v1.5 key transport, and the widest-read name of RSA signatures."""

_DIGEST_IDENTIFIERS = {
    # Deviation: RFC 5754 prefers absent parameters; NDES and the PKCS#7 tradition write NULL.
    digest: AlgorithmIdentifier(algorithm=oid, parameters=_NULL)
    for digest, oid in oids.DIGESTS.items()
}


def compute_digest(digest: Digest, data: bytes) -> bytes:
    """Digest of the data."""
    return hashes.Hash.hash(HASHES[digest], data)


def digest_identifier(digest: Digest) -> AlgorithmIdentifier:
    """The digest as the wire names it."""
    return _DIGEST_IDENTIFIERS[digest]


def signature_identifier(
    digest: Digest, public_key: RSAPublicKey | EllipticCurvePublicKey
) -> AlgorithmIdentifier:
    """Signature algorithm of certificates and requests: key type and digest in one."""
    if isinstance(public_key, RSAPublicKey):
        return AlgorithmIdentifier(algorithm=oids.RSA_SIGNATURES[digest], parameters=_NULL)
    try:
        return AlgorithmIdentifier(algorithm=oids.ECDSA_SIGNATURES[digest])
    except KeyError:
        raise LocalProtocolError(f"an EC key does not sign with {digest.value}") from None


def require_floor(algorithm: Digest | Cipher, floor: Floor, peer: str) -> None:
    """Refuses what the floor does not allow.

    Args:
        algorithm: the peer's choice.
        floor: the floor in force.
        peer: ``server``, ``client`` or ``""``.

    Raises:
        UnsupportedAlgorithmError: naming algorithm, floor and the floor that would allow it.
    """
    if not floor.allows(algorithm):
        raise UnsupportedAlgorithmError(
            algorithm.value,
            floor=floor.value,
            allowed_by=lowest_floor(algorithm).value,
            peer=peer,
        )


def unknown_algorithm(name: str, floor: Floor, peer: str) -> UnsupportedAlgorithmError:
    """The refusal of an algorithm that no floor allows."""
    return UnsupportedAlgorithmError(name, floor=floor.value, allowed_by=None, peer=peer)


def is_signature_valid(
    public_key: PublicKeyTypes, signature: bytes, data: bytes, digest: Digest
) -> bool:
    """Whether the signature over the data verifies; false for key types that cannot say."""
    try:
        if isinstance(public_key, RSAPublicKey):
            public_key.verify(signature, data, _PKCS1V15, HASHES[digest])
            return True
        if isinstance(public_key, EllipticCurvePublicKey):
            public_key.verify(signature, data, ECDSA(HASHES[digest]))
            return True
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return False
