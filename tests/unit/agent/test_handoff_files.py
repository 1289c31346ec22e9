"""Certificates as files behind one link: whole, protected, and the old ones until it is certain."""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import given
from hypothesis import strategies as st

from sceplab_agent.config_table import ConfigTable
from sceplab_agent.errors import ConfigProblem, HandOffError
from sceplab_agent.handoff.api import Delivery, HandOff
from sceplab_agent.handoff.bundle import Part
from sceplab_agent.handoff.files import FilesHandOff, FilesSettings
from sceplab_agent.handoff.purposes import Purpose
from sceplab_agent.handoff.registry import open_handoff
from tests.support.deliveries import CLIENT, Wish, deliver, generation, present, root
from tests.support.pki import bent_key, rsa_key


def handoff(folder: Path, **settings: object) -> FilesHandOff:
    """A hand-off into ``folder/out``."""
    values = {"directory": folder / "out", **settings}
    return FilesHandOff("files", FilesSettings(**values), clock=present)  # type: ignore[arg-type]


def hand_over(consumer: HandOff, delivery: Delivery) -> str:
    """All steps; gives the proof."""
    memo = consumer.prepare(delivery)
    consumer.install(delivery, memo)
    proof = consumer.verify(delivery, memo)
    consumer.commit(delivery, memo)
    return proof


def listing(folder: Path) -> set[str]:
    """Names in ``folder/out``."""
    return {path.name for path in (folder / "out").iterdir()}


def refuses(consumer: HandOff, delivery: Delivery, words: str) -> HandOffError:
    """Asserts that nothing can be prepared, for this reason."""
    with pytest.raises(HandOffError, match=words) as caught:
        consumer.prepare(delivery)
    return caught.value


def test_consumers_read_through_the_link(tmp_path: Path) -> None:
    """All PEM files are there, fit each other, and only their owner reads the key."""
    proof = hand_over(handoff(tmp_path), generation(1))
    current = tmp_path / "out" / "current"
    assert listing(tmp_path) == {"current", "generation-1"}
    assert {path.name for path in current.iterdir()} == {
        f"{name}.pem" for name in ("certificate", "chain", "fullchain", "ca", "key")
    }
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(current / "fullchain.pem", current / "key.pem")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in current.iterdir()}
    assert modes.pop("key.pem") == 0o600
    assert set(modes.values()) == {0o644}
    assert "read back through" in proof
    assert "key.pem" in proof


def test_keys_that_do_not_leave_are_left_where_they_are(tmp_path: Path) -> None:
    """Without parts the key is skipped; asked for by name it is an error that says what to do."""
    delivery = deliver(root().issue(), key_leaves=False)
    hand_over(handoff(tmp_path), delivery)
    assert not (tmp_path / "out/current/key.pem").exists()
    error = refuses(handoff(tmp_path, parts=(Part.KEY,)), delivery, "does not leave its store")
    assert not error.may_pass


def test_pkcs12_opens_with_its_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key, certificate and chain are in it; the file is as closed as a key."""
    monkeypatch.setenv("P12", "open sesame")
    hand_over(handoff(tmp_path, parts=(Part.PKCS12,), passphrase="env:P12"), generation(1))
    path = tmp_path / "out/current/bundle.p12"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store = pkcs12.load_pkcs12(path.read_bytes(), b"open sesame")
    assert store.key is not None
    assert [entry.certificate for entry in store.additional_certs] == [root().certificate]
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(path.read_bytes(), b"open")
    monkeypatch.delenv("P12")
    refuses(handoff(tmp_path, parts=(Part.PKCS12,), passphrase="env:P12"), generation(2), "P12")


def test_old_generation_stays_until_commit(tmp_path: Path) -> None:
    """One previous generation, then none; the consumer sees each whole."""
    consumer = handoff(tmp_path)
    hand_over(consumer, generation(1))
    memo = consumer.prepare(generation(2))
    assert os.readlink(tmp_path / "out/current") == "generation-1"
    consumer.install(generation(2), memo)
    assert listing(tmp_path) == {"current", "generation-1", "generation-2"}
    consumer.verify(generation(2), memo)
    consumer.commit(generation(2), memo)
    consumer.commit(generation(2), memo)
    assert listing(tmp_path) == {"current", "generation-2"}


@pytest.mark.parametrize("is_installed", [True, False])
def test_roll_back_gives_the_old_one_back(tmp_path: Path, is_installed: bool) -> None:
    """To the generation before, or to none; twice is harmless."""
    consumer = handoff(tmp_path)
    first = consumer.prepare(generation(1))
    if is_installed:
        consumer.install(generation(1), first)
    consumer.roll_back(generation(1), first)
    assert listing(tmp_path) == set()
    hand_over(consumer, generation(1))
    memo = consumer.prepare(generation(2))
    if is_installed:
        consumer.install(generation(2), memo)
    for _ in range(2):
        consumer.roll_back(generation(2), memo)
        assert listing(tmp_path) == {"current", "generation-1"}
        assert os.readlink(tmp_path / "out/current") == "generation-1"


def test_what_is_in_use_is_never_written_over(tmp_path: Path) -> None:
    """The same again changes nothing; another certificate of the same number goes beside it."""
    consumer = handoff(tmp_path)
    hand_over(consumer, generation(1))
    before = (tmp_path / "out/current/key.pem").stat().st_ino
    memo = consumer.prepare(generation(1))
    consumer.install(generation(1), memo)
    consumer.roll_back(generation(1), memo)
    assert (tmp_path / "out/current/key.pem").stat().st_ino == before
    other = replace(generation(2), generation=1)
    memo = consumer.prepare(other)
    assert (tmp_path / "out/current/key.pem").stat().st_ino == before
    consumer.install(other, memo)
    consumer.commit(other, memo)
    assert listing(tmp_path) == {"current", "generation-1-2"}


def test_begun_again_after_installing_it_can_still_go_back(tmp_path: Path) -> None:
    """The generation before is found again, but none that is partly removed or newer."""
    consumer = handoff(tmp_path)
    hand_over(consumer, generation(1))
    memo = consumer.prepare(generation(2))
    consumer.install(generation(2), memo)
    (tmp_path / "out/generation-3").mkdir()
    assert consumer.prepare(generation(2)) == memo
    assert listing(tmp_path) == {"current", "generation-1", "generation-2"}
    (tmp_path / "out/generation-1/chain.pem").unlink()
    again = consumer.prepare(generation(2))
    consumer.roll_back(generation(2), again)
    assert os.readlink(tmp_path / "out/current") == "generation-2"


@pytest.mark.parametrize("part", list(Part))
def test_verify_reads_what_the_consumer_reads(
    part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file in the place of one, a damaged one, a missing one and a wrong mode are found."""
    monkeypatch.setenv("P12", "open sesame")
    consumer = handoff(tmp_path, parts=tuple(Part), passphrase="env:P12")
    (tmp_path / "other").mkdir()
    other = handoff(tmp_path / "other", parts=tuple(Part), passphrase="env:P12")
    hand_over(other, generation(2))
    memo = consumer.prepare(generation(1))
    consumer.install(generation(1), memo)
    path = tmp_path / "out/current" / part.file_name
    content = path.read_bytes()
    others = (tmp_path / "other/out/current" / part.file_name).read_bytes()
    for damaged in ({others} - {content}) | {content[: len(content) // 2], b""}:
        path.write_bytes(damaged)
        with pytest.raises(HandOffError, match=part.file_name):
            consumer.verify(generation(1), memo)
    path.write_bytes(content)
    path.chmod(0o666)
    with pytest.raises(HandOffError, match="mode 666"):
        consumer.verify(generation(1), memo)
    path.unlink()
    with pytest.raises(HandOffError, match="No such file"):
        consumer.verify(generation(1), memo)


def test_key_that_was_bent_is_found(tmp_path: Path) -> None:
    """It has the public half of the certificate's and does not work."""
    consumer, delivery = handoff(tmp_path), deliver(root().issue(Wish()))
    memo = consumer.prepare(delivery)
    consumer.install(delivery, memo)
    assert consumer.verify(delivery, memo)
    (tmp_path / "out/current/key.pem").write_bytes(bent_key(rsa_key("device")).pem)
    with pytest.raises(HandOffError, match=r"key\.pem cannot be read"):
        consumer.verify(delivery, memo)


def test_chain_and_purpose_are_looked_at_before_anything_is_written(tmp_path: Path) -> None:
    """A certificate that does not chain, or does not serve, leaves no trace."""
    stranger = deliver(root().issue(Wish()), [root().issue().certificate])
    refuses(handoff(tmp_path), stranger, "does not lead")
    odd_version = stranger.certificate_der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09")
    refuses(handoff(tmp_path), replace(stranger, certificate_der=odd_version), "cannot be read")
    client = deliver(root().issue(Wish(purposes=(CLIENT,))))
    refuses(handoff(tmp_path, purpose=Purpose.TLS_SERVER), client, "Web Server")
    assert not (tmp_path / "out").exists()
    hand_over(handoff(tmp_path, purpose=Purpose.TLS_CLIENT), client)


def test_directories_of_others_are_refused(tmp_path: Path) -> None:
    """Writable by others, a link, or below such a one; nothing is written there."""
    out = tmp_path / "out"
    out.mkdir()
    for mode in (0o775, 0o757, 0o1777):
        out.chmod(mode)
        assert not refuses(handoff(tmp_path), generation(1), "chmod go-w").may_pass
    out.chmod(0o755)
    tmp_path.chmod(0o777)
    refuses(handoff(tmp_path), generation(1), "chmod go-w")
    tmp_path.chmod(0o700)
    assert listing(tmp_path) == set()
    out.rmdir()
    (tmp_path / "elsewhere").mkdir()
    out.symlink_to("elsewhere")
    refuses(handoff(tmp_path), generation(1), "symbolic link")
    assert not list((tmp_path / "elsewhere").iterdir())
    below = handoff(tmp_path, directory=out / "deeper")
    hand_over(below, generation(1))  # a link of our own on the way is no trick


@pytest.mark.parametrize("trick", ["file", "directory", "absolute", "upwards", "generation"])
def test_links_that_lead_elsewhere_are_refused(trick: str, tmp_path: Path) -> None:
    """What is not the agent's own is neither followed nor removed."""
    out, victim = tmp_path / "out", tmp_path / "victim"
    out.mkdir()
    victim.mkdir()
    (victim / "precious").write_text("kept")
    current = out / "current"
    if trick == "file":
        current.write_text("mine")
    elif trick == "directory":
        current.mkdir()
    elif trick == "generation":
        (out / "generation-1").symlink_to(victim)
    else:
        current.symlink_to(victim if trick == "absolute" else "../victim")
    before = listing(tmp_path)
    assert not refuses(handoff(tmp_path), generation(1), "remove the link|move it away").may_pass
    assert listing(tmp_path) == before
    assert (victim / "precious").read_text() == "kept"


def test_full_disk_leaves_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was begun is removed, and the error may pass."""
    consumer = handoff(tmp_path)
    hand_over(consumer, generation(1))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert refuses(consumer, generation(2), "No space left").may_pass
    assert (tmp_path / "out/current/certificate.pem").exists()
    hand_over(consumer, generation(2))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_get_their_owner(tmp_path: Path) -> None:
    """User and group, by name or number; an unknown one is named."""
    hand_over(handoff(tmp_path, owner="nobody", group="12345", key_mode=0o640), generation(1))
    status = (tmp_path / "out/current/key.pem").stat()
    assert (status.st_uid != 0, status.st_gid, stat.S_IMODE(status.st_mode)) == (True, 12345, 0o640)
    refuses(handoff(tmp_path, owner="no-such-user"), generation(2), "no such user or group")


def read(keys: dict[str, object], base: Path) -> tuple[HandOff | None, list[str]]:
    """A hand-off of these keys, and the mistakes in them."""
    problems: list[ConfigProblem] = []
    made = open_handoff("files", ConfigTable(keys, "handoff", problems), base)
    return made, [str(problem) for problem in problems]


def test_configuration_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key counts, and a relative directory starts at the file's."""
    monkeypatch.setenv("P12", "open sesame")
    keys = {
        "directory": "out",
        "parts": ["certificate", "pkcs12"],
        "passphrase": "env:P12",
        "mode": "0640",
        "key_mode": "0400",
        "purpose": "tls-client",
    }
    made, problems = read(keys, tmp_path)
    assert problems == []
    assert made is not None
    hand_over(made, generation(1))
    files = (tmp_path / "out/current").iterdir()
    assert {p.name: stat.S_IMODE(p.stat().st_mode) for p in files} == {
        "certificate.pem": 0o640,
        "bundle.p12": 0o400,
    }


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "directory: is missing"),
        ({"directory": "o", "parts": ["pem"]}, "is one of certificate, chain"),
        ({"directory": "o", "parts": ["pkcs12"]}, "passphrase: is missing"),
        ({"directory": "o", "passphrase": "env:X"}, "of no use"),
        ({"directory": "o", "passphrase": "hunter2"}, "is no reference"),
        ({"directory": "o", "mode": "0666"}, "may not let others write"),
        ({"directory": "o", "mode": "rw"}, "octal"),
        ({"directory": "o", "key_mode": "0644"}, "everybody read a key"),
        ({"directory": "o", "purpose": "vpn"}, "is one of ipsec"),
        ({"directory": "o", "ownr": "x"}, "did you mean 'owner'"),
    ],
)
def test_mistakes_are_named(keys: dict[str, object], words: str, tmp_path: Path) -> None:
    """Each with its key; a secret in the wrong place is not repeated."""
    problems = "\n".join(read(keys, tmp_path)[1])
    assert words in problems
    assert "hunter2" not in problems


def test_probe_changes_nothing(tmp_path: Path) -> None:
    """It says whether the directory is there and safe."""
    consumer = handoff(tmp_path)
    assert "not there yet" in consumer.probe()
    assert not (tmp_path / "out").exists()
    hand_over(consumer, generation(1))
    assert "alone" in consumer.probe()
    (tmp_path / "out").chmod(0o777)
    with pytest.raises(HandOffError, match="chmod"):
        consumer.probe()


ENTRY = st.sampled_from(["current", "current.new", "generation-1", "generation-2", "generation-7"])
KIND = st.sampled_from(["file", "directory", "full", "dangling", "loop", "away", "pipe", "other"])


@pytest.mark.fuzz
@given(entries=st.dictionaries(ENTRY, KIND), foreign=st.booleans())
def test_damaged_directories(
    entries: dict[str, str], foreign: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A directory in any state is handed over into, or refused by name; never half of either."""
    folder = tmp_path_factory.mktemp("damaged")
    out, victim = folder / "out", folder / "victim"
    out.mkdir()
    victim.mkdir()
    (victim / "precious").write_text("kept")
    if foreign:
        (out / "README").write_text("kept")
    for name, kind in entries.items():
        _damage(out / name, kind)
    consumer = handoff(folder)
    try:
        hand_over(consumer, generation(1))
    except HandOffError:
        pass  # refused, which is as good
    else:
        consumer.check_installed(generation(1))
        assert listing(folder) - {"README"} == {"current", os.readlink(out / "current")}
    assert (victim / "precious").read_text() == "kept"
    assert not foreign or (out / "README").read_text() == "kept"


def _damage(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("rubbish")
    elif kind in {"directory", "full"}:
        path.mkdir()
        if kind == "full":
            (path / "key.pem").write_text("rubbish")
            (path / "certificate.pem").symlink_to("../../victim/precious")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        targets = {"dangling": "gone", "loop": path.name, "away": "../victim"}
        path.symlink_to(targets.get(kind, "generation-2"))


def test_ended_certificate_is_refused_for_its_purpose(tmp_path: Path) -> None:
    """The clock is looked at too, with the skew."""
    ended = deliver(root().issue(Wish(starts_in=timedelta(days=-60))))
    assert refuses(handoff(tmp_path, purpose=Purpose.TLS_CLIENT), ended, "ended at").may_pass
