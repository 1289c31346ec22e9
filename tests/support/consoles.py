"""A device without an engine behind it, a clock that tests move, and a terminal in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from sceplab_devices.api import KeyView, PortEvent, TrustpointSettings, TrustpointView
from sceplab_devices.device import Device
from sceplab_devices.errors import DeviceError
from sceplab_devices.profile import DeviceProfile
from sceplab_devices.session import CONSOLE_LINE, LineInfo

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
VTY = LineInfo(name="vty0", kind="vty", peer="192.0.2.9")


class ManualClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time it shows."""
        return self.now

    def advance(self, seconds: float) -> datetime:
        """Moves the clock; gives the new time."""
        self.now += timedelta(seconds=seconds)
        return self.now


class IdlePort:
    """An enrollment engine that knows nothing; tests publish its events."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[PortEvent], None]] = []

    def publish(self, kind: str, trustpoint: str) -> None:
        """Reports an event to everybody who subscribed."""
        for listener in self.listeners:
            listener(PortEvent(kind=kind, trustpoint=trustpoint, at=START))

    def subscribe(self, listener: Callable[[PortEvent], None]) -> None:
        """Keeps the listener."""
        self.listeners.append(listener)

    def configure(self, settings: TrustpointSettings) -> None:
        """Nothing happens."""

    def remove(self, name: str) -> None:
        """Nothing happens."""

    def authenticate(self, name: str) -> None:
        """Nothing happens."""

    def answer_ca(self, name: str, *, accept: bool) -> None:
        """Nothing happens."""

    def enroll(self, name: str, *, challenge: str) -> None:
        """Nothing happens."""

    def renew(self, name: str) -> None:
        """Nothing happens."""

    def cancel(self, name: str) -> None:
        """Nothing happens."""

    def view(self, name: str) -> TrustpointView:
        """Nothing is configured."""
        return TrustpointView(state="UNCONFIGURED")

    def key_algorithms(self) -> frozenset[str]:
        """None."""
        return frozenset()

    def generate_key(self, label: str, algorithm: str, *, exportable: bool) -> None:
        """Not expected."""
        raise AssertionError("no keys here")

    def delete_key(self, label: str) -> bool:
        """There is none."""
        return False

    def keys(self) -> list[KeyView]:
        """None."""
        return []

    def import_ca(self, name: str, certificates_der: Sequence[bytes]) -> None:
        """Refused."""
        raise DeviceError("nothing is kept here")

    def create_request(self, name: str, *, challenge: str = "") -> None:
        """Nothing happens."""

    def import_certificate(self, name: str, certificate_der: bytes) -> None:
        """Refused."""
        raise DeviceError("nothing is kept here")

    def import_pkcs12(
        self, name: str, data: bytes, passphrase: str, *, key_label: str, exportable: bool
    ) -> None:
        """Refused."""
        raise DeviceError("nothing is kept here")

    def export_pkcs12(self, name: str, passphrase: str) -> bytes:
        """There is none."""
        raise DeviceError("nothing is kept here")

    def import_key(self, label: str, pem: str, passphrase: str, *, exportable: bool) -> None:
        """Refused."""
        raise DeviceError("nothing is kept here")

    def export_key(self, label: str, passphrase: str, cipher: str) -> str:
        """There is none."""
        raise DeviceError("nothing is kept here")


class Terminal:
    """A console with its device, driven by what a person types."""

    def __init__(
        self, profile: DeviceProfile, *, line: LineInfo = VTY, device: Device | None = None,
        user: str = "", **settings: object,
    ) -> None:  # fmt: skip
        self.clock = ManualClock()
        self.port = IdlePort()
        self.device = device or profile.new_device(port=self.port, clock=self.clock, **settings)
        self.console = self.device.open_console(line, user=user)
        self.greeting = self.console.open()

    def type(self, keys: str | bytes) -> str:
        """Sends keys as they are; gives what the terminal received, as `shown` does."""
        data = keys.encode("latin-1") if isinstance(keys, str) else keys
        return self.shown(self.console.receive(data))

    def run(self, line: str) -> str:
        """Types a line and Enter."""
        return self.type(line + "\r")

    def later(self) -> str:
        """What appeared without typing."""
        return self.shown(self.console.take_output())

    def shown(self, data: bytes) -> str:
        """Received bytes as text, each line end of the platform one line feed, no bare one."""
        newline = self.device.profile.shell.newline
        text = data.decode("ascii")
        assert "\n" not in text.replace(newline, ""), "a line feed without its carriage return"
        return text.replace(newline, "\n")


__all__ = ["CONSOLE_LINE", "START", "VTY", "IdlePort", "ManualClock", "Terminal"]
