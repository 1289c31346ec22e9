"""Public areas as a TPM writes them: what a key is, what it may do, and its public half.

Spec: TPM 2.0 Library, part 2, 12.2.4 (TPMT_PUBLIC) and 8.3 (TPMA_OBJECT).
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.stored_key import PublicKey

RSA_BITS = {KeyAlgorithm.RSA_2048: 2048, KeyAlgorithm.RSA_3072: 3072}
CURVES: dict[KeyAlgorithm, ec.EllipticCurve] = {
    KeyAlgorithm.EC_P256: ec.SECP256R1(),
    KeyAlgorithm.EC_P384: ec.SECP384R1(),
}

_ALG_RSA = 0x0001
_ALG_ECC = 0x0023
_ALG_SHA256 = 0x000B
_ALG_NULL = 0x0010
_AES_128_CFB = struct.pack(">HHH", 0x0006, 128, 0x0043)
_NO_SYMMETRIC = struct.pack(">H", _ALG_NULL)
_HEAD = struct.Struct(">HHIH")
_RSA_PARAMETERS = struct.Struct(">HHI")
_ECC_PARAMETERS = struct.Struct(">HHH")
_CURVE_NUMBERS = {KeyAlgorithm.EC_P256: 0x0003, KeyAlgorithm.EC_P384: 0x0004}
_EXPONENT = 65537


class Attributes(enum.IntFlag):
    """What a key may do (``TPMA_OBJECT``)."""

    FIXED_TPM = 0x2
    FIXED_PARENT = 0x10
    SENSITIVE_DATA_ORIGIN = 0x20
    USER_WITH_AUTH = 0x40
    NO_DA = 0x400
    RESTRICTED = 0x10000
    DECRYPT = 0x20000
    SIGN = 0x40000


FIXED_HERE = (
    Attributes.FIXED_TPM
    | Attributes.FIXED_PARENT
    | Attributes.SENSITIVE_DATA_ORIGIN
    | Attributes.USER_WITH_AUTH
)
STORAGE = FIXED_HERE | Attributes.NO_DA | Attributes.RESTRICTED | Attributes.DECRYPT


@dataclass(frozen=True, slots=True)
class PublicArea:
    """``TPMT_PUBLIC`` with scheme NULL and without a policy."""

    algorithm: KeyAlgorithm
    attributes: Attributes
    key: PublicKey

    def encode(self) -> bytes:
        """``TPM2B_PUBLIC``."""
        key = self.key
        if isinstance(key, rsa.RSAPublicKey):
            body = _head(_ALG_RSA, self.attributes) + _NO_SYMMETRIC
            # Exponent 0 stands for 65537.
            body += _RSA_PARAMETERS.pack(_ALG_NULL, key.key_size, 0)
            body += _sized(key.public_numbers().n.to_bytes(key.key_size // 8))
            return _sized(body)
        numbers, size = key.public_numbers(), key.key_size // 8
        body = _head(_ALG_ECC, self.attributes)
        body += _AES_128_CFB if self.attributes & Attributes.RESTRICTED else _NO_SYMMETRIC
        body += _ECC_PARAMETERS.pack(_ALG_NULL, _CURVE_NUMBERS[self.algorithm], _ALG_NULL)
        body += _sized(numbers.x.to_bytes(size)) + _sized(numbers.y.to_bytes(size))
        return _sized(body)

    @classmethod
    def decode(cls, content: bytes) -> PublicArea:
        """Reads what `encode` writes, and nothing else.

        Raises:
            ValueError: it is something else.
        """
        try:
            area = cls._read(content)
        except (struct.error, StopIteration) as error:
            raise ValueError("not a public area of the stub") from error
        if area.encode() != content:
            raise ValueError("not a public area of the stub")
        return area

    @classmethod
    def _read(cls, content: bytes) -> PublicArea:
        kind, _, attributes, _ = _HEAD.unpack_from(content, 2)
        start = 2 + _HEAD.size
        if kind == _ALG_RSA:
            _, bits, _ = _RSA_PARAMETERS.unpack_from(content, start + len(_NO_SYMMETRIC))
            modulus, _ = _take(content, start + len(_NO_SYMMETRIC) + _RSA_PARAMETERS.size)
            algorithm = next(item for item, size in RSA_BITS.items() if size == bits)
            key: PublicKey = rsa.RSAPublicNumbers(_EXPONENT, int.from_bytes(modulus)).public_key()
        else:
            restricted = attributes & Attributes.RESTRICTED
            start += len(_AES_128_CFB if restricted else _NO_SYMMETRIC)
            _, number, _ = _ECC_PARAMETERS.unpack_from(content, start)
            x, start = _take(content, start + _ECC_PARAMETERS.size)
            y, _ = _take(content, start)
            algorithm = next(item for item, curve in _CURVE_NUMBERS.items() if curve == number)
            key = ec.EllipticCurvePublicNumbers(
                int.from_bytes(x), int.from_bytes(y), CURVES[algorithm]
            ).public_key()
        return cls(algorithm, Attributes(attributes), key)


def _head(kind: int, attributes: Attributes) -> bytes:
    return _HEAD.pack(kind, _ALG_SHA256, attributes, 0)


def _sized(content: bytes) -> bytes:
    return struct.pack(">H", len(content)) + content


def _take(content: bytes, start: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">H", content, start)
    end = start + 2 + size
    return content[start + 2 : end], end
