"""Which tables can be typed where: virtual domains part the global ones from the rest."""

from __future__ import annotations

from sceplab_devices.profiles.fortinet_fortios.box import FortiGate
from sceplab_devices.profiles.fortinet_fortios.open_edit import OpenEdit
from sceplab_devices.profiles.fortinet_fortios.paths import Path
from sceplab_devices.profiles.fortinet_fortios.schema import Schema, Table

VDOM = "vdom"
_GLOBAL: Path = ("global",)


def reachable_tables(device: FortiGate, scope: OpenEdit | None) -> dict[Path, Table]:
    """Top-level tables that ``config``, ``show`` and ``get`` know here.

    Args:
        device: whose configuration it is.
        scope: ``config global`` or the virtual domain that is open; ``None``: neither.
    """
    typed = device.schema.typed()
    vdoms = device.schema.tables[VDOM]
    if device.is_restoring:
        return typed
    if not device.has_vdoms:
        return {path: table for path, table in typed.items() if table is not vdoms}
    if scope is None:
        return {_GLOBAL: vdoms, (VDOM,): vdoms}
    is_global = scope.name == "global"
    return {
        path: table
        for path, table in typed.items()
        if table is not vdoms and (table.is_global == is_global or is_certificate(table))
    }


def is_certificate(table: Table) -> bool:
    """Certificates are configured globally and in each virtual domain."""
    return table.path.startswith("vpn certificate ")


def inner_tables(schema: Schema, edit: OpenEdit) -> dict[Path, Table]:
    """Tables inside the entry that is being edited."""
    return schema.inside(edit.table)
