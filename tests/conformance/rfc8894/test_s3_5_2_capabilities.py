"""RFC 8894 §3.5.2: what a client makes of GetCACaps."""

from __future__ import annotations

import pytest

from sceplab_scep.algorithms import Cipher, Digest, Floor
from sceplab_scep.capabilities import choose_algorithms, format_capabilities, parse_capabilities


@pytest.mark.covers("C-20", "C-21", "C-22")
def test_list() -> None:
    """Unknown keywords are ignored, LF and CRLF separate, case does not matter."""
    body = b"aes\r\nSHA-256\nexample.org-magic\r\nPostPkiOperation"
    capabilities = parse_capabilities(body)
    assert capabilities.supports_aes
    assert capabilities.supports_sha256
    assert capabilities.supports_post
    assert not capabilities.supports_renewal


@pytest.mark.covers("C-24")
def test_no_list() -> None:
    """An empty answer means that nothing is claimed."""
    assert parse_capabilities(b"").keywords == frozenset()


@pytest.mark.parametrize("keyword", [b"POSTPKIOperation", b"SCEPStandard"])
def test_post(keyword: bytes) -> None:
    """POST is used where the server claims it, also by SCEPStandard alone."""
    assert parse_capabilities(keyword).supports_post
    assert not parse_capabilities(b"AES\nSHA-256").supports_post


@pytest.mark.covers("C-25")
def test_preferences() -> None:
    """SHA-256 before SHA-1 and before SHA-512; AES before 3DES, and never above 128 bits."""
    everything = format_capabilities(["SHA-512", "SHA-1", "SHA-256", "DES3", "AES"])
    suite = choose_algorithms(parse_capabilities(everything), Floor.LAB)
    assert suite.digest is Digest.SHA256
    assert suite.cipher is Cipher.AES128_CBC


@pytest.mark.covers("S-07")
def test_case_of_a_server() -> None:
    """A server writes the keywords exactly as the RFC spells them."""
    keywords = ["AES", "DES3", "GetNextCACert", "POSTPKIOperation", "Renewal", "SHA-1"]
    assert format_capabilities(keywords).decode().split() == keywords
