"""Damaged certificates and keys that somebody pastes into a FortiGate."""

from __future__ import annotations

import logging
from base64 import b64encode

from hypothesis import given, settings
from hypothesis import strategies as st

from sceplab_devices.profiles.fortinet_fortios import hidden
from tests.support.fortigate import FortiBench


def _pem(label: str, der: bytes) -> str:
    return f"-----BEGIN {label}-----\n{b64encode(der).decode()}\n-----END {label}-----"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    st.sampled_from(["ca", "remote", "local"]),
    st.sampled_from(["", "PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"]),
)
def test_damaged_pem_is_taken_or_refused(
    changes: list[tuple[int, int]], table: str, key_label: str
) -> None:
    """Nothing breaks: what is kept can be listed, verified and saved."""
    bench = FortiBench()
    der = bytearray(bench.port.authority)
    for place, value in changes:
        der[place % len(der)] = value
    failures: list[logging.LogRecord] = []
    watcher = logging.Handler(logging.ERROR)
    watcher.emit = failures.append  # type: ignore[method-assign]
    logger = logging.getLogger("sceplab_devices")
    logger.addHandler(watcher)
    try:
        terminal = bench.operator()
        terminal.run(f"config vpn certificate {table}")
        terminal.run("edit A")
        attribute = "certificate" if table == "local" else table
        if key_label and table == "local":
            terminal.run(f'set private-key "{_pem(key_label, bytes(der[:200]))}"')
        terminal.run(f'set {attribute} "{_pem("CERTIFICATE", bytes(der))}"')
        terminal.run("end")
        terminal.run("abort")
        bench.enroll(terminal)
        terminal.run("execute vpn certificate local verify VPN")
        for line in ("get vpn certificate ca details", "show", "get vpn certificate local det"):
            terminal.run(line)
        bench.restart()
    finally:
        logger.removeHandler(watcher)
    assert [record.getMessage() for record in failures] == []


@given(st.text())
def test_hidden_texts(secret: str) -> None:
    """A hidden secret comes back; any other text gives something or nothing, never an error."""
    assert hidden.reveal(hidden.hide(secret)) == secret
    hidden.reveal(secret)
    hidden.matches_login(secret, "x")
    hidden.matches_login("PB2" + secret, "x")
