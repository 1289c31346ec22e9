"""Errors of the server emulator. The first level says whose fault it is; leaves carry data.

A request that the server refuses is no error of the server: `RefusedError` only carries the cause
from where it is found to the one place that answers.
"""

from __future__ import annotations

from collections.abc import Sequence


class NdesError(Exception):
    """Root of everything this package raises on purpose."""


class ConfigError(NdesError):
    """A setting is wrong. Exit code 2.

    Args:
        message: what is wrong and what would be right.
        source: file or option concerned; empty when there is none.
    """

    def __init__(self, message: str, *, source: str = "") -> None:
        super().__init__(f"{source}: {message}" if source else message)
        self.source = source


class StateError(NdesError):
    """The state folder is missing, in use by another server, or not ours. Exit code 2."""


class AddressError(NdesError):
    """The address to listen on cannot be had. Exit code 2."""


class RequestNotFoundError(NdesError):
    """No request with that number. Exit code 4.

    Args:
        request_id: the number asked for.
    """

    def __init__(self, request_id: int) -> None:
        super().__init__(f"no request {request_id}; 'sceplab ndes pending' and 'list' show them")
        self.request_id = request_id


class CertificateNotFoundError(NdesError):
    """No issued certificate with that serial number. Exit code 4.

    Args:
        serial_hex: the serial number asked for.
    """

    def __init__(self, serial_hex: str) -> None:
        super().__init__(f"no certificate {serial_hex}; 'sceplab ndes list' shows them")
        self.serial_hex = serial_hex


class AmbiguousSerialError(NdesError):
    """The beginning of a serial number that several certificates have. Exit code 4.

    Args:
        beginning: what was given.
        serials: whole serial numbers that begin so; perhaps not all.
    """

    def __init__(self, beginning: str, serials: Sequence[str]) -> None:
        super().__init__(
            f"several certificates begin with {beginning}: {', '.join(serials)}; give more digits"
        )
        self.beginning = beginning
        self.serials = tuple(serials)


class AlreadyDecidedError(NdesError):
    """The request or certificate is past the state in which this can be done. Exit code 4."""


class PasswordCacheFullError(NdesError):
    """As many unused passwords are in circulation as the setting allows.

    Args:
        cache_size: the setting.
    """

    def __init__(self, cache_size: int) -> None:
        super().__init__(
            f"the password cache is full ({cache_size} unused passwords); use one, wait for one "
            "to expire, or raise challenge.cache_size"
        )
        self.cache_size = cache_size


class RefusedError(NdesError):
    """The request in hand is refused; the cause names a row of ``data/refusals.toml``.

    Args:
        cause: name of the row.
        detail: what exactly, for people; no secret, no decrypted content.
    """

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(f"{cause}: {detail}" if detail else cause)
        self.cause = cause
        self.detail = detail
