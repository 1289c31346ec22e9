"""Commit, rollback and what shows committed configurations."""

from __future__ import annotations

from collections.abc import Mapping

from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.candidate.commands import Request
from sceplab_devices.profiles.candidate.editing import write_tree
from sceplab_devices.profiles.candidate.paths import Place
from sceplab_devices.profiles.candidate.pipes import Pipes
from sceplab_devices.profiles.candidate.platform import Handler
from sceplab_devices.profiles.juniper_junos.dates import system_text
from sceplab_devices.profiles.juniper_junos.device import Context


def commit(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``commit [and-quit] [comment TEXT]``."""
    box = ctx.device
    if not _passes(ctx):
        return
    try:
        box.commit(box.user_of(ctx.session), comment=request.args.get("comment", ""))
    except DeviceError as error:
        ctx.say("config.not_saved", reason=error)
        return
    ctx.say("config.committed")
    if "and-quit" in request.args:
        ctx.end()
        ctx.say("config.exiting")


def commit_check(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``commit check``."""
    if _passes(ctx):
        ctx.say("config.checked")


def _passes(ctx: Context) -> bool:
    problems = ctx.device.problems(ctx.device.candidate)
    for problem in problems:
        ctx.write(problem)
    if problems:
        ctx.say("config.failed")
    return not problems


def rollback(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``rollback [N]``: the candidate becomes a committed configuration."""
    number = int(request.args.get("number", "0"))
    if ctx.device.rollback(number):
        ctx.say("config.rolled_back")
    else:
        ctx.say("config.no_revision", number=number)


def show_configuration(ctx: Context, request: Request, pipes: Pipes) -> None:
    """``show configuration [path]`` in operational mode."""
    place = request.place
    assert place is not None, "the command has a path"
    box = ctx.device
    if not place.path:
        last = box.revisions[0]
        release = box.profile.data["release"]
        if "set" in pipes.rendering:
            ctx.write(f"set version {release}")
        else:
            ctx.write(f"## Last commit: {system_text(last.at)} by {last.user}")
            ctx.write(f"version {release};")
    write_tree(ctx, box.active, place, pipes)


def show_rollback(ctx: Context, request: Request, pipes: Pipes) -> None:
    """``show system rollback N``."""
    number = int(request.args["number"])
    if number >= len(ctx.device.revisions):
        ctx.say("config.no_revision", number=number)
        return
    root = Place((), (), ctx.device.platform.schema.root)
    write_tree(ctx, ctx.device.revisions[number].tree, root, pipes)


def show_commits(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show system commit``."""
    for number, revision in enumerate(ctx.device.revisions):
        ctx.write(f"{number:<3} {system_text(revision.at)} by {revision.user} via {revision.via}")
        if revision.comment:
            ctx.write(f"    {revision.comment}")


COMMANDS: Mapping[str, Handler] = {
    "commit": commit,
    "commit_check": commit_check,
    "rollback": rollback,
    "show_configuration": show_configuration,
    "show_rollback": show_rollback,
    "show_commits": show_commits,
}
