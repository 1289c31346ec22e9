"""A token that fails is told from what it is given, from a damaged key and from an empty slot."""

from __future__ import annotations

from pathlib import Path

import pytest

from sceplab_hsm.pkcs11.softhsm import LabToken
from tests.support.failing_module import run_with_faults
from tests.support.softhsm import make_token

CODES = pytest.mark.parametrize(
    ("code", "name"),
    [(0x30, "DeviceError"), (0x06, "FunctionFailed"), (0x05, "GeneralError")],
    ids=["device-error", "function-failed", "general-error"],
)


@pytest.fixture
def token() -> LabToken:
    """A token of the test's own."""
    return make_token()


@CODES
def test_a_failing_token_is_no_bad_ciphertext(
    tmp_path: Path, token: LabToken, code: int, name: str
) -> None:
    """What fails with every ciphertext is the store; afterwards a bad one is told as before."""
    lines = run_with_faults(
        tmp_path,
        token,
        f"""
        key = open_store().generate("k", KeyAlgorithm.RSA_2048)
        good = key.public_key.encrypt(b"content", PKCS1v15())
        fail("decrypt", {code})
        told(lambda: key.decrypt(good, PKCS1v15()))
        told(lambda: key.decrypt(bytes(255) + b"x", PKCS1v15()))
        recover("decrypt")
        told(lambda: key.decrypt(bytes(255) + b"x", PKCS1v15()))
        assert key.decrypt(good, PKCS1v15()) == b"content"
        """,
    )
    for line in lines[:2]:
        assert line.startswith(f"StoreUnavailableError token '{token.label}' failed ({name})")
        assert "try again" in line
    assert lines[2:] == ["KeyStoreError decryption failed"]


@pytest.mark.parametrize("code", [0x40, 0x41])
def test_what_a_token_says_of_the_ciphertext_is_believed(
    tmp_path: Path, token: LabToken, code: int
) -> None:
    """A return code that blames the ciphertext needs no proof; the text says nothing of it."""
    lines = run_with_faults(
        tmp_path,
        token,
        f"""
        key = open_store().generate("k", KeyAlgorithm.RSA_2048)
        fail("decrypt", {code})
        told(lambda: key.decrypt(bytes(256), PKCS1v15()))
        """,
    )
    assert lines == ["KeyStoreError decryption failed"]


@CODES
def test_a_failing_token_is_no_damaged_key(
    tmp_path: Path, token: LabToken, code: int, name: str
) -> None:
    """A key is damaged only when others sign; a token that fails may work later."""
    lines = run_with_faults(
        tmp_path,
        token,
        f"""
        key = open_store().generate("k", KeyAlgorithm.EC_P256)
        fail("sign", {code})
        told(lambda: key.sign(b"x", hashes.SHA256()))
        recover("sign")
        told(lambda: key.sign(b"x", hashes.SHA256()))
        """,
    )
    assert lines[0].startswith(f"StoreUnavailableError token '{token.label}' failed ({name})")
    assert lines[1:] == ["worked"]


def test_a_slot_that_cannot_be_read_is_not_empty(tmp_path: Path, token: LabToken) -> None:
    """Only a slot that says so has no token; a failing reader is a failure, no absence."""
    lines = run_with_faults(
        tmp_path,
        token,
        """
        fail("token-info", 0x30)
        told(open_store)
        fail("token-info", 0xE0)
        told(open_store)
        recover("token-info")
        told(open_store)
        """,
    )
    assert lines[0].startswith("SlotUnreadableError ")
    assert "(DeviceError)" in lines[0]
    assert lines[1].startswith("TokenMissingError no token fits")
    assert lines[2:] == ["worked"]


def test_a_module_that_does_not_start_again_is_not_absent(tmp_path: Path, token: LabToken) -> None:
    """It is started anew to look for tokens; when that fails, the store fails."""
    lines = run_with_faults(
        tmp_path,
        token,
        """
        store = open_store()
        fail("token-info", 0xE0)
        fail("initialize", 0x30)
        told(store.list_keys)
        told(open_store)
        recover("initialize")
        recover("token-info")
        told(store.list_keys)
        """,
    )
    for line in lines[:2]:
        assert line.startswith("StoreUnavailableError PKCS#11 module ")
        assert "does not start (DeviceError)" in line
    assert lines[2:] == ["worked"]
