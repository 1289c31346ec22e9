"""A trustpoint as configured, and what its lines mean for a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sceplab_devices.api import TrustpointSettings
from sceplab_devices.profiles.cisco.names import read_subject, request_subject
from sceplab_devices.profiles.cisco.trustpoint import TrustpointLines, pin_algorithm

if TYPE_CHECKING:
    from sceplab_devices.profiles.cisco_asa.firewall import Firewall

DEFAULT_KEY_LABEL = "<Default-RSA-Key>"
DEFAULT_KEY_ALGORITHM = "rsa:2048"
UNLIMITED_POLLS = 100_000
"""``enrollment retry count 0``, the default: the box asks until somebody stops it."""
DEFAULT_RETRY_MINUTES = 1
DEFAULT_RENEWAL_PERCENT = 80


@dataclass(slots=True)
class Trustpoint(TrustpointLines):
    """What is configured, plus what the operator typed when authenticating and enrolling."""

    pin: str = ""
    """Fingerprint behind ``crypto ca authenticate``, while that is carried out."""
    answered_serial: bool = False
    """Last answer to the serial number question."""
    crl_lines: dict[str, str] = field(default_factory=dict)
    """What stands below ``crl configure``."""

    @property
    def method(self) -> str:
        """Configured way to enroll: ``url``, ``terminal``, ``self``; empty: none yet."""
        entry = self.entries.get("enrollment url")
        return entry.line.split()[1] if entry else ""

    @property
    def is_terminal(self) -> bool:
        """An operator carries requests and certificates."""
        return self.method == "terminal"

    @property
    def key_label(self) -> str:
        """Label of the key pair it uses."""
        return self.value("keypair", "label") or DEFAULT_KEY_LABEL

    @property
    def asks_serial(self) -> bool:
        """The configuration leaves the serial number to the operator."""
        return "serial-number" not in self.entries

    @property
    def includes_serial(self) -> bool:
        """The request names the serial number of the box."""
        return not self.asks_serial or self.answered_serial

    @property
    def challenge(self) -> str:
        """Configured challenge password."""
        return self.value("password", "password")


def fqdn_of(firewall: Firewall, trustpoint: Trustpoint) -> str:
    """Name the request carries; empty with ``fqdn none``."""
    entry = trustpoint.entries.get("fqdn")
    return entry.values.get("name", "") if entry else firewall.fqdn


def settings_of(firewall: Firewall, trustpoint: Trustpoint) -> TrustpointSettings:
    """What the enrollment port has to know."""
    fqdn = fqdn_of(firewall, trustpoint)
    existing = firewall.find_key(trustpoint.key_label)
    period = int(trustpoint.value("enrollment retry period", "minutes") or DEFAULT_RETRY_MINUTES)
    polls = int(trustpoint.value("enrollment retry count", "count") or 0)
    automatic = trustpoint.entries.get("auto-enroll")
    percent = int(trustpoint.value("auto-enroll", "percent") or DEFAULT_RENEWAL_PERCENT)
    return TrustpointSettings(
        name=trustpoint.name,
        url=trustpoint.url,
        pin_hex=trustpoint.pin,
        pin_algorithm=pin_algorithm(trustpoint.pin),
        key_label=trustpoint.key_label,
        key_algorithm=existing.algorithm if existing else DEFAULT_KEY_ALGORITHM,
        subject=request_subject(
            subject_name=read_subject(trustpoint.value("subject-name", "name")) or "",
            fqdn=fqdn,
            serial_number=firewall.serial_number if trustpoint.includes_serial else "",
            address=trustpoint.value("ip-address", "address"),
        ),
        dns_names=tuple(name for name in (fqdn,) if name),
        emails=tuple(filter(None, (trustpoint.value("email", "address"),))),
        retry_period_s=60.0 * period,
        retry_count=polls or UNLIMITED_POLLS,
        auto_renew_share=percent / 100 if automatic else None,
        new_key_on_renewal=automatic is not None and "regenerate" in automatic.line,
        ca_identifier=trustpoint.name,
        challenge=trustpoint.challenge,
    )
