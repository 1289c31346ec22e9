"""Local certificates: what their entries mean to the enrollment engine, and what it says of them.

Each entry of ``vpn certificate local`` is one trustpoint of its name, with a key pair of its name.
The CA is trusted by the SHA-256 fingerprint of the CA certificate that was imported from the same
URL; where none was, on first use.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from sceplab_devices.api import TrustpointSettings
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.fortinet_fortios import hidden
from sceplab_devices.profiles.fortinet_fortios.configuration import Entry, Words
from sceplab_devices.profiles.fortinet_fortios.pem import (
    certificate_pem,
    read_certificate,
    request_pem,
)

if TYPE_CHECKING:
    from sceplab_devices.profiles.fortinet_fortios.box import FortiGate

logger = logging.getLogger(__name__)

LOCAL, AUTHORITIES = "vpn certificate local", "vpn certificate ca"
_EARLIEST_SHARE = 0.05
"""Of the lifetime: a certificate is used at least this long before its renewal."""
_STRANGE_KEY = "the private key is of an unknown kind"
_RETRY_S, _RETRIES = 60.0, 10_000
_AT_REST = ("CONFIGURED", "FAILED")
"""States in which nothing of an enrollment goes on by itself."""
_CURVES = {"secp256r1": "p256", "secp384r1": "p384", "secp521r1": "p521"}


class CertificateError(Exception):
    """A typed certificate or key cannot be taken; the text says why."""


def ca_for(device: FortiGate, url: str, identifier: str) -> bytes | None:
    """CA certificate (DER) that was imported from a URL.

    Without an identifier the one that was imported without, else the first from there.
    """
    entries = device.config.rows(AUTHORITIES).values()
    there = [entry for entry in entries if entry.text("scep-url") == url]
    named = [entry for entry in there if entry.text("ca-identifier") == identifier]
    for entry in named or ([] if identifier else there):
        certificate = read_certificate(entry.text("ca"))
        if certificate is not None:
            return certificate.public_bytes(Encoding.DER)
    return None


def settings_of(device: FortiGate, name: str, entry: Entry) -> TrustpointSettings:
    """The trustpoint that an entry means."""
    url, identifier = entry.text("scep-url"), entry.text("ca-identifier")
    authority = ca_for(device, url, identifier) if url else None
    names = [_split_name(text) for text in entry.text("request-names").split()]
    return TrustpointSettings(
        name=name,
        url=url,
        pin_hex=hashlib.sha256(authority).hexdigest() if authority else "",
        pin_algorithm="sha256" if authority else "",
        key_label=name,
        key_algorithm=entry.text("request-key") or "rsa:2048",
        subject=entry.text("request-subject") or f"CN={device.hostname}",
        dns_names=tuple(text for kind, text in names if kind == "DNS"),
        emails=tuple(text for kind, text in names if kind == "email"),
        ip_addresses=tuple(text for kind, text in names if kind == "IP"),
        retry_period_s=_RETRY_S,
        retry_count=_RETRIES,
        auto_renew_share=_renewal_share(device, name, entry),
        new_key_on_renewal=entry.text("private-key-retain") != "enable",
        ca_identifier=identifier,
        challenge=hidden.reveal(entry.text("scep-password")),
    )


def request_name(typed: str) -> str:
    """A name of the ``san`` argument as the entry keeps it; empty: it is none.

    ``DNS:`` and ``IP:`` are documented (D), ``email:`` is U; without a word it is a DNS name.
    """
    kind, text = _split_name(typed)
    try:
        if kind == "IP":
            ip_address(text)
        elif kind == "email":
            x509.RFC822Name(text)
        elif not x509.DNSName(text).value or ":" in text:
            return ""
    except ValueError:
        return ""
    return text if kind == "DNS" else f"{kind}:{text}"


def _split_name(text: str) -> tuple[str, str]:
    """What kind of name it is, and the name."""
    word, colon, rest = text.partition(":")
    for kind in ("DNS", "IP", "email"):
        if colon and word.lower() == kind.lower():
            return kind, rest
    return "DNS", text


def _renewal_share(device: FortiGate, name: str, entry: Entry) -> float | None:
    """Share of the certificate's lifetime at which ``auto-regenerate-days`` are left."""
    days = int(entry.text("auto-regenerate-days") or "0")
    der = device.port.view(name).certificate_der
    if not days or der is None or not entry.text("scep-url"):
        return None
    certificate = x509.load_der_x509_certificate(der)
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return max(1.0 - timedelta(days=days) / lifetime, _EARLIEST_SHARE)


def configure(device: FortiGate, name: str) -> bool:
    """Tells the engine of an entry; false when it cannot work with it."""
    entry = device.config.entry(LOCAL, name)
    if entry is None:
        return False
    try:
        device.port.configure(settings_of(device, name, entry))
    except (DeviceError, ValueError) as error:
        logger.warning("%s: certificate %s: %s", device.hostname, name, error)
        return False
    return True


def enroll(device: FortiGate, name: str) -> None:
    """Asks the CA for the entry's certificate, after fetching the CA's own."""
    device.waits_for_ca.add(name)
    device.port.authenticate(name)


def enroll_again(device: FortiGate, name: str) -> None:
    """A saved entry whose enrollment came to nothing tries again."""
    entry = device.config.entry(LOCAL, name)
    view = device.port.view(name)
    is_idle = view.certificate_der is None and view.pending_csr_der is None
    is_at_rest = name not in device.waits_for_ca and view.state in _AT_REST
    has_stopped = name in device.failed_requests or is_at_rest
    if entry is not None and entry.text("scep-url") and is_idle and has_stopped:
        device.failed_requests.discard(name)
        enroll(device, name)


def forget(device: FortiGate, name: str) -> None:
    """The entry was deleted: its key pair and its certificate go too."""
    device.waits_for_ca.discard(name)
    device.failed_requests.discard(name)
    device.requests.pop(name, None)
    device.port.remove(name)
    try:
        device.port.delete_key(name)
    except DeviceError as error:
        logger.warning("%s: key pair %s stays: %s", device.hostname, name, error)


def live_values(device: FortiGate, name: str) -> dict[str, Words]:
    """Key, certificate, request and state as the engine has them."""
    view = device.port.view(name)
    values: dict[str, Words] = {}
    pairs = device.port.keys()
    place = next((key.storage for key in pairs if key.label == name), "")
    if place:
        words = device.profile.data["key_places"].get(place, place)
        values["private-key"] = (device.profile.text("certificate.private_key", place=words),)
    request = view.pending_csr_der or device.requests.get(name)
    if view.certificate_der:
        values["certificate"] = (certificate_pem(view.certificate_der),)
    elif request:
        values["csr"] = (request_pem(request),)
    state = "ok" if view.certificate_der else "pending" if request or place else "none"
    values["state"] = (device.profile.text(f"certificate.state_{state}"),)
    return values


def take_typed(device: FortiGate, name: str, entry: Entry) -> None:
    """Gives a typed certificate, and a typed private key, to the engine.

    Raises:
        CertificateError: they cannot be taken.
    """
    live = live_values(device, name)
    typed = {key: entry.values.pop(key, ()) for key in ("private-key", "certificate", "csr")}
    key_pem, certificate_text = ("".join(typed[key]) for key in ("private-key", "certificate"))
    if (key_pem,) == live.get("private-key"):
        key_pem = ""
    if (certificate_text,) == live.get("certificate"):
        certificate_text = ""
    if not certificate_text:
        if key_pem:
            raise CertificateError("a private key comes with its certificate")
        return
    certificate = read_certificate(certificate_text)
    if certificate is None:
        raise CertificateError("no certificate")
    try:
        if key_pem:
            _take_pair(device, name, entry, key_pem, certificate)
        else:
            _take_answer(device, name, certificate)
    except (DeviceError, ValueError) as error:
        raise CertificateError(str(error)) from error
    device.requests.pop(name, None)


def _take_answer(device: FortiGate, name: str, certificate: x509.Certificate) -> None:
    """The CA's answer to a request that was carried to it."""
    if not device.port.view(name).ca_certificates_der:
        issuer = issuer_of(device, certificate)
        if issuer is not None:
            device.port.import_ca(name, [issuer.public_bytes(Encoding.DER)])
    device.port.import_certificate(name, certificate.public_bytes(Encoding.DER))


def _take_pair(
    device: FortiGate, name: str, entry: Entry, key_pem: str, certificate: x509.Certificate
) -> None:
    """A key pair and its certificate from outside."""
    secret = hidden.reveal(entry.text("password"))
    try:
        key = load_pem_private_key(key_pem.encode(), secret.encode() or None)
    except TypeError as error:
        raise CertificateError("the password does not fit the private key") from error
    except UnsupportedAlgorithm as error:
        raise CertificateError(_STRANGE_KEY) from error
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise CertificateError(_STRANGE_KEY)
    if key.public_key() != certificate.public_key():
        raise CertificateError("the certificate is for another key")
    if isinstance(key, RSAPrivateKey):
        entry.values["request-key"] = (f"rsa:{key.key_size}",)
    else:
        entry.values["request-key"] = (f"ec:{_CURVES.get(key.curve.name, key.curve.name)}",)
    entry.values["request-subject"] = (certificate.subject.rfc4514_string(),)
    issuer = issuer_of(device, certificate)
    passphrase = secrets.token_hex(16)
    bundle = serialize_key_and_certificates(
        name.encode(), key, certificate, [issuer] if issuer else None,
        BestAvailableEncryption(passphrase.encode()),
    )  # fmt: skip
    device.port.configure(settings_of(device, name, entry))
    device.port.import_pkcs12(name, bundle, passphrase, key_label=name, exportable=False)


def issuer_of(device: FortiGate, certificate: x509.Certificate) -> x509.Certificate | None:
    """The CA certificate of the box that signed this one."""
    for entry in device.config.rows(AUTHORITIES).values():
        candidate = read_certificate(entry.text("ca"))
        if candidate is not None and is_signed_by(certificate, candidate):
            return candidate
    return None


def is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether the signature of a certificate is the authority's."""
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # foreign certificates fail in many ways: name, key kind, signature, digest
        return False
    return True
