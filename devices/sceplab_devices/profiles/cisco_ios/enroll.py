"""``crypto pki enroll``: the enrollment dialog."""

from __future__ import annotations

from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco_ios.authenticate import authenticate_ca
from sceplab_devices.profiles.cisco_ios.automatic import is_running
from sceplab_devices.profiles.cisco_ios.enroll_questions import EnrollmentQuestions
from sceplab_devices.profiles.cisco_ios.enroll_terminal import show_request
from sceplab_devices.profiles.cisco_ios.enrollment_method import (
    EnrollmentMethod,
    enrollment_method,
)
from sceplab_devices.profiles.cisco_ios.keys import provide_key
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.profiles.cisco_ios.trustpoint import Trustpoint
from sceplab_devices.steps import Dialog


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
    method = enrollment_method(router, trustpoint)
    if method in (EnrollmentMethod.SELF_SIGNED, EnrollmentMethod.IMPORTED):
        ctx.say("enroll.method", method=method.value)
        return
    view = router.view(name)
    if not view.ca_certificates_der:
        if router.train.unauthenticated_enroll == "refuse":
            ctx.say("enroll.unauthenticated")
            return
        ctx.say("enroll.authenticating")
        trusted: bool = yield from authenticate_ca(ctx, trustpoint)
        if not trusted:
            return
    yield from _enroll_with_ca(ctx, trustpoint, method)


def _enroll_with_ca(ctx: Context, trustpoint: Trustpoint, method: EnrollmentMethod) -> Dialog:
    """The CA is known: asks what is to be asked, then requests."""
    name = trustpoint.name
    view = ctx.device.view(name)
    # A request that the operator carries is simply made anew; one at the server is not.
    if is_running(view) and method is not EnrollmentMethod.TERMINAL:
        ctx.say("enroll.in_progress", name=name)
        return
    if view.certificate_der:
        ctx.say("enroll.enrolled", name=name)
        again: bool = yield from ask_yes_no(ctx, ctx.text("enroll.again_question"))
        if not again:
            return
    dialog = EnrollmentQuestions(ctx, trustpoint)
    if method is EnrollmentMethod.TERMINAL:
        yield from show_request(dialog)
    else:
        yield from _request_from_server(dialog)


def _request_from_server(questions: EnrollmentQuestions) -> Dialog:
    """SCEP: the request goes to the CA; its answer comes as an event."""
    ctx, trustpoint = questions.ctx, questions.trustpoint
    challenge: str = yield from questions.ask(asks_password=True)
    is_quiet = ctx.device.train.quiet and not questions.asked
    if not is_quiet:
        wanted: bool = yield from ask_yes_no(ctx, ctx.text("enroll.request_question"))
        if not wanted:
            ctx.say("enroll.cancelled")
            return
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
