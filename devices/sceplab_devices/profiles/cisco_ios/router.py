"""An IOS box: configuration, clock, log and PKI bookkeeping, shared by all its sessions."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, TypeAlias

from sceplab_devices.api import EnrollmentPort, KeyView, PortEvent, TrustpointView
from sceplab_devices.batch import carry_out
from sceplab_devices.context import CommandContext
from sceplab_devices.device import Device
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.dates import log_stamp
from sceplab_devices.profiles.cisco.flash import FileStore
from sceplab_devices.profiles.cisco.hexdump import certificates_in
from sceplab_devices.profiles.cisco.obfuscation import is_hashed, matches_hash
from sceplab_devices.profiles.cisco_ios.enrollment_method import (
    EnrollmentMethod,
    enrollment_method,
)
from sceplab_devices.profiles.cisco_ios.running_config import Interface, RunningConfig, User
from sceplab_devices.profiles.cisco_ios.trains import read_train
from sceplab_devices.profiles.cisco_ios.trustpoint import Trustpoint, settings_of

if TYPE_CHECKING:
    from sceplab_devices.profile import DeviceProfile

logger = logging.getLogger(__name__)

SERIAL_NUMBER = "67109296"

_TYPED_INTERFACE = re.compile(r"([A-Za-z]+)([0-9][0-9/.]*)", re.ASCII)
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


class Router(Device):
    """State of one router.

    Attributes:
        train: software train, decides between known variants of texts and rules.
        serial_number: of the box, as certificates name it.
        config: the running configuration.
        startup_config: text saved last; empty: never.
        saved_certificates: DER of the certificates that were part of it.
        started_at: when the box came up.
        changed_at: last configuration change; ``None``: none since start.
        is_modified: the running configuration was changed since it was saved or read.
        initial_dialog: a console of a box without saved configuration offers the set-up dialog.
        files: what operators put on the box; gone with it.
        clock_is_set: the time is authoritative; until then log lines begin with ``*``.
        logged: log lines so far.
        debugging: PKI debug topics that are on.
        key_orders: key pairs that are being made, by label.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        *,
        hostname: str,
        port: EnrollmentPort,
        clock: Callable[[], datetime],
        users: dict[str, str] | None = None,
        enable_password: str = "",
        train: str = "",
        serial_number: str = SERIAL_NUMBER,
        initial_dialog: bool = False,
    ) -> None:
        """Makes a router as delivered.

        Args:
            profile: what `create_profile` gives.
            hostname: shown in prompts.
            port: enrollment engine of this box.
            clock: aware UTC.
            users: login name to password; empty: no login.
            enable_password: asked by ``enable``; empty: it asks nothing.
            train: name of a train in the profile's data; empty: the default one.
            serial_number: as certificates name it.
            initial_dialog: a console of a box without saved configuration offers the set-up
                dialog.
        """
        self.train = read_train(profile.data, train)
        self.serial_number = serial_number
        self.config = RunningConfig()
        for name in self.train.interfaces:
            self.config.interfaces[name] = Interface(name, is_physical=True, is_shut_down=True)
        self.config.users = dict.fromkeys(users or {}, User())
        self.startup_config = ""
        self.saved_certificates: frozenset[bytes] = frozenset()
        self.counters = PkiCounters()
        self.clock_is_set = False
        self.clock_offset = timedelta()
        self.logged = 0
        self.debugging: set[str] = set()
        self.key_orders: dict[str, KeyOrder] = {}
        self.changed_at: datetime | None = None
        self.is_modified = False
        self.initial_dialog = initial_dialog
        self.files = FileStore(self.train.file_systems)
        super().__init__(
            profile,
            hostname=hostname,
            port=port,
            clock=clock,
            users=users,
            enable_password=enable_password,
        )
        self.started_at = self.now()

    # --- identity and time --------------------------------------------------------------------

    @property
    def fqdn(self) -> str:
        """Host name with its domain; the host name alone when no domain is configured."""
        domain = self.config.domain_name
        return f"{self.hostname}.{domain}" if domain else self.hostname

    def device_time(self) -> datetime:
        """What the box believes the time to be (``clock set`` moves it), aware UTC."""
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
        found = _TYPED_INTERFACE.fullmatch(typed)
        if found is None:
            return ""
        kind, number = found[1].lower(), found[2]
        for name in self.config.interfaces:
            letters = name.rstrip("0123456789/.")
            if letters.lower().startswith(kind) and name == letters + number:
                return name
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

    def note_change(self) -> None:
        """The running configuration was changed."""
        self.changed_at = self.device_time()
        self.is_modified = True

    def apply(self, trustpoint: Trustpoint) -> bool:
        """Tells the port what the trustpoint's lines mean; false when they do not make one.

        What the port cannot work with (a key size no key store has, for example) is logged.
        """
        if enrollment_method(self, trustpoint) in (
            EnrollmentMethod.NONE, EnrollmentMethod.SELF_SIGNED
        ):  # fmt: skip
            return False
        try:
            self.port.configure(settings_of(self, trustpoint))
        except (DeviceError, ValueError) as error:
            self.syslog("unusable", name=trustpoint.name, reason=error)
            return False
        return True

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

    def view(self, name: str) -> TrustpointView:
        """How a trustpoint stands."""
        return self.port.view(name)

    def save(self, text: str) -> None:
        """Keeps ``text`` as the startup configuration, with the certificates of this moment.

        Raises:
            DeviceError: it cannot be kept; what was saved before counts.
        """
        self.on_save(text)
        self.startup_config = text
        self.is_modified = not text
        held = [self.view(name) for name in self.config.trustpoints]
        own = [view.certificate_der for view in held if view.certificate_der]
        authorities = [der for view in held for der in view.ca_certificates_der]
        self.saved_certificates = frozenset([*own, *authorities])

    def restore(self, text: str) -> None:
        """See `Device.restore`."""
        if not text:
            return
        for interface in self.config.interfaces.values():
            interface.is_shut_down = False  # as delivered they are; a saved text says so itself
        for remark in carry_out(self, text.splitlines(), mode="config"):
            logger.warning("%s: startup line %r: %s", self.hostname, remark.line, remark.text)
        self.startup_config = text
        self.saved_certificates = certificates_in(text)
        self.changed_at = None
        self.is_modified = False

    def matches_password(self, password: str, typed: str) -> bool:
        """See `Device.matches_password`."""
        if is_hashed(password):
            return matches_hash(password, typed)
        return super().matches_password(password, typed)

    # --- keys ---------------------------------------------------------------------------------

    def key_pairs(self) -> list[KeyView]:
        """All key pairs, oldest first."""
        return self.port.keys()

    def find_key(self, label: str) -> KeyView | None:
        """The key pair of a label."""
        return next((key for key in self.key_pairs() if key.label == label), None)

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

    def handle_event(self, event: PortEvent) -> None:
        """Logs what the event means on this box."""
        from sceplab_devices.profiles.cisco_ios.port_events import report

        report(self, event)


Context: TypeAlias = CommandContext[Router]
"""What every handler of this profile gets."""
