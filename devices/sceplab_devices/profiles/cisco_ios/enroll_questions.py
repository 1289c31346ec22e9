"""The questions between ``crypto pki enroll`` and the request."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.profiles.cisco_ios.trustpoint import Trustpoint, address_of, fqdn_of
from sceplab_devices.steps import Ask, Dialog, Step


class EnrollmentQuestions:
    """Asks what the configuration leaves open, and says what the request will carry.

    Attributes:
        asked: something was asked that the configuration could have said.
    """

    def __init__(self, ctx: Context, trustpoint: Trustpoint) -> None:
        self.ctx = ctx
        self.trustpoint = trustpoint
        self.asked = False

    def ask(self, *, asks_password: bool) -> Generator[Step, Any, str]:
        """Everything up to the request; gives the challenge password, which may be empty.

        Args:
            asks_password: for a challenge password, unless it is configured.
        """
        ctx, trustpoint = self.ctx, self.trustpoint
        challenge = trustpoint.value("password", "password")
        asks_password = asks_password and "password" not in trustpoint.entries
        ctx.say("enroll.start" if asks_password else "enroll.start_quiet")
        if ctx.device.train.logs_manual_enrollment:
            ctx.device.syslog("manual_enrollment", name=trustpoint.name)
        if asks_password:
            self.asked = True
            challenge = yield from self._ask_password()
        ctx.write()
        self._show_subject()
        yield from self._settle_serial()
        yield from self._settle_address()
        return challenge

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
