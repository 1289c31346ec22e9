"""The documents hang together."""

import re
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT, text_files

PAGES = sorted(path for path, _ in text_files() if path.suffix == ".md")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link of a page names a file of the project."""
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_decision_is_in_the_index() -> None:
    """A reader of the index misses no ADR."""
    folder = ROOT / "docs" / "adr"
    linked = set(LINK.findall((folder / "README.md").read_text(encoding="utf-8")))
    assert {path.name for path in folder.glob("[0-9]*.md")} <= linked


def test_every_source_folder_has_its_page() -> None:
    """The map of folders in the README leads to a page for each."""
    for folder in ("agent", "devices", "hsm", "simulations", "tests"):
        assert (ROOT / folder / "README.md").exists()
        assert f"({folder}/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
