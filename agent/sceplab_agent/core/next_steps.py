"""What a person can do about a failure: one text for log, error, `status` and JSON."""

from __future__ import annotations

from sceplab_agent.core.events import FailureCause
from sceplab_agent.core.values import Failure

_ENROLL = "enroll"
_RENEW = "renew"
_BY_CAUSE = {
    FailureCause.CONFIGURATION: "correct the trustpoint and {} again",
    FailureCause.TRUST: "compare fingerprints out of band, set the pins, {} again",
    FailureCause.REJECTED: "ask the CA's operator, get a new challenge password, {} again",
    FailureCause.TRANSPORT: "make the server reachable and {} again",
    FailureCause.KEY_STORE: "make the key store usable and {} again",
    FailureCause.STORAGE: "make room on the disk, or the state directory writable; {} again",
    FailureCause.HANDOFF: "mend what the consumer complains of and renew (without a certificate "
    "before: enroll) again, or cancel to give the new certificate up",
    FailureCause.PEER: "look at the reply (--trace shows it), then {} again",
    FailureCause.EXHAUSTED: "ask the CA's operator why there was no certificate, then {} again",
}
_RENEWAL_REJECTED = (
    "ask the CA's operator and renew again, or get a new challenge password and enroll --again"
)
CLOCK = (
    "look at the clock here and set it if it is wrong; if it is right, have the CA's operator look "
    "at the server's clock and renew that certificate; then enroll again"
)
"""For a certificate of the CA that is not valid now."""
CHALLENGE = "put a challenge password in place where the trustpoint looks for it; enroll again"
"""For a request that needs one, and none is there."""
KEY_LOST = (
    "restore it from a copy and renew again, or take another key: set renewal.new_key = true "
    "and enroll --again"
)
"""For a certificate in use whose key is gone or damaged: a renewal has to be signed with it."""
NEW_KEY_LOST = (
    "enroll again, with a new challenge password if the CA wants one: another key is made for a "
    "new request"
)
"""For the key of a request that is not answered yet."""
ASKED = (
    "compare it with what the CA's operator says, then approve-fingerprint, where an agent runs; "
    "or set the fingerprint of the trustpoint and enroll again"
)
"""For a CA that nothing is known of yet."""
UNCHANGED = "set renewal.new_key = true, as this server wants a new key each time, and renew again"
"""For a server that answers a renewal with the certificate that it should replace."""
NOT_CANCELLED = "not given up: a consumer may be using the new certificate and its key"
"""Why a hand-off under way is not cancelled."""
END_HANDOFF = (
    "bring the hand-off to its end (run the agent, or renew; without a certificate before: "
    "enroll), then cancel"
)
"""What to do about it."""
NEXT_CA = "compare the fingerprint with what the CA's operator says, then approve-fingerprint"
"""For a next CA that waits for consent."""


def next_step_of(failure: Failure, *, is_renewal: bool = False) -> str:
    """What to do about a failure.

    Args:
        failure: of the last attempt.
        is_renewal: whether there is a certificate that a renewal can rest on.
    """
    return failure.next_step or next_step_for(failure.cause, is_renewal=is_renewal)


def next_step_after(failure: Failure | None) -> str:
    """What to do when time is up: about the last failure, if there was one."""
    return next_step_of(failure) if failure is not None else next_step_for(FailureCause.EXHAUSTED)


def next_step_for(cause: FailureCause, *, is_renewal: bool = False) -> str:
    """What to do when nothing but the cause is known; see `next_step_of`."""
    if is_renewal and cause is FailureCause.REJECTED:
        return _RENEWAL_REJECTED
    return _BY_CAUSE[cause].format(_RENEW if is_renewal else _ENROLL)
