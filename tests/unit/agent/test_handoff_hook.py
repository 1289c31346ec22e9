"""Commands of the operator at the steps of a hand-off."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sceplab_agent.config_table import ConfigTable
from sceplab_agent.errors import ConfigProblem, HandOffError
from sceplab_agent.handoff.hook import STEPS, HookHandOff
from sceplab_agent.handoff.hook_process import MOST_BYTES, HookTimeoutError, run_hook
from sceplab_agent.handoff.registry import open_handoff
from tests.support.deliveries import deliver, generation, root


def hook(folder: Path, script: str, **keys: object) -> HookHandOff:
    """A hook that runs a Python program, as a configuration makes it."""
    problems: list[ConfigProblem] = []
    table = {"directory": "out", "command": [sys.executable, "-c", script], **keys}
    made = open_handoff("hook", ConfigTable(table, "handoff", problems), folder)
    assert problems == []
    assert isinstance(made, HookHandOff)
    return made


def in_use(folder: Path) -> str:
    """The generation that the link leads to; empty: none."""
    link = folder / "out" / "current"
    return os.readlink(link) if link.is_symlink() else ""


def test_every_step_is_told_what_it_is_about(tmp_path: Path) -> None:
    """The documented variables, and no others, at each step asked for."""
    script = (
        "import os, json; e = dict(os.environ); e.pop('LC_CTYPE', None)\n"
        f"open({str(tmp_path / 'log')!r}, 'a').write(json.dumps(e) + '\\n')"
    )
    consumer = hook(tmp_path, script, steps=list(STEPS))
    for number in (1, 2):
        memo = consumer.prepare(generation(number))
        consumer.install(generation(number), memo)
        consumer.verify(generation(number), memo)
        consumer.commit(generation(number), memo)
    memo = consumer.prepare(generation(3))
    consumer.install(generation(3), memo)
    consumer.roll_back(generation(3), memo)
    import json

    told = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [one["SCEPLAB_STEP"] for one in told] == [
        *STEPS[:4] * 2,
        "prepare",
        "install",
        "rollback",
    ]
    out = tmp_path / "out"
    assert told[5] == {
        "PATH": told[0]["PATH"],
        "LANG": "C.UTF-8",
        "SCEPLAB_STEP": "install",
        "SCEPLAB_TRUSTPOINT": "lab",
        "SCEPLAB_GENERATION": "2",
        "SCEPLAB_CURRENT": str(out / "current"),
        "SCEPLAB_KEY_URI": "soft:keys#lab",
        "SCEPLAB_CERTIFICATE": str(out / "generation-2/certificate.pem"),
        "SCEPLAB_CHAIN": str(out / "generation-2/chain.pem"),
        "SCEPLAB_KEY": str(out / "generation-2/key.pem"),
        "SCEPLAB_PREVIOUS_CERTIFICATE": str(out / "generation-1/certificate.pem"),
        "SCEPLAB_PREVIOUS_CHAIN": str(out / "generation-1/chain.pem"),
        "SCEPLAB_PREVIOUS_KEY": str(out / "generation-1/key.pem"),
    }
    assert "SCEPLAB_PREVIOUS_CERTIFICATE" not in told[0]
    assert in_use(tmp_path) == "generation-2"


@pytest.mark.parametrize(("status", "may_pass"), [(1, False), (75, True), (127, False)])
def test_exit_codes_decide(status: int, may_pass: bool, tmp_path: Path) -> None:
    """75 may pass, others do not; what was said is shown on one line."""
    consumer = hook(tmp_path, f"print('no\\nway'); raise SystemExit({status})")
    memo = consumer.prepare(generation(1))
    with pytest.raises(HandOffError, match=rf"\(install\): exit code {status}: no way") as caught:
        consumer.install(generation(1), memo)
    assert caught.value.may_pass is may_pass


def test_failing_prepare_leaves_nothing(tmp_path: Path) -> None:
    """The files made for it are gone."""
    consumer = hook(tmp_path, "raise SystemExit(1)", steps=["prepare"])
    with pytest.raises(HandOffError, match="prepare"):
        consumer.prepare(generation(1))
    assert list((tmp_path / "out").iterdir()) == []


def test_old_files_are_back_before_the_rollback_runs(tmp_path: Path) -> None:
    """A reload in the hook gets the old certificate; a failing one keeps nobody from it."""
    seen = tmp_path / "seen"
    script = (
        "import os, sys\n"
        f"open({str(seen)!r}, 'w').write(os.readlink(os.environ['SCEPLAB_CURRENT']))\n"
        "sys.exit(os.environ['SCEPLAB_GENERATION'] == '2')"
    )
    consumer = hook(tmp_path, script)
    consumer.install(generation(1), consumer.prepare(generation(1)))
    memo = consumer.prepare(generation(2))
    with pytest.raises(HandOffError):
        consumer.install(generation(2), memo)
    with pytest.raises(HandOffError, match="rollback"):
        consumer.roll_back(generation(2), memo)
    assert seen.read_text() == "generation-1"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"current", "generation-1"}


def test_verify_says_what_the_command_said(tmp_path: Path) -> None:
    """Its words are part of the proof."""
    consumer = hook(tmp_path, "print('tunnel up')", steps=["verify"])
    memo = consumer.prepare(generation(1))
    consumer.install(generation(1), memo)
    assert consumer.verify(generation(1), memo).endswith("said: tunnel up")


def test_keys_and_passphrases_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that prints what it got does not bring it into messages."""
    monkeypatch.setenv("P12", "open sesame")
    script = (
        "import os; print('said', 'open sesame')\n"
        "lines = open(os.environ['SCEPLAB_KEY']).read().splitlines()\n"
        "print(*lines[1:4], sep=chr(10)); raise SystemExit(1)"
    )
    delivery = deliver(root().issue())
    parts = ["certificate", "key", "pkcs12"]
    consumer = hook(tmp_path, script, parts=parts, passphrase="env:P12")
    memo = consumer.prepare(delivery)
    with pytest.raises(HandOffError, match=r"said \*\*\*") as caught:
        consumer.install(delivery, memo)
    assert delivery.key_pem is not None
    text = str(caught.value)
    assert "sesame" not in text
    assert not any(line in text for line in delivery.key_pem().decode().splitlines())


def test_time_is_limited_for_all_it_started(tmp_path: Path) -> None:
    """A command and its child are killed; what it printed before is kept."""
    pipe = tmp_path / "alive"
    os.mkfifo(pipe)
    script = (
        "import os, signal\n"
        f"w = os.open({str(pipe)!r}, os.O_RDWR)\n"
        "print('begun', flush=True)\n"
        "os.fork(); signal.pause()"
    )
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(HookTimeoutError) as caught:
            run_hook([sys.executable, "-c", script], {}, timeout_s=2)
        assert caught.value.output == b"begun\n"
        os.set_blocking(reader, True)
        assert os.read(reader, 1) == b""  # nobody is left who could write
    finally:
        os.close(reader)


def test_timeouts_may_pass(tmp_path: Path) -> None:
    """The hand-off says how long it waited."""
    consumer = hook(tmp_path, "import signal; signal.pause()", timeout_s=0.2)
    memo = consumer.prepare(generation(1))
    with pytest.raises(HandOffError, match=r"did not end within 0\.2 s") as caught:
        consumer.install(generation(1), memo)
    assert caught.value.may_pass


def test_child_that_stays_does_not_keep_the_agent() -> None:
    """A daemon started by the command may hold its output open."""
    script = (
        "import os, signal, sys\n"
        "child = os.fork()\n"
        "if not child:\n    signal.alarm(20); signal.pause()\n"
        "print(child)"
    )
    end = run_hook([sys.executable, "-c", script], {}, timeout_s=15)
    os.kill(int(end.output), 9)
    assert end.status == 0


def test_output_is_bounded_and_input_empty() -> None:
    """Only the end is kept, and a command that reads gets nothing."""
    script = "import sys; print('x' * 100000, 'end', len(sys.stdin.read()))"
    end = run_hook([sys.executable, "-c", script], {}, timeout_s=30)
    assert len(end.output) <= MOST_BYTES
    assert end.output.endswith(b" end 0\n")


def test_command_that_is_not_there(tmp_path: Path) -> None:
    """Named, and not tried again and again."""
    consumer = hook(tmp_path, "", command=[str(tmp_path / "missing")])
    memo = consumer.prepare(generation(1))
    with pytest.raises(HandOffError, match="cannot be started: No such file") as caught:
        consumer.install(generation(1), memo)
    assert not caught.value.may_pass


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "command: is missing"),
        ({"command": ["a\0"]}, "NUL"),
        ({"command": ["a"], "steps": ["undo"]}, "is one of prepare"),
        ({"command": ["a"], "timeout_s": 0}, "must be from"),
        ({"command": "a b"}, "array of texts"),
    ],
)
def test_mistakes_are_named(keys: dict[str, object], words: str, tmp_path: Path) -> None:
    """Each with its key."""
    problems: list[ConfigProblem] = []
    open_handoff("hook", ConfigTable({"directory": "o", **keys}, "handoff", problems), tmp_path)
    assert words in "\n".join(map(str, problems))
