"""The TPM store on swtpm: one chip behind it, and everything that can happen to a chip."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.contract import HASHES, MESSAGE, OAEP_SHA1, public_der, verify
from sceplab_hsm.errors import (
    ForkedStoreError,
    KeyDamagedError,
    LockoutError,
    SecretUnavailableError,
    StoreLockedError,
    StoreUnavailableError,
    TokenMissingError,
)
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
from sceplab_hsm.tpm.blobfile import HEADER_NAME, KEY_SUFFIX, read_chip_header
from sceplab_hsm.tpm.chip import PARENT_HANDLE
from sceplab_hsm.tpm.hardware import connect_chip
from sceplab_hsm.tpm.key import signed
from sceplab_hsm.tpm.session import KeyDisplacedError
from sceplab_hsm.tpm.store import TpmKeyStore
from sceplab_hsm.tpm.swtpm import SwtpmInstance
from sceplab_hsm.tpm.verifying import hash_of, load_public_key
from tests.support.child_process import start_child, wait_for_child
from tests.support.programs import require_program
from tests.support.swtpm import PIN, software_tpm, tpm_store, tpm_uri

pytestmark = [pytest.mark.interop, pytest.mark.daemon]

EC, RSA = KeyAlgorithm.EC_P256, KeyAlgorithm.RSA_2048
SHA256 = hashes.SHA256()


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[SwtpmInstance]:
    """A swtpm of the test's own."""
    with software_tpm(tmp_path / "state") as instance:
        yield instance


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the test's store is."""
    return tmp_path / "keys"


@pytest.fixture
def store(chip: SwtpmInstance, place: Path) -> Iterator[TpmKeyStore]:
    """A new store, NODA."""
    with closing(tpm_store(chip, place)) as opened:
        yield opened


def signs(store: TpmKeyStore, key_id: str) -> None:
    """The key signs, and the signature is its own."""
    handle = store.get(key_id)
    verify(handle, handle.sign(MESSAGE, SHA256), MESSAGE, SHA256)


def decrypts(store: TpmKeyStore, key_id: str) -> None:
    """The key opens what was encrypted to it."""
    handle = store.get(key_id)
    assert isinstance(handle.public_key, rsa.RSAPublicKey)
    for padding in (PKCS1v15(), OAEP_SHA1):
        assert handle.decrypt(handle.public_key.encrypt(MESSAGE, padding), padding) == MESSAGE


def failed_tries(chip: SwtpmInstance) -> int:
    """The chip's dictionary-attack counter."""
    with closing(chip.connect()) as connection:
        return connection.lockout_state().failed_tries


@pytest.mark.parametrize("way", ["stop", "power_cut"])
def test_an_open_store_outlives_a_power_cycle(
    chip: SwtpmInstance, store: TpmKeyStore, way: str
) -> None:
    """Keys and the opened store work on after an orderly and an unclean end, without a word."""
    store.generate("rsa", RSA)
    store.generate("ec", EC)
    signs(store, "rsa")
    getattr(chip, way)()
    chip.restart()
    signs(store, "rsa")
    decrypts(store, "rsa")
    signs(store, "ec")


def test_power_cuts_never_lock_a_store_without_dictionary_attack(
    chip: SwtpmInstance, store: TpmKeyStore
) -> None:
    """NODA, the default: five cuts with a key in use raise no counter."""
    store.generate("key", EC)
    for _ in range(5):
        signs(store, "key")
        chip.power_cut()
        chip = chip.restart()
    signs(store, "key")
    assert failed_tries(chip) == 0


def test_power_cuts_lock_a_store_with_dictionary_attack(chip: SwtpmInstance, place: Path) -> None:
    """With ``da=on`` the cut after the third finds the chip locked; a reset opens it again."""
    with closing(tpm_store(chip, place, da="on")) as store:
        store.generate("key", EC)
        for _ in range(3):
            signs(store, "key")
            chip.power_cut()
            chip = chip.restart()
        with pytest.raises(LockoutError, match="tpm2_dictionarylockout -c"):
            signs(store, "key")
        with closing(connect_chip(store.uri)) as connection:
            connection.clear_lockout(b"")
        signs(store, "key")


def test_orderly_ends_count_for_nothing(chip: SwtpmInstance, place: Path) -> None:
    """With ``da=on`` four orderly power cycles leave the counter alone."""
    with closing(tpm_store(chip, place, da="on")) as store:
        store.generate("key", EC)
        for _ in range(4):
            signs(store, "key")
            chip.stop()
            chip = chip.restart()
        signs(store, "key")
    assert failed_tries(chip) == 0


def test_a_wrong_pin_is_found_at_opening_and_burns_no_try(
    chip: SwtpmInstance, store: TpmKeyStore, place: Path
) -> None:
    """Five wrong PINs are refused when the store is opened, and the right one still opens it."""
    store.generate("key", EC)
    store.close()
    for number in range(5):
        with pytest.raises(StoreLockedError, match="PIN") as caught:
            tpm_store(chip, place, pin=f"wrong {number}")
        assert type(caught.value) is StoreLockedError
        assert "wrong 0" not in str(caught.value)
    assert failed_tries(chip) == 0
    with closing(tpm_store(chip, place, create=False)) as opened:
        signs(opened, "key")


def test_wrong_pins_lock_a_store_with_dictionary_attack(chip: SwtpmInstance, place: Path) -> None:
    """One try an opening; after the third the right PIN is refused too, until the reset."""
    tpm_store(chip, place, da="on").close()
    for tries in range(1, 4):
        with pytest.raises(StoreLockedError) as caught:
            tpm_store(chip, place, pin="wrong", create=False)
        assert type(caught.value) is StoreLockedError
        assert failed_tries(chip) == tries
    with pytest.raises(LockoutError, match="right PIN"):
        tpm_store(chip, place, create=False)
    with closing(connect_chip(tpm_uri(chip, place))) as connection:
        connection.clear_lockout(b"")
    tpm_store(chip, place, create=False).close()


def test_an_existing_store_keeps_its_lockout_policy(chip: SwtpmInstance, place: Path) -> None:
    """``da`` of the URI is for a new store only."""
    tpm_store(chip, place, da="on").close()
    with pytest.raises(StoreLockedError):
        tpm_store(chip, place, pin="wrong", da="off")
    assert failed_tries(chip) == 1


def test_a_chip_that_is_away_comes_back(chip: SwtpmInstance, store: TpmKeyStore) -> None:
    """Signing, making and decrypting say that the chip is away; the same store then works on."""
    store.generate("key", RSA)
    handle = store.get("key")
    chip.power_cut()
    uses = (
        lambda: handle.sign(MESSAGE, SHA256),
        lambda: handle.decrypt(b"\1" * 256, PKCS1v15()),
        lambda: store.generate("half", EC),
    )
    for use in uses:
        with pytest.raises(TokenMissingError, match=r"no TPM answers|does not answer"):
            use()
    assert [info.key_id for info in store.list_keys()] == ["key"]
    chip.restart()
    verify(handle, handle.sign(MESSAGE, SHA256), MESSAGE, SHA256)
    store.generate("half", EC)
    signs(store, "half")


def test_opening_without_a_chip_says_so_before_it_asks(
    chip: SwtpmInstance, store: TpmKeyStore
) -> None:
    """No chip: `TokenMissingError`, and nobody is asked for the PIN."""
    store.close()
    chip.power_cut()
    with pytest.raises(TokenMissingError):
        open_key_store(store.uri, lambda _: pytest.fail("asked"))


def test_keys_and_directory_can_be_removed_without_the_chip(
    chip: SwtpmInstance, store: TpmKeyStore
) -> None:
    """Listing and deleting need files only."""
    store.generate("key", EC)
    chip.power_cut()
    store.delete("key")
    assert store.list_keys() == []


def test_the_directory_of_another_chip_is_refused(
    chip: SwtpmInstance, store: TpmKeyStore, place: Path, tmp_path: Path
) -> None:
    """Keys moved to another chip: an error that says so, at opening and in an open store."""
    store.generate("key", EC)
    signs(store, "key")
    with software_tpm(tmp_path / "other") as other:
        asked: list[str] = []
        with pytest.raises(TokenMissingError, match="not the one its keys were made in"):
            open_key_store(tpm_uri(other, place), lambda prompt: asked.append(prompt) or Secret(""))
        assert not asked
        with closing(tpm_store(other, tmp_path / "theirs")) as theirs:
            theirs.generate("key", EC)
            shutil.copy(tmp_path / "theirs" / f"key{KEY_SUFFIX}", place / f"stolen{KEY_SUFFIX}")
        with pytest.raises(KeyDamagedError, match="file of another store"):
            store.get("stolen")
    signs(store, "key")


def test_another_chip_in_the_place_of_the_first_is_noticed(
    chip: SwtpmInstance, store: TpmKeyStore
) -> None:
    """The chip is exchanged under an open store, which then says so and works with the old one."""
    store.generate("key", EC)
    signs(store, "key")
    chip.power_cut()
    aside = chip.state.rename(chip.state.with_name("aside"))
    exchanged = chip.restart()
    with pytest.raises(TokenMissingError, match="not the one its keys were made in"):
        signs(store, "key")
    exchanged.power_cut()
    shutil.rmtree(chip.state)
    aside.rename(chip.state)
    chip.restart()
    signs(store, "key")


def test_a_lost_parent_is_put_back(chip: SwtpmInstance, store: TpmKeyStore, place: Path) -> None:
    """The persistent handle was removed: the chip makes the same storage key again."""
    store.generate("key", EC)
    with closing(chip.connect()) as connection:
        connection.evict_control(PARENT_HANDLE, PARENT_HANDLE)
        assert connection.persistent_handles() == []
        signs(store, "key")
        assert connection.persistent_handles() == [PARENT_HANDLE]
        connection.evict_control(PARENT_HANDLE, PARENT_HANDLE)
    store.close()
    with closing(tpm_store(chip, place, create=False)) as opened:
        signs(opened, "key")


def put_alien_key(chip: SwtpmInstance, handle: int) -> None:
    """Another program's key at a persistent handle."""
    with closing(chip.connect()) as connection:
        parent = connection.create_storage_key()
        blobs = connection.create(parent, RSA, auth=b"", dictionary_attack=False)
        alien = connection.load(parent, blobs)
        connection.evict_control(alien, handle)
        connection.flush(alien)
        connection.flush(parent)


def test_an_alien_object_at_the_parent_handle_is_left_alone(
    chip: SwtpmInstance, place: Path
) -> None:
    """The error names the handle and a free one, with which the store is then made and opened."""
    put_alien_key(chip, PARENT_HANDLE)
    with pytest.raises(StoreUnavailableError, match="parent=0x81000002"):
        tpm_store(chip, place)
    with closing(tpm_store(chip, place, parent="0x81000002")) as store:
        store.generate("key", EC)
    with closing(tpm_store(chip, place, create=False)) as store:
        signs(store, "key")
    header = read_chip_header(place)
    assert header is not None
    assert header.parent_handle == 0x81000002


def test_leftovers_of_dead_clients_are_flushed(
    chip: SwtpmInstance, store: TpmKeyStore, place: Path
) -> None:
    """All three slots are taken by a client that died; the store goes on, and opens anew."""
    store.generate("rsa", RSA)
    for use in (lambda: signs(store, "rsa"), lambda: tpm_store(chip, place).close()):
        with closing(chip.connect()) as dead:
            while len(dead.transient_handles()) < 3:
                dead.create_storage_key()
        use()
    with closing(chip.connect()) as connection:
        assert len(connection.transient_handles()) <= 1


def test_a_key_under_our_handle_is_never_taken_for_ours(
    chip: SwtpmInstance, store: TpmKeyStore
) -> None:
    """Another client gets our key's handle for a key with our PIN: ours is loaded again."""
    handle = store.generate("key", EC)
    handle.sign(MESSAGE, SHA256)
    with closing(chip.connect()) as other:
        blobs = other.create(PARENT_HANDLE, EC, auth=PIN.encode(), dictionary_attack=False)
        (ours,) = other.transient_handles()
        other.flush(ours)
        assert other.load(PARENT_HANDLE, blobs) == ours
        verify(handle, handle.sign(MESSAGE, SHA256), MESSAGE, SHA256)


def test_a_counted_key_under_our_handle_costs_no_try(chip: SwtpmInstance, place: Path) -> None:
    """Our PIN is not tried on a key of another client that took the handle of ours."""
    with closing(tpm_store(chip, place, da="on")) as store, closing(chip.connect()) as other:
        handle = store.generate("key", RSA)
        handle.sign(MESSAGE, SHA256)
        blobs = other.create(PARENT_HANDLE, RSA, auth=b"theirs", dictionary_attack=True)
        (ours,) = other.transient_handles()
        other.flush(ours)
        assert other.load(PARENT_HANDLE, blobs) == ours
        decrypts(store, "key")
        assert other.lockout_state().failed_tries == 0


def test_a_signature_of_another_key_is_not_given_out(chip: SwtpmInstance) -> None:
    """Should the keys be exchanged at the last moment, the signature does not pass its check."""
    with closing(chip.connect()) as connection:
        parent = connection.create_storage_key()
        blobs = connection.create(parent, EC, auth=b"pin", dictionary_attack=False)
        digest = hash_of(MESSAGE, SHA256)
        for public_key, raises in (
            (load_public_key(connection.public_key_der(connection.load(parent, blobs))), False),
            (ec.generate_private_key(ec.SECP256R1()).public_key(), True),
        ):
            with pytest.raises(KeyDisplacedError) if raises else nullcontext():
                signed(
                    connection,
                    connection.transient_handles()[-1],
                    b"pin",
                    public_key=public_key,
                    digest=digest,
                    hash_algorithm=SHA256,
                    scheme="ecdsa",
                )


def test_deleting_frees_the_slot(chip: SwtpmInstance, store: TpmKeyStore) -> None:
    """A deleted key does not stay in the chip either."""
    store.generate("key", EC)
    signs(store, "key")
    store.delete("key")
    with closing(chip.connect()) as connection:
        assert connection.transient_handles() == []


def test_closing_frees_the_slot(chip: SwtpmInstance, store: TpmKeyStore) -> None:
    """A new store and one in use hold one slot, a closed one none."""
    with closing(chip.connect()) as connection:
        assert len(connection.transient_handles()) == 1
        store.generate("key", EC)
        signs(store, "key")
        assert len(connection.transient_handles()) == 1
        store.close()
        assert connection.transient_handles() == []


def test_processes_share_the_chip(chip: SwtpmInstance, store: TpmKeyStore, place: Path) -> None:
    """Four processes with keys of their own sign at once on three slots; every signature holds."""
    store.generate("shared", RSA)

    def work(number: int) -> int:
        with closing(tpm_store(chip, place, create=False)) as own:
            own.generate(f"own-{number}", EC)
            for _ in range(8):
                signs(own, "shared")
                signs(own, f"own-{number}")
            decrypts(own, "shared")
        return 0

    children = [start_child(lambda number=number: work(number)) for number in range(3)]
    for _ in range(8):
        signs(store, "shared")
    assert [wait_for_child(child) for child in children] == [0, 0, 0]
    assert len(store.list_keys()) == 4


def test_two_processes_may_make_the_store(chip: SwtpmInstance, place: Path) -> None:
    """Both get the same store, whoever was faster."""

    def work(number: int) -> int:
        with closing(tpm_store(chip, place)) as own:
            own.generate(f"key-{number}", EC)
        return 0

    children = [start_child(lambda number=number: work(number)) for number in range(2)]
    assert [wait_for_child(child) for child in children] == [0, 0]
    with closing(tpm_store(chip, place, create=False)) as store:
        signs(store, "key-0")
        signs(store, "key-1")


def test_a_forked_child_has_to_open_anew(
    chip: SwtpmInstance, store: TpmKeyStore, place: Path
) -> None:
    """The inherited store refuses, its closing harms nobody, and one opened in the child works."""
    handle = store.generate("key", EC)

    def work() -> int:
        uses = (
            lambda: handle.sign(MESSAGE, SHA256),
            lambda: store.generate("other", EC),
            lambda: store.get("key"),
            lambda: store.delete("key"),
            store.list_keys,
        )
        for use in uses:
            with pytest.raises(ForkedStoreError):
                use()
        store.close()
        with closing(tpm_store(chip, place, create=False)) as own:
            signs(own, "key")
        return 0

    assert wait_for_child(start_child(work)) == 0
    signs(store, "key")


@pytest.mark.parametrize("pin", ["a" * 32, "a" * 33, "\u00fc" * 40], ids=["32", "33", "umlauts"])
def test_pins_of_any_length(chip: SwtpmInstance, place: Path, pin: str) -> None:
    """Long PINs are told from those that begin like them."""
    tpm_store(chip, place, pin=pin).close()
    tpm_store(chip, place, pin=pin, create=False).close()
    for other in (pin[:-1], pin + "a"):
        with pytest.raises(StoreLockedError):
            tpm_store(chip, place, pin=other, create=False)


def test_an_empty_pin_is_refused(chip: SwtpmInstance, place: Path) -> None:
    """No store without a PIN, and none is left behind half made."""
    with pytest.raises(SecretUnavailableError):
        tpm_store(chip, place, pin="")
    assert read_chip_header(place) is None


def test_changed_files_are_noticed(store: TpmKeyStore, place: Path) -> None:
    """A renamed, changed or cut key file is refused; the other keys still work."""
    store.generate("good", EC)
    store.generate("key", EC)
    whole = (place / f"key{KEY_SUFFIX}").read_bytes()
    assert b"created_at" in whole
    cases = {
        "renamed": whole,
        "changed": whole.replace(b'"created_at":""', b'"created_at":"2020"'),
        "cut": whole[: len(whole) // 2],
        "newer": whole.replace(b"sceplab-tpm-key 1", b"sceplab-tpm-key 2"),
        "empty": b"",
    }
    for name, content in cases.items():
        path = place / f"{name}{KEY_SUFFIX}"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(KeyDamagedError, match=f"key '{name}'"):
            store.get(name)
        path.unlink()
    signs(store, "good")


def test_a_damaged_or_missing_header_is_told_from_no_store(
    chip: SwtpmInstance, store: TpmKeyStore, place: Path
) -> None:
    """Without its header a directory with keys is damaged, not empty."""
    store.generate("key", EC)
    header = place / HEADER_NAME
    content = header.read_bytes()
    header.write_bytes(content.replace(b"false", b"true "))
    with pytest.raises(KeyDamagedError, match="header is damaged"):
        tpm_store(chip, place)
    header.write_bytes(content.replace(b"store 1", b"store 2"))
    with pytest.raises(StoreUnavailableError, match="update the program"):
        tpm_store(chip, place)
    header.unlink()
    with pytest.raises(KeyDamagedError, match="restore it"):
        tpm_store(chip, place)


def test_no_store_is_told_without_asking(chip: SwtpmInstance, place: Path) -> None:
    """A directory that is not there is no store, unless one shall be made."""
    with pytest.raises(StoreUnavailableError, match="no TPM key store"):
        tpm_store(chip, place, create=False)
    assert not place.exists()


def test_every_hash_signs_with_rsa_3072_and_p384(store: TpmKeyStore) -> None:
    """The larger keys sign with each hash."""
    for algorithm in (KeyAlgorithm.RSA_3072, KeyAlgorithm.EC_P384):
        handle = store.generate(algorithm.name, algorithm)
        for hash_ in HASHES:
            verify(handle, handle.sign(MESSAGE, hash_), MESSAGE, hash_)


@pytest.mark.covers("L3")
def test_the_chip_keeps_its_keys(
    chip: SwtpmInstance, store: TpmKeyStore, place: Path, tmp_path: Path
) -> None:
    """tpm2-tools see a fixed key and are refused its duplicate; the files hold no private key."""
    require_program("tpm2_duplicate", package="tpm2-tools")
    handle = store.generate("key", EC)
    key = store._read("key")  # the blobs as a thief of the files has them
    (tmp_path / "pub").write_bytes(key.blobs.public)
    (tmp_path / "priv").write_bytes(key.blobs.private)

    def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*arguments, "-T", chip.tcti]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    store.close()
    loaded = tool(
        *("tpm2_load", "-C", hex(PARENT_HANDLE), "-u", "pub", "-r", "priv", "-c", "key.ctx")
    )
    assert loaded.returncode == 0, loaded.stderr
    tool("tpm2_flushcontext", "-t")
    shown = tool("tpm2_readpublic", "-c", "key.ctx")
    assert "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign" in shown.stdout
    tool("tpm2_flushcontext", "-t")
    refused = tool(
        *("tpm2_duplicate", "-C", "null", "-c", "key.ctx", "-G", "null", "-p", PIN),
        *("-r", "dup.priv", "-s", "dup.seed"),
    )
    assert refused.returncode != 0
    assert not (tmp_path / "dup.priv").exists()
    assert public_der(handle) == key.info.public_key_der
