"""Where a challenge password stays in a device, and where it never shows."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from sceplab_scep.csr import read_csr
from tests.support.lab_port import PortBench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[PortBench]:
    """A device and an NDES that issues at once."""
    made = PortBench(tmp_path)
    yield made
    made.close()


def holds(root: object, text: str, *, without: tuple[object, ...]) -> bool:
    """Whether the text can be reached from an object, other ways than through modules."""
    seen = {id(one) for one in without}
    waiting: list[Any] = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, ModuleType | type):
            continue
        seen.add(id(one))
        if isinstance(one, str) and text in one:
            return True
        if isinstance(one, bytes | bytearray) and text.encode() in one:
            return True
        if isinstance(one, FunctionType):
            waiting.extend(one.__closure__ or ())
        else:
            waiting.extend(gc.get_referents(one))
    return False


def remembers(bench: PortBench, text: str) -> bool:
    """Whether the device's engine still has the text in its memory."""
    return holds(bench.port, text, without=(bench.transport, bench.heard, bench.store, bench.clock))


def test_a_typed_password_goes_with_its_enrollment(
    bench: PortBench, caplog: pytest.LogCaptureFixture
) -> None:
    """The console says it will not be saved: after the certificate nothing in the device has it."""
    bench.authenticate()
    password = bench.password()
    with caplog.at_level(logging.DEBUG):
        bench.port.enroll("LAB", challenge=password)
    assert bench.view.state == "INSTALLED"
    assert not remembers(bench, password)
    request = next(event for event in bench.heard if event.csr_der)
    assert request.csr_der is not None
    assert read_csr(request.csr_der).challenge is not None
    assert password not in caplog.text + repr(bench.heard) + repr(bench.view)
    bench.port.close()
    kept = [path for path in bench.folder.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if password.encode() in path.read_bytes()]


def test_a_pending_request_keeps_its_password_to_black_it_out(tmp_path: Path) -> None:
    """While the transaction is open the server may repeat the password; at its end it goes."""
    bench = PortBench(tmp_path, settings={"template": {"approval": "manual"}})
    bench.authenticate()
    password = bench.password()
    bench.port.enroll("LAB", challenge=password)
    assert bench.view.state == "PENDING"
    assert bench.view.pending_csr_der is not None
    assert remembers(bench, password)
    assert password not in repr(bench.view) + repr(bench.port._trustpoints["LAB"].notebook)
    bench.port.cancel("LAB")
    assert not remembers(bench, password)
    bench.close()


@pytest.mark.parametrize("ends", ["rejected", "unreachable", "removed", "broken"])
def test_every_end_of_an_enrollment_takes_the_password_along(bench: PortBench, ends: str) -> None:
    """A refusal, a failure, a removal or a breakdown leave no password behind."""
    bench.authenticate()
    password = "0123456789ABCDEF"
    if ends == "unreachable":
        bench.server.close()
        bench.port.configure(bench.trustpoint(url="ftp://ndes.example.test/"))
    elif ends == "removed":
        bench.transport.failures = [RuntimeError()]
    elif ends == "broken":
        bench.transport.failing = "GetCACaps"
        bench.transport.failures = [RuntimeError(password)] * 3
        bench.port._trustpoints["LAB"].journal.close()
    bench.port.enroll("LAB", challenge=password)
    if ends == "removed":
        bench.port.remove("LAB")
    assert not remembers(bench, password)


def test_a_configured_password_is_used_again(tmp_path: Path) -> None:
    """The configuration keeps ``password``: a CA without Renewal gets it with each request."""
    bench = PortBench(
        tmp_path,
        profile="compat",
        settings={
            "capabilities": {"keywords": ["AES", "POSTPKIOperation", "SHA-256"]},
            "challenge": {"mode": "none"},
        },
    )
    password = "ConfiguredPassword1"
    settings = bench.trustpoint(challenge=password, new_key_on_renewal=True)
    assert password not in repr(settings)
    bench.port.configure(settings)
    bench.port.authenticate("LAB")
    bench.port.enroll("LAB", challenge="")
    bench.port.renew("LAB")
    requests = [event.csr_der for event in bench.heard if event.csr_der]
    assert len(requests) == 2
    assert [read_csr(request).challenge for request in requests] == [password] * 2
    bench.close()


def test_a_typed_password_is_not_used_again(tmp_path: Path) -> None:
    """It was for one enrollment: the renewal that a CA without Renewal gets has none."""
    bench = PortBench(
        tmp_path,
        profile="compat",
        settings={"capabilities": {"keywords": ["AES", "POSTPKIOperation", "SHA-256"]}},
    )
    bench.authenticate(new_key_on_renewal=True)
    bench.enroll()
    assert bench.view.state == "INSTALLED"
    bench.port.renew("LAB")
    first, second = [event.csr_der for event in bench.heard if event.csr_der]
    assert first is not None
    assert second is not None
    assert read_csr(first).challenge
    assert not read_csr(second).challenge
    bench.close()
