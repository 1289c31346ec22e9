"""Injected faults: each class of error, on the call that was asked for, and nothing besides."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from sceplab_hsm.api import KeyAlgorithm, KeyStore
from sceplab_hsm.contract import MESSAGE, KeyStoreContract, verify
from sceplab_hsm.errors import (
    KeyExistsError,
    KeyStoreError,
    LockoutError,
    StoreBusyError,
    StoreFullError,
    StoreLockedError,
    StoreUnavailableError,
    StoreUriError,
    TokenMissingError,
)
from sceplab_hsm.fault import FaultyKeyStore
from sceplab_hsm.fault_plan import FaultPlan
from sceplab_hsm.fault_spec import Operation
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret, secrets_from
from sceplab_hsm.tpm.stub_store import connect_stub
from sceplab_hsm.uri import split_key_uri
from tests.support.soft_stores import MADE_AT, PASSPHRASE, soft_store
from tests.support.softhsm import make_token, pin_of

EC = KeyAlgorithm.EC_P256
CLASSES = {
    "busy": StoreBusyError,
    "removed": TokenMissingError,
    "lost": TokenMissingError,
    "wrong-pin": StoreLockedError,
    "full": StoreFullError,
    "memory": StoreFullError,
    "fail": StoreUnavailableError,
}


def open_faulty(place: Path, *faults: str, passphrase: str = PASSPHRASE) -> FaultyKeyStore:
    """Opens a software store with faults through the registry."""
    items = "".join(
        f"&{fault if fault.startswith('fault-') else f'fault={fault}'}" for fault in faults
    )
    store = open_key_store(
        f"fault+soft:{place}?kdf=lab{items}",
        lambda _: Secret(passphrase),
        create=True,
        now=lambda: MADE_AT,
    )
    assert isinstance(store, FaultyKeyStore)
    return store


def outcome(use: Callable[[], object]) -> str:
    """``ok``, or the class of the error."""
    try:
        use()
    except KeyStoreError as error:
        return type(error).__name__
    return "ok"


class TestUndisturbedStore(KeyStoreContract):
    """With no fault armed the wrapper keeps the contract that the inner store keeps."""

    passphrase = PASSPHRASE

    @classmethod
    def open_store(cls, place: Path) -> KeyStore:
        """A software store behind the prefix, with a fault that never comes."""
        return open_faulty(place, "busy:sign:999999")

    @classmethod
    def open_store_with(cls, place: Path, secret: str) -> KeyStore:
        """The same with another secret."""
        return open_faulty(place, "busy:sign:999999", passphrase=secret)


class TestUndisturbedStub(KeyStoreContract):
    """The same over the TPM stub."""

    passphrase = PASSPHRASE

    @classmethod
    def open_store(cls, place: Path) -> KeyStore:
        """A stub behind the prefix."""
        return cls.open_store_with(place, PASSPHRASE)

    @classmethod
    def open_store_with(cls, place: Path, secret: str) -> KeyStore:
        """The same with another secret."""
        return open_key_store(f"fault+tpm-stub:{place}", lambda _: Secret(secret), create=True)


@pytest.mark.parametrize("kind", CLASSES)
def test_each_kind_has_its_class_and_says_so(tmp_path: Path, kind: str) -> None:
    """The error is of exactly that class, names the fault and says that it was injected."""
    handle = open_faulty(tmp_path / "keys", f"{kind}:sign:1").generate("router1", EC)
    with pytest.raises(KeyStoreError) as caught:
        handle.sign(MESSAGE, hashes.SHA256())
    assert type(caught.value) is CLASSES[kind]
    assert f"injected into fault+soft:{tmp_path}/keys by fault={kind}:sign:1" in str(caught.value)


def test_each_operation_is_met(tmp_path: Path) -> None:
    """A fault hits its own operation and no other."""
    for operation in Operation:
        if operation in (Operation.OPEN, Operation.ANY):
            continue
        place = tmp_path / operation.value
        inner = soft_store(place)
        inner.generate("router1", KeyAlgorithm.RSA_2048)
        inner.generate_exportable("router3", EC)
        pkcs8 = inner.export_key("router3", Secret("word"))
        store = open_faulty(place)
        handle = store.get("router1")
        ciphertext = handle.public_key.encrypt(MESSAGE, PKCS1v15())  # type: ignore[union-attr]
        store.faults.arm(f"busy:{operation.value}")
        uses: dict[str, Callable[[], object]] = {
            "generate": lambda store=store: store.generate("router2", EC),
            "get": lambda store=store: store.get("router1"),
            "list": store.list_keys,
            "sign": lambda handle=handle: handle.sign(MESSAGE, hashes.SHA256()),
            "decrypt": lambda handle=handle, text=ciphertext: handle.decrypt(text, PKCS1v15()),
            "delete": lambda store=store: store.delete("router1"),
            "export": lambda store=store: store.export_key("router3", Secret("word")),
            "import": lambda store=store, pkcs8=pkcs8: store.import_key(
                "router4", pkcs8, Secret("word"), exportable=True
            ),
        }
        failed = [name for name, use in uses.items() if outcome(use) == "StoreBusyError"]
        assert failed == [operation.value]


@pytest.mark.parametrize(
    ("fault", "pattern"),
    [
        ("busy:sign", "xxxxxx"),
        ("busy:sign:3", "..x..."),
        ("busy:sign:3:2", "..xx.."),
        ("busy:sign:3:*", "..xxxx"),
        ("busy:any:5", "..x..."),  # behind the opening and the making of the key
        ("removed:sign:2:3", ".xxx.."),
        ("removed:sign:2", ".xxxxx"),
    ],
)
def test_the_nth_call_fails(tmp_path: Path, fault: str, pattern: str) -> None:
    """Exactly the calls that were asked for fail; the others work."""
    handle = open_faulty(tmp_path / "keys", fault).generate("router1", EC)
    seen = "".join(
        "." if outcome(lambda: handle.sign(MESSAGE, hashes.SHA256())) == "ok" else "x"
        for _ in pattern
    )
    assert seen == pattern


def test_a_removed_token_fails_everything_until_it_is_back(tmp_path: Path) -> None:
    """Whichever operation comes: the token is missing. Put back, the same handle works."""
    store = open_faulty(tmp_path / "keys")
    handle = store.generate("router1", EC)
    store.faults.remove()
    uses: tuple[Callable[[], object], ...] = (
        lambda: handle.sign(MESSAGE, hashes.SHA256()),
        lambda: store.get("router1"),
        lambda: store.generate("router2", EC),
        lambda: store.delete("router1"),
        store.list_keys,
    )
    assert {outcome(use) for use in uses} == {"TokenMissingError"}
    store.faults.insert()
    verify(handle, handle.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())
    assert [info.key_id for info in store.list_keys()] == ["router1"]


def test_what_fails_has_no_effect_and_what_is_lost_has(tmp_path: Path) -> None:
    """A full store made nothing; a key whose making was answered by nobody is there."""
    store = open_faulty(tmp_path / "keys", "full:generate:1", "lost:generate:2")
    assert outcome(lambda: store.generate("router1", EC)) == "StoreFullError"
    assert store.list_keys() == []
    assert outcome(lambda: store.generate("router1", EC)) == "TokenMissingError"
    assert [info.key_id for info in store.list_keys()] == ["router1"]
    with pytest.raises(KeyExistsError):
        store.generate("router1", EC)


def test_slowness_waits_and_then_works() -> None:
    """Seconds add up and are given to the clock of the plan; an error comes after them."""
    slept: list[float] = []
    plan = FaultPlan(sleep=slept.append)
    plan.arm("slow=0.5:sign", "slow=2:any:2", "busy:sign:3")
    seen = [outcome(lambda: plan.check(Operation.SIGN, "soft:x")) for _ in range(3)]
    assert seen == ["ok", "ok", "StoreBusyError"]
    assert slept == [0.5, 2.5, 0.5]


def test_chances_can_be_repeated(tmp_path: Path) -> None:
    """The same seed meets the same faults; about one call in so many is hit."""

    def run(seed: int) -> list[str]:
        plan = FaultPlan(seed=seed)
        plan.arm("busy:sign:1/4")
        return [outcome(lambda: plan.check(Operation.SIGN, "soft:x")) for _ in range(400)]

    assert run(1) == run(1) != run(2)
    assert 60 < Counter(run(1))["StoreBusyError"] < 140


def test_faults_at_opening(tmp_path: Path) -> None:
    """A fault of ``open`` fails the opening; nobody is asked for the passphrase."""

    def never(prompt: str) -> Secret:
        raise AssertionError(f"asked '{prompt}'")

    uri = f"fault+soft:{tmp_path}/keys?fault=removed:open"
    with pytest.raises(TokenMissingError, match="injected"):
        open_key_store(uri, never, create=True)
    assert not (tmp_path / "keys").exists()
    with pytest.raises(TokenMissingError, match="unknown"):
        open_faulty(tmp_path / "keys", "lost:open")
    assert (tmp_path / "keys").exists()


def test_counters_in_a_file_outlast_the_store(tmp_path: Path) -> None:
    """With ``fault-state`` the count goes on at the next opening; the file is private."""
    path = tmp_path / "counters"
    words = ("busy:open:2", "busy:sign:2", f"fault-state={path}")
    store = open_faulty(tmp_path / "keys", *words)
    store.generate("router1", EC).sign(MESSAGE, hashes.SHA256())
    store.close()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with pytest.raises(StoreBusyError):
        open_faulty(tmp_path / "keys", *words)
    handle = open_faulty(tmp_path / "keys", *words).get("router1")
    assert [outcome(lambda: handle.sign(MESSAGE, hashes.SHA256())) for _ in range(2)] == [
        "StoreBusyError",
        "ok",
    ]


@pytest.mark.parametrize("content", [b"x", b"[]", b'{"calls":{"a":"b"},"away":0,"wrong_pins":0}'])
def test_a_strange_counter_file_is_named(tmp_path: Path, content: bytes) -> None:
    """A file that holds something else is refused by name and left as it is."""
    path = tmp_path / "counters"
    path.write_bytes(content)
    with pytest.raises(StoreUnavailableError, match=f"{path} does not hold fault counters"):
        open_faulty(tmp_path / "keys", f"fault-state={path}")
    assert path.read_bytes() == content
    with pytest.raises(StoreUnavailableError, match="cannot keep"):
        open_faulty(tmp_path / "keys", f"fault-state={tmp_path}")


def test_wrong_pins_in_a_row_lock_the_store(tmp_path: Path) -> None:
    """After three wrong ones the right one is refused, in the next process too, until unlocked."""
    words = ("lockout=3", f"fault-state={tmp_path}/counters")

    def opened(passphrase: str = PASSPHRASE) -> FaultyKeyStore:
        return open_faulty(tmp_path / "keys", *words, passphrase=passphrase)

    opened().close()
    for _ in range(2):
        assert outcome(lambda: opened("guessed")) == "StoreLockedError"
    opened().close()  # a right one begins the count anew
    for _ in range(3):
        assert outcome(lambda: opened("guessed")) == "StoreLockedError"
    for passphrase in (PASSPHRASE, "guessed"):
        with pytest.raises(LockoutError, match=r"injected .* by fault=lockout=3"):
            opened(passphrase)
    FaultPlan(state_path=f"{tmp_path}/counters").unlock()
    opened().close()


def test_a_token_gets_the_lockout_it_lacks(tmp_path: Path) -> None:
    """SoftHSM takes any number of wrong PINs; behind the wrapper three lock it, key URIs hold."""
    token = make_token()
    faults = f"fault=lockout=3&fault=busy:sign:2&fault-state={tmp_path}/counters"
    uri = f"fault+{token.uri}&{faults}"
    right = secrets_from(token.secret_reference)
    store = open_key_store(uri, right)
    handle = store.generate("router1", EC)
    verify(handle, handle.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())
    assert outcome(lambda: handle.sign(MESSAGE, hashes.SHA256())) == "StoreBusyError"
    assert ";object=router1?" in handle.uri
    assert split_key_uri(handle.uri) == (store.uri, "router1")
    assert store.uri == uri
    store.close()
    wrong = "0" * len(pin_of(token))
    for _ in range(3):
        assert outcome(lambda: open_key_store(uri, lambda _: Secret(wrong))) == "StoreLockedError"
    assert outcome(lambda: open_key_store(uri, right)) == "LockoutError"
    FaultPlan(state_path=f"{tmp_path}/counters").unlock()
    open_key_store(uri, right).close()


def test_a_lockout_of_the_token_itself_is_not_counted(tmp_path: Path) -> None:
    """When the inner store has locked itself, unlocking that one is enough."""
    uri = f"fault+tpm-stub:{tmp_path}/keys?da=on&fault=lockout=4&fault-state={tmp_path}/counters"

    def opened(pin: str) -> KeyStore:
        return open_key_store(uri, lambda _: Secret(pin), create=True)

    opened(PASSPHRASE).close()
    assert [outcome(lambda: opened("guessed")) for _ in range(3)] == ["StoreLockedError"] * 3
    with pytest.raises(LockoutError) as caught:
        opened(PASSPHRASE)
    assert "injected" not in str(caught.value)
    connect_stub(f"tpm-stub:{tmp_path}/keys").clear_lockout(b"")
    opened(PASSPHRASE).close()


def test_a_token_is_put_back_from_outside(tmp_path: Path) -> None:
    """The counters' file can be changed by another process, also to something shorter."""
    words = ("removed:open:1", f"fault-state={tmp_path}/counters")
    for _ in range(12):
        assert outcome(lambda: open_faulty(tmp_path / "keys", *words)) == "TokenMissingError"
    FaultPlan(state_path=f"{tmp_path}/counters").insert()
    open_faulty(tmp_path / "keys", *words).close()


def test_injected_wrong_pins_count_too(tmp_path: Path) -> None:
    """A scenario needs no wrong PIN to show a lockout."""
    words = ("wrong-pin:open:1:2", "lockout=2", f"fault-state={tmp_path}/counters")
    seen = [outcome(lambda: open_faulty(tmp_path / "keys", *words)) for _ in range(3)]
    assert seen == ["StoreLockedError", "StoreLockedError", "LockoutError"]


def test_uris_lead_back(tmp_path: Path) -> None:
    """Store and key URIs carry prefix and faults; opened again they mean the same."""
    store = open_faulty(tmp_path / "keys", "busy:sign:2")
    handle = store.generate("a#b", EC)
    assert store.uri == f"fault+soft:{tmp_path}/keys?kdf=lab&fault=busy:sign:2"
    assert split_key_uri(handle.uri) == (store.uri, "a#b")
    again = open_key_store(store.uri, lambda _: Secret(PASSPHRASE))
    assert again.get("a#b").uri == handle.uri


def test_a_plan_wraps_any_open_store(tmp_path: Path) -> None:
    """Tests can disturb a store that they have opened themselves; disarming ends it."""
    store = FaultyKeyStore(soft_store(tmp_path / "keys"), FaultPlan())
    store.faults.arm("full:generate")
    assert outcome(lambda: store.generate("router1", EC)) == "StoreFullError"
    store.faults.disarm()
    assert store.generate("router1", EC).uri.startswith("soft:")


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("fault+sofd:x", "did you mean 'soft:'"),
        ("fault+:x", "not a key store URI"),
        ("fault+soft:x?kfd=lab", "did you mean 'kdf'"),
        ("fault+soft:x?fault=bussy:sign", "did you mean 'busy'"),
        ("faults+soft:x", "no key store has the scheme"),
    ],
)
def test_wrong_uris_are_refused_by_the_right_part(uri: str, text: str) -> None:
    """Prefix, inner scheme, inner options and faults each have their own text."""
    with pytest.raises(StoreUriError, match=text):
        open_key_store(uri, lambda _: Secret("x"))
