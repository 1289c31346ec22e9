"""CA certificates: fetched from a SCEP server, kept as ``CA_Cert_1``, ``CA_Cert_2``."""

from __future__ import annotations

from dataclasses import dataclass
from string import hexdigits
from typing import TYPE_CHECKING

from sceplab_devices.api import TrustpointSettings
from sceplab_devices.profiles.fortinet_fortios.configuration import Entry
from sceplab_devices.profiles.fortinet_fortios.local_certificates import AUTHORITIES
from sceplab_devices.profiles.fortinet_fortios.pem import certificate_pem

if TYPE_CHECKING:
    from sceplab_devices.profiles.fortinet_fortios.box import FortiGate

_IMPORT = "@ca-import-{number}"
"""Trustpoint of an import; no local certificate may be called so."""
_PIN_ALGORITHMS = {64: "sha256", 40: "sha1", 32: "md5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaImport:
    """An import under way."""

    url: str
    identifier: str
    source: str


def is_import(name: str) -> bool:
    """Whether a trustpoint, or what somebody typed, is called like an import."""
    return name.startswith("@")


def start_import(device: FortiGate, order: CaImport, fingerprint: str) -> str:
    """Begins to fetch CA certificates; gives the trustpoint whose events tell of it.

    Raises:
        DeviceError: it cannot be begun.
        ValueError: URL or fingerprint is malformed.
    """
    pin = "".join(char for char in fingerprint if char not in ": ").lower()
    if pin and (len(pin) not in _PIN_ALGORITHMS or set(pin) - set(hexdigits)):
        raise ValueError("no fingerprint")
    device.import_number += 1
    name = _IMPORT.format(number=device.import_number)
    device.port.configure(
        TrustpointSettings(
            name=name,
            url=order.url,
            pin_hex=pin,
            pin_algorithm=_PIN_ALGORITHMS.get(len(pin), ""),
            subject=f"CN={device.hostname}",
            key_label=name,
            ca_identifier=order.identifier,
        )
    )
    device.imports[name] = order
    device.port.authenticate(name)
    return name


def finish_import(device: FortiGate, name: str) -> None:
    """Keeps what the server sent, if it is trusted."""
    order = device.imports.get(name)
    received = device.port.view(name).ca_certificates_der
    if order is None or not received:
        return
    device.imports.pop(name)
    for position, der in enumerate(received):
        _store(device, der, order if position == 0 else None)
    device.port.remove(name)
    device.changed()


def drop_import(device: FortiGate, name: str) -> None:
    """Nothing is kept."""
    if device.imports.pop(name, None) is not None:
        device.port.remove(name)


def _store(device: FortiGate, der: bytes, order: CaImport | None) -> None:
    """Adds a certificate unless it is there; the CA's own entry knows where it came from."""
    rows = device.config.rows(AUTHORITIES)
    text = certificate_pem(der)
    name = next((name for name, entry in rows.items() if entry.text("ca") == text), "")
    if not name:
        number = 1
        while f"CA_Cert_{number}" in rows:
            number += 1
        name = f"CA_Cert_{number}"
        rows[name] = Entry({"ca": (text,)})
        device.log_event("ca_loaded", name=name)
    if order is not None:
        values = {
            "scep-url": order.url,
            "ca-identifier": order.identifier,
            "source-ip": order.source,
        }
        rows[name].values.update({key: (value,) for key, value in values.items() if value})
