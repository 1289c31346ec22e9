"""Nothing is left over in a profile: every text is said, every handler is named."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import sceplab_devices
from sceplab_devices import builtin
from sceplab_devices.profile import DeviceProfile
from sceplab_devices.profile_data import read_defaults
from sceplab_devices.profiles.candidate.language import HANDLER as LANGUAGE_HANDLER
from tests.support.device_bench import shared_profile

PACKAGE = Path(sceplab_devices.__file__).parent
PROFILES = {
    "cisco-ios": "cisco_ios",
    "cisco-asa": "cisco_asa",
    "cisco-nxos": "cisco_nxos",
    "fortinet-fortios": "fortinet_fortios",
    "juniper-junos": "juniper_junos",
    "paloalto-panos": "paloalto_panos",
}


def _words(folder: Path) -> Iterator[str]:
    """Every string of a folder's code, and every ``{`` of an f-string as ``*``."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                pieces = [piece.value if isinstance(piece, ast.Constant) else "*"
                          for piece in node.values]  # fmt: skip
                yield "".join(str(piece) for piece in pieces)


def _own_texts(profile: DeviceProfile) -> set[str]:
    defaults = read_defaults()["texts"]
    common = {f"{group}.{key}" for group, texts in defaults.items() for key in texts}
    return {key for key in profile._texts if key not in common}


def _is_said(key: str, words: set[str], patterns: list[re.Pattern[str]]) -> bool:
    """Its key stands whole somewhere, or f-strings make it of parts that stand somewhere."""
    if key in words:
        return True
    matches = (pattern.fullmatch(key) for pattern in patterns)
    return any(
        all(_is_said(part, words, patterns) for part in found.groups())
        for found in matches
        if found
    )


@pytest.mark.parametrize("name", PROFILES)
def test_every_text_is_said(name: str) -> None:
    """Each text of the data is named by code or data."""
    profile = shared_profile(name)
    words = set(_words(PACKAGE))
    for path in (PACKAGE / "profiles" / PROFILES[name]).rglob("*.toml"):
        words.update(
            re.findall(r"[\w.-]+", path.read_text(encoding="utf-8").partition("[texts")[0])
        )
    patterns = [
        re.compile(re.escape(word).replace(r"\*", "(.+)"))
        for word in words
        if re.fullmatch(r"[a-z_.]+[._]\*(\.\*)?", word)
    ]
    left = {key for key in _own_texts(profile) if not _is_said(key, words, patterns)}
    assert left == set()


@pytest.mark.parametrize("name", PROFILES)
def test_every_handler_is_named(name: str) -> None:
    """Each handler of a profile's own carries out a command, opens a line or ends a mode."""
    profile = shared_profile(name)
    folder = PACKAGE / "profiles" / PROFILES[name]
    data = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.toml"))
    named = {*re.findall(r'"(\w+)"', data), LANGUAGE_HANDLER}
    own = set(profile.handlers) - set(builtin.HANDLERS) | set(profile.leave_handlers)
    assert own - named == set()
