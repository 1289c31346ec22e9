"""From PKCS#11 return codes to errors that name the next step."""

from __future__ import annotations

from pkcs11 import exceptions as codes

from sceplab_hsm.errors import (
    KeyStoreError,
    LockoutError,
    MechanismUnsupportedError,
    StoreBusyError,
    StoreFullError,
    StoreLockedError,
    StoreUnavailableError,
    TokenMissingError,
)

_Row = tuple[tuple[type[codes.PKCS11Error], ...], type[KeyStoreError], str]

_ROWS: tuple[_Row, ...] = (
    (
        (codes.PinLocked,),
        LockoutError,
        "has locked its PIN after wrong tries; set a new one with the security officer's PIN "
        "(pkcs11-tool --init-pin --login --login-type so)",
    ),
    (
        (codes.PinIncorrect, codes.PinInvalid, codes.PinLenRange),
        StoreLockedError,
        "refuses the PIN; correct the secret that is referred to",
    ),
    (
        (codes.PinExpired, codes.UserPinNotInitialized),
        StoreLockedError,
        "has no PIN that is valid; set one (pkcs11-tool --init-pin --login --login-type so)",
    ),
    (
        (codes.TokenNotPresent, codes.TokenNotRecognised, codes.DeviceRemoved, codes.SlotIDInvalid),
        TokenMissingError,
        "is not there any more; insert it again",
    ),
    (
        (codes.DeviceMemory, codes.HostMemory),
        StoreFullError,
        "is full; delete keys that no certificate needs",
    ),
    (
        (codes.SessionCount, codes.OperationActive, codes.FunctionRejected),
        StoreBusyError,
        "is busy; try again",
    ),
    (
        (
            codes.MechanismInvalid,
            codes.MechanismParamInvalid,
            codes.KeySizeRange,
            codes.KeyTypeInconsistent,
            codes.FunctionNotSupported,
            codes.DomainParamsInvalid,
            codes.AttributeValueInvalid,
            codes.AttributeTypeInvalid,
            codes.TemplateInconsistent,
            codes.ArgumentsBad,
        ),
        MechanismUnsupportedError,
        "does not do this; `probe` shows what it can do",
    ),
    (
        (codes.TokenWriteProtected, codes.SessionReadOnly),
        StoreUnavailableError,
        "is write-protected; make it writable",
    ),
)
_FULL_WHILE_STORING = (codes.FunctionFailed,)
"""What SoftHSM says when its file system has no room."""


def name_of(error: codes.PKCS11Error) -> str:
    """The return code in words: the binding's class, or its text where it has no class for it."""
    if type(error) is codes.PKCS11Error:
        return str(error) or "an unknown return code"
    return type(error).__name__


def translate(error: codes.PKCS11Error, subject: str, *, is_storing: bool = False) -> KeyStoreError:
    """The error of ours for a return code.

    Args:
        error: as the binding raised it.
        subject: what failed, for the text: ``token 'lab'``.
        is_storing: whether something was being written to the token.
    """
    if is_storing and isinstance(error, _FULL_WHILE_STORING):
        return StoreFullError(
            f"{subject} did not take the key ({name_of(error)}): it is full, or its disk is"
        )
    for kinds, error_class, text in _ROWS:
        if isinstance(error, kinds):
            return error_class(f"{subject} {text} ({name_of(error)})")
    return StoreUnavailableError(
        f"{subject} failed ({name_of(error)}); try again, and when it stays so, look into the "
        "module's log"
    )
