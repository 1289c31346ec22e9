"""Configuration commands that the platforms share: set, delete, edit, up, top, show, exit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from sceplab_devices.context import CommandContext
from sceplab_devices.errors import DeviceError
from sceplab_devices.modes import ModeFrame
from sceplab_devices.profiles.candidate.commands import Request
from sceplab_devices.profiles.candidate.device import CandidateDevice
from sceplab_devices.profiles.candidate.language import CONFIGURE, CandidateLanguage
from sceplab_devices.profiles.candidate.paths import Path, Place, Problem, read_path
from sceplab_devices.profiles.candidate.pipes import Pipes
from sceplab_devices.profiles.candidate.platform import Handler
from sceplab_devices.profiles.candidate.session_state import edit_path, edit_values
from sceplab_devices.profiles.candidate.text import braces, compare_lines, set_lines
from sceplab_devices.profiles.candidate.tree import Tree, find, put, take
from sceplab_devices.profiles.candidate.words import Word
from sceplab_devices.steps import Ask, Dialog

Context: TypeAlias = CommandContext[CandidateDevice]


def dispatch(ctx: Context) -> Dialog:
    """The one handler the profile registers: runs the handler that the command table names.

    What the engine refuses and the handler does not catch is told to the operator.
    """
    language = ctx.device.profile.language
    assert isinstance(language, CandidateLanguage), "the profile brings this language"
    understood = language.read(ctx.session, ctx.line)
    assert not isinstance(understood, Problem), "problems end before"
    request, pipes = understood
    platform = language.platform
    try:
        dialog = platform.handlers[request.command.handler](ctx, request, pipes)
        if dialog is not None:
            yield from dialog
    except DeviceError as error:
        ctx.say(str(platform.manners["failed"]), reason=error)


def configure(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``configure``."""
    ctx.enter_mode(CONFIGURE, **edit_values(()))
    ctx.say("config.entering")
    if ctx.device.is_changed:
        changed = ctx.text("config.changed")
        if changed:
            ctx.write(changed)


def set_statement(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``set …``."""
    put(ctx.device.candidate, _without_secrets(ctx.device, _absolute(ctx, request)))


def delete_statement(ctx: Context, request: Request, _pipes: Pipes) -> Dialog:
    """``delete …``; without a place it asks, and empties what is being edited."""
    if request.place is not None and not request.place.path:
        ctx.say("config.delete_all")
        answer: str = yield Ask(ctx.text("config.delete_question"))
        if answer.strip().lower() not in ("yes", "y"):
            return
    if not take(ctx.device.candidate, _absolute(ctx, request).path):
        ctx.say("config.not_found")


def edit(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``edit …``."""
    path = _absolute(ctx, request).path
    ctx.enter_mode(CONFIGURE, **edit_values(path))


def up(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``up``: to the object or container above."""
    path = edit_path(ctx.session)[:-1]
    root = ctx.device.platform.schema.root
    while path and not _is_container(read_path(root, [Word(word, 0) for word in path])):
        path = path[:-1]
    _move(ctx, path)


def top(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``top``."""
    while _is_nested(ctx):
        ctx.leave_mode()
    _move(ctx, ())


def leave(ctx: Context, request: Request, pipes: Pipes) -> Dialog:
    """``exit`` and ``quit``: back to where ``edit`` was typed, or out of configuration mode."""
    if _is_nested(ctx):
        ctx.leave_mode()
        return
    if edit_path(ctx.session):
        _move(ctx, ())
        return
    yield from leave_configuration(ctx, request, pipes)


def leave_configuration(ctx: Context, _request: Request, _pipes: Pipes) -> Dialog:
    """``exit configuration-mode``: asks first where the platform does and changes wait."""
    question = ctx.text("config.exit_question")
    if question and ctx.device.is_changed:
        ctx.say("config.changed")
        answer: str = yield Ask(question)
        if answer.strip().lower() in ("no", "n"):
            return
    ctx.end()
    ctx.say("config.exiting")


def show_candidate(ctx: Context, request: Request, pipes: Pipes) -> None:
    """``show [path]`` in configuration mode."""
    place = _absolute(ctx, request)
    if "compare" in pipes.rendering:
        for line in compare(ctx.device, pipes.revision):
            ctx.write(line)
        return
    write_tree(ctx, ctx.device.candidate, place, pipes)


def write_tree(ctx: Context, tree: Tree, place: Place, pipes: Pipes) -> None:
    """Prints what stands at a place, in the form that the pipes ask for."""
    platform = ctx.device.platform
    below = find(tree, *place.path)
    if below is None:
        return
    if "set" in pipes.rendering or ctx.session.variables.get("format") == "set":
        lines = set_lines(below, place.node, platform.style, place.path)
    elif not below:
        lines = []
    else:
        lines = list(braces(below, place.node, platform.style))
    for line in lines:
        ctx.write(line)


def compare(device: CandidateDevice, revision: int = 0) -> list[str]:
    """What the candidate changes."""
    if revision >= len(device.revisions):
        return []
    root, style = device.platform.schema.root, device.platform.style
    return compare_lines(device.revisions[revision].tree, device.candidate, root, style)


def _absolute(ctx: Context, request: Request) -> Place:
    """A request's place with the path that is being edited in front of it."""
    place = request.place
    assert place is not None, "the command has a path"
    base = edit_path(ctx.session)
    if not base:
        return place
    root = ctx.device.platform.schema.root
    before = read_path(root, [Word(word, 0) for word in base])
    if isinstance(before, Problem):
        return place
    return Place(
        (*before.path, *place.path),
        (*before.steps, *place.steps),
        place.node,
        [
            Place((*before.path, *more.path), (*before.steps, *more.steps), more.node)
            for more in place.more
        ],
    )


def _without_secrets(device: CandidateDevice, place: Place) -> Place:
    """The same statements with their secrets hidden."""
    secret = device.platform.manners["secrets"]
    path = tuple(
        device.hide(word) if at and place.path[at - 1] in secret else word
        for at, word in enumerate(place.path)
    )
    more = [_without_secrets(device, earlier) for earlier in place.more]
    return Place(path, place.steps, place.node, more)


def _is_container(place: Place | Problem) -> bool:
    return isinstance(place, Place) and place.node.is_container


def _is_nested(ctx: Context) -> bool:
    """``edit`` was typed: there is a place to go back to."""
    return sum(frame.mode.id == CONFIGURE for frame in ctx.session.frames) > 1


def _move(ctx: Context, path: Path) -> None:
    frame = ctx.session.frames[-1]
    ctx.session.frames[-1] = ModeFrame(frame.mode, edit_values(path))


COMMANDS: Mapping[str, Handler] = {
    "configure": configure,
    "set": set_statement,
    "delete": delete_statement,
    "edit": edit,
    "up": up,
    "top": top,
    "leave": leave,
    "leave_configuration": leave_configuration,
    "show_candidate": show_candidate,
}
