"""``crypto ca import | export``: certificates and keys that an operator carries."""

from __future__ import annotations

from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.pasting import (
    armored,
    decode_base64,
    read_certificates,
    read_paste,
)
from sceplab_devices.profiles.cisco.trustpoint import Entry
from sceplab_devices.profiles.cisco_asa.enroll import warn_of_fqdn
from sceplab_devices.profiles.cisco_asa.firewall import Context
from sceplab_devices.profiles.cisco_asa.trustpoint import Trustpoint, fqdn_of, settings_of
from sceplab_devices.steps import Dialog


def import_certificate(ctx: Context) -> Dialog:
    """``crypto ca import NAME certificate [nointeractive]``."""
    name = ctx.args["name"]
    trustpoint = ctx.device.config.trustpoints.get(name)
    if trustpoint is None:
        ctx.say("authenticate.unknown", name=name)
        return
    if not ctx.has("nointeractive"):
        if not (yield from warn_of_fqdn(ctx, trustpoint)):
            return
        fqdn = fqdn_of(ctx.device, trustpoint)
        if fqdn:
            ctx.say("carried.fqdn", fqdn=fqdn)
    ctx.say("carried.paste_certificate")
    certificates = read_certificates((yield from read_paste(ends_on_blank=False)))
    try:
        if not certificates:
            raise DeviceError(ctx.text("carried.no_certificate"))
        ctx.device.port.import_certificate(name, certificates[0])
    except DeviceError as error:
        ctx.say("carried.not_imported", reason=error)
        return
    ctx.say("carried.imported")


def import_pkcs12(ctx: Context) -> Dialog:
    """``crypto ca import NAME pkcs12 PASSPHRASE [nointeractive]``.

    A trustpoint of that name is made, with a key pair of the same label.
    """
    firewall, name = ctx.device, ctx.args["name"]
    if name in firewall.config.trustpoints and firewall.view(name).ca_certificates_der:
        ctx.say("carried.in_use", name=name)
        return
    ctx.say("carried.paste_pkcs12")
    data = decode_base64((yield from read_paste(ends_on_blank=False)))
    trustpoint = firewall.config.trustpoints.get(name) or Trustpoint(name)
    trustpoint.entries.setdefault("keypair", Entry(f"keypair {name}", {"label": name}))
    try:
        firewall.port.configure(settings_of(firewall, trustpoint))
        firewall.port.import_pkcs12(
            name,
            data,
            ctx.args["passphrase"],
            key_label=trustpoint.key_label,
            exportable=True,
        )
    except (DeviceError, ValueError):  # the reason is no business of whoever guesses passphrases
        if name not in firewall.config.trustpoints:
            firewall.port.remove(name)
        ctx.say("carried.pkcs12_failed")
        return
    firewall.config.trustpoints[name] = trustpoint
    firewall.note_change()
    ctx.say("carried.pkcs12_imported")


def export_pkcs12(ctx: Context) -> None:
    """``crypto ca export NAME pkcs12 PASSPHRASE``."""
    name = ctx.args["name"]
    if name not in ctx.device.config.trustpoints:
        ctx.say("authenticate.unknown", name=name)
        return
    try:
        data = ctx.device.port.export_pkcs12(name, ctx.args["passphrase"])
    except DeviceError as error:
        ctx.say("carried.not_exported", reason=error)
        return
    ctx.say("carried.pkcs12", pem="\n".join(armored("PKCS12", data)))


def export_certificate(ctx: Context) -> None:
    """``crypto ca export NAME identity-certificate``."""
    name = ctx.args["name"]
    if name not in ctx.device.config.trustpoints:
        ctx.say("authenticate.unknown", name=name)
        return
    certificate_der = ctx.device.view(name).certificate_der
    if certificate_der is None:
        ctx.say("carried.no_identity", name=name)
        return
    ctx.say("carried.identity", pem="\n".join(armored("CERTIFICATE", certificate_der)))
