"""One command of the stub while it runs: which objects it reaches, and whether it may use them."""

from __future__ import annotations

import hmac
import itertools
from collections import OrderedDict
from datetime import datetime

from sceplab_hsm.tpm import stub_keys
from sceplab_hsm.tpm.chip import KeyBlobs, TpmError
from sceplab_hsm.tpm.stub_codes import ResponseCode
from sceplab_hsm.tpm.stub_keys import BlobForeignError, BlobSizeError, StubKey
from sceplab_hsm.tpm.stub_memory import ChipState
from sceplab_hsm.tpm.stub_public import PublicArea

TRANSIENT = range(0x80000000, 0x81000000)
PERSISTENT = range(0x81000000, 0x82000000)

_OPENED_LIMIT = 8


class OpenedKeys:
    """Keys whose blobs were opened lately, so that not every command opens them again."""

    def __init__(self) -> None:
        self._keys: OrderedDict[KeyBlobs, StubKey] = OrderedDict()

    def get(self, blobs: KeyBlobs, seed: bytes) -> StubKey:
        """The key behind blobs.

        Raises:
            BlobSizeError, BlobForeignError: as `stub_keys.unwrap`.
        """
        key = self._keys.get(blobs)
        if key is None:
            key = stub_keys.unwrap(blobs, seed) if blobs.private else stub_keys.storage_key(seed)
            self._keys[blobs] = key
            if len(self._keys) > _OPENED_LIMIT:
                self._keys.popitem(last=False)
        return key

    def clear(self) -> None:
        """Forgets them."""
        self._keys.clear()


class StubCommand:
    """A running command.

    Args:
        name: as in the specification, without ``TPM2_``.
        state: of the chip; changed in place.
        slots: how many objects can be loaded at once.
        opened: keys that were opened lately.
        now: the chip's time, if it has a clock.
    """

    def __init__(
        self,
        name: str,
        state: ChipState,
        *,
        slots: int,
        opened: OpenedKeys,
        now: datetime | None,
    ) -> None:
        self.state = state
        self.now = now
        self._name = name
        self._slots = slots
        self._opened = opened
        self._lent = 0

    def refused(self, code: ResponseCode) -> TpmError:
        """The error to raise."""
        return TpmError(self._name, code)

    def blobs(self, handle: int) -> KeyBlobs:
        """Blobs of an object. A persistent one takes a slot as long as the command runs."""
        if handle in PERSISTENT:
            self.take_slot()
            if handle not in self.state.persistent:
                raise self.refused(ResponseCode.ENTRY_MISSING)
            return self.state.persistent[handle]
        if handle not in TRANSIENT:
            raise self.refused(ResponseCode.NOT_A_HANDLE)
        if handle not in self.state.transient:
            raise self.refused(ResponseCode.REFERENCE_MISSING)
        return self.state.transient[handle]

    def key(self, handle: int) -> StubKey:
        """The key behind a handle."""
        try:
            return self._opened.get(self.blobs(handle), self.state.seed)
        except (BlobSizeError, BlobForeignError) as error:
            # What the chip itself has written does not open: its memory was changed.
            raise self.refused(ResponseCode.FAILURE) from error

    def require_parent(self, handle: int) -> None:
        """Checks that keys can hang under an object."""
        if not self.key(handle).is_storage:
            raise self.refused(ResponseCode.NOT_A_PARENT)

    def take_slot(self) -> None:
        """Takes a slot as long as the command runs."""
        if len(self.state.transient) + self._lent >= self._slots:
            raise self.refused(ResponseCode.OBJECT_MEMORY)
        self._lent += 1

    def load(self, blobs: KeyBlobs) -> int:
        """Puts a child of the storage key into a slot for good."""
        try:
            if not blobs.private:
                raise BlobSizeError
            self._opened.get(blobs, self.state.seed)
        except BlobSizeError as error:
            raise self.refused(ResponseCode.PARAMETER_SIZE) from error
        except BlobForeignError as error:
            raise self.refused(ResponseCode.INTEGRITY) from error
        return self._occupy(blobs)

    def load_primary(self, area: PublicArea) -> int:
        """Puts the storage key into a slot for good."""
        return self._occupy(KeyBlobs(private=b"", public=area.encode()))

    def authorise(self, key: StubKey, auth: bytes) -> None:
        """Checks an authorisation value, and counts where it counts.

        A locked chip refuses the right value too.

        Spec: TPM 2.0 Library, part 1, 19.8 (dictionary attack protection).
        """
        is_right = hmac.compare_digest(stub_keys.comparable(auth), key.auth)
        if not key.counts_tries:
            if not is_right:
                raise self.refused(ResponseCode.BAD_AUTH)
            return
        if self.state.is_locked_out:
            raise self.refused(ResponseCode.LOCKOUT)
        self.state.da_used = True
        if not is_right:
            self.state.count_failure(self.now)
            raise self.refused(ResponseCode.AUTH_FAIL)

    def _occupy(self, blobs: KeyBlobs) -> int:
        lent = self._lent
        self.take_slot()
        free = (handle for handle in TRANSIENT if handle not in self.state.transient)
        handle = next(itertools.islice(free, lent, None))
        self.state.transient[handle] = blobs
        return handle
