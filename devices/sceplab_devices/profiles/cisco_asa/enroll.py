"""``crypto ca enroll``: the enrollment dialog."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.profiles.cisco.pasting import armored
from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco_asa.firewall import Context
from sceplab_devices.profiles.cisco_asa.keys import KEY_TIMEOUT_S, provide_key
from sceplab_devices.profiles.cisco_asa.trustpoint import Trustpoint, fqdn_of
from sceplab_devices.steps import Ask, Dialog, Step, WaitFor

_REQUEST_EVENTS = frozenset({PortEventKind.REQUEST_CREATED, PortEventKind.ENROLL_FAILED})


def enroll(ctx: Context) -> Dialog:
    """``[no] crypto ca enroll NAME [noconfirm]``."""
    firewall, name = ctx.device, ctx.args["name"]
    trustpoint = firewall.config.trustpoints.get(name)
    if trustpoint is None:
        ctx.say("authenticate.unknown", name=name)
        return
    if ctx.negated or ctx.default:
        firewall.port.cancel(name)
        return
    view = firewall.view(name)
    if not view.ca_certificates_der:
        ctx.say("enroll.unauthenticated", name=name)
        return
    if not (trustpoint.url or trustpoint.is_terminal):
        ctx.say("enroll.no_url", name=name)
        return
    if firewall.is_enrolling(name) and not trustpoint.is_terminal:
        ctx.say("enroll.in_progress", name=name)
        return
    asks = not ctx.has("noconfirm")
    if asks:
        if view.certificate_der:
            ctx.say("enroll.enrolled", name=name)
            if not (yield from ask_yes_no(ctx, ctx.text("enroll.again_question"))):
                return
        if not (yield from warn_of_fqdn(ctx, trustpoint)):
            return
    yield from _Enrollment(ctx, trustpoint, asks=asks).run()


def warn_of_fqdn(ctx: Context, trustpoint: Trustpoint) -> Generator[Step, Any, bool]:
    """Asks whether to go on with a name that is not the box's; true: go on."""
    name = trustpoint.value("fqdn", "name")
    if not name or name == ctx.device.fqdn:
        return True
    ctx.say("enroll.fqdn_differs")
    return (yield from ask_yes_no(ctx, ctx.text("enroll.fqdn_question")))


class _Enrollment:
    """What follows on ``enroll``."""

    def __init__(self, ctx: Context, trustpoint: Trustpoint, *, asks: bool) -> None:
        self.ctx = ctx
        self.trustpoint = trustpoint
        self.asks = asks

    def run(self) -> Dialog:
        """Asks, then sends or shows the request."""
        ctx, trustpoint = self.ctx, self.trustpoint
        ctx.say("enroll.start")
        challenge = trustpoint.challenge
        if self.asks and not (challenge or trustpoint.is_terminal):
            challenge = yield from self._ask_password()
        self._show_subject()
        yield from self._settle_serial()
        address = trustpoint.value("ip-address", "address")
        if address:
            ctx.say("enroll.address", address=address)
        if trustpoint.is_terminal:
            yield from self._show_request(challenge)
        else:
            yield from self._send(challenge)

    def _ask_password(self) -> Generator[Step, Any, str]:
        ctx = self.ctx
        ctx.say("enroll.challenge")
        while True:
            first: str = yield Ask(ctx.text("enroll.password"), echo=False, mask="*")
            second: str = yield Ask(ctx.text("enroll.password_again"), echo=False, mask="*")
            if first == second:
                return first
            ctx.say("enroll.password_differs")

    def _show_subject(self) -> None:
        ctx = self.ctx
        subject = self.trustpoint.value("subject-name", "name")
        if subject:
            ctx.say("enroll.subject", subject=subject)
        fqdn = fqdn_of(ctx.device, self.trustpoint)
        if fqdn:
            ctx.say("enroll.fqdn", fqdn=fqdn)

    def _settle_serial(self) -> Dialog:
        ctx, trustpoint = self.ctx, self.trustpoint
        if trustpoint.asks_serial:
            trustpoint.answered_serial = False
            if self.asks:
                trustpoint.answered_serial = yield from ask_yes_no(
                    ctx, ctx.text("enroll.serial_question")
                )
        if trustpoint.includes_serial:
            ctx.say("enroll.serial", serial=ctx.device.serial_number)

    def _prepare(self) -> Generator[Step, Any, bool]:
        """Key pair and settings are there; false: they cannot be had, and it was said."""
        if not (yield from provide_key(self.ctx, self.trustpoint)):
            return False
        if not self.ctx.device.has(self.trustpoint):  # another session removed it
            self.ctx.say("authenticate.unknown", name=self.trustpoint.name)
            return False
        if self.ctx.device.apply(self.trustpoint):
            return True
        self.ctx.say("enroll.cancelled")
        return False

    def _send(self, challenge: str) -> Dialog:
        ctx, name = self.ctx, self.trustpoint.name
        firewall = ctx.device
        if self.asks and not (yield from ask_yes_no(ctx, ctx.text("enroll.request_question"))):
            ctx.say("enroll.cancelled")
            return
        if not (yield from self._prepare()):
            return
        if firewall.is_enrolling(name):  # another session was faster
            ctx.say("enroll.in_progress", name=name)
            return
        firewall.enrolling[name] = ctx.session
        ctx.say("enroll.sent")
        firewall.port.enroll(name, challenge=challenge)

    def _show_request(self, challenge: str) -> Dialog:
        ctx, name = self.ctx, self.trustpoint.name
        if not (yield from self._prepare()):
            return
        ctx.device.port.create_request(name, challenge=challenge)
        event: PortEvent | None = yield WaitFor(
            lambda event: event.trustpoint == name and event.kind in _REQUEST_EVENTS,
            KEY_TIMEOUT_S,
        )
        if event is None or event.csr_der is None:
            ctx.say("enroll.cancelled")
            return
        question = "enroll.display_question"
        while not self.asks or (yield from ask_yes_no(ctx, ctx.text(question))):
            ctx.say("enroll.request", pem="\n".join(armored("CERTIFICATE REQUEST", event.csr_der)))
            if not self.asks:
                return
            question = "enroll.redisplay_question"
