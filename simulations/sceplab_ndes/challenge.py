"""Challenge passwords: made for an administrator, checked in a request, used up once.

Modes: one-time (the default of NDES), static (one password for all, never expiring), none.
The depot keeps salted digests only; the salt is the depot's own, so that a password is found by its
digest. A password has 64 random bits and lives an hour, so a slow hash would add nothing.

Spec: NDES 7; checklist S-22, S-23, S-48.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sceplab_hsm.secret import Secret
from sceplab_ndes.depot import Depot
from sceplab_ndes.errors import ConfigError, PasswordCacheFullError, RefusedError
from sceplab_ndes.settings import ChallengeSettings


@dataclass(frozen=True, slots=True)
class Ticket:
    """A challenge that was found right and is not used up yet."""

    password_id: int | None
    """Number of the one-time password; ``None`` in the other modes."""


class ChallengeDesk:
    """Makes and checks challenge passwords.

    Args:
        depot: where one-time passwords are kept.
        settings: mode, length, life time, number in circulation.
        static: the password of static mode.
        random_bytes: source of one-time passwords.
    """

    def __init__(
        self,
        depot: Depot,
        settings: ChallengeSettings,
        *,
        static: Secret | None,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        if settings.mode == "static" and not static:
            raise ConfigError(
                'static mode needs a password: give static_password = "file:PATH" or "env:NAME"',
                source="challenge",
            )
        self._depot = depot
        self.settings = settings
        self._static = static
        self._random_bytes = random_bytes

    def issue(self, user: str, now: datetime) -> Secret | None:
        """A password for an administrator to give to a device; ``None`` in mode none.

        Args:
            user: who asks, for the audit trail.
            now: current time, aware UTC.

        Raises:
            PasswordCacheFullError: too many unused ones are in circulation.
        """
        if self.settings.mode == "none":
            return None
        if self.settings.mode == "static":
            return self._static
        text = self._random_bytes(self.settings.length_bytes).hex().upper()
        expires_at = now + timedelta(minutes=self.settings.validity_minutes)
        passwords = self._depot.passwords
        with self._depot.transaction():
            if passwords.count_unused(now) >= self.settings.cache_size:
                raise PasswordCacheFullError(self.settings.cache_size)
            number = passwords.add(
                self._digest(text), fetched_by=user, at=now, expires_at=expires_at
            )
            self._depot.log("password.made", now, {"password_id": number, "user": user})
        return Secret(text)

    def check(self, text: str, string_type: str, now: datetime) -> Ticket:
        """Judges the challenge of a request; uses nothing up.

        Args:
            text: the challenge, empty when the request has none.
            string_type: ASN.1 type it came in, for example ``PrintableString``.
            now: current time, aware UTC.

        Raises:
            RefusedError: missing, unknown, used, expired, or of the wrong string type.
        """
        if self.settings.mode == "none":
            return Ticket(None)
        if not text:
            raise RefusedError("challenge-missing")
        if self.settings.string_types == "printable" and string_type != "PrintableString":
            raise RefusedError("challenge-type", f"it came as {string_type}")
        if self.settings.mode == "static":
            assert self._static is not None
            if not self._equal(text, self._static.reveal()):
                raise RefusedError("challenge-unknown")
            return Ticket(None)
        return self._check_one_time(text, now)

    def _check_one_time(self, text: str, now: datetime) -> Ticket:
        record = self._depot.passwords.find(self._digest(text))
        if record is None:
            raise RefusedError("challenge-unknown")
        is_expired = now >= record.expires_at
        if record.used_at is not None:
            # NDES 5.4: once out of its 60 minutes a used password is merely unknown.
            raise RefusedError("challenge-unknown" if is_expired else "challenge-used")
        if is_expired:
            raise RefusedError("challenge-expired")
        return Ticket(record.password_id)

    def use(self, ticket: Ticket, transaction_id: str, now: datetime) -> None:
        """Uses the password up, in the transaction in hand. Of two that try, one wins.

        Raises:
            RefusedError: another request was first.
        """
        if ticket.password_id is None:
            return
        won = self._depot.passwords.use(ticket.password_id, transaction_id=transaction_id, at=now)
        if not won:
            raise RefusedError("challenge-used")

    def was_used_by(self, text: str, transaction_id: str) -> bool:
        """Whether this one-time password was used up by that transaction."""
        record = self._depot.passwords.find(self._digest(text))
        return record is not None and record.used_by == transaction_id

    def forget_unused(self) -> None:
        """Empties the cache as a restart of NDES does, unless the settings keep it."""
        if self.settings.mode == "one-time" and not self.settings.persist:
            with self._depot.transaction():
                self._depot.passwords.forget_unused()

    def _digest(self, text: str) -> bytes:
        folded = text.upper() if self.settings.ignore_case else text
        return hmac.digest(self._depot.password_salt, folded.encode(), hashlib.sha256)

    def _equal(self, left: str, right: str) -> bool:
        # checklist S-48: the time taken says nothing about where the texts differ
        return hmac.compare_digest(self._digest(left), self._digest(right))
