"""Whose the keys are that the journal names: asked before a key is deleted or taken over.

Names cannot tell: one store may be written in several ways, and then two trustpoints give their
keys the same names without anybody noticing. Public keys can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sceplab_agent.core.values import to_bytes
from sceplab_agent.errors import SnapshotDamagedError
from sceplab_agent.journal import Journal, StoredSnapshot
from sceplab_hsm.api import KeyHandle, KeyStore
from sceplab_hsm.errors import KeyNotFoundError, KeyStoreError

SHADOW_KEY = "key of the next CA's certificate"
"""Role, for people."""


class KeyClaimedError(KeyStoreError):
    """The key is another trustpoint's; trying again does not help."""


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """A key that a trustpoint needs."""

    trustpoint: str
    key_id: str
    role: str
    """For people."""
    is_owned: bool
    """Whether the trustpoint will delete the key when it is done with it."""


class KeyClaims:
    """The keys that the trustpoints of a journal need, as it stands at each question.

    A question reads only what is new since the one before, so one object serves all trustpoints
    of a process. Usable by several threads.

    Args:
        journal: ``None``: there is none, and so no claim.
    """

    __slots__ = ("_journal", "_known")

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal
        self._known: dict[str, tuple[int, list[tuple[KeyClaim, bytes]]]] = {}
        """By trustpoint: version of its snapshot, and its claims."""

    def find(self, public_key_der: bytes, *, without: str = "") -> KeyClaim | None:
        """The claim on a key; ``None``: nobody needs it, as far as can be read.

        A trustpoint whose snapshot is damaged claims nothing here; `delete` refuses then.

        Args:
            public_key_der: SubjectPublicKeyInfo, DER.
            without: a trustpoint that does not count.

        Raises:
            JournalError: the journal cannot be read.
        """
        claims = self._claims(without, is_strict=False)
        return next((claim for claim, claimed in claims if claimed == public_key_der), None)

    def delete(self, store: KeyStore, key_id: str, *, trustpoint: str = "") -> None:
        """Deletes a key that no other trustpoint needs.

        Args:
            store: has the key.
            key_id: its name.
            trustpoint: for whom it is deleted; empty: for nobody.

        Raises:
            KeyClaimedError: another trustpoint needs it; it is still there.
            KeyStoreError: the store refuses.
            JournalError: the journal cannot be read.
        """
        claims = list(self._claims(trustpoint))
        if claims:
            claim = self._claim_on(store, key_id, claims)
            if claim is not None:
                raise KeyClaimedError(
                    f"key '{key_id}' stays: it is the {claim.role} of trustpoint "
                    f"'{claim.trustpoint}'; give the two other values of key.id"
                )
        store.delete(key_id)

    def require_free(self, key: KeyHandle, *, trustpoint: str, is_owned: bool) -> None:
        """Refuses to take a key over that is another trustpoint's.

        Args:
            key: bears the name that a new key was to get.
            trustpoint: who wants it.
            is_owned: whether that one would delete it some time.

        Raises:
            KeyClaimedError: another trustpoint needs the key, and not both leave it alone.
            JournalError: the journal cannot be read.
        """
        claim = self.find(public_key_of(key), without=trustpoint)
        if claim is not None and (is_owned or claim.is_owned):
            raise KeyClaimedError(
                f"key '{key.key_id}' is the {claim.role} of trustpoint '{claim.trustpoint}', and "
                "either would delete it; choose another name (key.id), or set "
                "delete_when_replaced = false and renewal.new_key = false in both"
            )

    @staticmethod
    def _claim_on(
        store: KeyStore, key_id: str, claims: list[tuple[KeyClaim, bytes]]
    ) -> KeyClaim | None:
        try:
            public_key_der = public_key_of(store.get(key_id))
        except KeyNotFoundError:
            return None
        except KeyStoreError:
            # What cannot be read cannot be compared: then the name decides.
            return next((claim for claim, _ in claims if claim.key_id == key_id), None)
        return next((claim for claim, claimed in claims if claimed == public_key_der), None)

    def _claims(self, without: str, *, is_strict: bool = True) -> Iterator[tuple[KeyClaim, bytes]]:
        """Claims with the public keys they are on."""
        if self._journal is None:
            return
        for trustpoint, version in self._journal.versions().items():
            if trustpoint == without:
                continue
            known = self._known.get(trustpoint)
            if known is None or known[0] != version:
                try:
                    stored = self._journal.snapshot(trustpoint)
                    known = version, list(_claims_of(trustpoint, stored))
                except SnapshotDamagedError:
                    if is_strict:
                        raise
                    continue
                self._known[trustpoint] = known
            yield from known[1]


def _claims_of(trustpoint: str, stored: StoredSnapshot | None) -> Iterator[tuple[KeyClaim, bytes]]:
    if stored is None:
        return
    shadow = stored.body.get("shadow")
    for named, owned, role in (
        (stored.body.get("active"), "is_key_ours", "key in use"),
        (stored.body.get("new_key"), "is_ours", "new key"),
        (isinstance(shadow, Mapping) and shadow.get("key"), "is_ours", SHADOW_KEY),
    ):
        if isinstance(named, Mapping) and named.get("public_key"):
            key_id, is_owned = str(named.get("key_id")), bool(named.get(owned))
            claim = KeyClaim(trustpoint, key_id, role, is_owned)
            yield claim, _public_key(named["public_key"], trustpoint, stored)


def public_key_of(key: KeyHandle) -> bytes:
    """SubjectPublicKeyInfo of a key, DER."""
    return key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public_key(text: object, trustpoint: str, stored: StoredSnapshot) -> bytes:
    try:
        return to_bytes(str(text))
    except ValueError as error:
        raise SnapshotDamagedError(trustpoint, stored.origin, str(error)) from error
