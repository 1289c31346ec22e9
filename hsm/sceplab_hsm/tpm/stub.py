"""A TPM 2.0 in pure Python: it behaves like a chip and protects like a file, that is not at all.

The seed under which every key is sealed lies in the chip's directory: whoever reads the directory
has the keys. What it is for: to see and to test handles, slots, authorisation, lockout, power cuts
and response codes without a TPM. Codes and counters were compared with swtpm; the same tests run on
both. What it leaves out: sessions, saved contexts, policies, hierarchies besides the owner's.
"""

from __future__ import annotations

import contextlib
import enum
import os
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa

from sceplab_hsm.api import Clock, KeyAlgorithm
from sceplab_hsm.tpm import stub_keys
from sceplab_hsm.tpm.chip import KeyBlobs, LockoutState, TpmChip, TpmGoneError
from sceplab_hsm.tpm.stub_codes import ResponseCode
from sceplab_hsm.tpm.stub_command import PERSISTENT, OpenedKeys, StubCommand
from sceplab_hsm.tpm.stub_latency import Latency, NoLatency
from sceplab_hsm.tpm.stub_memory import ChipMemory
from sceplab_hsm.tpm.stub_public import Attributes

SLOTS = 3
PERSISTENT_LIMIT = 7
"""The least that a platform has to offer."""
RANDOM_LIMIT_BYTES = 64

_OF_THE_OWNER = range(0x81000000, 0x81800000)


class PowerCut(enum.Enum):
    """When the power goes, seen from a command."""

    BEFORE_EFFECT = "before"
    AFTER_EFFECT = "after"


class StubChip:
    """A connection to the chip of a directory; several connections share its slots and counter.

    The chip keeps its power when a process ends: only `power_cut` and `power_cycle` take it away,
    and then every connection is broken.

    Args:
        memory: of the chip.
        slots: how many objects can be loaded at once.
        latency: how long commands take.
        now: clock of the chip while it has power; ``None``: failed tries are not forgiven by time.

    Raises:
        TpmGoneError: the chip is not there any more.
    """

    def __init__(
        self,
        memory: ChipMemory,
        *,
        slots: int = SLOTS,
        latency: Latency | None = None,
        now: Clock | None = None,
    ) -> None:
        self._memory = memory
        self._slots = slots
        self._latency = NoLatency() if latency is None else latency
        self._now = now
        self._cuts: dict[str, PowerCut] = {}
        self._opened = OpenedKeys()
        self._is_closed = False
        with memory.opened() as state:
            self._power = state.seed, state.boot

    def __repr__(self) -> str:
        return f"<StubChip (no TPM, no protection) boot {self._power[1]}>"

    def power_cut(self) -> None:
        """Takes the power away and gives it back, without an orderly end."""
        with self._memory.opened() as state:
            state.start_again(self._time())

    def power_cycle(self) -> None:
        """Ends orderly, takes the power away and gives it back."""
        with self._memory.opened() as state:
            state.da_used = False
            state.start_again(self._time())

    def cut_power_during(self, command: str, when: PowerCut) -> None:
        """Arms one power cut for the next command of that name over this connection.

        Args:
            command: as in the specification, without ``TPM2_``, for example ``Create``.
            when: before or after its effect; the caller sees `TpmGoneError` in both cases.
        """
        self._cuts[command] = when

    def algorithms(self) -> frozenset[KeyAlgorithm]:
        """Key types that the chip makes."""
        return stub_keys.ALGORITHMS

    def transient_handles(self) -> list[int]:
        """Objects loaded at this moment, by whichever connection."""
        with self._running("GetCapability") as command:
            return sorted(command.state.transient)

    def persistent_handles(self) -> list[int]:
        """Objects that outlive a power cycle."""
        with self._running("GetCapability") as command:
            return sorted(command.state.persistent)

    def create_storage_key(self) -> int:
        """Loads the storage primary; gives its transient handle."""
        with self._running("CreatePrimary") as command:
            self._latency.pause("CreatePrimary", None)
            return command.load_primary(stub_keys.storage_key(command.state.seed).area)

    def evict_control(self, handle: int, persistent_handle: int) -> None:
        """Makes a loaded object persistent, or removes a persistent one (both handles equal)."""
        with self._running("EvictControl") as command:
            blobs, persistent = command.blobs(handle), command.state.persistent
            if handle in PERSISTENT and handle == persistent_handle:
                del persistent[handle]
                return
            if persistent_handle not in PERSISTENT:
                raise command.refused(ResponseCode.BAD_TRANSIENT)
            if persistent_handle not in _OF_THE_OWNER or handle in PERSISTENT:
                raise command.refused(ResponseCode.PERSISTENT_RANGE)
            if persistent_handle in persistent:
                raise command.refused(ResponseCode.NV_DEFINED)
            if len(persistent) >= PERSISTENT_LIMIT:
                raise command.refused(ResponseCode.NV_SPACE)
            self._latency.pause("EvictControl", None)
            persistent[persistent_handle] = blobs

    def create(
        self, parent: int, algorithm: KeyAlgorithm, *, auth: bytes, dictionary_attack: bool
    ) -> KeyBlobs:
        """Makes a key under the storage key; it is not loaded, but needs a slot meanwhile."""
        with self._running("Create") as command:
            command.require_parent(parent)
            command.take_slot()
            if algorithm not in stub_keys.ALGORITHMS:
                raise command.refused(ResponseCode.ALGORITHM)
            if len(auth) > stub_keys.AUTH_LIMIT_BYTES:
                raise command.refused(ResponseCode.PARAMETER_SIZE)
            self._latency.pause("Create", algorithm)
            key = stub_keys.make_key(algorithm, auth, counts_tries=dictionary_attack)
            return stub_keys.wrap(key, command.state.seed)

    def load(self, parent: int, blobs: KeyBlobs) -> int:
        """Loads a key into a transient slot; gives its handle."""
        with self._running("Load") as command:
            command.require_parent(parent)
            self._latency.pause("Load", None)
            return command.load(blobs)

    def flush(self, handle: int) -> None:
        """Frees a transient slot."""
        with self._running("FlushContext") as command:
            if command.state.transient.pop(handle, None) is None:
                raise command.refused(ResponseCode.FLUSH_MISSING)

    def public_key_der(self, handle: int) -> bytes:
        """The public half of an object as SubjectPublicKeyInfo, DER."""
        with self._running("ReadPublic") as command:
            return command.key(handle).public_key_der

    def sign(
        self, handle: int, digest: bytes, hash_name: str, *, scheme: str, auth: bytes
    ) -> bytes:
        """Signs a digest of exactly the hash's length."""
        with self._running("Sign") as command:
            key = command.key(handle)
            command.authorise(key, auth)
            if not key.area.attributes & Attributes.SIGN:
                raise command.refused(ResponseCode.NOT_FOR_THIS_USE)
            schemes = ("rsassa", "rsapss") if key.area.algorithm.is_rsa else ("ecdsa",)
            if scheme not in schemes or hash_name not in stub_keys.HASHES:
                raise command.refused(ResponseCode.SCHEME)
            if len(digest) != stub_keys.HASHES[hash_name].digest_size:
                raise command.refused(ResponseCode.PARAMETER_SIZE)
            self._latency.pause("Sign", key.area.algorithm)
            return stub_keys.sign_digest(key, digest, hash_name, scheme)

    def rsa_decrypt(
        self, handle: int, ciphertext: bytes, *, scheme: str, hash_name: str = "", auth: bytes
    ) -> bytes:
        """Decrypts a block as long as the modulus."""
        with self._running("RSA_Decrypt") as command:
            key = command.key(handle)
            command.authorise(key, auth)
            private_key = key.private_key
            if not isinstance(private_key, rsa.RSAPrivateKey):
                raise command.refused(ResponseCode.NOT_FOR_THIS_USE)
            if scheme != "rsaes" and (scheme != "oaep" or hash_name not in stub_keys.HASHES):
                raise command.refused(ResponseCode.SCHEME)
            if len(ciphertext) * 8 != private_key.key_size:
                raise command.refused(ResponseCode.SIZE)
            self._latency.pause("RSA_Decrypt", key.area.algorithm)
            try:
                return stub_keys.decrypt(private_key, ciphertext, scheme, hash_name)
            except ValueError:
                raise command.refused(ResponseCode.FAILURE) from None

    def get_random(self, count: int) -> bytes:
        """Random bytes, at most 64 a call."""
        with self._running("GetRandom"):
            return os.urandom(min(count, RANDOM_LIMIT_BYTES))

    def lockout_state(self) -> LockoutState:
        """Reads the dictionary-attack counter."""
        with self._running("GetCapability") as command:
            state = command.state
            return LockoutState(
                failed_tries=state.failed_tries,
                max_tries=state.max_tries,
                recovery_s=state.recovery_s,
            )

    def clear_lockout(self, lockout_auth: bytes) -> None:
        """Resets the counter. The lockout authorisation is empty, as in a new chip.

        A wrong value shuts this way until the recovery time has passed.
        """
        with self._running("DictionaryAttackLockReset") as command:
            if command.state.reset_locked:
                raise command.refused(ResponseCode.LOCKOUT)
            if stub_keys.comparable(lockout_auth):
                command.state.lock_reset(command.now)
                raise command.refused(ResponseCode.AUTH_FAIL)
            command.state.failed_tries = 0

    def shutdown(self) -> None:
        """Orderly end: unless a counted key is used again, the next start is no failed try."""
        with self._running("Shutdown") as command:
            command.state.da_used = False

    def close(self) -> None:
        """Drops the connection; loaded objects stay where they are. Twice is harmless."""
        self._is_closed = True
        self._opened.clear()

    @contextlib.contextmanager
    def _running(self, name: str) -> Iterator[StubCommand]:
        """One command: the chip is alone with it, and it may meet a power cut."""
        cut = self._cuts.pop(name, None)
        with self._memory.opened() as state:
            if self._is_closed or (state.seed, state.boot) != self._power:
                raise TpmGoneError(f"the connection to the TPM stub was broken before {name}")
            now = self._time()
            if now is not None:
                state.recover(now)
            try:
                if cut is not PowerCut.BEFORE_EFFECT:
                    yield StubCommand(name, state, slots=self._slots, opened=self._opened, now=now)
            finally:
                if cut is not None:
                    state.start_again(now)
                    raise TpmGoneError(f"the TPM stub lost its power during {name}")

    def _time(self) -> datetime | None:
        return None if self._now is None else self._now()


if TYPE_CHECKING:
    _PROOF: type[TpmChip] = StubChip  # the stub fits the chip interface
