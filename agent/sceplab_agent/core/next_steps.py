"""What a person can do about a failure: one text for log, error, `status` and JSON."""

from __future__ import annotations

from sceplab_agent.core.events import FailureCause
from sceplab_agent.core.values import Failure

_BY_CAUSE = {
    FailureCause.CONFIGURATION: "correct the trustpoint and enroll again",
    FailureCause.TRUST: "compare fingerprints out of band, set the pins, authenticate again",
    FailureCause.REJECTED: "ask the CA's operator, get a new challenge password, enroll again",
    FailureCause.TRANSPORT: "make the server reachable and enroll again",
    FailureCause.KEY_STORE: "make the key store usable and enroll again",
    FailureCause.STORAGE: "make room on the disk, or the state directory writable; enroll again",
    FailureCause.HANDOFF: "mend what the consumer complains of and renew (without a certificate "
    "before: enroll) again, or cancel to give the new certificate up",
    FailureCause.PEER: "look at the trace of the reply, then enroll again",
    FailureCause.EXHAUSTED: "ask the CA's operator why there was no certificate, then enroll again",
}
CLOCK = (
    "look at the clock here and set it if it is wrong; if it is right, have the CA's operator look "
    "at the server's clock and renew that certificate; then enroll again"
)
"""For a certificate of the CA that is not valid now."""
CHALLENGE = "put a challenge password in place where the trustpoint looks for it; enroll again"
"""For a request that needs one, and none is there."""
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


def next_step_of(failure: Failure) -> str:
    """What to do about a failure."""
    return failure.next_step or _BY_CAUSE[failure.cause]


def next_step_after(failure: Failure | None) -> str:
    """What to do when time is up: about the last failure, if there was one."""
    return next_step_of(failure) if failure is not None else _BY_CAUSE[FailureCause.EXHAUSTED]


def next_step_for(cause: FailureCause) -> str:
    """What to do when nothing but the cause is known."""
    return _BY_CAUSE[cause]
