"""A CA of real certificates whose end is near, and the one it vouches for."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sceplab_agent.core import events as ev
from sceplab_scep.capabilities import Capabilities
from sceplab_scep.next_ca import build_next_ca
from tests.support.core import FULL, T0, Pki

ENDING = Pki(name="ending", valid_to=T0 + timedelta(days=200))
FOLLOWING = Pki(name="following")
STRANGER = Pki(name="two", ra="b")


@dataclass(frozen=True)
class PlainSigner:
    """Signs with a key in memory."""

    key: rsa.RSAPrivateKey

    @property
    def public_key(self) -> rsa.RSAPublicKey:
        """Public half of the key."""
        return self.key.public_key()

    def sign(self, data: bytes, hash_algorithm: hashes.HashAlgorithm) -> bytes:
        """PKCS#1 v1.5."""
        return self.key.sign(data, padding.PKCS1v15(), hash_algorithm)


@functools.cache
def next_ca_received(
    signer: Pki = ENDING, following: Pki = FOLLOWING, capabilities: Capabilities = FULL
) -> ev.NextCaReceived:
    """The answer to GetNextCACert in which one CA names another."""
    body = build_next_ca(
        [x509.load_der_x509_certificate(der) for der in following.bundle],
        signer=PlainSigner(signer.key),
        signer_certificate=signer.certificate,
    )
    return ev.NextCaReceived(body=body, capabilities=capabilities)
