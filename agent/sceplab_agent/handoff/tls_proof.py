"""A TLS handshake in memory with the files a consumer reads: the key signs, the chain is followed.

The other end is made for the occasion. It trusts the anchor alone and OpenSSL looks at purpose and
validity, by the real clock.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from sceplab_agent.handoff.purposes import Purpose
from sceplab_agent.handoff.usage_checks import check_purpose

_MOST_ROUNDS = 20
_PEER_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "handshake in memory")])


class HandshakeError(Exception):
    """The other end refused the certificate, or the files do not make a handshake."""


def role_of(certificate: x509.Certificate, chain: Sequence[x509.Certificate]) -> Purpose | None:
    """How the certificate may show itself in TLS: as a client, else as a server, else not at all.

    Args:
        certificate: the one to show.
        chain: CA certificates from the issuer up to the anchor.
    """
    for purpose in (Purpose.TLS_CLIENT, Purpose.TLS_SERVER):
        found = check_purpose(certificate, chain, purpose, certificate.not_valid_before_utc)
        if not {mismatch.what for mismatch in found} & {"extendedKeyUsage", "keyUsage"}:
            return purpose
    return None


def prove_handshake(fullchain: Path, key: Path, anchor: x509.Certificate, *, role: Purpose) -> str:
    """Shakes hands with the files; says with which protocol and suite.

    Args:
        fullchain: PEM file, certificate first.
        key: PEM file, not encrypted.
        anchor: what the other end trusts.
        role: `Purpose.TLS_CLIENT` or `Purpose.TLS_SERVER`.

    Raises:
        HandshakeError: refused; the message says why.
        OSError: a file cannot be read.
    """
    is_server = role is Purpose.TLS_SERVER
    try:
        ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
        ours.load_cert_chain(fullchain, key)
        theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if is_server else ssl.PROTOCOL_TLS_SERVER)
        theirs.check_hostname = False
        theirs.verify_mode = ssl.CERT_REQUIRED
        # A pinned CA need not be self-signed.
        theirs.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        theirs.load_verify_locations(cadata=anchor.public_bytes(Encoding.DER))
        if not is_server:
            ours.load_verify_locations(cadata=_give_credentials(theirs))
            ours.check_hostname = False
        return _shake(ours, theirs, is_server=is_server)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or "malformed files"
        raise HandshakeError(f"the TLS handshake failed: {reason}") from error


def _shake(ours: ssl.SSLContext, theirs: ssl.SSLContext, *, is_server: bool) -> str:
    to_us, to_them = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        ours.wrap_bio(to_us, to_them, server_side=is_server),
        theirs.wrap_bio(to_them, to_us, server_side=not is_server),
    ]
    waiting = list(ends)
    for _ in range(_MOST_ROUNDS):
        for end in tuple(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
        if not waiting:
            suite = ends[1].cipher()
            return f"{ends[1].version()} {suite[0] if suite else ''}".strip()
    raise HandshakeError("the TLS handshake did not end")


def _give_credentials(context: ssl.SSLContext) -> bytes:
    """A key and a self-signed certificate for the other end; gives the certificate, DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_PEER_NAME)
        .issuer_name(_PEER_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    with tempfile.TemporaryDirectory() as folder:
        # This interface takes files only; the key ends with the handshake.
        path = Path(folder) / "peer.pem"
        path.write_bytes(
            certificate.public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        context.load_cert_chain(path)
    return certificate.public_bytes(Encoding.DER)
