"""Key pairs at the console: what is refused, what is slow, where keys live."""

from __future__ import annotations

import pytest

from tests.support.consoles import Terminal
from tests.support.ios import RouterBench

REFUSED = "% Error in generating keys: no available resources"
CARET = "% Invalid input detected at '^' marker."


def configured(bench: RouterBench) -> Terminal:
    """A terminal in configuration mode."""
    terminal = bench.terminal()
    for line in ("enable", "terminal length 0", "configure terminal"):
        terminal.run(line)
    return terminal


def labels(bench: RouterBench) -> list[str]:
    """Key pairs by their names."""
    pairs = bench.port.keys()
    return [pair.label for pair in pairs]


def algorithms(bench: RouterBench) -> list[str]:
    """Key pairs by their kinds."""
    pairs = bench.port.keys()
    return [pair.algorithm for pair in pairs]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("crypto key generate rsa label K modulus 512", CARET),
        ("crypto key generate rsa label K modulus 1024", CARET),
        ("crypto key generate rsa label K modulus 8192", CARET),
        ("crypto key generate rsa label K modulus 3072", REFUSED),
        ("crypto key generate ec keysize 521 label K", REFUSED),
        ("crypto key generate ec keysize 256 label K", REFUSED),
    ],
)
@pytest.mark.parametrize("train", ["classic", "recent", "strict"])
def test_a_size_that_is_not_made_costs_no_key(train: str, line: str, words: str) -> None:
    """Too small, too large, or more than the store can: the old key stays."""
    bench = RouterBench(train)
    terminal = configured(bench)
    terminal.run("crypto key generate rsa label K modulus 2048")
    bench.port.algorithms = frozenset({"rsa:2048"})
    before = bench.port.keys()
    printed = terminal.run(line)
    assert words in printed
    assert "replaced" not in printed
    assert bench.port.keys() == before


@pytest.mark.parametrize("train", ["classic", "recent", "strict"])
def test_the_proposed_size_is_one_that_works(train: str) -> None:
    """Enter at the question makes a key; smaller ones are refused with the range."""
    bench = RouterBench(train)
    terminal = configured(bench)
    terminal.run("crypto key generate rsa label K")
    asked = terminal.run("1024")
    assert "% Invalid modulus size, must be between 2048 and 4096." in asked
    assert "[OK]" in terminal.run("")
    assert algorithms(bench) == ["rsa:2048"]


@pytest.mark.parametrize("size", ["512", "1024", "4097"])
def test_a_trustpoint_names_no_size_the_box_does_not_take(size: str) -> None:
    """`rsakeypair NAME SIZE` is refused where it is typed."""
    bench = RouterBench()
    terminal = configured(bench)
    terminal.run("crypto pki trustpoint LAB")
    assert CARET in terminal.run(f"rsakeypair K {size}")
    assert CARET in terminal.run(f"rsakeypair K 2048 {size}")
    assert "rsakeypair" not in bench.router.config.trustpoints["LAB"].entries


@pytest.mark.parametrize(
    "line",
    [
        "crypto pki trustpoint {name}",
        "crypto key generate rsa label {name} modulus 2048",
        "crypto key generate ec keysize 256 label {name}",
    ],
)
@pytest.mark.parametrize("name", ["x" * 65, "x" * 300])
def test_a_name_may_have_64_characters(line: str, name: str) -> None:
    """A longer one gets the marker and leaves nothing."""
    bench = RouterBench()
    terminal = configured(bench)
    assert CARET in terminal.run(line.format(name=name))
    assert bench.port.keys() == []
    assert not bench.router.config.trustpoints
    assert CARET not in terminal.run(line.format(name="x" * 64))


def test_a_key_may_take_its_time() -> None:
    """The terminal waits for its key, others go on; log lines come behind the prompt."""
    bench = RouterBench()
    bench.port.keys_are_slow = True
    terminal = configured(bench)
    terminal.run("terminal monitor")
    terminal.run("do terminal monitor")
    begun = terminal.run("crypto key generate rsa label K modulus 2048")
    assert begun.endswith("keys will be non-exportable...\n")
    assert "12:00:00" in bench.run("show clock")
    bench.clock.advance(7)
    bench.port.key_comes()
    finished = terminal.later()
    assert finished.startswith("[OK] (elapsed time was 7 seconds)\n\nR1(config)#")
    assert "KEY_ADDITION: A key named K" in finished
    assert "SSH-5-ENABLED" in finished


def test_an_interrupted_terminal_loses_no_key() -> None:
    """Ctrl-C gives the prompt back; the key is there once it is made."""
    bench = RouterBench()
    bench.port.keys_are_slow = True
    terminal = configured(bench)
    terminal.run("crypto key generate rsa label K modulus 2048")
    terminal.type("\x03")
    assert bench.port.keys() == []
    bench.port.key_comes()
    assert labels(bench) == ["K"]


def test_a_store_that_fails_is_quoted() -> None:
    """Its reason stands in the box's own sentence, for making and for removing."""
    bench = RouterBench()
    terminal = configured(bench)
    terminal.run("crypto key generate rsa label K modulus 2048")
    bench.port.key_failure = "the token was removed"
    printed = terminal.run("crypto key generate rsa label L modulus 2048")
    assert "% Error in generating keys: the token was removed" in printed
    assert "[OK]" not in printed
    terminal.run("crypto key zeroize rsa K")
    assert "% Error in removing keys: the token was removed" in terminal.run("yes")
    assert labels(bench) == ["K"]


@pytest.mark.parametrize(
    ("storage", "line"),
    [
        ("software", " Storage Device: private-config"),
        ("token", " Storage Device: usbtoken0:"),
        ("tpm", " On Cryptographic Device: tpm (label=K, key index=0)"),
        ("tpm-stub", " On Cryptographic Device: tpm-stub (label=K, key index=0)"),
        ("enclave", " Storage Device: enclave"),
    ],
)
def test_a_listing_says_where_the_key_is(storage: str, line: str) -> None:
    """In the box's words; a place it has no word for is named as it is."""
    bench = RouterBench()
    bench.port.storage = storage
    terminal = configured(bench)
    terminal.run("crypto key generate rsa label K modulus 2048")
    assert line in terminal.run("do show crypto key mypubkey rsa").splitlines()


def test_automatic_enrollment_makes_its_key_first() -> None:
    """A trustpoint with auto-enroll and no key has one made, then sends its request, once."""
    bench = RouterBench()
    bench.port.keys_are_slow = True
    terminal = configured(bench)
    for line in (
        "ip domain name example.test", "crypto pki trustpoint LAB",
        "enrollment url http://ca.example.test", "rsakeypair K", "auto-enroll 70",
        "password secret-one", "exit", "crypto pki authenticate LAB",
    ):  # fmt: skip
        terminal.run(line)
    bench.port.ca_answers("LAB")
    terminal.run("yes")
    terminal.run("crypto pki trustpoint LAB")
    terminal.run("exit")  # looks again while the key is being made
    assert bench.port.challenges == []
    bench.port.key_comes()
    assert bench.port.challenges == ["secret-one"]
    assert "AUTOGEN: Generated new 2048 bit key pair" in "".join(bench.router.log_buffer)


def test_automatic_enrollment_without_a_key_is_logged() -> None:
    """The reason of the store is in the log; nothing is sent."""
    bench = RouterBench()
    bench.port.key_failure = "the token is full"
    terminal = configured(bench)
    for line in (
        "ip domain name example.test", "crypto pki trustpoint LAB",
        "enrollment url http://ca.example.test", "auto-enroll 70", "password x", "exit",
        "crypto pki authenticate LAB",
    ):  # fmt: skip
        terminal.run(line)
    bench.port.ca_answers("LAB")
    terminal.run("yes")
    assert bench.port.challenges == []
    assert "LAB cannot be used: the token is full" in "".join(bench.router.log_buffer)
