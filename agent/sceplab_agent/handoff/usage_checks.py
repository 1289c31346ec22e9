"""Holds an issued certificate against what its consumer needs, before anything is replaced.

`check_purpose` is a pure function; every `HandOff.prepare` calls `require_purpose`. It finds what
makes a consumer refuse, not what a careful CA would do better, and it looks at no revocation.

Spec: feature rows K1 to K9; RFC 5280 §4.2, §6.1 in part; the sources in `purposes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID

from sceplab_agent.config_table import ConfigTable
from sceplab_agent.errors import HandOffError
from sceplab_agent.handoff.api import Delivery
from sceplab_agent.handoff.purposes import ANY_PURPOSE, DEMANDS, PURPOSE_NAMES, Identity, Purpose
from sceplab_scep.algorithms import Floor
from sceplab_scep.chains import find_path, is_valid_at
from sceplab_scep.key_usage import usage_names

SKEW_S = 300.0
_LEAST_RSA_BITS = 2048
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """One thing a consumer would stumble over."""

    what: str
    """What is looked at: ``extendedKeyUsage``, ``keyUsage``, ``identity``, ``validity``,
    ``chain``, ``key``, ``critical``."""
    found: str
    """What is wrong, for a person."""
    source: str
    """Who says so, for example ``RFC 8446 §4.4.2.2``."""
    next_step: str
    """What to change."""

    def __str__(self) -> str:
        return f"{self.found} ({self.source}); {self.next_step}"


def check_purpose(
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    purpose: Purpose,
    now: datetime,
    *,
    skew_s: float = SKEW_S,
) -> list[Mismatch]:
    """Everything that would make a consumer of this purpose refuse the certificate.

    Args:
        certificate: the issued one.
        chain: CA certificates from the issuer up to the anchor.
        purpose: what it is for.
        now: aware UTC.
        skew_s: how far clocks may be apart, seconds.
    """
    for number, one in enumerate((certificate, *chain)):
        if not _is_readable(one):
            who = "CA certificate" if number else "certificate"
            return [
                Mismatch(
                    what="critical",
                    found=f"a name, a moment, an extension or the key of the {who} is malformed",
                    source="RFC 5280 §4",
                    next_step="look at it with: openssl x509 -text, and correct the template",
                )
            ]
    return [
        *_check_extended_usage(certificate, purpose),
        *_check_usage(certificate, purpose),
        *_check_identity(certificate, purpose),
        *_check_key(certificate),
        *_check_critical(certificate),
        *_check_validity(certificate, chain, now, skew_s),
        *_check_chain(certificate, chain, purpose),
    ]


def require_purpose(
    handoff: str, delivery: Delivery, purpose: Purpose | None, now: datetime
) -> None:
    """Refuses a delivery whose certificate its consumer could not use.

    Args:
        handoff: its name.
        delivery: what is delivered.
        purpose: ``None``: nothing is looked at.
        now: aware UTC.

    Raises:
        HandOffError: all that is wrong. It passes by itself only where nothing but the clock is.
    """
    if purpose is None:
        return
    try:
        certificate, *chain = (
            x509.load_der_x509_certificate(der)
            for der in (delivery.certificate_der, *delivery.chain_der)
        )
    except (ValueError, x509.InvalidVersion) as error:
        raise HandOffError(handoff, "a certificate cannot be read", may_pass=False) from error
    found = check_purpose(certificate, chain, purpose, now)
    if found:
        text = "; ".join(f"{number}. {mismatch}" for number, mismatch in enumerate(found, start=1))
        raise HandOffError(
            handoff,
            f"the certificate does not serve {purpose.value}; nothing was replaced: {text}",
            may_pass=all(mismatch.what == "validity" for mismatch in found),
        )


def read_purpose(table: ConfigTable) -> Purpose | None:
    """Reads the key ``purpose`` of a hand-off's table; ``None``: it has none."""
    if "purpose" not in table:
        return None
    return table.choice("purpose", Purpose.TLS_CLIENT)


def _is_readable(certificate: x509.Certificate) -> bool:
    """Whether all that is looked at here can be parsed; the library parses late."""
    try:
        certificate.public_key()
        parts = (
            certificate.extensions,
            certificate.subject,
            certificate.issuer,
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
        )
    except _UNREADABLE:
        return False
    return all(part is not None for part in parts)


def _check_extended_usage(certificate: x509.Certificate, purpose: Purpose) -> list[Mismatch]:
    demand = DEMANDS[purpose]
    allowed = {*demand.purposes, ANY_PURPOSE}
    granted = _extended_usages(certificate)
    if granted is None or allowed & granted:
        return []
    names = sorted(PURPOSE_NAMES.get(oid, oid.dotted_string) for oid in granted)
    wanted = " or ".join(PURPOSE_NAMES[oid] for oid in demand.purposes)
    return [
        Mismatch(
            what="extendedKeyUsage",
            found=f"extended key usage is {', '.join(names)} and not {wanted}",
            source=demand.purposes_source,
            next_step=f"have the CA issue from another template: {demand.template}",
        )
    ]


def _check_usage(certificate: x509.Certificate, purpose: Purpose) -> list[Mismatch]:
    demand = DEMANDS[purpose]
    granted = set(usage_names(certificate))
    if not granted or granted & demand.usages:
        return []
    return [
        Mismatch(
            what="keyUsage",
            found=f"key usage is {', '.join(sorted(granted))} and lacks digitalSignature",
            source=demand.usages_source,
            next_step='set key_usage = "signature" or "both" in the trustpoint, or have the '
            "template allow signatures",
        )
    ]


def _check_identity(certificate: x509.Certificate, purpose: Purpose) -> list[Mismatch]:
    demand = DEMANDS[purpose]
    if _has_identity(certificate, demand.identity):
        return []
    return [
        Mismatch(
            what="identity",
            found=f"it does not carry {demand.identity.value}",
            source=demand.identity_source,
            next_step=f"set {demand.names} in the trustpoint and have the template take names "
            "from the request (Supply in the request)",
        )
    ]


def _has_identity(certificate: x509.Certificate, identity: Identity) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    if identity is Identity.ANY:
        return bool(list(certificate.subject)) or bool(list(names))
    if identity is Identity.HOST:
        return any(isinstance(name, (x509.DNSName, x509.IPAddress)) for name in names)
    in_subject = certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)
    return bool(in_subject) or any(isinstance(name, x509.RFC822Name) for name in names)


def _check_key(certificate: x509.Certificate) -> list[Mismatch]:
    key = certificate.public_key()
    if isinstance(key, RSAPublicKey):
        is_usable, found = key.key_size >= _LEAST_RSA_BITS, f"RSA of {key.key_size} bits"
    elif isinstance(key, EllipticCurvePublicKey):
        is_usable, found = key.curve.name in _CURVES, f"on curve {key.curve.name}"
    else:
        is_usable, found = False, "neither RSA nor on a NIST curve"
    if is_usable:
        return []
    return [
        Mismatch(
            what="key",
            found=f"the key is {found}, which peers refuse",
            source="NIST SP 800-131A, RFC 8446 §4.2.3",
            next_step='set key.algorithm to "rsa:2048" or more, or to "ec:p256", and enroll again',
        )
    ]


def _check_critical(certificate: x509.Certificate) -> list[Mismatch]:
    unknown = [
        extension.oid.dotted_string
        for extension in certificate.extensions
        if extension.critical and isinstance(extension.value, x509.UnrecognizedExtension)
    ]
    if not unknown:
        return []
    return [
        Mismatch(
            what="critical",
            found=f"it has critical extensions that nobody knows: {', '.join(unknown)}",
            source="RFC 5280 §4.2",
            next_step="take them out of the template, or make them not critical",
        )
    ]


def _check_validity(
    certificate: x509.Certificate, chain: Sequence[x509.Certificate], now: datetime, skew_s: float
) -> list[Mismatch]:
    found = []
    for number, one in enumerate((certificate, *chain)):
        if is_valid_at(one, now, skew_s):
            continue
        who = "CA certificate" if number else "certificate"
        start, end = one.not_valid_before_utc, one.not_valid_after_utc
        is_early = now < start
        wrong = f"begins at {start:%Y-%m-%d %H:%M:%S}" if is_early else f"ended at {end:%Y-%m-%d}"
        found.append(
            Mismatch(
                what="validity",
                found=f"the {who} {wrong} and the clock says {now:%Y-%m-%d %H:%M:%S} UTC",
                source="RFC 5280 §4.1.2.5",
                next_step="set the clock" if is_early else f"renew the {who}, or set the clock",
            )
        )
    return found


def _check_chain(
    certificate: x509.Certificate, chain: Sequence[x509.Certificate], purpose: Purpose
) -> list[Mismatch]:
    path = find_path(certificate, chain[:-1], chain[-1], Floor.LAB) if chain else None
    if path is None:
        found = "it does not chain to the pinned CA certificate"
        step = "have the CA send its whole chain, or pin the CA that issues now"
        return [Mismatch(what="chain", found=found, source="RFC 5280 §6.1", next_step=step)]
    return [
        Mismatch(
            what="chain",
            found=f"the CA certificate {authority.subject.rfc4514_string()!r} {wrong}",
            source="RFC 5280 §6.1.4",
            next_step="have the CA's administrator correct it; no request can",
        )
        for below, authority in enumerate(path)
        for wrong in _authority_faults(authority, below, purpose)
    ]


def _authority_faults(authority: x509.Certificate, below: int, purpose: Purpose) -> list[str]:
    """What keeps a CA certificate with so many CA certificates below it from vouching."""
    faults = []
    try:
        constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = None
    if constraints is not None and not constraints.ca:
        faults.append("is no CA's")
    longest = constraints.path_length if constraints is not None else None
    if longest is not None and below > longest:
        faults.append(f"allows {longest} CAs below it and has {below}")
    usages = usage_names(authority)
    if usages and "keyCertSign" not in usages:
        faults.append("may not sign certificates (key usage lacks keyCertSign)")
    granted = _extended_usages(authority)
    if granted is not None and not {*DEMANDS[purpose].purposes, ANY_PURPOSE} & granted:
        faults.append(f"is limited to other purposes than {purpose.value}")
    return faults


def _extended_usages(certificate: x509.Certificate) -> set[x509.ObjectIdentifier] | None:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return None
