"""What the set-up installs is what the project declares."""

import ast
import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.source_tree import ROOT, modules_of_tests

OURS = ("base", "test", "check", "tpm-build", "tpm")
"""Installed into one environment."""
CLIENTS = ("main", "scrapli2026", "ansible", "parsers", "fakenos")
"""Installed into one environment each."""
FILES = (*OURS, *(f"clients/{name}" for name in CLIENTS))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _group(name: str) -> Iterator[str]:
    for entry in PROJECT["dependency-groups"][name]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from _group(entry["include-group"])


def _declared(file: str) -> list[str]:
    if file in {"base", "tpm"}:
        extra = PROJECT["project"]["optional-dependencies"].get(file, [])
        return [*PROJECT["project"]["dependencies"], *_group("build"), *extra]
    return list(_group(file.replace("/", "-")))


def _pins(file: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{file}.txt").read_text(encoding="utf-8")
    return {
        canonicalize_name(name): version
        for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", text, flags=re.MULTILINE)
    }


@pytest.mark.parametrize("file", FILES)
def test_pins_satisfy_the_declared_ranges(file: str) -> None:
    """A change of `pyproject.toml` without `make lock` is found here."""
    pins = _pins(file)
    for text in _declared(file):
        wanted = Requirement(text)
        pinned = pins.get(canonicalize_name(wanted.name))
        assert pinned is not None, f"{wanted.name} is not pinned in requirements/{file}.txt"
        assert wanted.specifier.contains(pinned), f"{text} but {pinned} is pinned"


@pytest.mark.parametrize("file", FILES)
def test_every_pin_has_hashes_and_no_origin(file: str) -> None:
    """Nothing is installed unchecked, and no file ties a user to one index."""
    text = (ROOT / "requirements" / f"{file}.txt").read_text(encoding="utf-8")
    for block in re.split(r"\n(?=\S)", text.strip()):
        if not block.startswith("#"):
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block
    assert "://" not in text


def test_shared_pins_agree() -> None:
    """The files can be installed together."""
    together: dict[str, set[str]] = {}
    for file in OURS:
        for name, version in _pins(file).items():
            together.setdefault(name, set()).add(version)
    assert {name: versions for name, versions in together.items() if len(versions) > 1} == {}


def test_what_a_source_distribution_is_built_with_is_pinned() -> None:
    """tpm2-pytss 3.0 asks for these; it is built without isolation, so nothing fetches them."""
    assert {"setuptools", "setuptools-scm", "pycparser", "pkgconfig", "cffi"} <= set(
        _pins("tpm-build")
    )


def _listed_packages() -> dict[str, str]:
    text = (ROOT / "scripts" / "debian-packages.txt").read_text(encoding="utf-8")
    rows = [line.split(maxsplit=2) for line in text.splitlines() if line and line[0] != "#"]
    assert all(len(row) == 3 and row[1] in {"run", "test"} for row in rows), "name, when, why"
    return {name: when for name, when, _ in rows}


def test_every_package_a_test_asks_for_is_installed_by_the_bootstrap() -> None:
    """`require_program(..., package=...)` names packages of `scripts/debian-packages.txt` only."""
    asked = {
        keyword.value.value
        for path in modules_of_tests()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "require_program"
        for keyword in node.keywords
        if keyword.arg == "package" and isinstance(keyword.value, ast.Constant)
    }
    assert asked <= set(_listed_packages())
