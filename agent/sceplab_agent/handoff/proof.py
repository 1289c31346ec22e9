"""The strongest proof that a consumer works with what it has now. Nothing is replaced.

`ProofKind` lists them from strong to weak. A weaker one says that it is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from sceplab_agent.errors import HandOffError
from sceplab_agent.handoff.api import Delivery, HandOff, ProofKind, Provable
from sceplab_agent.handoff.bundle import BundleError, Part, check_chain
from sceplab_agent.handoff.files import FilesHandOff
from sceplab_agent.handoff.hook import HookHandOff
from sceplab_agent.handoff.tls_proof import HandshakeError, prove_handshake, role_of
from sceplab_agent.handoff.usage_checks import require_purpose

_WEAKNESS = {
    ProofKind.CONSUMER: "",
    ProofKind.LOADED: "lesser proof: which certificate the peer accepted is not known to us",
    ProofKind.TLS: "lesser proof: a handshake in memory, no peer and no running consumer took part",
    ProofKind.CHECK: "lesser proof: looked at only, the key was not used",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How one hand-off stands."""

    trustpoint: str
    handoff: str
    """Name of the hand-off; empty: the trustpoint has none."""
    kind: ProofKind
    is_proved: bool
    text: str
    """What was proved, or what is wrong and what to do."""

    @property
    def weakness(self) -> str:
        """Why it is a lesser proof; empty: it is none."""
        return _WEAKNESS[self.kind]

    def to_json(self) -> dict[str, object]:
        """JSON-ready form."""
        return {
            "trustpoint": self.trustpoint,
            "handoff": self.handoff,
            "proof": self.kind.value,
            "is_lesser": bool(self.weakness),
            "ok": self.is_proved,
            "text": self.text,
        }


def prove(delivery: Delivery, handoff: HandOff | None, clock: Callable[[], datetime]) -> Proof:
    """Proves as much as can be for one consumer.

    Args:
        delivery: what was handed over last.
        handoff: ``None``: the trustpoint has none; the certificate itself is looked at.
        clock: now, aware UTC.
    """
    kind = ProofKind.CHECK
    try:
        if handoff is None:
            text = _look_at(delivery)
        elif isinstance(handoff, (FilesHandOff, HookHandOff)):
            files = handoff.files if isinstance(handoff, HookHandOff) else handoff
            files.check_installed(delivery)
            require_purpose(files.name, delivery, files.purpose, clock())
            kind, text = _prove_files(delivery, files)
        else:
            kind, text = _ask_consumer(delivery, handoff)
    except (HandOffError, BundleError, HandshakeError, OSError) as error:
        return _proof(delivery, handoff, kind, str(error), is_proved=False)
    return _proof(delivery, handoff, kind, text, is_proved=True)


def _ask_consumer(delivery: Delivery, handoff: HandOff) -> tuple[ProofKind, str]:
    if isinstance(handoff, Provable):
        proved = handoff.prove(delivery)
        return proved.kind, proved.text
    # Others prove what they were handed over a moment ago, with the memo of that, which is gone.
    return ProofKind.CHECK, f"{_look_at(delivery)}; this kind proves at a hand-off only"


def _prove_files(delivery: Delivery, files: FilesHandOff) -> tuple[ProofKind, str]:
    paths = files.installed()
    certificate, *chain = (
        x509.load_der_x509_certificate(der)
        for der in (delivery.certificate_der, *delivery.chain_der)
    )
    role = role_of(certificate, chain)
    if role is None or Part.KEY not in paths or Part.FULLCHAIN not in paths:
        return ProofKind.CHECK, f"read back through {files.link}; chain to the trusted CA"
    how = prove_handshake(paths[Part.FULLCHAIN], paths[Part.KEY], chain[-1], role=role)
    return ProofKind.TLS, f"read back through {files.link}; {role.value} by {how}"


def _look_at(delivery: Delivery) -> str:
    check_chain(delivery)
    return "the certificate chains to the trusted CA"


def _proof(
    delivery: Delivery, handoff: HandOff | None, kind: ProofKind, text: str, *, is_proved: bool
) -> Proof:
    name = handoff.name if handoff is not None else ""
    return Proof(
        trustpoint=delivery.trustpoint, handoff=name, kind=kind, is_proved=is_proved, text=text
    )
