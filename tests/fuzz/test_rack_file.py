"""Rack files and ready objects of any content: refused with a text, never more."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_lab.inventory import read_running
from sceplab_lab.rack import read_rack
from sceplab_lab.rack_errors import RackError

pytestmark = pytest.mark.fuzz

WORDS = [
    "devices", "defaults", "server", "state", "name", "count", "lines", "options", "users", "keys",
    "profile", "r{1..3}", "r1", "cisco-ios", "tcp:127.0.0.1:0", "tcp:127.0.0.1:65535", "env:X",
    "{n}", "no", "0123", "12:30", "2026-01-01", "1.5", "~", "<<", "&a", "*a", "!!str", "!!binary",
    "'", '"', "|", ">", "#", ":", ": ", "- ", "? ", "[", "]", "{", "}", ",", "\n", "\n  ", "\n- ",
    "%YAML 1.1", "---", "...", "\t", "\x00", "\u2028", "é",
]  # fmt: skip


@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS)).map("".join)))
def test_any_text_is_a_rack_or_an_error(text: str) -> None:
    """The only exception is the one with a place and a reason."""
    with contextlib.suppress(RackError):
        read_rack(text, Path("rack.yaml"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(WORDS[:12]), inner),
    )
)
def test_any_tree_is_a_rack_or_an_error(tree: object) -> None:
    """Values of every type in every place."""
    import json

    with contextlib.suppress(RackError):
        read_rack(json.dumps({"devices": [tree], "defaults": tree, "server": tree}), Path("r"))


@given(st.text(max_size=100) | st.sampled_from(['{"devices": [{}]}', '{"devices": 1}', "[[]]"]))
def test_any_ready_object_is_read_or_an_error(text: str) -> None:
    """What was printed by something else is told so."""
    with contextlib.suppress(RackError):
        read_running(text)
