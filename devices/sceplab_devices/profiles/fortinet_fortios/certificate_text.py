"""Certificates as ``get vpn certificate local details`` lists them."""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    ExtensionOID,
    NameOID,
)

from sceplab_devices.profiles.fortinet_fortios.local_certificates import is_signed_by
from sceplab_devices.profiles.fortinet_fortios.pem import is_ca

_SHORT = {NameOID.EMAIL_ADDRESS: "emailAddress", NameOID.SERIAL_NUMBER: "serialNumber"}
_USAGES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "TLS Web Server Authentication",
    ExtendedKeyUsageOID.CLIENT_AUTH: "TLS Web Client Authentication",
    ExtendedKeyUsageOID.IPSEC_IKE: "ipsec Internet Key Exchange",
    x509.ObjectIdentifier("1.3.6.1.5.5.8.2.2"): "IPSec IKE Intermediate",
}
_ACCESS = {
    AuthorityInformationAccessOID.CA_ISSUERS: "CA Issuers",
    AuthorityInformationAccessOID.OCSP: "OCSP",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TITLES = {
    ExtensionOID.BASIC_CONSTRAINTS: "X509v3 Basic Constraints",
    ExtensionOID.KEY_USAGE: "X509v3 Key Usage",
    ExtensionOID.EXTENDED_KEY_USAGE: "X509v3 Extended Key Usage",
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: "X509v3 Subject Alternative Name",
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "X509v3 Subject Key Identifier",
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "X509v3 Authority Key Identifier",
    ExtensionOID.CRL_DISTRIBUTION_POINTS: "X509v3 CRL Distribution Points",
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: "Authority Information Access",
    ExtensionOID.CERTIFICATE_POLICIES: "X509v3 Certificate Policies",
}


def details(name: str, der: bytes) -> list[str]:
    """All lines about one certificate."""
    certificate = x509.load_der_x509_certificate(der)
    fingerprint = colons(certificate.fingerprint(hashes.MD5())).upper()  # noqa: S303 - as shown
    serial = f"{abs(certificate.serial_number):x}"  # no text is known for a negative one
    octets = bytes.fromhex(serial.zfill(len(serial) + len(serial) % 2))
    lines = [
        f"== [ {name} ]",
        f"Name:        {name}",
        f"Subject:     {name_text(certificate.subject)}",
        f"Issuer:      {name_text(certificate.issuer)}",
        f"Valid from:  {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S}  GMT",
        f"Valid to:    {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S}  GMT",
        f"Fingerprint: {fingerprint}",
        f"Serial Num:  {colons(octets)}",
        f"Root CA:     {_yes(is_ca(certificate) and is_signed_by(certificate, certificate))}",
        f"Version:     {certificate.version.value + 1}",
        f"Is CA:       {_yes(_says_ca(certificate))}",
    ]
    return [*lines, *_extensions(certificate)]


def name_text(name: x509.Name) -> str:
    """A distinguished name, least specific part first, on one line."""
    parts = []
    for attribute in name:
        short = _SHORT.get(attribute.oid, attribute.rfc4514_attribute_name)
        value = attribute.value if isinstance(attribute.value, str) else attribute.value.hex()
        parts.append(f"{short} = {_CONTROL.sub('?', value)}")
    return ", ".join(parts)


def colons(data: bytes) -> str:
    """Octets as hexadecimal, parted by colons."""
    return data.hex(":")


def _yes(answer: bool) -> str:
    return "Yes" if answer else "No"


def _says_ca(certificate: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return found.value.ca


def _extensions(certificate: x509.Certificate) -> list[str]:
    try:
        extensions = list(certificate.extensions)
    except ValueError:
        return []
    lines = ["Extensions:"] if extensions else []
    for extension in extensions:
        title = _TITLES.get(extension.oid, extension.oid.dotted_string)
        lines += [
            f"        Name:     {title}",
            f"        Critical: {'yes' if extension.critical else 'no'}",
            "        Content:",
            *(f"        {line}" for line in _content(extension.value)),
        ]
    return lines


def _content(value: x509.ExtensionType) -> list[str]:
    """Lines about an extension; of one nobody knows, its octets."""
    match value:
        case x509.BasicConstraints():
            return [f"CA:{str(value.ca).upper()}"]
        case x509.KeyUsage():
            return [", ".join(_usages(value))]
        case x509.ExtendedKeyUsage():
            return [", ".join(_USAGES.get(usage, usage.dotted_string) for usage in value)]
        case x509.SubjectKeyIdentifier():
            return [colons(value.digest).upper()]
        case x509.AuthorityKeyIdentifier():
            return [f"keyid:{colons(value.key_identifier or b'').upper()}"]
        case x509.SubjectAlternativeName():
            return [", ".join(_general_name(name) for name in value)]
        case x509.CRLDistributionPoints():
            names = [name for point in value for name in point.full_name or ()]
            return [f"Full Name: {_general_name(name)}" for name in names]
        case x509.AuthorityInformationAccess():
            return [
                f"{_ACCESS.get(one.access_method, one.access_method.dotted_string)} - "
                f"{_general_name(one.access_location)}"
                for one in value
            ]
        case _:
            return [colons(value.public_bytes()).upper()]


def _usages(value: x509.KeyUsage) -> list[str]:
    words = {
        "Digital Signature": value.digital_signature,
        "Non Repudiation": value.content_commitment,
        "Key Encipherment": value.key_encipherment,
        "Data Encipherment": value.data_encipherment,
        "Key Agreement": value.key_agreement,
        "Certificate Sign": value.key_cert_sign,
        "CRL Sign": value.crl_sign,
    }
    return [word for word, is_set in words.items() if is_set]


def _general_name(name: x509.GeneralName) -> str:
    match name:
        case x509.DNSName():
            text = f"DNS:{name.value}"
        case x509.IPAddress():
            text = f"IP Address:{name.value}"
        case x509.RFC822Name():
            text = f"email:{name.value}"
        case x509.UniformResourceIdentifier():
            text = f"URI:{name.value}"
        case x509.DirectoryName():
            text = f"DirName:{name_text(name.value)}"
        case _:
            text = "othername:<unsupported>"
    return _CONTROL.sub("?", text)


def certificate_der(pem_text: str) -> bytes:
    """DER of a PEM text that was checked before."""
    return x509.load_pem_x509_certificate(pem_text.encode()).public_bytes(Encoding.DER)
