"""The state folder on disk: where the depot, the keys and the copies for people are.

    depot.sqlite          everything the server remembers
    keys/                 key store of CA and RA, unless another store is named
    passphrase            of that key store, mode 0600
    admin-password        of user ``admin`` when no user is configured, mode 0600
    static-password       of challenge mode ``static`` when none is configured, mode 0600
    ca.pem, *.crl         copies of what is published
    server.json           URLs of the running server
    server.lock           held by the running server

The passphrase lies beside the keys: whoever can read the folder has the keys. That is meant for
labs; ``--keys`` or a configuration file may name another store and its secret.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sceplab_hsm.lab import ensure_lab_secret
from sceplab_hsm.secret import Secret, resolve_secret
from sceplab_ndes.errors import StateError


class StateFolder:
    """One state folder.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.depot_path = path / "depot.sqlite"
        self.ready_path = path / "server.json"

    @property
    def keys_uri(self) -> str:
        """URI of the key store inside the folder."""
        return f"soft:{quote(str((self.path / 'keys').absolute()))}?kdf=lab"

    def exists(self) -> bool:
        """Whether a server was ever set up here."""
        return self.depot_path.exists()

    def make(self) -> None:
        """Makes the folder, readable by its owner only.

        Raises:
            StateError: it cannot be made or written, or something else is there.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            foreign = not self.exists() and any(
                item.name not in _OWN_NAMES for item in self.path.iterdir()
            )
        except OSError as error:
            raise StateError(f"{self.path}: {error.strerror}; choose another --state") from error
        if foreign:
            raise StateError(
                f"{self.path} holds other files and no server state; choose an empty folder"
            )

    def require(self) -> None:
        """Checks that a server was set up here.

        Raises:
            StateError: not so.
        """
        if not self.exists():
            raise StateError(
                f"no server state in {self.path}; 'sceplab ndes serve --state {self.path}' makes "
                "one, or give the right folder with --state"
            )

    def secret_path(self, name: str) -> Path:
        """The file of a secret that is made up here when it is first wanted, mode 0600."""
        path = self.path / name
        ensure_lab_secret(path)
        return path

    def secret(self, name: str) -> Secret:
        """A secret that is made up here when it is first wanted."""
        return resolve_secret(ensure_lab_secret(self.path / name))

    def write_file(self, name: str, content: bytes) -> None:
        """Writes a file so that a reader sees the old or the new one, never half of it."""
        descriptor, temporary = tempfile.mkstemp(dir=self.path, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held while a server runs: one server to a folder.

        Raises:
            StateError: another process holds it.
        """
        with (self.path / "server.lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StateError(
                    f"another server runs on {self.path}; stop it or choose another --state"
                ) from error
            yield


_OWN_NAMES = {"keys", "passphrase", "admin-password", "static-password", "server.lock"}
