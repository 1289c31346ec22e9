"""The contract of key stores on a real TPM 2.0 (swtpm)."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from sceplab_hsm.api import KeyAlgorithm, KeyResidence, KeyStore
from sceplab_hsm.contract import KeyStoreContract
from sceplab_hsm.tpm.swtpm import SwtpmInstance
from tests.support.swtpm import PIN, software_tpm, tpm_store

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


class TestTpmStore(KeyStoreContract):
    """Every place is a directory of its own; all share one chip."""

    passphrase = PIN
    chip: ClassVar[SwtpmInstance]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def running_chip(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        """One swtpm for the tests of the class."""
        with software_tpm(tmp_path_factory.mktemp("swtpm")) as cls.chip:
            yield

    @classmethod
    def open_store(cls, place: Path) -> KeyStore:
        """Opens the store of that folder on the shared chip."""
        return tpm_store(cls.chip, place)

    @classmethod
    def open_store_with(cls, place: Path, secret: str) -> KeyStore:
        """The same with another secret."""
        return tpm_store(cls.chip, place, pin=secret)

    def test_tells_what_the_chip_can_do(self, store: KeyStore) -> None:
        """Residence and key types are the chip's: libtpms makes no RSA-4096."""
        capabilities = store.capabilities()
        assert capabilities.residence is KeyResidence.TPM
        assert not capabilities.keys_leave_store
        assert capabilities.algorithms == frozenset(KeyAlgorithm) - {KeyAlgorithm.RSA_4096}
