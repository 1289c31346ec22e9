"""The contract suite itself: an honest outsider passes it, every flaw is caught by its test."""

from __future__ import annotations

import pytest

from sceplab_hsm.contract import KeyStoreContract
from tests.support.flawed_stores import FLAWS, PIN, PlainStore

PLAIN = ("-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:randomly")
SUITE = """
from sceplab_hsm.contract import KeyStoreContract
from tests.support.flawed_stores import {name}


class TestIt(KeyStoreContract):
    passphrase = {pin!r}

    @classmethod
    def open_store(cls, place):
        return {name}(place)

    @classmethod
    def open_store_with(cls, place, secret):
        return {name}(place, secret)
"""


def run_suite(pytester: pytest.Pytester, store: type[PlainStore], *options: str) -> dict[str, int]:
    """Runs the suite as an outsider would, in this process; gives the outcomes."""
    pytester.makepyfile(test_it=SUITE.format(name=store.__name__, pin=PIN))
    result = pytester.runpytest_inprocess(*PLAIN, *options)
    return result.parseoutcomes()


def test_an_honest_store_passes(pytester: pytest.Pytester) -> None:
    """A small store written without ours passes every test, none skipped."""
    outcomes = run_suite(pytester, PlainStore)
    assert set(outcomes) == {"passed"}
    assert outcomes["passed"] > 50


@pytest.mark.parametrize("store", FLAWS, ids=lambda item: item.__name__)
def test_every_flaw_is_caught(pytester: pytest.Pytester, store: type[PlainStore]) -> None:
    """The test that is meant for a flaw fails on it."""
    outcomes = run_suite(pytester, store, "-k", FLAWS[store])
    assert outcomes.get("failed", 0) >= 1
    assert "errors" not in outcomes, "the suite broke instead of failing"


def test_every_rule_has_its_flaw() -> None:
    """The flaws name tests that exist."""
    for tests in FLAWS.values():
        for name in tests.split(" or "):
            assert callable(getattr(KeyStoreContract, name))


def test_a_suite_without_a_store_says_what_is_missing(pytester: pytest.Pytester) -> None:
    """Forgetting ``open_store`` is an error that names it."""
    pytester.makepyfile(
        test_it="from sceplab_hsm.contract import KeyStoreContract\n"
        "class TestIt(KeyStoreContract): pass\n"
    )
    result = pytester.runpytest_inprocess(*PLAIN)
    result.stdout.fnmatch_lines(["*TypeError: TestIt must override open_store*"])
