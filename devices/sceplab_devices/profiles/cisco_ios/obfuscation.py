"""Type 7 passwords of a configuration: they hide a password from a glance, nothing more."""

from __future__ import annotations

# The key every IOS box shares.
_KEY = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87"
_MAX_SEED = 15


def obfuscate(password: str) -> str:
    """Type 7 text of ``password``. The start position depends on the password alone."""
    plain = password.encode()
    seed = sum(plain) % (_MAX_SEED + 1)
    return f"{seed:02d}" + _mix(plain, seed).hex().upper()


def reveal(text: str) -> str | None:
    """The password behind a type 7 text; ``None`` when it is none."""
    try:
        seed = int(text[:2])
        return _mix(bytes.fromhex(text[2:]), seed).decode()
    except ValueError:
        return None


def _mix(data: bytes, seed: int) -> bytes:
    return bytes(byte ^ _KEY[(seed + index) % len(_KEY)] for index, byte in enumerate(data))
