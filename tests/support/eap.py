"""Credentials and ends of EAP-TLS for tests; valid now, as OpenSSL looks at the clock."""

from __future__ import annotations

import functools
import ssl
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from sceplab_agent.eap.authenticator import Authenticator
from sceplab_agent.eap.supplicant import Supplicant
from sceplab_agent.eap.tls_method import Credentials
from tests.support.pki import LocalKey, issue, pem, rsa_key


def _issue(
    subject: str, key: LocalKey, ca: str, *, purpose: x509.ObjectIdentifier | None
) -> x509.Certificate:
    return issue(
        subject, key, f"CN=EAP {ca}", rsa_key(f"eap-ca-{ca}"),
        is_ca=purpose is None,
        uses=("key_cert_sign",) if purpose is None else ("digital_signature", "key_encipherment"),
        purposes=(purpose,) if purpose else (),
        starts_at=datetime.now(UTC) - timedelta(hours=1),
    )  # fmt: skip


@functools.cache
def ca_certificate(ca: str) -> x509.Certificate:
    """A CA of tests."""
    return _issue(f"CN=EAP {ca}", rsa_key(f"eap-ca-{ca}"), ca, purpose=None)


@functools.cache
def _credentials(subject: str, ca: str, purpose: x509.ObjectIdentifier, extra: int) -> Credentials:
    key = rsa_key(f"eap-{subject}")
    certificate = _issue(subject, key, ca, purpose=purpose)
    return Credentials(
        certificate_pem=pem(certificate) + pem(ca_certificate(ca)) * extra,
        key_pem=key.pem,
        trusted_pem=pem(ca_certificate("lab")),
    )


def client_credentials(
    *,
    ca: str = "lab",
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    extra: int = 0,
) -> Credentials:
    """Of a device; ``extra`` more certificates make its messages longer."""
    return _credentials("CN=router1.example.com", ca, purpose, extra)


def server_credentials(
    *,
    ca: str = "lab",
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    extra: int = 0,
) -> Credentials:
    """Of a switch port."""
    return _credentials("CN=port.example.com", ca, purpose, extra)


@functools.cache
def _context(credentials: Credentials, *, server_side: bool) -> ssl.SSLContext:
    return credentials.context(server_side=server_side)


def make_pair(
    client: Credentials | None = None, server: Credentials | None = None
) -> tuple[Supplicant, Authenticator]:
    """Two ends that have not begun, both trusting the CA ``lab``."""
    client, server = client or client_credentials(), server or server_credentials()
    return (
        Supplicant(_context(client, server_side=False), identity="router1.example.com"),
        Authenticator(_context(server, server_side=True)),
    )
