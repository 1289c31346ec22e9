"""Signatures and unwraps a second of each key store, held against OpenSSL and the bare binding.

``keystore.STORE.KEY.OPERATION`` compares with the same operation of `cryptography` in memory: what
the store costs. ``keystore.STORE.KEY.OPERATION.layer`` compares with the bare call of the store's
own binding, in which the same digest is made and the same encoding: what our layer costs, at most a
tenth. Both sides take turns call by call. A store joins with an entry in `_STORES`; one whose
programs are missing is left out with a word on standard error.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from sceplab_hsm.api import KeyAlgorithm, KeyHandle, KeyStore
from sceplab_hsm.errors import ModuleMissingError
from sceplab_hsm.pkcs11.softhsm import init_softhsm
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret, secrets_from
from sceplab_hsm.tpm.swtpm import init_swtpm
from tests.bench.measure import cpu_us
from tests.bench.record import Record
from tests.bench.registry import Effort, benchmark
from tests.support.soft_stores import soft_store

_LAYER_BOUND = 1.1
_MESSAGE = bytes(range(256)) * 2
_CONTENT_KEY = bytes(16)
_SHA256 = hashes.SHA256()
_KEYS = (KeyAlgorithm.RSA_2048, KeyAlgorithm.EC_P256)

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class _Bench:
    """A store and, where it has a binding of its own, the bare calls of that binding."""

    name: str
    store: KeyStore
    bare: Callable[[KeyHandle, bytes], dict[str, Work]] | None = None
    """From a handle and a wrapped content key to the works by operation."""
    clock: Callable[[], float] = time.process_time
    """``time.perf_counter`` for a store whose work is done outside this process."""


@contextlib.contextmanager
def _software(place: Path) -> Iterator[_Bench]:
    with contextlib.closing(soft_store(place / "soft")) as store:
        yield _Bench("soft", store)


@contextlib.contextmanager
def _softhsm(place: Path) -> Iterator[_Bench]:
    token = init_softhsm(place / "softhsm", label="bench")
    opened = open_key_store(token.uri, secrets_from(token.secret_reference))
    with contextlib.closing(opened) as store:
        yield _Bench("pkcs11", store, lambda handle, wrapped: _bare_pkcs11(store, handle, wrapped))


@contextlib.contextmanager
def _swtpm(place: Path) -> Iterator[_Bench]:
    lab = init_swtpm(place / "swtpm")
    try:
        opened = open_key_store(lab.uri, secrets_from(lab.secret_reference), create=True)
        with contextlib.closing(opened) as store:
            yield _Bench("tpm", store, clock=time.perf_counter)
    finally:
        lab.instance.stop()


@contextlib.contextmanager
def _tpm_stub(place: Path) -> Iterator[_Bench]:
    opened = open_key_store(f"tpm-stub:{place / 'stub'}", lambda _: Secret("4711"), create=True)
    with contextlib.closing(opened) as store:
        yield _Bench("tpm-stub", store)


_STORES = (_software, _softhsm, _swtpm, _tpm_stub)


@benchmark
def keystores(effort: Effort) -> list[Record]:
    """RSA-2048 and P-256 signatures over half a kilobyte, and RSA unwraps of a content key."""
    records: list[Record] = []
    with tempfile.TemporaryDirectory() as folder:
        for opened in _STORES:
            try:
                with opened(Path(folder)) as bench:
                    for algorithm in _KEYS:
                        records += _measure(bench, algorithm, effort)
            except ModuleMissingError as error:
                print(f"key stores: {error}", file=sys.stderr)
    return records


def _measure(bench: _Bench, algorithm: KeyAlgorithm, effort: Effort) -> Iterator[Record]:
    handle = bench.store.generate(f"bench-{algorithm.value.replace(':', '-')}", algorithm)
    wrapped = b""
    works: dict[str, Work] = {"sign": lambda: handle.sign(_MESSAGE, _SHA256)}
    if isinstance(handle.public_key, rsa.RSAPublicKey):
        wrapped = handle.public_key.encrypt(_CONTENT_KEY, PKCS1v15())
        works["unwrap"] = lambda: handle.decrypt(wrapped, PKCS1v15())
    memory = _in_memory(algorithm)
    bare = bench.bare(handle, wrapped) if bench.bare is not None else {}
    for operation, work in works.items():
        name = f"keystore.{bench.name}.{algorithm.value}.{operation}"
        times = cpu_us({"store": work, "memory": memory[operation]}, effort, clock=bench.clock)
        yield Record(
            name=name, value=1e6 / times["store"], unit="/s", reference=1e6 / times["memory"]
        )
        if operation in bare:
            # Apart from memory: either side then follows the other, with the same warm caches.
            times = cpu_us({"store": work, "bare": bare[operation]}, effort, clock=bench.clock)
            yield Record(
                name=f"{name}.layer",
                value=times["store"],
                unit="µs",
                reference=times["bare"],
                target=_LAYER_BOUND,
            )


def _in_memory(algorithm: KeyAlgorithm) -> dict[str, Work]:
    if not algorithm.is_rsa:
        curve_key = ec.generate_private_key(ec.SECP256R1())
        return {"sign": lambda: curve_key.sign(_MESSAGE, ec.ECDSA(_SHA256))}
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    wrapped = key.public_key().encrypt(_CONTENT_KEY, PKCS1v15())
    return {
        "sign": lambda: key.sign(_MESSAGE, PKCS1v15(), _SHA256),
        "unwrap": lambda: key.decrypt(wrapped, PKCS1v15()),
    }


def _bare_pkcs11(store: Any, handle: KeyHandle, wrapped: bytes) -> dict[str, Work]:
    """What a program does that uses python-pkcs11 itself, on the same session and key object."""
    import hashlib

    from pkcs11 import Mechanism

    private = store.find(handle.key_id).private
    if handle.algorithm.is_rsa:
        return {
            "sign": lambda: private.sign(_MESSAGE, mechanism=Mechanism.SHA256_RSA_PKCS),
            "unwrap": lambda: private.decrypt(wrapped, mechanism=Mechanism.RSA_PKCS),
        }

    def sign() -> bytes:
        digest = hashlib.sha256(_MESSAGE).digest()
        answer = private.sign(digest, mechanism=Mechanism.ECDSA)
        half = len(answer) // 2
        return encode_dss_signature(
            int.from_bytes(answer[:half], "big"), int.from_bytes(answer[half:], "big")
        )

    return {"sign": sign}
