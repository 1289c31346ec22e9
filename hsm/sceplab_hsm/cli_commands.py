"""The commands of `sceplab-hsm`, one function each."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from cryptography.hazmat.primitives import serialization

from sceplab_hsm.api import KeyAlgorithm, KeyInfo, KeyStore
from sceplab_hsm.cli import EXIT_FAILED, EXIT_USAGE
from sceplab_hsm.cli_output import CommandError, Output, pairs, table
from sceplab_hsm.errors import KeyNotFoundError, KeyStoreError
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import secrets_from
from sceplab_hsm.trial import NAME_PREFIX, measure, try_store
from sceplab_hsm.uri import check_key_id, join_key_uri, split_key_uri


def list_command(arguments: argparse.Namespace, output: Output) -> None:
    """Lists the keys of a store."""
    with _opened(arguments) as store:
        infos = store.list_keys()
        residence = store.capabilities().residence.value
    rows = [(i.key_id, i.algorithm.value, i.created_at or "-", _fingerprint(i)) for i in infos]
    count = f"{len(rows)} {'key' if len(rows) == 1 else 'keys'} in {store.uri} ({residence})"
    if any(info.key_id.startswith(NAME_PREFIX) for info in infos):
        output.say(
            f"keys named {NAME_PREFIX}... are of a probe or bench that runs or was killed; "
            "when none runs: delete STORE KEY"
        )
    headings = ("key", "type", "made", "sha256 of the public key")
    output.answer(
        {"store": store.uri, "residence": residence, "keys": [_key_json(store, i) for i in infos]},
        f"{table(headings, rows)}\n{count}" if rows else count,
    )


def show_command(arguments: argparse.Namespace, output: Output) -> None:
    """Shows one key with its public half."""
    with _opened(arguments) as store:
        info = _find(store, _key_id(arguments))
        residence = store.capabilities().residence.value
        value = {**_key_json(store, info), "residence": residence, "public_key_pem": _pem(info)}
    rows = [
        ("key", info.key_id),
        ("uri", str(value["uri"])),
        ("type", info.algorithm.value),
        ("made", info.created_at or "the store does not know"),
        ("lives in", residence),
        ("exportable", "yes" if info.exportable else "no"),
        ("sha256", _fingerprint(info)),
    ]
    output.answer(value, f"{pairs(rows)}\n{_pem(info)}".rstrip())


def generate_command(arguments: argparse.Namespace, output: Output) -> None:
    """Makes a key."""
    key_id = check_key_id(_key_id(arguments))
    with _opened(arguments, create=arguments.create) as store:
        store.generate(key_id, KeyAlgorithm(arguments.type))
        info = _find(store, key_id)
        value = _key_json(store, info)
    output.answer(value, f"made {value['uri']}, {info.algorithm.value}, sha256 {value['sha256']}")


def delete_command(arguments: argparse.Namespace, output: Output) -> None:
    """Destroys a key, when the user means it."""
    key_id = _key_id(arguments)
    with _opened(arguments) as store:
        info = _find(store, key_id)
        if not arguments.yes:
            _confirm(f"Destroy key '{key_id}' ({info.algorithm.value}) in {store.uri}")
        store.delete(key_id)
        value = _key_json(store, info)
    output.answer(value, f"deleted {value['uri']}")


def probe_command(arguments: argparse.Namespace, output: Output) -> None:
    """Tells, and with ``--try`` proves, what a store can do."""
    with _opened(arguments) as store:
        capabilities = store.capabilities()
        algorithms = [item.value for item in KeyAlgorithm if item in capabilities.algorithms]
        value: dict[str, object] = {
            "store": store.uri,
            "residence": capabilities.residence.value,
            "algorithms": algorithms,
            "oaep": capabilities.supports_oaep,
            "pss": capabilities.supports_pss,
            "threads": capabilities.thread_safe,
            "keys_leave_store": capabilities.keys_leave_store,
            "moves_keys": capabilities.moves_keys,
        }
        rows = [
            ("store", store.uri),
            ("lives in", capabilities.residence.value),
            ("keys", ", ".join(algorithms)),
            ("OAEP", _yes(capabilities.supports_oaep)),
            ("PSS", _yes(capabilities.supports_pss)),
            ("threads", _yes(capabilities.thread_safe)),
            ("files hold keys", _yes(capabilities.keys_leave_store)),
            ("import and export", _yes(capabilities.moves_keys)),
        ]
        failed = []
        if arguments.is_trying:
            tried: list[dict[str, object]] = []
            with contextlib.closing(try_store(store)) as findings:
                for finding in findings:
                    result = "ok" if finding.is_ok else finding.reason
                    if not output.as_json:
                        output.say(f"{finding.algorithm.value} {finding.operation}: {result}")
                    tried.append({**asdict(finding), "algorithm": finding.algorithm.value})
                    failed += [] if finding.is_ok else [finding]
            value["tried"] = tried
            rows.append(("tried", f"{len(tried)} uses, {len(failed)} failed"))
    if failed:
        uses = ", ".join(f"{item.algorithm.value} {item.operation}" for item in failed)
        raise KeyStoreError(f"{store.uri} does not do what it says: {uses}: {failed[0].reason}")
    output.answer(value, pairs(rows))


def bench_command(arguments: argparse.Namespace, output: Output) -> None:
    """Measures a store against memory."""
    algorithm = KeyAlgorithm(arguments.type)
    with _opened(arguments) as store:
        output.say(f"measuring {algorithm.value} in {store.uri}")
        results = measure(store, algorithm, seconds=arguments.seconds)
    rows = [
        (r.operation, f"{r.per_second:.0f}", f"{r.in_memory_per_second:.0f}", f"{r.ratio:.2f}")
        for r in results
    ]
    output.answer(
        {
            "store": store.uri,
            "type": algorithm.value,
            "results": [{**asdict(result), "ratio": round(result.ratio, 4)} for result in results],
        },
        table(("operation", "a second", "in memory", "ratio"), rows),
    )


def _key_id(arguments: argparse.Namespace) -> str:
    named = split_key_uri(arguments.store)[1]
    if named and arguments.key and named != arguments.key:
        raise CommandError(
            f"the URI names key '{named}' and the command '{arguments.key}'", EXIT_USAGE
        )
    key_id = named or arguments.key
    if not key_id:
        raise CommandError(
            "which key? name it behind the store, or give the URI of the key", EXIT_USAGE
        )
    return str(key_id)


@contextlib.contextmanager
def _opened(arguments: argparse.Namespace, *, create: bool = False) -> Iterator[KeyStore]:
    store_uri, _ = split_key_uri(arguments.store)
    store = open_key_store(
        store_uri, secrets_from(arguments.secret), create=create, now=lambda: datetime.now(UTC)
    )
    with contextlib.closing(store):
        yield store


def _find(store: KeyStore, key_id: str) -> KeyInfo:
    store.get(key_id)  # an unknown or damaged key says so here
    for info in store.list_keys():
        if info.key_id == key_id:
            return info
    raise KeyNotFoundError(key_id, store.uri)


def _key_json(store: KeyStore, info: KeyInfo) -> dict[str, object]:
    return {
        "key": info.key_id,
        "uri": join_key_uri(store.uri, info.key_id),
        "type": info.algorithm.value,
        "made": info.created_at,
        "exportable": info.exportable,
        "sha256": _fingerprint(info),
    }


def _fingerprint(info: KeyInfo) -> str:
    return hashlib.sha256(info.public_key_der).hexdigest()


def _pem(info: KeyInfo) -> str:
    return (
        serialization.load_der_public_key(info.public_key_der)
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode("ascii")
    )


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise CommandError(
            "nobody is there to confirm; say --yes to delete without asking", EXIT_USAGE
        )
    print(f"{question}? Its certificate is then of no use. [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was deleted", EXIT_FAILED)


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"
