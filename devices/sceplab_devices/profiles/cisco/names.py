"""Distinguished names: as typed after ``subject-name``, as RFC 4514 text, as IOS shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cryptography import x509
from cryptography.x509.oid import NameOID

UNSTRUCTURED_ADDRESS = x509.ObjectIdentifier("1.2.840.113549.1.9.8")

_SHOWN = {
    NameOID.COMMON_NAME: "cn",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "ou",
    NameOID.ORGANIZATION_NAME: "o",
    NameOID.LOCALITY_NAME: "l",
    NameOID.STATE_OR_PROVINCE_NAME: "st",
    NameOID.COUNTRY_NAME: "c",
    NameOID.EMAIL_ADDRESS: "e",
    NameOID.DOMAIN_COMPONENT: "dc",
    NameOID.UNSTRUCTURED_NAME: "hostname",
    NameOID.SERIAL_NUMBER: "serialNumber",
    UNSTRUCTURED_ADDRESS: "ipaddress",
}

_TYPED = {
    "cn": "CN",
    "ou": "OU",
    "o": "O",
    "l": "L",
    "st": "ST",
    "s": "ST",
    "c": "C",
    "dc": "DC",
    "uid": "UID",
    "street": "STREET",
    # The short names of RFC 4514 end here; these attributes travel as dotted object identifiers.
    "e": "1.2.840.113549.1.9.1",
    "email": "1.2.840.113549.1.9.1",
    "emailaddress": "1.2.840.113549.1.9.1",
    "t": "2.5.4.12",
    "title": "2.5.4.12",
    "sn": "2.5.4.4",
    "surname": "2.5.4.4",
    "gn": "2.5.4.42",
    "givenname": "2.5.4.42",
    # Names the enrollment port knows.
    "serialnumber": "serialNumber",
    "hostname": "unstructuredName",
    "unstructuredname": "unstructuredName",
    "ipaddress": "unstructuredAddress",
}

_SEPARATED = re.compile(r'((?:"[^"]*"|\\.|[^,+"\\])*)([,+]|$)')


def read_subject(typed: str) -> str | None:
    """RFC 4514 text of a name typed as ``CN=R1, OU=VPN, O="Otus, Ltd"``; ``None``: no name.

    The order is kept: IOS names are typed most specific first, as RFC 4514 writes them.
    """
    text = ""
    position = 0
    while True:
        found = _SEPARATED.match(typed, position)
        if found is None:
            return None
        key, equals, value = found[1].partition("=")
        name = _TYPED.get(key.strip().lower())
        if name is None or not equals or not value.strip():
            return None
        text += f"{name}={escape_value(_unquote(value.strip()))}"
        if not found[2]:
            return text
        text += found[2]
        position = found.end()


def _unquote(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return re.sub(r"\\(.)", r"\1", value)


def escape_value(value: str) -> str:
    """An attribute value as RFC 4514 text."""
    escaped = re.sub(r'([\\,+"<>;])', r"\\\1", value)
    if escaped.startswith(("#", " ")):
        escaped = "\\" + escaped
    if escaped.endswith(" ") and not escaped.endswith("\\ "):
        escaped = escaped[:-1] + "\\ "
    return escaped


def request_subject(
    *, subject_name: str = "", fqdn: str = "", serial_number: str = "", address: str = ""
) -> str:
    """Subject of an IOS request, RFC 4514 text.

    Serial number, FQDN and address share one multi-valued RDN, the most specific; what
    ``subject-name`` says follows.

    Args:
        subject_name: what `read_subject` gave; empty: not configured.
        fqdn: unstructuredName; empty: left out.
        serial_number: of the box; empty: left out.
        address: unstructuredAddress; empty: left out.
    """
    own = [
        f"{key}={escape_value(value)}"
        for key, value in (
            ("serialNumber", serial_number),
            ("unstructuredName", fqdn),
            ("unstructuredAddress", address),
        )
        if value
    ]
    return ",".join(part for part in ("+".join(own), subject_name) if part)


def shown_rdns(name: x509.Name) -> Iterator[str]:
    """Every RDN as IOS prints it, most specific first; a multi-valued one joined by ``+``."""
    for rdn in reversed(name.rdns):
        yield "+".join(f"{_shown_key(part.oid)}={_value(part)}" for part in rdn)


def shown_on_one_line(name: x509.Name) -> str:
    """``cn=CA,o=x``."""
    return ",".join(shown_rdns(name))


def first_value(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    """Value of the first attribute of a kind; empty when there is none."""
    found = name.get_attributes_for_oid(oid)
    return _value(found[0]) if found else ""


def _shown_key(oid: x509.ObjectIdentifier) -> str:
    return _SHOWN.get(oid, oid.dotted_string)


def _value(attribute: x509.NameAttribute[str | bytes]) -> str:
    value = attribute.value
    return value if isinstance(value, str) else value.hex().upper()
