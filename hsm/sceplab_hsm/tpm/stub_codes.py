"""Response codes of the stub: those that swtpm gives in the same place.

Spec: TPM 2.0 Library, part 2, 6.6 (TPM_RC).
"""

from __future__ import annotations

import enum


class ResponseCode(enum.IntEnum):
    """Why a command was refused, with the handle, session or parameter as the chip adds it."""

    FAILURE = 0x101
    """Also a broken padding, as libtpms has it; the chip goes on working."""
    NV_SPACE = 0x14B
    NV_DEFINED = 0x14C
    ENTRY_MISSING = 0x18B
    """No such persistent object."""
    NOT_A_PARENT = 0x18A
    NOT_FOR_THIS_USE = 0x19C
    PERSISTENT_RANGE = 0x1CD
    NOT_A_HANDLE = 0x184
    BAD_TRANSIENT = 0x1C4
    FLUSH_MISSING = 0x1CB
    SIZE = 0x095
    """A ciphertext of another length than the key."""
    PARAMETER_SIZE = 0x1D5
    """The first parameter: a digest, an authorisation value or a private blob."""
    INTEGRITY = 0x1DF
    """A blob of another chip or parent, or a changed one."""
    ALGORITHM = 0x2C4
    """A key type that the chip does not make."""
    SCHEME = 0x2D2
    OBJECT_MEMORY = 0x902
    REFERENCE_MISSING = 0x910
    """No such transient object."""
    LOCKOUT = 0x921
    AUTH_FAIL = 0x98E
    """A wrong value that was counted."""
    BAD_AUTH = 0x9A2
    """A wrong value that does not count."""
