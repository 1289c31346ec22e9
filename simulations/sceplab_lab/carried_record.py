"""What a trustpoint holds that an operator brought, and the request it made for one to carry.

::

    STATE/trustpoints/NAME/carried.json      0600   no private key

Of a request that waits, what `PendingRequest` keeps: a challenge password is not in there.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sceplab_agent.durable import replace_file
from sceplab_devices.errors import DeviceError
from sceplab_lab.pending_request import PendingRequest
from sceplab_scep.errors import ScepError

CARRIED_FILE = "carried.json"
_MODE = 0o600
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedRecord:
    """Certificates and request of one trustpoint."""

    authorities_der: tuple[bytes, ...] = ()
    """The CA certificate first, then its chain; an operator vouched for all of them."""
    certificate_der: bytes | None = None
    certificate_key: str = ""
    """Name of its key pair in the key store."""
    installed_at: datetime | None = None
    request: PendingRequest | None = None
    """Waits for its certificate."""
    request_key: str = ""
    """Name of its key pair in the key store."""
    last_status: str = ""
    """As `TrustpointView.last_status`."""

    @property
    def keys(self) -> frozenset[str]:
        """Names of the key pairs it needs."""
        return frozenset(name for name in (self.certificate_key, self.request_key) if name)


def load_record(folder: Path | None) -> CarriedRecord:
    """What the folder of a trustpoint keeps; an empty record when that is nothing.

    Raises:
        DeviceError: the file cannot be read, or is not what was written.
    """
    path = None if folder is None else folder / CARRIED_FILE
    if path is None or not path.exists():
        return CarriedRecord()
    try:
        return _decode(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeviceError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError, ScepError) as error:
        raise DeviceError(f"{path} is damaged; restore it, or remove the trustpoint") from error


def save_record(folder: Path | None, record: CarriedRecord) -> None:
    """Keeps a record in place of the one before; durable when this returns.

    Args:
        folder: of the trustpoint, and there; ``None``: nothing is written.
        record: the whole.

    Raises:
        DeviceError: the record before is still in its place.
    """
    if folder is None:
        return
    path = folder / CARRIED_FILE
    try:
        replace_file(path, _encode(record).encode() + b"\n", mode=_MODE)
    except OSError as error:
        raise DeviceError(f"cannot write {path}: {error.strerror}") from error


def _encode(record: CarriedRecord) -> str:
    installed_at = record.installed_at
    fields = {
        "version": _VERSION,
        "authorities": [_to_text(der) for der in record.authorities_der],
        "certificate": _to_text(record.certificate_der),
        "certificate_key": record.certificate_key,
        "installed_at": None if installed_at is None else installed_at.isoformat(),
        "request": None if record.request is None else record.request.to_json(),
        "request_key": record.request_key,
        "last_status": record.last_status,
    }
    return json.dumps(fields, indent=1)


def _decode(text: str) -> CarriedRecord:
    fields = json.loads(text)
    if fields["version"] != _VERSION:
        raise ValueError(fields["version"])
    installed_at = fields["installed_at"]
    return CarriedRecord(
        authorities_der=tuple(b64decode(item, validate=True) for item in fields["authorities"]),
        certificate_der=_to_bytes(fields["certificate"]),
        certificate_key=str(fields["certificate_key"]),
        installed_at=None if installed_at is None else datetime.fromisoformat(installed_at),
        request=_read_request(fields["request"]),
        request_key=str(fields["request_key"]),
        last_status=str(fields["last_status"]),
    )


def _read_request(field: str | dict[str, Any] | None) -> PendingRequest | None:
    if isinstance(field, str):  # as records were before: the request byte for byte
        return PendingRequest.of(b64decode(field, validate=True))
    return None if field is None else PendingRequest.from_json(field)


def _to_text(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode("ascii")


def _to_bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text, validate=True)
