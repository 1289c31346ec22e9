"""What consumers of certificates ask of them, as data, each rule with its source."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import ExtendedKeyUsageOID

IKE_INTERMEDIATE = ObjectIdentifier("1.3.6.1.5.5.8.2.2")
ANY_PURPOSE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE

PURPOSE_NAMES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    ExtendedKeyUsageOID.IPSEC_IKE: "ipsecIKE",
    IKE_INTERMEDIATE: "iKEIntermediate",
    ANY_PURPOSE: "anyExtendedKeyUsage",
}
"""Extended key usages by the names people know."""

_ANY_SIGNATURE = frozenset({"digitalSignature", "nonRepudiation"})
_SIGNATURE = frozenset({"digitalSignature"})


class Purpose(enum.Enum):
    """What a certificate is for. The value is what configuration files write."""

    IPSEC = "ipsec"
    EAP_TLS = "eap-tls"
    TLS_CLIENT = "tls-client"
    TLS_SERVER = "tls-server"
    SMIME = "smime"


class Identity(enum.Enum):
    """What in a certificate names its holder to the peer. The value is said to people."""

    ANY = "a subject or an alternative name"
    HOST = "a DNS name or an IP address among the alternative names"
    MAILBOX = "an e-mail address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one purpose asks for."""

    purposes: tuple[ObjectIdentifier, ...]
    """One of these where the certificate names extended key usages at all, or any purpose."""
    purposes_source: str
    usages: frozenset[str]
    """One of these where the certificate has key usages."""
    usages_source: str
    identity: Identity
    identity_source: str
    template: str
    """What the certificate template, or the CA's profile, is to allow."""
    names: str
    """What the request is to carry."""


DEMANDS = {
    Purpose.IPSEC: Demand(
        # Microsoft's IPSec templates issue iKEIntermediate, and IKE daemons take it.
        purposes=(ExtendedKeyUsageOID.IPSEC_IKE, IKE_INTERMEDIATE),
        purposes_source="RFC 4945 §5.1.3.12",
        usages=_ANY_SIGNATURE,
        usages_source="RFC 4945 §5.1.3.2",
        identity=Identity.ANY,
        identity_source="RFC 4945",
        template="IPSec (Offline request), or one without an Enhanced Key Usage",
        names="subject or dns_names",
    ),
    Purpose.EAP_TLS: Demand(
        purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,),
        purposes_source="RFC 5280 §4.2.1.12",
        usages=_SIGNATURE,
        usages_source="RFC 5246 §7.4.6, RFC 5280 §4.2.1.3",
        identity=Identity.ANY,
        identity_source="RFC 5216 §5.2",
        template="one with Client Authentication, for example Computer or Workstation",
        names="subject or dns_names",
    ),
    Purpose.TLS_CLIENT: Demand(
        purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,),
        purposes_source="RFC 5280 §4.2.1.12",
        usages=_SIGNATURE,
        usages_source="RFC 5246 §7.4.6, RFC 5280 §4.2.1.3",
        identity=Identity.ANY,
        identity_source="RFC 5280 §4.1.2.6",
        template="one with Client Authentication, for example Computer or Workstation",
        names="subject or dns_names",
    ),
    Purpose.TLS_SERVER: Demand(
        purposes=(ExtendedKeyUsageOID.SERVER_AUTH,),
        purposes_source="RFC 5280 §4.2.1.12",
        # Since TLS 1.3, and before with every forward-secret suite, the server signs.
        usages=_SIGNATURE,
        usages_source="RFC 8446 §4.4.2.2",
        identity=Identity.HOST,
        identity_source="RFC 9525 §6.3, §6.4",
        template="one with Server Authentication, for example Web Server",
        names="dns_names or ip_addresses",
    ),
    Purpose.SMIME: Demand(
        purposes=(ExtendedKeyUsageOID.EMAIL_PROTECTION,),
        purposes_source="RFC 8550 §4.4.4",
        usages=_ANY_SIGNATURE,
        usages_source="RFC 8550 §4.4.2",
        identity=Identity.MAILBOX,
        identity_source="RFC 8550 §3",
        template="one with Secure Email, for example User or Exchange User",
        names="emails",
    ),
}
