"""``crypto key generate | zeroize``: key pairs of the box."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco_asa.firewall import Context
from sceplab_devices.profiles.cisco_asa.trustpoint import (
    DEFAULT_KEY_ALGORITHM,
    DEFAULT_KEY_LABEL,
    Trustpoint,
)
from sceplab_devices.steps import Dialog, Step, WaitFor

DEFAULT_EC_KEY_LABEL = "<Default-ECDSA-Key>"
KEY_TIMEOUT_S = 600.0
"""A chip may take minutes for a large key."""

_KEY_EVENTS = frozenset({PortEventKind.KEY_GENERATED, PortEventKind.KEY_REFUSED})
_DEFAULT_CURVE = "384"
_CURVES = {"256": "ec:p256", "384": "ec:p384", "521": "ec:p521"}


def generate_rsa_key(ctx: Context) -> Dialog:
    """``crypto key generate rsa [label K] [modulus N] [noconfirm]``."""
    bits = ctx.args.get("modulus")
    algorithm = f"rsa:{int(bits)}" if bits else DEFAULT_KEY_ALGORITHM
    if bits and int(bits) not in ctx.device.profile.data["modulus_sizes"]:
        ctx.reject("modulus")
        return
    label = ctx.args.get("label", DEFAULT_KEY_LABEL)
    yield from _generate_asking(ctx, label, algorithm, "RSA")


def generate_ec_key(ctx: Context) -> Dialog:
    """``crypto key generate ecdsa [label K] [elliptic-curve N] [noconfirm]``."""
    curve = next((word for word in ctx.words if word in _CURVES), _DEFAULT_CURVE)
    label = ctx.args.get("label", DEFAULT_EC_KEY_LABEL)
    yield from _generate_asking(ctx, label, _CURVES[curve], "ECDSA")


def zeroize_key(ctx: Context) -> Dialog:
    """``crypto key zeroize {rsa | ecdsa} [label K | default] [noconfirm]``."""
    kind = "RSA" if ctx.has("rsa") else "ECDSA"
    default = DEFAULT_KEY_LABEL if ctx.has("rsa") else DEFAULT_EC_KEY_LABEL
    wanted = default if ctx.has("default") else ctx.args.get("label")
    labels = [
        key.label
        for key in ctx.device.key_pairs()
        if key.algorithm.startswith("rsa:") == ctx.has("rsa") and wanted in (None, key.label)
    ]
    if not labels:
        ctx.say("keys.zeroize_none", kind=kind)
        return
    if not ctx.has("noconfirm"):
        if wanted is None:
            ctx.say("keys.zeroize_all", kind=kind)
        else:
            ctx.say("keys.zeroize_one", label=wanted)
        ctx.say("keys.zeroize_certificates")
        sure: bool = yield from ask_yes_no(ctx, ctx.text("keys.zeroize_question"))
        if not sure:
            return
    for label in labels:
        try:
            ctx.device.port.delete_key(label)
        except DeviceError as error:
            ctx.say("keys.zeroize_failed", reason=error)
            return


def provide_key(ctx: Context, trustpoint: Trustpoint) -> Generator[Step, Any, bool]:
    """Makes the trustpoint's key pair when there is none yet; false: refused, and said so."""
    label = trustpoint.key_label
    if ctx.device.find_key(label) is not None:
        return True
    return (yield from _generate(ctx, label, DEFAULT_KEY_ALGORITHM))


def _generate_asking(ctx: Context, label: str, algorithm: str, kind: str) -> Dialog:
    if algorithm not in ctx.device.port.key_algorithms():  # before anything is replaced
        ctx.say("keys.failed", label=label, kind=kind)
        return
    if ctx.device.find_key(label) is not None and not ctx.has("noconfirm"):
        ctx.say("keys.exists", kind=kind, label=label)
        replace: bool = yield from ask_yes_no(ctx, ctx.text("keys.replace_question"))
        if not replace:
            ctx.say("keys.failed", label=label, kind=kind)
            return
    yield from _generate(ctx, label, algorithm)


def _generate(ctx: Context, label: str, algorithm: str) -> Generator[Step, Any, bool]:
    ctx.say("keys.name", label=label)
    ctx.say("keys.generating")
    # Every key pair of this platform can leave in a PKCS#12 file.
    ctx.device.port.generate_key(label, algorithm, exportable=True)
    event: PortEvent | None = yield WaitFor(
        lambda event: event.kind in _KEY_EVENTS and event.details["label"] == label,
        KEY_TIMEOUT_S,
        holds_log=True,
    )
    if event is not None and event.kind == PortEventKind.KEY_GENERATED:
        ctx.device.note_change()
        return True
    kind = "RSA" if algorithm.startswith("rsa:") else "ECDSA"
    ctx.say("keys.failed", label=label, kind=kind)
    return False
