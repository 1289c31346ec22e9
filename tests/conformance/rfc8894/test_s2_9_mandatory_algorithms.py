"""RFC 8894 §2.9: what everybody implements, and what nobody may."""

from __future__ import annotations

import pytest

from sceplab_scep.algorithms import AlgorithmSuite, Cipher, Digest, Floor
from sceplab_scep.errors import UnsupportedAlgorithmError
from tests.support.outside_view import look_at
from tests.support.pki import reply_bytes, request_bytes, take_reply, take_request, unseal


def test_default_algorithms() -> None:
    """AES128-CBC and SHA-256 are written unless something else is asked for."""
    view = look_at(request_bytes())
    assert view.signer_info["digest_algorithm"]["algorithm"].native == "sha256"
    info = view.envelope["encrypted_content_info"]["content_encryption_algorithm"]
    assert info["algorithm"].native == "aes128_cbc"


@pytest.mark.covers("C-13")
def test_optional_algorithms() -> None:
    """DES-EDE3 and SHA-1 are there for old peers, where the floor lets them."""
    suite = AlgorithmSuite(digest=Digest.SHA1, cipher=Cipher.DES_EDE3_CBC)
    signed = take_request(request_bytes(suite=suite), floor=Floor.NDES)
    assert unseal(signed.content, floor=Floor.NDES).cipher is Cipher.DES_EDE3_CBC
    assert take_reply(reply_bytes(suite=suite), floor=Floor.NDES).certificates


@pytest.mark.covers("C-14", "S-19")
@pytest.mark.parametrize("floor", [Floor.MODERN, Floor.NDES])
def test_forbidden_algorithms(floor: Floor) -> None:
    """Single DES and MD5 are refused outside a laboratory."""
    with pytest.raises(UnsupportedAlgorithmError, match="md5"):
        take_request(request_bytes(suite=AlgorithmSuite(digest=Digest.MD5)), floor=floor)
    signed = take_request(request_bytes(suite=AlgorithmSuite(cipher=Cipher.DES_CBC)), floor=floor)
    with pytest.raises(UnsupportedAlgorithmError, match="des-cbc"):
        unseal(signed.content, floor=floor)
