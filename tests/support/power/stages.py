"""The stages of a certificate's life that are cut, each from the saved end of the one before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.power.site import PowerSite


def _nothing(site: PowerSite) -> None:
    """The operator changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One command of the operator, from one state of rest to the next."""

    name: str
    after: str
    """Stage whose end it starts from; empty: a blank site."""
    command: str
    """See `run_agent`."""
    prepare: Callable[[PowerSite], None] = _nothing
    """What the operator does before."""
    state: str = "INSTALLED"
    """Of the trustpoint at its end."""
    certificates: int
    """Issued by the server until its end, as many as requests were made."""
    active: int
    """Which of them is in use then, from 1."""
    key_ids: tuple[str, ...]
    """All keys in the store then."""
    ca: int = 0
    """Number of the server's CA that issued the certificate in use."""

    def has_to_go_on(self, requests: int) -> bool:
        """Whether its command is given again after a kill; otherwise the rest is recovery.

        An agent that follows its CA has weeks without work before the switch.

        Args:
            requests: how many the server knows.
        """
        return self.command == "follow" or requests < self.certificates


STAGES = {
    stage.name: stage
    for stage in (
        Stage(
            name="enroll",
            after="",
            command="enroll",
            certificates=1,
            active=1,
            key_ids=("lab",),
        ),
        Stage(
            name="renew",
            after="enroll",
            command="renew",
            certificates=2,
            active=2,
            key_ids=("lab.2",),
        ),
        Stage(
            name="renew-same-key",
            after="enroll",
            command="renew",
            prepare=lambda site: site.configure(new_key=False),
            certificates=2,
            active=2,
            key_ids=("lab",),
        ),
        Stage(
            name="handoff-fails",
            after="enroll",
            command="renew",
            prepare=lambda site: site.set_verdict(is_good=False),
            state="FAILED",
            certificates=2,
            active=1,
            key_ids=("lab", "lab.2"),
        ),
        Stage(
            name="handoff-again",
            after="handoff-fails",
            command="renew",
            prepare=lambda site: site.set_verdict(is_good=True),
            certificates=3,
            active=3,
            key_ids=("lab.2",),
        ),
        Stage(
            name="rollover",
            after="enroll",
            command="follow",
            prepare=lambda site: site.prepare_rollover(issues_early=True),
            certificates=2,
            active=2,
            key_ids=("lab.2",),
            ca=1,
        ),
        Stage(
            name="rollover-by-renewal",
            after="enroll",
            command="follow",
            prepare=lambda site: site.prepare_rollover(issues_early=False),
            certificates=2,
            active=2,
            key_ids=("lab.2",),
            ca=1,
        ),
    )
}
"""By name; one that starts from another's end comes behind it."""
