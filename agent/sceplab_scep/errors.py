"""Errors of the codec. The first level says whose fault it is; leaves carry data.

No text here ever contains a secret or bytes that were decrypted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ScepError(Exception):
    """Root of everything this package raises on purpose."""


class LocalProtocolError(ScepError):
    """We asked for something the protocol or the configuration forbids."""


class RemoteProtocolError(ScepError):
    """The peer's bytes are malformed or break a rule.

    Args:
        message: what is wrong, for a person.
        section: where the rule stands, for example ``RFC 8894 §3.2.1.5``; empty when it is ours.
        attribute: name of the attribute or structure concerned, as the field writes it.
    """

    def __init__(self, message: str, *, section: str = "", attribute: str = "") -> None:
        super().__init__(message)
        self.section = section
        self.attribute = attribute


class MalformedMessageError(RemoteProtocolError):
    """The bytes are not the ASN.1 structure they have to be."""


class SignatureInvalidError(RemoteProtocolError):
    """A signature or digest does not verify, or the signer is not one we trust for this."""


class UntrustedSignerError(SignatureInvalidError):
    """A reply is signed by none of the certificates that may sign it."""


class UnauthorizedRaError(SignatureInvalidError):
    """The CA's RA is wanted, and only certificates offer themselves that may not act as such."""


class NotValidNowError(SignatureInvalidError):
    """A certificate of the peer has ended or has not begun, or a clock is wrong."""


class SameCertificateError(RemoteProtocolError):
    """The server answered with the certificate that was to be replaced."""


class NonceMismatchError(RemoteProtocolError):
    """The reply's recipientNonce is not the senderNonce we sent."""


class TransactionMismatchError(RemoteProtocolError):
    """The reply's transactionID is not ours."""


class DecryptionError(RemoteProtocolError):
    """The envelope cannot be opened with our key.

    Every cause gives the same text, so that the error is no padding oracle.
    """


class UnsupportedAlgorithmError(ScepError):
    """An algorithm is unknown, or weaker than the floor in force allows.

    Args:
        algorithm: name of the algorithm, as the field writes it (``des-cbc``, ``sha1``).
        floor: name of the floor in force.
        allowed_by: name of the weakest floor that would allow it, or ``None`` if none does.
        peer: who chose it (``server``, ``client``) or ``""``.
        offers: what the peer lists, where a list was the cause (GetCACaps lines).
    """

    def __init__(
        self,
        algorithm: str,
        *,
        floor: str,
        allowed_by: str | None,
        peer: str = "",
        offers: Sequence[str] = (),
    ) -> None:
        whose = f"the {peer} uses" if peer else "the message uses"
        remedy = f"floor '{allowed_by}' would allow it" if allowed_by else "no floor allows it"
        listed = f" (it lists {', '.join(offers)})" if offers else ""
        super().__init__(f"{whose} {algorithm}{listed}, which floor '{floor}' refuses; {remedy}")
        self.algorithm = algorithm
        self.floor = floor
        self.allowed_by = allowed_by
        self.peer = peer
        self.offers = tuple(offers)
