"""Where a device keeps what its trustpoints obtain: a folder of its own, or memory.

::

    STATE/                      0700
      trustpoints/NAME/         journal.sqlite3, certificate.pem, chain.pem, ca.pem,
                                carried.json, request.json
"""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import quote

from sceplab_agent.core.commands import InstallCertificate
from sceplab_agent.install import CertificateInstaller, FileInstaller, MemoryInstaller
from sceplab_agent.journal import Journal, MemoryJournal
from sceplab_agent.journal_file import FILE_NAME, remove_journal
from sceplab_agent.journal_sqlite import SqliteJournal
from sceplab_lab.request_file import RequestFile

_REMOVED = ".removed-"
"""How the names of folders begin that are being deleted; no trustpoint's folder has a dot."""


class Places:
    """Makes journals and installers.

    Args:
        state_dir: the device's folder; ``None`` keeps everything in memory.
    """

    def __init__(self, state_dir: Path | None) -> None:
        self._root = None if state_dir is None else state_dir / "trustpoints"
        if self._root is not None:
            for folder in self._root.glob(f"{_REMOVED}*"):
                shutil.rmtree(folder, ignore_errors=True)
        self._unforgotten: set[str] = set()

    @staticmethod
    def safe_name(trustpoint: str) -> str:
        """The trustpoint's name as a folder name: what is not plain is percent-escaped."""
        return quote(trustpoint, safe="").replace(".", "%2E") or "%00"

    def folder(self, trustpoint: str) -> Path | None:
        """The trustpoint's folder; ``None`` in memory."""
        return None if self._root is None else self._root / self.safe_name(trustpoint)

    def journal(self, trustpoint: str) -> Journal:
        """Opens or makes the trustpoint's journal.

        Raises:
            JournalError: it cannot be used.
            OSError: its folder cannot be made, or still holds what was to be forgotten.
        """
        folder = self.make_folder(trustpoint)
        if folder is None:
            return MemoryJournal()
        return SqliteJournal.create_or_open(folder / FILE_NAME)

    def make_folder(self, trustpoint: str) -> Path | None:
        """The trustpoint's folder, there and without what was to be forgotten.

        Raises:
            OSError: it cannot be made so.
        """
        folder = self.folder(trustpoint)
        if folder is not None:
            if trustpoint in self._unforgotten:
                self.forget(trustpoint)
            # Not before: most devices of a large rack never need one.
            if not folder.parent.exists():
                folder.parent.mkdir(mode=0o700, parents=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def request_file(self, trustpoint: str) -> RequestFile:
        """Where the request of an open transaction is kept."""
        return RequestFile(self.folder(trustpoint))

    def drop_journal(self, trustpoint: str) -> None:
        """Removes a closed journal, for a trustpoint that has no server any more.

        Raises:
            OSError: it is still there.
        """
        folder = self.folder(trustpoint)
        if folder is not None:
            remove_journal(folder / FILE_NAME)

    def installer(self) -> CertificateInstaller:
        """Puts certificates beside the journals."""
        return MemoryInstaller() if self._root is None else _PlacedInstaller(self._root)

    def forget(self, trustpoint: str) -> None:
        """Removes everything of a trustpoint whose journal is closed, in one step.

        Raises:
            OSError: everything is still there; the next `journal` of that name tries again.
        """
        folder = self.folder(trustpoint)
        if folder is None or not folder.is_dir():
            return
        self._unforgotten.add(trustpoint)
        grave = folder.with_name(_REMOVED + folder.name)
        shutil.rmtree(grave, ignore_errors=True)
        folder.rename(grave)
        self._unforgotten.discard(trustpoint)
        # What is left is deleted at the next start.
        shutil.rmtree(grave, ignore_errors=True)


class _PlacedInstaller:
    """Installs into the folders of `Places`, whatever a trustpoint is called.

    Args:
        root: folder of these folders.
    """

    def __init__(self, root: Path) -> None:
        self._files = FileInstaller(root)

    def install(self, trustpoint: str, command: InstallCertificate) -> None:
        """See `CertificateInstaller.install`."""
        self._files.install(Places.safe_name(trustpoint), command)
