"""``pkcs11:`` over libtpm2_pkcs11: the way to a TPM that daemons of others can go too.

What holds there: one process, one key at a time. Without a resource manager the module keeps its
keys in the chip's three slots, so the second key a process makes is refused, and the process has to
end before the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.contract import MESSAGE, verify
from sceplab_hsm.errors import StoreUnavailableError
from tests.support.swtpm import software_tpm, tpm_store
from tests.support.tpm2_pkcs11 import TpmToken, make_tpm_token

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


@pytest.fixture
def token(tmp_path: Path) -> Iterator[TpmToken]:
    """A token on a chip of the test's own."""
    with software_tpm(tmp_path / "state") as chip:
        yield make_tpm_token(chip, tmp_path / "store")


_USE = """
public_key = handle.public_key
verify(handle, handle.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())
for padding in (PKCS1v15(), OAEP_SHA1):
    assert handle.decrypt(public_key.encrypt(MESSAGE, padding), padding) == MESSAGE
print("used", *(info.key_id for info in store.list_keys()))
"""


def test_a_key_is_made_used_and_found_again(token: TpmToken) -> None:
    """One process makes an RSA key, signs and decrypts; another finds it and does the same."""
    made = token.run("handle = store.generate('router1', KeyAlgorithm.RSA_2048)" + _USE)
    assert made == "used router1\n"
    assert token.run("handle = store.get('router1')" + _USE) == "used router1\n"


def test_a_second_key_of_a_process_is_refused(token: TpmToken) -> None:
    """The limit: a clear error, the first key still signs, and a new process makes the second."""
    told = token.run(
        """
handle = store.generate("first", KeyAlgorithm.RSA_2048)
handle.sign(MESSAGE, hashes.SHA256())
try:
    store.generate("second", KeyAlgorithm.RSA_2048)
except KeyStoreError as error:
    print(type(error).__name__)
verify(handle, handle.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())
"""
    )
    assert told == "StoreUnavailableError\n"
    token.run("handle = store.generate('second', KeyAlgorithm.RSA_2048)" + _USE)


@pytest.mark.parametrize("first", ["token", "store"])
def test_both_ways_to_one_chip(tmp_path: Path, first: str) -> None:
    """A native store and a token share a chip, each with its keys, whichever was there first.

    The module uses the usual parent handle too; a native store that comes later takes another.
    """
    keys, options = tmp_path / "keys", {"parent": "0x81000002"} if first == "token" else {}
    with software_tpm(tmp_path / "state") as chip:
        if first == "token":
            token = make_tpm_token(chip, tmp_path / "token")
            with pytest.raises(StoreUnavailableError, match="parent=0x81000002"):
                tpm_store(chip, keys)
        with closing(tpm_store(chip, keys, **options)) as store:
            store.generate("agent", KeyAlgorithm.RSA_2048)
        if first == "store":
            token = make_tpm_token(chip, tmp_path / "token")
        token.run("store.generate('daemon', KeyAlgorithm.RSA_2048)")
        with closing(tpm_store(chip, keys, create=False)) as store:
            handle = store.get("agent")
            verify(handle, handle.sign(MESSAGE, SHA256()), MESSAGE, SHA256())
            assert [info.key_id for info in store.list_keys()] == ["agent"]
        assert token.run("handle = store.get('daemon')" + _USE) == "used daemon\n"
