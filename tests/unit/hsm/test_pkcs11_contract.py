"""The PKCS#11 store passes the contract suite on SoftHSM."""

from __future__ import annotations

from pathlib import Path

from sceplab_hsm.api import KeyStore
from sceplab_hsm.contract import KeyStoreContract
from sceplab_hsm.pkcs11.softhsm import LabToken
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
from tests.support.softhsm import make_token, open_token


class TestSoftHsm(KeyStoreContract):
    """Each place has its token; all share the process's configuration."""

    passphrase = "set by open_store"

    @classmethod
    def open_store(cls, place: Path) -> KeyStore:
        """The token of that place, made when it is first asked for."""
        name = f"place-{place.name}"
        token: LabToken = make_token(name)
        cls.passphrase = Path(token.secret_reference.removeprefix("file:")).read_text().strip()
        return open_token(token)

    @classmethod
    def open_store_with(cls, place: Path, secret: str) -> KeyStore:
        """The same with another secret."""
        token = make_token(f"place-{place.name}")
        return open_key_store(token.uri, lambda _: Secret(secret))
