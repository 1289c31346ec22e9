"""The next CA as an enrollment remembers it, from the answer that named it to the switch."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

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

    def to_json(self) -> Json:
        """JSON-ready form."""
        return {
            "ca": self.ca.to_json(),
            "learned_at": self.learned_at.isoformat(),
            "consent": self.consent.value,
            "is_delay_noted": self.is_delay_noted,
        }

    @classmethod
    def from_json(cls, data: Json) -> NextCa:
        """Reads what `to_json` wrote."""
        return cls(
            ca=TrustedCa.from_json(data["ca"]),
            learned_at=datetime.fromisoformat(data["learned_at"]),
            consent=Consent(data["consent"]),
            is_delay_noted=bool(data["is_delay_noted"]),
        )
