"""A trustpoint as configured, and what its lines mean for a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from sceplab_devices.api import TrustpointSettings
from sceplab_devices.profiles.cisco.names import escape_value, request_subject
from sceplab_devices.profiles.cisco.trustpoint import TrustpointLines

if TYPE_CHECKING:
    from sceplab_devices.profiles.cisco_nxos.switch import Switch

DEFAULT_KEY_ALGORITHM = "rsa:2048"


@dataclass(slots=True)
class Trustpoint(TrustpointLines):
    """What is configured, plus what the operator answered when enrolling."""

    includes_serial: bool = False
    """Last answer to the serial number question."""
    address: str = ""
    """Last answer to the IP address question; empty: none."""
    crl: x509.CertificateRevocationList | None = None
    """Revocation list of its CA, as an operator brought it."""

    @property
    def key_label(self) -> str:
        """Label of the key pair it uses; empty: none is named."""
        return self.value("rsakeypair", "label")

    @property
    def revocation_methods(self) -> list[str]:
        """How revocation is checked, in order."""
        entry = self.entries.get("revocation-check")
        return entry.line.split()[1:] if entry else ["crl"]


def settings_of(switch: Switch, trustpoint: Trustpoint) -> TrustpointSettings:
    """What the enrollment port has to know."""
    existing = switch.find_key(trustpoint.key_label)
    return TrustpointSettings(
        name=trustpoint.name,
        url="",
        key_label=trustpoint.key_label,
        key_algorithm=existing.algorithm if existing else DEFAULT_KEY_ALGORITHM,
        subject=request_subject(
            subject_name=f"CN={escape_value(switch.fqdn)}",
            serial_number=switch.serial_number if trustpoint.includes_serial else "",
            address=trustpoint.address,
        ),
        dns_names=(switch.fqdn,),
    )
