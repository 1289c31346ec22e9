"""Each failure of a token has its own error, and the store works on when the cause is gone."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from pkcs11 import exceptions as codes

from sceplab_hsm import errors
from sceplab_hsm.api import KeyAlgorithm, KeyHandle, KeyStore
from sceplab_hsm.contract import MESSAGE, verify
from sceplab_hsm.pkcs11 import objects
from sceplab_hsm.pkcs11.failures import translate
from sceplab_hsm.pkcs11.softhsm import LabToken
from sceplab_hsm.pkcs11.store import Pkcs11KeyStore
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret, secrets_from
from tests.support.child_process import start_child, wait_for_child
from tests.support.programs import require_program
from tests.support.softhsm import (
    MODULE,
    make_token,
    open_token,
    pin_of,
    token_folder,
    tokens_directory,
)
from tests.support.source_tree import source_environment

EC = KeyAlgorithm.EC_P256
_places = itertools.count()


@pytest.fixture
def token() -> LabToken:
    """A token of the test's own."""
    return make_token()


@pytest.fixture
def store(token: LabToken) -> Iterator[KeyStore]:
    """That token, open."""
    store = open_token(token)
    yield store
    store.close()


def works(handle: KeyHandle) -> bool:
    """Whether the handle signs."""
    verify(handle, handle.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())
    return True


def take_out(token: LabToken) -> Path:
    """Takes the token out; gives the place it is in meanwhile."""
    place = tokens_directory() / f"taken-out-{next(_places)}"
    token_folder(token).rename(place)
    return place


def put_back(token: LabToken, place: Path) -> None:
    """Inserts the token again."""
    place.rename(token_folder(token))


def test_a_wrong_pin_is_told_and_the_right_one_opens(token: LabToken) -> None:
    """Wrong PINs are refused by their own class, without the PIN; the right one still opens."""
    for wrong in ("1234", "x" * 300, "ä"):
        with pytest.raises(errors.StoreLockedError, match="refuses the PIN") as caught:
            open_key_store(token.uri, lambda _, pin=wrong: Secret(pin))
        assert wrong not in str(caught.value)
    open_token(token).close()


def test_a_second_opening_checks_the_pin_too(token: LabToken, store: KeyStore) -> None:
    """A token that is logged in takes no PIN, so we compare; the first opening works on."""
    handle = store.generate("k", EC)
    with pytest.raises(errors.StoreLockedError, match="another PIN"):
        open_key_store(token.uri, lambda _: Secret("1234"))
    second = open_token(token)
    assert works(second.get("k"))
    store.close()
    assert works(second.get("k")), "closing one store logged the other out"
    second.close()
    with pytest.raises(errors.StoreUnavailableError, match="closed"):
        works(handle)
    with pytest.raises(errors.StoreLockedError, match="refuses the PIN"):
        open_key_store(token.uri, lambda _: Secret("1234"))


def test_the_pin_is_asked_for_once_and_only_when_the_token_is_there(token: LabToken) -> None:
    """One question per opening; none for a token that is missing or when the URI has a source."""
    asked: list[str] = []

    def ask(prompt: str) -> Secret:
        asked.append(prompt)
        return Secret(pin_of(token))

    open_key_store(token.uri, ask).close()
    assert asked == [f"PIN of token '{token.label}': "]
    with pytest.raises(errors.TokenMissingError):
        open_key_store(token.uri.replace(token.label, "no-such"), ask)
    open_key_store(f"{token.uri}&pin-source={token.secret_reference}", ask).close()
    assert len(asked) == 1


def test_a_missing_token_is_named_with_the_next_step(token: LabToken) -> None:
    """The text names what is there and how a token is made."""
    with pytest.raises(errors.TokenMissingError, match="softhsm-init") as caught:
        open_token(LabToken(**{**_fields(token), "uri": token.uri.replace(token.label, "lost")}))
    assert token.label in str(caught.value)


def _fields(token: LabToken) -> dict[str, object]:
    return {name: getattr(token, name) for name in LabToken.__slots__}


def test_two_tokens_of_one_label_are_not_chosen_by_chance(token: LabToken) -> None:
    """Two tokens of one label are refused with their serial numbers; a serial chooses one."""
    open_token(token).close()  # the module is running, and has not seen the other one
    command = ["softhsm2-util", "--init-token", "--free", "--label", token.label]
    subprocess.run(
        [*command, "--pin", "1234", "--so-pin", "1234"],
        env={**os.environ, "SOFTHSM2_CONF": os.fspath(token.configuration)},
        check=True,
        capture_output=True,
    )
    make_token_seen = token.uri.replace(token.label, "no-such-token")
    with pytest.raises(errors.TokenMissingError):
        open_key_store(make_token_seen, lambda _: Secret(""))
    with pytest.raises(errors.AmbiguousTokenError, match="add ;serial=") as caught:
        open_token(token)
    serials = str(caught.value).rpartition(": ")[2].rstrip(")").split(", ")
    assert len(serials) == 2
    opened = 0
    for serial in serials:
        uri = token.uri.replace("?", f";serial={serial}?")
        try:
            open_key_store(uri, lambda _: Secret(pin_of(token))).close()
        except errors.StoreLockedError:
            continue  # the twin has another PIN
        opened += 1
    assert opened == 1


def test_a_token_made_after_the_module_was_loaded_is_found(store: KeyStore) -> None:
    """The module is started anew for it, and stores that are open work on."""
    handle = store.generate("before", EC)
    late = open_token(make_token())
    assert works(late.generate("after", EC))
    assert works(handle)
    late.close()


def test_a_token_that_was_taken_out_works_again_when_it_is_back(
    token: LabToken, store: KeyStore
) -> None:
    """Every use says that the token is away; inserted again, store and handles work on."""
    handle = store.generate("k", EC)
    rsa = store.generate("r", KeyAlgorithm.RSA_2048)
    place = take_out(token)
    for use in (
        lambda: works(handle),
        lambda: works(rsa),
        lambda: store.get("k"),
        lambda: store.generate("new", EC),
        lambda: store.delete("k"),
        store.list_keys,
        lambda: open_token(token),
    ):
        with pytest.raises(errors.TokenMissingError, match="nsert"):
            use()
    put_back(token, place)
    assert works(rsa)
    assert works(handle)
    assert [info.key_id for info in store.list_keys()] == ["k", "r"]
    assert works(store.generate("new", EC))


def test_a_short_absence_is_not_noticed(token: LabToken, store: KeyStore) -> None:
    """A token that is back before it is used again needs no attention."""
    handle = store.generate("k", EC)
    put_back(token, take_out(token))
    assert works(handle)
    assert works(store.get("k"))


def test_all_tokens_gone_and_back(token: LabToken, store: KeyStore) -> None:
    """When even the module does not start any more, stores wait for it and work again."""
    handle = store.generate("k", EC)
    away = tokens_directory() / "tokens.away"
    (tokens_directory() / "tokens").rename(away)
    for _ in range(2):
        with pytest.raises(errors.TokenMissingError):
            works(handle)
    away.rename(tokens_directory() / "tokens")
    assert works(handle)


def test_a_pin_that_was_changed_meanwhile_is_tried_once(token: LabToken, store: KeyStore) -> None:
    """A store that must log in again with an old PIN says so and does not use up the tries.

    SoftHSM counts none; that the PIN is not tried again shows when it is right again.
    """
    handle = store.generate("k", EC)
    tool = require_program("pkcs11-tool", package="opensc")

    def change_pin(old: str, new: str) -> None:
        command = [tool, "--module", MODULE, "--token-label", token.label, "--change-pin"]
        environment = {**os.environ, "SOFTHSM2_CONF": os.fspath(token.configuration)}
        pins = ["--login", "--pin", old, "--new-pin", new]
        subprocess.run([*command, *pins], env=environment, check=True, capture_output=True)

    change_pin(pin_of(token), "87654321")
    assert works(handle), "an open session outlives the change"
    with pytest.raises(errors.TokenMissingError):
        open_key_store(token.uri.replace(token.label, "no-such"), lambda _: Secret(""))
    with pytest.raises(errors.StoreLockedError, match="refuses the PIN"):
        works(handle)
    change_pin("87654321", pin_of(token))
    with pytest.raises(errors.StoreLockedError, match="refuses the PIN"):
        works(handle)
    store.close()
    again = open_token(token)
    assert works(again.get("k"))
    again.close()


def test_a_pin_that_is_corrected_meanwhile_opens_the_same_store(
    token: LabToken, tmp_path: Path
) -> None:
    """The reference is followed again after a refusal; open stores and handles work on."""
    tool = require_program("pkcs11-tool", package="opensc")
    reference = tmp_path / "pin"
    reference.touch(mode=0o600)
    reference.write_text(pin_of(token))
    store = open_key_store(token.uri, secrets_from(f"file:{reference}"))
    handle = store.generate("k", EC)
    command = [tool, "--module", MODULE, "--token-label", token.label, "--change-pin"]
    environment = {**os.environ, "SOFTHSM2_CONF": os.fspath(token.configuration)}
    pins = ["--login", "--pin", pin_of(token), "--new-pin", "87654321"]
    subprocess.run([*command, *pins], env=environment, check=True, capture_output=True)
    put_back(token, take_out(token))
    with pytest.raises(errors.TokenMissingError):
        open_key_store(token.uri.replace(token.label, "no-such"), lambda _: Secret(""))
    for _ in range(2):
        with pytest.raises(errors.StoreLockedError, match="refuses the PIN"):
            works(handle)
    reference.unlink()
    with pytest.raises(errors.StoreLockedError, match="refuses the PIN"):
        works(handle)
    reference.touch(mode=0o600)
    reference.write_text("87654321")
    assert works(handle)
    assert works(store.get("k"))
    store.close()


def test_a_second_opening_corrects_the_pin_of_the_first(token: LabToken, store: KeyStore) -> None:
    """A store that was opened with a PIN that no longer holds works once another one is known."""
    handle = store.generate("k", EC)
    tool = require_program("pkcs11-tool", package="opensc")
    command = [tool, "--module", MODULE, "--token-label", token.label, "--change-pin"]
    environment = {**os.environ, "SOFTHSM2_CONF": os.fspath(token.configuration)}
    pins = ["--login", "--pin", pin_of(token), "--new-pin", "87654321"]
    subprocess.run([*command, *pins], env=environment, check=True, capture_output=True)
    with pytest.raises(errors.TokenMissingError):
        open_key_store(token.uri.replace(token.label, "no-such"), lambda _: Secret(""))
    with pytest.raises(errors.StoreLockedError, match="refuses the PIN"):
        works(handle)
    second = open_key_store(token.uri, lambda _: Secret("87654321"))
    assert works(second.get("k"))
    assert works(handle)
    second.close()


def test_a_key_deleted_by_another_process_is_gone(token: LabToken, store: KeyStore) -> None:
    """Its handle dies, and a key of the same name made since is not used in its stead."""
    handle, other = store.generate("k", EC), store.generate("other", EC)

    def replace() -> int:
        child = open_token(token)
        child.delete("k")
        child.generate("k", EC)
        child.delete("other")
        return 0

    assert wait_for_child(start_child(replace)) == 0
    for dead in (handle, other):
        with pytest.raises(errors.KeyNotFoundError):
            works(dead)
    assert works(store.get("k"))


def test_two_keys_of_one_name_are_not_chosen_by_chance(token: LabToken, store: KeyStore) -> None:
    """Another program may make a second one; then ``id=`` in the URI chooses."""
    store.generate("k", EC)
    tool = require_program("pkcs11-tool", package="opensc")
    command = [tool, "--module", MODULE, "--token-label", token.label, "--login"]
    make = ["--keypairgen", "--key-type", "EC:prime256v1", "--label", "k", "--id", "a1b2"]
    subprocess.run(
        [*command, "--pin", pin_of(token), *make],
        env={**os.environ, "SOFTHSM2_CONF": os.fspath(token.configuration)},
        check=True,
        capture_output=True,
    )
    for use in (store.get, store.delete):
        with pytest.raises(errors.AmbiguousKeyError, match="'k'"):
            use("k")
    assert [info.key_id for info in store.list_keys()] == ["k", "k"]
    with pytest.raises(errors.KeyExistsError):
        store.generate("k", EC)
    chosen = open_key_store(token.uri.replace("?", ";id=%a1%B2?"), lambda _: Secret(pin_of(token)))
    assert works(chosen.get("k"))
    with pytest.raises(errors.StoreUriError, match="id="):
        chosen.generate("another", EC)
    chosen.delete("k")
    assert works(store.get("k"))
    chosen.close()


def test_a_full_token_takes_no_key_and_works_on(token: LabToken) -> None:
    """A disk without room is the token's fullness; other keys work, and so does it later."""

    def fill() -> int:
        store = open_token(token)
        handle = store.generate("k", EC)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        for algorithm in (EC, KeyAlgorithm.RSA_2048):
            with pytest.raises(errors.StoreFullError, match="full"):
                store.generate("late", algorithm)
        assert works(handle)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert [info.key_id for info in store.list_keys()] == ["k"]
        assert works(store.generate("late", EC))
        return 0

    assert wait_for_child(start_child(fill)) == 0


def test_a_damaged_key_is_told_from_a_missing_one(token: LabToken) -> None:
    """A key whose file was changed does not sign; the others do."""
    store = open_token(token)
    store.generate("good", EC)
    before = set(token_folder(token).glob("*.object"))
    store.generate("bad", KeyAlgorithm.RSA_2048)
    made = set(token_folder(token).glob("*.object")) - before
    private = max(made, key=lambda path: path.stat().st_size)
    content = bytearray(private.read_bytes())
    for position in range(len(content) // 2, len(content) - 16, 16):
        content[position] ^= 0x55
    private.write_bytes(content)
    place = take_out(token)
    with pytest.raises(errors.TokenMissingError):
        store.list_keys()  # SoftHSM keeps in memory what it has read, until then
    put_back(token, place)
    with pytest.raises(errors.KeyStoreError) as caught:
        works(store.get("bad"))
    assert isinstance(caught.value, errors.KeyDamagedError | errors.KeyNotFoundError)
    assert works(store.get("good"))
    store.close()


def test_an_ec_key_without_its_public_half_is_damaged(token: LabToken, store: KeyStore) -> None:
    """The point of an EC key is in its public object alone; without it the key can be deleted."""
    store.generate("k", EC)
    objects = [path for path in token_folder(token).glob("*.object") if path.stem != "token"]
    min(objects, key=lambda path: path.stat().st_size).unlink()
    with pytest.raises(errors.KeyDamagedError, match="public half"):
        store.get("k")
    assert store.list_keys() == []
    store.delete("k")
    with pytest.raises(errors.KeyNotFoundError):
        store.get("k")


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("module-path=/nowhere/libsofthsm2.so", "apt-get install softhsm2"),
        ("module-path=/nowhere/opensc-pkcs11.so", "apt-get install opensc-pkcs11"),
        ("module-path=/nowhere/libtpm2_pkcs11.so.1", "apt-get install libtpm2-pkcs11-1"),
        ("module-path=/nowhere/p11-kit-client.so", "apt-get install p11-kit-modules"),
        ("module-name=never-heard-of", "module-name"),
        ("module-name=../../../tmp/x", "module-name"),
    ],
)
def test_a_missing_module_names_its_package(module: str, package: str) -> None:
    """The text says what to install."""
    with pytest.raises(errors.ModuleMissingError, match=package):
        open_key_store(f"pkcs11:token=x?{module}", lambda _: Secret(""))


def test_what_is_no_module_is_told(tmp_path: Path) -> None:
    """A file that does not load is reported with the loader's reason."""
    path = tmp_path / "libx.so"
    path.write_text("no library")
    with pytest.raises(errors.StoreUnavailableError, match=r"does not start .*libx") as caught:
        open_key_store(f"pkcs11:token=x?module-path={path}", lambda _: Secret(""))
    assert "Correct module-path" in str(caught.value)
    assert "SoftHSM" not in str(caught.value)


def test_a_missing_binding_names_its_package(tmp_path: Path) -> None:
    """Without python-pkcs11 the store says what to install, and nothing else is troubled."""
    program = """
import sys
sys.modules["pkcs11"] = None
from sceplab_hsm.errors import ModuleMissingError
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.uri import split_key_uri
assert split_key_uri("pkcs11:object=k?module-name=x") == ("pkcs11:?module-name=x", "k")
try:
    open_key_store("pkcs11:token=x?module-name=softhsm2", None)
except ModuleMissingError as error:
    assert "pip install python-pkcs11" in str(error), error
    raise SystemExit(7)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=source_environment(), cwd=tmp_path, check=False
    )
    assert done.returncode == 7


def test_one_configuration_per_process(token: LabToken, store: KeyStore, tmp_path: Path) -> None:
    """A second configuration file is refused, a missing one too; the first goes on."""
    other = tmp_path / "softhsm2.conf"
    shutil.copy(token.configuration, other)
    uri = token.uri.replace(os.fspath(token.configuration), os.fspath(other))
    with pytest.raises(errors.StoreUriError, match="one configuration in a process"):
        open_key_store(uri, lambda _: Secret(pin_of(token)))
    assert works(store.generate("k", EC))


def test_a_missing_configuration_is_told(tmp_path: Path) -> None:
    """A process that names a configuration that is not there learns how a token is made."""
    program = f"""
from sceplab_hsm.errors import TokenMissingError
from sceplab_hsm.registry import open_key_store
uri = "pkcs11:token=x?module-path={MODULE}&x-softhsm2-conf={tmp_path}/none.conf"
try:
    open_key_store(uri, None)
except TokenMissingError as error:
    assert "softhsm-init" in str(error), error
    raise SystemExit(7)
"""
    make_token()  # skips without SoftHSM
    done = subprocess.run(
        [sys.executable, "-c", program], env=source_environment(), cwd=tmp_path, check=False
    )
    assert done.returncode == 7


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        (codes.PinLocked, errors.LockoutError, "security officer"),
        (codes.PinIncorrect, errors.StoreLockedError, "correct the secret"),
        (codes.UserPinNotInitialized, errors.StoreLockedError, "--init-pin"),
        (codes.DeviceRemoved, errors.TokenMissingError, "insert it again"),
        (codes.DeviceMemory, errors.StoreFullError, "delete keys"),
        (codes.SessionCount, errors.StoreBusyError, "try again"),
        (codes.MechanismInvalid, errors.MechanismUnsupportedError, "probe"),
        (codes.TokenWriteProtected, errors.StoreUnavailableError, "write-protected"),
        (codes.GeneralError, errors.StoreUnavailableError, "GeneralError"),
    ],
)
def test_return_codes_have_their_errors(
    code: type[codes.PKCS11Error], error: type[errors.KeyStoreError], text: str
) -> None:
    """What SoftHSM never answers (a locked PIN, too many sessions) has its error all the same."""
    failure = translate(code(), "token 'x'")
    assert type(failure) is error
    assert text in str(failure)
    assert str(failure).startswith("token 'x' ")


def test_the_binding_s_own_words_are_passed_on() -> None:
    """A return code without a class of its own is told in the binding's words."""
    assert "odd code" in str(translate(codes.PKCS11Error("odd code"), "token 'x'"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_search_that_fails_locks_nobody_out(store: KeyStore) -> None:
    """An error that somebody keeps does not keep the session's lock from other threads."""
    assert isinstance(store, Pkcs11KeyStore)
    connection = store.connection
    session = connection.session()
    with connection.lock:
        connection.module.restart()
        with pytest.raises(codes.SessionHandleInvalid) as kept:
            objects.private_objects(session, None, None)

        def search() -> None:
            with pytest.raises(codes.SessionHandleInvalid):
                objects.private_objects(session, None, None)

        thread = threading.Thread(target=search, daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()
        assert kept.value
    assert works(store.generate("k", EC))
