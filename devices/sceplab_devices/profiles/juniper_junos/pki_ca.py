"""``request security pki ca-certificate …``: the CA certificate of a profile."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.candidate.commands import Request
from sceplab_devices.profiles.candidate.pipes import Pipes
from sceplab_devices.profiles.candidate.platform import Handler
from sceplab_devices.profiles.candidate.tree import names, value
from sceplab_devices.profiles.juniper_junos.certificate_text import fingerprint
from sceplab_devices.profiles.juniper_junos.device import PKI, Context
from sceplab_devices.profiles.juniper_junos.files_and_shell import read_file
from sceplab_devices.profiles.juniper_junos.pem import read_certificates
from sceplab_devices.steps import Ask, Dialog, Step, WaitFor

FETCH_TIMEOUT_S = 120.0
TRUST_TIMEOUT_S = 30.0
_FETCHED = frozenset({PortEventKind.CA_CERT_RECEIVED, PortEventKind.CA_UNREACHABLE})


def enroll(ctx: Context, request: Request, _pipes: Pipes) -> Dialog:
    """``request security pki ca-certificate enroll ca-profile NAME``."""
    box, name = ctx.device, request.args["ca-profile"]
    settings = box.profile_settings(name)
    if settings is None:
        ctx.say("pki.no_profile", profile=name)
        return
    if not value(settings, "enrollment", "url"):
        ctx.say("pki.no_url", profile=name)
        return
    if box.view(name).ca_certificates_der:
        ctx.say("pki.ca_exists", profile=name)
        return
    if box.view(name).state == "CA_FETCH":
        ctx.say("pki.ca_in_progress", profile=name)
        return
    box.configure_profile(name)
    box.port.authenticate(name)
    event = None
    try:
        event = yield from _wait(name, _FETCHED, FETCH_TIMEOUT_S)
    finally:
        # After Ctrl-C, too: what this one comes to must not be the answer to the next.
        if event is None:
            box.port.cancel(name)
    if event is None or event.kind == PortEventKind.CA_UNREACHABLE or not event.certificate_der:
        reason = event.reason if event else "no answer"
        ctx.say("pki.ca_unreachable", profile=name, reason=reason)
        return
    is_wanted = False
    try:
        is_wanted = yield from _ask(ctx, event.certificate_der, "pki.ca_question")
    finally:
        # Ctrl-C and a dropped line are a refusal too: the engine must not wait for ever.
        box.port.answer_ca(name, accept=is_wanted)
    if not is_wanted:
        return
    if not box.view(name).ca_certificates_der:
        yield from _wait(name, frozenset({PortEventKind.CA_TRUSTED}), TRUST_TIMEOUT_S)
    ctx.say("pki.ca_loaded", profile=name)


def load(ctx: Context, request: Request, _pipes: Pipes) -> Dialog:
    """``request security pki ca-certificate load ca-profile NAME filename FILE``."""
    box, name = ctx.device, request.args["ca-profile"]
    if box.profile_settings(name) is None:
        ctx.say("pki.no_profile", profile=name)
        return
    if box.view(name).ca_certificates_der:
        ctx.say("pki.ca_exists", profile=name)
        return
    data = read_file(ctx, request.args["filename"])
    if data is None:
        return
    certificates = read_certificates(data)
    if not certificates:
        ctx.say("pki.bad_file", file=request.args["filename"])
        return
    if not (yield from _ask(ctx, certificates[0], "pki.ca_load_question")):
        return
    box.configure_profile(name)
    try:
        box.port.import_ca(name, certificates)
    except DeviceError as error:
        ctx.say("pki.failed", reason=error)
        return
    ctx.say("pki.ca_loaded", profile=name)
    box.log_text("pkid", "pkid.ca_loaded", profile=name)


def verify(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``request security pki ca-certificate verify ca-profile NAME``."""
    name = request.args["ca-profile"]
    held = ctx.device.view(name).ca_certificates_der
    if not held:
        ctx.say("pki.no_ca", profile=name)
        return
    certificate = x509.load_der_x509_certificate(held[0])
    now = ctx.device.now()
    is_valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    ctx.say("pki.ca_verified" if is_valid else "pki.ca_not_valid", profile=name)


def clear(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``clear security pki ca-certificate {all | ca-profile NAME}``."""
    box = ctx.device
    every = names(box.active, *PKI, "ca-profile")
    named = [request.args["ca-profile"]] if "ca-profile" in request.args else []
    for name in every if "all" in request.args else named:
        if box.profile_settings(name) is None:
            ctx.say("pki.no_profile", profile=name)
            continue
        box.port.remove(name)
        box.configure_profile(name)


def _ask(ctx: Context, certificate_der: bytes, question: str) -> Generator[Step, Any, bool]:
    """Shows the fingerprints and asks whether the certificate is to be trusted."""
    ctx.say(
        "pki.fingerprint",
        sha1=fingerprint(certificate_der, "sha1"),
        md5=fingerprint(certificate_der, "md5"),
    )
    answer: str = yield Ask(ctx.text(question))
    return answer.strip().lower() in ("yes", "y")


def _wait(
    name: str, kinds: frozenset[str], timeout_s: float
) -> Generator[Step, Any, PortEvent | None]:
    event: PortEvent | None = yield WaitFor(
        lambda event: event.trustpoint == name and event.kind in kinds, timeout_s
    )
    return event


def issuer_of(ctx: Context, certificate: x509.Certificate) -> tuple[bytes, ...]:
    """CA certificates of the profile that a certificate's issuer is loaded in; else nothing."""
    box = ctx.device
    for name in names(box.active, *PKI, "ca-profile"):
        held = box.view(name).ca_certificates_der
        if held and x509.load_der_x509_certificate(held[0]).subject == certificate.issuer:
            return held
    return ()


def pem_of(certificate_der: bytes) -> bytes:
    """A certificate as PEM."""
    return x509.load_der_x509_certificate(certificate_der).public_bytes(Encoding.PEM)


COMMANDS: Mapping[str, Handler] = {
    "ca_enroll": enroll,
    "ca_load": load,
    "ca_verify": verify,
    "clear_ca": clear,
}
