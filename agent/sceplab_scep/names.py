"""Distinguished names as text for people. Spec: RFC 4514; RFC 2985 §5.4 for the further types."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

_FURTHER_NAMES = {
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.UNSTRUCTURED_NAME: "unstructuredName",
    x509.ObjectIdentifier("1.2.840.113549.1.9.8"): "unstructuredAddress",
}
"""Types that network devices use and RFC 4514 leaves to their OIDs."""


def name_text(name: x509.Name) -> str:
    """The name, most specific part first."""
    return name.rfc4514_string(_FURTHER_NAMES)
