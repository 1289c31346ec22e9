"""Junos and PAN-OS under random typing: nothing breaks, nothing but text reaches the terminal."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sceplab_devices.profiles.candidate.device import CandidateDevice
from sceplab_devices.profiles.candidate.schema import each_path
from sceplab_devices.profiles.candidate.text import set_lines
from sceplab_devices.session import CONSOLE_LINE
from tests.support.console_typing import HAPPENINGS, no_failures
from tests.support.device_bench import DeviceBench, shared_profile

PROFILES = ["juniper-junos", "paloalto-panos"]
VALUES = {
    "name": "LAB", "text": "http://10.0.0.9/x", "ipv4": "10.0.0.1", "prefix": "10.0.0.0/8",
    "file": "x.pem", "url": "http://10.0.0.9/x",
}  # fmt: skip
ODD = ['"', '"a b', "|", "| match", "| match (", "set", "delete", "edit security", "up", "top", "?",
       "\t", " ", "\x03", "\x1a", "yes", "no", "y", "rollback 1", "run", "run show version", "exit",
       "show | compare | count", "show | display set", "configure", "commit", "cat > x << E",
       "start shell", "E", "set cli screen-length 3", "q", "set cli pager off"]  # fmt: skip
SCENES = {
    "juniper-junos": [
        "configure", "set security pki ca-profile LAB ca-identity LAB enrollment url http://10.0.0.9",
        "commit and-quit", "request security pki ca-certificate enroll ca-profile LAB",
        "@ca_answers", "yes", "request security pki generate-key-pair certificate-id LAB",
        "request security pki local-certificate enroll certificate-id LAB ca-profile LAB subject "
        "CN=x", "@ca_answers", "@ca_pends", "show security pki certificate-request detail",
        "@ca_grants", "show security pki local-certificate detail",
        "request security pki local-certificate re-enroll scep certificate-id LAB",
    ],
    "paloalto-panos": [
        "configure", "set shared scep LAB scep-url http://10.0.0.9 subject CN=x", "commit", "exit",
        "request certificate generate certificate-name LAB scep-profile LAB", "@ca_answers",
        "@ca_grants", "show sslmgr-store config-certificate-info",
        "request certificate renew certificate-name LAB", "@ca_rejects", "show log system",
    ],
}  # fmt: skip


def _platform(profile: str) -> CandidateDevice:
    device = DeviceBench(shared_profile(profile)).device
    assert isinstance(device, CandidateDevice)
    return device


def _typed(word: str) -> str:
    """A word of a path, a value where the path has a placeholder."""
    kind = word.strip("<>")
    if kind == word:
        return word
    return VALUES.get(kind) or kind.partition("-")[0]


def lines_of(profile: str) -> list[str]:
    """Each statement as it is set, and each command with all its options."""
    platform = _platform(profile).platform
    lines = [
        "set " + " ".join(_typed(word) for word in path) for path in each_path(platform.schema.root)
    ]
    for command in platform.table.commands:
        words = list(command.words)
        for node in (*command.positional, command.options):
            words += [_typed(word) for path in each_path(node) for word in path]
        lines.append(" ".join(words))
    return lines


LINES = {profile: lines_of(profile) for profile in PROFILES}


@st.composite
def session(draw: st.DrawFn, profile: str) -> list[str]:
    """What is typed and what happens meanwhile (``@`` first)."""
    line = st.sampled_from(LINES[profile])
    pieces = st.one_of(
        line.map(lambda text: [text]),
        st.tuples(line, st.integers(0, 40)).map(lambda cut: [cut[0][: cut[1]]]),
        st.sampled_from(ODD).map(lambda text: [text]),
        st.sampled_from(HAPPENINGS).map(lambda name: [f"@{name}"]),
        st.text(st.characters(max_codepoint=255), max_size=20).map(lambda text: [text]),
        st.just(SCENES[profile]),
    )
    return [text for piece in draw(st.lists(pieces, min_size=5, max_size=25)) for text in piece]


@pytest.mark.parametrize("profile", PROFILES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_typing_breaks_a_command(profile: str, data: st.DataObject) -> None:
    """Whatever is typed, no handler fails, the terminal gets plain text, and the box comes up."""
    lines = data.draw(session(profile))
    with no_failures():
        bench = DeviceBench(shared_profile(profile))
        terminal = bench.terminal(CONSOLE_LINE)
        for line in lines:
            if line.startswith("@"):
                for trustpoint in ("LAB", "certificate-id LAB", "certificate LAB"):
                    bench.port.happen(line[1:], trustpoint)
                terminal.later()
            else:
                terminal.type(line if line in "?\t\x03\x1a" else line + "\r")
        bench.restart()


@pytest.mark.parametrize("profile", PROFILES)
def test_every_statement_and_command_is_understood(profile: str) -> None:
    """Nothing of the tables ends in an error of the platform's reader, and nothing breaks."""
    with no_failures():
        for line in LINES[profile]:
            bench = DeviceBench(shared_profile(profile))
            terminal = bench.terminal()
            if line.startswith("set ") and not line.startswith("set cli"):
                terminal.type("configure\r")
            shown = terminal.type(line + "\r")
            assert "internal error" not in shown, line
            if line.startswith("set ") and not line.startswith("set cli"):
                assert "^" not in shown, line
                assert "Invalid syntax" not in shown, line


@pytest.mark.parametrize("profile", PROFILES)
def test_any_set_of_statements_survives_being_written(profile: str) -> None:
    """Statements in any order, written as set lines and read again, are the same configuration."""
    device = _platform(profile)
    platform = device.platform
    statements = [line for line in LINES[profile] if line.startswith("set ") and "cli" not in line]
    shuffler = random.Random(4)
    for _ in range(20):
        chosen = shuffler.sample(statements, 30)
        tree = device.read_lines(chosen)
        written = set_lines(tree, platform.schema.root, platform.style)
        assert device.read_lines(written) == tree
