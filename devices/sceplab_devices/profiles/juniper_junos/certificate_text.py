"""Blocks of ``show security pki …``: certificates and requests.

Layout: published transcripts of a vSRX (detail of a local certificate, a request); the brief forms
and the CA certificate's after the vendor's field tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from sceplab_devices.profiles.juniper_junos.dates import validity_text

_BYTES_A_LINE = 20
_SHOWN_DIGESTS = ("sha1", "md5")
_TITLES = {
    NameOID.ORGANIZATION_NAME: "Organization",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "Organizational unit",
    NameOID.COUNTRY_NAME: "Country",
    NameOID.STATE_OR_PROVINCE_NAME: "State",
    NameOID.LOCALITY_NAME: "Locality",
    NameOID.COMMON_NAME: "Common name",
    NameOID.SERIAL_NUMBER: "Serial number",
    NameOID.DOMAIN_COMPONENT: "Domain component",
}
"""In the order in which they are printed."""
_SHORT = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.COUNTRY_NAME: "C",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.SERIAL_NUMBER: "SN",
    NameOID.EMAIL_ADDRESS: "emailAddress",
}
_USES = (
    ("crl_sign", "CRL signing"),
    ("key_cert_sign", "Certificate signing"),
    ("key_encipherment", "Key encipherment"),
    ("digital_signature", "Digital signature"),
)


def brief_lines(title: str, certificate: x509.Certificate) -> list[str]:
    """The short form of a certificate."""
    issued_to = _common_name(certificate.subject)
    return [
        f"Certificate identifier: {title}",
        f"  Issued to: {issued_to}, Issued by: {spaced_name(certificate.issuer)}",
        *_validity(certificate),
        f"  Public key algorithm: {key_text(certificate.public_key())}",
    ]


def detail_lines(title: str, certificate: x509.Certificate, *, is_ca: bool) -> list[str]:
    """The long form of a certificate, without what only its box knows."""
    lines = [
        f"Certificate identifier: {title}",
        f"  Certificate version: {certificate.version.value + 1}",
        f"  Serial number: {serial_text(certificate)}",
        "  Issuer:",
        f"    {titled_name(certificate.issuer)}",
        "  Subject:",
        f"    {titled_name(certificate.subject)}",
        "  Subject string:",
        f"    {subject_string(certificate.subject)}",
    ]
    if not is_ca:
        lines.append(f"  Alternate subject: {alternate_text(certificate)}")
    lines += _validity(certificate)
    lines.append(f"  Public key algorithm: {key_text(certificate.public_key())}")
    lines += [f"    {row}" for row in hex_rows(key_bytes(certificate.public_key()))]
    lines.append(f"  Signature algorithm: {signature_text(certificate)}")
    for heading, urls in (
        ("Distribution CRL", _distribution_points(certificate)),
        ("Authority Information Access OCSP", _responders(certificate)),
    ):
        if urls:
            lines += [f"  {heading}:", *(f"    {url}" for url in urls)]
    uses = ", ".join(_uses(certificate))
    if uses:
        lines.append(f"  Use for key: {uses}")
    lines.append("  Fingerprint:")
    lines += [f"    {row}" for row in fingerprint_rows(certificate.public_bytes(Encoding.DER))]
    return lines


def re_enrollment_lines(*, is_enabled: bool, next_at: datetime | None) -> list[str]:
    """The block ``Auto-re-enrollment``."""
    timer = validity_text(next_at) if next_at else "Timer not started"
    return [
        "  Auto-re-enrollment:",
        f"    Status: {'Enabled' if is_enabled else 'Disabled'}",
        f"    Next trigger time: {timer}",
    ]


def request_lines(
    title: str,
    request: x509.CertificateSigningRequest,
    digests: Mapping[str, bytes],
    *,
    is_detailed: bool,
) -> list[str]:
    """A request that waits for its certificate.

    Args:
        title: identifier of the certificate.
        request: what waits.
        digests: of the request as it was sent, see `TrustpointView.pending_digests`.
        is_detailed: with names, key and fingerprints.
    """
    key = request.public_key()
    lines = [f"Certificate identifier: {title}"]
    if not is_detailed:
        lines.append(f"  Issued to: {_common_name(request.subject)}")
        return [*lines, f"  Public key algorithm: {key_text(key)}"]
    lines += [
        "  Certificate version: 1",
        f"  Issued to: {_common_name(request.subject)}",
        "  Subject:",
        f"    {titled_name(request.subject)}",
        "  Subject string:",
        f"    {subject_string(request.subject)}",
        f"  Alternate subject: {alternate_text(request)}",
        f"  Public key algorithm: {key_text(key)}",
        *(f"    {row}" for row in hex_rows(key_bytes(key))),
        "  Fingerprint:",
    ]
    return lines + [f"    {digests[name].hex(':')} ({name})" for name in _SHOWN_DIGESTS]


def fingerprint_rows(data_der: bytes) -> list[str]:
    """``48:ad:… (sha1)`` and ``cc:19:… (md5)``."""
    return [f"{fingerprint(data_der, name)} ({name})" for name in _SHOWN_DIGESTS]


def fingerprint(data_der: bytes, algorithm: str) -> str:
    """Fingerprint as the box shows it. ``algorithm``: ``sha1`` or ``md5``."""
    # What the box shows; whether a CA is trusted is decided elsewhere.
    return hashlib.new(algorithm, data_der, usedforsecurity=False).digest().hex(":")


def serial_text(certificate: x509.Certificate) -> str:
    """Serial number: whole bytes in hexadecimal, at least four of them."""
    digits = f"{certificate.serial_number:x}"
    return digits.zfill(max(8, len(digits) + len(digits) % 2))


def titled_name(name: x509.Name) -> str:
    """``Organization: juniper, Country: us, Common name: Root``: in the box's order."""
    return ", ".join(
        f"{title}: {attribute.value!s}"
        for oid, title in _TITLES.items()
        for attribute in name.get_attributes_for_oid(oid)
    )


def subject_string(name: x509.Name) -> str:
    """``CN=local, O=juniper``: most specific first."""
    return ", ".join(f"{_short(part)}={part.value!s}" for part in _parts(name))


def spaced_name(name: x509.Name) -> str:
    """``C = us, O = juniper, CN = Root``: as the name is encoded."""
    return ", ".join(f"{_short(part)} = {part.value!s}" for rdn in name.rdns for part in rdn)


def _parts(name: x509.Name) -> Iterator[x509.NameAttribute[str | bytes]]:
    for rdn in reversed(name.rdns):
        yield from rdn


def _short(part: x509.NameAttribute[str | bytes]) -> str:
    return _SHORT.get(part.oid, part.oid.dotted_string)


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else subject_string(name)


def alternate_text(holder: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """``"mail", fqdn, ipv4 empty, ipv6 empty``."""
    try:
        names = holder.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return "email empty, fqdn empty, ipv4 empty, ipv6 empty"
    mails = names.get_values_for_type(x509.RFC822Name)
    hosts = names.get_values_for_type(x509.DNSName)
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return ", ".join(
        (
            f'"{mails[0]}"' if mails else "email empty",
            hosts[0] if hosts else "fqdn empty",
            next((text for text in addresses if ":" not in text), "ipv4 empty"),
            next((text for text in addresses if ":" in text), "ipv6 empty"),
        )
    )


def _validity(certificate: x509.Certificate) -> list[str]:
    return [
        "  Validity:",
        f"    Not before: {validity_text(certificate.not_valid_before_utc)}",
        f"    Not after: {validity_text(certificate.not_valid_after_utc)}",
    ]


def key_text(key: PublicKeyTypes) -> str:
    """``rsaEncryption(2048 bits)``."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"rsaEncryption({key.key_size} bits)"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ecdsaEncryption({key.key_size} bits)"
    return "unknown"


def key_bytes(key: PublicKeyTypes) -> bytes:
    """The public key as the box dumps it: RSAPublicKey DER, or a curve's point."""
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def hex_rows(data: bytes) -> list[str]:
    """Colon-separated bytes, twenty a line, without a colon at the end of a line."""
    starts = range(0, len(data), _BYTES_A_LINE)
    return [data[start : start + _BYTES_A_LINE].hex(":") for start in starts]


def signature_text(certificate: x509.Certificate) -> str:
    """``sha256WithRSAEncryption``."""
    digest = certificate.signature_hash_algorithm
    name = digest.name if digest else "null"
    is_ec = certificate.signature_algorithm_oid.dotted_string.startswith("1.2.840.10045.")
    return f"ecdsa-with-{name.upper()}" if is_ec else f"{name}WithRSAEncryption"


def _distribution_points(certificate: x509.Certificate) -> list[str]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return []
    names = [name for point in points for name in point.full_name or []]
    return [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]


def _responders(certificate: x509.Certificate) -> list[str]:
    try:
        access = certificate.extensions.get_extension_for_class(
            x509.AuthorityInformationAccess
        ).value
    except x509.ExtensionNotFound:
        return []
    return [
        entry.access_location.value
        for entry in access
        if entry.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(entry.access_location, x509.UniformResourceIdentifier)
    ]


def _uses(certificate: x509.Certificate) -> list[str]:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return []
    return [text for field, text in _USES if getattr(usage, field)]
