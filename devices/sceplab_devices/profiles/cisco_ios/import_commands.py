"""``crypto pki import``: certificates and key pairs that an operator brings."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_pem_private_key,
    pkcs12,
)

from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.pasting import decode_base64, read_certificates, read_paste
from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco.trustpoint import Entry
from sceplab_devices.profiles.cisco_ios.carried_files import ask_source
from sceplab_devices.profiles.cisco_ios.enrollment_method import (
    EnrollmentMethod,
    enrollment_method,
)
from sceplab_devices.profiles.cisco_ios.keys import forget_certificates_of
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.profiles.cisco_ios.trustpoint import Trustpoint, address_of, key_label_of
from sceplab_devices.profiles.readable import UNREADABLE
from sceplab_devices.steps import Dialog, Step


def import_certificate(ctx: Context) -> Dialog:
    """``crypto pki import NAME certificate``: the answer to a request of the terminal."""
    router, name = ctx.device, ctx.args["name"]
    trustpoint = router.config.trustpoints.get(name)
    if trustpoint is None:
        ctx.say("authenticate.unknown", name=name)
        return
    view = router.view(name)
    if not view.ca_certificates_der:
        ctx.say("import.unauthenticated")
        return
    if view.pending_csr_der is None:
        ctx.say("import.no_request")
        return
    address = address_of(router, trustpoint)
    if address:
        ctx.say("enroll.address", address=address)
    ctx.say("import.paste_certificate")
    certificates = read_certificates((yield from read_paste()))
    if not certificates:
        ctx.say("import.unreadable")
        return
    try:
        router.port.import_certificate(name, certificates[0])
    except DeviceError as error:
        if _is_for_another_key(certificates[0], view.pending_csr_der):
            router.syslog("key_mismatch", name=name)
        else:
            router.syslog("import_refused", name=name, reason=error)
        ctx.say("import.unreadable")
        return
    ctx.say("import.certificate_done")


def _is_for_another_key(certificate_der: bytes, request_der: bytes) -> bool:
    public_key = x509.load_der_x509_certificate(certificate_der).public_key()
    return public_key != x509.load_der_x509_csr(request_der).public_key()


def import_pkcs12(ctx: Context) -> Dialog:
    """``crypto pki import NAME pkcs12 terminal|URL [password] PASSPHRASE``."""
    name = ctx.args["name"]
    ctx.say("import.pkcs12_start")
    if not (yield from _make_room(ctx, name)):
        return
    if "url" in ctx.args:
        data: bytes | None = yield from ask_source(ctx, ctx.args["url"], name)
        if data is None:
            return
    else:
        ctx.say("import.paste_pkcs12")
        data = decode_base64((yield from read_paste()))
    if _install(ctx, name, data, ctx.args["passphrase"], exportable=ctx.has("exportable")):
        ctx.say("import.pkcs12_done")


def import_pem(ctx: Context) -> Dialog:
    """``crypto pki import NAME pem [exportable] terminal|url URL [password] PASSPHRASE``."""
    name = ctx.args["name"]
    if not (yield from _make_room(ctx, name)):
        return
    parts: list[str] = []
    if "url" in ctx.args:
        for ending in (".ca", ".prv", ".crt"):
            content: bytes | None = yield from ask_source(ctx, ctx.args["url"], name + ending)
            if content is None:
                return
            parts.append(content.decode("latin-1"))
    else:
        for text, ends_on_blank in (
            ("import.paste_pem_ca", True), ("import.paste_pem_key", False),
            ("import.paste_pem_certificate", True),
        ):  # fmt: skip
            ctx.say(text)
            parts.append((yield from read_paste(ends_on_blank=ends_on_blank)))
    passphrase = ctx.args["passphrase"]
    bundle = _bundle(parts[0], parts[1], parts[2], passphrase)
    if bundle is None:
        _say_failed(ctx, name, ctx.text("import.bad_pem"))
        return
    if _install(ctx, name, bundle, passphrase, exportable=ctx.has("exportable")):
        ctx.say("import.pem_done")


def _make_room(ctx: Context, name: str) -> Generator[Step, Any, bool]:
    """Whether the key pair may come: one of its name is replaced only if the operator says so."""
    router = ctx.device
    trustpoint = router.config.trustpoints.get(name)
    if trustpoint is not None and router.view(name).certificate_der:
        ctx.say("import.enrolled", name=name)
        return False
    label = _import_label(ctx, name)
    if router.find_key(label) is None:
        return True
    ctx.say("keys.exists", label=label)
    replace: bool = yield from ask_yes_no(ctx, ctx.text("keys.replace_question"))
    return replace


def _import_label(ctx: Context, name: str) -> str:
    """Label of the imported key pair: the configured one, else the trustpoint's name."""
    trustpoint = ctx.device.config.trustpoints.get(name)
    configured = trustpoint is not None and (
        "rsakeypair" in trustpoint.entries or "eckeypair" in trustpoint.entries
    )
    return key_label_of(ctx.device, trustpoint) if trustpoint and configured else name


def _install(ctx: Context, name: str, data: bytes, passphrase: str, *, exportable: bool) -> bool:
    """Gives the file to the engine; makes the trustpoint if there is none of that name."""
    router = ctx.device
    label = _import_label(ctx, name)
    known = router.config.trustpoints.get(name)
    trustpoint = known or Trustpoint(name)
    entries = dict(trustpoint.entries)
    kind = _key_kind(data, passphrase)
    if not kind:
        _say_failed(ctx, name, ctx.text("import.bad_bundle"))
        return False
    if enrollment_method(router, trustpoint) is EnrollmentMethod.NONE:
        trustpoint.entries["enrollment url"] = Entry("enrollment pkcs12", {})
    trustpoint.entries.pop("rsakeypair", None)
    trustpoint.entries.pop("eckeypair", None)
    trustpoint.entries[kind] = Entry(f"{kind} {label}", {"label": label})
    is_first = not router.key_pairs()
    try:
        if not router.apply(trustpoint):
            raise DeviceError(ctx.text("import.bad_trustpoint"))
        if router.find_key(label) is not None and router.port.delete_key(label):
            router.syslog("key_deleted", label=label)
            forget_certificates_of(ctx, label)
        router.port.import_pkcs12(name, data, passphrase, key_label=label, exportable=exportable)
    except DeviceError as error:
        trustpoint.entries = entries
        if known is None:
            router.port.remove(name)
        _say_failed(ctx, name, str(error))
        return False
    if known is None:
        router.config.trustpoints[name] = trustpoint
        if router.train.logs_trustpoint_create:
            router.syslog("trustpoint_created", name=name)
    router.syslog("key_added", label=label)
    if is_first:
        router.syslog("ssh_enabled", version=router.train.ssh)
    router.note_change()
    return True


def _key_kind(data: bytes, passphrase: str) -> str:
    """``rsakeypair`` or ``eckeypair``; empty: the file cannot be opened or has no such key.

    Looked at here, so that a wrong passphrase costs no key pair that it would replace.
    """
    try:
        key, certificate, _ = pkcs12.load_key_and_certificates(data, passphrase.encode())
    except UNREADABLE:
        return ""
    if certificate is None:
        return ""
    if isinstance(key, rsa.RSAPrivateKey):
        return "rsakeypair"
    return "eckeypair" if isinstance(key, ec.EllipticCurvePrivateKey) else ""


def _say_failed(ctx: Context, name: str, reason: str) -> None:
    ctx.device.syslog("pkcs12_failed", name=name, reason=reason)
    ctx.say("import.pem_failed" if "pem" in ctx.words else "import.failed")


def _bundle(authority: str, key_pem: str, certificate: str, passphrase: str) -> bytes | None:
    """The three pastes as one PKCS#12 file; ``None``: one of them is not what it should be."""
    authorities = [x509.load_der_x509_certificate(der) for der in read_certificates(authority)]
    own = [x509.load_der_x509_certificate(der) for der in read_certificates(certificate)]
    key = _load_key(key_pem, passphrase)
    if key is None or not own or not authorities:
        return None
    secret = BestAvailableEncryption(passphrase.encode())
    return pkcs12.serialize_key_and_certificates(None, key, own[0], authorities, secret)


def _load_key(pem: str, passphrase: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None:
    for secret in (passphrase.encode(), None):
        try:
            key = load_pem_private_key(pem.encode(), secret)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            return key
    return None
