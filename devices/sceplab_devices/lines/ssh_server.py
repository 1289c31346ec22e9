"""The server side of one SSH connection: who may come in, and what is opened for them."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import asyncssh

from sceplab_devices.lines import ssh_algorithms
from sceplab_devices.lines.ssh_session import SshSession

if TYPE_CHECKING:
    from sceplab_devices.console import Console
    from sceplab_devices.lines.link import Link
    from sceplab_devices.lines.ssh_line import SshLine
    from sceplab_devices.lines.wire import LineCodec

LOGIN_TRIES = 3
LOGIN_TIMEOUT_S = 120
KEEPALIVE_S = 60
_WINDOW_BYTES = 16 * 1024
"""What a client may type ahead; asyncssh keeps no more."""


class ConnectionServer(asyncssh.SSHServer):
    """One connection, from accept to loss.

    Args:
        line: that it came in on.
    """

    def __init__(self, line: SshLine) -> None:
        self._line = line
        self._failures = 0
        self._user = ""
        self._sessions: list[SshSession] = []
        self._conn: asyncssh.SSHServerConnection

    # --- what asyncssh calls --------------------------------------------------------------------

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """A client is there."""
        self._conn = conn
        self._line.connections.add(self)
        if self._line.device is None:
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Either side has hung up."""
        self._end_sessions()
        self._line.connections.discard(self)

    def begin_auth(self, username: str) -> bool:
        """Whether this user has to prove anything."""
        self._user = username
        methods = self._line.endpoint.options.auth
        if "none" in methods:
            return False
        device = self._line.device
        return bool(methods) or device is None or device.asks_login

    def password_auth_supported(self) -> bool:
        """As configured; both ways unless one was chosen."""
        return self._offers("password")

    def validate_password(self, username: str, password: str) -> bool:
        """Asks the device."""
        return self._accepts(username, password)

    def kbdint_auth_supported(self) -> bool:
        """As configured; both ways unless one was chosen."""
        return self._offers("keyboard-interactive")

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        """One question, not echoed."""
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        """Asks the device."""
        return len(responses) == 1 and self._accepts(username, responses[0])

    def session_requested(self) -> SshSession | bool:
        """A channel, as many as the device has lines."""
        if self._line.device is None:
            return False
        session = SshSession(self._open_link, self._conn.close)
        self._sessions.append(session)
        return session

    # --- what the line calls --------------------------------------------------------------------

    def hang_up(self) -> None:
        """Ends the sessions now; what was written still goes out."""
        self._end_sessions()
        self._conn.close()

    async def abort(self) -> None:
        """Hangs up at once; returns when nothing of the connection is left."""
        self._conn.abort()
        await self._conn.wait_closed()

    # --------------------------------------------------------------------------------------------

    def _end_sessions(self) -> None:
        for session in self._sessions:
            session.end()
        self._sessions.clear()

    def _offers(self, method: str) -> bool:
        methods = self._line.endpoint.options.auth
        return not methods or method in methods

    def _accepts(self, user: str, password: str) -> bool:
        device = self._line.device
        if device is not None and device.accepts_login(user, password):
            return True
        self._failures += 1
        if self._failures >= LOGIN_TRIES:
            raise asyncssh.PermissionDenied("Too many authentication failures")
        return False

    def _open_link(
        self, session: SshSession, make_codec: Callable[[Console], LineCodec] | None
    ) -> Link | None:
        device = self._line.device
        if device is None:
            return None
        peer = self._conn.get_extra_info("peername")
        return self._line.sessions.open(
            device,
            session,
            peer=peer[0] if peer else "",
            user=self._user,
            make_codec=make_codec,
        )


async def listen(
    line: SshLine, bound: socket.socket, keys: list[asyncssh.SSHKey]
) -> asyncssh.SSHAcceptor:
    """Serves SSH on a bound socket."""
    # Old clients need it, and whoever runs the emulator can do nothing about it.
    warnings.filterwarnings("ignore", "Diffie-Hellman over finite fields", module="asyncssh")
    return await asyncssh.listen(
        sock=bound,
        server_factory=partial(ConnectionServer, line),
        server_host_keys=keys,
        config=None,
        server_version="sceplab",
        kex_algs=ssh_algorithms.KEY_EXCHANGES,
        encryption_algs=ssh_algorithms.CIPHERS,
        mac_algs=ssh_algorithms.MACS,
        compression_algs=ssh_algorithms.COMPRESSION,
        public_key_auth=False,
        host_based_auth=False,
        gss_host=None,
        agent_forwarding=False,
        line_editor=False,
        encoding=None,
        login_timeout=LOGIN_TIMEOUT_S,
        keepalive_interval=KEEPALIVE_S,
        window=_WINDOW_BYTES,
    )
