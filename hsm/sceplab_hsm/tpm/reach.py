"""Why no chip answers: it is not there, somebody else has it, it may not be used, or it fails.

The libraries of the TSS give one return code for all of these. What becomes of a device differs
very much, so the way to the chip is tried once more by hand, without a word to the chip.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from functools import partial

from sceplab_hsm.errors import (
    KeyStoreError,
    ModuleMissingError,
    StoreBusyError,
    StoreUnavailableError,
    StoreUriError,
    TokenMissingError,
)

_DEVICES = ("/dev/tpmrm0", "/dev/tpm0")
_PACKAGES = {
    kind: f"libtss2-tcti-{kind}0" for kind in ("cmd", "device", "mssim", "pcap", "swtpm", "tabrmd")
}
_SIMULATORS = frozenset({"mssim", "swtpm"})
_DEFAULT_PORT = 2321
_PROBE_S = 2.0
_ABSENT = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ECONNREFUSED})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})


def missing_kind(kind: str) -> KeyStoreError:
    """The error for a kind of connection that the TSS has no library for.

    Args:
        kind: what stands before the colon of a ``tcti``.
    """
    package = _PACKAGES.get(kind)
    if package is None:
        known = ", ".join(sorted(_PACKAGES))
        return StoreUriError(f"tcti: the TSS has no connection of kind '{kind}' (known: {known})")
    return ModuleMissingError(
        f"the TSS has no connection of kind '{kind}'; on Debian: apt-get install {package}"
    )


def unreachable(tcti: str, return_code: int) -> KeyStoreError:
    """The error for a chip that cannot be connected to, with its cause and the next step.

    Args:
        tcti: the way to it.
        return_code: what the library gave.

    Returns:
        `TokenMissingError` only when there is nothing at that place; `StoreBusyError` when somebody
        else has it; else `StoreUnavailableError`.
    """
    kind, _, settings = tcti.partition(":")
    head, raw = f"no TPM answers at {tcti}", f"(0x{return_code:x})"
    if kind == "device":
        return _judged_device(head, settings, raw)
    if kind in _SIMULATORS:
        return _judged_socket(head, settings, raw)
    return StoreUnavailableError(f"{head} {raw}; see to what this connection leads to")


def _judged_device(head: str, path: str, raw: str) -> KeyStoreError:
    code, place = 0, path
    for place in (path,) if path else _DEVICES:
        code = _failure_of(partial(_open_device, place))
        if code not in _ABSENT:
            break
    words = f"{head} ({os.strerror(code)})" if code else f"{head} {raw}"
    if code in _ABSENT:
        return TokenMissingError(
            f"{words}: attach the chip or load its driver, or name another device with tcti=; "
            "`sceplab hsm swtpm-init DIR` makes a software TPM"
        )
    if code in _FORBIDDEN:
        return StoreUnavailableError(
            f"{words}: this user may not use {place}; on Debian: adduser USER tss, then log in anew"
        )
    if code == errno.EBUSY:
        return StoreBusyError(
            f"{words}: another program has {place}; end it, or use the resource manager "
            "(tcti=device:/dev/tpmrm0)"
        )
    return StoreUnavailableError(f"{words}: is {place} the device of a TPM 2.0?")


def _judged_socket(head: str, settings: str, raw: str) -> KeyStoreError:
    values = dict(item.partition("=")[::2] for item in settings.split(",") if item)
    code = _failure_of(partial(_connect, values))
    words = f"{head} ({os.strerror(code)})" if code > 0 else f"{head} {raw}"
    if code in _ABSENT:
        return TokenMissingError(
            f"{words}: start the TPM server; `sceplab hsm swtpm-init DIR` makes one and starts it"
        )
    if code in _FORBIDDEN:
        return StoreUnavailableError(f"{words}: this user may not connect to it")
    if code:
        return StoreUnavailableError(f"{words}: correct host and port, or see to the network")
    return StoreUnavailableError(
        f"{words}: something is there and does not answer as a TPM server; look at its log and "
        "restart it, or correct host and port"
    )


def _failure_of(attempt: Callable[[], None]) -> int:
    """The error number of an attempt: 0 when it goes well, -1 when the failure has none."""
    try:
        attempt()
    except ValueError:
        return -1
    except OSError as error:
        return error.errno if error.errno is not None and error.errno > 0 else -1
    return 0


def _open_device(path: str) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))


def _connect(values: dict[str, str]) -> None:
    if "path" in values:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_PROBE_S)
            client.connect(values["path"])
        return
    place = values.get("host", "127.0.0.1"), int(values.get("port", _DEFAULT_PORT))
    with socket.create_connection(place, timeout=_PROBE_S):
        return
