"""SSH lines with asyncssh, paramiko and the ssh program as clients."""

import asyncio
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import paramiko
import pytest

from sceplab_devices.errors import EndpointError
from sceplab_devices.lines import Line, make_line
from sceplab_devices.lines.host_keys import user_keys_dir
from tests.support.line_rack import PATIENCE_S, Rack
from tests.support.waiting import until

OLD_CRYPTOGRAPHY = pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
USER, PASSWORD = "admin", "pass word"


@asynccontextmanager
async def connection(
    server: Line, password: str = PASSWORD, **settings: object
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """An SSH connection of asyncssh, without files of the user."""
    async with asyncio.timeout(PATIENCE_S):
        conn = await asyncssh.connect(
            "127.0.0.1",
            server.endpoint.port,
            username=USER,
            password=password,
            known_hosts=None,
            config=None,
            client_keys=None,
            **settings,  # type: ignore[arg-type]
        )
    async with conn:
        yield conn


@pytest.fixture
async def server(rack: Rack) -> Line:
    """A line whose device knows one user."""
    rack.device.users = {USER: PASSWORD}
    return await rack.line("ssh")


async def test_a_shell_is_a_session_of_who_logged_in(rack: Rack, server: Line) -> None:
    """With the terminal's size, which may change; exit ends it with status 0."""
    async with connection(server) as conn:
        process = await conn.create_process(term_type="vt100", term_size=(100, 40), encoding=None)
        assert await process.stdout.readuntil(b"box>") == b"box>"
        session = rack.device.consoles[0].session
        assert (session.user, session.width, session.length) == (USER, 100, 40)
        assert (session.line.name, session.line.peer) == ("vty0", "127.0.0.1")
        process.stdin.write(b"sh ver\r")
        shown = await process.stdout.readuntil(b"box>")
        assert shown == b"sh ver\r\nSample OS 1.0 on box\r\nbox>"
        process.change_terminal_size(132, 5)
        process.stdin.write(b"show lines 9\r")
        assert b"line 4\r\n --More--" in await process.stdout.readuntil(b"--More--")
        assert session.width == 132
        process.stdin.write(b"q\rexit\r")
        assert (await process.wait()).exit_status == 0
    assert rack.device.consoles == []


async def test_a_single_command_prints_its_output_and_ends(server: Line) -> None:
    """No echo, no prompt, no paging; a wrong command prints what the platform says."""
    async with connection(server) as conn:
        assert (await conn.run("sh ver", encoding=None)).stdout == b"Sample OS 1.0 on box\r\n"
        answer = await conn.run("show lines 300", encoding=None)
        assert answer.stdout == b"".join(b"line %d\r\n" % n for n in range(1, 301))
        assert answer.exit_status == 0
        assert b"% Invalid input" in (await conn.run("nonsense", encoding=None)).stdout
        assert (await conn.run("wait TP seconds 0", encoding=None)).stdout is not None


async def test_typed_input_without_a_terminal_is_carried_out(server: Line) -> None:
    """As a script pipes it; the session ends behind the last command."""
    async with connection(server) as conn:
        answer = await conn.run(input=b"sh ver\nshow lines 2\n", encoding=None)
        assert answer.stdout == (
            b"box>sh ver\r\nSample OS 1.0 on box\r\nbox>show lines 2\r\nline 1\r\nline 2\r\nbox>"
        )


@pytest.mark.parametrize(
    ("command", "typed", "end"),
    [
        ("reload", b"", b"Proceed? [confirm]"),
        ("reload", b"\rn", b"key 'n'\r\n"),
        (None, b"sh ver", b"box>sh ver"),
        (None, b"show lines 99\n", b"line 23\r\n --More-- "),
        (None, b"reload\n", b"Proceed? [confirm]"),
    ],
)
async def test_nobody_waits_for_keys_that_cannot_come(
    server: Line, command: str | None, typed: bytes, end: bytes
) -> None:
    """The input is over, and what is on the screen wants a key."""
    async with connection(server) as conn, asyncio.timeout(PATIENCE_S):
        process = await conn.create_process(command, encoding=None)
        process.stdin.write(typed)
        process.stdin.write_eof()
        assert (await process.stdout.read()).endswith(end)


async def test_subsystems_forwards_and_a_second_shell(rack: Rack, server: Line) -> None:
    """Nothing but shells; as many as the platform has lines."""
    async with connection(server) as conn:
        with pytest.raises(asyncssh.ChannelOpenError):
            await conn.start_sftp_client()
        with pytest.raises(asyncssh.ChannelOpenError):
            await conn.open_connection("127.0.0.1", server.endpoint.port)
        first = await conn.create_process(encoding=None)
        second = await conn.create_process(encoding=None)
        await second.stdout.readuntil(b"box>")
        assert [console.session.line.name for console in rack.device.consoles] == ["vty0", "vty1"]
        first.close()
        second.close()


@pytest.mark.parametrize("preferred", ["password", "keyboard-interactive"])
async def test_three_wrong_passwords_end_the_connection(
    rack: Rack, server: Line, preferred: str
) -> None:
    """In either way of asking; a right one within three tries comes in."""
    tries: list[str] = []

    class Guessing(asyncssh.SSHClient):
        """Tries what the list says."""

        def __init__(self, guesses: list[str]) -> None:
            self.guesses = guesses

        def password_auth_requested(self) -> str | None:
            """The next guess."""
            return self._next()

        def kbdint_auth_requested(self) -> str | None:
            """No submethod."""
            return ""

        def kbdint_challenge_received(
            self, name: str, instructions: str, lang: str, prompts: object
        ) -> list[str] | None:
            """The next guess."""
            assert prompts == [("Password: ", False)]
            guess = self._next()
            return None if guess is None else [guess]

        def _next(self) -> str | None:
            if not self.guesses:
                return None
            tries.append(self.guesses.pop(0))
            return tries[-1]

    async def log_in(guesses: list[str]) -> None:
        conn, _ = await asyncssh.create_connection(
            lambda: Guessing(guesses), "127.0.0.1", server.endpoint.port, username=USER,
            known_hosts=None, config=None, client_keys=None, preferred_auth=preferred,
        )  # fmt: skip
        conn.close()
        await conn.wait_closed()

    await log_in(["a", "b", PASSWORD])
    assert tries == ["a", "b", PASSWORD]
    tries.clear()
    with pytest.raises(asyncssh.DisconnectError):
        await log_in(["a", "b", "c", PASSWORD])
    assert tries == ["a", "b", "c"]
    assert rack.device.consoles == []


async def test_no_secret_is_logged(server: Line, caplog: pytest.LogCaptureFixture) -> None:
    """Whether it was right or wrong."""
    caplog.set_level("DEBUG")
    with pytest.raises(asyncssh.PermissionDenied):
        async with connection(server, "wrong one"):
            pass
    async with connection(server):
        pass
    own = [record for record in caplog.records if "sceplab" in record.name]
    assert not [r for r in own if PASSWORD in r.getMessage() or "wrong one" in r.getMessage()]


async def test_a_device_without_users_asks_nobody(rack: Rack) -> None:
    """Unless the line is told to; then nobody gets in."""
    server = await rack.line("ssh")
    async with connection(server) as conn:
        assert (await conn.run("sh ver", encoding=None)).stdout
    strict = await rack.line("ssh", "auth=password")
    with pytest.raises(asyncssh.PermissionDenied):
        async with connection(strict):
            pass
    rack.device.users = {USER: PASSWORD}
    async with connection(await rack.line("ssh", "auth=none"), "no matter"):
        pass


@OLD_CRYPTOGRAPHY
@pytest.mark.parametrize(
    ("exchange", "cipher", "mac"),
    [
        ("diffie-hellman-group14-sha1", "aes128-cbc", "hmac-sha1"),
        ("diffie-hellman-group-exchange-sha1", "3des-cbc", "hmac-md5"),
        ("diffie-hellman-group1-sha1", "aes256-cbc", "hmac-sha1-96"),
    ],
)
async def test_old_clients_come_in(server: Line, exchange: str, cipher: str, mac: str) -> None:
    """With nothing newer than SHA-1 and an RSA host key."""
    async with connection(
        server, kex_algs=[exchange], encryption_algs=[cipher], mac_algs=[mac],
        server_host_key_algs=["ssh-rsa"],
    ) as conn:  # fmt: skip
        assert (await conn.run("sh ver", encoding=None)).stdout == b"Sample OS 1.0 on box\r\n"


@OLD_CRYPTOGRAPHY
@pytest.mark.parametrize(
    "exchange", ["diffie-hellman-group14-sha256", "curve25519-sha256@libssh.org"]
)
async def test_paramiko_comes_in(server: Line, exchange: str) -> None:
    """The library behind most automation: the oldest and the newest it still has, with CBC."""

    def talk() -> bytes:
        with paramiko.Transport(("127.0.0.1", server.endpoint.port)) as transport:  # type: ignore[attr-defined]
            options = transport.get_security_options()
            options.kex, options.ciphers = (exchange,), ("aes128-cbc",)
            options.key_types = ("rsa-sha2-256",)
            transport.connect(username=USER, password=PASSWORD)
            channel = transport.open_session()
            channel.settimeout(PATIENCE_S)
            channel.exec_command("sh ver")
            answer = b""
            while data := channel.recv(1000):
                answer += data
            return answer

    assert await asyncio.to_thread(talk) == b"Sample OS 1.0 on box\r\n"


@pytest.mark.interop
async def test_the_ssh_program_comes_in(rack: Rack) -> None:
    """As `Endpoint.client_command` has it, with a command behind."""
    if shutil.which("ssh") is None:
        pytest.skip("no ssh program: apt-get install openssh-client")
    server = await rack.line("ssh", "auth=none")
    command = [*server.endpoint.command_for(USER).split(), "show version"]
    environment = {**os.environ, "SSH_AUTH_SOCK": "", "HOME": "/nonexistent"}
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        out, errors = await process.communicate()
    assert (out, process.returncode) == (b"Sample OS 1.0 on box\r\n", 0), errors


async def test_a_reload_ends_connections(rack: Rack, server: Line) -> None:
    """The port stays; nobody is there while the box is down."""
    async with connection(server) as conn:
        process = await conn.create_process(encoding=None)
        await process.stdout.readuntil(b"box>")
        server.swap(None)
        assert await process.stdout.read() == b""
    assert rack.device.consoles == []
    with pytest.raises((asyncssh.Error, OSError)):
        async with connection(server):
            pass
    server.swap(rack.reload())
    async with connection(server) as conn:
        assert (await conn.run("sh ver", encoding=None)).stdout == b"Sample OS 1.0 on new\r\n"


@pytest.mark.parametrize("typed", [b"reload\r", b"sh ver\r", b"x"])
async def test_a_client_that_leaves_is_not_written_to(
    rack: Rack, server: Line, typed: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """One that has typed a lot, and is gone at once."""

    def type_and_leave() -> None:
        transport = paramiko.Transport(("127.0.0.1", server.endpoint.port))
        transport.connect(username=USER, password=PASSWORD)
        channel = transport.open_session()
        channel.invoke_shell()
        for _ in range(60):
            channel.sendall(typed)
        transport.close()

    await asyncio.to_thread(type_and_leave)
    await until(lambda: not rack.device.consoles, "the end of the session")
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


async def test_faults_act_on_ssh_too(rack: Rack) -> None:
    """The connection is lost after so many bytes of the console."""
    rack.device.users = {USER: PASSWORD}
    server = await rack.line("ssh", "faults=drop:20")
    async with connection(server) as conn:
        process = await conn.create_process(encoding=None)
        process.stdin.write(b"show lines 50\r")
        assert await process.stdout.read() == b"box>show lines 50\r\nl"
    assert rack.device.consoles == []


async def test_host_keys_are_made_once_and_shared(rack: Rack, server: Line, tmp_path: Path) -> None:
    """By all devices of a folder, also when they start at one time; files are private."""
    again, third = make_line("ssh:127.0.0.1:0", keys_dir=tmp_path), await rack.line("ssh")
    await again.bind()
    await again.close()
    keys = sorted(os.listdir(tmp_path))
    assert keys == ["ssh_host_ecdsa_key", "ssh_host_ed25519_key", "ssh_host_rsa_key"]
    assert {stat.S_IMODE((tmp_path / key).stat().st_mode) for key in keys} == {0o600}
    seen = []
    for line in (server, third):
        async with connection(line) as conn:
            seen.append(conn.get_server_host_key())
    assert seen[0] == seen[1]


def test_processes_that_start_together_share_keys(tmp_path: Path) -> None:
    """Whoever is first wins; all others read those keys."""
    program = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from sceplab_devices.lines.endpoint import parse_endpoint\n"
        "from sceplab_devices.lines.host_keys import host_keys\n"
        "keys = host_keys(parse_endpoint('ssh:h:1'), Path(sys.argv[1]))\n"
        "print(*(key.get_fingerprint() for key in keys))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, f"{tmp_path}/keys"],
            stdout=subprocess.PIPE, env=environment,
        )
        for _ in range(3)
    ]  # fmt: skip
    answers = {process.communicate()[0] for process in started}
    assert len(answers) == 1
    assert len(answers.pop().split()) == 3
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


async def test_a_host_key_of_the_users_own(rack: Rack, tmp_path: Path) -> None:
    """Named in the endpoint; one that cannot be read is a clear error."""
    rack.device.users = {USER: PASSWORD}
    key = asyncssh.generate_private_key("ecdsa-sha2-nistp384")
    key.write_private_key(tmp_path / "own")
    async with connection(await rack.line("ssh", f"host-key={tmp_path}/own")) as conn:
        assert conn.get_server_host_key() == key.convert_to_public()
    (tmp_path / "broken").write_text("no key")
    for name in ("missing", "broken"):
        with pytest.raises(EndpointError, match="no host key"):
            await make_line(f"ssh:127.0.0.1:0?host-key={tmp_path}/{name}").bind()


async def test_without_asyncssh_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing else of the lines needs it."""
    monkeypatch.setitem(sys.modules, "asyncssh", None)
    with pytest.raises(EndpointError, match=r"pip install 'sceplab\[ssh\]'"):
        await make_line("ssh:127.0.0.1:0").bind()


async def test_a_taken_port_is_a_clear_error(rack: Rack, server: Line, tmp_path: Path) -> None:
    """As on other network lines."""
    assert server.is_loopback
    taken = make_line(f"ssh:127.0.0.1:{server.endpoint.port}", keys_dir=tmp_path)
    with pytest.raises(EndpointError, match="is in use"):
        await taken.bind()
    await taken.close()


def test_the_users_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system says, else below the home folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert user_keys_dir() == Path("/c/sceplab/ssh")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert user_keys_dir() == Path.home() / ".cache/sceplab/ssh"
