"""Hands one certificate to all consumers of a trustpoint, as one unit: all have it, or none.

Every consumer prepares; their memos are journalled; every one installs, then every one verifies;
that is journalled, too; then every one commits. A failure before the second record rolls all back
in reverse order. After a restart the open run in the journal says where to go on.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sceplab_agent.core.commands import HandOver
from sceplab_agent.core.events import HandedOver, HandOffFailed
from sceplab_agent.errors import HandOffError, InstallError
from sceplab_agent.handoff.again import HandedAgain, hand_again
from sceplab_agent.handoff.api import Delivery, HandOff, Memo
from sceplab_agent.handoff.steps import guarded
from sceplab_agent.key_stores import may_pass
from sceplab_agent.text import clean_text
from sceplab_hsm.errors import KeyStoreError

_REASON_CHARS = 600
"""Room for the words of several consumers."""

MARK = "handoff_run"
"""Beside the machine's snapshot: the open run, as long as there is one."""
PREPARED = "handoff.prepared"
"""Journal entry: every consumer is ready; the memos are in the snapshot."""
VERIFIED = "handoff.verified"
"""Journal entry: every consumer works with the new certificate; there is no way back."""
UNDONE = "handoff.undone"
"""Journal entry: every consumer is back at what it used before."""
LEFTOVER = "handoff.leftover"
"""Notice: a consumer could not tidy up, or one with an open hand-off is no longer configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """A run in the middle, as the journal keeps it."""

    command: HandOver
    memos: tuple[tuple[str, Memo], ...]
    """By the consumers' names, in the order of their preparation."""
    is_verified: bool = False
    is_undoing: bool = False
    """Whether it was to be rolled back and could not be, everywhere: that comes first."""
    proof: str = ""

    def to_json(self) -> dict[str, object]:
        """JSON-ready form."""
        command = self.command
        return {
            "generation": command.generation,
            "key_id": command.key_id,
            "certificate": b64encode(command.certificate_der).decode("ascii"),
            "chain": [b64encode(der).decode("ascii") for der in command.chain_der],
            "memos": [[name, dict(memo)] for name, memo in self.memos],
            "is_verified": self.is_verified,
            "is_undoing": self.is_undoing,
            "proof": self.proof,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> OpenRun:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: it is damaged; `KeyError` and `TypeError` likewise.
        """
        return cls(
            command=HandOver(
                generation=int(data["generation"]),
                key_id=str(data["key_id"]),
                certificate_der=b64decode(data["certificate"], validate=True),
                chain_der=tuple(b64decode(text, validate=True) for text in data["chain"]),
            ),
            memos=tuple((str(name), dict(memo)) for name, memo in data["memos"]),
            is_verified=bool(data["is_verified"]),
            is_undoing=bool(data.get("is_undoing")),
            proof=str(data["proof"]),
        )


class RunKeeper(Protocol):
    """What a run needs of the executor: deliveries, the journal, the certificate's own place."""

    def deliver(self, command: HandOver) -> Delivery:
        """The delivery of a certificate.

        Raises:
            KeyStoreError: its key is not at hand.
        """

    def keep(self, event_id: str, run: OpenRun | None, **details: str | int) -> None:
        """Commits a journal entry with the open run; durable when it returns.

        Raises:
            JournalError: nothing was written; nothing more may be done.
        """

    def put_in_place(self, command: HandOver) -> None:
        """Installs the certificate where the one before is.

        Raises:
            InstallError: the one before is still in its place.
        """

    def tell(self, event_id: str, **details: str) -> None:
        """Tells whoever watches."""


class HandOffRun:
    """All hand-offs of one trustpoint.

    Args:
        handoffs: consumers with different names, in the order in which they install.
        keeper: see `RunKeeper`.
        open_run: what the journal holds; ``None``: nothing is in the middle.
    """

    __slots__ = ("_handoffs", "_keeper", "_open")

    def __init__(
        self, handoffs: Sequence[HandOff], keeper: RunKeeper, open_run: OpenRun | None
    ) -> None:
        self._handoffs = {handoff.name: handoff for handoff in handoffs}
        self._keeper = keeper
        self._open = open_run

    @property
    def marks(self) -> dict[str, object]:
        """What every snapshot keeps beside the machine's own part."""
        return {MARK: self._open.to_json()} if self._open is not None else {}

    def hand_over(self, command: HandOver) -> HandedOver | HandOffFailed:
        """Hands a certificate over, or goes on with what a restart cut off.

        Raises:
            JournalError: the journal cannot be written; a restart decides.
        """
        try:
            if self._open is not None and not self._goes_on(command, self._open):
                is_late = self._open.is_undoing
                reason = "now that it can be" if is_late else "another certificate or consumers"
                self._undo(self._open, reason)
            delivery = self._keeper.deliver(command)
            run = self._open or self._prepare(command, delivery)
            if not run.is_verified:
                run = self._switch(run, delivery)
            self._keeper.put_in_place(command)
        except HandOffError as error:
            reason = clean_text(str(error), max_chars=_REASON_CHARS)
            return self._failed(reason, may_pass=error.may_pass)
        except KeyStoreError as error:
            return self._failed(str(error), may_pass=may_pass(error))
        except InstallError as error:
            return self._failed(str(error), may_pass=True)
        for handoff, memo in self._taking_part(run):
            try:
                guarded(handoff.name, "commit", handoff.commit, delivery, memo)
            except HandOffError as error:
                self._keeper.tell(LEFTOVER, reason=clean_text(str(error)))
        # The machine's next record says that it is done, and no longer holds the run.
        self._open = None
        return HandedOver(proof=run.proof)

    def hand_again(self, trustpoint: str, command: HandOver) -> list[HandedAgain]:
        """Hands the certificate in use over once more; see `again`.

        An open run is rolled back first, unless every consumer works with its certificate already.
        """
        reason = ""
        if self._open is not None and self._open.is_verified:
            reason = "every consumer has its successor, which has only to be put in place"
        elif self._open is not None:
            try:
                self._undo(self._open, "the certificate before is handed over once more")
            except (HandOffError, KeyStoreError) as error:
                reason = f"a hand-off is under way and cannot be undone: {error}"
        if reason:
            text = f"{clean_text(reason, max_chars=_REASON_CHARS)}; run: sceplab-agent renew"
            return [HandedAgain(trustpoint=trustpoint, is_done=False, text=text)]
        handoffs = self._handoffs.values()
        return hand_again(trustpoint, handoffs, lambda: self._keeper.deliver(command))

    def _failed(self, reason: str, *, may_pass: bool) -> HandOffFailed:
        return HandOffFailed(reason=reason, may_pass=may_pass, is_undone=self._open is None)

    def _goes_on(self, command: HandOver, run: OpenRun) -> bool:
        """Whether the open run is of this certificate, and of the consumers that are configured."""
        if run.is_undoing:
            return False
        is_same = {name for name, _ in run.memos} == set(self._handoffs)
        return run.command == command and (is_same or run.is_verified)

    def _prepare(self, command: HandOver, delivery: Delivery) -> OpenRun:
        memos: list[tuple[str, Memo]] = []
        for name, handoff in self._handoffs.items():
            try:
                memo = guarded(name, "prepare", handoff.prepare, delivery)
            except HandOffError as error:
                self._roll_back(OpenRun(command=command, memos=tuple(memos)), delivery, error)
                raise
            memos.append((name, dict(memo)))
        run = OpenRun(command=command, memos=tuple(memos))
        self._keeper.keep(
            PREPARED, run, generation=command.generation, consumers=", ".join(self._handoffs)
        )
        self._open = run
        return run

    def _switch(self, run: OpenRun, delivery: Delivery) -> OpenRun:
        """Installs and verifies everywhere, or rolls back everywhere."""
        proofs = []
        pairs = self._taking_part(run)
        try:
            for handoff, memo in pairs:
                guarded(handoff.name, "install", handoff.install, delivery, memo)
            for handoff, memo in pairs:
                proof = guarded(handoff.name, "verify", handoff.verify, delivery, memo)
                proofs.append(f"{handoff.name}: {clean_text(proof)}")
        except HandOffError as error:
            self._roll_back(run, delivery, error)
            self._close(run, str(error))
            raise
        run = replace(run, is_verified=True, proof="; ".join(proofs))
        self._keeper.keep(VERIFIED, run, generation=run.command.generation, proof=run.proof)
        self._open = run
        return run

    def _undo(self, run: OpenRun, reason: str) -> None:
        """Rolls an open run back that is not of the certificate to be handed over now."""
        for name in {name for name, _ in run.memos} - set(self._handoffs):
            left = f"{name} took part in a hand-off and is not configured any more; look after it"
            self._keeper.tell(LEFTOVER, reason=left)
        self._roll_back(run, self._keeper.deliver(run.command), None)
        self._close(run, reason)

    def _close(self, run: OpenRun, reason: str) -> None:
        self._open = None
        try:
            self._keeper.keep(
                UNDONE, None, generation=run.command.generation, reason=clean_text(reason)
            )
        except BaseException:
            self._open = run
            raise

    def _roll_back(self, run: OpenRun, delivery: Delivery, cause: HandOffError | None) -> None:
        """Rolls everybody back, the last one first; one who cannot does not stop the others."""
        failures: list[HandOffError] = []
        for handoff, memo in reversed(self._taking_part(run)):
            try:
                guarded(handoff.name, "roll back", handoff.roll_back, delivery, memo)
            except HandOffError as error:
                failures.append(error)
        if failures:
            if self._open is not None:  # the machine's next record keeps it
                self._open = replace(self._open, is_undoing=True)
            first = cause or failures[0]
            told = [f"not brought back: {error.reason}" for error in failures]
            told[:0] = [cause.reason] if cause is not None else []
            raise HandOffError(
                first.handoff,
                "; ".join(dict.fromkeys(told)),
                may_pass=all(error.may_pass for error in (first, *failures)),
            )

    def _taking_part(self, run: OpenRun) -> list[tuple[HandOff, Memo]]:
        return [(self._handoffs[name], memo) for name, memo in run.memos if name in self._handoffs]
