"""Traffic through a switch port with 802.1X: none without a certificate, and renewals lose none.

How many packets were lost is printed and goes into the report.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sceplab_agent.errors import HandOffError
from sceplab_hsm.api import KeyAlgorithm
from tests.support import softhsm
from tests.support.dot1x import Office, hand_over, make_handoff, open_office
from tests.support.eap_site import Campus
from tests.support.hostapd import Port, require_engine, wpa_supplicant
from tests.support.pki import rsa_key
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.interop, pytest.mark.daemon]

NAME = "router1.example.test"
_LOST_AT_MOST = 1
"""The one that is under way at the end of the ping."""


@pytest.fixture(scope="module")
def campus() -> Campus:
    """The CA that both ends trust."""
    return Campus()


@pytest.fixture
def office() -> Iterator[Office]:
    """A switch and a device."""
    with open_office() as office:
        yield office


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of a short name that is nobody else's: control sockets have short paths."""
    with tempfile.TemporaryDirectory(prefix="dot1x-") as name:
        yield Path(name)


def keep_up(office: Office, port: Port, renew: Callable[[], object]) -> str:
    """Renews while packets pass through the port, which stays open. Says what was lost."""
    closings = port.closings()
    wait_until(office.passes, "the open port")
    with office.ping() as ping:
        renew()
        sent, lost = ping.end()
    assert port.closings() == closings
    assert lost <= _LOST_AT_MOST, f"{lost} of {sent} packets lost"
    return f"{lost} of {sent} packets lost"


@pytest.mark.covers("K2", "M9")
def test_packets_pass_through_renewals(
    campus: Campus, office: Office, folder: Path, report: Callable[[str], None]
) -> None:
    """The port lets nothing through before the first certificate, and everything in renewals."""
    key = rsa_key("device")
    certificate = campus.enroll(NAME, key)
    (folder / "ca.pem").write_bytes(campus.trusted_pem)
    network = f'identity="{NAME}"\nca_cert="{folder}/ca.pem"'
    with (
        office.guarded_port(folder / "port", campus.credentials("port.example.test")) as port,
        wpa_supplicant(office.device, folder / "device", network) as control,
    ):
        assert not office.passes()
        handoff = make_handoff(control, folder)
        hand_over(handoff, campus.delivery(1, certificate, key))

        def renew() -> None:
            old = certificate
            for generation in (2, 3, 4):
                old = campus.renew(NAME, key, old)
                hand_over(handoff, campus.delivery(generation, old, key))
                port.wait_for_openings(generation)
                assert port.serials()[-1] == old.serial_number

        report(keep_up(office, port, renew))


@pytest.mark.covers("K2", "M9")
def test_packets_pass_with_the_key_in_the_token(
    campus: Campus, office: Office, folder: Path, report: Callable[[str], None]
) -> None:
    """The same with keys in SoftHSM, another one for the renewed certificate."""
    engine, token = require_engine(), softhsm.make_token()
    (folder / "ca.pem").write_bytes(campus.trusted_pem)
    settings = f"pkcs11_engine_path={engine}\npkcs11_module_path={softhsm.MODULE}"
    with (
        closing(softhsm.open_token(token)) as store,
        office.guarded_port(folder / "port", campus.credentials("port.example.test")) as port,
        wpa_supplicant(
            office.device, folder / "device", f'ca_cert="{folder}/ca.pem"', settings=settings,
            environment={**os.environ, "SOFTHSM2_CONF": str(token.configuration)},
        ) as control,
    ):  # fmt: skip
        pin, handoff = softhsm.pin_of(token), make_handoff(control, folder)

        def take(generation: int) -> None:
            key = store.generate(f"campus-{generation}", KeyAlgorithm.RSA_2048)
            certificate = campus.enroll(NAME, key)
            hand_over(handoff, campus.delivery(generation, certificate, key, pin=pin))
            port.wait_for_openings(generation)
            assert port.serials()[-1] == certificate.serial_number

        assert not office.passes()
        take(1)
        report(keep_up(office, port, lambda: take(2)))


@pytest.mark.covers("K2")
def test_refused_certificate_stops_packets_until_it_is_rolled_back(
    campus: Campus, office: Office, folder: Path, report: Callable[[str], None]
) -> None:
    """A switch closes a port that shows a wrong certificate; the roll-back opens it again."""
    key, other = rsa_key("device"), Campus(folder / "other")
    (folder / "ca.pem").write_bytes(campus.trusted_pem)
    network = f'identity="{NAME}"\nca_cert="{folder}/ca.pem"'
    with (
        office.guarded_port(folder / "port", campus.credentials("port.example.test")) as port,
        wpa_supplicant(office.device, folder / "device", network) as control,
    ):
        handoff = make_handoff(control, folder)
        hand_over(handoff, campus.delivery(1, campus.enroll(NAME, key), key))
        wait_until(office.passes, "the open port")
        refused = other.delivery(2, other.enroll(NAME, key), key)
        with office.ping() as ping:
            memo = handoff.prepare(refused)
            handoff.install(refused, memo)
            with pytest.raises(HandOffError, match="refuses the certificate"):
                handoff.verify(refused, memo)
            wait_until(lambda: not office.passes(), "the closed port")
            handoff.roll_back(refused, memo)
            wait_until(office.passes, "the port to open again")
            sent, lost = ping.end()
        assert lost > _LOST_AT_MOST
        assert port.closings() >= 1
        report(f"{lost} of {sent} packets lost until the old certificate was back")
