"""What a device knows of its key pairs and their store does not: label and age.

::

    STATE/key-labels.json      0600   no key, no secret
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sceplab_agent.durable import replace_file
from sceplab_devices.errors import DeviceError

BOOK_FILE = "key-labels.json"
_MODE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyNote:
    """One key pair."""

    label: str
    seen_at: str = ""
    """ISO 8601: first seen here, for stores that do not know when a key was made."""


class KeyBook:
    """Notes by the names of keys in their store, kept in a file.

    Args:
        folder: of the device; ``None`` keeps the notes in memory.

    Raises:
        DeviceError: the file is not what was written.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / BOOK_FILE
        self._notes: dict[str, KeyNote] = {}
        if self._path is not None and self._path.exists():
            self._notes = _read(self._path)

    def get(self, key_id: str) -> KeyNote | None:
        """The note of a key."""
        return self._notes.get(key_id)

    def find(self, label: str) -> str:
        """Name of the key with this label; empty: none is noted."""
        return next((key_id for key_id, note in self._notes.items() if note.label == label), "")

    def put(self, key_id: str, note: KeyNote) -> None:
        """Notes a key; another one of the same label loses it.

        Raises:
            DeviceError: the note cannot be written; the notes are as before.
        """
        if self._notes.get(key_id) == note:
            return
        kept = {name: other for name, other in self._notes.items() if other.label != note.label}
        self._replace({**kept, key_id: note})

    def drop(self, key_id: str) -> None:
        """Forgets a key.

        Raises:
            DeviceError: as `put`.
        """
        if key_id in self._notes:
            self._replace({name: note for name, note in self._notes.items() if name != key_id})

    def _replace(self, notes: dict[str, KeyNote]) -> None:
        if self._path is not None:
            content = json.dumps({name: asdict(note) for name, note in notes.items()}, indent=1)
            try:
                replace_file(self._path, content.encode() + b"\n", mode=_MODE)
            except OSError as error:
                raise DeviceError(f"cannot write {self._path}: {error.strerror}") from error
        self._notes = notes


def _read(path: Path) -> dict[str, KeyNote]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(key_id): KeyNote(label=str(values["label"]), seen_at=str(values["seen_at"]))
            for key_id, values in entries.items()
        }
    except OSError as error:
        raise DeviceError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DeviceError(
            f"{path} is damaged; remove it, and keys go by their names in the store"
        ) from error
