"""How long nobody has typed at a terminal, and when that is too long."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sceplab_devices.session import Session
    from sceplab_devices.shell import LineSettings


class Idle:
    """Measures one terminal's silence.

    Args:
        now: nobody has typed before.
    """

    __slots__ = ("_since",)

    def __init__(self, now: datetime) -> None:
        self._since = now

    def restart(self, now: datetime) -> None:
        """Somebody typed, or a session began."""
        self._since = now

    def deadline(
        self, session: Session, settings: LineSettings, *, asks_login: bool
    ) -> datetime | None:
        """When the session ends by itself; ``None``: never.

        Args:
            session: its own limit counts once it is open.
            settings: of its line; their limit counts while the opening dialog asks.
            asks_login: the opening dialog waits for an answer.
        """
        seconds = settings.login_timeout_s if asks_login else session.exec_timeout_s
        return self._since + timedelta(seconds=seconds) if seconds else None
