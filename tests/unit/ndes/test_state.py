"""Putting a server together, and what a new CA looks like."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from sceplab_ndes.errors import ConfigError, StateError
from sceplab_ndes.hierarchy import CaPlan
from sceplab_ndes.state import create_server_state
from sceplab_scep.algorithms import Floor
from tests.support.scep_device import ScepDevice, issued
from tests.support.server import NOW, make_server, shared_keys
from tests.support.soft_stores import soft_store

LAX = {"challenge": {"mode": "none"}}


def test_a_state_comes_back_with_the_same_ca(tmp_path: Path) -> None:
    """Certificates are those of the first start, whatever the plan says now."""
    path = tmp_path / "depot.sqlite"
    first = make_server(depot_path=path)
    first.close()
    second = make_server(depot_path=path, plan=CaPlan(common_name="Another"))
    assert second.hierarchy.root.certificate == first.hierarchy.root.certificate
    assert second.hierarchy.ra_signing.certificate == first.hierarchy.ra_signing.certificate
    second.close()


def test_a_depot_with_another_key_store_is_refused(tmp_path: Path) -> None:
    """Rather than answering with keys nobody knows."""
    path = tmp_path / "depot.sqlite"
    make_server(depot_path=path).close()
    other = soft_store(tmp_path / "keys")
    for name in ("ca-root", "ra-signing", "ra-encryption"):
        from sceplab_hsm.api import KeyAlgorithm

        other.generate(name, KeyAlgorithm.RSA_2048)
    with pytest.raises(StateError, match="belong to different servers"):
        create_server_state(key_store=other, now=NOW, depot_path=path)
    other.close()


def test_a_floor_that_is_too_high_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    """No file is left."""
    path = tmp_path / "depot.sqlite"
    with pytest.raises(ConfigError, match="floor"):
        make_server("ndes", floor=Floor.MODERN, depot_path=path)
    assert not path.exists()


def test_static_mode_without_a_password_is_refused() -> None:
    """With the way to give one."""
    with pytest.raises(ConfigError, match="static_password"):
        make_server(settings={"challenge": {"mode": "static"}})


def test_certificates_end_with_their_ca() -> None:
    """A template that grants more than the CA has left is cut."""
    server = make_server(settings={**LAX, "template": {"validity_days": 5000}})
    certificate = issued(ScepDevice(server=server).enroll())
    ca = server.hierarchy.issuing.certificate
    assert certificate.not_valid_after_utc == ca.not_valid_after_utc


@pytest.mark.covers("C14", "C24")
def test_validity_is_that_of_the_template() -> None:
    """365 days by default, counted from ten minutes ago; other values as set."""
    for days in (365, 90):
        server = make_server(settings={**LAX, "template": {"validity_days": days}})
        certificate = issued(ScepDevice(server=server).enroll())
        length = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert length == timedelta(days=days)
        assert certificate.not_valid_before_utc == NOW - timedelta(minutes=10)
        assert server.administration.requests()[0].template == "IPSECIntermediateOffline"


@pytest.mark.covers("C7")
def test_extended_key_usages_are_the_templates() -> None:
    """What the request asks for is not heard."""
    server = make_server(settings={**LAX, "template": {"extended_key_usages": ["1.2.3.4"]}})
    wish = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CODE_SIGNING])
    asked = x509.Extension(wish.oid, False, wish)
    certificate = issued(ScepDevice(server=server).enroll(extensions=[asked]))
    granted = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [usage.dotted_string for usage in granted] == ["1.2.3.4"]


@pytest.mark.covers("C6")
def test_subject_and_names_are_the_requests() -> None:
    """With several attributes and name types, unchanged."""
    server = make_server(settings=LAX)
    names = x509.SubjectAlternativeName(
        [x509.DNSName("a.example.test"), x509.RFC822Name("a@example.test")]
    )
    asked = x509.Extension(names.oid, True, names)
    certificate = issued(ScepDevice(server=server).enroll(extensions=[asked]))
    granted = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert granted.value == names
    assert granted.critical


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ((True, False, False), (True, False, False)),
        ((False, True, False), (False, True, False)),
        ((True, True, True), (True, True, False)),
        ((False, False, True), (True, True, False)),
    ],
)
def test_key_usage_is_what_is_asked_and_allowed(
    asked: tuple[bool, bool, bool], granted: tuple[bool, bool, bool]
) -> None:
    """Signature, encryption and non-repudiation; asking only for what is not allowed counts not."""
    server = make_server(settings=LAX)
    signs, encrypts, repudiates = asked
    usage = x509.KeyUsage(
        digital_signature=signs,
        key_encipherment=encrypts,
        content_commitment=repudiates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    wish = x509.Extension(usage.oid, True, usage)
    certificate = issued(ScepDevice(server=server).enroll(extensions=[wish]))
    found = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (found.digital_signature, found.key_encipherment, found.content_commitment) == granted
    assert not found.key_cert_sign


def test_ndes_certificates_name_their_template_and_have_adcs_serials() -> None:
    """A BMPString extension, and 19 bytes with the request number twice."""
    server = make_server("ndes", settings=LAX)
    certificate = issued(ScepDevice(server=server).enroll())
    named = certificate.extensions.get_extension_for_oid(
        x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2")
    ).value
    assert isinstance(named, x509.UnrecognizedExtension)
    assert named.value[2:].decode("utf-16-be") == "IPSECIntermediateOffline"
    raw = certificate.serial_number.to_bytes(19)
    assert raw[1:5] == raw[15:] == b"\x00\x00\x00\x01"


def test_the_same_seed_makes_the_same_serials() -> None:
    """All chance comes from the source that is handed in, keys apart."""
    import random

    serials = []
    for _ in range(2):
        source = random.Random(7)
        server = make_server(settings=LAX, random_bytes=source.randbytes)
        serials.append(issued(ScepDevice(server=server).enroll()).serial_number)
    assert serials[0] == serials[1]


def test_keys_stay_in_the_store() -> None:
    """CA and RA keys are found there by name, and handles show nothing private."""
    names = {info.key_id for info in shared_keys().list_keys()}
    server = make_server()
    assert {"ca-root", "ra-signing", "ra-encryption"} <= names
    assert not hasattr(server.hierarchy.root.key, "private_numbers")
