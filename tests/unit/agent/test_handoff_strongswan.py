"""The hand-off to charon without a daemon: its table, its certificate checks, its refusals."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_agent.config_table import ConfigTable
from sceplab_agent.errors import ConfigProblem, HandOffError
from sceplab_agent.handoff.api import Delivery
from sceplab_agent.handoff.ike_connection import DefinitionError, IkeConnection
from sceplab_agent.handoff.registry import open_handoff
from tests.support.ipsec_site import ROUTER, enroll, now
from tests.support.server import make_server, shared_key

CHILDREN = {"net": {"remote_ts": "10.1.0.0/16, 10.2.0.0/16"}}


@pytest.fixture(scope="module")
def certificate() -> x509.Certificate:
    """Of `ROUTER`, for signatures and encryption."""
    return enroll(make_server(now=now()), "router 1", shared_key("device"))


def made(tmp_path: Path, **table: Any) -> tuple[Any, list[ConfigProblem]]:
    """The hand-off of a table, and what is wrong with the table."""
    problems: list[ConfigProblem] = []
    whole = {"connection": "gw", "definition": {"local": {"id": ROUTER}, "children": CHILDREN}}
    whole["socket"] = "vici"
    handoff = open_handoff("strongswan", ConfigTable({**whole, **table}, "", problems), tmp_path)
    return handoff, problems


def delivery(certificate: x509.Certificate, **changes: Any) -> Delivery:
    """The certificate on its way, with a key that leaves its store."""
    values: dict[str, Any] = {"key_uri": "soft:keys#vpn", "key_pem": lambda: b"", **changes}
    der = certificate.public_bytes(Encoding.DER)
    return Delivery(trustpoint="vpn", generation=1, certificate_der=der, chain_der=(), **values)


def test_definition_becomes_what_the_daemon_takes(certificate: x509.Certificate) -> None:
    """Numbers and flags are texts, lists are lists, and the certificate is in the local round."""
    definition = {
        "version": 2,
        "mobike": False,
        "remote_addrs": ["192.0.2.1"],
        "local": {"id": ROUTER},
        "remote": {"auth": "psk"},
        "children": CHILDREN,
    }
    section = IkeConnection("gw", definition).with_certificate(b"der")
    assert section == {
        "gw": {
            "version": "2",
            "mobike": "no",
            "remote_addrs": ["192.0.2.1"],
            "local": {"auth": "pubkey", "id": ROUTER, "certs": [b"der"]},
            "remote": {"auth": "psk"},
            "children": {"net": {"remote_ts": ["10.1.0.0/16", "10.2.0.0/16"]}},
        }
    }


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ({}, "has no local round"),
        ({"local": {"auth": "psk"}, "children": CHILDREN}, "has no local round"),
        ({"local": {"certs": ["a.pem"]}, "children": CHILDREN}, "names certs in local"),
        ({"local": {}, "children": {}}, "has no CHILD_SA"),
        ({"local": {}, "children": "net"}, "has no CHILD_SA"),
    ],
)
def test_definitions_of_no_use(definition: dict[str, object], reason: str) -> None:
    """What cannot work is said when the configuration is read."""
    with pytest.raises(DefinitionError, match=reason):
        IkeConnection("gw", definition)


@pytest.mark.parametrize(
    ("identity", "fits"),
    [
        (ROUTER, True),
        (f"@{ROUTER.upper()}", True),
        (f"fqdn:{ROUTER}", True),
        ("CN=router 1", True),
        ("%any", True),
        ("", True),
        ("other.example.test", False),
        ("CN=router 2", False),
        ("192.0.2.1", False),
    ],
)
def test_identity_is_held_against_the_names(
    certificate: x509.Certificate, identity: str, fits: bool
) -> None:
    """The connection's own identity is the subject or an alternative name."""
    local = {"id": identity} if identity else {}
    connection = IkeConnection("gw", {"local": local, "children": CHILDREN})
    assert (connection.misfit(certificate) == "") is fits


def test_mistakes_of_the_table(tmp_path: Path) -> None:
    """Each is found with its key."""
    _, problems = made(tmp_path, child="other", slot=-3, definition={}, sockett="/run/x")
    assert {problem.path for problem in problems} == {"definition", "sockett", "slot", "child"}
    assert not made(tmp_path)[1]


def test_no_daemon_may_pass(tmp_path: Path, certificate: x509.Certificate) -> None:
    """A daemon that is not up is named by its socket, and how it is started."""
    handoff, _ = made(tmp_path)
    with pytest.raises(HandOffError, match=r"vici.*systemctl start strongswan") as caught:
        handoff.prepare(delivery(certificate))
    assert caught.value.may_pass


def test_misfit_is_named_before_anything_is_asked(
    tmp_path: Path, certificate: x509.Certificate
) -> None:
    """A certificate for another name is refused for good, daemon or no daemon."""
    definition = {"local": {"id": "other.example.test"}, "children": CHILDREN}
    handoff, _ = made(tmp_path, definition=definition)
    with pytest.raises(HandOffError, match=r"local\.id") as caught:
        handoff.prepare(delivery(certificate))
    assert not caught.value.may_pass


def test_missing_package_names_the_command(
    tmp_path: Path, certificate: x509.Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra the agent works, and says how this hand-off is installed."""
    imported = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name == "vici":
            raise ImportError(name)
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    handoff, _ = made(tmp_path)
    with pytest.raises(HandOffError, match=r"pip install 'sceplab\[ipsec\]'") as caught:
        handoff.probe()
    assert not caught.value.may_pass
