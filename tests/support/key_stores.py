"""One opener for each kind of key store that this project brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from sceplab_hsm.api import KeyStore
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
from tests.support.soft_stores import soft_store
from tests.support.softhsm import make_token, open_token
from tests.support.swtpm import software_tpm, tpm_store


@contextmanager
def open_soft(place: Path) -> Iterator[KeyStore]:
    """A directory of sealed keys."""
    with closing(soft_store(place)) as store:
        yield store


@contextmanager
def open_pkcs11(_place: Path) -> Iterator[KeyStore]:
    """A SoftHSM token of its own."""
    with closing(open_token(make_token())) as store:
        yield store


@contextmanager
def open_tpm(place: Path) -> Iterator[KeyStore]:
    """A TPM 2.0 of its own, in software."""
    with software_tpm(place / "chip") as chip, closing(tpm_store(chip, place / "keys")) as store:
        yield store


@contextmanager
def open_tpm_stub(place: Path) -> Iterator[KeyStore]:
    """A stub of a TPM."""
    uri = f"tpm-stub:{place}"
    with closing(open_key_store(uri, lambda _: Secret("stub 4711"), create=True)) as store:
        yield store


OPENERS: dict[str, Callable[[Path], AbstractContextManager[KeyStore]]] = {
    "soft": open_soft,
    "pkcs11": open_pkcs11,
    "tpm": open_tpm,
    "tpm-stub": open_tpm_stub,
}
"""By scheme; each takes a folder that is not there yet and gives an empty store."""
