"""Fetching and trusting the CA."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import AskOperator, FetchCa, Notify
from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.policy import PinAlgorithm, UnpinnedCa
from sceplab_agent.core.states import State
from sceplab_agent.core.values import TrustBasis
from tests.support.core import FORGED, OTHER_PKI, PKI, T0, UNREACHABLE, Pki, Stage, policy

ASK = policy(pin=None, unpinned_ca=UnpinnedCa.ASK)


@pytest.mark.covers("C-03", "A26")
def test_a_pinned_ca_is_trusted_without_asking() -> None:
    """A matching fingerprint leads to CA_PINNED; nothing else was wanted, nothing else happens."""
    stage = Stage().to_pinned()
    assert stage.state is State.CA_PINNED
    assert stage.ids() == ["ca.pinned"]
    assert stage.machine.ca is not None
    assert stage.machine.ca.basis is TrustBasis.PIN
    assert stage.machine.ca.anchor_der == PKI.anchor_der
    assert stage.machine.next_deadline() is None


@pytest.mark.covers("C-03", "G12", "A26")
def test_a_mismatch_blocks_and_nothing_is_sent() -> None:
    """Another CA than the pinned one ends in BLOCKED, with both fingerprints for the operator."""
    stage = Stage()
    stage.give(ev.TrustpointConfigured())
    stage.give(ev.EnrollRequested())
    stage.ca_received(OTHER_PKI)
    assert stage.state is State.BLOCKED
    assert stage.machine.ca is None
    assert stage.machine.next_deadline() is None
    failure = stage.machine.failure
    assert failure is not None
    assert failure.cause is ev.FailureCause.TRUST
    assert PKI.pin().digest.hex().upper() in failure.reason
    assert OTHER_PKI.pin().digest.hex().upper() in failure.reason
    assert stage.one(Notify).details["next_step"]
    with pytest.raises(IllegalEventError):
        stage.give(ev.EnrollRequested())


def test_the_operator_leaves_blocked_with_another_pin() -> None:
    """A changed pin and TrustpointConfigured lead back to CONFIGURED, and the CA is accepted."""
    stage = Stage(policy=policy(pin=OTHER_PKI.pin())).to_pinned()
    assert stage.state is State.BLOCKED
    stage.machine.set_policy(policy())
    stage.give(ev.TrustpointConfigured())
    assert stage.state is State.CONFIGURED
    assert stage.machine.failure is None
    stage.give(ev.AuthenticateRequested())
    stage.ca_received()
    assert stage.state is State.CA_PINNED


def test_authenticating_again_leaves_blocked() -> None:
    """The operator may simply fetch again; the same answer blocks again."""
    stage = Stage(policy=policy(pin=OTHER_PKI.pin())).to_pinned()
    stage.give(ev.AuthenticateRequested())
    assert stage.state is State.CA_FETCH
    stage.ca_received()
    assert stage.state is State.BLOCKED


def test_unpinned_and_refused_by_policy_blocks() -> None:
    """Without a fingerprint the strict policy trusts nobody."""
    stage = Stage(policy=policy(pin=None)).to_pinned()
    assert stage.state is State.BLOCKED
    assert stage.machine.failure is not None
    assert stage.machine.failure.cause is ev.FailureCause.TRUST


def test_the_operator_is_asked_and_accepts() -> None:
    """An unpinned CA is shown; the state stays CA_FETCH until the operator accepts."""
    stage = Stage(policy=ASK).to_pinned()
    assert stage.state is State.CA_FETCH
    assert stage.one(AskOperator).certificate_der == PKI.anchor_der
    assert stage.machine.candidate is not None
    assert stage.machine.ca is None
    stage.give(ev.CaAccepted())
    assert stage.state is State.CA_PINNED
    assert stage.machine.ca is not None
    assert stage.machine.ca.basis is TrustBasis.OPERATOR
    assert stage.machine.candidate is None


def test_the_operator_refuses() -> None:
    """A refused certificate leads back to CONFIGURED: nothing is wrong with the configuration."""
    stage = Stage(policy=ASK).to_pinned()
    stage.give(ev.CaRefused())
    assert stage.state is State.CONFIGURED
    assert stage.machine.ca is None
    assert stage.machine.candidate is None
    stage.give(ev.AuthenticateRequested())
    assert stage.state is State.CA_FETCH


def test_accepting_goes_on_with_the_enrollment() -> None:
    """When the question came up in an enrollment, the answer lets it go on in the same call."""
    stage = Stage(policy=ASK)
    stage.give(ev.TrustpointConfigured())
    stage.give(ev.EnrollRequested())
    stage.ca_received()
    stage.give(ev.CaAccepted())
    assert stage.state is State.KEYGEN
    assert stage.ids() == ["ca.pinned", "enrollment.key"]


def test_trust_on_first_use_is_recorded_as_such() -> None:
    """TOFU trusts, says so loudly, and holds on to what it saw."""
    stage = Stage(policy=policy(pin=None, unpinned_ca=UnpinnedCa.TOFU)).to_pinned()
    assert stage.state is State.CA_PINNED
    assert stage.ids(Notify) == ["ca.tofu"]
    stage.give(ev.AuthenticateRequested())
    stage.ca_received(OTHER_PKI)
    assert stage.state is State.BLOCKED


def test_only_the_operator_makes_tofu_forget() -> None:
    """After a changed anchor the operator's new authentication starts from nothing."""
    stage = Stage(policy=policy(pin=None, unpinned_ca=UnpinnedCa.TOFU)).to_pinned()
    stage.give(ev.AuthenticateRequested())
    stage.ca_received(OTHER_PKI)
    stage.give(ev.AuthenticateRequested())
    stage.ca_received(OTHER_PKI)
    assert stage.state is State.CA_PINNED
    assert stage.machine.ca is not None
    assert stage.machine.ca.anchor_der == OTHER_PKI.anchor_der


@pytest.mark.covers("C-04")
def test_new_ra_certificates_of_the_same_ca_are_accepted_and_noted() -> None:
    """What still chains to the stored anchor is taken over, with a notice."""
    stage = Stage(policy=ASK).to_pinned()
    stage.give(ev.CaAccepted())
    before = stage.machine.ca
    stage.give(ev.AuthenticateRequested())
    stage.ca_received(Pki(ra="renewed"))
    assert stage.state is State.CA_PINNED
    assert stage.ids(Notify) == ["ca.ra-changed"]
    assert before is not None
    assert stage.machine.ca is not None
    assert stage.machine.ca.recipient_der != before.recipient_der
    assert stage.machine.ca.since == before.since


def test_a_configured_pin_may_choose_another_anchor() -> None:
    """The configuration outranks what was stored."""
    stage = Stage().to_pinned()
    stage.machine.set_policy(policy(pin=OTHER_PKI.pin()))
    stage.give(ev.AuthenticateRequested())
    stage.ca_received(OTHER_PKI)
    assert stage.state is State.CA_PINNED
    assert stage.ids(Notify) == ["ca.anchor-changed"]


@pytest.mark.parametrize("algorithm", [PinAlgorithm.SHA1, PinAlgorithm.MD5])
def test_a_legacy_pin_works_and_is_named(algorithm: PinAlgorithm) -> None:
    """SHA-1 and MD5 pins count only under their own label, and draw a warning."""
    stage = Stage(policy=policy(pin=PKI.pin(algorithm))).to_pinned()
    assert stage.state is State.CA_PINNED
    assert stage.ids(Notify) == ["ca.legacy-pin"]


def test_an_unreachable_server_is_told_to_the_operator_who_waits() -> None:
    """No silent retry of an interactive fetch: back to CONFIGURED with a notice."""
    stage = Stage()
    stage.give(ev.TrustpointConfigured())
    stage.give(ev.AuthenticateRequested())
    stage.one(FetchCa)
    stage.give(UNREACHABLE)
    assert stage.state is State.CONFIGURED
    assert stage.ids(Notify) == ["ca.unreachable"]
    assert stage.machine.next_deadline() is None


def test_an_unreachable_server_takes_nothing_away() -> None:
    """With a CA that is trusted, or a certificate in use, the state before comes back."""
    stage = Stage().to_pinned()
    stage.give(ev.AuthenticateRequested())
    stage.give(UNREACHABLE)
    assert stage.state is State.CA_PINNED
    stage = Stage().to_installed()
    stage.give(ev.AuthenticateRequested())
    stage.give(FORGED)
    assert stage.state is State.INSTALLED
    stage.give(ev.AuthenticateRequested())
    stage.ca_received()
    assert stage.state is State.INSTALLED


def test_a_refused_candidate_leaves_the_certificate_in_use() -> None:
    """Refusing a CA after a certificate was installed changes nothing about that certificate."""
    stage = Stage().to_installed()
    stage.machine.set_policy(ASK)
    stage.give(ev.AuthenticateRequested())
    stage.ca_received(OTHER_PKI)
    assert stage.state is State.BLOCKED
    stage.give(ev.AuthenticateRequested())
    stage.ca_received(OTHER_PKI)
    stage.give(ev.CaRefused())
    assert stage.state is State.INSTALLED
    assert stage.machine.active is not None


def test_expired_ra_certificates_are_no_breach_of_trust() -> None:
    """The anchor matches, the RA is expired: reported, not blocked; a good RA is accepted later."""
    stage = Stage(pki=Pki(ra="old", ra_valid_to=T0)).to_pinned()
    stage.now = T0 + timedelta(days=1)
    stage.give(ev.AuthenticateRequested())
    stage.ca_received()
    assert stage.state is State.CA_PINNED
    assert stage.ids(Notify) == ["ca.unreachable"]
    assert "not valid now" in str(stage.one(Notify).details["reason"])
    stage.give(ev.AuthenticateRequested())
    stage.ca_received(PKI)
    assert stage.ids(Notify) == ["ca.ra-changed"]
