"""The acts of the demo, each typed at the router's console or done at the server's admin page."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import groupby

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sceplab_agent.http_transport import StdlibTransport
from sceplab_lab.demo.admin_page import fetch_page, find_password, readable_lines
from sceplab_lab.demo.screen import Screen
from sceplab_lab.demo.stage import ADMIN, Stage
from sceplab_lab.demo.typist import Typist
from sceplab_lab.errors import DemoError

HOSTNAME = "R1"
TRUSTPOINT = "NDES"
KEY_LABEL = "R1-KEY"
_A_POLL = timedelta(seconds=61)
_A_YEAR = timedelta(days=365, hours=1)

EXEC = rf"{HOSTNAME}#"
CONFIG = rf"{HOSTNAME}\(config\)#"
SUB_MODE = rf"{HOSTNAME}\([a-z-]+\)#"


class Story:
    """Plays the demo.

    Args:
        stage: server and router.
        screen: what the audience sees.
        typist: sits at the router's console.
    """

    def __init__(self, stage: Stage, screen: Screen, typist: Typist) -> None:
        self._stage = stage
        self._screen = screen
        self._typist = typist

    async def play(self) -> None:
        """All acts in order."""
        self._introduce_server()
        password = await self._fetch_password()
        await self._configure_router()
        await self._authenticate()
        await self._enroll(password)
        await self._approve()
        await self._renew()

    def _introduce_server(self) -> None:
        server = self._stage.server
        self._screen.act("An NDES starts")
        self._screen.say(f"SCEP URL   {server.scep_url}")
        self._screen.say(f"admin page {server.admin_url} (user {ADMIN})")
        self._screen.say(f"CA SHA-256 {self._anchor_fingerprint()}")
        self._screen.say("Every first request waits for an approval; renewals are issued at once.")

    async def _fetch_password(self) -> str:
        stage, screen = self._stage, self._screen
        screen.act("An administrator fetches a one-time password")
        page = await asyncio.to_thread(
            fetch_page,
            StdlibTransport(),
            stage.server.admin_url,
            user=ADMIN,
            password=stage.admin_password,
        )
        screen.block("the page", readable_lines(page))
        stage.log.take_events()
        return find_password(page)

    async def _configure_router(self) -> None:
        self._screen.act(f"Router {HOSTNAME}: key pair and trustpoint, typed over Telnet")
        typist = self._typist
        await typist.expect(rf"{HOSTNAME}>")
        await typist.enter("enable", then=EXEC)
        await typist.enter("terminal length 0", then=EXEC)
        await typist.enter("terminal monitor", then=EXEC)
        await typist.enter("configure terminal", then=CONFIG)
        await typist.enter("ip domain name example.test", then=CONFIG)
        await typist.enter(
            f"crypto key generate rsa label {KEY_LABEL} modulus 2048", then=r"elapsed time.*\n"
        )
        await typist.expect(CONFIG)
        await typist.enter(f"crypto pki trustpoint {TRUSTPOINT}", then=SUB_MODE)
        for line in (
            f"enrollment url {self._stage.server.scep_url}",
            "enrollment mode ra",
            "subject-name CN=R1, OU=Lab, O=Example",
            f"rsakeypair {KEY_LABEL}",
            "serial-number none",
            "ip-address none",
            f"fingerprint {self._anchor_fingerprint()}",
            "auto-enroll 50 regenerate",
        ):
            await typist.enter(line, then=SUB_MODE)
        await typist.enter("exit", then=CONFIG)

    async def _authenticate(self) -> None:
        self._screen.act("The router fetches the CA certificate and compares its fingerprint")
        await self._typist.enter(
            f"crypto pki authenticate {TRUSTPOINT}", then=r"certificate accepted\.\n"
        )
        await self._typist.expect(CONFIG)
        await self._show_exchange()

    async def _enroll(self, password: str) -> None:
        self._screen.act("The router enrolls; the CA wants to look at the request first")
        typist = self._typist
        await typist.enter(f"crypto pki enroll {TRUSTPOINT}", then="Password: $")
        await typist.enter(password, then="Re-enter password: $")
        await typist.enter(password, then=r"CA\? \[yes/no\]: $")
        await typist.enter("yes", then=r"SHA1: .*\n")
        await self._show_exchange()
        await typist.enter("end", then=EXEC)
        await typist.enter("show crypto pki certificates", then=EXEC)
        await typist.enter("show crypto pki timers", then=EXEC)

    async def _approve(self) -> None:
        stage, screen = self._stage, self._screen
        screen.act("The administrator approves, and the router's next poll gets the certificate")
        pending = stage.ndes.administration.pending()
        if not pending:
            raise DemoError("the server has no pending request")
        for request in pending:
            record = await asyncio.to_thread(
                stage.ndes.administration.approve, request.request_id, stage.now(), user=ADMIN
            )
            screen.say(
                f"request {request.request_id} ({request.subject}) approved, "
                f"serial number {record.serial}"
            )
        screen.say("The clock moves on by a minute, to the next poll.")
        stage.clock.advance(_A_POLL)
        await self._typist.expect(r"%PKI-6-CERTRET.*\n")
        await self._show_exchange()
        await self._typist.enter("", then=EXEC)
        await self._typist.enter(f"show crypto pki certificates {TRUSTPOINT}", then=EXEC)
        await self._typist.enter("write memory", then=EXEC)

    async def _renew(self) -> None:
        stage, screen = self._stage, self._screen
        screen.act("A year later the router renews by itself, with a new key")
        before = self._router_certificate()
        stage.clock.advance(_A_YEAR)
        screen.say(f"The clock now says {stage.now():%Y-%m-%d %H:%M} UTC.")
        await self._typist.expect(r"%PKI-6-CERTRET.*\n")
        await self._show_exchange()
        await self._typist.enter("", then=EXEC)
        await self._typist.enter(
            f"show crypto pki certificates {TRUSTPOINT} | include Serial|date", then=EXEC
        )
        after = self._router_certificate()
        if before.serial_number == after.serial_number:
            raise DemoError("the certificate was not renewed")

    async def _show_exchange(self) -> None:
        """States and messages since the last time, once the router has nothing to do."""
        await self._stage.router.settle()
        log, screen = self._stage.log, self._screen
        for trustpoint, moves in groupby(log.take_moves(), key=lambda move: move[0]):
            steps = list(moves)
            screen.states(trustpoint, [steps[0][1].value, *(move[2].value for move in steps)])
        for event in log.take_events():
            if not event.message:
                screen.say(f"server: {event.operation or event.kind}")
                continue
            for sender, trace in (
                ("router", event.trace_message()),
                ("server", event.trace_reply()),
            ):
                if trace is not None:
                    screen.block(f"{sender}: {trace.title}", trace.lines)

    def _anchor_fingerprint(self) -> str:
        anchor = self._stage.ndes.hierarchy.root.certificate
        return anchor.fingerprint(hashes.SHA256()).hex().upper()

    def _router_certificate(self) -> x509.Certificate:
        view = self._stage.router.port.view(TRUSTPOINT)
        if view.certificate_der is None:
            raise DemoError("the router has no certificate")
        return x509.load_der_x509_certificate(view.certificate_der)
