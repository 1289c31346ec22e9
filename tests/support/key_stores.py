"""One opener for each kind of key store that this project brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from sceplab_hsm.api import KeyStore
from tests.support.soft_stores import soft_store


@contextmanager
def open_soft(place: Path) -> Iterator[KeyStore]:
    """A directory of sealed keys."""
    with closing(soft_store(place)) as store:
        yield store


OPENERS: dict[str, Callable[[Path], AbstractContextManager[KeyStore]]] = {
    "soft": open_soft,
}
"""By scheme; each takes a folder that is not there yet and gives an empty store."""
