"""Key objects in a token: finding them, reading their public half, making and destroying them.

A key is a private and a public object with one ``CKA_ID`` and the key's name as ``CKA_LABEL``.
Everything here is called under the module's lock and raises the binding's errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pkcs11
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11 import exceptions as codes
from pkcs11.constants import DEFAULT

from sceplab_hsm.api import KeyAlgorithm, KeyInfo
from sceplab_hsm.pkcs11.abilities import RSA_BITS

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_CURVES: dict[bytes, tuple[KeyAlgorithm, ec.EllipticCurve]] = {
    bytes.fromhex("06082a8648ce3d030107"): (KeyAlgorithm.EC_P256, ec.SECP256R1()),
    bytes.fromhex("06052b81040022"): (KeyAlgorithm.EC_P384, ec.SECP384R1()),
}
"""CKA_EC_PARAMS: the curve's object identifier, DER."""
_BITS_TO_RSA = {bits: algorithm for algorithm, bits in RSA_BITS.items()}
_KEEP = {Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
_UNSAID = {Attribute.VERIFY: DEFAULT, Attribute.ENCRYPT: DEFAULT}
"""Left to the token: libtpm2_pkcs11 refuses an EC key of which either is said."""
_SIGNING = MechanismFlag.SIGN | MechanismFlag.VERIFY
_DECRYPTING = MechanismFlag.DECRYPT | MechanismFlag.ENCRYPT


class ForeignKeyError(Exception):
    """A key of a type that the interface does not know, or without its public half."""


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A private key object and what is public of it."""

    private: Any
    """The binding's object; good for as long as its session."""
    cka_id: bytes
    algorithm: KeyAlgorithm
    public_key: PublicKey
    exportable: bool

    def info(self, key_id: str) -> KeyInfo:
        """The key as a listing shows it. Tokens keep no time of making."""
        return KeyInfo(
            key_id=key_id,
            algorithm=self.algorithm,
            public_key_der=self.public_key.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
            exportable=self.exportable,
            created_at="",
        )


def private_objects(
    session: pkcs11.Session, label: str | None, cka_id: bytes | None
) -> list[pkcs11.Object]:
    """Private keys of that name and identifier; ``None`` fits everything."""
    template: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.PRIVATE_KEY}
    if label is not None:
        template[Attribute.LABEL] = label
    if cka_id is not None:
        template[Attribute.ID] = cka_id
    return list(session.get_objects(template))


def read_key(session: pkcs11.Session, private: Any) -> FoundKey:
    """Reads what is public of a private key object.

    Raises:
        ForeignKeyError: of another type or size, or the public half is missing.
    """
    wanted = [Attribute.KEY_TYPE, Attribute.ID, Attribute.EXTRACTABLE]
    read = private.get_attributes(wanted)
    cka_id = bytes(read.get(Attribute.ID) or b"")
    if read[Attribute.KEY_TYPE] is KeyType.RSA:
        algorithm, public_key = _read_rsa(session, private, cka_id)
    elif read[Attribute.KEY_TYPE] is KeyType.EC:
        algorithm, public_key = _read_ec(session, cka_id)
    else:
        raise ForeignKeyError(f"it is of type {read[Attribute.KEY_TYPE]!s}")
    return FoundKey(private, cka_id, algorithm, public_key, bool(read.get(Attribute.EXTRACTABLE)))


def generate(session: pkcs11.Session, label: str, algorithm: KeyAlgorithm, cka_id: bytes) -> None:
    """Makes a key pair inside the token: sensitive and not extractable."""
    if algorithm.is_rsa:
        session.generate_keypair(
            KeyType.RSA,
            RSA_BITS[algorithm],
            id=cka_id,
            label=label,
            store=True,
            capabilities=_SIGNING | _DECRYPTING,
            private_template=_KEEP,
        )
        return
    parameters = next(item for item, (known, _) in _CURVES.items() if known is algorithm)
    session.create_domain_parameters(
        KeyType.EC, {Attribute.EC_PARAMS: parameters}, local=True
    ).generate_keypair(
        id=cka_id,
        label=label,
        store=True,
        capabilities=_SIGNING,
        public_template=_UNSAID,
        private_template=_KEEP,
    )


def signs_at_all(session: pkcs11.Session, algorithm: KeyAlgorithm) -> bool:
    """Whether the token signs with a key of this type, made to find out and gone afterwards."""
    try:
        if algorithm.is_rsa:
            pair = session.generate_keypair(
                KeyType.RSA, RSA_BITS[algorithm], store=False, capabilities=_SIGNING
            )
            mechanism, data = Mechanism.RSA_PKCS, b"proof"
        else:
            point = next(item for item, (known, _) in _CURVES.items() if known is algorithm)
            pair = session.create_domain_parameters(
                KeyType.EC, {Attribute.EC_PARAMS: point}, local=True
            ).generate_keypair(store=False, capabilities=_SIGNING, public_template=_UNSAID)
            mechanism, data = Mechanism.ECDSA, bytes(range(32))
        try:
            private: Any = pair[1]
            private.sign(data, mechanism=mechanism)
        finally:
            for half in pair:
                half.destroy()
    except codes.PKCS11Error:
        return False
    return True


def destroy(session: pkcs11.Session, private: Any, label: str) -> None:
    """Destroys a key: the private half first, so that a crash in between leaves nothing of use."""
    cka_id = bytes(private[Attribute.ID])
    private.destroy()
    template = {
        Attribute.CLASS: ObjectClass.PUBLIC_KEY,
        Attribute.LABEL: label,
        Attribute.ID: cka_id,
    }
    for public in list(session.get_objects(template)):
        public.destroy()


def _read_rsa(
    session: pkcs11.Session, private: Any, cka_id: bytes
) -> tuple[KeyAlgorithm, PublicKey]:
    try:
        read = private.get_attributes([Attribute.MODULUS, Attribute.PUBLIC_EXPONENT])
        exponent, modulus = read[Attribute.PUBLIC_EXPONENT], read[Attribute.MODULUS]
    except (codes.AttributeTypeInvalid, KeyError):
        public = _public_object(session, cka_id)
        exponent, modulus = public[Attribute.PUBLIC_EXPONENT], public[Attribute.MODULUS]
    numbers = rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))
    algorithm = _BITS_TO_RSA.get(numbers.n.bit_length())
    if algorithm is None:
        raise ForeignKeyError(f"it is an RSA key of {numbers.n.bit_length()} bits")
    return algorithm, numbers.public_key()


def _read_ec(session: pkcs11.Session, cka_id: bytes) -> tuple[KeyAlgorithm, PublicKey]:
    public = _public_object(session, cka_id)
    known = _CURVES.get(bytes(public[Attribute.EC_PARAMS]))
    if known is None:
        raise ForeignKeyError("its curve is neither P-256 nor P-384")
    algorithm, curve = known
    # The point stands in an OCTET STRING; some tokens leave the wrapping out.
    size = 2 * ((curve.key_size + 7) // 8) + 1
    point = bytes(public[Attribute.EC_POINT])[-size:]
    try:
        return algorithm, ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    except ValueError as error:
        raise ForeignKeyError("its public half is no point of its curve") from error


def _public_object(session: pkcs11.Session, cka_id: bytes) -> Any:
    template = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.ID: cka_id}
    for public in list(session.get_objects(template)):
        return public
    raise ForeignKeyError("its public half is missing")
