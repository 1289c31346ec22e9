"""The query of ``fault+`` URIs: what is understood, and what is said of the rest."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_hsm.errors import StoreUriError
from sceplab_hsm.fault_spec import (
    EVERY_CALL,
    Fault,
    FaultKind,
    FaultUri,
    Operation,
    wrapped_uri,
)

KINDS = [kind for kind in FaultKind if kind not in (FaultKind.SLOW, FaultKind.LOCKOUT)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda item: item.value)
@pytest.mark.parametrize("operation", Operation, ids=lambda item: item.value)
def test_every_kind_goes_with_every_operation(kind: FaultKind, operation: Operation) -> None:
    """Without a number every call is meant."""
    text = f"{kind.value}:{operation.value}"
    fault = Fault.parse(text)
    assert (fault.kind, fault.operation, fault.text) == (kind, operation, text)
    assert (fault.first, fault.count, fault.one_in) == (1, EVERY_CALL, 0)


@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("busy:sign:3", (3, 1, 0)),
        ("busy:sign:3:2", (3, 2, 0)),
        ("busy:sign:3:*", (3, EVERY_CALL, 0)),
        ("busy:sign:1/10", (1, 1, 10)),
        ("removed:sign:3", (3, EVERY_CALL, 0)),
        ("removed:sign:3:4", (3, 4, 0)),
    ],
)
def test_calls_are_chosen(text: str, which: tuple[int, int, int]) -> None:
    """Number, count and chance; what is removed stays away unless a count is given."""
    fault = Fault.parse(text)
    assert (fault.first, fault.count, fault.one_in) == which


def test_values_are_read() -> None:
    """Seconds of slowness, tries before a lockout."""
    assert Fault.parse("slow=0.25:any").value == 0.25
    lockout = Fault.parse("lockout=3")
    assert (lockout.value, lockout.operation) == (3, Operation.OPEN)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "kind '' is unknown"),
        ("bussy:sign", "did you mean 'busy'"),
        ("busy:sing", "did you mean 'sign'"),
        ("busy:sign:0", "call '0' is not a number from 1"),
        ("busy:sign:third", "call 'third' is not a number"),
        ("busy:sign:\u0663", "is not a number"),
        ("busy:sign:1:0", "count '0' is not a number"),
        ("busy:sign:1:2:3", "more parts than KIND:OPERATION:WHICH:COUNT"),
        ("busy:sign:1/10:2", "a chance takes no count"),
        ("busy:sign:1/0", "is not a number"),
        ("busy", "names no operation; write for example busy:sign"),
        ("busy=1:sign", "drop it"),
        ("slow:sign", "write slow=SECONDS"),
        ("slow=fast:sign", "seconds 'fast' are not a number"),
        ("slow=-1:sign", "seconds '-1'"),
        ("slow=1e9:sign", "seconds '1e9'"),
        ("lockout", "write lockout=TRIES"),
        ("lockout=0", "tries '0'"),
        ("lockout=3:sign", "write lockout=TRIES alone"),
    ],
)
def test_wrong_faults_say_what_is_wrong(text: str, reason: str) -> None:
    """Each mistake has its own text, with the fault as written."""
    with pytest.raises(StoreUriError) as caught:
        Fault.parse(text)
    assert reason in str(caught.value)
    assert repr(text) in str(caught.value)


def test_the_inner_uri_keeps_what_is_its_own() -> None:
    """Options of the inner store stay in their order; faults are taken out."""
    parsed = FaultUri.parse(
        "fault+soft:/keys?fault=busy:sign:1&kdf=lab&fault-seed=7&fault=full:generate"
        "&fault-state=/tmp/a%20b"
    )
    assert parsed.inner == "soft:/keys?kdf=lab"
    assert [fault.text for fault in parsed.faults] == ["busy:sign:1", "full:generate"]
    assert (parsed.seed, parsed.state_path) == (7, "/tmp/a b")
    assert FaultUri.parse("FAULT+soft:/keys").inner == "soft:/keys"
    pkcs11 = FaultUri.parse("fault+pkcs11:token=lab?module-name=softhsm2&fault=busy:any")
    assert pkcs11.inner == "pkcs11:token=lab?module-name=softhsm2"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("faults=busy:sign", "did you mean 'fault'"),
        ("fault-sead=1", "did you mean 'fault-seed'"),
        ("fault", "option 'fault' has no value"),
        ("fault=", "option 'fault' has no value"),
        ("fault-seed=x", "fault-seed is a number"),
        ("fault-seed=1&fault-seed=2", "stands twice"),
        ("fault-state=a%0Ab", "path of a file"),
        ("fault=busy:sign%3A", "call '' is not a number"),
    ],
)
def test_wrong_options_say_what_is_wrong(query: str, reason: str) -> None:
    """An option that begins with ``fault`` is ours, so a slip does not go to the inner store."""
    with pytest.raises(StoreUriError) as caught:
        FaultUri.parse(f"fault+soft:/keys?pin-value=1234&{query}")
    assert reason in str(caught.value)
    assert "1234" not in str(caught.value)


def test_the_prefix_stands_once() -> None:
    """Faults of faults are refused, and a URI without the prefix is none of ours."""
    with pytest.raises(StoreUriError, match="stands twice"):
        FaultUri.parse("fault+fault+soft:/keys")
    with pytest.raises(StoreUriError, match=r"fault\+SCHEME"):
        FaultUri.parse("soft:/keys")


@pytest.mark.parametrize(
    ("inner", "uri", "wrapped"),
    [
        ("soft:/k", "fault+soft:/k", "fault+soft:/k"),
        ("soft:/k", "fault+soft:/k?fault=busy:any", "fault+soft:/k?fault=busy:any"),
        (
            "soft:/k?kdf=lab",
            "fault+soft:/k?fault=busy:any&kdf=lab&fault-seed=3",
            "fault+soft:/k?kdf=lab&fault=busy:any&fault-seed=3",
        ),
    ],
)
def test_wrapped_uris_open_the_same(inner: str, uri: str, wrapped: str) -> None:
    """The URI of the wrapped store says the same as the one it was opened with."""
    assert wrapped_uri(inner, uri) == wrapped
    assert FaultUri.parse(wrapped) == FaultUri.parse(uri)


@pytest.mark.fuzz
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(
                ["busy", "slow", "=", ":", "sign", "any", "1", "*", "1/3", "lockout", "0.5", "-"]
            ),
            max_size=9,
        ).map("".join),
    )
)
def test_any_text_is_a_fault_or_refused(text: str) -> None:
    """Nothing but ``StoreUriError`` is raised, for a fault and for a whole query."""
    with contextlib.suppress(StoreUriError):
        assert Fault.parse(text).text == text
    for query in (text, f"fault={text}"):
        with contextlib.suppress(StoreUriError):
            FaultUri.parse(f"fault+soft:/keys?{query}")
