"""When somebody who waits for a certificate is told how it ended, and what."""

from __future__ import annotations

import pytest

from sceplab_agent.core import events as ev
from sceplab_agent.core.policy import RetryPolicy
from sceplab_agent.core.states import State
from sceplab_agent.errors import EnrollmentFailedError
from sceplab_agent.outcome import is_settled, raise_for_outcome
from sceplab_scep.capabilities import NO_CAPABILITIES
from tests.support.core import PKI, Stage, policy
from tests.support.pair import Pair

RETRY = RetryPolicy(max_attempts=3)


def test_who_waits_for_a_renewal_is_told_after_as_many_rounds() -> None:
    """Each round fails for a reason that may pass; the third one ends the waiting, not the work."""
    pair = Pair(policy={"retry": RETRY})
    stage = Stage(policy=policy(retry=RETRY)).to_installed()
    pair.session.machine = stage.machine
    stage.wake()
    for rounds in (1, 2, 3):
        stage.through_request()
        stage.give(
            ev.TransportFailed(cause=ev.FailureCause.PEER, reason="garbage", is_retryable=False)
        )
        assert stage.state is State.RETRY_WAIT
        assert is_settled(pair.session) is (rounds == 3)
        stage.wake()
    assert stage.state is State.RENEW_DUE


def test_the_error_names_the_next_step() -> None:
    """The failure's reason, and what to do about it."""
    pair = Pair(policy={"retry": RETRY})
    stage = Stage(policy=policy(retry=RETRY)).to_pinned()
    pair.session.machine = stage.machine
    stage.give(ev.EnrollRequested())
    stage.give(ev.CaCertificatesReceived(certificates_der=PKI.bundle, capabilities=NO_CAPABILITIES))
    stage.key_ready()
    stage.give(ev.RequestFailed(cause=ev.FailureCause.CONFIGURATION, reason="below the floor"))
    with pytest.raises(EnrollmentFailedError) as caught:
        raise_for_outcome(pair.session)
    assert str(caught.value).endswith(
        "below the floor; next step: correct the trustpoint and enroll again"
    )
