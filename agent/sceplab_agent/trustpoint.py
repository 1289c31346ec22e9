"""A trustpoint as the agent works with it: one CA, one subject, one key, one policy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.x509.oid import NameOID

from sceplab_agent.core.policy import EnrollmentPolicy
from sceplab_agent.handoff.api import HandOff
from sceplab_hsm.api import KeyAlgorithm
from sceplab_scep.algorithms import Digest

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Names of trustpoints; they become names of directories and keys."""

_FURTHER_ATTRIBUTES = {
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "E": NameOID.EMAIL_ADDRESS,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "SN": NameOID.SURNAME,
    "GN": NameOID.GIVEN_NAME,
    "unstructuredName": NameOID.UNSTRUCTURED_NAME,
    "unstructuredAddress": x509.ObjectIdentifier("1.2.840.113549.1.9.8"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustpointConfig:
    """What the messages of one trustpoint are made of. Plain values, no secret."""

    name: str
    """Matches `NAME_PATTERN`."""
    url: str
    """Enrollment URL; operations are appended to it."""
    ca_identifier: str = ""
    """Sent as ``message`` with GetCACaps and GetCACert; empty: nothing is sent."""
    subject: x509.Name
    """Subject of a first enrollment."""
    dns_names: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    ip_addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    challenge: str = ""
    """Reference to the challenge password (``env:``, ``file:``, ``prompt:``); empty: none."""
    key_algorithm: KeyAlgorithm = KeyAlgorithm.RSA_2048
    """For keys that do not exist yet."""
    digest: Digest | None = None
    """Digest of CSR and messages; ``None``: by the server's capabilities."""
    store_uri: str = ""
    """Key store of this trustpoint."""
    store_secret: str = ""
    """Reference to the store's passphrase or PIN; empty: it has none."""
    fallback_uri: str = ""
    """Key store for when the first one is not there (`store_choice`); empty: there is none."""
    fallback_secret: str = ""
    """Reference to its passphrase or PIN."""
    key_exportable: bool = False
    """Whether new keys may leave their store, for consumers that read a key file."""
    handoffs: tuple[HandOff, ...] = field(default=(), compare=False)
    """Consumers of the certificate, with different names; compared by `handoff_tables`."""
    handoff_tables: tuple[Mapping[str, object], ...] = ()
    """What the file says of them."""
    policy: EnrollmentPolicy

    def on_fallback(self) -> TrustpointConfig:
        """The same trustpoint with the fallback as its only store."""
        return replace(
            self,
            store_uri=self.fallback_uri,
            store_secret=self.fallback_secret,
            fallback_uri="",
            fallback_secret="",
        )

    def variants(self) -> tuple[TrustpointConfig, ...]:
        """The trustpoint with each store that may hold its keys, the first one first."""
        return (self, self.on_fallback()) if self.fallback_uri else (self,)


def parse_subject(text: str) -> x509.Name:
    """Distinguished name from RFC 4514 text, most specific part first.

    Knows ``emailAddress``, ``serialNumber``, ``unstructuredName`` and ``unstructuredAddress`` too.

    Raises:
        ValueError: malformed, or empty.

    Spec: RFC 4514 §3.
    """
    name = x509.Name.from_rfc4514_string(text, _FURTHER_ATTRIBUTES)
    if not list(name):
        raise ValueError("the subject is empty")
    return name


def alternative_names(config: TrustpointConfig) -> x509.SubjectAlternativeName | None:
    """The subjectAltName a first enrollment asks for, ``None`` without names.

    Raises:
        ValueError: a name cannot be encoded.
    """
    return subject_alternative_name(config.dns_names, config.emails, config.ip_addresses)


def subject_alternative_name(
    dns_names: Sequence[str],
    emails: Sequence[str],
    ip_addresses: Sequence[IPv4Address | IPv6Address],
) -> x509.SubjectAlternativeName | None:
    """A subjectAltName of these, ``None`` without any.

    Raises:
        ValueError: a name cannot be encoded.

    Spec: RFC 5280 §4.2.1.6.
    """
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns_names]
    names += [x509.RFC822Name(email) for email in emails]
    names += [x509.IPAddress(address) for address in ip_addresses]
    return x509.SubjectAlternativeName(names) if names else None
