"""What can go wrong around a device. Console input never raises: it prints what the device does."""

from __future__ import annotations


class DeviceError(Exception):
    """Root of this package's errors."""


class ProfileError(DeviceError):
    """A device profile is missing or its data is wrong.

    Attributes:
        profile: name of the profile, or the file its data came from.
        place: dotted path inside the data; empty when the profile as a whole is meant.
    """

    def __init__(self, profile: str, reason: str, *, place: str = "") -> None:
        where = f"{profile}: {place}" if place else profile
        super().__init__(f"{where}: {reason}")
        self.profile = profile
        self.place = place


class HostnameError(DeviceError):
    """A platform has no host names of this form.

    Attributes:
        hostname: the text as given.
    """

    def __init__(self, hostname: str, platform: str, rule: str) -> None:
        super().__init__(f"{hostname!r} is no host name for {platform}; expected: {rule}")
        self.hostname = hostname


class EndpointError(DeviceError):
    """The text that names a line is not understood, or the line cannot be opened there.

    Attributes:
        endpoint: the text as given.
    """

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(f"{endpoint!r}: {reason}")
        self.endpoint = endpoint
