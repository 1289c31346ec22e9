"""Memory of the stub: what survives a power cycle, what does not, and who may touch it.

A directory *is* the chip: every command locks it, reads both files and writes back what changed, so
that slots and counter belong to the chip and not to a connection, in one process and in several.

``chip.nv`` holds the seed, the counters and the persistent objects, and is synced to the disk.
``chip.ram`` holds the loaded objects; it counts as empty when it is of another boot.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sceplab_hsm.errors import KeyDamagedError, StoreUnavailableError, TokenMissingError
from sceplab_hsm.files import make_private_directory, read_private, require_private_directory
from sceplab_hsm.sealing import decode_base64, decode_fields, encode_fields
from sceplab_hsm.tpm.chip import KeyBlobs, TpmGoneError

MAX_TRIES = 3
RECOVERY_S = 1000
SEED_BYTES = 32

_NV_NAME = "chip.nv"
_RAM_NAME = "chip.ram"
_LIMIT_BYTES = 1024 * 1024
_FORMAT = 1
_NUMBERS = ("boot", "failed_tries", "max_tries", "recovery_s")
_FLAGS = ("da_used", "reset_locked")
_TIMES = ("recovering_since", "reset_locked_since")
_NV_FIELDS = frozenset({*_NUMBERS, *_FLAGS, *_TIMES, "format", "seed", "persistent"})
_RAM_FIELDS = frozenset({"boot", "transient"})

Objects = dict[int, KeyBlobs]


@dataclass(slots=True, kw_only=True)
class ChipState:
    """Everything a chip remembers."""

    seed: bytes
    boot: int = 1
    """Rises with every start, orderly or not."""
    failed_tries: int = 0
    max_tries: int = MAX_TRIES
    recovery_s: int = RECOVERY_S
    da_used: bool = False
    """Whether a key whose wrong tries count was used since the last start or shutdown."""
    recovering_since: datetime | None = None
    """From when on failed tries are forgiven; ``None``: no clock was there to tell."""
    reset_locked: bool = False
    """Whether a wrong lockout authorisation has shut the way to reset the counter."""
    reset_locked_since: datetime | None = None
    persistent: Objects = field(default_factory=dict)
    transient: Objects = field(default_factory=dict)

    @property
    def is_locked_out(self) -> bool:
        """Whether keys whose wrong tries count are refused."""
        return self.failed_tries >= self.max_tries

    def recover(self, now: datetime) -> None:
        """Forgives what time forgives; time without power does not count."""
        if self.recovering_since is None:
            self.recovering_since = now
        forgiven = max(0, int((now - self.recovering_since).total_seconds()) // self.recovery_s)
        if forgiven and self.failed_tries:
            self.failed_tries = max(0, self.failed_tries - forgiven)
            self.recovering_since += timedelta(seconds=forgiven * self.recovery_s)
        if self.reset_locked:
            if self.reset_locked_since is None:
                self.reset_locked_since = now
            elapsed_s = (now - self.reset_locked_since).total_seconds()
            self.reset_locked = elapsed_s < self.recovery_s

    def count_failure(self, now: datetime | None) -> None:
        """Counts a wrong try; the time until it is forgiven starts now."""
        self.failed_tries += 1
        self.recovering_since = now

    def lock_reset(self, now: datetime | None) -> None:
        """Shuts the way to reset the counter for the recovery time."""
        self.reset_locked, self.reset_locked_since = True, now

    def start_again(self, now: datetime | None) -> None:
        """Loses the power and comes back: a cut after a counted key's use is a failed try.

        Spec: TPM 2.0 Library, part 1, dictionary attack protection.
        """
        if self.da_used and not self.is_locked_out:
            self.failed_tries += 1
        self.da_used = False
        self.boot += 1
        self.transient.clear()
        self.recovering_since = now
        self.reset_locked_since = now


class ChipMemory:
    """The directory of one chip.

    Args:
        directory: with mode 0700; made by `create`.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def create(self) -> None:
        """Makes a new chip with a seed of its own, unless there is one.

        Raises:
            StoreUnavailableError: it cannot be written.
        """
        make_private_directory(self._directory)
        try:
            with self._locked():
                if not (self._directory / _NV_NAME).exists():
                    state = ChipState(seed=os.urandom(SEED_BYTES))
                    self._replace(_NV_NAME, _encode_nv(state), durable=True)
        except OSError as error:
            raise StoreUnavailableError(
                f"cannot make a TPM stub in {self._directory}: {error.strerror}"
            ) from error

    def require(self) -> None:
        """Looks whether there is a chip.

        Raises:
            TokenMissingError: there is none.
            StoreUnavailableError: open to other users, or unreadable.
            KeyDamagedError: not what was written.
        """
        try:
            require_private_directory(self._directory)
            with self._locked():
                self._read()
        except OSError as error:
            raise TokenMissingError(
                f"there is no TPM stub in {self._directory}: create it, or correct the URI"
            ) from error

    @contextlib.contextmanager
    def opened(self) -> Iterator[ChipState]:
        """The chip's state under its lock; what changes is kept, also when the block raises.

        Raises:
            TpmGoneError: the directory is gone or cannot be written.
            KeyDamagedError: a file is not what was written.
        """
        try:
            with self._locked():
                state = self._read()
                nv, ram = _encode_nv(state), _encode_ram(state)
                try:
                    yield state
                finally:
                    if (content := _encode_nv(state)) != nv:
                        self._replace(_NV_NAME, content, durable=True)
                    if (content := _encode_ram(state)) != ram:
                        self._replace(_RAM_NAME, content, durable=False)
        except OSError as error:
            raise TpmGoneError(f"the TPM stub in {self._directory} is gone") from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # Each command opens the directory anew, so the lock holds between threads as well.
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> ChipState:
        content, _ = read_private(self._directory / _NV_NAME, limit_bytes=_LIMIT_BYTES)
        try:
            state = _decode_nv(content)
        except (ValueError, KeyDamagedError) as error:
            raise KeyDamagedError(
                f"the memory of the TPM stub in {self._directory} is damaged; restore {_NV_NAME}, "
                "no key opens without it"
            ) from error
        # What was loaded is not worth an error: a chip forgets it with every start.
        with contextlib.suppress(FileNotFoundError, ValueError, KeyDamagedError):
            content, _ = read_private(self._directory / _RAM_NAME, limit_bytes=_LIMIT_BYTES)
            boot, transient = _decode_ram(content)
            if boot == state.boot:
                state.transient = transient
        return state

    def _replace(self, name: str, content: bytes, *, durable: bool) -> None:
        path = self._directory / name
        temporary = path.with_name(name + ".new")
        temporary.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.rename(path)
        if durable:
            descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _encode_nv(state: ChipState) -> bytes:
    fields: dict[str, object] = {name: getattr(state, name) for name in (*_NUMBERS, *_FLAGS)}
    fields |= {name: _encode_time(getattr(state, name)) for name in _TIMES}
    return encode_fields(
        fields
        | {
            "format": _FORMAT,
            "seed": state.seed.hex(),
            "persistent": _encode_objects(state.persistent),
        }
    )


def _decode_nv(content: bytes) -> ChipState:
    fields = decode_fields(content, _NV_FIELDS)
    seed = bytes.fromhex(str(fields["seed"]))
    if fields["format"] != _FORMAT or len(seed) != SEED_BYTES or not fields["recovery_s"]:
        raise ValueError("another format")
    state = ChipState(seed=seed, persistent=_decode_objects(fields["persistent"]))
    for name in _NUMBERS:
        setattr(state, name, _number(fields[name]))
    for name in _FLAGS:
        setattr(state, name, fields[name] is True)
    for name in _TIMES:
        setattr(state, name, _decode_time(fields[name]))
    return state


def _encode_ram(state: ChipState) -> bytes:
    return encode_fields({"boot": state.boot, "transient": _encode_objects(state.transient)})


def _decode_ram(content: bytes) -> tuple[int, Objects]:
    fields = decode_fields(content, _RAM_FIELDS)
    return _number(fields["boot"]), _decode_objects(fields["transient"])


def _encode_objects(objects: Objects) -> dict[str, list[str]]:
    return {
        f"{handle:08x}": [
            base64.b64encode(blob).decode("ascii") for blob in (blobs.private, blobs.public)
        ]
        for handle, blobs in objects.items()
    }


def _decode_objects(value: object) -> Objects:
    if not isinstance(value, dict):
        raise ValueError("no objects")
    objects = {}
    for handle, pair in value.items():
        if not isinstance(pair, list) or [type(blob) for blob in pair] != [str, str]:
            raise ValueError("not a pair of blobs")
        private, public = (decode_base64(blob.encode("ascii")) for blob in pair)
        objects[int(handle, 16)] = KeyBlobs(private=private, public=public)
    return objects


def _encode_time(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()


def _decode_time(value: object) -> datetime | None:
    moment = datetime.fromisoformat(str(value)) if value else None
    if moment is not None and moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a number")
    return value
