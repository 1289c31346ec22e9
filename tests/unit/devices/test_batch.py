"""Lines carried out without a terminal."""

from __future__ import annotations

from sceplab_devices.batch import Remark, carry_out
from tests.support.ios import RouterBench


def test_nothing_in_a_line_is_a_key() -> None:
    """Question marks, long lines and blanks arrive as they are."""
    bench = RouterBench()
    url = f"http://ca.example.test/scep?a={'b' * 600}"
    remarks = carry_out(
        bench.router,
        ["crypto pki trustpoint LAB", f"  enrollment url {url}", " subject-name CN=R1", "!", ""],
        mode="config",
    )
    assert remarks == []
    assert bench.port.view("LAB").state == "CONFIGURED"
    assert bench.router.config.trustpoints["LAB"].url == url


def test_a_refused_line_is_reported_and_the_next_one_counts() -> None:
    """What the terminal would have shown stands beside the line."""
    bench = RouterBench()
    remarks = carry_out(bench.router, [" nonsense here", "hostname R8"], mode="config")
    assert [remark.line for remark in remarks] == ["nonsense here"]
    assert "% Invalid input detected at '^' marker." in remarks[0].text
    assert bench.router.hostname == "R8"


def test_a_question_is_not_answered() -> None:
    """The command is dropped where it asks."""
    bench = RouterBench()
    bench.run("configure terminal", "crypto pki trustpoint LAB")
    remarks = carry_out(bench.router, ["no crypto pki trustpoint LAB"], mode="config")
    assert remarks == [Remark("no crypto pki trustpoint LAB", "it asks a question", 1)]
    assert "LAB" in bench.router.config.trustpoints
    assert bench.router.consoles == []
