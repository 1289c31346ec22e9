"""The bench runner: what a record says, and that every benchmark still runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.measure import cpu_us
from tests.bench.proc import resident_kib
from tests.bench.record import Record
from tests.bench.registry import Effort
from tests.support.source_tree import ROOT, source_environment


def test_ratio_is_judged_when_there_is_a_reference() -> None:
    """A target bounds the ratio from above, or from below where more is better."""
    record = Record(name="a", value=3.0, unit="µs", reference=2.0, target=1.5)
    assert record.ratio == 1.5
    assert record.met is True
    assert Record(name="a", value=3.1, unit="µs", reference=2.0, target=1.5).met is False
    assert Record(name="a", value=9, unit="/s", target=10, more_is_better=True).met is False


def test_record_without_a_target_is_neither_met_nor_missed() -> None:
    """A plain figure has all fields of the report, the unknown ones empty."""
    assert Record(name="a", value=1.0, unit="s").as_json() == {
        "name": "a",
        "value": 1.0,
        "unit": "s",
        "reference": None,
        "ratio": None,
        "target": None,
        "met": None,
    }


def test_measurement_is_the_median_round() -> None:
    """Each subject is charged with what the clock advanced in its own calls."""
    now = 0.0

    def clock() -> float:
        return now

    def work(cost: float) -> None:
        nonlocal now
        now += cost

    subjects = {"cheap": lambda: work(1e-6), "dear": lambda: work(5e-6)}
    times = cpu_us(subjects, Effort(rounds=3, repeats=4), clock=clock)
    assert times == pytest.approx({"cheap": 1.0, "dear": 5.0})


def test_process_is_seen_from_outside() -> None:
    """What a process has in memory is read from the kernel's files."""
    command = [sys.executable, "-c", "print('up', flush=True); input()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert 100 < resident_kib(process.pid) < 1_000_000


@pytest.mark.slow
def test_every_benchmark_runs(tmp_path: Path) -> None:
    """`make bench` with the least effort ends well and writes complete records."""
    report = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tests.bench", "--rounds=1", "--repeats=2", f"--json={report}"]
    done = subprocess.run(
        command, cwd=ROOT, env=source_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    records = json.loads(report.read_text(encoding="utf-8"))
    names = {record["name"] for record in records}
    assert {"rsa_floor.client", "journal.memory.share", "service.memory.each"} <= names
    fields = {"name", "value", "unit", "reference", "ratio", "target", "met"}
    assert all(set(record) == fields for record in records)
