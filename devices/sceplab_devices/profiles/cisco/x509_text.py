"""Parts of a certificate in IOS's words: usage, extensions, algorithms, fingerprints."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from sceplab_devices.profiles.cisco.hexdump import grouped_hex
from sceplab_devices.profiles.cisco.names import first_value

_KEY_USAGES = (
    ("digital_signature", "Digital Signature"),
    ("content_commitment", "Non Repudiation"),
    ("key_encipherment", "Key Encipherment"),
    ("data_encipherment", "Data Encipherment"),
    ("key_agreement", "Key Agreement"),
    ("key_cert_sign", "Key Cert Sign"),
    ("crl_sign", "CRL Signature"),
)
_EXTENDED_KEY_USAGES = {
    ExtendedKeyUsageOID.CLIENT_AUTH: "Client Auth",
    ExtendedKeyUsageOID.SERVER_AUTH: "Server Auth",
    ExtendedKeyUsageOID.CODE_SIGNING: "Code Signing",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "Email Protection",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSP Signing",
    ExtendedKeyUsageOID.TIME_STAMPING: "Time Stamping",
}


def fingerprint_text(data_der: bytes, algorithm: str) -> str:
    """Grouped fingerprint with its trailing blank. ``algorithm``: ``md5`` or ``sha1``."""
    # MD5 and SHA-1 are what the box shows; whether a CA is trusted is decided elsewhere.
    return grouped_hex(hashlib.new(algorithm, data_der, usedforsecurity=False).digest())


def usage_text(certificate: x509.Certificate) -> str:
    """``General Purpose``, ``Signature`` or ``Encryption``."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return "General Purpose"
    signs = usage.digital_signature or usage.key_cert_sign or usage.content_commitment
    encrypts = usage.key_encipherment or usage.data_encipherment or usage.key_agreement
    if signs and encrypts:
        return "General Purpose"
    return "Encryption" if encrypts else "Signature"


def distribution_points(certificate: x509.Certificate) -> list[str]:
    """URLs where CRLs of this certificate's issuer are published."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return []
    return [name.value for point in points for name in point.full_name or [] if _is_url(name)]


def _is_url(name: x509.GeneralName) -> bool:
    return isinstance(name, x509.UniformResourceIdentifier)


def alternative_addresses(certificate: x509.Certificate) -> list[str]:
    """IP addresses among the subject alternative names."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(address) for address in names.get_values_for_type(x509.IPAddress)]


def key_lines(certificate: x509.Certificate) -> list[str]:
    """``Subject Key Info`` block."""
    key = certificate.public_key()
    lines = ["  Subject Key Info:"]
    if isinstance(key, rsa.RSAPublicKey):
        lines.append("    Public Key Algorithm: rsaEncryption")
        lines.append(f"    RSA Public Key: ({key.key_size} bit)")
    elif isinstance(key, ec.EllipticCurvePublicKey):
        lines.append("    Public Key Algorithm: ecEncryption")
        lines.append(f"    EC Public Key:  ({key.key_size} bit)")
    return lines


def signature_text(certificate: x509.Certificate) -> str:
    """``SHA256 with RSA Encryption``."""
    digest = certificate.signature_hash_algorithm
    name = digest.name.upper() if digest else "NULL"
    is_ec = certificate.signature_algorithm_oid.dotted_string.startswith("1.2.840.10045.")
    return f"{name} with {'ECDSA' if is_ec else 'RSA Encryption'}"


def storage_name(certificate: x509.Certificate, *, is_ca: bool) -> str:
    """File a saved certificate lies in, named by issuer and the serial's low 16 bits."""
    issuer = first_value(certificate.issuer, NameOID.COMMON_NAME).replace(" ", "")
    number = f"{certificate.serial_number & 0xFFFF:X}"
    return f"nvram:{issuer}#{number}{'CA' if is_ca else ''}.cer"


def extension_lines(certificate: x509.Certificate) -> list[str]:
    """``X509v3 extensions`` block of the verbose output, in the order IOS prints it."""
    lines = ["  X509v3 extensions:"]
    by_type = {type(extension.value): extension.value for extension in certificate.extensions}
    usage = by_type.get(x509.KeyUsage)
    if isinstance(usage, x509.KeyUsage):
        lines += _key_usage_lines(usage)
    key_id = by_type.get(x509.SubjectKeyIdentifier)
    if isinstance(key_id, x509.SubjectKeyIdentifier):
        lines.append(f"    X509v3 Subject Key ID: {grouped_hex(key_id.digest)}")
    constraints = by_type.get(x509.BasicConstraints)
    if isinstance(constraints, x509.BasicConstraints):
        lines.append("    X509v3 Basic Constraints:")
        lines.append(f"        CA: {'TRUE' if constraints.ca else 'FALSE'}")
    names = by_type.get(x509.SubjectAlternativeName)
    if isinstance(names, x509.SubjectAlternativeName):
        lines += _alternative_name_lines(names)
    authority = by_type.get(x509.AuthorityKeyIdentifier)
    if isinstance(authority, x509.AuthorityKeyIdentifier) and authority.key_identifier:
        lines.append(f"    X509v3 Authority Key ID: {grouped_hex(authority.key_identifier)}")
    lines.append("    Authority Info Access:")
    access = by_type.get(x509.AuthorityInformationAccess)
    if isinstance(access, x509.AuthorityInformationAccess):
        lines += _access_lines(access)
    purposes = by_type.get(x509.ExtendedKeyUsage)
    if isinstance(purposes, x509.ExtendedKeyUsage):
        lines.append("    Extended Key Usage:")
        lines += [f"        {_EXTENDED_KEY_USAGES.get(p, p.dotted_string)}" for p in purposes]
    return lines


def _key_usage_lines(usage: x509.KeyUsage) -> list[str]:
    named = [
        (0x80 >> bit, text)
        for bit, (field, text) in enumerate(_KEY_USAGES)
        if getattr(usage, field)
    ]
    bits = sum(value for value, _ in named)
    return [f"    X509v3 Key Usage: {bits:02X}000000", *(f"      {text}" for _, text in named)]


def _alternative_name_lines(names: x509.SubjectAlternativeName) -> Iterator[str]:
    yield "    X509v3 Subject Alternative Name:"
    hosts = names.get_values_for_type(x509.DNSName)
    yield from (f"        {host}" for host in hosts)
    if not hosts:
        yield ""
    for address in names.get_values_for_type(x509.IPAddress):
        yield f"        IP Address : {address}"
    mails = names.get_values_for_type(x509.RFC822Name)
    yield " ".join(["        OtherNames :", *mails])


def _access_lines(access: x509.AuthorityInformationAccess) -> Iterator[str]:
    titles = {
        AuthorityInformationAccessOID.OCSP: "OCSP URL",
        AuthorityInformationAccessOID.CA_ISSUERS: "CA ISSUERS",
    }
    for description in access:
        title = titles.get(description.access_method)
        if title and isinstance(description.access_location, x509.UniformResourceIdentifier):
            yield f"        {title}: {description.access_location.value}"
