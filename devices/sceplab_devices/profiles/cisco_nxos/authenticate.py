"""``crypto ca authenticate``: the operator pastes the CA certificate and vouches for it."""

from __future__ import annotations

import hashlib

from cryptography import x509

from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.pasting import read_certificates, read_lines
from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco_nxos.switch import Context
from sceplab_devices.steps import Dialog

END_OF_INPUT = "END OF INPUT"


def authenticate(ctx: Context) -> Dialog:
    """``crypto ca authenticate NAME``."""
    switch, name = ctx.device, ctx.args["name"]
    trustpoint = switch.config.trustpoints.get(name)
    if trustpoint is None:
        ctx.say("trustpoint.unknown", name=name)
        return
    if switch.view(name).ca_certificates_der:
        ctx.say("authenticate.authenticated")
        return
    ctx.say("authenticate.paste")
    text: str = yield from read_lines(lambda line: line == END_OF_INPUT)
    certificates = issuing_first(read_certificates(text))
    if not certificates:
        ctx.say("authenticate.failed", reason=ctx.text("authenticate.not_parsed"))
        return
    shown = (fingerprint(der) for der in certificates)
    ctx.say("authenticate.fingerprints", fingerprints="\n".join(shown))
    accepted: bool = yield from ask_yes_no(ctx, ctx.text("authenticate.question"))
    if not accepted:
        ctx.say("authenticate.refused")
        return
    reason = switch.apply(trustpoint) if name in switch.config.trustpoints else "removed"
    try:
        if reason:
            raise DeviceError(reason)
        switch.port.import_ca(name, certificates)
    except DeviceError as error:
        ctx.say("authenticate.failed", reason=error)
        return
    switch.note_change()


def fingerprint(certificate_der: bytes) -> str:
    """``SHA1 Fingerprint=65:84:…``."""
    digest = hashlib.sha1(certificate_der, usedforsecurity=False).hexdigest().upper()
    return "SHA1 Fingerprint=" + ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def issuing_first(certificates: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """A pasted chain from the CA that issues upwards, whatever its order was."""
    parsed = [(x509.load_der_x509_certificate(der), der) for der in certificates]
    for first, _ in parsed:
        issued = any(
            other.issuer == first.subject and other.subject != first.subject for other, _ in parsed
        )
        if issued:
            continue
        chain = [first]
        while len(chain) < len(parsed):
            above = [one for one, _ in parsed if one.subject == chain[-1].issuer]
            if not above or above[0] in chain:
                break
            chain.append(above[0])
        if len(chain) == len(parsed):
            ders = dict(parsed)
            return tuple(ders[one] for one in chain)
    return certificates
