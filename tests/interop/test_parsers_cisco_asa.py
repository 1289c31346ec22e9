"""A public parser reads the outputs of an ASA that it has templates for. Certificates: none has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.asa import FirewallBench
from tests.support.client_envs import client_python, run_client

pytestmark = pytest.mark.interop

COMMANDS = (
    "show version", "show interface ip brief", "show logging", "show running-config crypto map",
    "show running-config crypto ikev1", "show running-config tunnel-group",
    "show running-config object network",
)  # fmt: skip


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the parser makes of a configured firewall, by command."""
    client_python("parsers")
    bench = FirewallBench()
    bench.run(
        "interface g0/0", "nameif outside", "ip address 192.0.2.1 255.255.255.0", "no shutdown",
        "object network INNER", "subnet 10.0.0.0 255.0.0.0",
        "crypto ikev1 policy 5", "authentication rsa-sig", "encryption aes-256", "hash sha",
        "group 5", "lifetime 86400",
        "crypto map M 10 match address ACL", "crypto map M 10 set peer 192.0.2.9",
        "crypto map M 10 set ikev1 transform-set TS", "crypto map M interface outside",
        "tunnel-group T type ipsec-l2l", "tunnel-group T ipsec-attributes",
        "ikev2 local-authentication certificate TP", "ikev1 pre-shared-key s3cret", "chain", "end",
    )  # fmt: skip
    path = tmp_path_factory.mktemp("asa") / "outputs.json"
    path.write_text(json.dumps({command: bench.run(command) for command in COMMANDS}))
    return run_client("parsers", "parsers_cisco_asa.py", str(path))


def test_version(read: Any) -> None:
    """Release, name and serial number."""
    (row,) = read["show version"]
    assert (row["version"], row["hostname"]) == ("9.12(2)", "asa")
    assert row["serial"] == ["9AWEUPHS8MF"]
    assert row["last_mod"].startswith("enable_15 at ")


def test_interfaces(read: Any) -> None:
    """Addresses and states."""
    first, *others = read["show interface ip brief"]
    assert (first["interface"], first["ip_address"]) == ("GigabitEthernet0/0", "192.0.2.1")
    assert (first["status"], first["proto"]) == ("up", "up")
    assert [row["status"] for row in others] == ["administratively down"] * 2


def test_log(read: Any) -> None:
    """Severity and number of a message."""
    row = read["show logging"][-1]
    assert (row["facility"], row["severity"], row["mnemonic"]) == ("ASA", "5", "111005")


def test_ikev1_policy_and_crypto_map(read: Any) -> None:
    """As configured."""
    (policy,) = read["show running-config crypto ikev1"]
    assert (policy["policy_id"], policy["auth_method"]) == ("5", "rsa-sig")
    assert (policy["dh_group"], policy["lifetime"]) == ("group 5", "86400")
    (row,) = read["show running-config crypto map"]
    assert (row["map"], row["seq"], row["peer"]) == ("M", "10", "192.0.2.9")
    assert (row["ike"], row["transform"]) == ("ikev1", "TS")


def test_tunnel_group(read: Any) -> None:
    """It names the trustpoint; the key is stars."""
    (row,) = read["show running-config tunnel-group"]
    assert (row["name"], row["type"]) == ("T", "ipsec-l2l")
    assert row["ikev2_local_auth_cert"] == "TP"
    assert row["ikev1_psk"] == "*****"
    assert row["chain"] == "chain"


def test_objects(read: Any) -> None:
    """A network object."""
    (row,) = read["show running-config object network"]
    assert (row["name"], row["network"]) == ("INNER", "10.0.0.0")
