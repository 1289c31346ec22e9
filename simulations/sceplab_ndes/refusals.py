"""Causes of refusal and what each profile says about them on the wire.

Spec: RFC 8894 §3.2.1.4; NDES 5.4.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from sceplab_scep.attributes import FailInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One row of ``data/refusals.toml``."""

    cause: str
    """Name of the row, for logs, events and the depot."""
    fail_info: FailInfo
    ndes_fail_info: FailInfo
    """What NDES sends for it."""
    hresult: int
    """Signed 32-bit, as the attribute writes it."""
    text: str
    """For people; goes out as failInfoText where the profile sends one."""
    is_secretive: bool = False
    """Whether details stay out of the answer."""


@cache
def refusals() -> dict[str, Refusal]:
    """All causes by name."""
    text = resources.files("sceplab_ndes").joinpath("data/refusals.toml").read_text("utf-8")
    names = {item.wire_name: item for item in FailInfo}
    rows = {}
    for cause, row in tomllib.loads(text).items():
        fail_info = names[row["fail_info"]]
        rows[cause] = Refusal(
            cause=cause,
            fail_info=fail_info,
            ndes_fail_info=names[row["ndes_fail_info"]] if "ndes_fail_info" in row else fail_info,
            hresult=signed_hresult(row["hresult"]),
            text=row["text"],
            is_secretive=row.get("is_secretive", False),
        )
    return rows


def signed_hresult(value: int) -> int:
    """The signed reading of a 32-bit HRESULT, for example ``-2147024809`` for 0x80070057."""
    return value - (1 << 32) if value & 0x80000000 else value


def format_hresult(value: int) -> str:
    """The form people know, for example ``0x80070057``."""
    return f"0x{value & 0xFFFFFFFF:08x}"
