"""``crypto key generate | zeroize``: key pairs of the box."""

from __future__ import annotations

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco_nxos.switch import Context
from sceplab_devices.profiles.cisco_nxos.trustpoint import DEFAULT_KEY_ALGORITHM
from sceplab_devices.steps import Dialog, WaitFor

KEY_TIMEOUT_S = 600.0
"""A chip may take minutes for a large key."""
_KEY_EVENTS = frozenset({PortEventKind.KEY_GENERATED, PortEventKind.KEY_REFUSED})


def generate_key(ctx: Context) -> Dialog:
    """``crypto key generate rsa [label K] [exportable] [modulus N]``.

    The label is the name of the box unless told. A key pair is not replaced: it is deleted first.
    """
    switch = ctx.device
    bits = ctx.args.get("modulus")
    if bits and int(bits) not in switch.profile.data["modulus_sizes"]:
        ctx.reject("modulus")
        return
    algorithm = f"rsa:{int(bits)}" if bits else DEFAULT_KEY_ALGORITHM
    label = ctx.args.get("label", switch.fqdn)
    if switch.find_key(label) is not None:
        ctx.say("keys.exists", label=label)
        return
    if algorithm not in switch.port.key_algorithms():
        ctx.say("keys.failed")
        return
    switch.port.generate_key(label, algorithm, exportable=ctx.has("exportable"))
    event: PortEvent | None = yield WaitFor(
        lambda event: event.kind in _KEY_EVENTS and event.details["label"] == label,
        KEY_TIMEOUT_S,
        holds_log=True,
    )
    if event is None or event.kind == PortEventKind.KEY_REFUSED:
        ctx.say("keys.failed")
        return
    switch.note_change()


def zeroize_key(ctx: Context) -> None:
    """``crypto key zeroize rsa K``: nothing is asked."""
    try:
        is_gone = ctx.device.port.delete_key(ctx.args["label"])
    except DeviceError as error:
        ctx.say("keys.zeroize_failed", reason=error)
        return
    if not is_gone:
        ctx.say("keys.unknown", label=ctx.args["label"])
        return
    ctx.device.note_change()
