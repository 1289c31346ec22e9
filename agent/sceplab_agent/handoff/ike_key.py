"""The private key of a delivery, loaded into strongSwan's daemon: a file's, or a token's.

A key in a token stays there. The daemon finds it by ``CKA_ID``, through a module of its own
configuration; p11-kit's client module with a `p11-kit server` behind it fits every token.

Spec: keystores-and-handoff 6.2, 6.4.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509

from sceplab_agent.handoff.api import Delivery
from sceplab_agent.handoff.ike_daemon import IkeDaemon, IkeDaemonError
from sceplab_hsm.errors import KeyStoreError
from sceplab_hsm.pkcs11.uri import Pkcs11Uri
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
from sceplab_hsm.uri import scheme_of, split_key_uri


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeToken:
    """Where the daemon sees the token."""

    module: str = ""
    """Name of the PKCS#11 module in the daemon's configuration; empty: any."""
    slot: int | None = None
    """Of that module; ``None``: any."""


def key_identifier(certificate_der: bytes) -> str:
    """What the daemon calls the certificate's key: SHA-1 of the public key, in hexadecimal."""
    certificate = x509.load_der_x509_certificate(certificate_der)
    return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest.hex()


def require_way(delivery: Delivery) -> None:
    """Makes sure that the key can get to the daemon, or the daemon to the key.

    Raises:
        IkeDaemonError: neither; the text says what to do.
    """
    if delivery.key_pem is None and scheme_of(delivery.key_uri) != "pkcs11":
        raise IkeDaemonError(
            "the key neither leaves its store nor is in a PKCS#11 token; put it into one, for a "
            "TPM into tpm2-pkcs11 behind `p11-kit server`",
            may_pass=False,
        )


def load_key(daemon: IkeDaemon, delivery: Delivery, token: IkeToken) -> None:
    """Has the daemon load the key.

    Raises:
        IkeDaemonError: it does not, or what it found is another key than the certificate's.
        KeyStoreError: the token cannot be asked for its identifier of the key.
    """
    if scheme_of(delivery.key_uri) == "pkcs11":
        secret = delivery.key_secret() if delivery.key_secret is not None else Secret("")
        handle = _cka_id(delivery.key_uri, secret).hex()
        loaded = daemon.load_token(
            handle, module=token.module, slot=token.slot, pin=secret.reveal()
        )
    else:
        require_way(delivery)
        assert delivery.key_pem is not None
        loaded = daemon.load_key(delivery.key_pem())
    expected = key_identifier(delivery.certificate_der)
    if loaded != expected:
        daemon.unload_key(loaded)
        raise IkeDaemonError(
            f"the key at {delivery.key_uri} is not the certificate's ({loaded}, not {expected})",
            may_pass=False,
        )


def _cka_id(key_uri: str, secret: Secret) -> bytes:
    """The identifier in the URI, or else the token's."""
    store_uri, name = split_key_uri(key_uri)
    written = Pkcs11Uri.parse(store_uri).cka_id
    if written is not None:
        return written
    if name is None:
        raise IkeDaemonError(f"{key_uri} names no key; add object= or id=", may_pass=False)
    store = open_key_store(store_uri, lambda _: secret)
    try:
        identifier = getattr(store.get(name), "cka_id", None)
    finally:
        store.close()
    if not isinstance(identifier, bytes) or not identifier:
        raise KeyStoreError(f"key '{name}' has no CKA_ID; the IKE daemon cannot find it")
    return identifier
