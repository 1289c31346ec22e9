"""PINs for consumers that log in to the token: only a reference reaches them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sceplab_agent.config import AgentConfig
from sceplab_agent.errors import ConfigError
from sceplab_agent.handoff.consumer_pin import missing_pins, secret_for_consumers
from sceplab_agent.trustpoint import TrustpointConfig

TOKEN = "pkcs11:token=lab?module-path=/usr/lib/softhsm/libsofthsm2.so"
STRONGSWAN: dict[str, object] = {
    "kind": "strongswan",
    "connection": "site",
    "definition": {
        "remote_addrs": "192.0.2.2",
        "local": {"id": "router1.example.test"},
        "remote": {"id": "gateway.example.test"},
        "children": {"net": {"remote_ts": "10.61.2.1/32"}},
    },
}
WPA: dict[str, object] = {
    "kind": "wpa_supplicant",
    "control": "/run/wpa_supplicant/eth0",
    "directory": "certificates",
}
FILES: dict[str, object] = {"kind": "files", "directory": "certificates"}


def read(handoff: dict[str, object], **key: str) -> TrustpointConfig:
    """A trustpoint with one hand-off and these settings of its key store."""
    lab = {
        "url": "http://ca.example.org/scep",
        "subject": "CN=router1",
        "key": key,
        "handoff": [handoff],
    }
    values = {"agent": {"state_dir": "state"}, "trustpoint": {"lab": lab}}
    (config,) = AgentConfig.from_mapping(values, file="agent.toml", base=Path("/etc")).trustpoints
    return config


@pytest.mark.parametrize("handoff", [STRONGSWAN, WPA], ids=["strongswan", "wpa_supplicant"])
@pytest.mark.parametrize(
    "key",
    [
        {"store": TOKEN, "secret": "prompt:"},
        {"store": "soft:keys", "fallback": TOKEN, "fallback_secret": "prompt:"},
    ],
    ids=["store", "fallback"],
)
def test_typed_pin_is_refused_before_anything_begins(
    handoff: dict[str, object], key: dict[str, str]
) -> None:
    """Every command reads the file first: `check` and `run` alike name the next step."""
    with pytest.raises(ConfigError, match=r"trustpoint\.lab\.handoff") as caught:
        read(handoff, **key)
    assert f"hand-off {handoff['kind']} logs in to the token by itself" in str(caught.value)
    assert "file:PATH or env:NAME" in str(caught.value)


def test_typed_secret_is_taken_where_no_consumer_needs_it() -> None:
    """Files need no PIN, and a software store is opened by the agent alone."""
    assert secret_for_consumers(read(FILES, store=TOKEN, secret="prompt:")) is None
    assert not missing_pins(read(STRONGSWAN, store="soft:keys", secret="prompt:"))


def test_missing_pin_is_mentioned() -> None:
    """A token may have none; then there is nothing to configure."""
    (told,) = missing_pins(read(STRONGSWAN, store=TOKEN))
    assert "no PIN is configured for it" in told
    assert not missing_pins(read(STRONGSWAN, store=TOKEN, secret="env:LAB_PIN"))


def test_pin_source_of_the_uri_reaches_consumers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store prefers it to the configured secret; so do consumers."""
    monkeypatch.setenv("LAB_PIN", "of the configuration")
    monkeypatch.setenv("URI_PIN", "of the URI")
    for key, expected in [
        ({"store": TOKEN, "secret": "env:LAB_PIN"}, "of the configuration"),
        ({"store": f"{TOKEN}&pin-source=env:URI_PIN"}, "of the URI"),
        ({"store": f"{TOKEN}&pin-source=env:URI_PIN", "secret": "env:LAB_PIN"}, "of the URI"),
        ({"store": f"{TOKEN}&pin-source=env:URI_PIN", "secret": "prompt:"}, "of the URI"),
    ]:
        secret = secret_for_consumers(read(STRONGSWAN, **key))
        assert secret is not None
        assert secret().reveal() == expected
