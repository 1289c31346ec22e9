"""Blocks that are kept in the configuration as typed."""

from __future__ import annotations

from sceplab_devices.profiles.cisco.store import open_block
from sceplab_devices.profiles.cisco_ios.router import Context


def store_block(ctx: Context) -> None:
    """A header that opens a block; ``crypto ca`` is kept as ``crypto pki``."""
    open_block(ctx, " ".join(ctx.words).replace("crypto ca ", "crypto pki ", 1))
