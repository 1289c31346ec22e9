"""Output filters: how they are typed and what they leave."""

import pytest

from sceplab_devices.errors import ProfileError
from sceplab_devices.filters import MAKERS, Filter, FilterFailure, FilterSet, matching, plain
from sceplab_devices.filters import exclude as excluding
from sceplab_devices.filters import include as including
from sceplab_devices.grammar import Token
from sceplab_devices.profile import DeviceProfile
from tests.support.consoles import Terminal
from tests.support.sample_profile import create_profile

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


SOME = Terminal(create_profile())
ALL = FilterSet(MAKERS)


def parse(spec: str, filters: FilterSet = ALL, *, column: int = 0) -> Filter | FilterFailure:
    """What the text behind ``|`` means."""
    return filters.parse(Token(spec, column), SOME.device, SOME.console.session)


def filtered(spec: str, filters: FilterSet = ALL) -> list[str]:
    """What a filter leaves of the configuration."""
    chosen = parse(spec, filters)
    assert isinstance(chosen, Filter), chosen
    return chosen.apply(list(CONFIG))


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
        ("section exclude", []),
        ("last 2", CONFIG[-2:]),
        ("last", CONFIG[-10:]),
        ("last 0", []),
        ("no-more", CONFIG),
        ("redirect flash:x", ["%Error opening flash:x (No such device)"]),
        ("append flash:x", ["%Error opening flash:x (No such device)"]),
        ("tee flash:x", [*CONFIG, "%Error opening flash:x (No such device)"]),
        ("tee /append flash:x", [*CONFIG, "%Error opening flash:x (No such device)"]),
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
        ("section include (", "regex", 16),
        ("last x", "invalid", 5),
        ("no-more x", "invalid", 8),
        ("tee", "incomplete", 3),
        ("tee /append", "incomplete", 11),
        ("redirect a b", "invalid", 9),
    ],
)
def test_what_is_not_understood(spec: str, kind: str, offset: int) -> None:
    """Kind of error and its column in the line, whose filter starts at column 30."""
    expected = FilterFailure(kind, 30 + offset)  # type: ignore[arg-type]
    assert parse(spec, column=30) == expected


def test_a_platform_has_the_filters_it_names() -> None:
    """An abbreviation is ambiguous only among those."""
    both = FilterSet({"exclude": matching(excluding), "extra": matching(including)})
    assert parse("e x", both) == FilterFailure("ambiguous", 0)
    assert isinstance(parse("e x", FilterSet({"exclude": matching(excluding)})), Filter)
    assert parse("begin x", both) == FilterFailure("invalid", 0)


def test_an_unknown_filter_in_data() -> None:
    """The data is wrong, not the operator."""
    data = {
        "profile": {"name": "p"},
        "shell": {"filters": ["inclde"]},
        "modes": {"exec": {"prompt": ">"}},
    }
    with pytest.raises(ProfileError, match="did you mean 'include'"):
        DeviceProfile(data)


JUNOS_LIKE = FilterSet(
    {
        "match": matching(including, delimiters=False, ignore_case=True, quoted=True),
        "except": matching(excluding, delimiters=False, ignore_case=True, quoted=True),
        "count": plain(lambda lines: [f"Count: {len(lines)} lines"]),
        "no-more": MAKERS["no-more"],
    },
    chained=True,
)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("match CRYPTO | except chain | count", ["Count: 2 lines"]),
        ("match crypto|count", ["Count: 3 lines"]),
        ('match "trustpoint|chain" | match A$', [CONFIG[2], CONFIG[7]]),
        ("match _", []),
        ("no-more", CONFIG),
    ],
)
def test_filters_of_other_platforms_in_a_chain(spec: str, expected: list[str]) -> None:
    """Cut at each bar outside of quotes; patterns know no delimiters and no case."""
    assert filtered(spec, JUNOS_LIKE) == expected


def test_errors_in_a_chain_have_their_column() -> None:
    """Also of the second filter."""
    assert parse("match x | frob", JUNOS_LIKE, column=20) == FilterFailure("invalid", 30)
    assert parse("match x |", JUNOS_LIKE, column=20) == FilterFailure("incomplete", 29)


def test_no_more_turns_paging_off_for_a_whole_chain() -> None:
    """Wherever it stands."""
    for spec in ("no-more", "match x | no-more", "no-more | count"):
        chosen = parse(spec, JUNOS_LIKE)
        assert isinstance(chosen, Filter)
        assert not chosen.pages
