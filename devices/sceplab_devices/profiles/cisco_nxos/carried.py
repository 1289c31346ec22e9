"""``crypto ca import | export | crl request``: what an operator carries to and from the box."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.pasting import decode_base64, read_certificates, read_lines
from sceplab_devices.profiles.cisco.trustpoint import Entry
from sceplab_devices.profiles.cisco_nxos.authenticate import END_OF_INPUT
from sceplab_devices.profiles.cisco_nxos.switch import Context
from sceplab_devices.profiles.cisco_nxos.trustpoint import Trustpoint
from sceplab_devices.profiles.readable import UNREADABLE
from sceplab_devices.steps import Dialog

_LAST_LINES = ("-----END CERTIFICATE-----", "-----END PKCS7-----", END_OF_INPUT)


def import_certificate(ctx: Context) -> Dialog:
    """``crypto ca import NAME certificate``."""
    switch, name = ctx.device, ctx.args["name"]
    if name not in switch.config.trustpoints:
        ctx.say("trustpoint.unknown", name=name)
        return
    if not switch.view(name).ca_certificates_der:
        ctx.say("enroll.unauthenticated")
        return
    ctx.say("carried.paste")
    text: str = yield from read_lines(lambda line: line in _LAST_LINES, keeps_end=True)
    certificates = read_certificates(text.removesuffix(END_OF_INPUT))
    try:
        if not certificates:
            raise DeviceError(ctx.text("authenticate.not_parsed"))
        switch.port.import_certificate(name, certificates[0])
    except DeviceError as error:
        ctx.say("carried.not_imported", reason=error)


def import_pkcs12(ctx: Context) -> None:
    """``crypto ca import NAME pkcs12 bootflash:FILE PASSPHRASE``.

    The trustpoint has to be configured and empty; the key pair gets the label it names, else the
    trustpoint's own name.
    """
    switch, name = ctx.device, ctx.args["name"]
    trustpoint = switch.config.trustpoints.get(name)
    if trustpoint is None:
        ctx.say("trustpoint.unknown", name=name)
        return
    view = switch.view(name)
    if view.ca_certificates_der or view.certificate_der:
        ctx.say("carried.in_use")
        return
    data = switch.files.read(ctx.args["file"])
    if data is None:
        ctx.say("carried.no_file")
        return
    named = dict(trustpoint.entries)
    _name_key(trustpoint)
    try:
        reason = switch.apply(trustpoint)
        if reason:
            raise DeviceError(reason)
        switch.port.import_pkcs12(
            name,
            data,
            ctx.args["passphrase"],
            key_label=trustpoint.key_label,
            exportable=True,
        )
    except DeviceError:  # the reason is no business of whoever guesses passphrases
        trustpoint.entries = named
        switch.apply(trustpoint)
        ctx.say("carried.pkcs12_failed")
        return
    switch.note_change()


def _name_key(trustpoint: Trustpoint) -> None:
    """Without ``rsakeypair`` the key pair is called as the trustpoint."""
    name = trustpoint.name
    trustpoint.entries.setdefault("rsakeypair", Entry(f"rsakeypair {name}", {"label": name}))


def export_pkcs12(ctx: Context) -> None:
    """``crypto ca export NAME pkcs12 bootflash:FILE PASSPHRASE``."""
    switch, name = ctx.device, ctx.args["name"]
    if name not in switch.config.trustpoints:
        ctx.say("trustpoint.unknown", name=name)
        return
    try:
        data = switch.port.export_pkcs12(name, ctx.args["passphrase"])
    except DeviceError as error:
        ctx.say("carried.not_exported", reason=error)
        return
    if not switch.files.write(ctx.args["file"], data, switch.now()):
        ctx.say("carried.not_written")


def request_crl(ctx: Context) -> None:
    """``crypto ca crl request NAME bootflash:FILE``: a CRL of the trustpoint's CA, DER or PEM."""
    switch, name = ctx.device, ctx.args["name"]
    trustpoint = switch.config.trustpoints.get(name)
    if trustpoint is None:
        ctx.say("trustpoint.unknown", name=name)
        return
    authorities = switch.view(name).ca_certificates_der
    if not authorities:
        ctx.say("enroll.unauthenticated")
        return
    data = switch.files.read(ctx.args["file"])
    if data is None:
        ctx.say("carried.no_file")
        return
    crl = read_crl(data)
    if crl is None or not any(_is_from(crl, authority) for authority in authorities):
        ctx.say("carried.crl_failed")
        return
    trustpoint.crl = crl


def read_crl(data: bytes) -> x509.CertificateRevocationList | None:
    """A revocation list, DER or PEM; ``None``: it is none."""
    is_pem = data.lstrip().startswith(b"-----BEGIN")
    der = decode_base64(data.decode("ascii", "replace")) if is_pem else data
    try:
        crl = x509.load_der_x509_crl(der)
        _ = crl.issuer, crl.last_update_utc, crl.next_update_utc, crl.signature_hash_algorithm
        _ = list(crl.extensions), [(one.revocation_date_utc, one.extensions) for one in crl]
    except UNREADABLE:
        return None
    return crl


def _is_from(crl: x509.CertificateRevocationList, authority_der: bytes) -> bool:
    authority = x509.load_der_x509_certificate(authority_der)
    try:
        return crl.issuer == authority.subject and crl.is_signature_valid(
            authority.public_key()  # type: ignore[arg-type]  # other kinds raise TypeError
        )
    except (TypeError, ValueError, InvalidSignature, UnsupportedAlgorithm):
        return False
