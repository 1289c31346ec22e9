"""CA fingerprints as people write them.

Spec: checklist 15.2.
"""

from __future__ import annotations

from sceplab_agent.core.policy import CaPin, PinAlgorithm

_HEX_DIGITS = {PinAlgorithm.SHA256: 64, PinAlgorithm.SHA1: 40, PinAlgorithm.MD5: 32}
_LEGACY = (PinAlgorithm.SHA1, PinAlgorithm.MD5)


def parse_fingerprint(text: str) -> CaPin:
    """A SHA-256 fingerprint: ``sha256:HEX`` or 64 hexadecimal digits.

    Colons, spaces, hyphens and case do not matter.

    Raises:
        ValueError: anything else; a weaker hash is named with the way to write it.
    """
    algorithm, digest = _read(text)
    if algorithm in _LEGACY:
        raise ValueError(
            f"is a {algorithm.name} fingerprint, which is weak; use SHA-256, or write "
            f'legacy_fingerprint = "{algorithm.value}:..." if the CA shows nothing better'
        )
    return CaPin(algorithm=algorithm, digest=digest)


def parse_legacy_fingerprint(text: str) -> CaPin:
    """A SHA-1 or MD5 fingerprint, ``sha1:HEX`` or ``md5:HEX``; the name has to be written.

    Raises:
        ValueError: anything else.
    """
    name = text.partition(":")[0].strip().lower()
    if name not in {algorithm.value for algorithm in _LEGACY}:
        raise ValueError("must start with sha1: or md5: (a SHA-256 one goes into fingerprint)")
    algorithm, digest = _read(text)
    return CaPin(algorithm=algorithm, digest=digest)


def format_pin(pin: CaPin) -> str:
    """The pin as configuration files write it."""
    return f"{pin.algorithm.value}:{pin.digest.hex()}"


def _read(text: str) -> tuple[PinAlgorithm, bytes]:
    name, separator, rest = text.partition(":")
    named = next((a for a in PinAlgorithm if a.value == name.strip().lower()), None)
    if named is None or not separator:
        rest = text
    digits = "".join(char for char in rest if char not in ": -")
    by_length = next((a for a, length in _HEX_DIGITS.items() if length == len(digits)), None)
    algorithm = named or by_length
    if algorithm is None or len(digits) != _HEX_DIGITS[algorithm]:
        expected = _HEX_DIGITS[named or PinAlgorithm.SHA256]
        raise ValueError(f"must have {expected} hexadecimal digits, not {len(digits)}")
    try:
        return algorithm, bytes.fromhex(digits)
    except ValueError as error:
        raise ValueError("must be hexadecimal") from error
