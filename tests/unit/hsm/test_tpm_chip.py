"""The chip interface on every chip: the same commands, the same refusals, the same codes.

What a chip does here is what swtpm does; the stub follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import (
    MGF1,
    OAEP,
    PSS,
    AsymmetricPadding,
    PKCS1v15,
)
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.tpm.chip import PARENT_HANDLE, KeyBlobs, TpmChip, TpmError
from tests.support.tpm_chips import BENCHES, ChipBench

EC = KeyAlgorithm.EC_P256
RSA = KeyAlgorithm.RSA_2048
PIN = b"chip pin"
SHA1 = hashes.SHA1()
HASHES = (SHA1, hashes.SHA256(), hashes.SHA384(), hashes.SHA512())
MISSING_PERSISTENT = 0x81000055
MISSING_TRANSIENT = 0x80000002
OTHER_HANDLE = 0x81010000
MAX_TRIES = 3


_MARKS = {"swtpm": [pytest.mark.interop, pytest.mark.daemon]}


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=_MARKS.get(name, ())) for name in BENCHES]
)
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChipBench]:
    """A chip that several tests share; each begins with empty slots and a clear counter."""
    with BENCHES[request.param](tmp_path_factory.mktemp("chip")) as made:
        yield made


@dataclass(frozen=True)
class Blobs:
    """Keys that tests load: whether wrong tries count is in the name."""

    rsa: KeyBlobs
    ec: KeyBlobs
    ec_noda: KeyBlobs


@pytest.fixture(scope="module")
def blobs(bench: ChipBench) -> Blobs:
    """Keys of the shared chip, which is given its persistent storage key here."""
    chip = bench.connect()
    primary = chip.create_storage_key()
    chip.evict_control(primary, PARENT_HANDLE)
    chip.flush(primary)
    made = Blobs(
        rsa=chip.create(PARENT_HANDLE, RSA, auth=PIN, dictionary_attack=True),
        ec=chip.create(PARENT_HANDLE, EC, auth=PIN, dictionary_attack=True),
        ec_noda=chip.create(PARENT_HANDLE, EC, auth=PIN, dictionary_attack=False),
    )
    chip.close()
    return made


@pytest.fixture
def chip(bench: ChipBench, blobs: Blobs) -> Iterator[TpmChip]:
    """A connection to the shared chip; what a test leaves behind is cleared away."""
    connected = bench.connect()
    yield connected
    connected.close()
    cleaner = bench.connect()
    for handle in cleaner.transient_handles():
        cleaner.flush(handle)
    for handle in cleaner.persistent_handles():
        if handle != PARENT_HANDLE:
            cleaner.evict_control(handle, handle)
    cleaner.clear_lockout(b"")
    cleaner.shutdown()
    cleaner.close()


def refusal(use: Callable[[], object]) -> int:
    """Response code of a command that must be refused."""
    with pytest.raises(TpmError) as caught:
        use()
    return caught.value.response_code


def sign(chip: TpmChip, handle: int, auth: bytes = PIN, *, size: int = 32) -> bytes:
    """An ECDSA signature over a digest of that size."""
    return chip.sign(handle, b"\1" * size, "sha256", scheme="ecdsa", auth=auth)


def failed_tries(chip: TpmChip) -> int:
    """The counter."""
    return chip.lockout_state().failed_tries


def test_makes_what_a_chip_makes(chip: TpmChip) -> None:
    """Four key types; RSA-4096 is refused as the second parameter's value."""
    four = KeyAlgorithm.RSA_4096
    assert chip.algorithms() == frozenset(KeyAlgorithm) - {four}
    assert refusal(lambda: chip.create(PARENT_HANDLE, four, auth=b"", dictionary_attack=False)) == (
        0x2C4
    )


@pytest.mark.parametrize(
    "algorithm", [KeyAlgorithm.RSA_3072, KeyAlgorithm.EC_P384], ids=lambda item: item.value
)
def test_other_sizes_sign(chip: TpmChip, algorithm: KeyAlgorithm) -> None:
    """The larger keys are made and sign."""
    made = chip.create(PARENT_HANDLE, algorithm, auth=PIN, dictionary_attack=False)
    handle = chip.load(PARENT_HANDLE, made)
    scheme = "rsassa" if algorithm.is_rsa else "ecdsa"
    digest = b"\2" * 48
    signature = chip.sign(handle, digest, "sha384", scheme=scheme, auth=PIN)
    public = load_der_public_key(chip.public_key_der(handle))
    hashed = Prehashed(hashes.SHA384())
    if isinstance(public, rsa.RSAPublicKey):
        assert public.key_size == 3072
        public.verify(signature, digest, PKCS1v15(), hashed)
    else:
        assert isinstance(public, ec.EllipticCurvePublicKey)
        assert public.key_size == 384
        public.verify(signature, digest, ec.ECDSA(hashed))


@pytest.mark.parametrize("hash_", HASHES, ids=lambda item: item.name)
def test_rsa_signatures_verify(chip: TpmChip, blobs: Blobs, hash_: hashes.HashAlgorithm) -> None:
    """PKCS#1 v1.5 and PSS (salt as long as the digest) with four hashes."""
    handle = chip.load(PARENT_HANDLE, blobs.rsa)
    public = load_der_public_key(chip.public_key_der(handle))
    assert isinstance(public, rsa.RSAPublicKey)
    digest = b"\3" * hash_.digest_size
    pss = PSS(mgf=MGF1(hash_), salt_length=hash_.digest_size)
    paddings: dict[str, AsymmetricPadding] = {"rsassa": PKCS1v15(), "rsapss": pss}
    for scheme, padding in paddings.items():
        signature = chip.sign(handle, digest, hash_.name, scheme=scheme, auth=PIN)
        assert len(signature) == 256
        public.verify(signature, digest, padding, Prehashed(hash_))


def test_ecdsa_signatures_verify(chip: TpmChip, blobs: Blobs) -> None:
    """ECDSA comes as DER; a digest longer than the curve is cut as everywhere."""
    handle = chip.load(PARENT_HANDLE, blobs.ec)
    public = load_der_public_key(chip.public_key_der(handle))
    assert isinstance(public, ec.EllipticCurvePublicKey)
    for hash_ in HASHES:
        digest = bytes(range(hash_.digest_size))
        signature = chip.sign(handle, digest, hash_.name, scheme="ecdsa", auth=PIN)
        public.verify(signature, digest, ec.ECDSA(Prehashed(hash_)))


def test_decrypts(chip: TpmChip, blobs: Blobs) -> None:
    """The same key opens PKCS#1 v1.5 and OAEP."""
    handle = chip.load(PARENT_HANDLE, blobs.rsa)
    public = load_der_public_key(chip.public_key_der(handle))
    assert isinstance(public, rsa.RSAPublicKey)
    secret = b"content encryption key"
    ciphertext = public.encrypt(secret, PKCS1v15())
    assert chip.rsa_decrypt(handle, ciphertext, scheme="rsaes", auth=PIN) == secret
    for hash_ in (SHA1, hashes.SHA256()):
        ciphertext = public.encrypt(secret, OAEP(MGF1(hash_), hash_, None))
        opened = chip.rsa_decrypt(handle, ciphertext, scheme="oaep", hash_name=hash_.name, auth=PIN)
        assert opened == secret


def test_broken_blocks_are_a_failure(chip: TpmChip, blobs: Blobs) -> None:
    """Bad padding is 0x101 in both schemes, and the chip goes on; a wrong length is 0x95."""
    handle = chip.load(PARENT_HANDLE, blobs.rsa)
    for block, code in (
        (b"\1" * 256, 0x101),
        (b"\xff" * 256, 0x101),
        (b"\0" * 256, 0x101),
        (b"\1" * 255, 0x95),
        (b"", 0x95),
    ):
        for scheme, hash_name in (("rsaes", ""), ("oaep", "sha1")):
            got = refusal(
                lambda block=block, scheme=scheme, hash_name=hash_name: chip.rsa_decrypt(
                    handle, block, scheme=scheme, hash_name=hash_name, auth=PIN
                )
            )
            assert got == code
    assert len(chip.get_random(16)) == 16


def test_keys_do_what_they_are_for(chip: TpmChip, blobs: Blobs) -> None:
    """A storage key neither signs nor decrypts, an EC key does not decrypt, neither is a parent."""
    handle = chip.load(PARENT_HANDLE, blobs.ec)
    assert refusal(lambda: sign(chip, PARENT_HANDLE, b"")) == 0x19C
    for number, auth in ((PARENT_HANDLE, b""), (handle, PIN)):
        got = refusal(
            lambda number=number, auth=auth: chip.rsa_decrypt(
                number, b"\1" * 256, scheme="rsaes", auth=auth
            )
        )
        assert got == 0x19C
    assert refusal(lambda: chip.load(handle, blobs.ec)) == 0x18A
    make = {"auth": b"", "dictionary_attack": False}
    assert refusal(lambda: chip.create(handle, EC, **make)) == 0x18A


def test_schemes_and_digests_are_checked(chip: TpmChip, blobs: Blobs) -> None:
    """A scheme of the other key type is refused as parameter 2, a digest of wrong size as 1."""
    of_ec, of_rsa = chip.load(PARENT_HANDLE, blobs.ec), chip.load(PARENT_HANDLE, blobs.rsa)
    digest = b"\1" * 32
    for handle, scheme in ((of_ec, "rsassa"), (of_ec, "rsapss"), (of_rsa, "ecdsa")):
        got = refusal(
            lambda handle=handle, scheme=scheme: chip.sign(
                handle, digest, "sha256", scheme=scheme, auth=PIN
            )
        )
        assert got == 0x2D2
    for size in (0, 20, 31, 33, 64):
        assert refusal(lambda size=size: sign(chip, of_ec, size=size)) == 0x1D5


def test_blobs_are_bound(chip: TpmChip, blobs: Blobs) -> None:
    """Changed, exchanged and cut blobs do not load; those of another chip neither (see below)."""
    private, public = blobs.ec.private, blobs.ec.public
    changed = bytearray(private)
    changed[60] ^= 1
    for damaged, code in (
        (KeyBlobs(bytes(changed), public), 0x1DF),
        (KeyBlobs(private, blobs.ec_noda.public), 0x1DF),
        (KeyBlobs(private, blobs.rsa.public), 0x1DF),
        (KeyBlobs(private, public[:40]), 0x1DF),
        (KeyBlobs(b"\0\3abc", public), 0x1D5),
        (KeyBlobs(b"\0\0", public), 0x1D5),
    ):
        assert refusal(lambda damaged=damaged: chip.load(PARENT_HANDLE, damaged)) == code
    assert chip.transient_handles() == []


def test_the_authorisation_value_ends_before_its_zeros(chip: TpmChip) -> None:
    """Zeros at the end of a value are none."""
    made = chip.create(PARENT_HANDLE, EC, auth=PIN + b"\0\0", dictionary_attack=False)
    handle = chip.load(PARENT_HANDLE, made)
    assert sign(chip, handle, PIN)
    assert sign(chip, handle, PIN + b"\0")
    assert refusal(lambda: sign(chip, handle, b"\0" + PIN)) == 0x9A2


def test_handles_are_the_lowest_free(chip: TpmChip, blobs: Blobs) -> None:
    """A handle is its slot; a persistent parent sits in the lowest free one during the load."""
    first, second = (chip.load(PARENT_HANDLE, blobs.ec) for _ in range(2))
    assert [first, second] == [0x80000001, 0x80000002]
    assert chip.transient_handles() == [first, second]
    chip.flush(first)
    assert chip.load(PARENT_HANDLE, blobs.rsa) == first
    chip.flush(first)
    assert chip.create_storage_key() == 0x80000000
    assert chip.load(0x80000000, blobs.ec) == first


def test_slots_run_out(chip: TpmChip, blobs: Blobs) -> None:
    """Three slots; a persistent parent and a key in the making need one meanwhile."""
    primary = chip.create_storage_key()
    second = chip.load(PARENT_HANDLE, blobs.ec)
    make = {"auth": b"", "dictionary_attack": False}
    assert refusal(lambda: chip.load(PARENT_HANDLE, blobs.ec)) == 0x902
    assert refusal(lambda: chip.create(PARENT_HANDLE, EC, **make)) == 0x902
    chip.create(primary, EC, **make)
    third = chip.load(primary, blobs.ec)
    for use in (
        lambda: chip.load(primary, blobs.ec),
        lambda: chip.create(primary, EC, **make),
        chip.create_storage_key,
    ):
        assert refusal(use) == 0x902
    assert sign(chip, third)
    for handle in (primary, second, third):
        chip.flush(handle)
    assert chip.transient_handles() == []


def test_slots_belong_to_the_chip(bench: ChipBench, chip: TpmChip, blobs: Blobs) -> None:
    """What a client leaves behind stays loaded; another one finds, uses and flushes it."""
    left = bench.connect()
    handle = left.load(PARENT_HANDLE, blobs.ec)
    left.close()
    left.close()
    assert chip.transient_handles() == [handle]
    assert sign(chip, handle)
    chip.flush(handle)
    assert refusal(lambda: sign(chip, handle)) in (0x910, 0x18B)


def test_missing_objects(chip: TpmChip, blobs: Blobs) -> None:
    """A missing transient object is 0x910, a missing persistent one 0x18b."""
    for use in (chip.public_key_der, lambda handle: sign(chip, handle)):
        assert refusal(lambda use=use: use(MISSING_TRANSIENT)) == 0x910
        assert refusal(lambda use=use: use(MISSING_PERSISTENT)) == 0x18B
    handle = chip.load(PARENT_HANDLE, blobs.ec)
    chip.flush(handle)
    assert refusal(lambda: chip.flush(handle)) in (0x910, 0x1CB)


def test_objects_are_made_persistent_and_removed(chip: TpmChip, blobs: Blobs) -> None:
    """A persistent key works by its own handle, which is taken then; it can be removed."""
    handle = chip.load(PARENT_HANDLE, blobs.ec)
    chip.evict_control(handle, OTHER_HANDLE)
    assert chip.persistent_handles() == [PARENT_HANDLE, OTHER_HANDLE]
    assert sign(chip, OTHER_HANDLE)
    assert chip.public_key_der(OTHER_HANDLE) == chip.public_key_der(handle)
    assert refusal(lambda: chip.evict_control(handle, OTHER_HANDLE)) == 0x14C
    assert refusal(lambda: chip.evict_control(handle, 0x81800001)) == 0x1CD
    assert refusal(lambda: chip.evict_control(handle, 0x80000009)) == 0x1C4
    chip.evict_control(OTHER_HANDLE, OTHER_HANDLE)
    assert chip.persistent_handles() == [PARENT_HANDLE]
    assert sign(chip, handle)


def test_the_storage_key_is_always_the_same(bench: ChipBench, chip: TpmChip) -> None:
    """Making the primary again gives the same key, also after a power cycle."""
    parent = chip.public_key_der(PARENT_HANDLE)
    assert chip.public_key_der(chip.create_storage_key()) == parent
    chip.close()
    bench.power_cycle()
    again = bench.connect()
    assert again.public_key_der(again.create_storage_key()) == parent


def test_wrong_values_count_and_lock(chip: TpmChip, blobs: Blobs) -> None:
    """Three wrong values lock every counted key, the right value too; others go on working."""
    of_ec = chip.load(PARENT_HANDLE, blobs.ec)
    for tries in range(1, MAX_TRIES + 1):
        # Authorisation comes first: neither digest nor ciphertext is looked at before.
        assert refusal(lambda: sign(chip, of_ec, b"wrong", size=5)) == 0x98E
        assert failed_tries(chip) == tries
    for auth in (b"wrong", PIN):
        assert refusal(lambda auth=auth: sign(chip, of_ec, auth)) == 0x921
    chip.flush(of_ec)
    of_rsa = chip.load(PARENT_HANDLE, blobs.rsa)
    locked = refusal(lambda: chip.rsa_decrypt(of_rsa, b"", scheme="rsaes", auth=PIN))
    assert locked == 0x921
    free = chip.load(PARENT_HANDLE, blobs.ec_noda)
    assert refusal(lambda: sign(chip, free, b"wrong")) == 0x9A2
    assert sign(chip, free)
    state = chip.lockout_state()
    assert (state.failed_tries, state.max_tries, state.recovery_s) == (MAX_TRIES, MAX_TRIES, 1000)
    chip.clear_lockout(b"")
    assert failed_tries(chip) == 0
    assert len(chip.sign(of_rsa, b"\1" * 32, "sha256", scheme="rsassa", auth=PIN)) == 256


def test_a_right_value_does_not_reset_the_counter(chip: TpmChip, blobs: Blobs) -> None:
    """Only time and the lockout authorisation forgive a wrong try."""
    handle = chip.load(PARENT_HANDLE, blobs.ec)
    assert refusal(lambda: sign(chip, handle, b"wrong")) == 0x98E
    assert sign(chip, handle)
    assert failed_tries(chip) == 1


def test_a_cut_after_use_is_a_failed_try(bench: ChipBench, chip: TpmChip, blobs: Blobs) -> None:
    """Three cuts without shutdown lock the chip, though no wrong value was ever given."""
    for tries in range(1, MAX_TRIES + 1):
        handle = chip.load(PARENT_HANDLE, blobs.ec)
        assert sign(chip, handle)
        chip.close()
        bench.power_cut()
        chip = bench.connect()
        assert failed_tries(chip) == tries
    handle = chip.load(PARENT_HANDLE, blobs.ec)
    assert refusal(lambda: sign(chip, handle)) == 0x921
    chip.close()
    bench.power_cut()
    chip = bench.connect()
    assert failed_tries(chip) == MAX_TRIES, "a locked chip counts no further"
    chip.close()


def test_a_cut_does_not_lock_further(bench: ChipBench, chip: TpmChip, blobs: Blobs) -> None:
    """A chip that was used and then locked by wrong values counts no further at the cut."""
    handle = chip.load(PARENT_HANDLE, blobs.ec)
    assert sign(chip, handle)
    for _ in range(MAX_TRIES):
        assert refusal(lambda: sign(chip, handle, b"wrong")) == 0x98E
    chip.close()
    bench.power_cut()
    chip = bench.connect()
    assert failed_tries(chip) == MAX_TRIES
    chip.close()


@pytest.mark.parametrize("use", ["free", "load", "shutdown", "nothing"])
def test_a_harmless_cut_is_none(bench: ChipBench, chip: TpmChip, blobs: Blobs, use: str) -> None:
    """Nothing counts when no counted key was used, it was only loaded, or all ended orderly."""
    if use != "nothing":
        handle = chip.load(PARENT_HANDLE, blobs.ec_noda if use == "free" else blobs.ec)
        if use != "load":
            assert sign(chip, handle)
    if use == "shutdown":
        chip.shutdown()
        assert len(chip.get_random(4)) == 4, "a shut down chip still answers"
    chip.close()
    bench.power_cut()
    chip = bench.connect()
    assert failed_tries(chip) == 0
    chip.close()


def test_use_after_shutdown_counts_again(bench: ChipBench, chip: TpmChip, blobs: Blobs) -> None:
    """A shutdown that is followed by another use protects from nothing."""
    handle = chip.load(PARENT_HANDLE, blobs.ec)
    chip.shutdown()
    assert sign(chip, handle)
    chip.close()
    bench.power_cut()
    chip = bench.connect()
    assert failed_tries(chip) == 1
    chip.close()


def test_what_a_power_cycle_leaves(bench: ChipBench, chip: TpmChip, blobs: Blobs) -> None:
    """Loaded objects are gone; persistent ones, blobs and the counter are there."""
    handle = chip.load(PARENT_HANDLE, blobs.ec)
    assert refusal(lambda: sign(chip, handle, b"wrong")) == 0x98E
    chip.shutdown()
    chip.close()
    bench.power_cycle()
    chip = bench.connect()
    assert chip.transient_handles() == []
    assert chip.persistent_handles() == [PARENT_HANDLE]
    assert failed_tries(chip) == 1
    assert sign(chip, chip.load(PARENT_HANDLE, blobs.ec))
    chip.close()


def test_a_wrong_lockout_authorisation_shuts_the_reset(bench: ChipBench, tmp_path: Path) -> None:
    """After one wrong value the right one is refused too, and a power cycle does not help."""
    with BENCHES[bench.name](tmp_path) as other:
        chip = other.connect()
        assert refusal(lambda: chip.clear_lockout(b"wrong")) == 0x98E
        assert refusal(lambda: chip.clear_lockout(b"")) == 0x921
        chip.close()
        other.power_cycle()
        chip = other.connect()
        assert refusal(lambda: chip.clear_lockout(b"")) == 0x921
        chip.close()


def test_keys_open_in_their_own_chip_only(
    bench: ChipBench, chip: TpmChip, blobs: Blobs, tmp_path: Path
) -> None:
    """Another chip has another storage key and refuses the blobs."""
    with BENCHES[bench.name](tmp_path) as other:
        foreign = other.connect()
        primary = foreign.create_storage_key()
        assert foreign.public_key_der(primary) != chip.public_key_der(PARENT_HANDLE)
        assert refusal(lambda: foreign.load(primary, blobs.ec)) == 0x1DF
        foreign.close()


def test_random_bytes(chip: TpmChip) -> None:
    """As many as asked for, within what one command gives."""
    assert len(chip.get_random(32)) == 32
    assert chip.get_random(16) != chip.get_random(16)


def test_what_leaves_the_chip_holds_no_private_number(chip: TpmChip) -> None:
    """Two creations of one call differ, and a private blob stands in no relation to its public."""
    made = [chip.create(PARENT_HANDLE, EC, auth=b"", dictionary_attack=False) for _ in range(2)]
    assert made[0].public != made[1].public
    assert made[0].private != made[1].private
    assert len(made[0].private) < 200
