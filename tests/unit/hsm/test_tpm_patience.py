"""A chip that is there and does not answer: a software TPM that was stopped."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import StoreUnavailableError
from sceplab_hsm.tpm.swtpm import SwtpmInstance
from tests.support.swtpm import software_tpm, tpm_store

pytestmark = pytest.mark.daemon


@pytest.fixture(scope="module")
def chip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwtpmInstance]:
    """A software TPM."""
    with software_tpm(tmp_path_factory.mktemp("chip")) as chip:
        yield chip


@contextmanager
def stopped(chip: SwtpmInstance) -> Iterator[None]:
    """The chip hangs meanwhile."""
    os.kill(chip.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(chip.pid, signal.SIGCONT)


def test_a_call_is_given_up_and_the_store_used_again(
    chip: SwtpmInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that something is there and silent; once the chip answers, the same store works."""
    with closing(tpm_store(chip, tmp_path / "keys")) as store:
        handle = store.generate("a", KeyAlgorithm.EC_P256)
        with monkeypatch.context() as patch:
            patch.setattr("sceplab_hsm.tpm.patience.LIMIT_S", 0.2)
            patch.setattr("sceplab_hsm.tpm.esapi.CONNECT_LIMIT_S", 0.2)
            with stopped(chip):
                for _ in range(2):
                    with pytest.raises(StoreUnavailableError):
                        handle.sign(b"text", hashes.SHA256())
        assert handle.sign(b"text", hashes.SHA256())


def test_a_silent_chip_is_not_an_absent_one(
    chip: SwtpmInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is not there leads to a fallback store."""
    monkeypatch.setattr("sceplab_hsm.tpm.esapi.CONNECT_LIMIT_S", 0.2)
    monkeypatch.setattr("sceplab_hsm.tpm.patience.LIMIT_S", 0.2)
    with stopped(chip), pytest.raises(StoreUnavailableError):
        tpm_store(chip, tmp_path / "keys")


def test_a_call_that_hangs_can_be_interrupted(
    chip: SwtpmInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends the wait, and closing the store does not begin another one."""
    monkeypatch.setattr("sceplab_hsm.tpm.patience.GRACE_S", 0.05)
    with closing(tpm_store(chip, tmp_path / "keys")) as store:
        handle = store.generate("a", KeyAlgorithm.EC_P256)
        with stopped(chip):
            key = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
            key.start()
            with pytest.raises(KeyboardInterrupt):
                handle.sign(b"text", hashes.SHA256())
            key.join()
            store.close()
