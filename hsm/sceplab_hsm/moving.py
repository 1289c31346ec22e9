"""Keys on their way into a store and out of it: always encrypted PKCS#8."""

from __future__ import annotations

from typing import cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_der_private_key,
)

from sceplab_hsm.api import KeyAlgorithm, KeyMover, KeyStore
from sceplab_hsm.errors import KeyMoveError, MechanismUnsupportedError
from sceplab_hsm.secret import Secret

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_METHODS = ("generate_exportable", "export_key", "import_key")
_CURVES = {"secp256r1": KeyAlgorithm.EC_P256, "secp384r1": KeyAlgorithm.EC_P384}


def mover_of(store: KeyStore) -> KeyMover:
    """The store as one that moves keys.

    Raises:
        MechanismUnsupportedError: its keys are made inside and stay there.
    """
    if not store.capabilities().moves_keys:
        raise MechanismUnsupportedError(
            f"{store.uri} takes no keys in and lets none out; make the key inside"
        )
    missing = [name for name in _METHODS if not callable(getattr(store, name, None))]
    if missing:
        raise MechanismUnsupportedError(
            f"{store.uri} says that it moves keys and lacks {', '.join(missing)}; tell its author"
        )
    return cast("KeyMover", store)


def encrypt_key(private_key: PrivateKey, passphrase: Secret) -> bytes:
    """The key as encrypted PKCS#8, DER.

    Raises:
        KeyMoveError: the passphrase is empty.
    """
    if not passphrase:
        raise KeyMoveError("a key leaves only encrypted; give a passphrase")
    encryption = BestAvailableEncryption(passphrase.reveal().encode())
    return private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, encryption)


def decrypt_key(pkcs8: bytes, passphrase: Secret, *, is_own: bool = False) -> PrivateKey:
    """The key of such a text.

    Args:
        pkcs8: DER.
        passphrase: under which it was encrypted.
        is_own: a store of ours has just made the text. Otherwise the parts of an RSA key are
            checked against each other, which costs as much as fifty signatures.

    Raises:
        KeyMoveError: wrong passphrase, not encrypted, or no private key.
        MechanismUnsupportedError: neither RSA nor EC.
    """
    try:
        private_key = load_der_private_key(
            pkcs8, passphrase.reveal().encode(), unsafe_skip_rsa_key_validation=is_own
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # No cause: its text may tell of the key.
        raise KeyMoveError("no encrypted PKCS#8 key, or wrong passphrase") from None
    if not isinstance(private_key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise MechanismUnsupportedError("only RSA and EC keys are kept")
    return private_key


def algorithm_of(private_key: PrivateKey) -> KeyAlgorithm:
    """Type and size of a key from outside.

    Raises:
        MechanismUnsupportedError: no store keeps such keys.
    """
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        name = private_key.curve.name
        found = _CURVES.get(name)
    else:
        name = f"rsa:{private_key.key_size}"
        found = next((known for known in KeyAlgorithm if known.value == name), None)
    if found is None:
        raise MechanismUnsupportedError(f"keys of type {name} are not kept")
    return found
