"""RSA decryption through a token, OAEP included where the token itself has none for the hash."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import (
    MGF1,
    OAEP,
    AsymmetricPadding,
    PKCS1v15,
)
from pkcs11 import MGF, Mechanism

from sceplab_hsm.errors import MechanismUnsupportedError

_OAEP_HASHES = {
    "sha1": (Mechanism.SHA_1, MGF.SHA1),
    "sha256": (Mechanism.SHA256, MGF.SHA256),
    "sha384": (Mechanism.SHA384, MGF.SHA384),
    "sha512": (Mechanism.SHA512, MGF.SHA512),
}


class UnopenableError(ValueError):
    """The token works, and this ciphertext does not open."""


@dataclass(frozen=True, slots=True)
class DecryptionPlan:
    """One way to decrypt."""

    mechanism: Mechanism
    parameter: Any = None
    """As the binding takes it."""
    unpad_hash: str = ""
    """Hash of the OAEP padding that is removed here, after a raw RSA operation."""


def plan_decryption(
    padding: AsymmetricPadding, offered: AbstractSet[Mechanism | int]
) -> list[DecryptionPlan]:
    """Ways to decrypt, best first. The next one is for a token that refuses the parameters.

    Raises:
        MechanismUnsupportedError: there is none.
    """
    plans: list[DecryptionPlan] = []
    if isinstance(padding, PKCS1v15):
        if Mechanism.RSA_PKCS in offered:
            plans.append(DecryptionPlan(Mechanism.RSA_PKCS))
    elif isinstance(padding, OAEP):
        name = _plain_oaep_hash(padding)
        if name and Mechanism.RSA_PKCS_OAEP in offered:
            mechanism, mgf = _OAEP_HASHES[name]
            plans.append(DecryptionPlan(Mechanism.RSA_PKCS_OAEP, (mechanism, mgf, None)))
        if name and Mechanism.RSA_X_509 in offered:
            plans.append(DecryptionPlan(Mechanism.RSA_X_509, None, name))
    if not plans:
        raise MechanismUnsupportedError(f"the token has no decryption with padding {padding.name}")
    return plans


def own_ciphertext(
    public_key: rsa.RSAPublicKey, plan: DecryptionPlan, padding: AsymmetricPadding
) -> bytes:
    """What a working token opens with the private half, in the way of the plan."""
    if plan.mechanism is Mechanism.RSA_X_509:
        return (2).to_bytes(public_key.key_size // 8, "big")
    return public_key.encrypt(b"proof", padding)


def remove_oaep(block: bytes, size: int, hash_name: str) -> bytes:
    """Removes OAEP padding with an empty label.

    Args:
        block: as the raw RSA operation gives it.
        size: of the modulus, in bytes.
        hash_name: of hash and mask function.

    Raises:
        ValueError: the padding is wrong; one text for every reason.

    Spec: RFC 8017 §7.1.2, step 3.
    """
    block = block.rjust(size, b"\0")
    digest_size = hashlib.new(hash_name).digest_size
    masked_seed, masked = block[1 : 1 + digest_size], block[1 + digest_size :]
    seed = _xor(masked_seed, _mask(masked, digest_size, hash_name))
    data = _xor(masked, _mask(seed, len(masked), hash_name))
    label_hash, message = data[:digest_size], data[digest_size:].lstrip(b"\0")
    is_right = hmac.compare_digest(label_hash, hashlib.new(hash_name).digest())
    if not (is_right & (block[0] == 0) & (message[:1] == b"\1")):
        raise ValueError("wrong padding")
    return message[1:]


def _plain_oaep_hash(padding: OAEP) -> str:
    """The hash of an OAEP padding whose mask uses it too and whose label is empty, else ``""``."""
    algorithm = padding.algorithm
    plain = [OAEP(MGF1(algorithm), algorithm, label) for label in (None, b"")]
    return algorithm.name if padding in plain and algorithm.name in _OAEP_HASHES else ""


def _mask(seed: bytes, length: int, hash_name: str) -> bytes:
    blocks = -(-length // hashlib.new(hash_name).digest_size)
    return b"".join(
        hashlib.new(hash_name, seed + counter.to_bytes(4, "big")).digest()
        for counter in range(blocks)
    )[:length]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
