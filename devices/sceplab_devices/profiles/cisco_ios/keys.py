"""``crypto key generate | zeroize``: key pairs of the box."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sceplab_devices.api import KeyView
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco_ios.questions import ask_yes_no
from sceplab_devices.profiles.cisco_ios.router import Context, Router
from sceplab_devices.profiles.cisco_ios.trustpoint import (
    Trustpoint,
    key_label_of,
    new_key_algorithm,
)
from sceplab_devices.steps import Ask, Dialog, Step

FACTORY_HOSTNAME = "Router"
_EC_ALGORITHMS = {"256": "ec:p256", "384": "ec:p384", "521": "ec:p521"}


def generate_rsa_key(ctx: Context) -> Dialog:
    """``crypto key generate rsa …``."""
    label = _label(ctx)
    if not label:
        return
    typed_bits = ctx.args.get("modulus", "")
    if typed_bits and not _is_allowed(ctx.device, typed_bits):
        ctx.reject("modulus")
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
    exportable = ctx.has("exportable")
    ctx.say("keys.size", bits=int(bits))
    ctx.say(
        "keys.generating",
        bits=int(bits),
        exportable="exportable" if exportable else "non-exportable",
    )
    _generate(ctx, label, f"rsa:{int(bits)}", exportable=exportable)


def generate_ec_key(ctx: Context) -> None:
    """``crypto key generate ec keysize N …``."""
    label = _label(ctx)
    if not label:
        return
    ctx.say("keys.name", label=label)
    ctx.write()
    size = next(word for word in ctx.words if word in _EC_ALGORITHMS)
    _generate(ctx, label, _EC_ALGORITHMS[size], exportable=ctx.has("exportable"))


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
            ctx.device.port.delete_key(label)
            ctx.device.syslog("key_deleted", label=label)


class KeyRefusedError(DeviceError):
    """The enrollment engine cannot make such a key."""


def make_key(router: Router, label: str, algorithm: str, *, exportable: bool = False) -> KeyView:
    """A new key pair, logged as the box logs it.

    Raises:
        KeyRefusedError: the enrollment engine cannot make such a key.
    """
    is_first = not router.key_pairs()
    try:
        key = router.port.generate_key(label, algorithm, exportable=exportable)
    except (DeviceError, ValueError) as error:
        raise KeyRefusedError(f"{algorithm} is not available") from error
    router.syslog("key_added", label=label)
    if is_first:
        router.syslog("ssh_enabled", version=router.train.ssh)
    return key


def provide_key(router: Router, trustpoint: Trustpoint) -> None:
    """Makes the trustpoint's key pair when there is none yet.

    Raises:
        KeyRefusedError: the enrollment engine cannot make such a key.
    """
    label = key_label_of(router, trustpoint)
    if router.find_key(label) is None:
        key = make_key(router, label, new_key_algorithm(trustpoint))
        router.syslog("key_automatic", bits=key.algorithm.partition(":")[2])


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
        if _is_allowed(ctx.device, bits):
            return bits
        ctx.say("keys.modulus_range", **limits)


def _is_allowed(router: Router, typed_bits: str) -> bool:
    digits = typed_bits.isascii() and typed_bits.isdigit()
    return digits and router.train.modulus_min <= int(typed_bits[:9]) <= router.train.modulus_max


def _generate(ctx: Context, label: str, algorithm: str, *, exportable: bool) -> None:
    router = ctx.device
    began_at = router.now()
    try:
        make_key(router, label, algorithm, exportable=exportable)
    except KeyRefusedError as error:
        ctx.say("keys.failed", reason=error)
        return
    if algorithm.startswith("rsa:"):
        ctx.say("keys.generated", seconds=(router.now() - began_at).seconds)
