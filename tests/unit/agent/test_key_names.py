"""Names of keys that would meet in one store, found out once the stores are open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from sceplab_agent.config import AgentConfig, load_config
from sceplab_agent.config_check import check_surroundings
from sceplab_agent.core.policy import EnrollmentPolicy
from sceplab_agent.key_names import KeyNames, find_conflicts, key_conflict, require_own_names
from sceplab_agent.key_stores import KeyStores
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.errors import KeyStoreError
from tests.support.secret_files import write_secret

TRUSTPOINT = """
[trustpoint.{name}]
url = "http://ca.example.test/scep"
subject = "CN=x"
fingerprint = "{pin}"
key = {{ store = "soft:{name}", secret = "file:pass", id = "{key_id}" }}
"""


def now() -> datetime:
    """A clock for stores that nobody looks at."""
    return datetime.now(UTC)


@pytest.fixture
def config(tmp_path: Path) -> AgentConfig:
    """Three trustpoints, told apart by their URIs; the second store became a link to the first."""
    write_secret(tmp_path / "pass", "some words of a passphrase")
    keys = {"first": "lab", "second": "lab.2", "third": "lab"}
    tables = [TRUSTPOINT.format(name=name, pin="ab" * 32, key_id=keys[name]) for name in keys]
    (tmp_path / "agent.toml").write_text('[agent]\nstate_dir = "state"\n' + "".join(tables))
    config = load_config(tmp_path / "agent.toml")
    (tmp_path / "second").symlink_to("first")
    return config


@pytest.fixture
def stores(config: AgentConfig) -> Iterator[KeyStores]:
    """The stores, all of them open."""
    with closing(KeyStores(now=now)) as stores:
        for trustpoint in config.trustpoints:
            stores.open(trustpoint, create=True)
        yield stores


def test_open_stores_tell_whether_they_are_one(config: AgentConfig, stores: KeyStores) -> None:
    """Two URIs of one directory are one store; what is not open is told nothing of."""
    first, second, third = (trustpoint.store_uri for trustpoint in config.trustpoints)
    assert stores.are_one(first, second)
    assert not stores.are_one(first, third)
    assert not stores.are_one("soft:/never/opened", "soft:/never/opened")


def test_keys_that_would_meet_are_refused(config: AgentConfig, stores: KeyStores) -> None:
    """Either trustpoint hears of the other, with both URIs; the third has a store of its own."""
    first, second, third = config.trustpoints
    with pytest.raises(KeyStoreError) as caught:
        require_own_names(second, KeyNames(config.trustpoints), stores.are_one)
    assert "trustpoint second: key.id 'lab.2' is what a renewal names a new key of" in str(
        caught.value
    )
    assert f"({second.store_uri} and {first.store_uri} are one store)" in str(caught.value)
    with pytest.raises(KeyStoreError, match="trustpoint first: "):
        require_own_names(first, KeyNames(config.trustpoints), stores.are_one)
    require_own_names(third, KeyNames(config.trustpoints), stores.are_one)


def test_the_check_of_a_configuration_finds_it(config: AgentConfig, stores: KeyStores) -> None:
    """The check opens the stores, and so sees what the URIs hide."""
    for trustpoint in config.trustpoints:
        stores.open(trustpoint, create=True).generate(
            f"made-{trustpoint.name}", trustpoint.key_algorithm
        )
    with pytest.raises(KeyStoreError, match="are one store"):
        check_surroundings(config, config.trustpoints, now=now)
    apart = replace(config, trustpoints=(config.trustpoints[0], config.trustpoints[2]))
    assert check_surroundings(apart, apart.trustpoints, now=now)


@given(
    names=st.lists(st.sampled_from(["a", "a.2", "a.2.3", "a.x", "b", "b.10", "2"]), max_size=8),
    data=st.data(),
)
def test_rivals_are_those_that_a_comparison_with_all_would_find(
    names: list[str], data: st.DataObject
) -> None:
    """The index leaves nobody out and keeps the order of the configuration."""
    trustpoints = [
        TrustpointConfig(
            name=f"t{number}",
            url="http://ca.example.test/scep",
            subject=x509.Name([]),
            store_uri=f"soft:/{data.draw(st.sampled_from(['one', 'other']))}",
            policy=EnrollmentPolicy(name=f"t{number}", key_id=name),
        )
        for number, name in enumerate(names)
    ]
    index = KeyNames(trustpoints)
    meeting = []
    for number, one in enumerate(trustpoints):
        others = [other for other in trustpoints if other is not one and key_conflict(one, other)]
        rivals = {rival.name for rival in index.rivals(one) if key_conflict(one, rival)}
        assert rivals == {other.name for other in others}
        before = [other for other in trustpoints[:number] if other.store_uri == one.store_uri]
        reasons = [reason for other in before if (reason := key_conflict(one, other))]
        meeting += [(one.name, reason) for reason in reasons[:1]]
    assert list(find_conflicts(trustpoints)) == meeting
