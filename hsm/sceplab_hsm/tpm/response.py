"""What a chip's refusals mean: response codes to errors of key stores.

Spec: TPM 2.0 Library, part 2, section 6.6 (response codes).
"""

from __future__ import annotations

from sceplab_hsm.errors import (
    KeyDamagedError,
    KeyStoreError,
    LockoutError,
    MechanismUnsupportedError,
    StoreBusyError,
    StoreFullError,
    StoreLockedError,
    StoreUnavailableError,
)
from sceplab_hsm.tpm.chip import TpmError

_FORMAT_ONE = 0x080
_INITIALIZE = 0x100
_FAILURE = 0x101
_INTEGRITY = 0x09F
_LOCKOUT = 0x921
_NV_DEFINED = 0x14C
_AUTH = frozenset({0x08E, 0x0A2})  # AUTH_FAIL counts as a try, BAD_AUTH (of NODA objects) not
_REFUSED = frozenset({0x081, 0x082, 0x083, 0x084, 0x089, 0x092, 0x095, 0x0A6, 0x143})
_NO_ROOM = frozenset({0x14B, 0x903, 0x904, 0x905})
_NO_SLOT = frozenset({0x902, 0x906})
_BUSY = frozenset({0x908, 0x909, 0x90A, 0x920, 0x922, 0x923})
_NO_OBJECT = frozenset({0x08B, *range(0x910, 0x917)})
_OF_THE_OWNER = frozenset({"CreatePrimary", "EvictControl"})


def base_code(response_code: int) -> int:
    """The code without the number of the handle, session or parameter it complains about."""
    if response_code & _FORMAT_ONE:
        return response_code & 0x0BF
    return response_code & 0xFFF


def is_busy(error: TpmError) -> bool:
    """Whether the same command may go through a moment later."""
    return base_code(error.response_code) in _BUSY


def lacks_slot(error: TpmError) -> bool:
    """Whether the chip has no room to load another object."""
    return base_code(error.response_code) in _NO_SLOT


def lacks_object(error: TpmError) -> bool:
    """Whether a handle leads nowhere: flushed by somebody, or lost in a power cycle."""
    return base_code(error.response_code) in _NO_OBJECT


def is_taken(error: TpmError) -> bool:
    """Whether a persistent handle is in use."""
    return base_code(error.response_code) == _NV_DEFINED


def is_foreign(error: TpmError) -> bool:
    """Whether a key does not open under the parent: damaged, or of another chip."""
    return base_code(error.response_code) == _INTEGRITY


def is_about_access(error: TpmError) -> bool:
    """Whether the command was refused for who asked or when, not for what it was given."""
    code = base_code(error.response_code)
    return code in _AUTH | _BUSY | _NO_SLOT | _NO_OBJECT or code in {_LOCKOUT, _INITIALIZE}


def failure(error: TpmError, place: str, *, unlock_hint: str) -> KeyStoreError:
    """The error that callers of the store see.

    Args:
        error: as the chip gave it.
        place: the store, as error texts name it.
        unlock_hint: what clears a lockout.
    """
    code = base_code(error.response_code)
    raw = f"TPM2_{error.command}, code 0x{error.response_code:x}"
    if code in _AUTH and error.command in _OF_THE_OWNER:
        return StoreUnavailableError(
            f"the chip of {place} asks for the owner's authorisation ({raw}), and none is known "
            "here; clear it (tpm2_changeauth -c owner) or let its owner make the storage key"
        )
    if code in _AUTH:
        return StoreLockedError(f"the PIN of {place} is wrong")
    if code == _LOCKOUT:
        return LockoutError(
            f"the chip of {place} has locked itself after wrong PINs or power cuts and refuses "
            f"the right PIN too; wait, or {unlock_hint}"
        )
    if code in _BUSY:
        return StoreBusyError(f"the chip of {place} is busy ({raw}); try again")
    if code in _NO_ROOM | _NO_SLOT:
        return StoreFullError(
            f"the chip of {place} has no room ({raw}); other programs hold its slots or its memory"
        )
    if code in _REFUSED:
        return MechanismUnsupportedError(f"the chip of {place} cannot do this ({raw})")
    if code == _INITIALIZE:
        return StoreUnavailableError(
            f"the chip of {place} has power but was not started ({raw}); run: tpm2_startup -c"
        )
    if code == _INTEGRITY:
        return KeyDamagedError(f"a key of {place} does not open in this chip ({raw})")
    if code == _FAILURE:
        return StoreUnavailableError(
            f"the chip of {place} reports a failure ({raw}); when it stays, restart the chip"
        )
    return StoreUnavailableError(f"the chip of {place} refused ({raw})")
