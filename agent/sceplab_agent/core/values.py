"""The parts of an enrollment that outlive a process, each with its JSON form.

The large ones never change once they exist, so their JSON is made once for the snapshots that
follow each other, its text included. What trustpoints have of their CA is kept once for all.
"""

from __future__ import annotations

import enum
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from sceplab_agent.core.events import FailureCause
from sceplab_agent.core.policy import CaPin, PinAlgorithm
from sceplab_agent.core.sharing import shared
from sceplab_scep.attributes import FailInfo, MessageType
from sceplab_scep.capabilities import Capabilities

Json = dict[str, Any]


class Part(Json):
    """JSON-ready data that does not change any more."""

    __slots__ = ("text",)

    def __init__(self, **fields: Any) -> None:
        super().__init__(fields)
        self.text = ""
        """As JSON text, once somebody has made it."""


class _Large(Protocol):
    """A part that takes time to write."""

    def write(self) -> Part:
        """JSON-ready form, made anew."""


@lru_cache(maxsize=32)
def _written(part: _Large) -> Part:
    """What `write` gives. Only the last few are remembered: at rest nobody needs them."""
    return part.write()


class TrustBasis(enum.Enum):
    """Why the CA is trusted."""

    PIN = "pin"
    """Its fingerprint is configured."""
    OPERATOR = "operator"
    """The operator compared the fingerprint."""
    TOFU = "tofu"
    """Taken on first use: nobody compared anything."""
    SUCCESSION = "succession"
    """The CA before has signed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """What a CA that came by succession is trusted instead of."""

    pin: CaPin | None
    """The pin configured then. As long as it is the configured one, the successor holds."""
    anchor_der: bytes
    """The certificate that was trusted before."""

    def to_json(self) -> Json:
        """JSON-ready form."""
        pin = self.pin and {"algorithm": self.pin.algorithm.value, "digest": self.pin.digest.hex()}
        return {"pin": pin, "anchor": to_text(self.anchor_der)}

    @classmethod
    def from_json(cls, data: Json) -> Succession:
        """Reads what `to_json` wrote."""
        pin = data["pin"]
        return cls(
            pin=pin
            and CaPin(
                algorithm=PinAlgorithm(pin["algorithm"]), digest=bytes.fromhex(pin["digest"])
            ),
            anchor_der=to_bytes(data["anchor"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedCa:
    """What GetCACert gave, sorted by role. Checklist 15.3."""

    anchor_der: bytes
    """The certificate that is trusted."""
    issuer_der: bytes
    """The CA that issues: its subject goes into a CertPoll."""
    chain_der: tuple[bytes, ...]
    """CA certificates from the issuer up to the anchor."""
    recipient_der: bytes
    """Certificate to encrypt requests to."""
    signers_der: tuple[bytes, ...]
    """Certificates a reply may be signed with."""
    capabilities: Capabilities
    basis: TrustBasis
    since: datetime
    """When the anchor was first trusted, UTC."""
    succession: Succession | None = None
    """Set when the CA before vouched for this one."""

    def __post_init__(self) -> None:
        for name in ("anchor_der", "issuer_der", "chain_der", "recipient_der", "signers_der"):
            object.__setattr__(self, name, shared(getattr(self, name)))
        object.__setattr__(self, "capabilities", shared(self.capabilities))

    def to_json(self) -> Json:
        """JSON-ready form."""
        return _written(self)

    def write(self) -> Part:
        """See `to_json`."""
        succession = self.succession
        later = {"succession": succession.to_json()} if succession is not None else {}
        return Part(
            **later,
            anchor=to_text(self.anchor_der),
            issuer=to_text(self.issuer_der),
            chain=to_texts(self.chain_der),
            recipient=to_text(self.recipient_der),
            signers=to_texts(self.signers_der),
            capabilities=sorted(self.capabilities.keywords),
            capabilities_listed=list(self.capabilities.listed),
            basis=self.basis.value,
            since=self.since.isoformat(),
        )

    @classmethod
    def from_json(cls, data: Json) -> TrustedCa:
        """Reads what `to_json` wrote."""
        return cls(
            anchor_der=to_bytes(data["anchor"]),
            issuer_der=to_bytes(data["issuer"]),
            chain_der=to_blobs(data["chain"]),
            recipient_der=to_bytes(data["recipient"]),
            signers_der=to_blobs(data["signers"]),
            capabilities=Capabilities(
                frozenset(data["capabilities"]), tuple(data["capabilities_listed"])
            ),
            basis=TrustBasis(data["basis"]),
            since=datetime.fromisoformat(data["since"]),
            succession=Succession.from_json(found) if (found := data.get("succession")) else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveCertificate:
    """The certificate in use."""

    generation: int
    """1 for the first; grows with every certificate."""
    key_id: str
    is_key_ours: bool
    """Whether the key may be deleted once it is replaced."""
    certificate_der: bytes
    chain_der: tuple[bytes, ...]
    """CA certificates from the issuer up to the anchor."""
    public_key_der: bytes
    """SubjectPublicKeyInfo, DER."""
    serial_number: int
    subject: str
    """RFC 4514 text."""
    not_before: datetime
    not_after: datetime
    jitter: float
    """Drawn once for this certificate, 0 to 1: spreads the renewals of a fleet."""
    installed_at: datetime
    gainless: int = 0
    """Renewals in a row, this one the last, whose certificate ended no later than the one before.
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "chain_der", shared(self.chain_der))

    def to_json(self) -> Json:
        """JSON-ready form."""
        return _written(self)

    def write(self) -> Part:
        """See `to_json`."""
        return Part(
            generation=self.generation,
            key_id=self.key_id,
            is_key_ours=self.is_key_ours,
            certificate=to_text(self.certificate_der),
            chain=to_texts(self.chain_der),
            public_key=to_text(self.public_key_der),
            serial_number=f"{self.serial_number:x}",
            subject=self.subject,
            not_before=self.not_before.isoformat(),
            not_after=self.not_after.isoformat(),
            jitter=self.jitter,
            installed_at=self.installed_at.isoformat(),
            gainless=self.gainless,
        )

    @classmethod
    def from_json(cls, data: Json) -> ActiveCertificate:
        """Reads what `to_json` wrote."""
        return cls(
            generation=int(data["generation"]),
            key_id=str(data["key_id"]),
            is_key_ours=bool(data["is_key_ours"]),
            certificate_der=to_bytes(data["certificate"]),
            chain_der=to_blobs(data["chain"]),
            public_key_der=to_bytes(data["public_key"]),
            serial_number=int(data["serial_number"], 16),
            subject=str(data["subject"]),
            not_before=datetime.fromisoformat(data["not_before"]),
            not_after=datetime.fromisoformat(data["not_after"]),
            jitter=float(data["jitter"]),
            installed_at=datetime.fromisoformat(data["installed_at"]),
            gainless=int(data.get("gainless", 0)),  # older snapshots do not say
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """The key of the next certificate. It outlives a failed transaction: a retry uses it again."""

    key_id: str
    generation: int
    """Generation of the certificate it is for."""
    is_ours: bool
    """Whether it may be deleted when the enrollment is given up."""
    public_key_der: bytes = b""
    """SubjectPublicKeyInfo, DER; empty until the key store answered."""

    def with_public_key(self, public_key_der: bytes) -> NewKey:
        """The same key, now that its public half is known."""
        return replace(self, public_key_der=public_key_der)

    def to_json(self) -> Json:
        """JSON-ready form."""
        return {
            "key_id": self.key_id,
            "generation": self.generation,
            "is_ours": self.is_ours,
            "public_key": to_text(self.public_key_der),
        }

    @classmethod
    def from_json(cls, data: Json) -> NewKey:
        """Reads what `to_json` wrote."""
        return cls(
            key_id=str(data["key_id"]),
            generation=int(data["generation"]),
            is_ours=bool(data["is_ours"]),
            public_key_der=to_bytes(data["public_key"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """A message as it left, kept byte for byte for a retransmission."""

    message_type: MessageType
    message_der: bytes
    sender_nonce: bytes
    digest_hex: str
    """SHA-256 of ``message_der``."""

    @classmethod
    def of(cls, message_type: MessageType, message_der: bytes, sender_nonce: bytes) -> SentMessage:
        """The record of a message that is about to leave."""
        return cls(
            message_type=message_type,
            message_der=message_der,
            sender_nonce=sender_nonce,
            digest_hex=hashlib.sha256(message_der).hexdigest(),
        )

    def to_json(self) -> Json:
        """JSON-ready form."""
        return _written(self)

    def write(self) -> Part:
        """See `to_json`."""
        return Part(
            message_type=int(self.message_type),
            message=to_text(self.message_der),
            sender_nonce=to_text(self.sender_nonce),
            digest=self.digest_hex,
        )

    @classmethod
    def from_json(cls, data: Json) -> SentMessage:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: the message is not the one the digest was made of.
        """
        sent = cls.of(
            MessageType(data["message_type"]),
            to_bytes(data["message"]),
            to_bytes(data["sender_nonce"]),
        )
        if sent.digest_hex != data["digest"]:
            raise ValueError("the stored message does not have the stored digest")
        return sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the last attempt ended without a certificate."""

    cause: FailureCause
    reason: str
    at: datetime
    transaction_id: str = ""
    fail_info: FailInfo | None = None
    fail_info_text: str = ""
    """Received text: for a person, never parsed."""
    hresult: int | None = None
    is_lasting: bool = False
    """Whether waiting alone does not help: a key is gone, a PIN is wrong."""
    next_step: str = ""
    """What to do about it, where the cause alone does not tell; see `next_steps`."""

    def to_json(self) -> Json:
        """JSON-ready form."""
        return {
            "cause": self.cause.value,
            "reason": self.reason,
            "at": self.at.isoformat(),
            "transaction_id": self.transaction_id,
            "fail_info": None if self.fail_info is None else int(self.fail_info),
            "fail_info_text": self.fail_info_text,
            "hresult": self.hresult,
            "is_lasting": self.is_lasting,
            "next_step": self.next_step,
        }

    @classmethod
    def from_json(cls, data: Json) -> Failure:
        """Reads what `to_json` wrote."""
        fail_info = data["fail_info"]
        return cls(
            cause=FailureCause(data["cause"]),
            reason=str(data["reason"]),
            at=datetime.fromisoformat(data["at"]),
            transaction_id=str(data["transaction_id"]),
            fail_info=None if fail_info is None else FailInfo(fail_info),
            fail_info_text=str(data["fail_info_text"]),
            hresult=data["hresult"],
            # Older snapshots do not say.
            is_lasting=bool(data.get("is_lasting", False)),
            next_step=str(data.get("next_step", "")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOffOutcome:
    """How the last hand-off ended."""

    generation: int
    is_done: bool
    text: str
    """What was proved, or why it failed; for a person."""
    at: datetime

    def to_json(self) -> Json:
        """JSON-ready form."""
        return {
            "generation": self.generation,
            "is_done": self.is_done,
            "text": self.text,
            "at": self.at.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Json) -> HandOffOutcome:
        """Reads what `to_json` wrote."""
        return cls(
            generation=int(data["generation"]),
            is_done=bool(data["is_done"]),
            text=str(data["text"]),
            at=datetime.fromisoformat(data["at"]),
        )


def to_text(data: bytes) -> str:
    """Bytes as base64 text."""
    return b64encode(data).decode("ascii")


def to_texts(blobs: Iterable[bytes]) -> list[str]:
    """Several byte strings as base64 texts."""
    return [to_text(blob) for blob in blobs]


def to_bytes(text: str) -> bytes:
    """Reads base64 text strictly.

    Raises:
        ValueError: anything but base64.
    """
    return b64decode(text, validate=True)


def to_blobs(texts: Iterable[str]) -> tuple[bytes, ...]:
    """Reads several base64 texts."""
    return tuple(to_bytes(text) for text in texts)
