"""Threads, forks and several processes on tokens."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from cryptography.hazmat.primitives import hashes

from sceplab_hsm import errors
from sceplab_hsm.api import KeyAlgorithm, KeyHandle
from sceplab_hsm.contract import MESSAGE, public_der, verify
from sceplab_hsm.pkcs11.softhsm import LabToken
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
from tests.support.child_process import start_child, wait_for_child
from tests.support.p11kit import CLIENT_MODULE, p11_kit_server
from tests.support.programs import require_program
from tests.support.softhsm import MODULE, make_token, open_token, pin_of
from tests.support.source_tree import source_environment

EC = KeyAlgorithm.EC_P256
PREAMBLE = """
import sys
from cryptography.hazmat.primitives import hashes
from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.contract import MESSAGE, verify
from sceplab_hsm.errors import KeyExistsError
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import secrets_from
def opened(uri, secret):
    return open_key_store(uri, secrets_from(secret))
def works(handle):
    verify(handle, handle.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())
"""


def works(handle: KeyHandle) -> bool:
    """Whether the handle signs."""
    verify(handle, handle.sign(MESSAGE, hashes.SHA256()), MESSAGE, hashes.SHA256())
    return True


@contextmanager
def started(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process of its own, started anew and not forked, that runs the program; none is left."""
    with subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + program, *arguments],
        env=source_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()  # nothing, when it has ended


def run(program: str, *arguments: str) -> str:
    """Runs the program in such a process; gives its output."""
    with started(program, *arguments) as process:
        return finish(process)


def told(token: LabToken) -> tuple[str, str]:
    """What another process needs for opening the token."""
    return token.uri, token.secret_reference


def finish(process: subprocess.Popen[str]) -> str:
    """Its output; its failure is ours."""
    output, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    return output


def test_two_tokens_from_two_threads() -> None:
    """Threads that open, make, find, sign and close on two tokens at once crash nothing.

    SoftHSM is started without locking arguments: a lock per token instead of one per module ends
    the process with a signal, which is why this runs in a child.
    """
    program = """
import threading
failures = []
def work(uri, secret, name):
    try:
        for number in range(12):
            store = opened(uri, secret)
            handle = store.generate(f"{name}-{number}", KeyAlgorithm.EC_P256)
            for _ in range(10):
                works(handle)
                works(store.get(handle.key_id))
            store.list_keys()
            store.delete(handle.key_id)
            store.close()
    except Exception as error:
        failures.append(repr(error))
uris = [(sys.argv[1], sys.argv[2]), (sys.argv[3], sys.argv[4])]
threads = [
    threading.Thread(target=work, args=(*uris[number % 2], f"t{number}")) for number in range(4)
]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failures, failures
"""
    run(program, *told(make_token()), *told(make_token()))


def test_a_forked_child_goes_on() -> None:
    """Handle and store work in a forked child, which may open and close; the parent works on."""
    token = make_token()
    store = open_token(token)
    handle = store.generate("k", EC)

    def work() -> int:
        assert works(handle)
        assert works(store.generate("child", EC))
        with pytest.raises(errors.StoreLockedError):
            open_key_store(token.uri, lambda _: Secret("1234"))
        second = open_token(token)
        assert works(second.get("k"))
        second.close()
        store.close()
        with pytest.raises(errors.StoreLockedError):
            open_key_store(token.uri, lambda _: Secret("1234"))
        return 0

    children = [start_child(work if number == 0 else lambda: 0) for number in range(2)]
    assert [wait_for_child(child) for child in children] == [0, 0]
    assert works(handle)
    assert works(store.get("child"))
    store.close()


def test_a_fork_waits_for_the_call_in_another_thread() -> None:
    """A child forked while a thread is inside the module finds no lock that nobody releases."""
    token = make_token()
    store = open_token(token)
    handle = store.generate("k", EC)
    started, stop = threading.Event(), threading.Event()

    def sign() -> None:
        while not stop.is_set():
            works(handle)
            started.set()

    thread = threading.Thread(target=sign)
    thread.start()
    try:
        assert started.wait(30)
        for _ in range(5):
            assert wait_for_child(start_child(lambda: 0 if works(handle) else 1)) == 0
    finally:
        stop.set()
        thread.join()
    store.close()


def test_a_module_that_cannot_be_forked_says_so() -> None:
    """Another module than SoftHSM that takes no second start is refused in the child.

    No such module is at hand without hardware, so SoftHSM is taken off the list of those that may
    be finalised in a child.
    """
    token = make_token()
    program = """
import os
import sceplab_hsm.pkcs11.modules as modules
from sceplab_hsm.errors import ForkedStoreError
modules._SOFTHSM = "none"
store = opened(*sys.argv[1:])
handle = store.generate("k", KeyAlgorithm.EC_P256)
child = os.fork()
if child == 0:
    status = 1
    try:
        for use in (lambda: works(handle), store.list_keys, lambda: opened(*sys.argv[1:])):
            try:
                use()
            except ForkedStoreError as error:
                assert "spawn" in str(error)
                status = 0
            else:
                status = 2
                break
        store.close()
    finally:
        os._exit(status)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
works(handle)
"""
    run(program, *told(token))


def test_a_token_behind_p11_kit(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same store works when the token is in another process, in a forked child too.

    This module notices a fork by itself and takes the second start that it asks for.
    """
    token = make_token()
    program = """
import os
store = opened(*sys.argv[1:])
handle = store.generate("k", KeyAlgorithm.RSA_2048)
works(handle)
child = os.fork()
if child == 0:
    status = 1
    try:
        works(handle)
        works(store.generate("child", KeyAlgorithm.EC_P256))
        store.close()
        status = 0
    finally:
        os._exit(status)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
works(handle)
works(store.get("child"))
store.close()
"""
    uri = f"pkcs11:token={token.label}?module-path={CLIENT_MODULE}"
    folder = tmp_path_factory.mktemp("p11")
    with p11_kit_server(MODULE, folder, SOFTHSM2_CONF=str(token.configuration)) as address:
        process = subprocess.run(
            [sys.executable, "-c", PREAMBLE + program, uri, token.secret_reference],
            env={**source_environment(), "P11_KIT_SERVER_ADDRESS": address},
            capture_output=True,
            text=True,
            check=False,
        )
    assert process.returncode == 0, process.stderr


def test_two_processes_share_a_token() -> None:
    """Both sign at once; what one makes or deletes, the other sees in its open store."""
    token = make_token()
    store = open_token(token)
    program = """
store = opened(*sys.argv[1:])
works(store.generate("theirs", KeyAlgorithm.EC_P256))
print("made", flush=True)
sys.stdin.readline()
for _ in range(100):
    works(store.get("ours"))
store.delete("theirs")
"""
    with started(program, *told(token)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "made\n", process.communicate()[1]
        theirs = store.get("theirs")
        assert works(theirs)
        ours = store.generate("ours", EC)
        process.stdin.write("\n")
        process.stdin.flush()
        for _ in range(100):
            assert works(ours)
        finish(process)
    with pytest.raises(errors.KeyNotFoundError):
        works(theirs)
    store.close()


def test_of_several_processes_one_makes_a_key() -> None:
    """Processes that make a key of one name at once: one has it, the others are told it exists."""
    token = make_token()
    program = """
store = opened(*sys.argv[1:])
print("ready", flush=True)
sys.stdin.readline()
for number in range(8):
    try:
        handle = store.generate(f"k{number}", KeyAlgorithm.EC_P256)
    except KeyExistsError:
        print("lost")
    else:
        works(handle)
        print("won", handle.key_id, handle.public_key.public_numbers().x)
"""
    with ExitStack() as stack:
        processes = [stack.enter_context(started(program, *told(token))) for _ in range(3)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        lines = [line.split() for process in processes for line in finish(process).splitlines()]
    won = {line[1]: int(line[2]) for line in lines if line[0] == "won"}
    assert len(won) == sum(line[0] == "won" for line in lines) == 8
    store = open_token(token)
    keys = {info.key_id: store.get(info.key_id).public_key for info in store.list_keys()}
    assert {name: key.public_numbers().x for name, key in keys.items()} == won  # type: ignore[union-attr]
    store.close()


def test_processes_that_open_a_token_at_once_all_succeed() -> None:
    """SoftHSM rewrites a token at each login; who opens it meanwhile is not sent off."""
    token = make_token()
    for _ in range(3):
        with ExitStack() as stack:
            program = "opened(*sys.argv[1:]).list_keys()"
            opening = [stack.enter_context(started(program, *told(token))) for _ in range(5)]
            for process in opening:
                finish(process)


def test_a_name_taken_by_another_program_meanwhile_is_given_up() -> None:
    """Who does not share our locks may make the name too; ours is taken back, theirs stays."""
    token = make_token()
    store = open_token(token)
    tool = require_program("pkcs11-tool", package="opensc")
    command = [tool, "--module", MODULE, "--token-label", token.label, "--login"]
    make = ["--keypairgen", "--key-type", "EC:prime256v1", "--label", "k", "--id", "a1"]
    subprocess.run(
        [*command, "--pin", pin_of(token), *make],
        env={**os.environ, "SOFTHSM2_CONF": os.fspath(token.configuration)},
        check=True,
        capture_output=True,
    )
    theirs = public_der(store.get("k"))
    with pytest.raises(errors.KeyExistsError):
        store.generate("k", EC)
    assert public_der(store.get("k")) == theirs
    store.close()


def test_a_store_that_nobody_closed_is_no_trouble() -> None:
    """It does not disturb the next opening of the same token, nor that one it."""
    token = make_token()
    handle = open_token(token).generate("k", EC)
    again = open_token(token)
    signature = again.get("k").sign(MESSAGE, hashes.SHA512())
    verify(handle, signature, MESSAGE, hashes.SHA512())
    again.close()
    assert works(handle), "the other store is still open"
