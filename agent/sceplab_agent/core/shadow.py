"""When a certificate of the next CA is asked for, to be kept until the switch.

Pure arithmetic over moments.

Spec: checklist 14.
"""

from __future__ import annotations

from datetime import datetime, timedelta

SHARE_USED = 0.5
"""Share of a certificate's life that may have passed at the switch."""
_ROOM_SHARE = 0.25
"""Share of the time at hand that an attempt gets at the most."""


def shadow_at(
    *,
    earliest: datetime,
    switch_at: datetime,
    renewal_at: datetime,
    lifetime: timedelta,
    poll_window: timedelta,
    spread: timedelta,
    not_before: datetime | None,
) -> datetime | None:
    """When to begin; ``None``: an attempt would not end before the renewal.

    Late enough that the kept certificate is still fresh at the switch, early enough that the CA
    has time to decide. The renewal of the certificate in use goes first and ends an attempt.

    Args:
        earliest: since when the next CA is known and the certificate is in use.
        switch_at: when the next CA takes over.
        renewal_at: when the certificate in use is renewed.
        lifetime: of the certificate in use; the kept one is expected to live as long.
        poll_window: the longest time a pending request can take.
        spread: of a fleet, from nothing to the check interval; the room bounds it.
        not_before: end of the pause after a failed attempt.
    """
    room = min(poll_window, (renewal_at - earliest) * _ROOM_SHARE)
    fresh = min(switch_at - lifetime * SHARE_USED, renewal_at - 2 * room)
    begins = max(earliest, fresh) + min(spread, room)
    if not_before is not None:
        begins = max(begins, not_before)
    return begins if begins + room <= renewal_at else None
