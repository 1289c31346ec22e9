"""Cuts the stages of one site at every moment, and finds what does not hold afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.agent_cli import ROOT, SOURCES
from tests.support.power.invariants import check_consumers, check_server
from tests.support.power.site import Keys, PowerSite, Saved, power_site
from tests.support.power.stages import STAGES, Stage

KILLED = -9


@dataclass(frozen=True, slots=True)
class Recording:
    """What a stage does when nobody kills it."""

    moments: list[str]
    ghosts: list[str]

    @property
    def effects(self) -> int:
        """How many there are."""
        return len(self.moments) // 2

    def gaps(self) -> list[int]:
        """A moment in each pause between two changes.

        Moments without an effect between them are one: nothing that a restart could see differs.
        """
        last = len(self.moments) - 1
        return [
            number
            for number, name in enumerate(self.moments)
            if number == last or self.moments[number + 1] == name.replace("before", "after", 1)
        ]


class Lane:
    """A site, and the process that forks its agents. Made by `open_lane`."""

    def __init__(self, site: PowerSite, zygote: subprocess.Popen[str]) -> None:
        self.site, self._zygote = site, zygote
        self._begins: dict[str, Saved] = {}
        self._ends: dict[str, Saved] = {"": site.save("blank")}

    def record(self, stage: Stage, *, stray: str = "") -> Recording:
        """Runs a stage undisturbed, after those before it, and checks its end.

        Args:
            stage: which.
            stray: an effect of `strays` that the agent is given for once.
        """
        if stage.after not in self._ends:
            self.record(STAGES[stage.after])
        self.site.put_back(self._ends[stage.after])
        stage.prepare(self.site)
        self._begins[stage.name] = self.site.save(f"{stage.name}-begin")
        told = self._order(work="record", command=stage.command, cut=None, stray=stray)
        problems = [*told.get("error", "").splitlines(), *self._check(stage)]
        assert not problems, f"{stage.name} undisturbed: {problems}"
        self._ends[stage.name] = self.site.save(stage.name)
        return Recording(told["moments"], told["ghosts"])

    def cut(self, stage: Stage, moment: int) -> list[str]:
        """Kills a stage at one moment, starts again, and tells what does not hold."""
        self.site.put_back(self._begins[stage.name])
        told = self._order(work="record", command=stage.command, cut=moment)
        if told["status"] != KILLED:
            return [f"it was not killed: {told}"]
        issued = self.site.server.issued()
        has_one = bool(stage.after)
        problems = check_consumers(self.site.folder, issued, has_one=has_one)
        told = self._order(work="recover", command="enroll")
        problems += told.get("error", "").splitlines()[-1:]
        if stage.has_to_go_on(len(self.site.server.requests())):
            told = self._order(work="recover", command=stage.command)
            problems += told.get("error", "").splitlines()[-1:]
        return problems + self._check(stage)

    def _check(self, stage: Stage) -> list[str]:
        issued = self.site.server.issued()
        told = self._order(
            work="check",
            stage=stage.name,
            issued=[der.hex() for der in issued],
        )
        return [
            *check_consumers(self.site.folder, issued, has_one=True),
            *told.get("error", "").splitlines()[-1:],
            *told.get("problems", []),
            *check_server(self.site.server, stage),
        ]

    def _order(self, **order: Any) -> dict[str, Any]:
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        line = json.dumps({"folder": os.fspath(self.site.folder), **order})
        self._zygote.stdin.write(line + "\n")
        self._zygote.stdin.flush()
        answer: dict[str, Any] = json.loads(self._zygote.stdout.readline())
        return answer


@contextmanager
def open_lane(root: Path, keys: Keys) -> Iterator[Lane]:
    """A lane in a folder that is made."""
    with power_site(root, keys) as site:
        path = os.pathsep.join([*SOURCES, os.fspath(ROOT)])
        command = [sys.executable, "-m", "tests.support.power.zygote", os.fspath(site.clock.path)]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        ) as zygote:
            try:
                yield Lane(site, zygote)
            finally:
                zygote.kill()
