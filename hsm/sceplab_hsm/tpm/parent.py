"""The storage key that all keys of a store hang under: made once, proved at every connection.

It is a primary key of the owner hierarchy, so the same chip makes the same one again until it is
cleared; the persistent handle only saves the making.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sceplab_hsm.errors import StoreUnavailableError, TokenMissingError
from sceplab_hsm.tpm.chip import TpmChip, TpmError
from sceplab_hsm.tpm.response import is_taken


def make_parent(chip: TpmChip, handle: int, place: str) -> bytes:
    """Finds the storage key at its handle, or puts it there; gives its public half, DER.

    Raises:
        StoreUnavailableError: something else is at the handle.
        TpmError: the chip refuses.
        TpmGoneError: the chip is away.
    """
    with _storage_key(chip) as fresh:
        public_key_der = chip.public_key_der(fresh)
        if handle not in chip.persistent_handles():
            _persist(chip, fresh, handle)
    if _public_key_at(chip, handle) != public_key_der:
        raise StoreUnavailableError(
            f"handle 0x{handle:08x} of the chip of {place} holds a key that is not ours, which is "
            f"left alone; choose a free one, for example parent=0x{handle + 1:08x}"
        )
    return public_key_der


def prove_parent(chip: TpmChip, handle: int, public_key_der: bytes, place: str) -> None:
    """Makes sure that the storage key of a store is at its handle; restores it when it is not.

    Raises:
        TokenMissingError: this is another chip, or it was cleared.
        StoreUnavailableError: something else is at the handle.
        TpmError: the chip refuses.
        TpmGoneError: the chip is away.
    """
    is_taken = handle in chip.persistent_handles()
    if is_taken and _public_key_at(chip, handle) == public_key_der:
        return
    with _storage_key(chip) as fresh:
        if chip.public_key_der(fresh) != public_key_der:
            raise TokenMissingError(
                f"the chip that answers for {place} is not the one its keys were made in, or it "
                "was cleared since; its storage key is another. Attach the right chip: no other "
                "opens these keys"
            )
        if is_taken:
            raise StoreUnavailableError(
                f"handle 0x{handle:08x} of the chip of {place} holds a key that is not ours; "
                f"remove that key (tpm2_evictcontrol -c 0x{handle:08x}), ours is then put back"
            )
        _persist(chip, fresh, handle)


def _persist(chip: TpmChip, fresh: int, handle: int) -> None:
    try:
        chip.evict_control(fresh, handle)
    except TpmError as error:
        if not is_taken(error):  # else another process was faster, with the same key
            raise


def _public_key_at(chip: TpmChip, handle: int) -> bytes | None:
    """Public half of what is at a persistent handle, ``None`` when it is no asymmetric key."""
    try:
        return chip.public_key_der(handle)
    except ValueError:
        return None


@contextlib.contextmanager
def _storage_key(chip: TpmChip) -> Iterator[int]:
    handle = chip.create_storage_key()
    try:
        yield handle
    finally:
        with contextlib.suppress(TpmError):
            chip.flush(handle)
