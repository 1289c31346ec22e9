"""``[[trustpoint.NAME.handoff]]``: consumers named by kind, mistakes named by path."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from sceplab_agent.config import AgentConfig
from sceplab_agent.config_view import describe_config, format_toml
from sceplab_agent.errors import ConfigError
from sceplab_agent.handoff import registry
from sceplab_agent.trustpoint import TrustpointConfig

CONFIG = """
[agent]
state_dir = "state"
[keystore]
uri = "soft:keys"
[trustpoint.vpn]
url = "http://ca.example.org/scep"
subject = "CN=router1"
key.exportable = true
"""


@pytest.fixture(autouse=True)
def memory_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind ``memory`` is built in."""
    kinds: dict[str, Any] = {"memory": "tests.support.consumers:open_memory_handoff"}
    monkeypatch.setattr(registry, "_BUILT_IN", kinds)


def read(handoffs: str) -> TrustpointConfig:
    """The trustpoint with these hand-offs."""
    values = tomllib.loads(CONFIG + handoffs)
    (config,) = AgentConfig.from_mapping(values, file="agent.toml", base=Path("/etc")).trustpoints
    return config


def test_consumers_make_the_policy_hand_over() -> None:
    """Each is made by its kind's factory; without one everything is as ever."""
    assert not read("").policy.hands_over
    config = read(
        '[[trustpoint.vpn.handoff]]\nkind = "memory"\n'
        '[[trustpoint.vpn.handoff]]\nkind = "memory"\nname = "port-1"\n'
    )
    assert [handoff.name for handoff in config.handoffs] == ["memory", "port-1"]
    assert config.policy.hands_over
    assert config.key_exportable


def test_the_view_shows_them_as_the_file_has_them() -> None:
    """Whoever uses the text as a configuration loses no consumer."""
    tables = [{"kind": "memory"}, {"kind": "memory", "name": "port-1", "may_pass": False}]
    lines = '[[trustpoint.vpn.handoff]]\nkind = "memory"\n'
    config = AgentConfig.from_mapping(
        tomllib.loads(f'{CONFIG}{lines}{lines}name = "port-1"\nmay_pass = false\n'),
        file="agent.toml",
        base=Path("/etc"),
    )
    view = tomllib.loads(format_toml(describe_config(config)))
    assert view["trustpoint"]["vpn"]["handoff"] == tables
    again = AgentConfig.from_mapping(view, file="again.toml", base=Path("/etc"))
    assert describe_config(again) == describe_config(config)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", "trustpoint.vpn.handoff[1].kind: is missing"),
        ('kind = "memori"', "did you mean 'memory'?"),
        ('kind = "memory"\nfails = "x"', "trustpoint.vpn.handoff[1].fails: is not known here"),
        ('kind = "memory"\nname = "../up"', "trustpoint.vpn.handoff[1].name: has 1 to 64"),
        (
            'kind = "memory"\n[[trustpoint.vpn.handoff]]\nkind = "memory"',
            "trustpoint.vpn.handoff[2].name: is that of another hand-off",
        ),
    ],
)
def test_a_mistake_is_named_by_its_path(table: str, expected: str) -> None:
    """One run shows it, before anything is begun."""
    with pytest.raises(ConfigError, match="handoff") as caught:
        read(f"[[trustpoint.vpn.handoff]]\n{table}\n")
    assert expected in str(caught.value)
