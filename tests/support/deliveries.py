"""Certificates of every kind a consumer may meet, and deliveries of them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from sceplab_agent.handoff.api import Delivery
from sceplab_scep.certificates import signing_key
from tests.support.pki import LocalKey, der, ec_key, key_usage, name, rsa_key

SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
DNS = x509.DNSName("router1.example.test")


def present() -> datetime:
    """The real time: what is proved by TLS or by OpenSSL has no other."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a certificate is to be like; the default is a device's that serves for TLS."""

    subject: str = "CN=router1,O=Example"
    purposes: tuple[x509.ObjectIdentifier, ...] = (SERVER, CLIENT)
    uses: tuple[str, ...] = ("digital_signature", "key_encipherment")
    names: tuple[x509.GeneralName, ...] = (DNS,)
    key: LocalKey | None = None
    is_ca: bool = False
    path_length: int | None = None
    starts_in: timedelta = timedelta(days=-1)
    lifetime: timedelta = timedelta(days=30)
    critical: str = ""
    """Object identifier of a critical extension that nobody knows."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: LocalKey

    def issue(self, wish: Wish | None = None) -> Holder:
        """A certificate of this one."""
        wish = wish or Wish()
        key = wish.key or rsa_key("device")
        return Holder(_issue(wish, key, self.certificate.subject, self.key), key)


CA_WISH = Wish(
    subject="CN=Test CA", purposes=(), uses=("key_cert_sign", "crl_sign"), names=(), is_ca=True
)


@functools.cache
def root() -> Holder:
    """The CA of the tests."""
    key = ec_key("handoff root")
    return Holder(_issue(CA_WISH, key, name("CN=Test CA"), key), key)


def deliver(
    holder: Holder,
    chain: Sequence[x509.Certificate] | None = None,
    *,
    generation: int = 1,
    key_leaves: bool = True,
) -> Delivery:
    """A delivery of a certificate; without a chain: issued by `root`."""
    authorities = [root().certificate] if chain is None else chain
    return Delivery(
        trustpoint="lab",
        generation=generation,
        certificate_der=der(holder.certificate),
        chain_der=tuple(der(authority) for authority in authorities),
        key_uri="soft:keys#lab",
        key_pem=(lambda: holder.key.pem) if key_leaves else None,
    )


@functools.cache
def generation(number: int) -> Delivery:
    """The delivery of that number, with a key of its own."""
    key = ec_key(f"generation {number}")
    return deliver(root().issue(Wish(key=key)), generation=number)


def pem_of(folder: Path, file: str, *certificates: x509.Certificate) -> Path:
    """Writes certificates as PEM."""
    from tests.support.pki import pem

    path = folder / file
    path.write_bytes(b"".join(pem(certificate) for certificate in certificates))
    return path


def _issue(wish: Wish, key: LocalKey, issuer: x509.Name, issuer_key: LocalKey) -> x509.Certificate:
    starts_at = present() + wish.starts_in
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(wish.subject))
        .issuer_name(issuer)
        .public_key(key.public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts_at)
        .not_valid_after(starts_at + wish.lifetime)
        .add_extension(x509.BasicConstraints(wish.is_ca, wish.path_length), critical=True)
    )
    if wish.uses:
        builder = builder.add_extension(key_usage(*wish.uses), critical=True)
    if wish.purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(wish.purposes), critical=False)
    if wish.names:
        names = x509.SubjectAlternativeName(wish.names)
        builder = builder.add_extension(names, critical=not wish.subject)
    if wish.critical:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier(wish.critical), b"\5\0")
        builder = builder.add_extension(unknown, critical=True)
    return builder.sign(signing_key(issuer_key), hashes.SHA256())
