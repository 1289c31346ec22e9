"""Private keys that an operator brings to a device or takes away from it.

Between here and the key store a key is encrypted PKCS#8 under a passphrase that nobody else has.
"""

from __future__ import annotations

import secrets

from sceplab_devices.errors import DeviceError
from sceplab_hsm.api import KeyStore
from sceplab_hsm.errors import KeyMoveError, KeyNotFoundError, KeyStoreError
from sceplab_hsm.moving import decrypt_key, encrypt_key, mover_of
from sceplab_hsm.secret import Secret
from sceplab_lab.key_pem import PrivateKey

_PASSPHRASE_BYTES = 32


def take_in(store: KeyStore, key_id: str, private_key: PrivateKey, *, exportable: bool) -> None:
    """Puts a key into the store.

    Raises:
        DeviceError: the store makes its keys itself, does not keep this type, or fails.
    """
    passphrase = _one_way_passphrase()
    try:
        mover = mover_of(store)
        pkcs8 = encrypt_key(private_key, passphrase)
        mover.import_key(key_id, pkcs8, passphrase, exportable=exportable)
    except KeyStoreError as error:
        raise DeviceError(str(error)) from error


def give_out(store: KeyStore, key_id: str, label: str) -> PrivateKey:
    """A key of the store.

    Args:
        store: has it.
        key_id: its name there.
        label: what the console calls it.

    Raises:
        DeviceError: there is none, it is not exportable, or the store fails.
    """
    passphrase = _one_way_passphrase()
    try:
        return decrypt_key(mover_of(store).export_key(key_id, passphrase), passphrase)
    except KeyNotFoundError as error:
        raise DeviceError(f"there is no key pair {label}") from error
    except KeyMoveError as error:
        raise DeviceError(f"key pair {label} is not exportable") from error
    except KeyStoreError as error:
        raise DeviceError(str(error)) from error


def _one_way_passphrase() -> Secret:
    return Secret(secrets.token_hex(_PASSPHRASE_BYTES))
