"""Each network platform enrolls and renews at each kind of server, in its own manner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.support import candidate_site, fortigate_site
from tests.support.served_device import Operator, Site, open_site

SERVERS = ("compat", "ndes", "rfc8894")
NEARLY_A_YEAR = timedelta(days=350)


def no_lines(_site: Site) -> list[str]:
    """Nothing is typed."""
    return []


@dataclass(frozen=True)
class Persona:
    """How one platform is brought to a certificate.

    Attributes:
        profile: of the device.
        log_in: somebody at its console.
        enroll: types everything up to the request, with this challenge password.
        trustpoint: what the engine calls it.
        renewal: typed to renew; nothing: the device renews by itself in time.
    """

    profile: str
    log_in: Callable[[Site], AbstractAsyncContextManager[Operator]]
    enroll: Callable[[Site, str], list[str]]
    trustpoint: str
    traits: tuple[str, ...]
    """What its requests' subject has."""
    renewal: Callable[[Site], list[str]] = no_lines


def ca_pin(site: Site, algorithm: hashes.HashAlgorithm) -> str:
    """Fingerprint of the CA, hexadecimal."""
    return site.server.hierarchy.root.certificate.fingerprint(algorithm).hex()


@asynccontextmanager
async def at_the_router(site: Site) -> AsyncIterator[Operator]:
    """A router, in configuration mode."""
    async with site.device() as operator:
        yield operator


def router_lines(site: Site, challenge: str) -> list[str]:
    """Serial number and address in the subject; renews itself with a new key."""
    return [
        "ip domain name example.test", "crypto key generate rsa label K modulus 2048",
        "crypto pki trustpoint LAB", f"enrollment url {site.url}", "subject-name CN=R1,O=Example",
        "rsakeypair K", "serial-number", "ip-address 192.0.2.7",
        f"fingerprint {ca_pin(site, hashes.MD5())}", f"password {challenge}",
        "auto-enroll 90 regenerate", "exit", "crypto pki authenticate LAB",
    ]  # fmt: skip


@asynccontextmanager
async def at_the_firewall(site: Site) -> AsyncIterator[Operator]:
    """An ASA, in configuration mode."""
    async with site.device() as host:
        console = host.hosted.device.open_console()
        console.open()
        operator = Operator(host.hosted, console)
        await operator.type("enable", "", "terminal pager 0", "configure terminal")
        yield operator


def asa_lines(site: Site, challenge: str) -> list[str]:
    """The fingerprint is part of the command; renews itself."""
    return [
        "domain-name example.test", "crypto key generate rsa label K modulus 2048",
        "crypto ca trustpoint LAB", f"enrollment url {site.url}", "subject-name CN=asa,O=Example",
        "keypair K", f"password {challenge}", "auto-enroll 90 regenerate", "exit",
        f"crypto ca authenticate LAB fingerprint {ca_pin(site, hashes.MD5())}",
        "crypto ca enroll LAB noconfirm",
    ]  # fmt: skip


def fortigate_lines(site: Site, challenge: str) -> list[str]:
    """CA by URL and identifier; the request goes out at once; renews some days before the end."""
    return [
        f"execute vpn certificate ca import auto {site.url} LAB-CA",
        f'execute vpn certificate local generate rsa LAB 2048 fw.example.test NL NH Ams Ex "" "" ""'
        f' {site.url} {challenge} "" LAB-CA',
        "config vpn certificate local", "edit LAB", "set auto-regenerate-days 36", "next", "end",
    ]  # fmt: skip


def at_the_palo_alto(site: Site) -> AbstractAsyncContextManager[Operator]:
    """A PAN-OS box."""
    return candidate_site.log_in(site, "paloalto-panos")


def panos_lines(site: Site, challenge: str) -> list[str]:
    """A SCEP profile with a fixed challenge, committed; the operator asks for the certificate."""
    pin = ca_pin(site, hashes.SHA256())
    return [
        "configure", f"set shared scep LAB scep-url {site.url}",
        f"set shared scep LAB scep-challenge fixed {challenge}",
        f"set shared scep LAB fingerprint {pin}",
        "set shared scep LAB subject CN=R1,O=Example", "commit", "exit",
        "request certificate generate certificate-name fw scep-profile LAB",
    ]  # fmt: skip


def panos_renewal(site: Site) -> list[str]:
    """Only an operator renews; a one-time password is good for one request."""
    return [
        "configure", f"set shared scep LAB scep-challenge fixed {site.password()}", "commit",
        "exit", "request certificate renew certificate-name fw",
    ]  # fmt: skip


_ROUTER_TRAITS = ("serialNumber=", "192.0.2.7")

PERSONAS = [
    pytest.param(
        Persona("cisco-ios", at_the_router, router_lines, "LAB", _ROUTER_TRAITS),
        id="J1", marks=pytest.mark.covers("J1"),
    ),
    pytest.param(
        Persona("cisco-ios-xe", at_the_router, router_lines, "LAB", _ROUTER_TRAITS),
        id="J1-xe", marks=pytest.mark.covers("J1"),
    ),
    pytest.param(
        Persona("cisco-asa", at_the_firewall, asa_lines, "LAB", ("CN=asa",)),
        id="J3", marks=pytest.mark.covers("J3"),
    ),
    pytest.param(
        Persona("fortinet-fortios", fortigate_site.log_in, fortigate_lines, "LAB", ("L=Ams",)),
        id="J7", marks=pytest.mark.covers("J7"),
    ),
    pytest.param(
        Persona(
            "paloalto-panos", at_the_palo_alto, panos_lines, "certificate fw", ("CN=R1",),
            renewal=panos_renewal,
        ),
        id="J5", marks=pytest.mark.covers("J5"),
    ),
]  # fmt: skip


def held(operator: Operator, persona: Persona) -> x509.Certificate:
    """The certificate that the device has now."""
    view = operator.hosted.device.port.view(persona.trustpoint)
    assert view.certificate_der is not None, view
    return x509.load_der_x509_certificate(view.certificate_der)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("persona", PERSONAS)
async def test_enrolls_and_renews(persona: Persona, server: str, tmp_path: Path) -> None:
    """A certificate, then another one for a new request that the old certificate vouches for."""
    place = tmp_path / "device"
    async with open_site(place, profile=persona.profile, server_profile=server) as site:
        async with persona.log_in(site) as operator:
            await operator.type(*persona.enroll(site, site.password()))
            await site.pass_time(operator, minutes=2)
            first = held(operator, persona)
            await site.pass_time(operator, days=NEARLY_A_YEAR.days)
            await operator.type(*persona.renewal(site))
            await site.pass_time(operator, minutes=2)
            second = held(operator, persona)
        requests = site.server.administration.requests()
    assert second.serial_number != first.serial_number
    assert second.subject == first.subject
    assert [request.serial for request in requests] == [
        f"{certificate.serial_number:x}" for certificate in (first, second)
    ]
    for request in requests:
        assert all(trait in request.subject for trait in persona.traits), request.subject
