"""The store over the stub chip. URI ``tpm-stub:DIR[?da=on|off][&slots=N][&latency=none|tpm]``.

It shows how a TPM behaves and **protects nothing**: the seed that opens every key lies in
``DIR/chip``, mode 0600, beside the blobs. For keys that must not leave, take ``tpm:``.

``da=on`` makes a new store whose wrong PINs count, up to the lockout (three tries; every 1000 s one
is forgiven; a power cut after a key's use counts too). ``slots`` is how many objects the chip
holds at once. ``latency=tpm`` takes about as long as a discrete chip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sceplab_hsm.api import Clock, KeyResidence, SecretProvider, StoreFactory
from sceplab_hsm.errors import StoreUriError
from sceplab_hsm.files import make_private_directory
from sceplab_hsm.tpm.store import ChipStoreSettings, TpmKeyStore, open_chip_store
from sceplab_hsm.tpm.stub import SLOTS, StubChip
from sceplab_hsm.tpm.stub_latency import ChipLatency, Latency, NoLatency
from sceplab_hsm.tpm.stub_memory import ChipMemory
from sceplab_hsm.uri import DirectoryUri

CHIP_DIRECTORY, LOCK_NAME = "chip", "chip.lock"
_OPTIONS = ("da", "slots", "latency")
_SLOTS = range(2, 65)
"""With fewer than two, no key can be loaded under a persistent parent."""


def open_store(
    uri: str, secrets: SecretProvider, *, create: bool = False, now: Clock | None = None
) -> TpmKeyStore:
    """Opens a store over a stub chip, or makes both.

    Args:
        uri: ``tpm-stub:DIR`` with options.
        secrets: asked once for the PIN, after everything else has been checked.
        create: make directory, chip and store when there are none.
        now: stamps new keys, and is the chip's clock: without it no failed try is forgiven.

    Raises:
        StoreUriError: the URI is wrong.
        TokenMissingError: there is no chip.
        StoreUnavailableError: no store there, or open to other users.
        StoreLockedError: the PIN is wrong, or the chip locked (`LockoutError`).
        KeyDamagedError: the chip's memory or the header is damaged.
    """
    parsed = _parse(uri)
    slots, latency = _slots(parsed, uri), _latency(parsed, uri)
    settings = ChipStoreSettings(
        residence=KeyResidence.TPM_STUB,
        keys_leave_store=True,
        dictionary_attack=_choice(parsed, uri, "da", ("off", "on")) == "on",
        unlock_hint="clear it with clear_lockout() of sceplab_hsm.tpm.stub_store.connect_stub",
        lock_path=parsed.path / LOCK_NAME,
    )
    memory = ChipMemory(parsed.path / CHIP_DIRECTORY)
    if create:
        make_private_directory(parsed.path)
        memory.create()
    memory.require()
    return open_chip_store(
        uri,
        parsed.path,
        lambda: StubChip(memory, slots=slots, latency=latency, now=now),
        secrets,
        create=create,
        now=now,
        settings=settings,
    )


def connect_stub(uri: str, *, now: Clock | None = None) -> StubChip:
    """A connection of one's own to the chip of a store: to cut its power or clear its lockout.

    Args:
        uri: of the store.
        now: the chip's clock.

    Raises:
        StoreUriError: the URI is wrong.
        TokenMissingError: there is no chip.
    """
    parsed = _parse(uri)
    memory = ChipMemory(parsed.path / CHIP_DIRECTORY)
    memory.require()
    return StubChip(memory, slots=_slots(parsed, uri), now=now)


def _parse(uri: str) -> DirectoryUri:
    return DirectoryUri.parse(uri, options=_OPTIONS)


def _choice(parsed: DirectoryUri, uri: str, name: str, values: tuple[str, ...]) -> str:
    value = parsed.options.get(name, values[0])
    if value not in values:
        raise StoreUriError(f"'{uri}': {name} is {' or '.join(map(repr, values))}")
    return value


def _slots(parsed: DirectoryUri, uri: str) -> int:
    text = parsed.options.get("slots", str(SLOTS))
    slots = int(text) if text.isascii() and text.isdigit() and len(text) <= len("64") else 0
    if slots not in _SLOTS:
        raise StoreUriError(f"'{uri}': slots is a number from {_SLOTS[0]} to {_SLOTS[-1]}")
    return slots


def _latency(parsed: DirectoryUri, uri: str) -> Latency:
    is_slow = _choice(parsed, uri, "latency", ("none", "tpm")) == "tpm"
    return ChipLatency() if is_slow else NoLatency()


if TYPE_CHECKING:
    _PROOF: StoreFactory = open_store  # store, handles and factory fit the interface
