"""`sceplab-hsm` as its user runs it: a process, a store, a secret by reference."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.support.programs import require_program
from tests.support.soft_stores import key_path
from tests.support.softhsm import MODULE
from tests.support.source_tree import source_environment
from tests.support.swtpm import require_tpm

STORE = "soft:keys?kdf=lab"
PROGRAM = (sys.executable, "-m", "sceplab_hsm")
PASSPHRASE = "correct horse battery"


@dataclass(frozen=True, slots=True)
class Desk:
    """A folder with a store's passphrase in it."""

    folder: Path

    def run(self, *words: str, secret: str = "file:passphrase") -> subprocess.CompletedProcess[str]:
        """Runs one command to its end, with nobody at the terminal."""
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "sceplab_lab",
                "hsm",
                *words,
                *(("--secret", secret) if secret else ()),
            ],
            cwd=self.folder,
            env=source_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def answer(self, *words: str, secret: str = "file:passphrase") -> Any:
        """What a command that works says with ``--json``."""
        done = self.run(*words, "--json", secret=secret)
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def lab(self, *words: str) -> Any:
        """The same for the commands that make a lab's token or chip, which need no secret."""
        return self.answer(*words, secret="")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty desk."""
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(PASSPHRASE)
    passphrase.chmod(0o600)
    return Desk(tmp_path)


def test_generates_lists_shows_and_deletes(desk: Desk) -> None:
    """A key is made, listed with its fingerprint, shown with its public half, and deleted."""
    made = desk.answer("generate", STORE, "router1", "--type", "ec:p256", "--create")
    assert made["uri"] == "soft:keys?kdf=lab#router1"
    listed = desk.answer("list", STORE)
    assert [key["sha256"] for key in listed["keys"]] == [made["sha256"]]
    assert listed["residence"] == "software"
    shown = desk.answer("show", made["uri"])
    assert load_pem_public_key(shown["public_key_pem"].encode()).key_size == 256
    assert "router1" in desk.run("list", STORE).stdout
    assert desk.answer("delete", STORE, "router1", "--yes")["key"] == "router1"
    assert desk.answer("list", STORE)["keys"] == []
    assert not key_path(desk.folder / "keys", "router1").exists()


def test_does_not_delete_without_a_confirmation(desk: Desk) -> None:
    """With nobody to ask and no --yes the key stays, and the exit code is 2."""
    desk.answer("generate", STORE, "router1", "--type", "ec:p256", "--create")
    done = desk.run("delete", STORE, "router1")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert len(desk.answer("list", STORE)["keys"]) == 1


@pytest.mark.parametrize(("reply", "code", "left"), [("y\n", 0, 0), ("\n", 1, 1)])
def test_asks_at_a_terminal(desk: Desk, reply: str, code: int, left: int) -> None:
    """At a terminal ``y`` deletes and Return does not."""
    desk.answer("generate", STORE, "router1", "--type", "ec:p256", "--create")
    ours, theirs = pty.openpty()
    try:
        os.write(ours, reply.encode())
        done = subprocess.run(
            [*PROGRAM, "delete", STORE, "router1", "--secret", "file:passphrase"],
            cwd=desk.folder,
            env=source_environment(),
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == code, done.stderr
    assert "Destroy key 'router1'" in done.stderr
    assert len(desk.answer("list", STORE)["keys"]) == left


def test_probe_proves_what_the_store_says(desk: Desk) -> None:
    """--try makes keys of every listed type, uses them in every claimed way and leaves none."""
    desk.answer("generate", STORE, "kept", "--type", "ec:p256", "--create")
    probed = desk.answer("probe", STORE, "--try")
    assert set(probed["algorithms"]) == {item["algorithm"] for item in probed["tried"]}
    assert all(item["is_ok"] for item in probed["tried"])
    assert {"generate", "find", "sign", "sign PSS", "decrypt", "decrypt OAEP"} == {
        item["operation"] for item in probed["tried"]
    }
    assert [key["key"] for key in desk.answer("list", STORE)["keys"]] == ["kept"]


def test_bench_compares_with_memory(desk: Desk) -> None:
    """Signatures and unwraps are counted against the same operation in memory."""
    desk.answer("generate", STORE, "kept", "--type", "ec:p256", "--create")
    measured = desk.answer("bench", STORE, "--seconds", "0.2")
    assert [result["operation"] for result in measured["results"]] == ["sign", "unwrap"]
    for result in measured["results"]:
        assert result["ratio"] == pytest.approx(
            result["per_second"] / result["in_memory_per_second"], rel=0.01
        )
    assert [key["key"] for key in desk.answer("list", STORE)["keys"]] == ["kept"]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("list", "soft:nowhere"), 6, "there is no key store in nowhere"),
        (("list", "sofd:keys"), 6, "did you mean 'soft:'?"),
        (("show", STORE), 2, "which key?"),
        (("show", f"{STORE}#a", "b"), 2, "names key 'a' and the command 'b'"),
        (("show", STORE, "absent"), 6, "no key 'absent'"),
        (("generate", STORE, "there", "--type", "ec:p256"), 6, "exists already"),
        (("generate", STORE, "x", "--type", "rsa:1024"), 2, "invalid choice"),
        (("bench", STORE, "--seconds", "0"), 2, "between 0 and 3600"),
    ],
)
def test_failures_say_what_to_do(desk: Desk, words: list[str], code: int, text: str) -> None:
    """Each failure has its exit code and names what is wrong."""
    desk.answer("generate", STORE, "there", "--type", "ec:p256", "--create")
    done = desk.run(*words)
    assert done.returncode == code, done.stderr
    assert text in done.stderr


def test_errors_are_json_too(desk: Desk) -> None:
    """With --json an error is a document on standard output, and the secret is not in it."""
    desk.answer("generate", STORE, "there", "--type", "ec:p256", "--create")
    (desk.folder / "passphrase").write_text("another one")
    done = desk.run("list", STORE, "--json")
    assert done.returncode == 6
    document = json.loads(done.stdout)
    assert document["ok"] is False
    assert document["exit_code"] == 6
    assert "another one" not in done.stdout + done.stderr


def test_help_knows_the_exit_codes() -> None:
    """--help has examples and the table of exit codes."""
    done = subprocess.run(
        [*PROGRAM, "--help"],
        env=source_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "examples:" in done.stdout
    assert "exit codes:" in done.stdout


@pytest.mark.daemon
@pytest.mark.interop
def test_makes_a_softhsm_token(desk: Desk) -> None:
    """softhsm-init makes a private token whose URI and PIN the other commands take as printed."""
    require_program("softhsm2-util", package="softhsm2")
    token = desk.lab("softhsm-init", "token", "--label", "rack-1")
    assert desk.lab("softhsm-init", "token", "--label", "rack-1") == token, "a second call is calm"
    desk.answer("generate", token["store"], "router1", secret=token["secret"])
    listed = desk.answer("list", token["store"], secret=token["secret"])
    assert (listed["residence"], [key["key"] for key in listed["keys"]]) == ("token", ["router1"])
    shown = subprocess.run(
        [
            require_program("pkcs11-tool", package="opensc"),
            "--module",
            MODULE,
            "-O",
            "-y",
            "pubkey",
        ],
        env={"SOFTHSM2_CONF": token["softhsm2_conf"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "router1" in shown.stdout


@pytest.mark.daemon
@pytest.mark.interop
def test_starts_and_ends_a_software_tpm(desk: Desk) -> None:
    """swtpm-init starts a chip whose keys are there again after it was ended and started."""
    require_tpm()
    chip = desk.lab("swtpm-init", "chip")
    try:
        desk.answer("generate", chip["store"], "router1", secret=chip["secret"])
        assert desk.lab("swtpm-init", "chip", "--stop")["stopped"] == chip["pid"]
        gone = desk.run("list", chip["store"], secret=chip["secret"])
        assert gone.returncode == 6
        assert "no TPM answers" in gone.stderr
        again = desk.lab("swtpm-init", "chip")
        assert again["store"] == chip["store"]
        listed = desk.answer("list", again["store"], secret=again["secret"])
        assert (listed["residence"], [key["key"] for key in listed["keys"]]) == ("tpm", ["router1"])
    finally:
        desk.lab("swtpm-init", "chip", "--stop")
    stopped = desk.run("swtpm-init", "chip", "--stop", secret="")
    assert stopped.returncode == 1
    assert "no software TPM runs" in stopped.stderr
