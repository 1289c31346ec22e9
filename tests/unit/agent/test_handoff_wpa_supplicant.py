"""The hand-off to wpa_supplicant against a control socket that answers as told."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from sceplab_agent.config_table import ConfigTable
from sceplab_agent.errors import ConfigProblem, HandOffError
from sceplab_agent.handoff.api import Delivery
from sceplab_agent.handoff.registry import open_handoff
from sceplab_agent.handoff.wpa_authentication import authenticate
from sceplab_agent.handoff.wpa_control import ControlError, WpaControl, quote, unquote
from sceplab_agent.handoff.wpa_supplicant import WpaSettings, WpaSupplicantHandOff
from sceplab_hsm.secret import Secret
from tests.support.pki import NOW, der, lab_pki, rsa_key
from tests.support.wpa_daemon import WpaDaemon, listening

PIN = "pin of the token"
TOKEN_KEY = "pkcs11:token=lab;object=campus?module-name=softhsm2"
SUCCESS = [b"<3>CTRL-EVENT-EAP-STARTED x", b"<3>CTRL-EVENT-EAP-SUCCESS x"]
FAILURE = [b"<3>CTRL-EVENT-EAP-STARTED x", b"<3>CTRL-EVENT-EAP-FAILURE x"]
OLD = {"client_cert": '"/old/c.pem"', "private_key": '"/old/k.pem"', "identity": '"old"'}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name."""
    with tempfile.TemporaryDirectory(prefix="wpa-") as name:
        yield Path(name)


def make_delivery(generation: int = 1, *, key_uri: str = "soft:keys#campus") -> Delivery:
    """A certificate for EAP-TLS."""
    key = rsa_key("device")
    certificate = lab_pki().issue(
        "CN=router1.example.com", key, purposes=[ExtendedKeyUsageOID.CLIENT_AUTH]
    )
    in_token = key_uri.startswith("pkcs11:")
    return Delivery(
        trustpoint="campus", generation=generation, certificate_der=der(certificate),
        chain_der=(der(lab_pki().ca),), key_uri=key_uri,
        key_secret=(lambda: Secret(PIN)) if in_token else None,
        key_pem=(lambda: key.pem) if key_uri.startswith("soft:") else None,
    )  # fmt: skip


def make_handoff(control: Path, folder: Path) -> WpaSupplicantHandOff:
    """The hand-off under test; it waits a second at most."""
    wanted = WpaSettings(control=control, directory=folder / "certs", timeout_s=1)
    return WpaSupplicantHandOff(
        "port", wanted, clock=lambda: NOW + timedelta(hours=1), monotonic=time.monotonic
    )


def test_hand_over_and_commit(folder: Path) -> None:
    """The network names the new generation, then the link, and keeps its identity."""
    daemon = WpaDaemon(**OLD)
    daemon.events = SUCCESS
    with listening(folder, daemon.answer) as control:
        handoff, delivery = make_handoff(control, folder), make_delivery()
        assert "suppPortStatus Authorized" in handoff.probe()
        memo = handoff.prepare(delivery)
        assert daemon.values.items() >= OLD.items()
        handoff.install(delivery, memo)
        assert daemon.values["private_key"] == f'"{folder}/certs/generation-1/key.pem"'
        assert "EAP-TLS with certificate" in handoff.verify(delivery, memo)
        assert daemon.commands.count("REAUTHENTICATE") == 1
        handoff.commit(delivery, memo)
        assert "EAP-TLS with certificate" in make_handoff(control, folder).prove(delivery).text
        daemon.values["client_cert"] = '"/elsewhere"'
        with pytest.raises(HandOffError, match="another client_cert"):
            handoff.prove(delivery)
        handoff.commit(delivery, memo)
    assert daemon.values["client_cert"] == f'"{folder}/certs/current/fullchain.pem"'
    assert daemon.values["identity"] == '"old"'
    assert not list((folder / "certs").glob(".control*"))


def test_roll_back_puts_everything_back(folder: Path) -> None:
    """After a refusal the network is as before, twice over, also by an agent started anew."""
    daemon = WpaDaemon(**OLD)
    before = dict(daemon.values)
    daemon.events = FAILURE
    with listening(folder, daemon.answer) as control:
        handoff, delivery = make_handoff(control, folder), make_delivery(key_uri=TOKEN_KEY)
        memo = json.loads(json.dumps(dict(handoff.prepare(delivery))))
        handoff.install(delivery, memo)
        assert daemon.values["key_id"] == '"pkcs11:token=lab;object=campus;type=private"'
        with pytest.raises(HandOffError, match="refuses the certificate"):
            handoff.verify(delivery, memo)
        daemon.events = SUCCESS
        again = make_handoff(control, folder)
        again.roll_back(delivery, memo)
        assert daemon.values == before
        asked = daemon.commands.count("REAUTHENTICATE")
        again.roll_back(delivery, memo)
        assert daemon.commands.count("REAUTHENTICATE") == asked
    assert PIN not in json.dumps(memo)


def test_old_success_proves_nothing(folder: Path) -> None:
    """A success without an authentication that began after the question is not taken."""
    daemon = WpaDaemon(**OLD)
    daemon.events = SUCCESS[1:]
    with listening(folder, daemon.answer) as control:
        handoff, delivery = make_handoff(control, folder), make_delivery()
        memo = handoff.prepare(delivery)
        handoff.install(delivery, memo)
        with pytest.raises(HandOffError, match="no end of the authentication within 1 s"):
            handoff.verify(delivery, memo)


def test_success_with_a_closed_port_proves_nothing(folder: Path) -> None:
    """EAP success and a port that stays closed is a failure that says so."""
    daemon = WpaDaemon(**OLD)
    daemon.events = SUCCESS
    with listening(folder, daemon.answer) as control:
        handoff, delivery = make_handoff(control, folder), make_delivery()
        memo = handoff.prepare(delivery)
        handoff.install(delivery, memo)
        daemon.state["suppPortStatus"] = "Unauthorized"
        with pytest.raises(HandOffError, match="the port is closed"):
            handoff.verify(delivery, memo)


@pytest.mark.parametrize(
    ("values", "key_uri", "reason"),
    [
        ({"eap": "PEAP"}, "soft:keys#campus", "eap=PEAP"),
        ({}, "tpm:chip#campus", "PKCS#11 token or in a software store"),
        ({"private_key": '"pkcs11:object=x?pin-value=1234"'}, "soft:keys#campus", "write pin="),
        (
            {"engine": "1", "key_id": '"pkcs11:token=other;object=x"', "pin": '"1234"'},
            TOKEN_KEY,
            "PIN of another token",
        ),
    ],
)
def test_refused_before_anything_changes(
    folder: Path, values: dict[str, str], key_uri: str, reason: str
) -> None:
    """What could not work, or could not be put back, is refused and nothing is written."""
    daemon = WpaDaemon(**values)
    with listening(folder, daemon.answer) as control:
        handoff = make_handoff(control, folder)
        with pytest.raises(HandOffError, match=reason) as caught:
            handoff.prepare(make_delivery(key_uri=key_uri))
    assert "1234" not in str(caught.value)
    assert not [command for command in daemon.commands if command.startswith("SET")]
    assert not (folder / "certs").exists()


def test_wrong_purpose_is_refused(folder: Path) -> None:
    """A certificate for servers only is named before anything is replaced."""
    certificate = lab_pki().issue(
        "CN=x", rsa_key("device"), purposes=[ExtendedKeyUsageOID.SERVER_AUTH]
    )
    delivery = dataclasses.replace(make_delivery(), certificate_der=der(certificate))
    with (
        listening(folder, WpaDaemon().answer) as control,
        pytest.raises(HandOffError, match="does not serve eap-tls"),
    ):
        make_handoff(control, folder).prepare(delivery)


def test_no_daemon_may_pass(folder: Path) -> None:
    """Where nobody listens the hand-off says what to look for, and may be tried again."""
    with pytest.raises(HandOffError, match="is wpa_supplicant running") as caught:
        make_handoff(folder / "nobody", folder).prepare(make_delivery())
    assert caught.value.may_pass


def test_made_from_its_table(folder: Path) -> None:
    """The registry makes it; mistakes in the table are named."""
    problems: list[ConfigProblem] = []
    values: dict[str, object] = {"control": "/run/wpa/eth0", "directory": "certs", "network": 1}
    table = ConfigTable(values, "handoff", problems)
    assert isinstance(open_handoff("wpa_supplicant", table, folder), WpaSupplicantHandOff)
    assert problems == []
    open_handoff("wpa_supplicant", ConfigTable({"networks": 1}, "handoff", problems), folder)
    assert sorted(problem.path for problem in problems) == [
        "handoff.control", "handoff.directory", "handoff.networks",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["plain /path", 'with "quotes"', "käse", "line\nbreak", "back\\"])
def test_values_are_quoted(text: str) -> None:
    """Any text is one word of a command and comes back as it was."""
    assert "\n" not in quote(text)
    assert unquote(quote(text)) == text


@pytest.mark.fuzz
@settings(deadline=None, max_examples=30)
@given(st.lists(st.binary(max_size=80) | st.sampled_from([*SUCCESS, *FAILURE]), max_size=8))
def test_any_answers_are_survived(answers: list[bytes]) -> None:
    """Whatever the socket says, it ends in time, in success or in an error of ours."""
    ticks = iter(range(10**6))
    with (
        tempfile.TemporaryDirectory(prefix="wpa-") as name,
        listening(Path(name), lambda _: [b"OK", *answers]) as control,
        WpaControl(control, Path(name), monotonic=lambda: next(ticks) / 1000) as wpa,
        suppress(ControlError),
    ):
        authenticate(wpa, patience_s=0.02, monotonic=lambda: next(ticks) / 1000)
