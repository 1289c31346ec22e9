"""``crypto key generate | zeroize``: key pairs of the box."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.questions import ask_yes_no
from sceplab_devices.profiles.cisco_ios.router import Context, Router
from sceplab_devices.profiles.cisco_ios.trustpoint import (
    Trustpoint,
    key_label_of,
    new_key_algorithm,
)
from sceplab_devices.steps import Ask, Dialog, Step, WaitFor

FACTORY_HOSTNAME = "Router"
KEY_TIMEOUT_S = 600.0
"""A chip may take minutes for a large key."""

_KEY_EVENTS = frozenset({PortEventKind.KEY_GENERATED, PortEventKind.KEY_REFUSED})
_SPECIAL_KEYS = ("usage-keys", "signature", "encryption")
"""Key pairs for one use only. Deviation: no key store here keeps a pair of pairs."""
_EC_ALGORITHMS = {"256": "ec:p256", "384": "ec:p384", "521": "ec:p521"}


def generate_rsa_key(ctx: Context) -> Dialog:
    """``crypto key generate rsa …``."""
    special = next((word for word in _SPECIAL_KEYS if ctx.has(word)), "")
    if special:
        ctx.say("keys.failed", reason=ctx.text("keys.no_special", kind=special))
        return
    label = _label(ctx)
    if not label:
        return
    typed_bits = ctx.args.get("modulus", "")
    if typed_bits and not is_in_range(ctx.device, typed_bits):
        ctx.reject("modulus")
        return
    if typed_bits and not _is_available(ctx, f"rsa:{int(typed_bits)}"):
        return
    if ctx.device.find_key(label):
        ctx.say("keys.exists", label=label)
        if typed_bits:
            ctx.say("keys.replaced")
        else:
            replace: bool = yield from ask_yes_no(ctx, ctx.text("keys.replace_question"))
            if not replace:
                return
    else:
        ctx.say("keys.name", label=label)
    if typed_bits:
        bits = typed_bits
        ctx.write()
    else:
        bits = yield from _ask_modulus(ctx)
        if not _is_available(ctx, f"rsa:{int(bits)}"):
            return
    exportable = ctx.has("exportable")
    ctx.say("keys.size", bits=int(bits))
    ctx.say(
        "keys.generating",
        bits=int(bits),
        exportable="exportable" if exportable else "non-exportable",
    )
    yield from _generate(ctx, label, f"rsa:{int(bits)}", exportable=exportable)


def generate_ec_key(ctx: Context) -> Dialog:
    """``crypto key generate ec keysize N …``."""
    label = _label(ctx)
    if not label:
        return
    size = next(word for word in ctx.words if word in _EC_ALGORITHMS)
    algorithm = _EC_ALGORITHMS[size]
    if not _is_available(ctx, algorithm):
        return
    ctx.say("keys.name", label=label)
    ctx.write()
    yield from _generate(ctx, label, algorithm, exportable=ctx.has("exportable"))


def zeroize_key(ctx: Context) -> Dialog:
    """``crypto key zeroize rsa|ec [NAME]``."""
    prefix = "rsa:" if ctx.has("rsa") else "ec:"
    wanted = ctx.args.get("label")
    labels = [
        key.label
        for key in ctx.device.key_pairs()
        if key.algorithm.startswith(prefix) and wanted in (None, key.label)
    ]
    if not labels:
        ctx.say("keys.zeroize_none")
        return
    if wanted:
        ctx.say("keys.zeroize_one", label=wanted)
    else:
        ctx.say("keys.zeroize_all")
    ctx.say("keys.zeroize_certificates")
    sure: bool = yield from ask_yes_no(ctx, ctx.text("keys.zeroize_question"))
    if sure:
        for label in labels:
            try:
                is_gone = ctx.device.port.delete_key(label)
            except DeviceError as error:
                ctx.say("keys.zeroize_failed", reason=error)
                return
            if is_gone:
                ctx.device.syslog("key_deleted", label=label)
                forget_certificates_of(ctx, label)


def forget_certificates_of(ctx: Context, label: str) -> None:
    """Certificates of a key pair go with it."""
    router = ctx.device
    for name in router.config.trustpoints:
        view = router.view(name)
        if view.certificate_der is not None and view.key_label == label:
            try:
                router.forget_certificates(name, keeps_ca=True)
            except DeviceError as error:
                ctx.say("keys.zeroize_failed", reason=error)


def order_key(router: Router, trustpoint: Trustpoint, *, resumes: str = "") -> str:
    """Has the trustpoint's key pair made when there is none yet and none on its way.

    Args:
        router: the box.
        trustpoint: whose key it is.
        resumes: as `KeyOrder` says.

    Returns:
        The label when there is a key to wait for; empty: it is there.
    """
    label = key_label_of(router, trustpoint)
    if router.find_key(label) is not None:
        return ""
    if label not in router.key_orders:
        algorithm = new_key_algorithm(trustpoint)
        router.order_key(label, algorithm, is_automatic=True, resumes=resumes)
    return label


def provide_key(ctx: Context, trustpoint: Trustpoint) -> Generator[Step, Any, bool]:
    """Makes the trustpoint's key pair when there is none yet; false: refused, and said so."""
    router = ctx.device
    is_there = router.find_key(key_label_of(router, trustpoint)) is not None
    if not is_there and not _is_available(ctx, new_key_algorithm(trustpoint)):
        return False
    label = order_key(router, trustpoint)
    return not label or (yield from _wait_for_key(ctx, label))


def _label(ctx: Context) -> str:
    """Label of the key to make; empty when there is none and the operator was told why."""
    router = ctx.device
    if "label" in ctx.args:
        return ctx.args["label"]
    if router.hostname == FACTORY_HOSTNAME:
        ctx.say("keys.no_hostname")
        return ""
    if not router.config.domain_name:
        ctx.say("keys.no_domain")
        return ""
    return router.fqdn


def _ask_modulus(ctx: Context) -> Generator[Step, Any, str]:
    train = ctx.device.train
    limits = {"minimum": train.modulus_min, "maximum": train.modulus_max}
    ctx.say("keys.choose", **limits)
    while True:
        typed: str = yield Ask(ctx.text("keys.modulus_question", default=train.modulus_default))
        bits = typed.strip() or str(train.modulus_default)
        if is_in_range(ctx.device, bits):
            return bits
        ctx.say("keys.modulus_range", **limits)


def is_in_range(router: Router, typed_bits: str) -> bool:
    """Whether the box takes this for a number of modulus bits."""
    digits = typed_bits.isascii() and typed_bits.isdigit()
    return digits and router.train.modulus_min <= int(typed_bits[:9]) <= router.train.modulus_max


def _is_available(ctx: Context, algorithm: str) -> bool:
    """Whether the box can make such a key; says so when not. Nothing has changed yet then."""
    if algorithm in ctx.device.port.key_algorithms():
        return True
    ctx.say("keys.failed", reason=ctx.text("keys.unavailable"))
    return False


def _generate(ctx: Context, label: str, algorithm: str, *, exportable: bool) -> Dialog:
    router = ctx.device
    began_at = router.now()
    router.order_key(label, algorithm, exportable=exportable)
    made: bool = yield from _wait_for_key(ctx, label)
    if made and algorithm.startswith("rsa:"):
        ctx.say("keys.generated", seconds=(router.now() - began_at).seconds)


def _wait_for_key(ctx: Context, label: str) -> Generator[Step, Any, bool]:
    event: PortEvent | None = yield WaitFor(
        lambda event: event.kind in _KEY_EVENTS and event.details["label"] == label,
        KEY_TIMEOUT_S,
        holds_log=True,
    )
    if event is not None and event.kind == PortEventKind.KEY_GENERATED:
        return True
    ctx.say("keys.failed", reason=event.reason if event else ctx.text("keys.timeout"))
    return False
