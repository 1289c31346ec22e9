"""Every file that a store keeps, spoilt in turn: the agent says so, and changes nothing.

``tests/unit/agent/test_corrupt_state.py`` does the same for software keys and everything else the
agent keeps. The table "When something is damaged" of ``agent/README.md`` has the rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sceplab_agent.exit_codes import ExitCode
from sceplab_ndes.state import ServerState
from tests.support import damage
from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import configure, now
from tests.support.secret_files import write_secret
from tests.support.server import make_server, serve_in_thread
from tests.support.softhsm import make_token, token_folder
from tests.support.swtpm import PIN, software_tpm, tpm_uri

pytestmark = pytest.mark.daemon

STEPS = ("restore", "Insert the token", "create it, or correct the URI")
"""One of these is said: what to do."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A store as the agent's configuration names it, and where its files are."""

    uri: str
    secret: str
    files: Path
    needed: int
    """How many of them have to be whole for the key to open."""


Opener = Callable[[Path], AbstractContextManager[Kept]]


@contextmanager
def softhsm(_folder: Path) -> Iterator[Kept]:
    """A token in files: its own, and the private one of the two of a key, are needed."""
    token = make_token()
    yield Kept(
        uri=token.uri,
        secret=token.secret_reference,
        files=token_folder(token),
        needed=2,
    )


@contextmanager
def tpm(folder: Path) -> Iterator[Kept]:
    """Keys in files, which a chip has wrapped, and their header."""
    write_secret(folder / "pin", PIN + "\n")
    with software_tpm(folder / "chip") as chip:
        yield Kept(
            uri=tpm_uri(chip, folder / "keys"),
            secret=f"file:{folder}/pin",
            files=folder / "keys",
            needed=2,
        )


@contextmanager
def tpm_stub(folder: Path) -> Iterator[Kept]:
    """The same with a stub, and of its memory the part that outlives a reset."""
    write_secret(folder / "pin", "4711 4711\n")
    yield Kept(
        uri=f"tpm-stub:{folder}/keys",
        secret=f"file:{folder}/pin",
        files=folder / "keys",
        needed=3,
    )


@contextmanager
def enrolled(kept: Kept, folder: Path) -> Iterator[AgentFolder]:
    """An agent with a certificate for a key of that store."""
    server: ServerState = make_server(now=now())
    quick = "retry = { first_s = 0.1, ceiling_s = 0.1, max_attempts = 2 }"
    with serve_in_thread(server, now) as running:
        url = running.scep_url
        agent = configure(folder, server, url, extra=quick, store=kept.uri, secret=kept.secret)
        done = agent.run("enroll")
        assert done.status == ExitCode.OK, done.err
        yield agent


@pytest.mark.parametrize("open_store", [softhsm, tpm, tpm_stub])
@pytest.mark.parametrize(
    "spoil", [damage.empty, damage.rubbish, damage.remove], ids=lambda one: one.__name__
)
def test_damage_is_told_and_costs_no_more_than_the_key(
    tmp_path: Path, open_store: Opener, spoil: Callable[[Path], None]
) -> None:
    """Exit code 6 and the next step; certificate and journal stay; restored, all goes on."""
    agent_folder = tmp_path / "agent"
    agent_folder.mkdir()
    with open_store(tmp_path) as kept, enrolled(kept, agent_folder) as agent:
        certificate = agent.certificate.read_bytes()
        told = []
        for path in sorted(path for path in kept.files.rglob("*") if path.is_file()):
            shutil.copytree(kept.files, tmp_path / "whole")
            spoil(path)
            if agent.run("check").status:
                told.append(path.name)
                assert_told(agent)
            assert agent.certificate.read_bytes() == certificate
            shutil.rmtree(kept.files)
            (tmp_path / "whole").rename(kept.files)
            assert agent.run("check").status == ExitCode.OK, path
        assert len(told) == kept.needed, told
        renewed = agent.run("renew")
        assert renewed.status == ExitCode.OK, renewed.err
        assert agent.certificate.read_bytes() != certificate


def assert_told(agent: AgentFolder) -> None:
    """Every command that needs the key fails with a next step; the one that looks does not."""
    for command in ("check", "renew"):
        run = agent.run(command)
        assert run.status == ExitCode.KEY_STORE, run.err
        assert any(step in run.err for step in STEPS), run.err
        assert "Traceback" not in run.err
    status = agent.run("status", "--json")
    assert status.status == ExitCode.OK
    assert status.document()["trustpoints"][0]["serial_number"]
    assert agent.run("audit").status in {ExitCode.FAILED, ExitCode.KEY_STORE}
