"""Signatures through a token: which mechanism, what it is given, what becomes of its answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import (
    MGF1,
    PSS,
    AsymmetricPadding,
    PKCS1v15,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11 import MGF, Mechanism

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import MechanismUnsupportedError
from sceplab_hsm.pkcs11.abilities import EC_BITS


@dataclass(frozen=True, slots=True)
class _Hash:
    digest: Callable[[bytes], Any]
    pkcs1: Mechanism
    pss: Mechanism
    mechanism: Mechanism
    mgf: MGF
    digest_info: bytes
    """DER in front of the digest. Spec: RFC 8017 §9.2, note 1."""


_HASHES = {
    "sha1": _Hash(
        hashlib.sha1,
        Mechanism.SHA1_RSA_PKCS,
        Mechanism.SHA1_RSA_PKCS_PSS,
        Mechanism.SHA_1,
        MGF.SHA1,
        bytes.fromhex("3021300906052b0e03021a05000414"),
    ),
    "sha256": _Hash(
        hashlib.sha256,
        Mechanism.SHA256_RSA_PKCS,
        Mechanism.SHA256_RSA_PKCS_PSS,
        Mechanism.SHA256,
        MGF.SHA256,
        bytes.fromhex("3031300d060960864801650304020105000420"),
    ),
    "sha384": _Hash(
        hashlib.sha384,
        Mechanism.SHA384_RSA_PKCS,
        Mechanism.SHA384_RSA_PKCS_PSS,
        Mechanism.SHA384,
        MGF.SHA384,
        bytes.fromhex("3041300d060960864801650304020205000430"),
    ),
    "sha512": _Hash(
        hashlib.sha512,
        Mechanism.SHA512_RSA_PKCS,
        Mechanism.SHA512_RSA_PKCS_PSS,
        Mechanism.SHA512,
        MGF.SHA512,
        bytes.fromhex("3051300d060960864801650304020305000440"),
    ),
}


@dataclass(frozen=True, slots=True)
class SigningPlan:
    """How one kind of signature is made."""

    prepare: Callable[[bytes], bytes] | None
    """From the data to what the mechanism signs; ``None``: the data itself."""
    mechanism: Mechanism
    parameter: tuple[Mechanism, MGF, int] | None
    finish: Callable[[bytes], bytes] | None
    """From the token's answer to the signature; ``None``: as it is."""


def plan_signature(
    algorithm: KeyAlgorithm,
    hash_algorithm: hashes.HashAlgorithm,
    padding: AsymmetricPadding | None,
    offered: AbstractSet[Mechanism | int],
) -> SigningPlan:
    """Chooses the mechanism.

    Args:
        algorithm: of the key.
        hash_algorithm: of the signature.
        padding: of the signature, RSA only; ``None`` is PKCS#1 v1.5.
        offered: mechanisms of the token.

    Raises:
        MechanismUnsupportedError: the key or token cannot make such a signature.
    """
    hash_ = _HASHES.get(hash_algorithm.name)
    if hash_ is None:
        raise MechanismUnsupportedError(f"no signature with {hash_algorithm.name}")
    plan = None
    if not algorithm.is_rsa:
        if padding is None and Mechanism.ECDSA in offered:
            plan = _ecdsa(hash_, EC_BITS[algorithm] // 8)
    elif padding is None or isinstance(padding, PKCS1v15):
        plan = _pkcs1(hash_, offered)
    elif _is_plain_pss(padding, hash_algorithm):
        plan = _pss(hash_, hash_algorithm.digest_size, offered)
    if plan is None:
        how = "" if padding is None else f" and {padding.name}"
        raise MechanismUnsupportedError(
            f"no {algorithm.value} signature with {hash_algorithm.name}{how} in this token"
        )
    return plan


def _is_plain_pss(padding: AsymmetricPadding, hash_algorithm: hashes.HashAlgorithm) -> bool:
    mgf = MGF1(hash_algorithm)
    return padding in (PSS(mgf, hash_algorithm.digest_size), PSS(mgf, PSS.DIGEST_LENGTH))


def _pkcs1(hash_: _Hash, offered: AbstractSet[Mechanism | int]) -> SigningPlan | None:
    if hash_.pkcs1 in offered:
        return SigningPlan(None, hash_.pkcs1, None, None)
    if Mechanism.RSA_PKCS in offered:
        return SigningPlan(
            lambda data: hash_.digest_info + hash_.digest(data).digest(),
            Mechanism.RSA_PKCS,
            None,
            None,
        )
    return None


def _pss(
    hash_: _Hash, salt_length: int, offered: AbstractSet[Mechanism | int]
) -> SigningPlan | None:
    parameter = (hash_.mechanism, hash_.mgf, salt_length)
    if hash_.pss in offered:
        return SigningPlan(None, hash_.pss, parameter, None)
    if Mechanism.RSA_PKCS_PSS in offered:
        return SigningPlan(
            lambda data: bytes(hash_.digest(data).digest()),
            Mechanism.RSA_PKCS_PSS,
            parameter,
            None,
        )
    return None


def _ecdsa(hash_: _Hash, size: int) -> SigningPlan:
    # The digest's leftmost bits count, as many as the curve's order has; some tokens take no more.
    def prepare(data: bytes) -> bytes:
        return bytes(hash_.digest(data).digest()[:size])

    return SigningPlan(prepare, Mechanism.ECDSA, None, _encode_ecdsa)


def _encode_ecdsa(answer: bytes) -> bytes:
    half = len(answer) // 2
    return encode_dss_signature(
        int.from_bytes(answer[:half], "big"), int.from_bytes(answer[half:], "big")
    )
