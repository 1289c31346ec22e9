"""Errors of the lab."""

from __future__ import annotations


class LabError(Exception):
    """Root of everything this package raises on purpose."""


class DemoError(LabError):
    """The demo did not see what it waited for."""


class EndpointError(LabError):
    """A service could not start where it was told to."""


class FolderInUseError(LabError):
    """Another process works in the state folder.

    Args:
        folder: for people.
        pid: of that process; ``None`` when it did not say.
    """

    def __init__(self, folder: str, pid: int | None) -> None:
        holder = f" (process {pid})" if pid is not None else ""
        super().__init__(
            f"another device{holder} works in {folder}; end it or choose another --state"
        )
        self.folder = folder
        self.pid = pid


class AbandonedError(LabError):
    """The trustpoint was removed while work for it was under way: the work ends here."""


class ExtraMissingError(LabError):
    """Something needs an optional part of the installation.

    Args:
        reason: what needs it.
        extra: name of the part.
    """

    def __init__(self, reason: str, *, extra: str) -> None:
        super().__init__(f"{reason}, which is not installed; pip install 'sceplab[{extra}]'")
        self.extra = extra


class InterfaceError(LabError):
    """Frames cannot be sent on a network interface.

    Args:
        interface: its name.
        reason: and what to do, where that is known.
    """

    def __init__(self, interface: str, reason: str) -> None:
        super().__init__(f"interface {interface}: {reason}")
        self.interface = interface
