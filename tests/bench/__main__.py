"""Runs the benchmarks, prints a table and writes ``build/bench.json``."""

import argparse
import json
import sys
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from tests.bench.record import Record
from tests.bench.registry import DEFAULT_EFFORT, Effort, load_benchmarks

_REPORT = Path(__file__).parents[2] / "build" / "bench.json"


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _verdict(record: Record) -> str:
    return {None: "", True: "yes", False: "NO"}[record.met]


def _print_table(records: list[Record]) -> None:
    table = Table("benchmark", "unit", box=SIMPLE)
    for heading in ("value", "reference", "ratio", "target"):
        table.add_column(heading, justify="right")
    table.add_column("met")
    for record in records:
        figures = (record.value, record.reference, record.ratio, record.target)
        table.add_row(record.name, record.unit, *map(_number, figures), _verdict(record))
    Console(width=max(Console().width, 96)).print(table)


def main(arguments: list[str]) -> int:
    """Run what was asked for; exit code 2 when nothing matches."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", default="", help="part of a benchmark function's name")
    parser.add_argument("--rounds", type=int, default=DEFAULT_EFFORT.rounds)
    parser.add_argument("--repeats", type=int, default=DEFAULT_EFFORT.repeats)
    parser.add_argument("--json", type=Path, default=_REPORT, help="where to write the records")
    options = parser.parse_args(arguments)

    chosen = [run for run in load_benchmarks() if options.only in run.__name__]
    if not chosen:
        parser.error(f"no benchmark is named like {options.only!r}")
    effort = Effort(rounds=options.rounds, repeats=options.repeats)
    records = [record for run in chosen for record in run(effort)]
    _print_table(records)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps([record.as_json() for record in records], indent=2, ensure_ascii=False)
    options.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
