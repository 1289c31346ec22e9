"""``crypto ca certificate chain``: takes a pasted configuration without acting on it.

Certificates come from the enrollment engine alone; a pasted one is read to its ``quit`` and
dropped, so that a saved configuration can be typed back.
"""

from __future__ import annotations

from sceplab_devices.profiles.cisco_asa.firewall import Context


def enter_certificate_chain(ctx: Context) -> None:
    """``crypto ca certificate chain NAME``."""
    ctx.enter_mode("cert-chain", name=ctx.args["name"])


def enter_certificate_paste(ctx: Context) -> None:
    """``certificate [ca] SERIAL``."""
    ctx.enter_mode("pubkey")


def certificate_paste(ctx: Context) -> None:
    """One pasted line."""
    if ctx.line.strip() == "quit":
        ctx.leave_mode()
