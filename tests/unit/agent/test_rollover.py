"""The next CA as a device sees it: fetched, held against the current CA, timed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_agent.core.pinning import judge_ca_certificates
from sceplab_agent.core.policy import CaPin, EnrollmentPolicy, PinAlgorithm, RolloverPolicy
from sceplab_agent.core.rollover import (
    LONGEST_WINDOW,
    NextCaAccepted,
    NextCaRefused,
    NextCaVerdict,
    belongs_to,
    fetch_at,
    judge_next_ca,
    switch_at,
)
from sceplab_agent.core.succession import judge_succession
from sceplab_agent.core.values import TrustedCa
from sceplab_agent.core.verdicts import CaSucceeded, CaTrusted
from sceplab_agent.errors import HttpStatusError
from sceplab_agent.exchange import run_exchange
from sceplab_agent.scep_client import ScepClient
from sceplab_lab.memory_transport import MemoryTransport
from sceplab_ndes.hierarchy import CaPlan
from sceplab_ndes.state import ServerState
from sceplab_scep.capabilities import NO_CAPABILITIES
from tests.support.core import OTHER_PKI
from tests.support.core import PKI as CORE_PKI
from tests.support.scep_device import ScepDevice, fetch_password, issued
from tests.support.server import NOW, make_server

SWITCH = NOW + timedelta(days=30)
URL = "http://ca.example.test/scep"


class Site:
    """A server, and a device that trusts its CA."""

    def __init__(self, server: ServerState | None = None, now: datetime = NOW) -> None:
        self.server = server or make_server()
        self.wire = MemoryTransport(self.server.responder, lambda: self.now)
        self.client = ScepClient(URL)
        self.now = now
        digest = self.server.hierarchy.root.certificate.fingerprint(hashes.SHA256())
        self.policy = EnrollmentPolicy(
            name="tp", pin=CaPin(algorithm=PinAlgorithm.SHA256, digest=digest)
        )
        self.ca = self.trusted(self.policy)

    def trusted(self, policy: EnrollmentPolicy) -> TrustedCa:
        """What GetCACert gives under a policy."""
        verdict = judge_ca_certificates(
            run_exchange(self.client.fetch_ca_certificates(), self.wire),
            run_exchange(self.client.fetch_capabilities(), self.wire),
            policy=policy,
            stored=None,
            now=self.now,
            is_clock_set=True,
        )
        assert isinstance(verdict, CaTrusted)
        return verdict.ca

    def judge(self, answer: bytes, current: TrustedCa | None = None) -> NextCaVerdict:
        """The verdict on an answer."""
        return judge_next_ca(
            answer,
            NO_CAPABILITIES,
            policy=self.policy,
            current=current or self.ca,
            now=self.now,
            is_clock_set=True,
        )

    def fetch(self) -> bytes:
        """The answer to GetNextCACert."""
        return run_exchange(self.client.fetch_next_ca(), self.wire)


@pytest.fixture
def site() -> Site:
    """A site whose rollover is prepared."""
    made = Site()
    made.server.rollover(SWITCH, NOW)
    return made


@pytest.mark.covers("C-31")
@pytest.mark.parametrize("plan", [CaPlan(), CaPlan(two_tier=True), CaPlan(ra="none")])
def test_the_next_ca_is_what_the_server_shows_after_the_switch(plan: CaPlan) -> None:
    """Verified before, its roles are those that GetCACert gives afterwards under a new pin."""
    site = Site(make_server(plan=plan))
    site.server.rollover(SWITCH, NOW)
    verdict = site.judge(site.fetch())
    assert isinstance(verdict, NextCaAccepted)
    site.now = SWITCH
    anchor_hash = hashes.Hash(hashes.SHA256())
    anchor_hash.update(verdict.ca.anchor_der)
    pin = CaPin(algorithm=PinAlgorithm.SHA256, digest=anchor_hash.finalize())
    later = site.trusted(replace(site.policy, pin=pin))
    for role in ("anchor_der", "issuer_der", "chain_der", "recipient_der", "signers_der", "basis"):
        assert getattr(later, role) == getattr(verdict.ca, role), role


@pytest.mark.covers("C-31")
def test_only_the_own_ca_can_name_a_successor(site: Site) -> None:
    """What another CA signs, damages or sends unsigned is refused with a reason."""
    answer = site.fetch()
    stranger = replace(
        site.ca,
        anchor_der=OTHER_PKI.anchor_der,
        chain_der=(OTHER_PKI.anchor_der,),
        signers_der=OTHER_PKI.bundle,
    )
    for verdict in (
        site.judge(answer, stranger),
        site.judge(answer[:-1] + bytes([answer[-1] ^ 1])),
        site.judge(b"<html>no such thing</html>"),
        site.judge(CORE_PKI.anchor_der),
        site.judge(b""),
    ):
        assert isinstance(verdict, NextCaRefused)
        assert verdict.reason


def test_without_a_next_ca_the_server_says_404() -> None:
    """An HTTP error that repeating does not change."""
    with pytest.raises(HttpStatusError) as caught:
        Site().fetch()
    assert (caught.value.status, caught.value.is_retryable) == (404, False)


def test_the_old_device_goes_on_after_the_switch(site: Site) -> None:
    """Under its old pin it finds the roles it had, although the new CA bears the same name."""
    site.now = SWITCH + timedelta(days=1)
    later = site.trusted(site.policy)
    assert (later.recipient_der, later.chain_der) == (site.ca.recipient_der, site.ca.chain_der)
    assert later.signers_der == site.ca.signers_der


def test_a_shadow_certificate_is_told_by_its_signature(site: Site) -> None:
    """Two CAs of one name: a certificate belongs to the one that signed it."""
    verdict = site.judge(site.fetch())
    assert isinstance(verdict, NextCaAccepted)
    next_server = replace(site.server, hierarchy=site.server.generations.numbered(1).hierarchy)
    for server, own, other in (
        (site.server, site.ca, verdict.ca),
        (next_server, verdict.ca, site.ca),
    ):
        certificate = issued(ScepDevice(server=server).enroll(fetch_password(site.server)))
        der = certificate.public_bytes(Encoding.DER)
        assert belongs_to(der, own, site.policy)
        assert not belongs_to(der, other, site.policy)
    assert not belongs_to(b"rubbish", site.ca, site.policy)


def _living(begins: datetime, days: float) -> TrustedCa:
    server = make_server(
        now=begins + timedelta(minutes=10), plan=CaPlan(ra="none", ca_lifetime_days=int(days))
    )
    return Site(server, begins + timedelta(days=1)).ca


def test_when_to_ask_and_when_to_switch() -> None:
    """Asked at four fifths, at most ninety days before the end; time is left for the switch."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    short, long = _living(begin, 100), _living(begin, 3650)
    assert fetch_at(short) == begin + timedelta(days=80)
    assert fetch_at(long) == begin + timedelta(days=3650) - LONGEST_WINDOW
    end = begin + timedelta(days=100)
    middle = _living(begin + timedelta(days=50), 300)
    assert switch_at(short, middle, before_s=3600) == end - timedelta(hours=1)
    late = _living(end - timedelta(minutes=10), 300)
    assert switch_at(short, late, before_s=3600) == end - timedelta(minutes=10)


@pytest.mark.parametrize(("days", "is_taken"), [(9, True), (11, False)])
def test_a_server_that_shows_the_current_ca_alone_is_left_as_early_as_the_policy_says(
    days: int, *, is_taken: bool
) -> None:
    """Ten days before the end the next CA is taken over without the server's word; not before."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    current, following = _living(begin, 100), _living(begin + timedelta(days=50), 300)
    early = RolloverPolicy(switch_before_s=timedelta(days=10).total_seconds())
    verdict = judge_succession(
        current.chain_der,
        NO_CAPABILITIES,
        policy=EnrollmentPolicy(name="tp", rollover=early),
        current=current,
        following=following,
        now=begin + timedelta(days=100 - days),
        is_clock_set=True,
    )
    assert isinstance(verdict, CaSucceeded) is is_taken
    assert (verdict is None) is not is_taken
