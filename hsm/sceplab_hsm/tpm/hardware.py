"""Key stores ``tpm:``: keys in a real TPM 2.0, in hardware or swtpm.

``tpm:DIR[?tcti=KIND:SETTINGS][&da=on|off][&parent=HANDLE]``

* ``DIR`` holds the keys' blobs and a header that binds it to the chip.
* ``tcti`` is the way to the chip in the words of the TSS; ``device:/dev/tpmrm0`` unless said
  otherwise (the kernel's resource manager). For swtpm: ``swtpm:host=127.0.0.1,port=N``.
* ``da=on``: wrong PINs count in the chip's dictionary-attack counter, and so does every power cut
  without orderly shutdown after a key was used; at the limit the chip refuses the right PIN too.
  ``da=off``, the default: nothing counts, so power cuts never lock a device out, and who has
  chip and directory may guess PINs at the speed of the chip. For a new store; others keep theirs.
* ``parent``: persistent handle of the storage key, ``0x81000001`` unless said otherwise; for a new
  store, when that handle is taken (by an operating system, or by a token of libtpm2_pkcs11).

The chip must let the owner hierarchy make the storage key (no owner password) when the store is
made, and once more should the persistent handle get lost. Keys do not survive a clearing of the
chip and open in no other. PIN and decrypted content pass between process and chip in clear.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sceplab_hsm.api import Clock, KeyResidence, SecretProvider, StoreFactory
from sceplab_hsm.errors import StoreUriError
from sceplab_hsm.tpm.chip import PARENT_HANDLE, TpmChip
from sceplab_hsm.tpm.chiplock import lock_path_of
from sceplab_hsm.tpm.esapi import connect_esapi, load_binding
from sceplab_hsm.tpm.store import ChipStoreSettings, TpmKeyStore, open_chip_store
from sceplab_hsm.uri import DirectoryUri

DEFAULT_TCTI = "device:/dev/tpmrm0"

_OPTIONS = ("tcti", "da", "parent")
_WITHOUT_MANAGER = frozenset({"mssim", "swtpm"})
"""Connections that several processes can have without being kept apart."""
_TCTI = re.compile(r"[a-z]+(:[!-~]*)?")
_HANDLE = re.compile(r"0x81[0-9a-f]{6}")


def open_store(
    uri: str, secrets: SecretProvider, *, create: bool = False, now: Clock | None = None
) -> TpmKeyStore:
    """Opens a directory store over a real TPM, or makes one.

    Args:
        uri: as the module says.
        secrets: asked once for the PIN, after everything else has been checked.
        create: make the directory, the storage key and the store when there is none.
        now: stamps new keys, UTC; ``None`` leaves ``created_at`` empty.

    Raises:
        StoreUriError: the URI is wrong.
        ModuleMissingError: the extra ``tpm`` or a library of the TSS is not installed.
        KeyStoreError: as `open_chip_store`.
    """
    parsed = DirectoryUri.parse(uri, options=_OPTIONS)
    tcti = _tcti_of(parsed, uri)
    settings = ChipStoreSettings(
        residence=KeyResidence.TPM,
        dictionary_attack=_is_counted(parsed, uri),
        parent_handle=_parent_of(parsed, uri),
        unlock_hint=f"clear it: tpm2_dictionarylockout -c -T {tcti}",
        lock_path=lock_path_of(tcti) if tcti.partition(":")[0] in _WITHOUT_MANAGER else None,
    )
    load_binding()
    return open_chip_store(
        uri,
        parsed.path,
        lambda: connect_esapi(tcti),
        secrets,
        create=create,
        now=now,
        settings=settings,
    )


def connect_chip(uri: str) -> TpmChip:
    """The chip of a store, without opening the store: for its lockout state and its clearing.

    Raises:
        StoreUriError: the URI is wrong.
        ModuleMissingError: the extra ``tpm`` or a library of the TSS is not installed.
        TokenMissingError: there is no chip.
        StoreUnavailableError: it is there and does not answer.
    """
    return connect_esapi(_tcti_of(DirectoryUri.parse(uri, options=_OPTIONS), uri))


def _tcti_of(parsed: DirectoryUri, uri: str) -> str:
    tcti = parsed.options.get("tcti", DEFAULT_TCTI)
    if _TCTI.fullmatch(tcti) is None:
        raise StoreUriError(
            f"'{uri}': write tcti=KIND:SETTINGS, for example tcti=swtpm:host=127.0.0.1,port=2321"
        )
    return tcti


def _is_counted(parsed: DirectoryUri, uri: str) -> bool:
    try:
        return {"on": True, "off": False}[parsed.options.get("da", "off")]
    except KeyError as error:
        raise StoreUriError(f"'{uri}': da is 'on' or 'off'") from error


def _parent_of(parsed: DirectoryUri, uri: str) -> int:
    text = parsed.options.get("parent", hex(PARENT_HANDLE)).lower()
    if _HANDLE.fullmatch(text) is None:
        raise StoreUriError(f"'{uri}': parent is a persistent handle, 0x81000000 to 0x81ffffff")
    return int(text, 16)


if TYPE_CHECKING:
    _PROOF: StoreFactory = open_store  # store, handles and factory fit the interface
