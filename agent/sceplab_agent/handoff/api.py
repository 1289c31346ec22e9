"""What a consumer of certificates is to the agent: five steps that end in the new one or the old.

The agent journals the memo of `HandOff.prepare` before `HandOff.install`, so that a restart in the
middle can roll back or go on. Until `HandOff.commit` the old certificate and its key stay usable.

Spec: keystores-and-handoff 6.3, 7, 9; feature rows K1 to K4, M9.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from sceplab_hsm.secret import Secret

Memo = Mapping[str, str]
"""What a hand-off has to know to go on after a restart. Journalled: JSON-ready, never a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One generation of a trustpoint's certificate, on its way to a consumer."""

    trustpoint: str
    generation: int
    """Counts the certificates of the trustpoint from 1."""
    certificate_der: bytes
    chain_der: tuple[bytes, ...]
    """CA certificates from the issuer up to the anchor, DER."""
    key_uri: str
    """Where the key is (`KeyHandle.uri`), without secrets."""
    key_secret: Callable[[], Secret] | None = field(default=None, repr=False)
    """Passphrase or PIN of the key store, for consumers that open the store themselves."""
    key_pem: Callable[[], bytes] | None = field(default=None, repr=False)
    """Private key as unencrypted PKCS#8 PEM; ``None``: it does not leave its store."""
    previous: Callable[[], Delivery] | None = field(default=None, repr=False)
    """The certificate in use until now, for a consumer that has forgotten it; ``None``: none is."""
    expects_key: bool = False
    """Whether the consumer is to have had the key, which is not at hand any more."""


class HandOff(Protocol):
    """One consumer. Every step may be called again after a restart, with the same result."""

    @property
    def name(self) -> str:
        """As configuration, journal and messages call it."""

    def prepare(self, delivery: Delivery) -> Memo:
        """Checks that the consumer can take it and puts everything ready beside what is in use.

        Raises:
            HandOffError: it cannot be handed over; nothing has changed.
        """

    def install(self, delivery: Delivery, memo: Memo) -> None:
        """Has the consumer use the new certificate.

        Raises:
            HandOffError: the agent rolls back.
        """

    def verify(self, delivery: Delivery, memo: Memo) -> str:
        """Has the consumer prove that it works with the new certificate; says what was proved.

        Raises:
            HandOffError: it does not; the agent rolls back.
        """

    def commit(self, delivery: Delivery, memo: Memo) -> None:
        """Lets go of the old certificate; it may be gone afterwards."""

    def roll_back(self, delivery: Delivery, memo: Memo) -> None:
        """Has the consumer use what it used before; harmless when nothing was installed.

        Raises:
            HandOffError: the consumer cannot be brought back; the message says what to do.
        """


@runtime_checkable
class Reachable(Protocol):
    """Optional part of a `HandOff`: says before any delivery whether its consumer is there."""

    def probe(self) -> str:
        """Looks and changes nothing; says what was found, for a person.

        Raises:
            HandOffError: the consumer is not there, or does not talk to us.
        """


@runtime_checkable
class LogsIn(Protocol):
    """Optional part of a `HandOff`: its consumer opens the token of the key by itself."""

    @property
    def logs_in(self) -> bool:
        """Whether it needs the token's PIN for that (`Delivery.key_secret`)."""


class ProofKind(enum.Enum):
    """What was done to prove a hand-off, from strong to weak. The value is what programs read."""

    CONSUMER = "consumer"
    """The consumer authenticated with it."""
    LOADED = "loaded"
    """The running consumer says that it has it."""
    TLS = "tls-handshake"
    """A handshake in memory with the files that the consumer reads."""
    CHECK = "check"
    """Certificate, chain and purpose were looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """What a consumer proved."""

    kind: ProofKind
    text: str
    """For a person."""


@runtime_checkable
class Provable(Protocol):
    """Optional part of a `HandOff`: its consumer can prove at any time that it works."""

    def prove(self, delivery: Delivery) -> Proved:
        """Has the consumer prove itself with what was handed over last, as strongly as it can.

        Args:
            delivery: without the means to get at its key.

        Raises:
            HandOffError: it does not work, or uses another certificate.
        """
