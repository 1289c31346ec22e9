"""The stub chip by itself: its memory, its clock, its power switch, its pace, its public blobs."""

from __future__ import annotations

import contextlib
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import (
    KeyDamagedError,
    KeyStoreError,
    StoreUnavailableError,
    TokenMissingError,
)
from sceplab_hsm.tpm.chip import PARENT_HANDLE, KeyBlobs, TpmError, TpmGoneError
from sceplab_hsm.tpm.stub import PERSISTENT_LIMIT, PowerCut, StubChip
from sceplab_hsm.tpm.stub_latency import DISCRETE_FACTOR, SWTPM_SECONDS, ChipLatency
from sceplab_hsm.tpm.stub_memory import ChipMemory
from sceplab_hsm.tpm.stub_public import PublicArea
from tests.support.child_process import start_child, wait_for_child
from tests.support.tpm_chips import NOW

EC = KeyAlgorithm.EC_P256
PIN = b"chip pin"
DIGEST = b"\1" * 32


@pytest.fixture
def memory(tmp_path: Path) -> ChipMemory:
    """Memory of a new chip."""
    made = ChipMemory(tmp_path / "chip")
    made.create()
    return made


def chip_with_key(memory: ChipMemory, *, counts: bool = True) -> tuple[StubChip, KeyBlobs]:
    """A connection to a chip with a persistent storage key, and a key under it."""
    chip = StubChip(memory, now=lambda: NOW)
    if not chip.persistent_handles():
        primary = chip.create_storage_key()
        chip.evict_control(primary, PARENT_HANDLE)
        chip.flush(primary)
    return chip, chip.create(PARENT_HANDLE, EC, auth=PIN, dictionary_attack=counts)


def sign(chip: StubChip, handle: int, auth: bytes = PIN) -> bytes:
    """A signature."""
    return chip.sign(handle, DIGEST, "sha256", scheme="ecdsa", auth=auth)


def test_making_a_chip_twice_keeps_its_seed(memory: ChipMemory, tmp_path: Path) -> None:
    """A chip that is there is not made anew: its keys go on opening."""
    chip, blobs = chip_with_key(memory)
    memory.create()
    assert sign(chip, chip.load(PARENT_HANDLE, blobs))
    other = ChipMemory(tmp_path / "other")
    other.create()
    with memory.opened() as mine, other.opened() as theirs:
        assert mine.seed != theirs.seed


def test_a_chip_that_is_open_to_others_is_refused(memory: ChipMemory, tmp_path: Path) -> None:
    """The text says which chmod to run."""
    nv = tmp_path / "chip" / "chip.nv"
    nv.chmod(0o640)
    with pytest.raises(StoreUnavailableError, match=f"run: chmod 600 {nv}"):
        memory.require()
    nv.chmod(0o600)
    nv.parent.chmod(0o750)
    with pytest.raises(StoreUnavailableError, match="run: chmod 700"):
        memory.require()


def test_a_place_without_a_chip(tmp_path: Path) -> None:
    """No chip, no directory, or no room for one: an error of ours that names the place."""
    with pytest.raises(TokenMissingError, match=str(tmp_path)):
        ChipMemory(tmp_path / "none").require()
    (tmp_path / "empty").mkdir(mode=0o700)
    with pytest.raises(TokenMissingError):
        ChipMemory(tmp_path / "empty").require()
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailableError):
        ChipMemory(tmp_path / "file").create()
    with pytest.raises(TpmGoneError):
        StubChip(ChipMemory(tmp_path / "none"))


def test_processes_share_slots(memory: ChipMemory) -> None:
    """What a process that died had loaded keeps its slot; its keys can be used and flushed."""
    chip, blobs = chip_with_key(memory)

    def die_with_a_loaded_key() -> int:
        StubChip(memory).load(PARENT_HANDLE, blobs)
        os._exit(7)

    assert wait_for_child(start_child(die_with_a_loaded_key)) == 7
    (left,) = chip.transient_handles()
    assert sign(chip, left)
    chip.flush(left)
    assert chip.transient_handles() == []


def test_threads_share_the_chip(memory: ChipMemory) -> None:
    """Commands of several connections run one after the other, whoever gives them."""
    _, blobs = chip_with_key(memory)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            chip = StubChip(memory, slots=9)
            for _ in range(40):
                chip.flush(chip.load(PARENT_HANDLE, blobs))
        except (TpmError, TpmGoneError, KeyStoreError) as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert StubChip(memory).transient_handles() == []


def test_what_was_loaded_before_the_cut_never_comes_back(
    memory: ChipMemory, tmp_path: Path
) -> None:
    """A file of loaded objects that is left from an earlier boot counts for nothing."""
    chip, blobs = chip_with_key(memory)
    chip.load(PARENT_HANDLE, blobs)
    left = (tmp_path / "chip" / "chip.ram").read_bytes()
    chip.power_cut()
    (tmp_path / "chip" / "chip.ram").write_bytes(left)
    assert StubChip(memory).transient_handles() == []


@pytest.mark.parametrize("when", PowerCut)
def test_a_cut_during_a_command_leaves_its_outcome_open(memory: ChipMemory, when: PowerCut) -> None:
    """The caller sees the same error whether the object had become persistent or not."""
    chip, blobs = chip_with_key(memory)
    handle = chip.load(PARENT_HANDLE, blobs)
    chip.cut_power_during("EvictControl", when)
    with pytest.raises(TpmGoneError, match="lost its power during EvictControl"):
        chip.evict_control(handle, 0x81010000)
    with pytest.raises(TpmGoneError, match="was broken before GetRandom"):
        chip.get_random(8)
    again = StubChip(memory)
    assert again.transient_handles() == []
    assert (0x81010000 in again.persistent_handles()) is (when is PowerCut.AFTER_EFFECT)


def test_a_cut_hides_a_refusal(memory: ChipMemory) -> None:
    """A wrong value that met a cut is counted twice over: as a try and as a cut after use."""
    chip, blobs = chip_with_key(memory)
    handle = chip.load(PARENT_HANDLE, blobs)
    chip.cut_power_during("Sign", PowerCut.AFTER_EFFECT)
    with pytest.raises(TpmGoneError):
        sign(chip, handle, b"wrong")
    assert StubChip(memory).lockout_state().failed_tries == 2


def test_every_connection_breaks(memory: ChipMemory) -> None:
    """A cut through one connection is felt by the others; a closed one stays closed."""
    first, second = StubChip(memory), StubChip(memory)
    first.power_cut()
    for chip in (first, second):
        with pytest.raises(TpmGoneError):
            chip.get_random(8)
    third = StubChip(memory)
    third.close()
    with pytest.raises(TpmGoneError):
        third.transient_handles()


def test_time_forgives_tries_and_the_lock_of_the_reset(memory: ChipMemory) -> None:
    """One try each 1000 seconds with power; the lockout hierarchy opens again after as long."""
    clock = [NOW]
    _, blobs = chip_with_key(memory)
    chip = StubChip(memory, now=lambda: clock[0])
    handle = chip.load(PARENT_HANDLE, blobs)
    for _ in range(3):
        with pytest.raises(TpmError):
            sign(chip, handle, b"wrong")
    with pytest.raises(TpmError):
        chip.clear_lockout(b"wrong")
    seen = []
    for _ in range(5):
        clock[0] += timedelta(seconds=500)
        seen.append(chip.lockout_state().failed_tries)
    assert seen == [3, 2, 2, 1, 1]
    chip.clear_lockout(b"")
    assert chip.lockout_state().failed_tries == 0


def test_a_new_failure_starts_the_time_again(memory: ChipMemory) -> None:
    """What counts is the time since the last wrong try, and only time with power."""
    clock = [NOW]
    _, blobs = chip_with_key(memory)
    chip = StubChip(memory, now=lambda: clock[0])
    handle = chip.load(PARENT_HANDLE, blobs)
    for _ in range(2):
        with pytest.raises(TpmError):
            sign(chip, handle, b"wrong")
        clock[0] += timedelta(seconds=600)
    assert chip.lockout_state().failed_tries == 2
    with pytest.raises(TpmError):
        chip.clear_lockout(b"wrong")
    clock[0] += timedelta(seconds=300)
    chip.power_cycle()
    clock[0] += timedelta(seconds=800)
    chip = StubChip(memory, now=lambda: clock[0])
    assert chip.lockout_state().failed_tries == 2
    with pytest.raises(TpmError, match="0x921"):
        chip.clear_lockout(b"")
    clock[0] += timedelta(seconds=200)
    assert chip.lockout_state().failed_tries == 1
    chip.clear_lockout(b"")


def test_without_a_clock_nothing_is_forgiven(memory: ChipMemory) -> None:
    """Tries that were counted without a clock are forgiven from when one is there."""
    _, blobs = chip_with_key(memory)
    chip = StubChip(memory)
    handle = chip.load(PARENT_HANDLE, blobs)
    with pytest.raises(TpmError):
        sign(chip, handle, b"wrong")
    assert StubChip(memory, now=lambda: NOW).lockout_state().failed_tries == 1
    later = NOW + timedelta(seconds=1000)
    assert StubChip(memory, now=lambda: later).lockout_state().failed_tries == 0


def test_a_clock_that_goes_back_forgives_nothing(memory: ChipMemory) -> None:
    """Neither does it add tries."""
    chip, blobs = chip_with_key(memory)
    with pytest.raises(TpmError):
        sign(chip, chip.load(PARENT_HANDLE, blobs), b"wrong")
    before = NOW - timedelta(days=400)
    assert StubChip(memory, now=lambda: before).lockout_state().failed_tries == 1


def test_persistent_memory_runs_out(memory: ChipMemory) -> None:
    """Behind the last persistent object comes 0x14b."""
    chip, blobs = chip_with_key(memory)
    handle = chip.load(PARENT_HANDLE, blobs)
    for number in range(PERSISTENT_LIMIT - 1):
        chip.evict_control(handle, 0x81010000 + number)
    with pytest.raises(TpmError) as caught:
        chip.evict_control(handle, 0x81020000)
    assert caught.value.response_code == 0x14B


def test_slots_are_a_setting(memory: ChipMemory) -> None:
    """A chip with more slots holds more objects."""
    _, blobs = chip_with_key(memory)
    chip = StubChip(memory, slots=5)
    handles = [chip.load(PARENT_HANDLE, blobs) for _ in range(4)]
    assert len(set(handles)) == 4
    with pytest.raises(TpmError) as caught:
        chip.load(PARENT_HANDLE, blobs)
    assert caught.value.response_code == 0x902


def test_long_values_and_strange_handles(memory: ChipMemory) -> None:
    """A value over 32 bytes and a handle of another kind are refused, not cut or guessed."""
    chip, blobs = chip_with_key(memory)
    with pytest.raises(TpmError, match="0x1d5"):
        chip.create(PARENT_HANDLE, EC, auth=b"x" * 33, dictionary_attack=False)
    for handle in (0x90000001, 0, -1):
        with pytest.raises(TpmError, match="0x184"):
            chip.load(handle, blobs)
    with pytest.raises(TpmError, match="0x1cd"):
        chip.evict_control(PARENT_HANDLE, 0x81000002)


def test_no_public_name_yields_a_private_key(memory: ChipMemory) -> None:
    """What a connection offers has no word for export, and its text says what it is."""
    chip, _ = chip_with_key(memory)
    names = [name for name in dir(chip) if not name.startswith("_")]
    words = ("private", "export", "seed", "duplicate", "secret", "unwrap")
    assert not [name for name in names if any(word in name for word in words)]
    assert "no TPM, no protection" in repr(chip)


def test_pace_is_in_proportion(memory: ChipMemory) -> None:
    """Making an RSA key takes far longer than a signature, and EC less; nothing really sleeps."""
    slept: list[float] = []
    chip = StubChip(memory, latency=ChipLatency(sleep=slept.append))
    primary = chip.create_storage_key()
    spent = {}
    for algorithm in (KeyAlgorithm.RSA_2048, EC):
        slept.clear()
        blobs = chip.create(primary, algorithm, auth=PIN, dictionary_attack=False)
        handle = chip.load(primary, blobs)
        scheme = "rsassa" if algorithm.is_rsa else "ecdsa"
        chip.sign(handle, DIGEST, "sha256", scheme=scheme, auth=PIN)
        made, loaded, signed = slept
        spent[algorithm] = made, signed
        chip.flush(handle)
        assert loaded == SWTPM_SECONDS["Load", None] * DISCRETE_FACTOR
    assert spent[KeyAlgorithm.RSA_2048][0] > 50 * spent[KeyAlgorithm.RSA_2048][1]
    assert spent[KeyAlgorithm.RSA_2048][1] > 2 * spent[EC][1]


def test_jitter_is_seeded_and_bounded() -> None:
    """The same seed gives the same pace; deviations stay within their share."""

    def paces(seed: int) -> list[float]:
        slept: list[float] = []
        latency = ChipLatency(sleep=slept.append, factor=1, jitter=0.5, seed=seed)
        for _ in range(50):
            latency.pause("Create", KeyAlgorithm.RSA_2048)
        return slept

    assert paces(1) == paces(1) != paces(2)
    middle = SWTPM_SECONDS["Create", KeyAlgorithm.RSA_2048]
    assert all(middle * 0.5 <= pace <= middle * 1.5 for pace in paces(1))
    assert len(set(paces(1))) == 50


def test_public_blobs_are_what_a_tss_reads(memory: ChipMemory) -> None:
    """The TSS binding reads our public blobs: type, attributes and the same public key."""
    tss = pytest.importorskip("tpm2_pytss", reason="the extra `tpm` is not installed")
    chip = StubChip(memory)
    primary = chip.create_storage_key()
    for algorithm in sorted(chip.algorithms(), key=lambda item: item.value):
        blobs = chip.create(primary, algorithm, auth=PIN, dictionary_attack=False)
        public, length = tss.TPM2B_PUBLIC.unmarshal(blobs.public)
        assert length == len(blobs.public)
        handle = chip.load(primary, blobs)
        assert bytes(public.to_der()) == chip.public_key_der(handle)
        assert public.publicArea.objectAttributes & tss.TPMA_OBJECT.NODA
        private, length = tss.TPM2B_PRIVATE.unmarshal(blobs.private)
        assert length == len(blobs.private) == len(bytes(private.buffer)) + 2
        chip.flush(handle)


@given(st.binary(max_size=120))
@pytest.mark.fuzz
def test_any_bytes_are_a_public_area_or_refused(content: bytes) -> None:
    """Bytes of no relation raise ``ValueError`` and nothing else."""
    with contextlib.suppress(ValueError):
        assert PublicArea.decode(content).encode() == content


@pytest.mark.fuzz
@given(data=st.data())
def test_changed_blobs_are_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A pair of blobs with any change loads nowhere, with a code of the chip."""
    memory = ChipMemory(tmp_path_factory.getbasetemp() / "fuzzed" / "chip")
    memory.create()
    chip, blobs = chip_with_key(memory)
    halves = [blobs.private, blobs.public]
    which = data.draw(st.integers(0, 1))
    whole = halves[which]
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    halves[which] = whole[:start] + data.draw(st.binary(max_size=8)) + whole[end:]
    if halves[which] == whole:
        return
    with pytest.raises(TpmError) as caught:
        chip.load(PARENT_HANDLE, KeyBlobs(*halves))
    assert caught.value.response_code in (0x1D5, 0x1DF)


@pytest.mark.fuzz
@given(data=st.data())
def test_a_changed_memory_is_damaged_or_the_same_chip(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever stands in the files: an error of ours, or a chip that answers."""
    folder = tmp_path_factory.getbasetemp() / "changed" / "chip"
    memory = ChipMemory(folder)
    memory.create()
    chip, blobs = chip_with_key(memory)
    for handle in chip.transient_handles():
        chip.flush(handle)
    chip.load(PARENT_HANDLE, blobs)
    path = folder / data.draw(st.sampled_from(["chip.nv", "chip.ram"]))
    whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    try:
        path.write_bytes(whole[:start] + data.draw(st.binary(max_size=8)) + whole[end:])
        with contextlib.suppress(KeyDamagedError, TpmGoneError, TpmError):
            changed = StubChip(memory, now=lambda: NOW)
            changed.transient_handles()
            changed.public_key_der(PARENT_HANDLE)
    except KeyStoreError as error:
        pytest.fail(f"another error: {error}")
    finally:
        path.write_bytes(whole)
