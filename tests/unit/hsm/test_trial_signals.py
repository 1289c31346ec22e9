"""A trial that a signal ends leaves no key; one that is killed leaves it by name."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.cli_signals import EndedError, orderly_end
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
from sceplab_hsm.software import SoftwareKeyStore
from sceplab_hsm.software_key import SoftwareKeyHandle
from sceplab_hsm.trial import NAME_PREFIX, trial_key
from tests.support.source_tree import source_environment

SLOW = "fault=slow=3600:sign"
TRIALS = {"probe": ("--try",), "bench": ("--type", "ec:p256")}


def names(folder: Path) -> list[str]:
    """Keys in the store of that folder, which is made when there is none."""
    store = open_key_store(f"soft:{folder}/keys?kdf=lab", lambda _: Secret("s"), create=True)
    found = [info.key_id for info in store.list_keys()]
    store.close()
    return found


@contextmanager
def trial(folder: Path, command: str) -> Iterator[subprocess.Popen[str]]:
    """A trial whose first key is there and signs for an hour."""
    assert names(folder) == []
    uri = f"fault+soft:{folder}/keys?kdf=lab&{SLOW}"
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "sceplab_hsm",
            command,
            uri,
            "--secret",
            "env:PIN",
            *TRIALS[command],
        ],
        env={**source_environment(), "PIN": "s"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline()
            while not names(folder):
                assert process.poll() is None, process.stderr.read()
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("command", sorted(TRIALS))
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_is_an_orderly_end(command: str, number: signal.Signals, tmp_path: Path) -> None:
    """The trial's key is deleted, the exit code tells the signal, and so does the last line."""
    with trial(tmp_path, command) as process:
        process.send_signal(number)
        complaint = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number
    assert "Traceback" not in complaint
    assert complaint.splitlines()[-1].startswith("sceplab-hsm: "), complaint
    assert names(tmp_path) == []


def test_what_a_killed_trial_leaves_is_named(tmp_path: Path) -> None:
    """The list has the key and says what it is; one without such a key says nothing."""
    uri = f"soft:{tmp_path}/keys"

    def listed() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sceplab_hsm", "list", uri, "--secret", "env:PIN"],
            env={**source_environment(), "PIN": "s"},
            capture_output=True,
            text=True,
            check=True,
        )

    with trial(tmp_path, "bench") as process:
        process.kill()
    (left,) = names(tmp_path)
    assert left.startswith(NAME_PREFIX)
    done = listed()
    assert left in done.stdout
    assert "delete STORE KEY" in done.stderr
    with closing(open_key_store(uri, lambda _: Secret("s"))) as store:
        store.delete(left)
    assert listed().stderr == ""


class Interrupted(SoftwareKeyStore):
    """A store in which Ctrl-C comes when the key is there and nobody has been told yet."""

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> SoftwareKeyHandle:
        """Makes a key and interrupts."""
        handle = super().generate(key_id, algorithm)
        signal.raise_signal(signal.SIGINT)
        return handle


def test_a_signal_while_the_key_is_made_leaves_none(tmp_path: Path) -> None:
    """The key is deleted, and the signal is delivered all the same."""
    names(tmp_path)
    store = open_key_store(f"soft:{tmp_path}/keys", lambda _: Secret("s"))
    assert isinstance(store, SoftwareKeyStore)
    store.__class__ = Interrupted
    with pytest.raises(KeyboardInterrupt), trial_key(store, KeyAlgorithm.EC_P256):
        pytest.fail("it was made")
    store.close()
    assert names(tmp_path) == []


def hang_up_and_end() -> None:
    """Two signals, of which the second has to end this."""
    with orderly_end():
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("it goes on")


def test_handlers_are_given_back() -> None:
    """Afterwards the process has its own handlers again; an ignored signal stays ignored."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.raises(EndedError) as caught:
            hang_up_and_end()
        assert caught.value.exit_code == 143
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    finally:
        signal.signal(signal.SIGHUP, hangup)
