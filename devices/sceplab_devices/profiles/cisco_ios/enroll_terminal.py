"""``enrollment terminal``: the request is shown, and the operator carries it to the CA."""

from __future__ import annotations

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.pasting import armored, encode_base64
from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco_ios.enroll_questions import EnrollmentQuestions
from sceplab_devices.profiles.cisco_ios.enrollment_method import wants_armor
from sceplab_devices.profiles.cisco_ios.keys import provide_key
from sceplab_devices.steps import Dialog, WaitFor

REQUEST_TIMEOUT_S = 120.0

_ENDS = frozenset({PortEventKind.REQUEST_CREATED, PortEventKind.ENROLL_FAILED})


def show_request(questions: EnrollmentQuestions) -> Dialog:
    """Asks, makes the request and shows it as often as the operator wants."""
    ctx, trustpoint = questions.ctx, questions.trustpoint
    router, name = ctx.device, trustpoint.name
    challenge: str = yield from questions.ask(asks_password=False)
    wanted: bool = yield from ask_yes_no(ctx, ctx.text("enroll.display_question"))
    if not wanted:
        ctx.say("enroll.cancelled")
        return
    has_key: bool = yield from provide_key(ctx, trustpoint)
    if not has_key:
        return
    if router.view(name).pending_csr_der is not None:
        router.port.cancel(name)
    if not router.apply(trustpoint):
        ctx.say("enroll.cancelled")
        return
    try:
        router.port.create_request(name, challenge=challenge)
    except DeviceError as error:
        ctx.say("enroll.failed", reason=error)
        return
    event: PortEvent | None = yield WaitFor(
        lambda event: event.trustpoint == name and event.kind in _ENDS,
        REQUEST_TIMEOUT_S,
        holds_log=True,
    )
    if event is None or event.csr_der is None:
        ctx.say("enroll.failed", reason=event.reason if event else ctx.text("keys.timeout"))
        return
    request = event.csr_der
    lines = (
        armored("CERTIFICATE REQUEST", request)
        if wants_armor(trustpoint)
        else encode_base64(request)
    )
    again = True
    while again:
        ctx.say("enroll.request", request="\n".join(lines))
        again = yield from ask_yes_no(ctx, ctx.text("enroll.redisplay_question"))
