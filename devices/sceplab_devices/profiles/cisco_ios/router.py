"""An IOS box: configuration, clock, log and PKI bookkeeping, shared by all its sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, TypeAlias, Unpack

from sceplab_devices.api import PortEvent
from sceplab_devices.context import CommandContext
from sceplab_devices.device import CommonSettings
from sceplab_devices.profiles.cisco.dates import log_stamp
from sceplab_devices.profiles.cisco.device import TYPED_INTERFACE, CiscoDevice
from sceplab_devices.profiles.cisco.flash import FileStore
from sceplab_devices.profiles.cisco.hexdump import certificates_in
from sceplab_devices.profiles.cisco_ios.enrollment_method import (
    EnrollmentMethod,
    enrollment_method,
)
from sceplab_devices.profiles.cisco_ios.running_config import Interface, RunningConfig, User
from sceplab_devices.profiles.cisco_ios.trains import read_train
from sceplab_devices.profiles.cisco_ios.trustpoint import Trustpoint, settings_of

if TYPE_CHECKING:
    from sceplab_devices.profile import DeviceProfile

SERIAL_NUMBER = "67109296"

_MADE_INTERFACES = ("Loopback", "Tunnel", "Vlan")


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """A key pair that is being made."""

    is_automatic: bool
    """Enrolling asked for it, not an operator."""
    is_first: bool
    """The box had none before."""
    resumes: str
    """Trustpoint that enrolls by itself once the key is there; empty: none."""


@dataclass(slots=True)
class PkiCounters:
    """What ``show crypto pki counters`` counts."""

    sessions_started: int = 0
    sessions_ended: int = 0
    successful_validations: int = 0
    failed_validations: int = 0


class Router(CiscoDevice):
    """State of one router.

    Attributes:
        train: software train, decides between known variants of texts and rules.
        serial_number: of the box, as certificates name it.
        saved_certificates: DER of the certificates that were part of it.
        initial_dialog: a console of a box without saved configuration offers the set-up dialog.
        files: what operators put on the box; gone with it.
        clock_is_set: the time is authoritative; until then log lines begin with ``*``.
        logged: log lines so far.
        debugging: PKI debug topics that are on.
        key_orders: key pairs that are being made, by label.
        alerted_at: up to when certificates that end were told of.
    """

    config: RunningConfig

    def __init__(
        self,
        profile: DeviceProfile,
        *,
        train: str = "",
        serial_number: str = SERIAL_NUMBER,
        initial_dialog: bool = False,
        **common: Unpack[CommonSettings],
    ) -> None:
        """Makes a router as delivered.

        Args:
            profile: what `create_profile` gives.
            train: name of a train in the profile's data; empty: the default one.
            serial_number: as certificates name it.
            initial_dialog: a console of a box without saved configuration offers the set-up
                dialog.
            common: as `Device` takes them.
        """
        self.train = read_train(profile.data, train)
        self.serial_number = serial_number
        self.config = RunningConfig()
        for name in self.train.interfaces:
            self.config.interfaces[name] = Interface(name, is_physical=True, is_shut_down=True)
        self.config.users = dict.fromkeys(common.get("users") or {}, User())
        self.saved_certificates: frozenset[bytes] = frozenset()
        self.counters = PkiCounters()
        self.clock_is_set = False
        self.clock_offset = timedelta()
        self.logged = 0
        self.debugging: set[str] = set()
        self.key_orders: dict[str, KeyOrder] = {}
        self.initial_dialog = initial_dialog
        self.files = FileStore(self.train.file_systems)
        super().__init__(profile, **common)
        self.alerted_at = self.now()

    # --- identity and time --------------------------------------------------------------------

    def device_time(self) -> datetime:
        """See `CiscoDevice.device_time`: ``clock set`` moves it."""
        return self.now() + self.clock_offset

    def address_of(self, interface: str) -> str:
        """IPv4 address of an interface, or the text itself when it is an address; else empty."""
        found = self.config.interfaces.get(interface)
        if found:
            return found.address
        try:
            return str(IPv4Address(interface))
        except ValueError:
            return ""

    def interface_name(self, typed: str) -> str:
        """Full name of an interface typed as ``gi0/1``; empty when the box cannot have it.

        Interfaces of the box are known; loopbacks, tunnels and VLANs can always be made.
        """
        known = super().interface_name(typed)
        found = TYPED_INTERFACE.fullmatch(typed)
        if known or found is None:
            return known
        kind, number = found[1].lower(), found[2]
        made = [name for name in _MADE_INTERFACES if name.lower().startswith(kind)]
        return made[0] + number if made and number.isdigit() else ""

    # --- log ----------------------------------------------------------------------------------

    def log(self, text: str) -> None:
        """Counts and keeps a complete log line."""
        self.logged += 1
        super().log(text)

    def syslog(self, key: str, **values: object) -> None:
        """Logs a text of ``[texts.syslog]`` under the present time."""
        self.log_text(self.profile.text(f"syslog.{key}", **values))

    def log_text(self, text: str) -> None:
        """Logs ``text`` under the present time."""
        mark = "" if self.clock_is_set else "*"
        self.log(f"{mark}{log_stamp(self.device_time(), self.config.zone)}: {text}")

    # --- configuration ------------------------------------------------------------------------

    def apply(self, trustpoint: Trustpoint) -> bool:
        """Tells the port what the trustpoint's lines mean; false when they do not make one.

        What the port cannot work with (a key size no key store has, for example) is logged.
        """
        if enrollment_method(self, trustpoint) in (
            EnrollmentMethod.NONE, EnrollmentMethod.SELF_SIGNED
        ):  # fmt: skip
            return False
        reason = self.configure_port(settings_of(self, trustpoint))
        if reason:
            self.syslog("unusable", name=trustpoint.name, reason=reason)
        return not reason

    def forget_certificates(self, name: str, *, keeps_ca: bool) -> None:
        """Takes a trustpoint's certificates away; its configuration stays."""
        authorities = self.view(name).ca_certificates_der if keeps_ca else ()
        self.port.remove(name)
        self.note_change()
        trustpoint = self.config.trustpoints.get(name)
        if trustpoint is None:
            return
        if authorities:
            self.give_ca(trustpoint, authorities)
        else:
            self.apply(trustpoint)

    def give_ca(self, trustpoint: Trustpoint, authorities_der: Sequence[bytes]) -> None:
        """Lets a trustpoint of any method trust CA certificates that the box brings itself.

        Raises:
            DeviceError: they are no CA certificates, or it has some.
        """
        self.port.configure(replace(settings_of(self, trustpoint), url=""))
        self.port.import_ca(trustpoint.name, authorities_der)
        self.apply(trustpoint)

    def save(self, text: str) -> None:
        """Keeps ``text`` as the startup configuration, with the certificates of this moment.

        Raises:
            DeviceError: it cannot be kept; what was saved before counts.
        """
        self.keep_startup(text)
        held = [self.view(name) for name in self.config.trustpoints]
        own = [view.certificate_der for view in held if view.certificate_der]
        authorities = [der for view in held for der in view.ca_certificates_der]
        self.saved_certificates = frozenset([*own, *authorities])

    def restore(self, text: str) -> None:
        """See `Device.restore`."""
        super().restore(text)
        self.saved_certificates = certificates_in(text)

    def forget_factory(self) -> None:
        """See `CiscoDevice.forget_factory`."""
        for interface in self.config.interfaces.values():
            interface.is_shut_down = False  # as delivered they are; a saved text says so itself

    # --- keys ---------------------------------------------------------------------------------

    def order_key(
        self,
        label: str,
        algorithm: str,
        *,
        exportable: bool = False,
        is_automatic: bool = False,
        resumes: str = "",
    ) -> None:
        """Has a key pair made; ``key_generated`` or ``key_refused`` follows.

        See `KeyOrder` for ``is_automatic`` and ``resumes``.
        """
        is_first = not self.key_pairs()
        self.key_orders[label] = KeyOrder(is_automatic, is_first=is_first, resumes=resumes)
        self.port.generate_key(label, algorithm, exportable=exportable)

    # --- events -------------------------------------------------------------------------------

    def next_deadline(self) -> datetime | None:
        """See `Device.next_deadline`."""
        from sceplab_devices.profiles.cisco_ios.expiry_alerts import next_deadline

        return next_deadline(self)

    def on_deadline(self, now: datetime) -> None:
        """See `Device.on_deadline`."""
        from sceplab_devices.profiles.cisco_ios.expiry_alerts import log_alerts

        log_alerts(self, now)

    def handle_event(self, event: PortEvent) -> None:
        """Logs what the event means on this box."""
        from sceplab_devices.profiles.cisco_ios.port_events import report

        report(self, event)


Context: TypeAlias = CommandContext[Router]
"""What every handler of this profile gets."""
