"""Renders ``docs/feature-coverage.md``: each row and the tests that observe it."""

from itertools import groupby

from tests.support.covers import Claims, RowGroup

_HEAD = """\
# Feature coverage

Written by `make coverage-table` from the `covers` marks of the tests; a stale table fails them.
The rows stand in [feature-rows.toml](feature-rows.toml). A test is named here only if it observes
what the row asks for.
"""


def _split(test: str) -> tuple[str, str]:
    file, _, name = test.partition("::")
    return file.removeprefix("tests/"), name


def render_tests(tests: set[str]) -> str:
    """One table cell: the tests, file by file."""
    if not tests:
        return "no test yet"
    files = groupby(sorted(map(_split, tests)), key=lambda test: test[0])
    return "<br>".join(f"`{file}`: {', '.join(name for _, name in names)}" for file, names in files)


def _count(group: RowGroup, claims: Claims) -> int:
    return sum(1 for row in group.rows if claims.get(row))


def render_table(groups: list[RowGroup], claims: Claims) -> str:
    """The whole document."""
    rows = sum(len(group.rows) for group in groups)
    covered = sum(_count(group, claims) for group in groups)
    lines = [_HEAD, f"**{covered} of {rows} rows have a test.**", ""]
    lines += ["| chapter | rows | with a test |", "| --- | --- | --- |"]
    lines += [f"| {g.title} | {len(g.rows)} | {_count(g, claims)} |" for g in groups]
    for group in groups:
        lines += [
            "",
            f"## {group.title}",
            "",
            "| id | what it asks for | tests |",
            "| --- | --- | --- |",
        ]
        lines += [
            f"| {row} | {text} | {render_tests(claims.get(row, set()))} |"
            for row, text in group.rows.items()
        ]
    return "\n".join(lines) + "\n"
