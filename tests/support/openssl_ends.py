"""OpenSSL's own TLS server and client, as programs that read handed-over files through the link."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.peers import TIMEOUT_S, Result, run
from tests.support.programs import require_program

NAME = "router1.example.test"
_SAID = "configure"
"""What the client sends; the server answers it reversed."""
_LEAVE = "CLOSE"


@dataclass(frozen=True, slots=True)
class Handshake:
    """How a connection ended, as both ends tell it."""

    client: Result
    server: str

    @property
    def answered(self) -> bool:
        """Whether application data went both ways."""
        return _SAID[::-1] in self.client.output

    @property
    def seen_by_client(self) -> str:
        """Subject of the server's certificate; empty: none was taken."""
        return _subject(self.client.output)

    @property
    def seen_by_server(self) -> str:
        """The same of the client's certificate."""
        return _subject(self.server)


def sign_mail(command: str, folder: Path, files: Path, sender: str, letter: str) -> Result:
    """Signs ``folder/letter`` into a mail beside it.

    Args:
        command: ``cms`` or ``smime``.
        folder: where the letter is.
        files: the link that the mail program reads through.
        sender: mailbox.
        letter: file name; ``.eml`` is added for the result.
    """
    words: list[str | Path] = ["openssl", command, "-sign", "-text", "-in", letter]
    words += ["-out", f"{letter}.eml", "-from", sender, "-signer", files / "certificate.pem"]
    words += ["-inkey", files / "key.pem", "-certfile", files / "chain.pem"]
    return run(words, cwd=folder)


def verify_mail(command: str, folder: Path, mail: str, trusted: Path) -> Result:
    """Has the recipient read a signed mail; the signer's certificate goes to ``sender.pem``."""
    words: list[str | Path] = ["openssl", command, "-verify", "-in", mail, "-CAfile", trusted]
    return run([*words, "-purpose", "smimesign", "-signer", "sender.pem"], cwd=folder)


def shake_hands(server: Path, client: Path, *, revocations: Path | None = None) -> Handshake:
    """One connection from ``s_client`` to ``s_server``; each trusts only the other's CA.

    Args:
        server: the link that the server reads its files through.
        client: the same of the client.
        revocations: list of the client's CA, PEM, that the server looks at.
    """
    with _serving(server, client, revocations) as (process, port):
        words = [
            "openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", NAME,
            "-verify_hostname", NAME, "-verify_return_error", "-CAfile", server / "ca.pem",
            "-cert", client / "certificate.pem", "-cert_chain", client / "chain.pem",
            "-key", client / "key.pem", "-brief", "-ign_eof",
        ]  # fmt: skip
        done = subprocess.run(
            [str(word) for word in words], input=f"{_SAID}\n{_LEAVE}\n", text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        told, _ = process.communicate(timeout=TIMEOUT_S)
    return Handshake(Result(done.returncode, done.stdout), told)


@contextmanager
def _serving(
    files: Path, client: Path, revocations: Path | None
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server for one connection, and its port."""
    openssl = require_program("openssl", package="openssl")
    words = [
        openssl, "s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-rev",
        "-cert", files / "certificate.pem", "-cert_chain", files / "chain.pem",
        "-key", files / "key.pem", "-CAfile", client / "ca.pem",
        "-Verify", "3", "-verify_return_error",
    ]  # fmt: skip
    if revocations:
        words += ["-CRL", revocations, "-crl_check"]
    process = subprocess.Popen(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if found := re.match(r"ACCEPT \S+:(\d+)", line):
                yield process, int(found[1])
                return
        raise AssertionError("".join(seen))
    finally:
        process.kill()
        process.wait()


def _subject(told: str) -> str:
    found = re.search(r"^Peer certificate: (.*)$", told, re.MULTILINE)
    return found[1] if found else ""
