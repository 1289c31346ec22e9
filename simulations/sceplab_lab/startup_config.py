"""The configuration a device was told to save, as text in its state folder.

::

    STATE/startup-config      0600   what `write memory` wrote; passwords in it are hidden, not safe
"""

from __future__ import annotations

from pathlib import Path

from sceplab_agent.durable import replace_file, sync_directory
from sceplab_devices.errors import DeviceError

STARTUP_FILE = "startup-config"
_MODE = 0o600


class StartupConfig:
    """The saved configuration of one device.

    Args:
        folder: the device's; exists.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / STARTUP_FILE

    def load(self) -> str:
        """The text; empty: none was saved.

        Raises:
            DeviceError: there is one that cannot be read.
        """
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise DeviceError(f"cannot read {self._path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise DeviceError(
                f"{self._path} is damaged; remove it to start without a saved configuration"
            ) from error

    def save(self, text: str) -> None:
        """Replaces the text in one step; empty: there is none any more.

        Raises:
            DeviceError: what was saved before is still there.
        """
        try:
            if text:
                replace_file(self._path, text.encode(), mode=_MODE)
            else:
                self._path.unlink(missing_ok=True)
                sync_directory(self._path.parent)
        except OSError as error:
            raise DeviceError(f"{self._path}: {error.strerror}") from error
