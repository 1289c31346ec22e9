"""Keys of CA and RA: their length, and the key store they live in."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import secrets_from
from sceplab_ndes.errors import StateError
from sceplab_ndes.hierarchy import CaPlan
from sceplab_scep.algorithms import Floor
from tests.support.ndes_cli import read_json, run, serving
from tests.support.remote_device import RemoteDevice
from tests.support.scep_device import ScepDevice, issued
from tests.support.secret_files import write_secret
from tests.support.server import make_server
from tests.support.soft_stores import soft_store
from tests.support.softhsm import make_token

RSA_2048, RSA_4096 = KeyAlgorithm.RSA_2048, KeyAlgorithm.RSA_4096
LAX = {"challenge": {"mode": "none"}}


def ra_bits(served: Any) -> list[int]:
    """Lengths of the RA keys in the certificates that a server hands out."""
    lengths = []
    for certificate in (served.ra_signing.certificate, served.ra_encryption.certificate):
        key = certificate.public_key()
        assert isinstance(key, RSAPublicKey)
        lengths.append(key.key_size)
    return lengths


@pytest.mark.parametrize("algorithm", [RSA_2048, RSA_4096])
@pytest.mark.parametrize("profile", ["compat", "ndes"])
@pytest.mark.covers("L5")
def test_an_enrollment_with_ra_keys_of_the_chosen_length(
    tmp_path: Path, profile: str, algorithm: KeyAlgorithm
) -> None:
    """The device encrypts to the one RA key and verifies the other; the CA's own stays as it is."""
    with closing(soft_store(tmp_path / "keys")) as store:
        server = make_server(
            profile, settings=LAX, key_store=store, plan=CaPlan(ra_algorithm=algorithm)
        )
        bits = int(algorithm.value.removeprefix("rsa:"))
        assert ra_bits(server.hierarchy) == [bits, bits]
        assert server.hierarchy.root.key.algorithm is RSA_2048
        floor = Floor.MODERN if profile == "compat" else Floor.NDES
        certificate = issued(ScepDevice(server=server, floor=floor).enroll())
        certificate.verify_directly_issued_by(server.hierarchy.issuing.certificate)
        server.close()


def test_ra_keys_that_are_there_are_not_passed_off_as_longer_ones(tmp_path: Path) -> None:
    """A key store with RA keys of another length is refused, and nothing is remembered of it."""
    depot = tmp_path / "depot.sqlite"
    with closing(soft_store(tmp_path / "keys")) as store:
        make_server(settings=LAX, key_store=store).close()
        with pytest.raises(StateError, match="are rsa:2048, not rsa:4096"):
            make_server(key_store=store, depot_path=depot, plan=CaPlan(ra_algorithm=RSA_4096))
        server = make_server(key_store=store, depot_path=depot)
        assert ra_bits(server.hierarchy) == [2048, 2048]
        server.close()


def test_a_length_without_an_ra_is_refused(tmp_path: Path) -> None:
    """The CA that answers by itself has no RA keys."""
    told = run("serve", "--state", tmp_path / "s", "--profile", "rfc8894", "--ra-key-bits", "4096")
    assert told.exit_code == 2
    assert "has no RA" in told.stderr


@pytest.mark.parametrize("bits", ["1024", "512", "0"])
def test_other_lengths_are_refused(tmp_path: Path, bits: str) -> None:
    """Before anything is made, with the lengths there are."""
    told = run("serve", "--state", tmp_path / "s", "--ra-key-bits", bits)
    assert told.exit_code == 2
    assert f"--ra-key-bits: {bits} is none of 2048, 3072, 4096" in told.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.daemon
@pytest.mark.covers("L5")
def test_long_ra_keys_in_a_token(tmp_path: Path) -> None:
    """CA and RA keys are in the token alone; enrollment, approval and another start use them."""
    token, state = make_token(), tmp_path / "state"
    options = ("--keys", token.uri, "--keys-secret", token.secret_reference)
    length = ("--ra-key-bits", "4096", "--approval", "manual")
    with serving(state, *options, *length) as ready:
        assert (ready["keys"], ready["ra_key_bits"]) == (token.uri, 4096)
        password = run("otp", "--state", state).stdout.strip()
        assert RemoteDevice(ready["scep_url"]).enroll("TX1", password) == "PENDING"
        approved = run("approve", "1", "--state", state, "--json")
        assert approved.exit_code == 0, approved.output
    assert not (state / "keys").exists()
    assert not (state / "passphrase").exists()
    with closing(open_key_store(token.uri, secrets_from(token.secret_reference))) as store:
        stored = {info.key_id: info for info in store.list_keys()}
    assert {name: info.algorithm for name, info in stored.items()} == {
        "ca-root": RSA_2048,
        "ra-signing": RSA_4096,
        "ra-encryption": RSA_4096,
    }
    assert not any(info.exportable for info in stored.values())
    with serving(state, "--approval", "manual") as ready:  # the folder remembers where its keys are
        assert (ready["keys"], ready["ra_key_bits"]) == (token.uri, 4096)
        password = run("otp", "--state", state).stdout.strip()
        device = RemoteDevice(ready["scep_url"])
        assert device.poll("TX1") == "SUCCESS"
        assert device.enroll("TX2", password) == "PENDING"
    certificates = read_json(run("list", "--state", state, "--json"))["certificates"]
    assert len(certificates) == 1


@pytest.mark.daemon
def test_a_state_with_other_ra_keys_says_so(tmp_path: Path) -> None:
    """An existing server keeps its keys; a length that it does not have is no silent wish."""
    state = tmp_path / "state"
    with serving(state) as ready:
        assert ready["ra_key_bits"] == 2048
    told = run("serve", "--state", state, "--ra-key-bits", "4096")
    assert told.exit_code == 2
    assert "the RA keys are rsa:2048, not rsa:4096" in told.stderr
    with serving(state, "--ra-key-bits", "2048") as ready:
        assert ready["ra_key_bits"] == 2048


def test_a_wrong_pin_leaves_no_server_behind(tmp_path: Path) -> None:
    """Exit code 6, the PIN is not repeated; with the right one the same folder is set up."""
    token, state = make_token(), tmp_path / "state"
    wrong = tmp_path / "wrong"
    write_secret(wrong, "not-the-pin\n")
    told = run("serve", "--state", state, "--keys", token.uri, "--keys-secret", f"file:{wrong}")
    assert told.exit_code == 6
    assert "PIN" in told.stderr
    assert "not-the-pin" not in told.stderr
    assert not (state / "depot.sqlite").exists()


@pytest.mark.daemon
def test_keys_named_from_here_are_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths of store and secret start from the directory they were given in."""
    here, state = tmp_path / "here", tmp_path / "state"
    here.mkdir()
    write_secret(here / "words", "correct horse\n")
    monkeypatch.chdir(here)
    keys = ("--keys", "soft:keys?kdf=lab", "--keys-secret", "file:words")
    with serving(state, *keys) as ready:
        assert ready["keys"] == f"soft:{here}/keys?kdf=lab"
    monkeypatch.chdir(tmp_path)
    told = run("revoke", "00", "--state", state)
    assert told.exit_code == 4, told.output


def test_a_pin_in_the_uri_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """The configuration is kept in the depot, where a PIN has no place."""
    told = run("serve", "--state", tmp_path / "s", "--keys", "pkcs11:token=x?pin-value=hunter2")
    assert told.exit_code == 2
    assert "leave pin-value out" in told.stderr
    assert "hunter2" not in told.stderr
