"""SSH host keys: made once, kept in a folder, shared by as many devices as like.

Whoever makes a key first wins, also between processes that start at the same time: a key is written
to a file of its own and then given its name, which fails when the name is there already.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sceplab_devices.errors import EndpointError
from sceplab_devices.lines.ssh_algorithms import HOST_KEYS, RSA_BITS

if TYPE_CHECKING:
    from asyncssh import SSHKey

    from sceplab_devices.lines.endpoint import Endpoint

_FILES = {
    "ssh-ed25519": "ssh_host_ed25519_key",
    "ecdsa-sha2-nistp256": "ssh_host_ecdsa_key",
    "ssh-rsa": "ssh_host_rsa_key",
}
_loaded: dict[Path, SSHKey] = {}
"""Of this process: a rack of a thousand devices reads each file once."""


def user_keys_dir() -> Path:
    """Folder of the user's own, for lines that nobody gave another one."""
    cache = os.environ.get("XDG_CACHE_HOME") or ""
    base = Path(cache) if cache.startswith("/") else Path.home() / ".cache"
    return base / "sceplab" / "ssh"


def host_keys(endpoint: Endpoint, keys_dir: Path | None) -> list[SSHKey]:
    """The host keys of an SSH line.

    Raises:
        EndpointError: they can neither be read nor made.
    """
    import asyncssh

    chosen = endpoint.options.host_key
    try:
        if chosen:
            return [asyncssh.read_private_key(chosen)]
        folder = keys_dir or user_keys_dir()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return [_load_or_make(folder / _FILES[kind], kind) for kind in HOST_KEYS]
    except (OSError, asyncssh.KeyImportError) as error:
        raise EndpointError(str(endpoint), f"no host key: {error}") from error


def _load_or_make(path: Path, kind: str) -> SSHKey:
    import asyncssh

    path = path.absolute()
    if path in _loaded and path.exists():
        return _loaded[path]
    if not path.exists():
        _make(path, kind)
    _loaded[path] = asyncssh.read_private_key(path)
    return _loaded[path]


def _make(path: Path, kind: str) -> None:
    import asyncssh

    if kind == "ssh-rsa":
        key = asyncssh.generate_private_key(kind, key_size=RSA_BITS)
    else:
        key = asyncssh.generate_private_key(kind)
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(key.export_private_key())
        with suppress(FileExistsError):  # somebody else was faster: theirs is read
            os.link(new, path)
    finally:
        new.unlink()
