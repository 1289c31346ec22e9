"""Power cuts at the disk: what a stage left there at every moment, and a restart from it."""

from __future__ import annotations

import contextlib
import copy
import os
import random
import shutil
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_ndes.exchange import ScepHttpRequest, ScepHttpResponse
from tests.support.child_process import start_child, wait_for_child
from tests.support.power.agent_run import run_agent
from tests.support.power.disk_image import Image, digest, write_image
from tests.support.power.invariants import check_consumers, check_rest, check_server
from tests.support.power.model_disk import Disk
from tests.support.power.site import Keys, PowerSite, Saved, power_site
from tests.support.power.stages import STAGES, Stage
from tests.support.power.traced_calls import Call
from tests.support.power.traced_disk import TracedDisk
from tests.support.power.tracing import require_strace, trace


@dataclass(frozen=True, slots=True)
class Depot:
    """The server after one of its answers."""

    path: Path
    seconds: float
    """What the clock showed."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One state of disk and server from which the agent starts again."""

    name: str
    """The call before it."""
    image: Image
    answers: int
    """How many the server had given."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A stage, undisturbed."""

    begin: Disk
    calls: list[Call]
    depots: list[Depot]
    """After so many answers."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the cuts of a stage."""

    calls: int
    """System calls of the undisturbed stage."""
    states: int
    """Different states that cuts leave."""
    chosen: int
    """From how many of them the agent was started again."""
    lost_tokens: int
    """Restarts that found no token."""
    problems: list[str]


def cut_stage(root: Path, keys: Keys, name: str, *, seeds: int, every: int) -> Outcome:
    """Cuts a stage of a new site.

    Args:
        root: for the site; is made.
        keys: where they are.
        name: of the stage.
        seeds: see `DroppedWrites.cuts`.
        every: 1 tries all states, 5 each fifth.
    """
    with power_site(root, keys) as site:
        dropped, stage = DroppedWrites(site), STAGES[name]
        recording = dropped.record(stage)
        cuts = list(dropped.cuts(recording, seeds=seeds))
        chosen = cuts[::every]
        problems = [
            f"{number} {cut.name}, {cut.answers} answers: {found}"
            for number, cut in enumerate(chosen)
            if (found := dropped.recover(stage, recording, cut))
        ]
        calls = len(recording.calls)
        return Outcome(calls, len(cuts), len(chosen), dropped.lost_tokens, problems)


class DroppedWrites:
    """Records the stages of one site and cuts them.

    Args:
        site: blank.
    """

    def __init__(self, site: PowerSite) -> None:
        self.site = site
        hook = site.folder / "service" / "hook.sh"
        # This consumer has to sync what it works with; whether one does is not the agent's part.
        synced = "sync in-use.new\nmv in-use.new in-use.pem\nsync ."
        hook.write_text(hook.read_text().replace("mv in-use.new in-use.pem", synced))
        self._ends: dict[str, Saved] = {"": site.save("blank")}
        self.lost_tokens = 0
        """Restarts that found no token, see `_bring_token_back`."""

    def record(self, stage: Stage) -> Recording:
        """Runs a stage undisturbed, after those before it."""
        if stage.after not in self._ends:
            self.record(STAGES[stage.after])
        site = self.site
        site.put_back(self._ends[stage.after])
        stage.prepare(site)
        folder = site.root / "depots" / stage.name
        folder.mkdir(parents=True)
        begin = Disk.load(site.folder)
        depots = [self._copy_depot(folder / "0")]
        respond = site.server.respond

        def keep(request: ScepHttpRequest, now: datetime) -> ScepHttpResponse:
            response = respond(request, now)
            depots.append(self._copy_depot(folder / str(len(depots))))
            return response

        site.server.respond = keep  # type: ignore[method-assign]
        work = self._guarded(lambda: [*self._run(stage.command, stage.state)])
        _, calls = trace(require_strace(), work, folder / "trace")
        site.server.respond = respond  # type: ignore[method-assign]
        problems = self._told() or self._check(stage)
        assert not problems, f"{stage.name} undisturbed: {problems}"
        self._ends[stage.name] = site.save(stage.name)
        return Recording(begin, calls, depots)

    def cuts(self, recording: Recording, *, seeds: int) -> Iterator[Cut]:
        """Every different state that a power cut may leave, in the order of the moments.

        Args:
            recording: of the stage.
            seeds: how often chance decides, at each moment, what else was written back.
        """
        traced = TracedDisk(self.site.folder.resolve(), copy.deepcopy(recording.begin))
        traced.expect_children(recording.calls)
        rng, known, answers, is_asking = random.Random(1), set(), 0, False
        for call in recording.calls:
            step = traced.take(call)
            name = step.name if step else "an answer"
            is_answer = is_asking and call.name == "recvfrom" and call.result > 0
            if call.name in {"sendto", "sendmsg"}:
                is_asking = True
            if is_answer:
                answers, is_asking = answers + 1, False
            if step is None and not is_answer:
                continue
            disk = traced.disk
            images = [disk.synced(), *(disk.partly_synced(rng) for _ in range(seeds))]
            for image in images:
                key = digest(image), answers
                if key not in known:
                    known.add(key)
                    yield Cut(name, image, answers)
        assert answers == len(recording.depots) - 1, "an answer of the server was not seen"

    def recover(self, stage: Stage, recording: Recording, cut: Cut) -> list[str]:
        """Starts the agent from a cut, runs the stage to its end, tells what does not hold."""
        site, depots = self.site, recording.depots
        shutil.rmtree(site.folder)
        write_image(cut.image, site.folder)
        site.server.put_back(depots[cut.answers].path)
        site.clock.seconds = max(depots[cut.answers].seconds, self._newest_record())
        issued = site.server.issued()
        problems = check_consumers(site.folder, issued, has_one=bool(stage.after))
        problems += self._bring_token_back(recording)
        problems += self._child(lambda: self._run("enroll"))
        if stage.has_to_go_on(len(site.server.requests())):
            problems += self._child(lambda: self._run(stage.command))
        return problems + self._check(stage)

    def _newest_record(self) -> float:
        """What the clock showed when the journal was last written, seconds since 1970."""
        copied = self.site.root / "copied-state"
        shutil.rmtree(copied, ignore_errors=True)
        copied.mkdir()
        for path in self.site.folder.glob(f"state/{FILE_NAME}*"):
            shutil.copyfile(path, copied / path.name)
        journal = SqliteJournal.open_read_only(copied / FILE_NAME)
        if journal is None:
            return 0.0
        try:
            return max((entry.at.timestamp() for entry in journal.entries()), default=0.0)
        finally:
            journal.close()

    def _bring_token_back(self, recording: Recording) -> list[str]:
        """Puts a token's file back that SoftHSM had emptied at its login, as an operator does.

        Before that the agent has to say that the token is gone.
        """
        begin = recording.begin.seen()
        problems: list[str] = []
        for path in self.site.folder.glob("hsm/tokens/*/token.object"):
            if not path.stat().st_size:
                self.lost_tokens += 1
                told = self._child(lambda: self._run("enroll"))
                if not (len(told) == 1 and "TokenMissingError" in told[0]):
                    problems.append(f"the token is gone, and the agent says: {told}")
                path.write_bytes(begin[path.relative_to(self.site.folder).as_posix()].content)
        return problems

    def _check(self, stage: Stage) -> list[str]:
        site = self.site
        problems = self._child(lambda: self._run("enroll"))
        issued = site.server.issued()
        return [
            *problems,
            *check_consumers(site.folder, issued, has_one=True),
            *self._child(lambda: check_rest(site.folder, site.clock, stage, issued)),
            *check_server(site.server, stage),
        ]

    def _run(self, command: str, state: str = "") -> list[str]:
        found = run_agent(self.site.folder, command, self.site.clock)
        return [f"the state is {found}"] if state and found != state else []

    def _child(self, work: Callable[[], list[str]]) -> list[str]:
        status = wait_for_child(start_child(self._guarded(work)))
        return self._told() + ([f"a child ended with {status}"] if status else [])

    def _guarded(self, work: Callable[[], list[str]]) -> Callable[[], int]:
        """Work of a child whose findings its parent reads with `_told`."""
        told = self.site.root / "told"

        def guarded() -> int:
            try:
                problems = work()
            except Exception:
                problems = traceback.format_exc().splitlines()[-1:]
            told.write_text("\n".join(problems))
            return 0

        return guarded

    def _told(self) -> list[str]:
        file = self.site.root / "told"
        problems = file.read_text().splitlines()
        file.unlink()
        return problems

    def _copy_depot(self, to: Path) -> Depot:
        source = os.fspath(self.site.root / "server/depot.sqlite3")
        with (
            contextlib.closing(sqlite3.connect(source)) as depot,
            contextlib.closing(sqlite3.connect(to)) as copy,
        ):
            depot.backup(copy)
        return Depot(to, self.site.clock.seconds)
