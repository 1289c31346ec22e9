"""What saving or deleting an entry does to the box."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sceplab_devices.profiles.fortinet_fortios.box import CONSOLE, GLOBAL, FortiGate
from sceplab_devices.profiles.fortinet_fortios.configuration import Entry
from sceplab_devices.profiles.fortinet_fortios.local_certificates import (
    LOCAL,
    CertificateError,
    configure,
    enroll_again,
    forget,
    take_typed,
)
from sceplab_devices.profiles.fortinet_fortios.open_edit import OpenEdit
from sceplab_devices.profiles.fortinet_fortios.pem import is_ca, read_certificate


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something is not saved."""

    kind: str
    """Name of a text below ``[texts.error]``."""
    values: Mapping[str, object] = field(default_factory=dict)


def before_commit(device: FortiGate, edit: OpenEdit) -> Problem | None:
    """Looks at what is to be saved; may take certificates and keys out of it."""
    checker = _CHECKS.get(edit.table.path)
    return checker(device, edit) if checker else None


def after_commit(device: FortiGate, path: str, name: str, old: Entry | None) -> None:
    """An entry or object was saved; ``old``: as it was before, ``None``: new."""
    action = _COMMITTED.get(path)
    if action:
        action(device, name, old)


def after_delete(device: FortiGate, path: str, name: str, entry: Entry) -> None:
    """An entry was deleted."""
    del entry
    if path == LOCAL:
        forget(device, name)


def before_rename(path: str, name: str) -> Problem | None:
    """Entries that have a key pair behind them keep their name."""
    return Problem("fixed", {"word": name}) if path == LOCAL else None


def _check_global(device: FortiGate, edit: OpenEdit) -> Problem | None:
    name = edit.entry.text("hostname")
    if name and not device.profile.is_hostname(name):
        return Problem("value", {"word": name})
    return None


def _check_authority(_device: FortiGate, edit: OpenEdit) -> Problem | None:
    certificate = read_certificate(edit.entry.text("ca"))
    if edit.entry.text("ca") and (certificate is None or not is_ca(certificate)):
        return Problem("certificate")
    return None


def _check_remote(_device: FortiGate, edit: OpenEdit) -> Problem | None:
    typed = edit.entry.text("remote")
    return Problem("certificate") if typed and read_certificate(typed) is None else None


def _check_local(device: FortiGate, edit: OpenEdit) -> Problem | None:
    try:
        take_typed(device, edit.name, edit.entry)
    except CertificateError as error:
        return Problem("certificate_import", {"reason": str(error)})
    return None


def _global(device: FortiGate, _name: str, _old: Entry | None) -> None:
    device.hostname = device.setting(GLOBAL, "hostname") or device.profile.hostname
    for console in device.consoles:
        console.session.exec_timeout_s = device.idle_limit_s


def _console(device: FortiGate, _name: str, _old: Entry | None) -> None:
    for console in device.consoles:
        console.session.length = device.page_lines


def _local(device: FortiGate, name: str, old: Entry | None) -> None:
    configure(device, name)
    if old is not None and not device.is_restoring:
        enroll_again(device, name)


_CHECKS: dict[str, Callable[[FortiGate, OpenEdit], Problem | None]] = {
    GLOBAL: _check_global,
    "vpn certificate ca": _check_authority,
    "vpn certificate remote": _check_remote,
    LOCAL: _check_local,
}
_COMMITTED: dict[str, Callable[[FortiGate, str, Entry | None], None]] = {
    GLOBAL: _global,
    CONSOLE: _console,
    LOCAL: _local,
}
