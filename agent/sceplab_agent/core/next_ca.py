"""The next CA as an enrollment remembers it, from the answer that named it to the switch."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sceplab_agent.core.values import Json, TrustedCa


class Consent(enum.Enum):
    """What the operator said about the next CA."""

    NONE = "none"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCa:
    """A CA that the current one vouches for."""

    ca: TrustedCa
    """As it was announced; what GetCACert shows after the switch takes its place."""
    learned_at: datetime
    consent: Consent = Consent.NONE
    """What the operator said; whether that was needed, the policy says."""
    is_delay_noted: bool = False
    """Whether it was reported that the switch waits for the operator."""
    shadow_attempts: int = 0
    """Attempts in a row to get a certificate of it that failed."""
    shadow_pause_to: datetime | None = None
    """No further attempt before this."""
    shadow_failure: str = ""
    """Why the last one failed, for a person."""

    def brought_closer(self, now: datetime, longest: timedelta) -> NextCa:
        """As it is by a clock that was set back to ``now``.

        Args:
            now: current time, UTC.
            longest: the longest pause between two attempts.
        """
        pause_to = self.shadow_pause_to
        return replace(
            self,
            learned_at=min(self.learned_at, now),
            shadow_pause_to=pause_to and min(pause_to, now + longest),
        )

    def to_json(self) -> Json:
        """JSON-ready form."""
        return {
            "ca": self.ca.to_json(),
            "learned_at": self.learned_at.isoformat(),
            "consent": self.consent.value,
            "is_delay_noted": self.is_delay_noted,
            "shadow_attempts": self.shadow_attempts,
            "shadow_pause_to": self.shadow_pause_to and self.shadow_pause_to.isoformat(),
            "shadow_failure": self.shadow_failure,
        }

    @classmethod
    def from_json(cls, data: Json) -> NextCa:
        """Reads what `to_json` wrote."""
        pause_to = data.get("shadow_pause_to")
        return cls(
            ca=TrustedCa.from_json(data["ca"]),
            learned_at=datetime.fromisoformat(data["learned_at"]),
            consent=Consent(data["consent"]),
            is_delay_noted=bool(data["is_delay_noted"]),
            # Older snapshots know no shadow certificate.
            shadow_attempts=int(data.get("shadow_attempts", 0)),
            shadow_pause_to=datetime.fromisoformat(pause_to) if pause_to else None,
            shadow_failure=str(data.get("shadow_failure", "")),
        )
