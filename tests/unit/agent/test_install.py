"""Certificates in their files: whole, in order, and the old ones until the new ones are there."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_agent import durable
from sceplab_agent.core.commands import InstallCertificate
from sceplab_agent.durable import make_directory, replace_file
from sceplab_agent.errors import InstallError, JournalError
from sceplab_agent.install import FileInstaller
from sceplab_agent.state_dir import StateDirLock
from tests.support.scripted_peer import AUTHORITY, STRANGER, T0, common_name, rsa_key


def command(generation: int = 1) -> InstallCertificate:
    """A certificate of that generation with its chain."""
    issued = AUTHORITY.issue(rsa_key("device").public_key(), common_name(f"{generation}"), T0)
    chain = (STRANGER.root.certificate, AUTHORITY.root.certificate)
    return InstallCertificate(
        generation=generation,
        key_id="lab",
        certificate_der=issued.public_bytes(Encoding.DER),
        chain_der=tuple(certificate.public_bytes(Encoding.DER) for certificate in chain),
    )


def read_all(path: Path) -> list[bytes]:
    """The certificates of a PEM file, DER."""
    certificates = x509.load_pem_x509_certificates(path.read_bytes())
    return [certificate.public_bytes(Encoding.DER) for certificate in certificates]


@pytest.mark.covers("C22")
def test_files_are_whole_and_readable(tmp_path: Path) -> None:
    """Leaf, chain in order and anchor stand in files of their own, with their modes."""
    wanted = command()
    FileInstaller(tmp_path).install("lab", wanted)
    folder = tmp_path / "lab"
    assert read_all(folder / "certificate.pem") == [wanted.certificate_der]
    assert read_all(folder / "chain.pem") == list(wanted.chain_der)
    assert read_all(folder / "ca.pem") == [wanted.chain_der[-1]]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
    assert len(list(folder.iterdir())) == 3


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    """A careless or a strict umask changes nothing, also where the candidate comes first."""
    candidate = replace(command(), is_candidate=True)
    for mask in (0o000, 0o077):
        before = os.umask(mask)
        try:
            FileInstaller(tmp_path).install(f"lab{mask}", command())
            FileInstaller(tmp_path).install(f"new{mask}", candidate)
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / f"lab{mask}" / "ca.pem").stat().st_mode) == 0o644
        for directory in (f"lab{mask}", f"new{mask}", f"new{mask}/next"):
            assert stat.S_IMODE((tmp_path / directory).stat().st_mode) == 0o700


def test_installing_again_is_harmless(tmp_path: Path) -> None:
    """A restart in the middle of an installation installs once more."""
    wanted = command()
    for _ in range(2):
        FileInstaller(tmp_path).install("lab", wanted)
    assert read_all(tmp_path / "lab" / "certificate.pem") == [wanted.certificate_der]


@pytest.mark.parametrize("step", range(9))
def test_certificate_is_the_old_or_the_new_one(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever file operation fails, the certificate's file holds one whole certificate."""
    old, new = command(1), command(2)
    FileInstaller(tmp_path).install("lab", old)
    count = 0
    real_fsync, real_rename = os.fsync, Path.rename

    def fail_at_step() -> None:
        nonlocal count
        count += 1
        if count - 1 == step:
            raise OSError(28, "No space left on device")

    def fsync(descriptor: int) -> None:
        fail_at_step()
        real_fsync(descriptor)

    def rename(source: Path, target: Path) -> Path:
        fail_at_step()
        return real_rename(source, target)

    monkeypatch.setattr(durable.os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(InstallError, match="No space left"):
        FileInstaller(tmp_path).install("lab", new)
    monkeypatch.undo()
    (found,) = read_all(tmp_path / "lab" / "certificate.pem")
    # Only the very last sync comes behind the replacement of the certificate.
    assert found == (new if step == 8 else old).certificate_der
    assert not list((tmp_path / "lab").glob("*.new"))


def test_unwritable_folder_is_told(tmp_path: Path) -> None:
    """Something else in the place of the folder: an error that says what is still in force."""
    (tmp_path / "lab").write_text("a file")
    with pytest.raises(InstallError, match="certificate before is still in its place"):
        FileInstaller(tmp_path).install("lab", command())


def test_leftover_of_a_cut_is_replaced(tmp_path: Path) -> None:
    """A half-written temporary file does not stand in the way."""
    (tmp_path / "a.new").write_bytes(b"half")
    replace_file(tmp_path / "a", b"whole", mode=0o600)
    assert (tmp_path / "a").read_bytes() == b"whole"
    assert not (tmp_path / "a.new").exists()


def test_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    """Nobody gets the agent to write elsewhere."""
    (tmp_path / "target").write_bytes(b"kept")
    (tmp_path / "a.new").symlink_to(tmp_path / "target")
    replace_file(tmp_path / "a", b"whole", mode=0o600)
    assert (tmp_path / "target").read_bytes() == b"kept"


def test_directory_is_made_once(tmp_path: Path) -> None:
    """A directory that is there keeps its mode."""
    make_directory(tmp_path / "x" / "y", mode=0o700)
    (tmp_path / "x" / "y").chmod(0o750)
    make_directory(tmp_path / "x" / "y", mode=0o700)
    assert stat.S_IMODE((tmp_path / "x" / "y").stat().st_mode) == 0o750


def test_state_directory_has_one_writer(tmp_path: Path) -> None:
    """A second agent is refused while the first works, and not a moment longer."""
    state = tmp_path / "state"
    with StateDirLock(state):
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        with pytest.raises(JournalError, match="another sceplab-agent works in"):
            StateDirLock(state).__enter__()
    with StateDirLock(state):
        assert list(state.iterdir()) == []


def test_state_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """The path is named."""
    (tmp_path / "state").write_text("")
    with pytest.raises(JournalError, match="state cannot be used"):
        StateDirLock(tmp_path / "state").__enter__()
