"""Commit, validate, revert, and what shows configurations in operational mode."""

from __future__ import annotations

from collections.abc import Mapping

from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.candidate.commands import Request
from sceplab_devices.profiles.candidate.editing import compare, write_tree
from sceplab_devices.profiles.candidate.paths import Place
from sceplab_devices.profiles.candidate.pipes import Pipes
from sceplab_devices.profiles.candidate.platform import Handler
from sceplab_devices.profiles.candidate.tree import Tree
from sceplab_devices.profiles.paloalto_panos.device import Context


def commit(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``commit [description TEXT] [force]``."""
    box = ctx.device
    problems = box.problems(box.candidate)
    reason = ""
    if not problems:
        try:
            box.commit(box.user_of(ctx.session), comment=request.args.get("description", ""))
        except DeviceError as error:
            reason = ctx.text("config.not_saved", reason=error)
    job = box.add_job("Commit", is_ok=not (problems or reason))
    ctx.say("config.commit_job", number=job.number)
    ctx.say("config.progress")
    if job.is_ok:
        ctx.say("config.committed")
        return
    _complain(ctx, problems or [reason])
    ctx.say("config.commit_failed")


def validate(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``validate full``."""
    box = ctx.device
    problems = box.problems(box.candidate)
    job = box.add_job("Validate", is_ok=not problems)
    ctx.say("config.validate_job", number=job.number)
    ctx.say("config.progress")
    if problems:
        _complain(ctx, problems)
    else:
        ctx.say("config.valid")


def _complain(ctx: Context, problems: list[str]) -> None:
    ctx.say("config.invalid")
    for problem in problems:
        ctx.write(problem)


def revert(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``revert config``: the candidate becomes what is running."""
    ctx.device.rollback(0)
    ctx.say("config.reverted")


def show_running(ctx: Context, _request: Request, pipes: Pipes) -> None:
    """``show config running``."""
    _show(ctx, ctx.device.active, pipes)


def show_candidate_whole(ctx: Context, _request: Request, pipes: Pipes) -> None:
    """``show config candidate``."""
    _show(ctx, ctx.device.candidate, pipes)


def _show(ctx: Context, tree: Tree, pipes: Pipes) -> None:
    ctx.write()
    write_tree(ctx, tree, Place((), (), ctx.device.platform.schema.root), pipes)
    ctx.write()


def show_diff(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show config diff``."""
    for line in compare(ctx.device):
        ctx.write(line)


def show_jobs(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show jobs all``."""
    ctx.write()
    ctx.write(
        "Enqueued              Dequeued           ID                                Type"
        "                         Status Result Completed"
    )
    ctx.write("-" * 114)
    for job in ctx.device.jobs:
        result = "OK" if job.is_ok else "FAIL"
        ctx.write(
            f"{job.at:%Y/%m/%d %H:%M:%S}   {job.at:%H:%M:%S} {job.number:>12} {job.kind:>35}"
            f" {'FIN':>30} {result:>6} {job.at:%H:%M:%S}"
        )
    ctx.write()


COMMANDS: Mapping[str, Handler] = {
    "commit": commit,
    "validate": validate,
    "revert": revert,
    "show_running": show_running,
    "show_candidate_whole": show_candidate_whole,
    "show_diff": show_diff,
    "show_jobs": show_jobs,
}
