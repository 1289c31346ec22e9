"""Algorithms by name, and the three floors of strength below which nothing is used.

Spec: RFC 8894 §2.9, §3.5.2, §7.5; checklist 16.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Digest(enum.Enum):
    """Digest algorithms a peer may use. The value is the name shown to people."""

    MD5 = "md5"
    SHA1 = "sha1"
    SHA224 = "sha224"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"

    __hash__ = object.__hash__  # members are unique; Enum's own hash is Python code


class Cipher(enum.Enum):
    """Content encryption algorithms a peer may use."""

    DES_CBC = "des-cbc"
    DES_EDE3_CBC = "des-ede3-cbc"
    AES128_CBC = "aes-128-cbc"
    AES192_CBC = "aes-192-cbc"
    AES256_CBC = "aes-256-cbc"

    __hash__ = object.__hash__


class KeyTransport(enum.Enum):
    """How a content key travels to an RSA recipient."""

    PKCS1V15 = "rsa-pkcs1v15"
    OAEP_SHA1 = "rsa-oaep-sha1"
    OAEP_SHA256 = "rsa-oaep-sha256"

    __hash__ = object.__hash__


class Floor(enum.Enum):
    """Lower bound of algorithm strength, per trustpoint and per server profile.

    ``MODERN``: AES, SHA-2. ``NDES`` adds 3DES and SHA-1, what a real NDES needs. ``LAB`` adds
    single DES and MD5, what micromdm and old IOS write.
    """

    MODERN = "modern"
    NDES = "ndes"
    LAB = "lab"

    __hash__ = object.__hash__

    def allows(self, algorithm: Digest | Cipher) -> bool:
        """Whether this floor lets the algorithm pass."""
        return algorithm in _ALLOWED[self]


_WEAK: dict[Digest | Cipher, Floor] = {
    Digest.SHA1: Floor.NDES,
    Cipher.DES_EDE3_CBC: Floor.NDES,
    Digest.MD5: Floor.LAB,
    Cipher.DES_CBC: Floor.LAB,
}


def lowest_floor(algorithm: Digest | Cipher) -> Floor:
    """The strictest floor that still allows the algorithm."""
    return _WEAK.get(algorithm, Floor.MODERN)


_ALLOWED: dict[Floor, frozenset[Digest | Cipher]] = {
    floor: frozenset(
        algorithm
        for algorithm in (*Digest, *Cipher)
        if list(Floor).index(lowest_floor(algorithm)) <= list(Floor).index(floor)
    )
    for floor in Floor
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmSuite:
    """What one message is written with."""

    digest: Digest = Digest.SHA256
    """Digest of the SignerInfo, the CSR and the self-signed certificate alike (checklist F-07)."""
    cipher: Cipher = Cipher.AES128_CBC
    key_transport: KeyTransport = KeyTransport.PKCS1V15
