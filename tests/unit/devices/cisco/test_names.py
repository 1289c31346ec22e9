"""Names: as typed, as RFC 4514 text, as shown."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from sceplab_devices.profiles.cisco.names import (
    first_value,
    read_subject,
    request_subject,
    shown_on_one_line,
    shown_rdns,
)
from tests.support.scripted_port import NAME_OVERRIDES


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("CN=R1, OU=VPN, O=x, C=RU", "CN=R1,OU=VPN,O=x,C=RU"),
        ("cn=R1", "CN=R1"),
        ('CN=R1, O="Otus, Ltd"', r"CN=R1,O=Otus\, Ltd"),
        (r"CN=a\,b", r"CN=a\,b"),
        ("CN=a+OU=b,O=c", "CN=a+OU=b,O=c"),
        ("E=a@b.c, CN=x", "1.2.840.113549.1.9.1=a@b.c,CN=x"),
        ("CN=#1", r"CN=\#1"),
    ],
)
def test_typed_subject(typed: str, text: str) -> None:
    """A subject is understood as typed and keeps its order."""
    assert read_subject(typed) == text
    x509.Name.from_rfc4514_string(text, NAME_OVERRIDES)


@pytest.mark.parametrize("typed", ["R1", "CN=", "CN=R1,", "=x", "XX=1", 'CN="a', "CN=a\\"])
def test_no_subject(typed: str) -> None:
    """What is no name is refused."""
    assert read_subject(typed) is None


def test_request_subject_of_a_router() -> None:
    """FQDN, serial number and address stand together in the most specific RDN."""
    text = request_subject(
        subject_name="CN=R1,O=x", fqdn="R1.lab", serial_number="67", address="10.0.0.1"
    )
    name = x509.Name.from_rfc4514_string(text, NAME_OVERRIDES)
    assert len(name.rdns[-1]) == 3
    assert list(shown_rdns(name)) == [
        "serialNumber=67+hostname=R1.lab+ipaddress=10.0.0.1",
        "cn=R1",
        "o=x",
    ]
    assert first_value(name, NameOID.UNSTRUCTURED_NAME) == "R1.lab"
    assert first_value(name, NameOID.COUNTRY_NAME) == ""


def test_request_subject_without_any_of_them() -> None:
    """With ``none`` everywhere only ``subject-name`` is left."""
    assert request_subject(subject_name="CN=R1") == "CN=R1"
    assert request_subject(fqdn="R1.lab") == "unstructuredName=R1.lab"


def test_unknown_attribute_is_shown_by_its_number() -> None:
    """Attributes IOS has no name for are shown as object identifiers."""
    name = x509.Name([x509.NameAttribute(NameOID.PSEUDONYM, "p")])
    assert shown_on_one_line(name) == "2.5.4.65=p"
