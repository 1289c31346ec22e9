"""One maker of a name at a time: PKCS#11 itself lets two keys bear one label.

Processes of one user on one machine exclude each other by a lock on a directory in the user's
runtime directory, which the kernel drops when a process dies. The names are spread over a fixed
number of locks, so that keys of different names are mostly made side by side and nothing piles up.
Users or machines that share a token without sharing that directory meet the second barrier: after
making a key the store looks again, and takes its own key back when the name is taken
(`sceplab_hsm.pkcs11.store`).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

from sceplab_hsm.pkcs11.exclusion import excluded
from sceplab_hsm.pkcs11.tokens import TokenIdentity

_LOCKS = 64


@contextlib.contextmanager
def reserved(identity: TokenIdentity, key_id: str) -> Iterator[None]:
    """Holds the name against other processes and threads; never take it under a module's lock.

    Raises:
        StoreUnavailableError: the runtime directory cannot be used.
    """
    text = "\0".join((identity.manufacturer, identity.model, identity.label, key_id))
    digest = hashlib.sha256(identity.serial + b"\0" + text.encode("utf-8")).digest()
    with excluded("pkcs11-names", f"{digest[0] % _LOCKS:02d}"):
        yield
