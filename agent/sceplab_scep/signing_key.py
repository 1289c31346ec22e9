"""Lets the builders of ``cryptography.x509`` sign with a key they never see.

The builders accept any subclass of the library's abstract private keys; these can sign, and
nothing else.
"""

from __future__ import annotations

from typing import NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding, PKCS1v15

from sceplab_scep.ports import MessageSigner

_REFUSAL = "the private key stays in its key store"


def signing_key(signer: MessageSigner) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    """A key object for ``x509.*Builder.sign``; signing is all it can do.

    The builders themselves refuse SHA-1 and MD5.
    """
    public_key = signer.public_key
    if isinstance(public_key, rsa.RSAPublicKey):
        return _RsaSigningKey(signer, public_key)
    return _EcSigningKey(signer, public_key)


class _RsaSigningKey(rsa.RSAPrivateKey):
    """RSA key that signs through a key handle."""

    def __init__(self, signer: MessageSigner, public_key: rsa.RSAPublicKey) -> None:
        self._signer = signer
        self._public_key = public_key

    def sign(
        self, data: bytes | bytearray | memoryview, padding: AsymmetricPadding, algorithm: object
    ) -> bytes:
        if not isinstance(padding, PKCS1v15) or not isinstance(algorithm, hashes.HashAlgorithm):
            raise TypeError("only PKCS#1 v1.5 over data that is not hashed yet")
        return self._signer.sign(bytes(data), algorithm)

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public_key

    def decrypt(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError(_REFUSAL)

    def private_numbers(self) -> NoReturn:
        raise TypeError(_REFUSAL)

    def private_bytes(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError(_REFUSAL)

    def __copy__(self) -> _RsaSigningKey:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> _RsaSigningKey:
        return self


class _EcSigningKey(ec.EllipticCurvePrivateKey):
    """EC key that signs through a key handle."""

    def __init__(self, signer: MessageSigner, public_key: ec.EllipticCurvePublicKey) -> None:
        self._signer = signer
        self._public_key = public_key

    def sign(
        self,
        data: bytes | bytearray | memoryview,
        signature_algorithm: ec.EllipticCurveSignatureAlgorithm,
    ) -> bytes:
        algorithm = signature_algorithm.algorithm
        if not isinstance(signature_algorithm, ec.ECDSA) or not isinstance(
            algorithm, hashes.HashAlgorithm
        ):
            raise TypeError("only ECDSA over data that is not hashed yet")
        return self._signer.sign(bytes(data), algorithm)

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public_key

    def exchange(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError(_REFUSAL)

    def private_numbers(self) -> NoReturn:
        raise TypeError(_REFUSAL)

    def private_bytes(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError(_REFUSAL)

    def __copy__(self) -> _EcSigningKey:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> _EcSigningKey:
        return self
