"""``handoff verify`` against a real server: enroll, hand over as files, prove, damage, prove."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sceplab_agent.exit_codes import ExitCode
from sceplab_ndes.state import ServerState
from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import configure

pytestmark = pytest.mark.daemon

HANDOFF = """\
key = { exportable = true }

[[trustpoint.lab.handoff]]
kind = "files"
directory = "certificates"
"""


def verify(agent: AgentFolder) -> tuple[int, list[dict[str, object]]]:
    """Exit code and proofs."""
    done = agent.run("handoff verify", "--json")
    document = done.document()
    assert document["exit_code"] == done.status
    return done.status, document["proofs"]


def test_files_are_proved_by_a_handshake(tmp_path: Path, server: tuple[ServerState, str]) -> None:
    """What was enrolled is handed over and works; what was damaged afterwards is found."""
    agent = configure(tmp_path, *server, extra=HANDOFF)
    code, (proof,) = verify(agent)
    assert code == ExitCode.FAILED
    assert "run: sceplab-agent enroll" in str(proof["text"])
    enrolled = agent.run("enroll")
    assert enrolled.status == 0, enrolled.err
    code, (proof,) = verify(agent)
    assert code == ExitCode.OK, proof
    assert proof["is_lesser"] is True
    assert (proof["trustpoint"], proof["handoff"]) == ("lab", "files")
    told = agent.run("handoff verify").out
    assert "lab: files: proved: read back through" in told
    assert "lesser proof" in told
    (tmp_path / "certificates/current/certificate.pem").write_text("")
    code, (proof,) = verify(agent)
    assert code == ExitCode.FAILED
    assert "certificate.pem" in str(proof["text"])


def _edit(path: Path) -> None:
    path.write_text("# mine\n" + path.read_text())


def _put_link(path: Path) -> None:
    """A link to a copy with the same content."""
    path.rename(path.with_name("copy"))
    path.symlink_to("copy")


def _leave_dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("gone")


SPOILT: list[tuple[str, Callable[[Path], object], str]] = [
    ("key.pem", Path.unlink, "current/key.pem: No such file"),
    ("key.pem", _leave_dangling, "current/key.pem is a symbolic link"),
    ("key.pem", _put_link, "current/key.pem is a symbolic link"),
    ("key.pem", lambda path: path.chmod(0o644), "current/key.pem has mode 644 and not 600"),
    ("key.pem", lambda path: os.chown(path, 1, -1), "current/key.pem belongs to another user"),
    ("key.pem", lambda path: os.chown(path, -1, 1), "current/key.pem belongs to another user"),
    ("chain.pem", Path.unlink, "current/chain.pem: No such file"),
    ("ca.pem", lambda path: path.chmod(0o600), "current/ca.pem has mode 600 and not 644"),
    ("certificate.pem", _edit, "current: certificate.pem holds other certificates"),
    ("", lambda path: path.resolve().chmod(0o700), "current has mode 700 and not 755"),
    ("", lambda path: shutil.rmtree(path.resolve()), "its directory is gone"),
    ("", Path.unlink, "nothing was handed over yet"),
]
"""File, what is done to it, and what is said of it. Without a file: the link."""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_whatever_the_consumer_would_stumble_over_is_named(
    tmp_path: Path, server: tuple[ServerState, str]
) -> None:
    """Each damage is found with its file, and one more hand-off mends it."""
    agent = configure(tmp_path, *server, extra=HANDOFF)
    assert agent.run("enroll").status == 0
    for file, spoil, words in SPOILT:
        spoil(tmp_path / "certificates" / "current" / file if file else _link(tmp_path))
        code, (proof,) = verify(agent)
        assert (code, proof["ok"]) == (ExitCode.FAILED, False), words
        assert words in str(proof["text"])
        assert str(proof["text"]).endswith("; run: sceplab-agent handoff again")
        again = agent.run("handoff again")
        assert again.status == 0, again.out + again.err
        code, (proof,) = verify(agent)
        assert (code, proof["proof"]) == (ExitCode.OK, "tls-handshake"), proof
    (tmp_path / "certificates").chmod(0o777)
    code, (proof,) = verify(agent)
    assert code == ExitCode.FAILED
    assert "chmod go-w" in str(proof["text"])


def _link(folder: Path) -> Path:
    return folder / "certificates" / "current"


def test_refused_purpose_keeps_the_agent_without_certificate(
    tmp_path: Path, server: tuple[ServerState, str]
) -> None:
    """A certificate its consumer could not use is not put in place; the reason is told."""
    agent = configure(tmp_path, *server, extra=HANDOFF + 'purpose = "smime"\n')
    done = agent.run("enroll", "--no-wait")
    assert done.status != 0
    assert "emails" in done.err + done.out
    assert not (tmp_path / "certificates").exists()
    assert not agent.certificate.exists()
