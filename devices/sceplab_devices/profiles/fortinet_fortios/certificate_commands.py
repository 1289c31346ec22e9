"""``execute vpn certificate …`` and the lists of certificates."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.fortinet_fortios import hidden
from sceplab_devices.profiles.fortinet_fortios.authorities import (
    CaImport,
    drop_import,
    is_import,
    start_import,
)
from sceplab_devices.profiles.fortinet_fortios.box import Context
from sceplab_devices.profiles.fortinet_fortios.certificate_text import certificate_der, details
from sceplab_devices.profiles.fortinet_fortios.complaints import complain
from sceplab_devices.profiles.fortinet_fortios.configuration import Entry
from sceplab_devices.profiles.fortinet_fortios.local_certificates import (
    AUTHORITIES,
    LOCAL,
    enroll,
    issuer_of,
    request_name,
    settings_of,
)
from sceplab_devices.profiles.fortinet_fortios.words import Word
from sceplab_devices.steps import Dialog, WaitFor

_PATIENCE_S = 60.0
_CA_ENDS = frozenset(
    {PortEventKind.CA_PIN_MISMATCH, PortEventKind.CA_PIN_MISSING, PortEventKind.CA_UNREACHABLE}
)
_REQUEST_ENDS = frozenset({PortEventKind.REQUEST_CREATED, PortEventKind.ENROLL_FAILED})
_SUBJECT_PARTS = (
    ("country", NameOID.COUNTRY_NAME), ("state", NameOID.STATE_OR_PROVINCE_NAME),
    ("city", NameOID.LOCALITY_NAME), ("organization", NameOID.ORGANIZATION_NAME),
    ("unit", NameOID.ORGANIZATIONAL_UNIT_NAME), ("subject", NameOID.COMMON_NAME),
    ("email", NameOID.EMAIL_ADDRESS),
)  # fmt: skip
_ARGUMENTS = (
    "name", "key", "subject", "country", "state", "city", "organization", "unit", "email", "san",
    "url", "challenge", "source", "identifier", "password",
)  # fmt: skip
_KEYS = {
    "rsa": {size: f"rsa:{size}" for size in ("1024", "1536", "2048", "4096")},
    "ec": {"secp256r1": "ec:p256", "secp384r1": "ec:p384", "secp521r1": "ec:p521"},
}
_NEEDED = 3


def import_ca(ctx: Context, words: Sequence[Word]) -> Dialog:
    """``execute vpn certificate ca import auto URL [CA-IDENTIFIER] [SOURCE-IP] [FINGERPRINT]``."""
    device = ctx.device
    url, identifier, source, fingerprint = ([word.text for word in words] + [""] * 4)[:4]
    if not url:
        complain(ctx, "incomplete")
        return
    order = CaImport(url=url, identifier=identifier, source=source)
    try:
        name = start_import(device, order, fingerprint)
    except (DeviceError, ValueError):
        complain(ctx, "failed")
        return

    def is_over(event: PortEvent) -> bool:
        has_ended = event.kind in _CA_ENDS or name not in device.imports
        return event.trustpoint == name and has_ended

    event: PortEvent | None = yield WaitFor(is_over, timeout_s=_PATIENCE_S)
    if event is None:
        drop_import(device, name)
    if event is None or event.kind == PortEventKind.CA_UNREACHABLE:
        ctx.say("certificate.ca_unreachable")
    elif event.kind in _CA_ENDS:
        ctx.say("certificate.ca_mismatch")
    else:
        ctx.say("certificate.done")


def generate_rsa(ctx: Context, words: Sequence[Word]) -> Dialog:
    """``execute vpn certificate local generate rsa NAME BITS SUBJECT …``."""
    return _generate(ctx, words, "rsa")


def generate_ec(ctx: Context, words: Sequence[Word]) -> Dialog:
    """``execute vpn certificate local generate ec NAME CURVE SUBJECT …``."""
    return _generate(ctx, words, "ec")


def _generate(ctx: Context, words: Sequence[Word], family: str) -> Dialog:
    device = ctx.device
    if len(words) < _NEEDED:
        complain(ctx, "incomplete")
        return
    given = dict(zip(_ARGUMENTS, (word.text for word in words), strict=False))
    name, algorithm = given["name"], _KEYS[family].get(given["key"], "")
    limit = device.schema.tables[LOCAL].key_limit
    if not 0 < len(name) <= limit or is_import(name):
        complain(ctx, "value", word=name)
    elif not algorithm:
        complain(ctx, "value", word=given["key"])
    elif name in device.config.rows(LOCAL):
        complain(ctx, "duplicate", word=name)
    elif algorithm not in device.port.key_algorithms():
        ctx.say("certificate.no_such_key")
    else:
        entry = _entry_of(ctx, given, algorithm)
        if entry is not None:
            yield from _request(ctx, name, entry)


def _entry_of(ctx: Context, given: dict[str, str], algorithm: str) -> Entry | None:
    """The entry that the arguments make; ``None``, with a complaint, when they make none."""
    names = []
    for text in filter(None, given.get("san", "").replace(",", " ").split()):
        name = request_name(text)
        if not name:
            complain(ctx, "value", word=text)
            return None
        names.append(name)
    parts = []
    for part, oid in _SUBJECT_PARTS:
        texts = given.get(part, "").split(",") if part == "unit" else [given.get(part, "")]
        for text in filter(None, (text.strip() for text in texts)):
            try:
                parts.append(x509.NameAttribute(oid, text))
            except ValueError:
                complain(ctx, "value", word=text)
                return None
    if not parts:
        complain(ctx, "value", word=given["subject"])
        return None
    values = {
        "request-key": algorithm,
        "request-subject": x509.Name(parts).rfc4514_string(),
        "request-names": " ".join(names),
        "scep-url": given.get("url", ""),
        "scep-password": hidden.hide(given["challenge"]) if given.get("challenge") else "",
        "source-ip": given.get("source", ""),
        "ca-identifier": given.get("identifier", ""),
        "password": hidden.hide(given["password"]) if given.get("password") else "",
        "enroll-protocol": "scep" if given.get("url") else "",
    }
    return Entry({key: (value,) for key, value in values.items() if value})


def _request(ctx: Context, name: str, entry: Entry) -> Dialog:
    device = ctx.device
    try:
        device.port.configure(settings_of(device, name, entry))
        if not entry.text("scep-url"):
            device.port.create_request(name)
    except (DeviceError, ValueError):
        device.port.remove(name)
        complain(ctx, "failed")
        return
    device.config.rows(LOCAL)[name] = entry
    if entry.text("scep-url"):
        enroll(device, name)
    else:
        event: PortEvent | None = yield WaitFor(
            lambda event: event.trustpoint == name and event.kind in _REQUEST_ENDS,
            timeout_s=_PATIENCE_S,
        )
        if event is None or event.kind == PortEventKind.ENROLL_FAILED:
            device.config.rows(LOCAL).pop(name, None)
            device.port.remove(name)
            complain(ctx, "failed")
            return
    device.changed()
    ctx.say("certificate.done")


def verify_local(ctx: Context, words: Sequence[Word]) -> None:
    """``execute vpn certificate local verify NAME``: against the CA certificates of the box."""
    name = words[0].text if words else ""
    der = ctx.device.port.view(name).certificate_der
    if not words:
        complain(ctx, "incomplete")
    elif name not in ctx.device.config.rows(LOCAL) or der is None:
        complain(ctx, "no_entry", word=name)
    else:
        certificate = x509.load_der_x509_certificate(der)
        now = ctx.device.box_time()
        is_valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        is_known = issuer_of(ctx.device, certificate) is not None
        ctx.say("certificate.verified" if is_valid and is_known else "certificate.not_verified")


def transfer(ctx: Context, words: Sequence[Word]) -> None:
    """``import`` and ``export`` over TFTP or FTP: there is no such server."""
    if not words:
        complain(ctx, "incomplete")
    else:
        ctx.say("certificate.no_transfer")


def local_details(ctx: Context, words: Sequence[Word]) -> None:
    """``get vpn certificate local details [NAME]``."""
    _list_details(ctx, words, LOCAL)


def ca_details(ctx: Context, words: Sequence[Word]) -> None:
    """``get vpn certificate ca details [NAME]``."""
    _list_details(ctx, words, AUTHORITIES)


def _list_details(ctx: Context, words: Sequence[Word], path: str) -> None:
    device = ctx.device
    wanted = words[0].text if words else ""
    if wanted and wanted not in device.config.rows(path):
        complain(ctx, "no_entry", word=wanted)
        return
    for name, entry in device.config.rows(path).items():
        if wanted and name != wanted:
            continue
        if path == LOCAL:
            der = device.port.view(name).certificate_der
        else:
            der = certificate_der(entry.text("ca")) if entry.text("ca") else None
        if der is not None:
            for line in details(name, der):
                ctx.write(line)
            ctx.write()
