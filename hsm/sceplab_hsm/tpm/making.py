"""What a TPM store does beside using keys: making one, signing with its own, taking a PIN."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import hashes

from sceplab_hsm.api import KeyAlgorithm, KeyInfo
from sceplab_hsm.errors import SecretUnavailableError
from sceplab_hsm.secret import Secret
from sceplab_hsm.tpm.blobfile import ChipHeader, StoredKey
from sceplab_hsm.tpm.chip import TpmChip
from sceplab_hsm.tpm.key import signed
from sceplab_hsm.tpm.session import ChipSession
from sceplab_hsm.tpm.verifying import hash_of, load_public_key

_MAX_AUTH_BYTES = 32


def auth_value(pin: Secret) -> bytes:
    """The authorisation value a PIN stands for.

    Raises:
        SecretUnavailableError: it is empty.
    """
    if not pin:
        raise SecretUnavailableError("the PIN is empty; a store needs one")
    raw = pin.reveal().encode("utf-8", "surrogateescape")
    return raw if len(raw) <= _MAX_AUTH_BYTES else hashlib.sha256(raw).digest()


def make_key(
    session: ChipSession,
    key_id: str,
    algorithm: KeyAlgorithm,
    *,
    auth: bytes,
    dictionary_attack: bool,
    created_at: str,
) -> StoredKey:
    """Makes a key in the chip, under the storage key the session is bound to; writes no file.

    Raises:
        KeyStoreError: the chip is away or unwilling.
    """
    parent = session.parent_handle

    def work(chip: TpmChip) -> StoredKey:
        blobs = chip.create(parent, algorithm, auth=auth, dictionary_attack=dictionary_attack)
        handle = chip.load(parent, blobs)
        try:
            public_key_der = chip.public_key_der(handle)
        finally:
            chip.flush(handle)
        info = KeyInfo(
            key_id=key_id,
            algorithm=algorithm,
            public_key_der=public_key_der,
            exportable=False,
            created_at=created_at,
        )
        return StoredKey(info=info, blobs=blobs)

    session.unload()
    return session.run(work)


def sign_with(session: ChipSession, header: ChipHeader, auth: bytes, data: bytes) -> bytes:
    """Signature of the store key over the data (SHA-256; PKCS#1 v1.5 or ECDSA).

    Raises:
        StoreLockedError: the PIN is wrong.
        KeyStoreError: the chip is away or unwilling.
    """
    key = header.store_key
    public_key = load_public_key(key.info.public_key_der)
    scheme = "rsassa" if key.info.algorithm.is_rsa else "ecdsa"
    return session.with_key(
        key,
        lambda chip, handle: signed(
            chip,
            handle,
            auth,
            public_key=public_key,
            digest=hash_of(data, hashes.SHA256()),
            hash_algorithm=hashes.SHA256(),
            scheme=scheme,
        ),
    )
