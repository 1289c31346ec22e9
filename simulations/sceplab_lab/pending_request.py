"""A certificate request that waits, as a device keeps it and shows it: without a secret.

The challenge password of a request must not lie on a disk. What consoles show needs subject and
key, and the fingerprints of the request as it was sent: these three are kept.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sceplab_ndes.redaction import without_challenge
from sceplab_scep.csr import read_csr
from sceplab_scep.errors import ScepError

_ALGORITHMS = ("md5", "sha1", "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRequest:
    """What is left of a request."""

    der: bytes
    """Without its challenge password; the signature of one that had any does not verify."""
    digests: Mapping[str, bytes]
    """``md5``, ``sha1`` and ``sha256`` of the request as it was signed."""

    @classmethod
    def of(cls, csr_der: bytes) -> PendingRequest:
        """What may be kept of a request.

        Raises:
            ScepError: it is no certificate request.
        """
        # For people to compare; nothing is decided by them.
        digests = {
            name: hashlib.new(name, csr_der, usedforsecurity=False).digest() for name in _ALGORITHMS
        }
        return cls(der=without_challenge(read_csr(csr_der)), digests=digests)

    def to_json(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "der": b64encode(self.der).decode("ascii"),
            "digests": {name: digest.hex() for name, digest in self.digests.items()},
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> PendingRequest:
        """What `to_json` gave.

        Raises:
            ValueError: they are something else.
        """
        try:
            der = b64decode(fields["der"], validate=True)
            digests = {name: bytes.fromhex(fields["digests"][name]) for name in _ALGORITHMS}
            read_csr(der)
        except (KeyError, TypeError, AttributeError, ScepError) as error:
            raise ValueError("no pending request") from error
        return cls(der=der, digests=digests)
