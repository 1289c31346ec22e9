"""802.1X with real daemons: enrolled certificates open a port, and renewals keep it open."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sceplab_agent.errors import HandOffError
from sceplab_agent.handoff.wpa_control import WpaControl
from sceplab_hsm.api import KeyAlgorithm
from tests.support import softhsm
from tests.support.dot1x import hand_over, make_handoff
from tests.support.eap_site import Campus, write_credentials
from tests.support.hostapd import (
    DEVICE,
    PORT,
    require_engine,
    switch_port,
    wait_for_port,
    wpa_supplicant,
)
from tests.support.netns import Namespace, open_namespace
from tests.support.pki import rsa_key
from tests.support.source_tree import source_environment
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.interop, pytest.mark.daemon]

NAME = "router1.example.test"


@pytest.fixture(scope="module")
def campus() -> Campus:
    """The CA that both ends trust."""
    return Campus()


@pytest.fixture(scope="module")
def cable() -> Iterator[Namespace]:
    """A namespace with a cable."""
    with open_namespace() as namespace:
        namespace.make_cable(PORT, DEVICE)
        yield namespace


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of a short name that is nobody else's: control sockets have short paths."""
    with tempfile.TemporaryDirectory(prefix="dot1x-") as name:
        yield Path(name)


def value(control: Path, folder: Path, field: str) -> str:
    """A value of the network."""
    with WpaControl(control, folder, monotonic=time.monotonic) as wpa:
        return wpa.ask(f"GET_NETWORK 0 {field}")


@pytest.mark.covers("K2", "M9")
def test_renewal_keeps_the_port_open(campus: Campus, cable: Namespace, folder: Path) -> None:
    """The enrolled certificate opens the port; its renewal authenticates and never closes it."""
    key = rsa_key("device")
    first = campus.enroll(NAME, key)
    (folder / "ca.pem").write_bytes(campus.trusted_pem)
    network = f'identity="{NAME}"\nca_cert="{folder}/ca.pem"'
    with (
        switch_port(cable, folder / "port", campus.credentials("port.example.test")) as port,
        wpa_supplicant(cable, folder / "device", network) as control,
    ):
        handoff = make_handoff(control, folder)
        proof = hand_over(handoff, campus.delivery(1, first, key))
        assert f"{first.serial_number:X}" in proof
        assert port.serials() == [first.serial_number]
        port.wait_for_openings(1)
        closings = port.closings()
        second = campus.renew(NAME, key, first)
        hand_over(handoff, campus.delivery(2, second, key))
        assert port.serials() == [first.serial_number, second.serial_number]
        port.wait_for_openings(2)
        assert port.closings() == closings
        handoff.prove(campus.delivery(2, second, key))
        port.wait_for_openings(3)
        assert port.closings() == closings
        kept = sorted(path.name for path in (folder / "handoff").iterdir())
        assert kept == ["current", "generation-2"]
        assert value(control, folder, "client_cert").endswith('current/fullchain.pem"')


@pytest.mark.covers("K2", "M9")
def test_refused_certificate_is_rolled_back(campus: Campus, cable: Namespace, folder: Path) -> None:
    """A certificate of another CA is refused by the port; afterwards the old one opens it again."""
    key, other = rsa_key("device"), Campus(folder / "other")
    good, bad = campus.enroll(NAME, key), other.enroll(NAME, key)
    files = write_credentials(campus.credentials(NAME), folder / "first")
    network = (
        f'identity="{NAME}"\nca_cert="{files}/trusted.pem"\n'
        f'client_cert="{files}/certificate.pem"\nprivate_key="{files}/key.pem"'
    )
    with (
        switch_port(cable, folder / "port", campus.credentials("port.example.test")) as port,
        wpa_supplicant(cable, folder / "device", network) as control,
    ):
        wait_for_port(control, folder)
        handoff = make_handoff(control, folder)
        delivery = other.delivery(1, bad, key)
        memo = handoff.prepare(delivery)
        handoff.install(delivery, memo)
        with pytest.raises(HandOffError, match="refuses the certificate"):
            handoff.verify(delivery, memo)
        handoff = make_handoff(control, folder)  # as after a restart
        handoff.roll_back(delivery, memo)
        wait_for_port(control, folder)
        assert value(control, folder, "client_cert") == f'"{files}/certificate.pem"'
        assert not (folder / "handoff" / "current").exists()
        port.wait_for_openings(2)
        handoff.roll_back(delivery, memo)
        assert port.openings() == 2
        hand_over(handoff, campus.delivery(2, good, key))
        assert port.serials()[-1] == good.serial_number


@pytest.mark.covers("K3", "K8")
def test_root_of_the_network_is_apart(campus: Campus, cable: Namespace, folder: Path) -> None:
    """The network's roots, several, are its own: hand-offs keep them and add none of the CA's.

    Spec: K3, K8. EAP-TLS on a cable; with an access point it is the same conversation.
    """
    key, network = rsa_key("device"), Campus(folder / "network")
    (folder / "roots.pem").write_bytes(Campus(folder / "former").trusted_pem + network.trusted_pem)
    server = replace(network.credentials("port.example.test"), trusted_pem=campus.trusted_pem)
    lines = f'ca_cert="{folder}/roots.pem"'
    with (
        switch_port(cable, folder / "port", server) as port,
        wpa_supplicant(cable, folder / "device", lines) as control,
    ):
        handoff = make_handoff(control, folder)
        first = campus.enroll(NAME, key)
        hand_over(handoff, campus.delivery(1, first, key))
        second = campus.renew(NAME, key, first)
        hand_over(handoff, campus.delivery(2, second, key))
        assert port.serials() == [first.serial_number, second.serial_number]
        assert value(control, folder, "ca_cert") == f'"{folder}/roots.pem"'
    stranger = campus.credentials("port.example.test")
    with (
        switch_port(cable, folder / "other", stranger) as port,
        wpa_supplicant(cable, folder / "again", lines) as control,
    ):
        handoff = make_handoff(control, folder)
        third = campus.delivery(3, campus.renew(NAME, key, second), key)
        memo = handoff.prepare(third)
        handoff.install(third, memo)
        with pytest.raises(HandOffError, match=r"look at ca_cert of the network: .*unknown CA"):
            handoff.verify(third, memo)
        handoff.roll_back(third, memo)
        assert port.openings() == 0


@pytest.mark.covers("K2")
def test_missing_file_is_named_and_rolled_back(
    campus: Campus, cable: Namespace, folder: Path
) -> None:
    """A key file that vanishes is found before the daemon tries, and the port stays open."""
    key = rsa_key("device")
    first = campus.enroll(NAME, key)
    (folder / "ca.pem").write_bytes(campus.trusted_pem)
    network = f'identity="{NAME}"\nca_cert="{folder}/ca.pem"'
    with (
        switch_port(cable, folder / "port", campus.credentials("port.example.test")) as port,
        wpa_supplicant(cable, folder / "device", network) as control,
    ):
        handoff = make_handoff(control, folder)
        hand_over(handoff, campus.delivery(1, first, key))
        closings = port.closings()
        second = campus.delivery(2, campus.renew(NAME, key, first), key)
        memo = handoff.prepare(second)
        handoff.install(second, memo)
        (folder / "handoff" / "generation-2" / "key.pem").unlink()
        with pytest.raises(HandOffError, match=r"key\.pem"):
            handoff.verify(second, memo)
        handoff.roll_back(second, memo)
        wait_for_port(control, folder)
        assert {*port.serials()} == {first.serial_number}
        assert port.closings() == closings


@pytest.mark.covers("K2")
def test_silence_ends_in_time(campus: Campus, cable: Namespace, folder: Path) -> None:
    """Without a switch the verification ends in time and says how the port stands."""
    key = rsa_key("device")
    delivery = campus.delivery(1, campus.enroll(NAME, key), key)
    with wpa_supplicant(cable, folder / "device", f'identity="{NAME}"') as control:
        handoff = make_handoff(control, folder, timeout_s=1)
        memo = handoff.prepare(delivery)
        handoff.install(delivery, memo)
        with pytest.raises(HandOffError, match=r"within 1 s: .*Unauthorized"):
            handoff.verify(delivery, memo)
        handoff.roll_back(delivery, memo)
        assert value(control, folder, "client_cert") == "FAIL"
        assert value(control, folder, "private_key") == "FAIL"


@pytest.mark.covers("K2")
def test_saved_configuration_names_the_link(campus: Campus, cable: Namespace, folder: Path) -> None:
    """After a hand-off with ``save`` a daemon that starts again opens the port by itself."""
    key = rsa_key("device")
    first = campus.enroll(NAME, key)
    (folder / "ca.pem").write_bytes(campus.trusted_pem)
    network = f'ca_cert="{folder}/ca.pem"'
    with switch_port(cable, folder / "port", campus.credentials("port.example.test")) as port:
        with wpa_supplicant(
            cable, folder / "device", network, settings="update_config=1"
        ) as control:
            hand_over(make_handoff(control, folder, save=True), campus.delivery(1, first, key))
            saved = control.parents[1] / "wpa_supplicant.conf"
            lines = saved.read_text()
        assert f'private_key="{folder}/handoff/current/key.pem"' in lines
        assert f'identity="{NAME}"' in lines
        body = lines.partition("network={")[2].partition("}")[0]
        with wpa_supplicant(cable, folder / "again", body) as control:
            wait_for_port(control, folder)
        assert port.serials() == [first.serial_number] * 2


@pytest.mark.covers("K2", "M9")
def test_key_stays_in_the_token(campus: Campus, cable: Namespace, folder: Path) -> None:
    """The daemon signs with a key in SoftHSM, renewals included; a wrong PIN is named."""
    engine, token = require_engine(), softhsm.make_token()
    (folder / "ca.pem").write_bytes(campus.trusted_pem)
    settings = f"pkcs11_engine_path={engine}\npkcs11_module_path={softhsm.MODULE}"
    with (
        closing(softhsm.open_token(token)) as store,
        switch_port(cable, folder / "port", campus.credentials("port.example.test")) as port,
        wpa_supplicant(
            cable, folder / "device", f'ca_cert="{folder}/ca.pem"', settings=settings,
            environment={**os.environ, "SOFTHSM2_CONF": str(token.configuration)},
        ) as control,
    ):  # fmt: skip
        key = store.generate("campus", KeyAlgorithm.RSA_2048)
        pin = softhsm.pin_of(token)
        first = campus.enroll(NAME, key)
        handoff = make_handoff(control, folder)
        mistaken = campus.delivery(1, first, key, pin="0000")
        memo = handoff.prepare(mistaken)
        handoff.install(mistaken, memo)
        with pytest.raises(HandOffError, match="the token or its PIN"):
            handoff.verify(mistaken, memo)
        handoff.roll_back(mistaken, memo)
        assert value(control, folder, "pin") == value(control, folder, "key_id") == "FAIL"
        hand_over(handoff, campus.delivery(2, first, key, pin=pin))
        port.wait_for_openings(1)
        closings = port.closings()
        second = campus.renew(NAME, key, first)
        hand_over(handoff, campus.delivery(3, second, key, pin=pin))
        assert port.serials() == [first.serial_number, second.serial_number]
        port.wait_for_openings(2)
        assert port.closings() == closings
        assert not list((folder / "handoff").rglob("key.pem"))


def end(namespace: Namespace, role: str, interface: str, files: Path) -> subprocess.Popen[str]:
    """One of our ends in the namespace, ready."""
    process = subprocess.Popen(
        namespace.command(
            sys.executable, "-m", "tests.support.eap_end", role, interface, files
        ),
        stdout=subprocess.PIPE, text=True, env=source_environment(),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.covers("K2")
def test_python_supplicant_and_hostapd(campus: Campus, cable: Namespace, folder: Path) -> None:
    """Our supplicant opens the port of hostapd; with a certificate of another CA it does not."""
    good = campus.credentials(NAME)
    stranger = Campus(folder / "other").credentials(NAME)
    with switch_port(cable, folder / "port", campus.credentials("port.example.test")) as port:
        process = end(cable, "supplicant", DEVICE, write_credentials(good, folder / "good"))
        assert process.communicate(timeout=60)[0] == "accepted EAP-TLS succeeded\n"
        port.wait_for_openings(1)
        files = write_credentials(stranger, folder / "bad")
        (files / "trusted.pem").write_bytes(campus.trusted_pem)
        said = end(cable, "supplicant", DEVICE, files).communicate(timeout=60)[0]
        assert said == "refused the authenticator refuses the certificate\n"
        assert port.openings() == 1


@pytest.mark.covers("K2")
def test_python_authenticator_and_wpa_supplicant(
    campus: Campus, cable: Namespace, folder: Path
) -> None:
    """Our authenticator lets wpa_supplicant in, which opens its port."""
    files = write_credentials(campus.credentials(NAME), folder / "files")
    network = (
        f'identity="{NAME}"\nca_cert="{files}/trusted.pem"\n'
        f'client_cert="{files}/certificate.pem"\nprivate_key="{files}/key.pem"'
    )
    server = write_credentials(campus.credentials("port.example.test"), folder / "server")
    process = end(cable, "authenticator", PORT, server)
    with wpa_supplicant(cable, folder / "device", network) as control:
        assert process.communicate(timeout=60)[0] == "accepted EAP-TLS succeeded\n"
        wait_for_port(control, folder)
        wait_until(lambda: process.poll() == 0, "the end of the authenticator")
