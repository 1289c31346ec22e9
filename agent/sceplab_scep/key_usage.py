"""What a key is for: asked for in a request, read back from a certificate.

Spec: RFC 5280 §4.2.1.3; NDES 6.2.
"""

from __future__ import annotations

import enum

from cryptography import x509

from sceplab_scep.errors import MalformedMessageError
from sceplab_scep.x509fields import read_extension

_NAMES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}


class KeyUse(enum.Enum):
    """What a certificate is wanted for. The value is what configuration files write."""

    SIGNATURE = "signature"
    ENCRYPTION = "encryption"
    BOTH = "both"

    @property
    def names(self) -> frozenset[str]:
        """The bits, as RFC 5280 spells them."""
        return _BITS[self]


_BITS = {
    KeyUse.SIGNATURE: frozenset({"digitalSignature"}),
    KeyUse.ENCRYPTION: frozenset({"keyEncipherment"}),
    KeyUse.BOTH: frozenset({"digitalSignature", "keyEncipherment"}),
}


def usage_extension(use: KeyUse) -> x509.KeyUsage:
    """The extension that asks for this use."""
    bits = {field: name in use.names for field, name in _NAMES.items()}
    return x509.KeyUsage(**bits, encipher_only=False, decipher_only=False)


def usage_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The bits of a certificate, as RFC 5280 spells them; empty: it does not (readably) say."""
    try:
        usage = read_extension(certificate, x509.KeyUsage)
    except MalformedMessageError:
        return ()
    if usage is None:
        return ()
    return tuple(name for field, name in _NAMES.items() if getattr(usage, field))


def serves(certificate: x509.Certificate, use: KeyUse) -> bool:
    """Whether a certificate is for this use and no other; one that does not say is for any."""
    granted = set(usage_names(certificate))
    return not granted or granted & _BITS[KeyUse.BOTH] == use.names
