"""A trustpoint as configured, and what its lines mean for a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sceplab_devices.api import TrustpointSettings
from sceplab_devices.profiles.cisco.names import read_subject, request_subject
from sceplab_devices.profiles.cisco.trustpoint import TrustpointLines, pin_algorithm
from sceplab_devices.profiles.cisco_ios.enrollment_method import enrollment_url

if TYPE_CHECKING:
    from sceplab_devices.profiles.cisco_ios.router import Router

DEFAULT_RETRY_COUNT = 10
DEFAULT_RETRY_MINUTES = 1
AUTOMATIC_KEY_BITS = 2048
"""Size of a key that enrolling makes when none is named. Deviation: IOS makes 512 or 1024 bits
there, which no key store of today gives."""
LATEST_RENEWAL_SHARE = 0.99
"""Deviation: ``auto-enroll`` without a percentage renews at the very end of the lifetime; here a
little earlier, because an expired certificate signs nothing."""

_CURVES = {"256": "ec:p256", "384": "ec:p384", "521": "ec:p521"}


@dataclass(slots=True)
class Trustpoint(TrustpointLines):
    """What is configured, plus what the operator answered when enrolling."""

    answered_serial: bool = False
    """Last answer to the serial number question."""
    answered_address: str = ""
    """Last answer to the IP address question, resolved."""

    def line(self, key: str) -> str:
        """A configured line; empty when it is absent."""
        entry = self.entries.get(key)
        return entry.line if entry else ""

    @property
    def pin(self) -> str:
        """Configured fingerprint: hexadecimal digits, upper-case."""
        return self.value("fingerprint", "pin")

    @property
    def digest(self) -> str:
        """Configured hash; empty: the train's."""
        entry = self.entries.get("hash")
        return entry.line.split()[-1] if entry else ""

    @property
    def asks_serial(self) -> bool:
        """The configuration leaves the serial number to the operator."""
        return "serial-number" not in self.entries

    @property
    def asks_address(self) -> bool:
        """The configuration leaves the IP address to the operator."""
        return "ip-address" not in self.entries

    @property
    def includes_serial(self) -> bool:
        """The request names the serial number of the box."""
        if self.asks_serial:
            return self.answered_serial
        return self.entries["serial-number"].line == "serial-number"

    @property
    def renews(self) -> bool:
        """``auto-enroll`` is configured."""
        return "auto-enroll" in self.entries


def shown_url(url: str) -> str:
    """The URL as the configuration keeps it: with its port."""
    parts = urlsplit(url)
    if parts.scheme != "http" or ":" in parts.netloc:
        return url
    return parts._replace(netloc=f"{parts.netloc}:80").geturl()


def fqdn_of(router: Router, trustpoint: Trustpoint) -> str:
    """Name the request carries as unstructuredName; empty with ``fqdn none``."""
    entry = trustpoint.entries.get("fqdn")
    return entry.values.get("name", "") if entry else router.fqdn


def address_of(router: Router, trustpoint: Trustpoint) -> str:
    """Address the request carries; empty when it carries none."""
    if trustpoint.asks_address:
        return trustpoint.answered_address
    values = trustpoint.entries["ip-address"].values
    return values.get("address", "") or router.address_of(values.get("interface", ""))


def key_label_of(router: Router, trustpoint: Trustpoint) -> str:
    """Label of the key pair the trustpoint uses."""
    return (
        trustpoint.value("rsakeypair", "label")
        or trustpoint.value("eckeypair", "label")
        or router.fqdn
    )


def new_key_algorithm(trustpoint: Trustpoint) -> str:
    """Algorithm of a key pair the trustpoint has to make itself."""
    if "eckeypair" in trustpoint.entries:
        return _CURVES["256"]
    return f"rsa:{trustpoint.value('rsakeypair', 'size') or AUTOMATIC_KEY_BITS}"


def settings_of(router: Router, trustpoint: Trustpoint) -> TrustpointSettings:
    """What the enrollment port has to know."""
    fqdn = fqdn_of(router, trustpoint)
    label = key_label_of(router, trustpoint)
    alternative = trustpoint.value("subject-alt-name", "name")
    period = int(trustpoint.value("enrollment retry period", "minutes") or DEFAULT_RETRY_MINUTES)
    existing = router.find_key(label)
    return TrustpointSettings(
        name=trustpoint.name,
        url=enrollment_url(router, trustpoint),
        pin_hex=trustpoint.pin.lower(),
        pin_algorithm=pin_algorithm(trustpoint.pin),
        pin_required=router.train.pin_required,
        key_label=label,
        key_algorithm=existing.algorithm if existing else new_key_algorithm(trustpoint),
        subject=request_subject(
            subject_name=read_subject(trustpoint.value("subject-name", "name")) or "",
            fqdn=fqdn,
            serial_number=router.serial_number if trustpoint.includes_serial else "",
            address=address_of(router, trustpoint),
        ),
        dns_names=tuple(name for name in (fqdn, alternative) if name),
        digest=trustpoint.digest or router.train.digest,
        retry_period_s=60.0 * period,
        retry_count=int(trustpoint.value("enrollment retry count", "count") or DEFAULT_RETRY_COUNT),
        auto_renew_share=_renewal_share(trustpoint),
        # The box starts by itself (automatic.py): it has the password the engine would need.
        auto_enroll=False,
        new_key_on_renewal=_regenerates(trustpoint),
        ca_identifier=trustpoint.name,
        challenge=trustpoint.value("password", "password"),
    )


def _renewal_share(trustpoint: Trustpoint) -> float | None:
    if not trustpoint.renews:
        return None
    percent = int(trustpoint.value("auto-enroll", "percent") or 100)
    return min(percent / 100, LATEST_RENEWAL_SHARE)


def _regenerates(trustpoint: Trustpoint) -> bool:
    automatic = trustpoint.entries.get("auto-enroll")
    return "regenerate" in trustpoint.entries or (
        automatic is not None and "regenerate" in automatic.line
    )
