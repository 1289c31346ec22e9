"""Hands the certificate in use to its consumers once more, as after the restart of a daemon.

There is one direction only. What a consumer used before was given up with its key long ago, so a
failure leaves it where it got to and troubles no other consumer. So does a power cut: every step
may be called again, and nothing waits to be undone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sceplab_agent.errors import HandOffError
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.handoff.api import Delivery, HandOff
from sceplab_agent.handoff.steps import guarded
from sceplab_agent.text import clean_text
from sceplab_hsm.errors import KeyStoreError

AGAIN = "handoff.again"
"""Journal entry: the certificate in use is about to be handed over once more."""
AGAIN_DONE = "handoff.again-done"
"""Journal entry: every consumer works with it."""
AGAIN_FAILED = "handoff.again-failed"
"""Journal entry: one does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedAgain:
    """How it went with one consumer."""

    trustpoint: str
    handoff: str = ""
    """Name of the hand-off; empty: it did not come to any."""
    is_done: bool
    text: str
    """What was proved, or what is wrong and what to do."""

    def to_json(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "trustpoint": self.trustpoint,
            "handoff": self.handoff,
            "ok": self.is_done,
            "text": self.text,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> HandedAgain:
        """Reads what `to_json` wrote."""
        return cls(
            trustpoint=str(data["trustpoint"]),
            handoff=str(data["handoff"]),
            is_done=data["ok"] is True,
            text=str(data["text"]),
        )


def code_of(told: Iterable[HandedAgain]) -> ExitCode:
    """The exit code of the command."""
    return ExitCode.OK if all(one.is_done for one in told) else ExitCode.HANDOFF


def hand_again(
    trustpoint: str, handoffs: Iterable[HandOff], deliver: Callable[[], Delivery]
) -> list[HandedAgain]:
    """Takes every consumer through all steps.

    Args:
        trustpoint: whose certificate it is.
        handoffs: its consumers, in their order.
        deliver: gives the certificate in use; may raise `KeyStoreError`.
    """
    told = []
    for handoff in handoffs:
        try:
            text, is_done = clean_text(_take_through(handoff, deliver())), True
        except HandOffError as error:
            text, is_done = clean_text(error.reason), False
        except KeyStoreError as error:
            text, is_done = clean_text(str(error)), False
        told.append(
            HandedAgain(trustpoint=trustpoint, handoff=handoff.name, is_done=is_done, text=text)
        )
    return told


def _take_through(handoff: HandOff, delivery: Delivery) -> str:
    """What the consumer proved."""
    name = handoff.name
    memo = guarded(name, "prepare", handoff.prepare, delivery)
    guarded(name, "install", handoff.install, delivery, memo)
    try:
        proof = guarded(name, "verify", handoff.verify, delivery, memo)
    except HandOffError:
        # As where the peer is not up yet: there is nothing to go back to.
        with contextlib.suppress(HandOffError):
            guarded(name, "commit", handoff.commit, delivery, memo)
        raise
    guarded(name, "commit", handoff.commit, delivery, memo)
    return proof
