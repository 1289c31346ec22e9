"""The project's own files, for tests about the source itself."""

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE_ROOTS = ("agent", "devices", "hsm", "simulations")


def source_environment() -> dict[str, str]:
    """Environment in which a child process finds the packages, installed or not."""
    roots = os.pathsep.join(str(ROOT / name) for name in SOURCE_ROOTS)
    return {**os.environ, "PYTHONPATH": roots}


def product_modules() -> list[Path]:
    """Every Python file that is installed."""
    return sorted(path for root in SOURCE_ROOTS for path in (ROOT / root).rglob("*.py"))


def modules_of_tests() -> list[Path]:
    """Every Python file below ``tests/``."""
    return sorted((ROOT / "tests").rglob("*.py"))


def text_files() -> Iterator[tuple[Path, str]]:
    """Every file of the project that holds text, with its content.

    Asks git, so that what is ignored stays out; without git (an unpacked source distribution) every
    file below the source roots, ``tests`` and ``docs`` counts.
    """
    asked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode == 0:
        paths = [ROOT / name for name in asked.stdout.split("\0") if name]
    else:
        paths = [p for root in (*SOURCE_ROOTS, "tests", "docs") for p in (ROOT / root).rglob("*")]
    for path in sorted(paths):
        if not path.is_file():
            continue
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


@dataclass(frozen=True, slots=True)
class FunctionSize:
    """A function and how many lines it takes, signature and docstring included."""

    path: Path
    name: str
    lines: int


def function_sizes(modules: list[Path]) -> list[FunctionSize]:
    """Every function and method of the modules."""
    return [
        FunctionSize(path, node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for path in modules
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def calls(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every call in a module; an alias of an import is resolved."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {name.asname or name.name: name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            aliases |= {n.asname or n.name: f"{node.module}.{n.name}" for n in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, rest = re.fullmatch(r"(\w*)(.*)", ast.unparse(node), re.DOTALL).groups()
            yield node.lineno, aliases.get(first, first) + rest
