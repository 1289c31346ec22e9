"""One store under two names: no trustpoint deletes or takes over the key that another one needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sceplab_agent.core.commands import Record
from sceplab_agent.core.events import EnrollmentCancelled, EnrollRequested, RenewRequested
from sceplab_agent.core.policy import RenewalPolicy
from sceplab_agent.core.states import State
from sceplab_agent.errors import JournalError
from sceplab_agent.journal import MemoryJournal, StoredSnapshot
from sceplab_agent.key_claims import KeyClaimedError, KeyClaims
from sceplab_hsm.api import KeyAlgorithm, KeyStore
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import secrets_from
from tests.support.scripted_peer import T0, Agent
from tests.support.softhsm import make_token, open_token

NEW_KEY = RenewalPolicy(new_key=True)


def tenant(
    place: Path, journal: MemoryJournal, name: str, key_id: str, *, owns_key: bool = True
) -> Agent:
    """A trustpoint that keeps its keys in the one store of the place, without a look at others."""
    renewal = NEW_KEY if owns_key else RenewalPolicy(new_key=False)
    policy = {"name": name, "key_id": key_id, "owns_key": owns_key, "renewal": renewal}
    return Agent(place, policy=policy, config={"name": name}, journal=journal)


class Counting(MemoryJournal):
    """Counts the snapshots that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []

    def snapshot(self, trustpoint: str) -> StoredSnapshot | None:
        """See `Journal.snapshot`."""
        self.reads.append(trustpoint)
        return super().snapshot(trustpoint)


def stored(agent: Agent) -> list[str]:
    """Names of the keys in the store."""
    return [info.key_id for info in agent.store.list_keys()]


def reason(agent: Agent) -> str:
    """Why the enrollment ended."""
    failure = agent.session.machine.failure
    return "" if failure is None else failure.reason


def test_a_first_key_is_not_shared_unawares(tmp_path: Path) -> None:
    """The second trustpoint of one key name is refused, and the reason says what to do."""
    journal = MemoryJournal()
    first, second = (tenant(tmp_path, journal, name, "lab") for name in "ab")
    first.driver.feed(EnrollRequested())
    second.driver.feed(EnrollRequested())
    assert (first.state, second.state) == (State.INSTALLED, State.FAILED)
    assert "is the key in use of trustpoint 'a', and either would delete it" in reason(second)
    assert "key.id" in reason(second)
    first.driver.feed(RenewRequested())
    assert stored(first) == ["lab.2"]


def test_trustpoints_that_leave_a_key_alone_may_share_it(tmp_path: Path) -> None:
    """With delete_when_replaced and renewal.new_key off in both, one key serves two."""
    journal = MemoryJournal()
    for name in "ab":
        agent = tenant(tmp_path, journal, name, "lab", owns_key=False)
        agent.driver.feed(EnrollRequested())
        assert agent.state is State.INSTALLED
    assert stored(agent) == ["lab"]


def test_a_shared_key_outlives_the_renewal_of_one(tmp_path: Path) -> None:
    """A key that came to be shared is deleted only when the last trustpoint has done with it."""
    journal = MemoryJournal()
    sharing = [tenant(tmp_path, journal, name, "lab", owns_key=False) for name in "ab"]
    for agent in sharing:
        agent.driver.feed(EnrollRequested())
    for agent in sharing:
        _own_active_key(journal, agent)
    first, second = (tenant(tmp_path, journal, name, f"lab{name}") for name in "ab")
    first.driver.feed(RenewRequested())
    assert stored(first) == ["lab", "laba"]
    assert first.session.machine.retired_keys == ("lab",)
    kept = [notice for notice in first.diary.notices if notice.event_id == "key.kept"]
    assert kept
    assert "is the key in use of trustpoint 'b'" in str(kept[-1].details)
    second.driver.feed(RenewRequested())
    assert stored(second) == ["laba", "labb"]


def test_a_renewals_key_is_not_taken_and_cancel_deletes_nothing(tmp_path: Path) -> None:
    """The name of the next key leads to another's key in use: refused, and still there after."""
    journal = MemoryJournal()
    first = tenant(tmp_path, journal, "a", "lab")
    first.driver.feed(EnrollRequested())
    second = tenant(tmp_path, journal, "b", "other")
    second.driver.feed(EnrollRequested())
    first.driver.feed(RenewRequested())
    assert stored(first) == ["lab.2", "other"]
    second = tenant(tmp_path, journal, "b", "lab.2")
    second.driver.feed(RenewRequested())
    assert second.state is State.RETRY_WAIT  # the certificate lives on, so there is time
    assert "key 'lab.2' is the key in use of trustpoint 'a'" in reason(second)
    second.driver.feed(EnrollmentCancelled())
    assert stored(first) == ["lab.2", "other"]


def test_a_key_of_another_store_has_its_name_for_itself(tmp_path: Path) -> None:
    """Public keys count, not names: two stores hold a key each of one name."""
    journal = MemoryJournal()
    for name in "ab":
        (tmp_path / name).mkdir()
        agent = tenant(tmp_path / name, journal, name, "lab")
        agent.driver.feed(EnrollRequested())
        agent.driver.feed(RenewRequested())
        assert stored(agent) == ["lab.2"]


def test_a_key_that_cannot_be_read_goes_by_its_name(tmp_path: Path) -> None:
    """A damaged key file that another trustpoint's key has the name of is kept; others go."""
    journal = MemoryJournal()
    agent = tenant(tmp_path, journal, "a", "lab")
    agent.driver.feed(EnrollRequested())
    agent.store.generate("stale", KeyAlgorithm.EC_P256)
    for name in ("lab", "stale"):
        (tmp_path / "keys" / f"{name}.key").write_bytes(b"damaged")
    claims = KeyClaims(journal)
    with pytest.raises(KeyClaimedError, match="'lab' stays"):
        claims.delete(agent.store, "lab")
    claims.delete(agent.store, "stale")
    assert not (tmp_path / "keys" / "stale.key").exists()


def test_an_unreadable_journal_deletes_nothing(tmp_path: Path) -> None:
    """A snapshot whose public key is no base64 is an error, not a key without claims."""
    journal = MemoryJournal()
    agent = tenant(tmp_path, journal, "a", "lab")
    agent.driver.feed(EnrollRequested())
    body = {"active": {"key_id": "x", "public_key": "%%%"}}
    journal.commit("damaged", T0, Record(event_id="x", details={}, snapshot=body))
    with pytest.raises(JournalError, match="trustpoint damaged cannot be used"):
        KeyClaims(journal).delete(agent.store, "lab", trustpoint="a")
    agent.driver.feed(RenewRequested())
    assert stored(agent) == ["lab", "lab.2"]


def _own_active_key(journal: MemoryJournal, agent: Agent) -> None:
    """Makes the active key the trustpoint's own in the journal, as earlier versions would."""
    snapshot = journal.snapshot(agent.session.name)
    assert snapshot is not None
    active = snapshot.body["active"]
    assert isinstance(active, dict)
    record = Record(
        event_id="x",
        details={},
        snapshot={**snapshot.body, "active": {**active, "is_key_ours": True}},
    )
    journal.commit(agent.session.name, snapshot.at, record)


def token_stores() -> tuple[KeyStore, KeyStore]:
    """One SoftHSM token, opened by two spellings of its URI."""
    token = make_token()
    query = f"x-softhsm2-conf={token.configuration}&module-name=softhsm2"
    swapped = f"pkcs11:token={token.label}?{query}"
    assert swapped != token.uri
    secrets = secrets_from(token.secret_reference)
    return open_token(token), open_key_store(swapped, secrets)


def token_tenants(place: Path, first_key: str, second_key: str) -> tuple[Agent, Agent]:
    """Two trustpoints of one journal on that token."""
    journal, agents = MemoryJournal(), []
    for name, key_id, store in zip("ab", (first_key, second_key), token_stores(), strict=True):
        agent = tenant(place, journal, name, key_id)
        agent.store = store
        agent.restart()
        agents.append(agent)
    return agents[0], agents[1]


def test_a_token_by_two_uris_keeps_the_key_of_each(tmp_path: Path) -> None:
    """SoftHSM: a taken first key is refused, and the renewal of its owner takes nothing else."""
    first, second = token_tenants(tmp_path, "lab", "lab")
    first.driver.feed(EnrollRequested())
    second.driver.feed(EnrollRequested())
    assert "is the key in use of trustpoint 'a'" in reason(second)
    second.driver.feed(EnrollmentCancelled())
    assert stored(first) == ["lab"]
    first.driver.feed(RenewRequested())
    assert stored(second) == ["lab.2"]


def test_a_renewal_on_a_token_by_another_uri_does_not_take_a_key_in_use(tmp_path: Path) -> None:
    """SoftHSM: the next key's name is another's active key; neither taken nor cancelled away."""
    first, second = token_tenants(tmp_path, "lab.2", "lab")
    first.driver.feed(EnrollRequested())
    second.driver.feed(EnrollRequested())
    second.driver.feed(RenewRequested())
    assert second.state is State.RETRY_WAIT
    second.driver.feed(EnrollmentCancelled())
    assert stored(first) == ["lab", "lab.2"]


def test_a_question_reads_only_what_is_new(tmp_path: Path) -> None:
    """A thousand renewals do not read a thousand snapshots each, and still see every change."""
    journal = Counting()
    first, second = (tenant(tmp_path, journal, name, name) for name in "ab")
    claims = KeyClaims(journal)
    for agent in (first, second):
        agent.driver.feed(EnrollRequested())

    def claimant(agent: Agent) -> str | None:
        active = agent.session.machine.active
        assert active is not None
        claim = claims.find(active.public_key_der)
        return claim and claim.key_id

    assert (claimant(first), claimant(second)) == ("a", "b")
    journal.reads.clear()
    assert (claimant(first), claimant(second)) == ("a", "b")
    assert journal.reads == []
    second.driver.feed(RenewRequested())
    journal.reads.clear()
    assert (claimant(first), claimant(second)) == ("a", "b.2")
    assert journal.reads == ["b"]
