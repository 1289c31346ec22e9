"""A device with its real engine and a server, in one thread and in memory, to play transcripts on.

No socket is opened and the clock stands until a transcript moves it. Every host and path of a typed
enrollment URL leads to the same server, which takes any challenge password.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives import hashes

from sceplab_agent.drivers.virtual import VirtualClock
from sceplab_agent.errors import TransportError
from sceplab_agent.transport import HttpResponse
from sceplab_devices.console import Console
from sceplab_devices.device import Device
from sceplab_devices.profile import DeviceProfile
from sceplab_devices.session import CONSOLE_LINE, LineInfo
from sceplab_hsm.api import KeyStore
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
from sceplab_lab.clock import SEEDED_START
from sceplab_lab.device_port import AgentPort
from sceplab_lab.memory_transport import MemoryTransport
from sceplab_lab.worker import InlineWorker
from sceplab_ndes.profiles import load_profile
from sceplab_ndes.state import ServerState, create_server_state
from sceplab_scep.algorithms import Floor

URL = "http://ndes.lab/certsrv/mscep/mscep.dll"
VTY_LINE = LineInfo(name="vty0", kind="vty", peer="192.0.2.1")
LINES = {"console": CONSOLE_LINE, "vty": VTY_LINE}
DECIDING_HOOKS = frozenset({"approve", "reject"})
"""A transcript that calls one of them has a CA where an operator decides."""


class _AnyUrl:
    """A transport for which every URL is the server's, while the server is on."""

    def __init__(self, inner: MemoryTransport) -> None:
        self._inner = inner
        self.is_on = True

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """See `HttpTransport.request`."""
        if not self.is_on:
            raise TransportError("no answer: the server is off", is_retryable=False)
        place = URL + url[url.index("?") :] if "?" in url else URL
        return self._inner.request(
            method, place, body=body, content_type=content_type, headers=headers
        )


class ReplayLab:
    """Device, clock and server. Made by `open_lab`.

    Args:
        profile: platform of the device.
        hostname: empty: the profile's.
        settings: go to `DeviceProfile.new_device`.
        store: the device's keys.
        server: answers.
        clock: of both.
        line: where sessions come from.
        user: whom the line lets in.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        *,
        hostname: str,
        settings: Mapping[str, Any],
        store: KeyStore,
        server: ServerState,
        clock: VirtualClock,
        state_dir: Path,
        line: LineInfo,
        user: str,
    ) -> None:
        self._profile, self._settings = profile, {**settings, "hostname": hostname}
        self._store, self._server, self._clock = store, server, clock
        self._state_dir, self._line, self._user = state_dir, line, user
        self._transport = _AnyUrl(MemoryTransport(server.responder, clock))
        self._rng = random.Random(1)  # noqa: S311 - nonces of a lab
        self._saved = ""
        self._wants_reload = False
        self._unseen = b""
        self._port, self._device, self._console = self._power_on()
        self.greeting = self._console.open()
        self._newline = profile.shell.newline

    # --- Screen ---------------------------------------------------------------------------------

    def type(self, keys: str) -> str:
        """See `sceplab_devices.transcript.Screen`."""
        shown = self._console.receive(keys.encode("latin-1", errors="replace"))
        while self._console.has_input:
            shown += self._console.receive(b"")
        if self._wants_reload:
            self.restart()
        return self.shown(shown) + self.later()

    def later(self) -> str:
        """See `Screen`."""
        unseen, self._unseen = self._unseen, b""
        return self.shown(unseen + self._console.take_output())

    def shown(self, data: bytes) -> str:
        """See `Screen`."""
        return data.decode("ascii").replace(self._newline, "\n")

    # --- what transcripts can make happen -------------------------------------------------------

    def hooks(self) -> dict[str, Callable[[str], None]]:
        """By the names that transcripts use."""
        return {
            "approve": lambda _: self._decide(is_granted=True),
            "reject": lambda _: self._decide(is_granted=False),
            "server-off": lambda _: setattr(self._transport, "is_on", False),
            "server-on": lambda _: setattr(self._transport, "is_on", True),
            "wait-seconds": lambda text: self.wait(timedelta(seconds=float(text))),
            "wait-minutes": lambda text: self.wait(timedelta(minutes=float(text))),
            "wait-days": lambda text: self.wait(timedelta(days=float(text))),
            "connect": self._connect,
            "restart": lambda _: self.restart(),
        }

    def values(self) -> dict[str, str]:
        """``url`` of the server, fingerprints of its CA: ``pin`` (SHA-256), ``sha1``, ``md5``."""
        root = self._server.hierarchy.root.certificate
        kinds = {"pin": hashes.SHA256(), "sha1": hashes.SHA1(), "md5": hashes.MD5()}  # noqa: S303
        prints = {name: root.fingerprint(kind).hex().upper() for name, kind in kinds.items()}
        return {"url": URL, **prints}

    def wait(self, duration: timedelta) -> None:
        """Lets time pass, deadline by deadline."""
        ends = self._clock() + duration
        while (deadline := self._port.next_deadline()) is not None and deadline <= ends:
            self._clock.move_to(deadline)
            self._port.tick()
            self._device.tick(self._clock())
        self._clock.move_to(ends)
        self._device.tick(ends)

    def restart(self) -> None:
        """The box goes off and comes up with what it saved; a new session begins."""
        self._wants_reload = False
        self.close()
        self._port, self._device, self._console = self._power_on()
        self._unseen = self._console.open()

    def close(self) -> None:
        """Switches the box off."""
        for console in tuple(self._device.consoles):
            console.disconnect()
        self._port.close()

    def _power_on(self) -> tuple[AgentPort, Device, Console]:
        port = AgentPort(
            store=self._store,
            transport=self._transport,
            worker=InlineWorker(),
            clock=self._clock,
            rng=self._rng,
            state_dir=self._state_dir,
            floor=Floor.NDES,
        )
        device = self._profile.new_device(port=port, clock=self._clock, **self._settings)
        device.restore(self._saved)
        device.on_save = self._save
        device.on_reload = self._reload
        return port, device, device.open_console(self._line, user=self._user)

    def _save(self, text: str) -> None:
        self._saved = text

    def _reload(self) -> None:
        self._wants_reload = True

    def _connect(self, kind: str) -> None:
        self._console.disconnect()
        line = LINES[kind] if kind else self._line
        self._console = self._device.open_console(line, user=self._user)
        self._unseen = self._console.open()

    def _decide(self, *, is_granted: bool) -> None:
        administration = self._server.administration
        for request in administration.pending():
            if is_granted:
                administration.approve(request.request_id, self._clock())
            else:
                administration.deny(request.request_id, self._clock())


@contextmanager
def open_lab(
    profile: DeviceProfile,
    *,
    hostname: str = "",
    settings: Mapping[str, Any] | None = None,
    line: str = "console",
    user: str = "",
    is_decided_by_hand: bool = False,
) -> Iterator[ReplayLab]:
    """A lab for one transcript; its few files are gone at the end.

    Args:
        profile: platform of the device.
        hostname: empty: the profile's.
        settings: go to `DeviceProfile.new_device`.
        line: ``console`` or ``vty``.
        user: whom the line lets in.
        is_decided_by_hand: first requests wait at the CA for ``@ approve`` or ``@ reject``.
    """
    clock = VirtualClock(SEEDED_START)
    template = {"approval": "manual" if is_decided_by_hand else "auto", "renewal_approval": "auto"}
    rules = load_profile("ndes", {"challenge": {"mode": "none"}, "template": template})
    with ExitStack() as undo:
        folder = Path(undo.enter_context(TemporaryDirectory(prefix="sceplab-replay-")))
        stores = []
        for name in ("ca", "device"):
            uri = f"soft:{folder / name}?kdf=lab"
            store = open_key_store(uri, lambda _: Secret("replay"), create=True, now=clock)
            undo.callback(store.close)
            stores.append(store)
        server = create_server_state(key_store=stores[0], now=clock(), profile=rules)
        undo.callback(server.close)
        server.publish_at("http://ndes.lab")
        state_dir = folder / "state"
        state_dir.mkdir(mode=0o700)
        lab = ReplayLab(
            profile,
            hostname=hostname,
            settings=settings or {},
            store=stores[1],
            server=server,
            clock=clock,
            state_dir=state_dir,
            line=LINES[line],
            user=user,
        )
        undo.callback(lab.close)
        yield lab
