"""A key whose store may fail while a reply is opened."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from sceplab_agent.watched_key import WatchedKey
from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import KeyStoreError, StoreBusyError
from sceplab_hsm.fault import FaultyKeyStore
from sceplab_hsm.fault_plan import FaultPlan
from tests.support.soft_stores import soft_store


def test_only_the_store_s_own_failures_are_kept(tmp_path: Path) -> None:
    """A broken ciphertext is the sender's fault and leaves nothing; a busy store is kept."""
    store = FaultyKeyStore(soft_store(tmp_path / "keys"), FaultPlan())
    key = store.generate("router1", KeyAlgorithm.RSA_2048)
    watched = WatchedKey(key)
    assert watched.public_key == key.public_key
    ciphertext = key.public_key.encrypt(b"content key", PKCS1v15())  # type: ignore[union-attr]
    assert watched.decrypt(ciphertext, PKCS1v15()) == b"content key"
    with pytest.raises(KeyStoreError):
        watched.decrypt(b"", PKCS1v15())
    assert watched.failure is None
    store.faults.arm("busy:decrypt")
    with pytest.raises(StoreBusyError):
        watched.decrypt(ciphertext, PKCS1v15())
    assert isinstance(watched.failure, StoreBusyError)
