"""Hand-off by the real agent process: proved, refused, and cut off between install and verify."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from sceplab_agent.exit_codes import ExitCode
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
from sceplab_ndes.state import ServerState
from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import Running, configure
from tests.support.waiting import wait_until

CONSUMER = '''
"""A consumer whose certificate in use is a file, and whose verdict is another."""
import threading
from pathlib import Path
from sceplab_agent.errors import HandOffError

class FileConsumer:
    def __init__(self, name, folder):
        self.name, self.in_use, self.verdict = name, folder / "in-use", folder / "verdict"
    def probe(self):
        return f"a folder {self.in_use.parent.name}"
    def prepare(self, delivery):
        return {"before": self.in_use.read_text() if self.in_use.exists() else ""}
    def install(self, delivery, memo):
        self.in_use.write_text(str(delivery.generation))
    def verify(self, delivery, memo):
        word = self.verdict.read_text()
        if word == "hang":
            self.verdict.with_name("hanging").touch()
            threading.Event().wait()
        if word != "good":
            raise HandOffError(self.name, "no tunnel comes up; look at its log", may_pass=False)
        return f"generation {self.in_use.read_text()} brings the tunnel up"
    def commit(self, delivery, memo):
        pass
    def roll_back(self, delivery, memo):
        self.in_use.write_text(memo["before"])

def opened(name, table, base_dir):
    return FileConsumer(name, base_dir / table.text("folder", "vpn"))
'''


def agent_with_consumer(folder: Path, server: tuple[ServerState, str], verdict: str) -> AgentFolder:
    """An agent whose certificate goes to a consumer of a plug-in beside its configuration."""
    info = folder / "file_consumer-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: file_consumer\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sceplab.handoffs]\nfolder = file_consumer:opened\n")
    (folder / "file_consumer.py").write_text(CONSUMER)
    (folder / "vpn").mkdir()
    (folder / "vpn" / "verdict").write_text(verdict)
    handoff = '[[trustpoint.lab.handoff]]\nkind = "folder"\nname = "tunnel"\nfolder = "vpn"'
    return configure(folder, *server, extra=handoff)


def keys(agent: AgentFolder) -> list[str]:
    """Keys in the agent's store."""
    store = open_key_store(f"soft:{agent.folder}/keys?kdf=lab", lambda _: Secret("correct horse"))
    try:
        return [info.key_id for info in store.list_keys()]
    finally:
        store.close()


def in_use(agent: AgentFolder) -> str:
    """Generation that the consumer uses."""
    return (agent.folder / "vpn" / "in-use").read_text()


def test_a_refused_certificate_leaves_the_old_one_in_use(
    tmp_path: Path, server: tuple[ServerState, str]
) -> None:
    """Exit code, message and next step are told; file, key and consumer are as before."""
    agent = agent_with_consumer(tmp_path, server, "good")
    checked = agent.run("check")
    assert "lab: hand-off tunnel is there: a folder vpn" in checked.out + checked.err
    enrolled = agent.run("enroll")
    assert enrolled.status == ExitCode.OK, enrolled.err
    assert "handoff.done" in enrolled.err
    before = agent.certificate.read_bytes()
    (tmp_path / "vpn" / "verdict").write_text("bad")
    renewed = agent.run("renew")
    assert renewed.status == ExitCode.HANDOFF, renewed.err
    assert "hand-off tunnel: no tunnel comes up; look at its log" in renewed.err
    assert "mend what the consumer complains of" in renewed.err
    assert (agent.certificate.read_bytes(), in_use(agent)) == (before, "1")
    assert keys(agent) == ["lab", "lab.2"]
    assert "hand-off     generation 2 not taken at" in agent.run("status").out
    (tmp_path / "vpn" / "verdict").write_text("good")
    again = agent.run("renew")
    assert again.status == ExitCode.OK, again.err
    assert agent.certificate.read_bytes() != before
    assert (in_use(agent), keys(agent)) == ("3", ["lab.2"])


@pytest.mark.parametrize("verdict", ["good", "bad"])
def test_a_kill_between_install_and_verify_is_recovered(
    tmp_path: Path, server: tuple[ServerState, str], verdict: str
) -> None:
    """The next start verifies again, or brings the old certificate back from the memo."""
    agent = agent_with_consumer(tmp_path, server, "good")
    assert agent.run("enroll").status == ExitCode.OK
    before = agent.certificate.read_bytes()
    folder = tmp_path / "vpn"
    (folder / "verdict").write_text("hang")
    running = Running(agent, "renew")
    running.wait_for("handoff.prepared")
    wait_until((folder / "hanging").exists, "the verification")
    running.end(signal.SIGKILL)
    assert (in_use(agent), keys(agent)) == ("2", ["lab", "lab.2"])
    assert agent.certificate.read_bytes() == before
    cancelled = agent.run("cancel")
    assert cancelled.status == ExitCode.HANDOFF
    assert "not given up: a consumer may be using the new certificate" in cancelled.err
    assert keys(agent) == ["lab", "lab.2"]
    (folder / "verdict").write_text(verdict)
    resumed = agent.run("enroll")
    if verdict == "good":
        assert resumed.status == ExitCode.OK, resumed.err
        assert (in_use(agent), keys(agent)) == ("2", ["lab.2"])
        assert agent.certificate.read_bytes() != before
    else:
        assert resumed.status == ExitCode.HANDOFF, resumed.err
        assert (in_use(agent), keys(agent)) == ("1", ["lab", "lab.2"])
        assert agent.certificate.read_bytes() == before
