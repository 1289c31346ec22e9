"""What one seed decides before its thirty years begin: lifetimes, policy, server, weather."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sceplab_agent.core.policy import Backoff, PollPolicy, Recovery, RenewalPolicy, RetryPolicy
from sceplab_agent.core.schedule import longest_wait_s

_DAY_S = 86_400.0
_ROUNDS = 4
"""Pauses that may follow each other before a try succeeds: the same bytes again, a refused
question for their outcome, a new transaction in place of the lost one, and one to spare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A seed, unfolded."""

    seed: int
    settings: dict[str, dict[str, Any]]
    """Of the server's profile."""
    policy: dict[str, Any]
    """Fields of the agent's policy."""
    ra: str
    is_manual: bool
    """Whether an administrator approves each renewal."""
    approver_every: timedelta
    operator_every: timedelta
    calls_to_cut: int
    """Mean number of effects from one power cut to the next."""
    storms: tuple[int, ...]
    """Faults for each renewal: drawn from these numbers."""
    has_rtc: bool
    """Whether the clock survives a power cut."""
    ca_life: timedelta
    """Of each CA."""
    announced_before: timedelta
    """How long before a CA ends its successor is announced."""
    switched_before: timedelta
    """How long before a CA ends its successor takes over."""

    @property
    def lifetime(self) -> timedelta:
        """Of a certificate."""
        return timedelta(days=self.settings["template"]["validity_days"])

    @property
    def patience(self) -> timedelta:
        """Good time in a row in which a renewal has to succeed.

        As many of the longest pauses of the policy as one attempt can meet, and for manual
        approvals two visits of the administrator with a poll behind each.
        """
        pause_s = longest_wait_s(self.policy["retry"].backoff)
        span = timedelta(seconds=_ROUNDS * pause_s) + timedelta(hours=1)
        if self.is_manual:
            poll_s = longest_wait_s(self.policy["poll"].backoff)
            span += 2 * (self.approver_every + timedelta(seconds=poll_s + pause_s))
        return span

    def __str__(self) -> str:
        """For a person who looks at a failure."""
        renewal = self.policy["renewal"]
        return (
            f"seed {self.seed}: {self.lifetime.days} days, ra={self.ra}, manual={self.is_manual}, "
            f"share={renewal.at_share:.2f}, days={renewal.days_before_end}, "
            f"new_key={renewal.new_key}, implicit={renewal.implicit}, "
            f"recovery={self.policy['recovery'].value}, handoff={self.policy['hands_over']}, "
            f"patience={self.patience}, rtc={self.has_rtc}, ca={self.ca_life.days} days, "
            f"announced={self.announced_before}, switched={self.switched_before}"
        )


def draw_plan(seed: int) -> Plan:
    """The plan of a seed."""
    draw = random.Random(f"plan {seed}")
    days = draw.choice([120, 180, 365, 365, 365, 730, 1095])
    pause_s = days * _DAY_S / draw.choice([200, 400, 800])
    is_manual = draw.random() < 0.4
    return Plan(
        seed=seed,
        settings={
            "template": {
                "validity_days": days,
                "renewal_approval": "manual" if is_manual else "auto",
            },
            "challenge": {"mode": draw.choice(["one-time", "none"])},
        },
        policy={
            "hands_over": draw.random() < 0.5,
            # `Recovery.NEW` gives an unanswered transaction up unasked: doubled on purpose.
            "recovery": draw.choice([Recovery.RETRANSMIT, Recovery.POLL]),
            "poll": PollPolicy(
                backoff=Backoff(first_s=3600.0, growth=1.5, ceiling_s=pause_s),
                max_wait_s=days * _DAY_S / draw.choice([10, 30]),
            ),
            "renewal": _draw_renewal(draw, days),
            "retry": RetryPolicy(
                backoff=Backoff(
                    first_s=10.0, growth=4.0, ceiling_s=pause_s, jitter_share=draw.choice([0, 0.2])
                )
            ),
        },
        ra=draw.choice(["split", "none"]),
        is_manual=is_manual,
        approver_every=timedelta(days=days / 200),
        operator_every=timedelta(days=draw.choice([3, 10])),
        calls_to_cut=draw.choice([60, 200, 600]),
        storms=draw.choice([(0, 1, 2), (1, 2, 3), (0, 3, 6)]),
        has_rtc=draw.random() < 0.6,
        ca_life=timedelta(days=draw.choice([40 * 366, 3650])),
        announced_before=(announced := timedelta(days=draw.uniform(20, 120))),
        switched_before=announced * draw.uniform(0.02, 0.7),
    )


def _draw_renewal(draw: random.Random, days: int) -> RenewalPolicy:
    is_by_days = draw.random() < 0.4
    return RenewalPolicy(
        at_share=0.0 if is_by_days else draw.uniform(0.4, 0.85),
        days_before_end=days * draw.uniform(0.15, 0.5) if is_by_days else None,
        jitter_share=draw.choice([0.0, 0.05]),
        new_key=draw.random() < 0.7,
        implicit=draw.random() < 0.2,
    )
