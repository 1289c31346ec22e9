"""Tries a key store out: does it do what it says, and how fast.

Keys made here bear names that begin with ``sceplab-trial-`` and are deleted at the end, also when
something fails in between. What a killed process or a power cut leaves, `sceplab-hsm list` names.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import (
    MGF1,
    OAEP,
    PSS,
    AsymmetricPadding,
    PKCS1v15,
)

from sceplab_hsm.api import KeyAlgorithm, KeyHandle, KeyStore
from sceplab_hsm.errors import KeyStoreError

NAME_PREFIX = "sceplab-trial-"
_MESSAGE = b"a content key has about this size"
_SHA256 = hashes.SHA256()
_PSS = PSS(mgf=MGF1(hashes.SHA256()), salt_length=32)
_OAEP = OAEP(mgf=MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - what CMS peers use
_ROUND_S = 0.1
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_RSA_BITS = {
    KeyAlgorithm.RSA_2048: 2048,
    KeyAlgorithm.RSA_3072: 3072,
    KeyAlgorithm.RSA_4096: 4096,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of one trial."""

    algorithm: KeyAlgorithm
    operation: str
    is_ok: bool
    reason: str = ""
    """Why not; empty when it is fine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """How often an operation runs in a second, in the store and in plain memory."""

    operation: str
    per_second: float
    in_memory_per_second: float

    @property
    def ratio(self) -> float:
        """Of the store to memory."""
        return self.per_second / self.in_memory_per_second


def try_store(store: KeyStore) -> Generator[Finding, None, None]:
    """Makes a key of each type the store lists and uses it in each way the store claims.

    Close it before the store when you do not go through to its end: that deletes the last key.
    """
    capabilities = store.capabilities()
    for algorithm in KeyAlgorithm:
        if algorithm not in capabilities.algorithms:
            continue
        with contextlib.ExitStack() as stack:
            try:
                handle = stack.enter_context(trial_key(store, algorithm))
            except KeyStoreError as error:
                yield Finding(
                    algorithm=algorithm, operation="generate", is_ok=False, reason=str(error)
                )
                continue
            yield Finding(algorithm=algorithm, operation="generate", is_ok=True)
            for operation, work in _uses(store, handle):
                yield _try(algorithm, operation, work)


def measure(store: KeyStore, algorithm: KeyAlgorithm, *, seconds: float) -> list[Throughput]:
    """Signatures and, with RSA, PKCS#1 v1.5 unwraps a second.

    Store and memory take turns, so that both meet the same other load of the machine.

    Args:
        store: open; a key is made in it and deleted.
        algorithm: type of the key.
        seconds: for each operation, about half of it for either side.
    """
    in_memory = _memory_key(algorithm)
    with trial_key(store, algorithm) as handle:
        found = [
            _compare(
                "sign",
                lambda: handle.sign(_MESSAGE, _SHA256),
                lambda: _sign_in_memory(in_memory),
                seconds,
            )
        ]
        if isinstance(in_memory, rsa.RSAPrivateKey):
            wrapped = _wrap(handle, PKCS1v15())
            own_wrapped = in_memory.public_key().encrypt(_MESSAGE, PKCS1v15())
            key = in_memory
            found.append(
                _compare(
                    "unwrap",
                    lambda: handle.decrypt(wrapped, PKCS1v15()),
                    lambda: key.decrypt(own_wrapped, PKCS1v15()),
                    seconds,
                )
            )
    return found


@contextlib.contextmanager
def trial_key(store: KeyStore, algorithm: KeyAlgorithm) -> Iterator[KeyHandle]:
    """A key that is deleted again."""
    key_id = NAME_PREFIX + secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        # Else a signal may come when the key is there and nobody knows it yet, or in the middle of
        # the deletion; and what is interrupted while it holds a lock may not let it go in time.
        with _signals_held_back():
            handle = store.generate(key_id, algorithm)
            stack.callback(_delete, store, key_id)
        yield handle


def _delete(store: KeyStore, key_id: str) -> None:
    with _signals_held_back():
        store.delete(key_id)


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Signals that end the process are delivered afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _uses(store: KeyStore, handle: KeyHandle) -> Iterator[tuple[str, Callable[[], bool]]]:
    public_key, capabilities = handle.public_key, store.capabilities()
    yield "find", lambda: store.get(handle.key_id).public_key == public_key
    yield "sign", lambda: _verifies(handle, None)
    if isinstance(public_key, rsa.RSAPublicKey):
        if capabilities.supports_pss:
            yield "sign PSS", lambda: _verifies(handle, _PSS)
        yield "decrypt", lambda: _opens(handle, PKCS1v15())
        if capabilities.supports_oaep:
            yield "decrypt OAEP", lambda: _opens(handle, _OAEP)


def _try(algorithm: KeyAlgorithm, operation: str, work: Callable[[], bool]) -> Finding:
    try:
        is_ok, reason = work(), "the result is wrong"
    except KeyStoreError as error:
        is_ok, reason = False, str(error)
    return Finding(
        algorithm=algorithm, operation=operation, is_ok=is_ok, reason="" if is_ok else reason
    )


def _verifies(handle: KeyHandle, padding: AsymmetricPadding | None) -> bool:
    signature = handle.sign(_MESSAGE, _SHA256, padding)
    public_key = handle.public_key
    try:
        if isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(signature, _MESSAGE, padding or PKCS1v15(), _SHA256)
        else:
            public_key.verify(signature, _MESSAGE, ec.ECDSA(_SHA256))
    except InvalidSignature:
        return False
    return True


def _opens(handle: KeyHandle, padding: AsymmetricPadding) -> bool:
    return handle.decrypt(_wrap(handle, padding), padding) == _MESSAGE


def _wrap(handle: KeyHandle, padding: AsymmetricPadding) -> bytes:
    public_key = handle.public_key
    assert isinstance(public_key, rsa.RSAPublicKey)
    return public_key.encrypt(_MESSAGE, padding)


def _memory_key(algorithm: KeyAlgorithm) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    bits = _RSA_BITS.get(algorithm)
    if bits is not None:
        return rsa.generate_private_key(public_exponent=65537, key_size=bits)
    is_p256 = algorithm is KeyAlgorithm.EC_P256
    return ec.generate_private_key(ec.SECP256R1() if is_p256 else ec.SECP384R1())


def _sign_in_memory(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(_MESSAGE, PKCS1v15(), _SHA256)
    return key.sign(_MESSAGE, ec.ECDSA(_SHA256))


def _compare(
    operation: str, in_store: Callable[[], object], in_memory: Callable[[], object], seconds: float
) -> Throughput:
    counts, spent = [0, 0], [0.0, 0.0]
    works = (in_store, in_memory)
    for work in works:
        work()  # what only the first use costs is not measured
    end = time.perf_counter() + seconds
    while not all(counts) or time.perf_counter() < end:
        for side, work in enumerate(works):
            started = time.perf_counter()
            while True:
                work()
                counts[side] += 1
                elapsed = time.perf_counter() - started
                if elapsed >= min(_ROUND_S, seconds / 2):
                    break
            spent[side] += elapsed
    return Throughput(
        operation=operation,
        per_second=counts[0] / spent[0],
        in_memory_per_second=counts[1] / spent[1],
    )
