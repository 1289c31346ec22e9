"""Garbage for consoles: what hostile or broken terminals send, and half-right lines."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

from sceplab_devices.console import Console
from sceplab_devices.device import Device
from sceplab_devices.interpreter import prompt_of
from sceplab_devices.lines.telnet import TelnetCodec
from sceplab_devices.session import LineInfo

TERMINAL_SET = frozenset(b"\r\n\b\a") | frozenset(range(0x20, 0x7F))
SLOWEST_CALL_S = 10.0
"""Of processor time, for one piece. More is a hang."""
WORDS = [
    *("exit", "end", "no", "do", "default", "quit", "yes", "y", "n", "next", "abort", "up", "top"),
    *("enable", "configure terminal", "configure", "commit", "write memory", "terminal monitor"),
    *("terminal length 0", "terminal length 5", "show", "get", "| include", "| match x", "| count"),
    *("| section (a|b)*c", "| begin [", "| grep -f x", "| last 99999", "| tee flash:x", "1", "0"),
    *("A.B.C.D", "10.0.0.1", "http://x", "CN=x", "2048", '"', "\\", "'a b'", "END OF INPUT", "{}"),
    *("crypto pki trustpoint A", "crypto ca trustpoint A", "config vpn certificate local"),
    *("edit A", "set x", "crypto pki enroll A", "crypto ca authenticate A", "{hostname}", "%s"),
]
WAYS_IN = [
    "enable\r\rterminal length 0\rconfigure terminal\r",
    "enable\r\rconfigure terminal\rcrypto pki trustpoint A\renrollment url http://x\r",
    "enable\r\rconfigure terminal\rcrypto ca trustpoint A\renrollment url http://x:80/y\r",
    "enable\r\rconfigure terminal\rcrypto pki authenticate A\r",
    "enable\r\rconfigure terminal\rcrypto ca enroll A\r",
    "config vpn certificate local\redit A\r",
    "config vpn ipsec phase1-interface\redit A\rset certificate A\r",
    "configure\redit security pki\r",
    "configure\rset cli pager off\r",
]
"""Typed now and then, so that what follows meets more than the first prompt."""
OPTIONS = [
    b"\xff\xfd\x01", b"\xff\xfb\x1f", b"\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0", b"\xff\xf4",
    b"\xff\xff", b"\xff\xfa\x18", b"\xff\xf0", b"\xff\xf6", b"\xff", b"\xff\xfe\x01",
    b"\xff\xfa\xff\xff\xff\xf0",
]  # fmt: skip
UTF8 = [
    *("é".encode(), "路由".encode(), "路".encode()[:2], b"\xf0\x9f\x98", b"\xc0\x80"),
    b"\xed\xa0\x80",
]
ESCAPES = [b"\x1b[", b"\x1b[A", b"\x1bOB", b"\x1b[3~", b"\x1b[999;", b"\x1b", b"\x1bb", b"\x16\x1b"]
LINE_ENDS = [b"\r", b"\n", b"\r\n", b"\r\x00", b"?", b"\t", b" ?", b" \t\t", b"\x1a", b"\x03"]
SMALL_LINE = 4
CHANCE_OF_EVENTS, CHANCE_OF_DROP = 0.05, 0.02


class Typist:
    """Makes pieces of input for one device.

    Args:
        device: whose own words are typed.
        seed: of all chance.
    """

    def __init__(self, device: Device, seed: int) -> None:
        self._device = device
        self._chance = random.Random(seed)
        self._words: dict[tuple[str, str], list[str]] = {}

    def pieces(self, total: int, console: Callable[[], Console]) -> Iterator[bytes]:
        """Pieces as a network might deliver them, ``total`` bytes together."""
        chance = self._chance
        makers: list[Callable[[], bytes]] = [
            lambda: chance.randbytes(chance.randint(1, 60)),
            lambda: bytes(chance.choices(range(32), k=chance.randint(1, 20))),
            lambda: " ".join(chance.choices(WORDS, k=chance.randint(1, 6))).encode() + b"\r",
            lambda: chance.choice(WORDS).encode() + chance.choice(LINE_ENDS),
            lambda: b"".join(chance.choices(OPTIONS, k=3)),
            lambda: b"".join(chance.choices(UTF8, k=3)),
            lambda: chance.choice(ESCAPES),
            lambda: bytes(chance.choices(b"ab c?|.^$*[]()\"'", k=chance.randint(1, 40))),
            lambda: b"\x03\x15\r\r" + chance.choice(WAYS_IN).encode(),
            lambda: b"x" * chance.randint(1, 300) + b"\r",
        ]
        makers += [lambda: self._line(console()) for _ in makers]  # every second one
        size = 0
        beginning = [b"\x03\x15\r\r" + way.encode() for way in WAYS_IN]
        while size < total:
            piece = (beginning.pop() if beginning else chance.choice(makers)())[: total - size]
            size += len(piece)
            yield piece

    def _line(self, console: Console) -> bytes:
        """Words that the device itself offers, one behind the other, some of them cut or wrong."""
        chance, typed = self._chance, ""
        for _ in range(chance.randint(1, 6)):
            offered = self._offered(console, typed)
            if not offered:
                break
            word = chance.choice(offered if chance.random() < 0.9 else WORDS)
            if not word.strip("<>").isalpha() or word.isupper():
                word = chance.choice(
                    ["A", "1", "2048", "10.0.0.1", "CN=x", "a.b", "x y", "http://x"]
                )
            if len(word) > SMALL_LINE and chance.random() < 0.1:
                word = word[:SMALL_LINE]
            typed += word + " "
        end = b"\r" if chance.random() < 0.8 else chance.choice(LINE_ENDS)
        return b"\x15" + typed.rstrip(" ").encode("ascii", "replace") + end

    def _offered(self, console: Console, typed: str) -> list[str]:
        """First words of the help behind ``typed``."""
        session = console.session
        key = (session.mode.id, typed)
        if key not in self._words and typed.count(" ") < SMALL_LINE:
            shown = self._device.profile.language.help_text(self._device, session, typed)
            rows = (line.split() for line in shown.splitlines())
            self._words[key] = [row[0] for row in rows if row and row[0] != "<cr>"]
        return self._words.get(key, [])


class Victim:
    """A device, one session at a time on it, and what happens to it meanwhile.

    Args:
        device: what is typed at.
        line: where sessions come from.
        happen: something happens: time passes, the CA answers.
        seed: of all chance.
    """

    def __init__(
        self,
        device: Device,
        line: LineInfo,
        *,
        happen: Callable[[random.Random], None],
        seed: int,
    ) -> None:
        self.device = device
        self.prompts: set[str] = set()
        """Those that were seen."""
        self._line = line
        self._happen = happen
        self._seed = seed
        self._chance = random.Random(seed)
        self._open("admin")

    def drive(self, total: int) -> int:
        """Types ``total`` bytes over Telnet; closed sessions are opened again.

        Returns:
            How many bytes were typed.
        """
        chance = self._chance
        count = 0
        for piece in Typist(self.device, self._seed).pieces(total, lambda: self._console):
            count += len(piece)
            if chance.random() < CHANCE_OF_DROP:
                self._console.disconnect()
            if self._console.is_closed:
                self._open(chance.choice(["", "admin", "admin"]))
            started = time.process_time()
            typed, _ = self._codec.decode(piece)
            check(self._console.receive(typed))
            while self._console.has_input:
                check(self._console.receive(b""))
            if chance.random() < CHANCE_OF_EVENTS:
                self._happen(chance)
                self.device.log("%TEST-5-TEXT: from outside")
                check(self._console.take_output())
            assert time.process_time() - started < SLOWEST_CALL_S, f"hangs at {piece!r}"
            self.prompts.add(prompt_of(self.device, self._console.session))
        self._console.disconnect()
        return count

    def _open(self, user: str) -> None:
        self._console = self.device.open_console(self._line, user=user)
        self._codec = TelnetCodec(self._console.resize)
        check(self._console.open())


def check(shown: bytes) -> None:
    """Nothing but text, line ends, backspaces and bells reaches a terminal."""
    assert TERMINAL_SET.issuperset(shown), shown
