"""Software stores for tests: cheap to open, in a folder of the test's own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sceplab_hsm.api import Clock
from sceplab_hsm.secret import Secret
from sceplab_hsm.software import SoftwareKeyStore, open_store

PASSPHRASE = "correct horse"
MADE_AT = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)


def soft_store(
    place: Path, *, passphrase: str = PASSPHRASE, create: bool = True, now: Clock | None = None
) -> SoftwareKeyStore:
    """Opens the store of that folder, or makes it with the cheap key derivation."""
    return open_store(f"soft:{place}?kdf=lab", lambda _: Secret(passphrase), create=create, now=now)


def key_path(place: Path, key_id: str) -> Path:
    """File of a key."""
    return place / f"{key_id}.key"
