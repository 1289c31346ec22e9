"""A first trustpoint for a new device: configured for ``--server URL``, or to be typed."""

from __future__ import annotations

from urllib.parse import urlsplit

from sceplab_devices.batch import carry_out
from sceplab_devices.device import Device
from sceplab_devices.errors import DeviceError, ProfileError

TRUSTPOINT = "LAB"
"""What is configured."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


def prepare_trustpoint(device: Device, url: str) -> str:
    """Configures the profile's lines for a first trustpoint, unless one is there already.

    A device that came up with a saved configuration keeps what that says. A platform whose
    configuration cannot say a URL is left alone, see `lab_hint`.

    Returns:
        Why the URL is not used; empty: it is, or need not be.

    Raises:
        DeviceError: the profile has neither lines nor a hint, or they do not lead to this URL.
    """
    lines = device.profile.data.get("lab_trustpoint")
    if not lines:
        if not device.profile.data.get("lab_hint"):
            raise ProfileError(device.profile.name, "has no lines for --server", place="data")
        return ""
    present = device.port.view(TRUSTPOINT).url
    if present:
        if _is_same_url(present, url):
            return ""
        return (
            f"the server is not used: the saved configuration has trustpoint {TRUSTPOINT} at "
            f"{present}"
        )
    filled = (line.format(url=url, hostname=device.hostname) for line in lines)
    remarks = carry_out(device, filled, mode=device.profile.data["lab_mode"])
    if device.port.view(TRUSTPOINT).url != url:
        reason = remarks[-1].line if remarks else "the trustpoint was not configured"
        raise DeviceError(f"--server {url!r}: {device.profile.title} refuses it ({reason})")
    return ""


def lab_hint(device: Device, url: str) -> list[str]:
    """Lines for the operator to type first, on platforms that `prepare_trustpoint` leaves alone."""
    if not url or device.profile.data.get("lab_trustpoint"):
        return []
    hint = device.profile.data.get("lab_hint") or []
    lines = hint.splitlines() if isinstance(hint, str) else hint
    return [line.format(url=url, hostname=device.hostname) for line in lines]


def enrollment_url(device: Device, url: str) -> str:
    """Where trustpoint ``LAB`` enrolls, or will once somebody opens a session.

    Args:
        device: is on.
        url: of its plan; empty: none.
    """
    present = device.port.view(TRUSTPOINT).url
    return present or (url if device.profile.data.get("lab_trustpoint") else "")


def _is_same_url(one: str, other: str) -> bool:
    """A configuration may write a port that was not typed."""
    left, right = urlsplit(one), urlsplit(other)
    ports = [parts.port or _DEFAULT_PORTS.get(parts.scheme) for parts in (left, right)]
    return (
        ports[0] == ports[1]
        and left.hostname == right.hostname
        and left._replace(netloc="") == right._replace(netloc="")
    )
