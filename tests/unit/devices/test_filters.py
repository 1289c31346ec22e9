"""Output filters: how they are typed and what they leave."""

import pytest

from sceplab_devices.filters import VERBS, FilterFailure, parse_filter
from sceplab_devices.grammar import Token

CONFIG = [
    "hostname R1",
    "!",
    "crypto pki trustpoint A",
    " enrollment url http://ca",
    "  deep line",
    " revocation-check none",
    "!",
    "crypto pki certificate chain A",
    " certificate ca 01",
    "line con 0",
    " crypto nothing",
    "end",
]


def filtered(spec: str) -> list[str]:
    """What a filter leaves of the configuration."""
    chosen = parse_filter(Token(spec, 0), VERBS)
    assert not isinstance(chosen, FilterFailure), chosen
    return chosen(list(CONFIG))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("include ^ +enr", [" enrollment url http://ca"]),
        ("i ^crypto.*A$", ["crypto pki trustpoint A", "crypto pki certificate chain A"]),
        ("exclude ^[ !]|crypto|e", []),
        ("begin line con", ["line con 0", " crypto nothing", "end"]),
        ("begin nothing here", []),
        ("count ^crypto", ["Number of lines which match regexp = 2"]),
        ("section trustpoint", CONFIG[2:6]),
        ("section include line", ["  deep line", *CONFIG[9:11]]),
        ("section exclude crypto", ["hostname R1", "!", "!", "line con 0", "end"]),
        ("redirect flash:x", []),
        ("append flash:x", []),
        ("tee flash:x", CONFIG),
        ("include  two blanks", []),
    ],
)
def test_what_each_filter_leaves(spec: str, expected: list[str]) -> None:
    """Abbreviated or not."""
    assert filtered(spec) == expected


@pytest.mark.parametrize(
    ("spec", "kind", "offset"),
    [
        ("", "incomplete", 0),
        ("include", "incomplete", 7),
        ("section", "incomplete", 7),
        ("frobnicate x", "invalid", 0),
        ("include (", "regex", 8),
        ("include " + "a" * 500, "regex", 8),
    ],
)
def test_what_is_not_understood(spec: str, kind: str, offset: int) -> None:
    """Kind of error and its column in the line, whose filter starts at column 30."""
    expected = FilterFailure(kind, 30 + offset)  # type: ignore[arg-type]
    assert parse_filter(Token(spec, 30), VERBS) == expected


def test_a_platform_has_the_filters_it_names() -> None:
    """An abbreviation is ambiguous only among those."""
    assert parse_filter(Token("e x", 0), ["exclude", "extra"]) == FilterFailure("ambiguous", 0)
    assert not isinstance(parse_filter(Token("e x", 0), ["exclude"]), FilterFailure)
    assert isinstance(parse_filter(Token("begin x", 0), ["include"]), FilterFailure)
