"""Pytest plugin: which tests observe which feature rows and protocol rules.

``@pytest.mark.covers("B8", "S-45")`` claims rows of ``docs/feature-rows.toml``. A claim of an
unknown row ends the run at collection. The claims of all collected tests, also of tests that are
deselected afterwards, are kept in the configuration's stash under ``CLAIMS``.

``pytest --collect-only --coverage-table=write`` writes ``docs/feature-coverage.md``, ``=check``
compares it.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROWS_FILE = Path(__file__).parents[2] / "docs" / "feature-rows.toml"
TABLE_FILE = ROWS_FILE.with_name("feature-coverage.md")

Claims = dict[str, set[str]]
"""Row id to the tests that claim it, as node ids without parameters."""

CLAIMS = pytest.StashKey[Claims]()


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One chapter of the table."""

    title: str
    rows: dict[str, str]
    """Row id to what the row asks for, in the order of the file."""


def load_row_groups() -> list[RowGroup]:
    """All rows that can be claimed, chapter by chapter."""
    data = tomllib.loads(ROWS_FILE.read_text(encoding="utf-8"))
    return [RowGroup(title=group["title"], rows=group["rows"]) for group in data["group"]]


def known_row_ids() -> set[str]:
    """The id of every row."""
    return {row for group in load_row_groups() for row in group.rows}


def collect_claims(items: Iterable[pytest.Item]) -> Claims:
    """What the given tests claim.

    Raises:
        pytest.UsageError: a mark names an unknown row, or none.
    """
    known = known_row_ids()
    claims: Claims = {}
    mistakes = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        for mark in item.iter_markers("covers"):
            if not mark.args:
                mistakes.add(f"{test}: covers() without a row")
            for row in mark.args:
                if row in known:
                    claims.setdefault(row, set()).add(test)
                else:
                    mistakes.add(f"{test}: {row!r} is no row of {ROWS_FILE.name}")
    if mistakes:
        raise pytest.UsageError("wrong covers marks:\n  " + "\n  ".join(sorted(mistakes)))
    return claims


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that ``make coverage-table`` and ``make check`` use."""
    parser.addoption(
        "--coverage-table",
        choices=["write", "check"],
        help="write or check docs/feature-coverage.md from the collected tests",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the claims before any deselection."""
    config.stash[CLAIMS] = collect_claims(items)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Write or check the table when asked and end the run there; exit code 1: it is stale."""
    action = session.config.getoption("coverage_table")
    if action is None or session.testsfailed or CLAIMS not in session.config.stash:
        return
    # Not at the head of the module: the renderer needs this plugin's types.
    from tests.support.coverage_table import render_table

    claims = session.config.stash[CLAIMS]
    wanted = render_table(load_row_groups(), claims)
    if action == "write":
        TABLE_FILE.write_text(wanted, encoding="utf-8")
    elif not TABLE_FILE.exists() or TABLE_FILE.read_text(encoding="utf-8") != wanted:
        pytest.exit(f"{TABLE_FILE.name} is stale; run: make coverage-table", returncode=1)
    pytest.exit(f"{TABLE_FILE.name}: {len(claims)} rows have a test", returncode=0)
