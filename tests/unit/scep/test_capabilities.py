"""GetCACaps bodies and the algorithms chosen from them."""

from __future__ import annotations

import pytest

from sceplab_scep.algorithms import Cipher, Digest, Floor
from sceplab_scep.capabilities import (
    MAX_BODY_BYTES,
    NO_CAPABILITIES,
    Capabilities,
    choose_algorithms,
    format_capabilities,
    parse_capabilities,
)
from sceplab_scep.errors import UnsupportedAlgorithmError

NDES = b"POSTPKIOperation\nRenewal\nSHA-512\nSHA-256\nSHA-1\nDES3\n"


@pytest.mark.covers("C-21")
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_line_endings(ending: bytes) -> None:
    """LF, CRLF and CR separate keywords; the last line needs no ending."""
    body = ending.join([b"AES", b"SHA-256", b"Renewal"])
    assert parse_capabilities(body).keywords == {"AES", "SHA-256", "Renewal"}


@pytest.mark.covers("C-22")
def test_case_is_ignored_on_reading() -> None:
    """Keywords are known in any case and kept in the RFC's spelling."""
    assert parse_capabilities(b"aes\npostpkioperation\nscepSTANDARD").keywords == {
        "AES",
        "POSTPKIOperation",
        "SCEPStandard",
    }


@pytest.mark.covers("C-20")
def test_unknown_keywords_are_shown_and_ignored() -> None:
    """A line nobody knows is listed and changes nothing."""
    capabilities = parse_capabilities(b"AES\nexample.com-frobnicate\n")
    assert capabilities.keywords == {"AES"}
    assert capabilities.listed == ("AES", "example.com-frobnicate")


@pytest.mark.covers("T-33")
@pytest.mark.parametrize("line", [b"AE", b"AES2", b"XAES", b"AES DES3", b"SHA-25", b"SHA-2567"])
def test_only_whole_lines_match(line: bytes) -> None:
    """Neither a prefix nor a longer word counts as the keyword."""
    assert parse_capabilities(line).keywords == frozenset()


@pytest.mark.covers("T-33")
def test_blank_lines_and_spaces() -> None:
    """Blank lines are dropped and lines are trimmed."""
    capabilities = parse_capabilities(b"\n  AES \t\n\n\r\nSHA-1\n\n")
    assert capabilities.listed == ("AES", "SHA-1")
    assert capabilities.keywords == {"AES", "SHA-1"}


@pytest.mark.covers("C-24", "T-32")
def test_empty_body_means_nothing_is_listed() -> None:
    """An empty body equals what an HTTP error or a closed connection stand for."""
    assert parse_capabilities(b"") == NO_CAPABILITIES == Capabilities()
    assert not NO_CAPABILITIES.supports_post


@pytest.mark.parametrize(
    "body", [b"<html><body>AES</body></html>", b"\xff\xfe\x00A\x00E\x00S", bytes(range(256)) * 8]
)
def test_any_body_is_read(body: bytes) -> None:
    """A web page or noise lists no keyword and raises nothing."""
    assert parse_capabilities(body).keywords == frozenset()


@pytest.mark.covers("C-46")
def test_long_bodies_are_cut() -> None:
    """What follows the limit is ignored, and so are lines beyond a reasonable number."""
    assert parse_capabilities(b" " * MAX_BODY_BYTES + b"\nAES").keywords == frozenset()
    assert len(parse_capabilities(b"x\n" * 30_000).listed) < 1000


@pytest.mark.parametrize(
    "wanted", ["supports_post", "supports_aes", "supports_sha256", "supports_renewal"]
)
def test_scep_standard_implies(wanted: str) -> None:
    """SCEPStandard stands for AES, POST, SHA-256 and renewal; not for older algorithms."""
    capabilities = parse_capabilities(b"SCEPStandard\n")
    assert capabilities.scep_standard
    assert getattr(capabilities, wanted)
    assert not capabilities.supports_des3
    assert not capabilities.supports_sha1
    assert not capabilities.supports_next_ca


@pytest.mark.covers("S-07")
def test_writing_keeps_order_and_case() -> None:
    """Keywords are written as given, one a line, each line ended by LF; reading gives them back."""
    written = format_capabilities(["POSTPKIOperation", "SHA-256", "SCEPStandard"])
    assert written == b"POSTPKIOperation\nSHA-256\nSCEPStandard\n"
    assert parse_capabilities(written).listed == ("POSTPKIOperation", "SHA-256", "SCEPStandard")


@pytest.mark.covers("S-08")
def test_writing_nothing() -> None:
    """No capability is an empty body."""
    assert format_capabilities([]) == b""


@pytest.mark.covers("C-25", "F-02")
@pytest.mark.parametrize(
    ("body", "floor", "cipher", "digest"),
    [
        (b"SCEPStandard", Floor.MODERN, Cipher.AES128_CBC, Digest.SHA256),
        (b"AES\nDES3\nSHA-1\nSHA-256\nSHA-512", Floor.LAB, Cipher.AES128_CBC, Digest.SHA256),
        (b"AES\nSHA-512\nSHA-1", Floor.NDES, Cipher.AES128_CBC, Digest.SHA512),
        (b"AES\nSHA-1", Floor.NDES, Cipher.AES128_CBC, Digest.SHA1),
        (NDES, Floor.NDES, Cipher.DES_EDE3_CBC, Digest.SHA256),
        (b"", Floor.NDES, Cipher.DES_EDE3_CBC, Digest.SHA1),
        (b"", Floor.LAB, Cipher.DES_EDE3_CBC, Digest.SHA1),
        (b"", Floor.MODERN, Cipher.AES128_CBC, Digest.SHA256),
        (b"POSTPKIOperation", Floor.MODERN, Cipher.AES128_CBC, Digest.SHA256),
    ],
)
def test_choice(body: bytes, floor: Floor, cipher: Cipher, digest: Digest) -> None:
    """The strongest the server lists; AES128 and SHA-256 rather than anything larger."""
    suite = choose_algorithms(parse_capabilities(body), floor)
    assert (suite.cipher, suite.digest) == (cipher, digest)


@pytest.mark.covers("F-01")
@pytest.mark.parametrize(("body", "algorithm"), [(NDES, "des-ede3-cbc"), (b"AES\nSHA-1", "sha1")])
def test_refusal_names_everything(body: bytes, algorithm: str) -> None:
    """Below the floor nothing is chosen: what the server lists, floor and remedy are named."""
    with pytest.raises(UnsupportedAlgorithmError) as caught:
        choose_algorithms(parse_capabilities(body), Floor.MODERN)
    error = caught.value
    assert (error.algorithm, error.floor, error.allowed_by) == (algorithm, "modern", "ndes")
    assert error.peer == "server"
    assert error.offers == parse_capabilities(body).listed
    for word in (algorithm, "modern", "ndes", error.offers[0]):
        assert word in str(error)
