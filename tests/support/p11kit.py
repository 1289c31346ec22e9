"""`p11-kit server`: a PKCS#11 module in a process of its own, reached over a Unix socket."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.programs import require_program

CLIENT_MODULE = Path("/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so")


@contextmanager
def p11_kit_server(module: str, folder: Path, **environment: str) -> Iterator[str]:
    """Serves a module.

    Args:
        module: path of the provider.
        folder: private, for the socket; its path has to be short.
        environment: for the provider, for example ``SOFTHSM2_CONF``.

    Yields:
        The value for ``P11_KIT_SERVER_ADDRESS``.
    """
    program = require_program("p11-kit", package="p11-kit")
    socket = folder / "p11"
    server = subprocess.Popen(
        [program, "server", "--provider", module, "-n", socket, "-f", "pkcs11:"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()  # printed once the socket is there
        yield f"unix:path={socket}"
    finally:
        server.terminate()
        server.communicate(timeout=10)
