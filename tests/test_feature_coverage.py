"""The coverage table says what the tests say."""

import pytest

from tests.support.coverage_table import render_table, render_tests
from tests.support.covers import CLAIMS, ROWS_FILE, TABLE_FILE, load_row_groups


def _is_whole_suite(config: pytest.Config) -> bool:
    whole = {config.rootpath, config.rootpath / "tests"}
    asked = {(config.invocation_params.dir / name).resolve() for name in config.args}
    return asked <= whole and not config.getoption("lf") and not config.getoption("ignore")


def test_coverage_table_is_fresh(pytestconfig: pytest.Config) -> None:
    """All tests: the table is equal byte for byte. A narrower run: it names what was collected."""
    table = TABLE_FILE.read_text(encoding="utf-8")
    claims = pytestconfig.stash[CLAIMS]
    hint = "stale table; run: make coverage-table"
    if _is_whole_suite(pytestconfig):
        is_fresh = table == render_table(load_row_groups(), claims)
        assert is_fresh, hint
    cells = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines()}
    for row, tests in claims.items():
        for test in tests:
            file, _, name = render_tests({test}).partition(": ")
            assert file in cells[row], f"{row} does not name {test}: {hint}"
            assert name in cells[row], f"{row} does not name {test}: {hint}"


@pytest.fixture
def own_project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A throw-away project that can load the plugin under test."""
    monkeypatch.setenv("PYTHONPATH", str(ROWS_FILE.parents[1]))
    pytester.makeini("[pytest]\nmarkers = covers(*rows): rows")
    return pytester


def test_unknown_row_ends_the_collection(own_project: pytest.Pytester) -> None:
    """A mark that names no row of the table stops the run before any test."""
    own_project.makepyfile("""
        import pytest

        @pytest.mark.covers("A1", "Z99")
        def test_something():
            pass
    """)
    result = own_project.runpytest_subprocess("-p", "tests.support.covers")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_something: 'Z99' is no row of feature-rows.toml"])


def test_deselected_tests_still_count(own_project: pytest.Pytester) -> None:
    """Claims are taken before `-m` and `-k` drop tests."""
    own_project.makepyfile("""
        import pytest
        from tests.support.covers import CLAIMS

        @pytest.mark.covers("A1")
        def test_left_out():
            pass

        def test_sees_it(pytestconfig):
            assert set(pytestconfig.stash[CLAIMS]) == {"A1"}
    """)
    result = own_project.runpytest_subprocess("-p", "tests.support.covers", "-k", "sees_it")
    result.assert_outcomes(passed=1, deselected=1)


def test_broken_test_file_leaves_the_table_alone(own_project: pytest.Pytester) -> None:
    """Half a collection never becomes a table, and the run fails."""
    before = TABLE_FILE.read_bytes()
    own_project.makepyfile("import no_such_module")
    result = own_project.runpytest_subprocess(
        "-p", "tests.support.covers", "--collect-only", "--coverage-table=write"
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert TABLE_FILE.read_bytes() == before
