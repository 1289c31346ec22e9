"""``crypto pki enroll``: the enrollment dialog."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco_ios.authenticate import fetch_ca
from sceplab_devices.profiles.cisco_ios.automatic import is_running
from sceplab_devices.profiles.cisco_ios.keys import provide_key
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.profiles.cisco_ios.trustpoint import (
    Trustpoint,
    address_of,
    fqdn_of,
)
from sceplab_devices.steps import Ask, Dialog, Step


def enroll(ctx: Context) -> Dialog:
    """``[no] crypto pki enroll NAME``."""
    router = ctx.device
    name = ctx.args["name"]
    trustpoint = router.config.trustpoints.get(name)
    if trustpoint is None:
        ctx.say("authenticate.unknown", name=name)
        return
    if ctx.negated or ctx.default:
        router.port.cancel(name)
        return
    view = router.view(name)
    if not view.ca_certificates_der:
        if router.train.unauthenticated_enroll == "refuse":
            ctx.say("enroll.unauthenticated")
            return
        ctx.say("enroll.authenticating")
        trusted: bool = yield from fetch_ca(ctx, trustpoint)
        if not trusted:
            return
    if is_running(view):
        ctx.say("enroll.in_progress", name=name)
        return
    if view.certificate_der:
        ctx.say("enroll.enrolled", name=name)
        again: bool = yield from ask_yes_no(ctx, ctx.text("enroll.again_question"))
        if not again:
            return
    yield from _EnrollmentDialog(ctx, trustpoint).run()


class _EnrollmentDialog:
    """The questions between ``enroll`` and the request.

    Attributes:
        asked: something was asked that the configuration could have said.
    """

    def __init__(self, ctx: Context, trustpoint: Trustpoint) -> None:
        self.ctx = ctx
        self.trustpoint = trustpoint
        self.asked = False

    def run(self) -> Dialog:
        """Asks, then sends the request."""
        ctx, trustpoint = self.ctx, self.trustpoint
        challenge = trustpoint.value("password", "password")
        ctx.say("enroll.start" if "password" not in trustpoint.entries else "enroll.start_quiet")
        if ctx.device.train.logs_manual_enrollment:
            ctx.device.syslog("manual_enrollment", name=trustpoint.name)
        if "password" not in trustpoint.entries:
            self.asked = True
            challenge = yield from self._ask_password()
        ctx.write()
        self._show_subject()
        yield from self._settle_serial()
        yield from self._settle_address()
        is_quiet = ctx.device.train.quiet and not self.asked
        if not is_quiet:
            wanted: bool = yield from ask_yes_no(ctx, ctx.text("enroll.request_question"))
            if not wanted:
                ctx.say("enroll.cancelled")
                return
        yield from self._send(challenge, is_quiet=is_quiet)

    def _ask_password(self) -> Generator[Step, Any, str]:
        ctx = self.ctx
        ctx.say("enroll.challenge")
        while True:
            first: str = yield Ask(ctx.text("enroll.password"), echo=False)
            second: str = yield Ask(ctx.text("enroll.password_again"), echo=False)
            if first == second:
                return first
            ctx.say("enroll.password_differs")

    def _show_subject(self) -> None:
        shown = self.trustpoint.value("subject-name", "name")
        for subject in (shown, fqdn_of(self.ctx.device, self.trustpoint)):
            if subject:
                self.ctx.say("enroll.subject", subject=subject)

    def _settle_serial(self) -> Dialog:
        ctx, trustpoint = self.ctx, self.trustpoint
        if trustpoint.asks_serial:
            self.asked = True
            trustpoint.answered_serial = yield from ask_yes_no(
                ctx, ctx.text("enroll.serial_question")
            )
        if trustpoint.includes_serial:
            ctx.say("enroll.serial", serial=ctx.device.serial_number)

    def _settle_address(self) -> Dialog:
        ctx, trustpoint = self.ctx, self.trustpoint
        if not trustpoint.asks_address:
            address = address_of(ctx.device, trustpoint)
            if address:
                ctx.say("enroll.address", address=address)
            return
        self.asked = True
        trustpoint.answered_address = ""
        wanted: bool = yield from ask_yes_no(
            ctx, ctx.text("enroll.address_question"), default=False
        )
        if not wanted:
            return
        typed: str = yield Ask(ctx.text("enroll.address_source"))
        trustpoint.answered_address = ctx.device.address_of(
            ctx.device.interface_name(typed.strip()) or typed.strip()
        )
        if trustpoint.answered_address:
            ctx.say("enroll.address", address=trustpoint.answered_address)
        else:
            ctx.say("enroll.address_skipped")

    def _send(self, challenge: str, *, is_quiet: bool) -> Dialog:
        ctx, trustpoint = self.ctx, self.trustpoint
        router = ctx.device
        has_key: bool = yield from provide_key(ctx, trustpoint)
        if not has_key:
            return
        if is_running(router.view(trustpoint.name)):  # it started by itself meanwhile
            ctx.say("enroll.in_progress", name=trustpoint.name)
            return
        if not router.apply(trustpoint):
            ctx.say("enroll.cancelled")
            return
        router.port.enroll(trustpoint.name, challenge=challenge)
        if is_quiet:
            ctx.say("enroll.sent_quiet")
        else:
            ctx.say("enroll.sent", name=trustpoint.name)
