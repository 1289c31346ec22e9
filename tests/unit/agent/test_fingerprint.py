"""CA fingerprints in the forms people paste."""

from __future__ import annotations

import pytest

from sceplab_agent.core.policy import PinAlgorithm
from sceplab_agent.fingerprint import format_pin, parse_fingerprint, parse_legacy_fingerprint

SHA256 = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "text",
    [
        SHA256,
        SHA256.upper(),
        f"sha256:{SHA256}",
        f"SHA256: {SHA256}",
        ":".join(SHA256[i : i + 2] for i in range(0, 64, 2)),
        " ".join(SHA256[i : i + 8] for i in range(0, 64, 8)),
        "sha256:" + ":".join(SHA256[i : i + 2] for i in range(0, 64, 2)),
    ],
)
def test_sha256_is_read_in_every_form(text: str) -> None:
    """Colons, spaces, case and the prefix do not matter."""
    pin = parse_fingerprint(text)
    assert pin.algorithm is PinAlgorithm.SHA256
    assert pin.digest.hex() == SHA256
    assert format_pin(pin) == f"sha256:{SHA256}"


@pytest.mark.parametrize("text", ["a" * 40, "sha1:" + "a" * 40, "b" * 32, "md5:" + "b" * 32])
def test_weak_fingerprint_needs_its_label(text: str) -> None:
    """SHA-1 and MD5 are refused here, with the way to write them on purpose."""
    with pytest.raises(ValueError, match=r'weak.*legacy_fingerprint = "(sha1|md5):'):
        parse_fingerprint(text)


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        ("sha1:" + "a" * 40, PinAlgorithm.SHA1),
        ("md5:" + "AB " * 16, PinAlgorithm.MD5),
        ("MD5:" + ":".join(["ab"] * 16), PinAlgorithm.MD5),
    ],
)
def test_labelled_legacy_fingerprint_is_read(text: str, algorithm: PinAlgorithm) -> None:
    """With its label a weak hash is accepted."""
    assert parse_legacy_fingerprint(text).algorithm is algorithm


@pytest.mark.parametrize("text", ["a" * 40, "b" * 32, SHA256, f"sha256:{SHA256}", ""])
def test_legacy_fingerprint_without_label_is_refused(text: str) -> None:
    """The length alone does not make a weak pin."""
    with pytest.raises(ValueError, match="must start with sha1: or md5:"):
        parse_legacy_fingerprint(text)


@pytest.mark.parametrize("text", ["", "sha256:", "abc", "sha256:" + "a" * 63, SHA256 + "00"])
def test_wrong_length_is_told(text: str) -> None:
    """The number of digits expected and found is named."""
    with pytest.raises(ValueError, match="must have 64 hexadecimal digits, not"):
        parse_fingerprint(text)


def test_other_characters_are_told() -> None:
    """The right length of something else is no fingerprint."""
    with pytest.raises(ValueError, match="must be hexadecimal"):
        parse_fingerprint("z" * 64)
