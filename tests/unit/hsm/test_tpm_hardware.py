"""The URIs of real TPMs, what is said where parts of the system are missing, and lab chips."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import (
    KeyStoreError,
    ModuleMissingError,
    StoreBusyError,
    StoreUnavailableError,
    StoreUriError,
    TokenMissingError,
)
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret, secrets_from
from sceplab_hsm.tpm.chip import TpmError, TpmGoneError
from sceplab_hsm.tpm.esapi import translated
from sceplab_hsm.tpm.hardware import connect_chip, open_store
from sceplab_hsm.tpm.reach import missing_kind, unreachable
from sceplab_hsm.tpm.swtpm import SwtpmLab, init_swtpm, running_swtpm, start_swtpm
from tests.support.programs import require_program
from tests.support.swtpm import require_tpm, software_tpm

HSM = Path(__file__).resolve().parents[3] / "hsm"


def ask(prompt: str) -> Secret:
    """Nobody shall be asked."""
    pytest.fail(f"asked for: {prompt}")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("?tcti=", "write tcti="),
        ("?tcti=swtpm%20x", "write tcti="),
        ("?tcti=/lib/evil.so", "write tcti="),
        ("?da=maybe", "da is 'on' or 'off'"),
        ("?parent=81000001", "persistent handle"),
        ("?parent=0x80000001", "persistent handle"),
        ("?pin=1234", "unknown"),
    ],
)
def test_wrong_options_are_explained(tmp_path: Path, options: str, words: str) -> None:
    """Each option is checked before anything is touched."""
    with pytest.raises(StoreUriError, match=words):
        open_store(f"tpm:{tmp_path}/keys{options}", ask, create=True)
    assert not (tmp_path / "keys").exists()


def test_a_missing_binding_names_what_to_install(tmp_path: Path) -> None:
    """Without tpm2-pytss the store is unavailable, with the extra and the packages named."""
    program = f"""
import sys
sys.path.insert(0, {str(HSM)!r})
sys.modules["tpm2_pytss"] = None
from sceplab_hsm.errors import ModuleMissingError
from sceplab_hsm.registry import open_key_store
try:
    open_key_store({f"tpm:{tmp_path}/keys"!r}, lambda _: None, create=True)
except ModuleMissingError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False
    )
    assert "pip install 'sceplab[tpm]'" in done.stdout, done.stderr
    assert "libtss2-dev libtss2-tcti-swtpm0" in done.stdout
    assert not (tmp_path / "keys").exists()


def test_the_binding_is_loaded_late_and_stays_quiet(tmp_path: Path) -> None:
    """Neither the registry nor the module imports it, and no refusal is printed by its library."""
    require_tpm()
    program = f"""
import os, sys
sys.path.insert(0, {str(HSM)!r})
import sceplab_hsm.tpm.hardware, sceplab_hsm.tpm.swtpm
assert "tpm2_pytss" not in sys.modules
from sceplab_hsm.errors import TokenMissingError
try:
    sceplab_hsm.tpm.hardware.connect_chip("tpm:x?tcti=swtpm:host=127.0.0.1,port=1")
except TokenMissingError as error:
    print(error)
assert "TSS2_LOG" not in os.environ
"""
    environment = {name: value for name, value in os.environ.items() if name != "TSS2_LOG"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.stdout.startswith("no TPM answers at swtpm:host=127.0.0.1,port=1 ")
    assert done.stderr == ""


def test_a_missing_kind_of_connection_names_its_package(tmp_path: Path) -> None:
    """The TSS keeps each kind in a package of its own; a kind that nobody packs is a slip."""
    require_tpm()
    missing = missing_kind("tabrmd")
    assert type(missing) is ModuleMissingError
    assert "libtss2-tcti-tabrmd0" in str(missing)
    with pytest.raises(StoreUriError, match=r"known: .*device.*swtpm"):
        open_store(f"tpm:{tmp_path}/keys?tcti=carrier:pigeon", ask, create=True)


def test_no_chip_is_no_chip(tmp_path: Path) -> None:
    """Nobody answers: said before the PIN is asked for."""
    require_tpm()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        uri = f"tpm:{tmp_path}/keys?tcti=swtpm:host=127.0.0.1,port={silent.getsockname()[1]}"
        with pytest.raises(TokenMissingError, match=r"refused.*swtpm-init"):
            open_store(uri, ask, create=True)
        with pytest.raises(TokenMissingError, match="no TPM answers"):
            connect_chip(uri)


def test_a_missing_device_is_absent(tmp_path: Path) -> None:
    """No such node: the chip is missing, with what to do."""
    require_tpm()
    uri = f"tpm:{tmp_path}/keys?tcti=device:{tmp_path}/tpmrm0"
    with pytest.raises(TokenMissingError, match=r"No such file.*attach.*swtpm-init"):
        open_store(uri, ask, create=True)


def test_what_is_no_device_is_a_failure(tmp_path: Path) -> None:
    """A directory or a file in the place of the chip: it is not absent, and it is no chip."""
    require_tpm()
    (tmp_path / "file").touch()
    for name in (".", "file"):
        with pytest.raises(StoreUnavailableError, match="device of a TPM") as caught:
            open_store(f"tpm:{tmp_path}/keys?tcti=device:{tmp_path}/{name}", ask, create=True)
        assert type(caught.value) is StoreUnavailableError


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (errno.EACCES, StoreUnavailableError, "adduser USER tss"),
        (errno.EPERM, StoreUnavailableError, "adduser USER tss"),
        (errno.EBUSY, StoreBusyError, "another program has /dev/tpm0"),
        (errno.EIO, StoreUnavailableError, "Input/output error"),
        (errno.ENODEV, TokenMissingError, "load its driver"),
    ],
)
def test_why_a_device_does_not_open(
    monkeypatch: pytest.MonkeyPatch, code: int, kind: type[KeyStoreError], words: str
) -> None:
    """What the kernel says of the node decides; the tests' user may open everything."""

    def refuse(path: str, flags: int) -> int:
        raise OSError(code, os.strerror(code), path)

    monkeypatch.setattr(os, "open", refuse)
    error = unreachable("device:/dev/tpm0", 0xA000A)
    assert type(error) is kind
    assert words in str(error)


def test_a_server_that_hangs_up_is_a_failure(tmp_path: Path) -> None:
    """Something listens and is no TPM: not absent, so no fallback is taken for it."""
    require_tpm()
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        uri = f"tpm:{tmp_path}/keys?tcti=swtpm:host=127.0.0.1,port={server.getsockname()[1]}"
        with pytest.raises(StoreUnavailableError) as caught:
            open_store(uri, ask, create=True)
        server.shutdown(socket.SHUT_RDWR)
    assert type(caught.value) is StoreUnavailableError


def test_layers_are_told_apart() -> None:
    """Codes of chip and resource manager are refusals; those of the way to it are a lost chip."""
    for code in (0x98E, 0xB098E):
        refusal = translated("Sign", code)
        assert isinstance(refusal, TpmError)
        assert refusal.response_code == 0x98E
    stale = translated("Sign", 0x70018)
    assert isinstance(stale, TpmError)
    assert stale.response_code == 0x08B
    for code in (0xA000A, 0x70007, 0xA0002):
        assert isinstance(translated("Sign", code), TpmGoneError)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SwtpmLab]:
    """A lab TPM, ended with the test."""
    require_tpm()
    made = init_swtpm(tmp_path / "lab #1")
    yield made
    running = running_swtpm(made.instance.state)
    if running is not None:
        running.power_cut()


@pytest.mark.interop
@pytest.mark.daemon
def test_a_lab_chip_is_made_and_found_again(lab: SwtpmLab, tmp_path: Path) -> None:
    """URI and reference open the store; asked again, and after its end, it is the same one."""
    secrets = secrets_from(lab.secret_reference)
    with closing(open_key_store(lab.uri, secrets, create=True)) as store:
        store.generate("router1", KeyAlgorithm.EC_P256)
    assert init_swtpm(tmp_path / "lab #1") == lab
    lab.instance.stop()
    again = init_swtpm(tmp_path / "lab #1")
    assert (again.uri, again.secret_reference) == (lab.uri, lab.secret_reference)
    assert again.instance.pid != lab.instance.pid
    with closing(open_key_store(again.uri, secrets)) as store:
        assert [info.key_id for info in store.list_keys()] == ["router1"]
        store.generate("router2", KeyAlgorithm.EC_P256)


@pytest.mark.interop
@pytest.mark.daemon
def test_a_lab_chip_is_private(lab: SwtpmLab, tmp_path: Path) -> None:
    """Directories are 0700 and files 0600; the ports are on loopback, in the range of labs."""
    base = tmp_path / "lab #1"
    modes = {path: path.stat().st_mode & 0o777 for path in (base, *base.rglob("*"))}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert 20000 <= lab.instance.port < 32000


@pytest.mark.interop
@pytest.mark.daemon
def test_the_stop_command_stops_it(lab: SwtpmLab) -> None:
    """What people are told to type ends it orderly."""
    require_program("tpm2_shutdown", package="tpm2-tools")
    subprocess.run(["sh", "-c", lab.instance.stop_command], check=True, capture_output=True)
    lab.instance.stop()  # waits until it has ended
    assert running_swtpm(lab.instance.state) is None


@pytest.mark.interop
@pytest.mark.daemon
def test_two_on_one_state_or_port_are_refused(tmp_path: Path) -> None:
    """A second instance on the state, or on the port, is an error; the first goes on."""
    with software_tpm(tmp_path / "one") as instance:
        with pytest.raises(StoreUnavailableError, match="runs already"):
            start_swtpm(tmp_path / "one")
        with pytest.raises(StoreUnavailableError, match="does not start"):
            start_swtpm(tmp_path / "two", port=instance.port)
        with closing(instance.connect()) as chip:
            assert chip.get_random(1)


@pytest.mark.interop
@pytest.mark.daemon
def test_only_our_own_process_is_ended(tmp_path: Path) -> None:
    """A number that has gone to another program since is left alone."""
    with software_tpm(tmp_path / "state") as instance:
        instance.power_cut()
        with subprocess.Popen(["tail", "-f", "/dev/null"]) as other:
            (tmp_path / "state" / "swtpm.pid").write_text(f"{other.pid}\n", encoding="ascii")
            assert running_swtpm(tmp_path / "state") is None
            type(instance)(instance.state, instance.port, other.pid).power_cut()
            assert other.poll() is None
            other.send_signal(signal.SIGTERM)


def test_a_missing_swtpm_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the program the helper says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModuleMissingError, match="apt-get install swtpm"):
        init_swtpm(tmp_path / "lab")
