"""What a session on such a platform has besides its modes: a user, and a place being edited."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from sceplab_devices.interpreter import prompt_of
from sceplab_devices.profiles.candidate.paths import Path

if TYPE_CHECKING:
    from sceplab_devices.device import Device
    from sceplab_devices.session import Session


def edit_path(session: Session) -> Path:
    """The place that the configuration commands of a session are about."""
    return tuple(shlex.split(session.mode_values.get("path", "")))


def edit_values(path: Path) -> dict[str, str]:
    """Values of the configuration mode at a place."""
    return {"path": shlex.join(path)}


def prompt_width(device: Device, session: Session) -> int:
    """Columns of the prompt's last line."""
    return len(prompt_of(device, session).rpartition("\n")[2])
