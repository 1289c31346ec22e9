"""The service's numbers as text that Prometheus and its relatives read.

Spec: Prometheus text exposition format 0.0.4.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sceplab_agent.core.states import State
from sceplab_agent.daemon.tally import Tally
from sceplab_agent.status import TrustpointStatus

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_DAY_S = 86_400.0


@dataclass(slots=True)
class Family:
    """One metric with all its samples."""

    name: str
    kind: str
    """``gauge`` or ``counter``; a counter's name ends in ``_total``."""
    help: str
    samples: list[tuple[Mapping[str, str], float]] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> None:
        """Adds a sample."""
        self.samples.append((labels, value))


def write_metrics(families: Iterable[Family]) -> str:
    """The families as text; one without samples keeps its head."""
    lines = []
    for family in families:
        lines.append(f"# HELP {family.name} {_escape(family.help)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        for labels, value in family.samples:
            pairs = ",".join(
                f'{name}="{_escape(text, quotes=True)}"' for name, text in labels.items()
            )
            lines.append(
                f"{family.name}{{{pairs}}} {_number(value)}"
                if pairs
                else f"{family.name} {_number(value)}"
            )
    return "\n".join(lines) + "\n"


def agent_families(
    statuses: Sequence[TrustpointStatus], tally: Tally, *, now: datetime, started_at: datetime
) -> list[Family]:
    """What the service tells about itself.

    Args:
        statuses: of every trustpoint served.
        tally: what happened since the start.
        now: current time, UTC.
        started_at: start of the service, UTC.
    """
    started = Family("sceplab_start_timestamp_seconds", "gauge", "Start of the agent, Unix time.")
    started.add(started_at.timestamp())
    state = Family("sceplab_trustpoint_state", "gauge", "1 for the state it is in, 0 for others.")
    days = Family("sceplab_certificate_days_to_expiry", "gauge", "Days until the certificate ends.")
    deadline = Family(
        "sceplab_next_deadline_seconds", "gauge", "Seconds until something happens by itself."
    )
    switch = Family(
        "sceplab_rollover_switch_seconds", "gauge", "Seconds until the next CA takes over."
    )
    shadow = Family(
        "sceplab_rollover_shadow_ready", "gauge", "1: a certificate of the next CA is kept."
    )
    for status in statuses:
        for one in State:
            state.add(one is status.state, trustpoint=status.name, state=one.value)
        if status.not_after is not None:
            left_s = (status.not_after - now).total_seconds()
            days.add(left_s / _DAY_S, trustpoint=status.name)
        if status.next_step_at is not None:
            wait_s = (status.next_step_at - now).total_seconds()
            deadline.add(wait_s, trustpoint=status.name)
        if status.switch_at is not None:
            left_s = (status.switch_at - now).total_seconds()
            switch.add(left_s, trustpoint=status.name)
            shadow.add(status.shadow == "ready", trustpoint=status.name)
    return [started, state, days, deadline, switch, shadow, *_counted(tally)]


def _counted(tally: Tally) -> list[Family]:
    failures = Family("sceplab_failures_total", "counter", "Steps that failed, by whose fault.")
    for (trustpoint, cause), number in sorted(tally.failures.items()):
        failures.add(number, trustpoint=trustpoint, cause=cause)
    success = Family(
        "sceplab_last_success_timestamp_seconds",
        "gauge",
        "When a certificate was last installed since the start, Unix time.",
    )
    for trustpoint, moment in sorted(tally.successes.items()):
        success.add(moment.timestamp(), trustpoint=trustpoint)
    hand_offs = Family("sceplab_handoff_results_total", "counter", "Results of hand-offs.")
    for (trustpoint, result), number in sorted(tally.hand_offs.items()):
        hand_offs.add(number, trustpoint=trustpoint, result=result)
    return [failures, success, hand_offs]


def _number(value: float) -> str:
    if math.isfinite(value) and value == int(value):
        return str(int(value))
    return repr(float(value))


def _escape(text: str, *, quotes: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text
