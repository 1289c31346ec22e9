"""The set-up script: what it says when it cannot go on, and what it leaves behind on Debian.

The package manager is a stand-in on the path that notes what it was asked and which policy stood
at that moment.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]

_PROGRAMS = {
    "id": "echo 0",
    "dpkg-query": 'case "$*" in *-W*) exit 1 ;; esac',
    "apt-get": """
        echo "$*" >>"$NOTES/asked"
        case "$*" in *" -s "*) exit "${SIMULATION:-0}" ;; esac
        cp "$POLICY_RC_D" "$NOTES/policy-during-install"
        if [ -n "${STALL:-}" ]; then echo "$$" >"$STALL"; exec tail -f /dev/null; fi
        exit "${OUTCOME:-0}"
    """,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of what the script reads, with stand-ins for Debian's programs in ``bin``."""
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "bin").mkdir()
    for name, text in _PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        program.chmod(0o755)
    return tmp_path


def _environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in {"PYTHON", "VENV", "SCEPLAB_NO_APT"}}
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "NOTES": str(folder), "POLICY_RC_D": str(folder / "policy-rc.d")}
    return {**kept, **own, **more}


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs the script in the copy to its end."""

    def call(mode: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "scripts/bootstrap.sh", mode],
            cwd=folder,
            env=_environment(folder, **environment),
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def test_unusable_python_is_explained(run: Run) -> None:
    """The message names the interpreter and the line that installs a good one; no traceback."""
    done = run("run", PYTHON="/nowhere/python3")
    assert done.returncode == 1
    assert "PYTHON=/nowhere/python3 is not a Python 3.11" in done.stderr
    assert "apt-get install --no-install-recommends -y python3 python3-venv" in done.stderr
    assert "Traceback" not in done.stderr


def test_folder_of_the_user_is_not_overwritten(run: Run, folder: Path) -> None:
    """A folder in the place of the virtual environment is left alone."""
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.tex").write_text("…", encoding="utf-8")
    done = run("run", VENV="mine", PYTHON=sys.executable)
    assert done.returncode == 1
    assert "mine exists and is not a virtual environment" in done.stderr
    assert (folder / "mine" / "thesis.tex").exists()


def test_services_are_refused_during_the_installation_only(run: Run, folder: Path) -> None:
    """A policy that was there comes back as it was, with its mode."""
    policy = folder / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    policy.chmod(0o750)
    before = policy.stat()
    done = run("packages")
    assert done.returncode == 0, done.stderr
    assert (folder / "policy-during-install").read_text(encoding="utf-8").endswith("\nexit 101\n")
    after = policy.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert policy.read_text(encoding="utf-8") == "#!/bin/sh\nexit 0\n"


def test_no_policy_before_means_no_policy_after(run: Run, folder: Path) -> None:
    """Where Debian had no policy the script leaves none, also when the installation fails."""
    done = run("packages", OUTCOME="100")
    assert done.returncode == 1
    assert "SCEPLAB_NO_APT=1" in done.stderr
    assert (folder / "policy-during-install").exists()
    assert not (folder / "policy-rc.d").exists()
    assert list(folder.glob("policy-rc.d*")) == []


def test_package_lists_are_fetched_only_when_needed(run: Run, folder: Path) -> None:
    """`apt-get update` runs when the lists at hand do not do, else not."""
    asked = folder / "asked"
    run("packages")
    assert "update" not in asked.read_text(encoding="utf-8")
    asked.unlink()
    run("packages", SIMULATION="100")
    assert "update" in asked.read_text(encoding="utf-8")


@contextmanager
def _stalling(folder: Path, stalled: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run whose installation says so on a pipe and goes on for ever; nothing of it is left."""
    with subprocess.Popen(
        ["sh", "scripts/bootstrap.sh", "packages"],
        cwd=folder,
        env=_environment(folder, STALL=str(stalled)),
        stderr=subprocess.DEVNULL,
        process_group=0,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # else it waits for somebody who writes


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_restores_the_policy(folder: Path, number: signal.Signals) -> None:
    """Ctrl-C, a kill and a closed terminal during the installation leave the old policy."""
    policy = folder / "policy-rc.d"
    policy.write_text("mine", encoding="utf-8")
    stalled = folder / "stalled"
    os.mkfifo(stalled)
    with _stalling(folder, stalled) as process, open(stalled, "rb", opener=_at_once) as told:
        assert select.select([told], [], [], 120)[0], "the installation did not begin"
        os.killpg(process.pid, number)
        assert process.wait(timeout=120) == 128 + number
    assert policy.read_text(encoding="utf-8") == "mine"
    assert not (folder / "policy-rc.d.sceplab-saved").exists()


def test_kill_is_put_right_by_the_next_run(run: Run, folder: Path) -> None:
    """A policy that a killed run had put aside comes back."""
    (folder / "policy-rc.d.sceplab-saved").write_text("mine", encoding="utf-8")
    (folder / "policy-rc.d").write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    run("packages")
    assert (folder / "policy-rc.d").read_text(encoding="utf-8") == "mine"


def test_without_root_the_line_is_printed_and_the_run_goes_on(run: Run, folder: Path) -> None:
    """Nobody is asked for a password; the exact line is there to be typed."""
    (folder / "bin" / "id").write_text("#!/bin/sh\necho 1000\n", encoding="utf-8")
    done = run("packages")
    assert done.returncode == 0
    assert "as root:  apt-get install --no-install-recommends -y openssl scep" in done.stderr
    assert not (folder / "asked").exists()


def test_packages_may_be_declined_as_root(run: Run, folder: Path) -> None:
    """`SCEPLAB_NO_APT=1` keeps the package manager out of it."""
    done = run("packages", SCEPLAB_NO_APT="1")
    assert done.returncode == 0
    assert not (folder / "asked").exists()


_PYTHON = """
case "$*" in
*Python.h*) exit "${NO_HEADERS:-0}" ;;
*"import tpm2_pytss"*) exit "${NO_BINDING:-0}" ;;
"-m venv --clear "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && touch "$4/pyvenv.cfg" ;;
"-m pip "*)
    echo "$*" >>"$NOTES/pip"
    case "$*" in *tpm.txt*) exit "${BUILD:-0}" ;; esac
    ;;
*) exec REAL "$@" ;;
esac
"""


@pytest.fixture
def compiler(folder: Path) -> dict[str, str]:
    """Stand-ins for Python, compiler and libraries, all there; what to set to run with them."""
    programs = {
        "python": _PYTHON.replace("REAL", sys.executable),
        "cc": "",
        "pkg-config": 'exit "${NO_TSS:-0}"',
    }
    for name, text in programs.items():
        program = folder / "bin" / name
        program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        program.chmod(0o755)
    return {"PYTHON": str(folder / "bin" / "python"), "VENV": str(folder / "venv")}


def test_the_extra_is_compiled_once(run: Run, folder: Path, compiler: dict[str, str]) -> None:
    """What it is built with first, then the extra, both by hash; the second run does nothing."""
    done = run("tpm", **compiler)
    assert done.returncode == 0, done.stderr
    asked = (folder / "pip").read_text(encoding="utf-8").splitlines()
    build, extra = [line for line in asked if "tpm" in line]
    assert "--require-hashes --no-deps -r requirements/tpm-build.txt" in build
    assert "--require-hashes --no-deps --no-build-isolation -r requirements/tpm.txt" in extra
    (folder / "pip").unlink()
    again = run("tpm", **compiler)
    assert (again.returncode, again.stderr) == (0, "")
    assert not (folder / "pip").exists()


def test_the_extra_that_was_uninstalled_comes_back(
    run: Run, folder: Path, compiler: dict[str, str]
) -> None:
    """The note of an earlier run is not believed when the binding cannot be imported."""
    run("tpm", **compiler)
    (folder / "pip").unlink()
    done = run("tpm", **compiler, NO_BINDING="1")
    assert done.returncode == 0, done.stderr
    assert (folder / "pip").read_text(encoding="utf-8").count("requirements/tpm.txt") == 1


@pytest.mark.parametrize(
    ("missing", "packages"),
    [("NO_TSS", "libtss2-dev"), ("NO_HEADERS", "python3-dev")],
)
def test_the_extra_that_cannot_be_compiled_is_one_line(
    run: Run, folder: Path, compiler: dict[str, str], missing: str, packages: str
) -> None:
    """Nothing is compiled; the line names the packages, and the tests find it to skip with."""
    done = run("tpm", **compiler, **{missing: "1"})
    assert done.returncode == 0, done.stderr
    line = (folder / "venv" / "sceplab-no-tpm").read_text(encoding="utf-8").strip()
    assert f"bootstrap: {line}\n" in done.stderr
    assert f"apt-get install --no-install-recommends -y {packages}   then:" in line
    assert "tpm" not in (folder / "pip").read_text(encoding="utf-8")
    run("tpm", **compiler)
    assert not (folder / "venv" / "sceplab-no-tpm").exists()


def test_a_failed_compilation_is_one_line(run: Run, folder: Path, compiler: dict[str, str]) -> None:
    """The run goes on, the line is kept for the tests, and the next run tries again."""
    done = run("tpm", **compiler, BUILD="1")
    assert done.returncode == 0
    line = (folder / "venv" / "sceplab-no-tpm").read_text(encoding="utf-8").strip()
    assert "could not be compiled" in line
    assert f"bootstrap: {line}\n" in done.stderr
    run("tpm", **compiler)
    assert (folder / "pip").read_text(encoding="utf-8").count("requirements/tpm.txt") == 2


@pytest.mark.parametrize("mode", ["run", "dev"])
def test_demo_and_dev_compile_nothing(
    run: Run, folder: Path, compiler: dict[str, str], mode: str
) -> None:
    """`make demo` and `make dev` never need a compiler."""
    done = run(mode, **compiler, NO_TSS="1", NO_HEADERS="1")
    assert done.returncode == 0, done.stderr
    assert "tpm" not in (folder / "pip").read_text(encoding="utf-8")
    assert not (folder / "venv" / "sceplab-no-tpm").exists()
