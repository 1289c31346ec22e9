"""Where imports read and exports write: the terminal, or a file of the box."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.steps import Ask, Step


def ask_source(ctx: Context, url: str, default: str) -> Generator[Step, Any, bytes | None]:
    """Asks for the file's name and reads it; ``None``: it cannot be had, and that was said."""
    place = yield from _ask_place(ctx, "files.source_question", url, default)
    content = ctx.device.files.read(place)
    if content is None:
        is_here = ctx.device.files.parse(place) is not None
        ctx.say("files.unreadable" if is_here else "files.unreachable", url=place)
        return None
    ctx.say("files.reading", url=place)
    return content


def ask_destination(
    ctx: Context, url: str, default: str, content: bytes
) -> Generator[Step, Any, bool]:
    """Asks for the file's name and writes it; false: it cannot be, and that was said."""
    place = yield from _ask_place(ctx, "files.destination_question", url, default)
    if not ctx.device.files.write(place, content, ctx.device.device_time()):
        is_here = ctx.device.files.parse(place) is not None
        ctx.say("files.unwritable" if is_here else "files.unreachable", url=place)
        return False
    ctx.say("files.writing", url=place)
    return True


def _ask_place(ctx: Context, question: str, url: str, default: str) -> Generator[Step, Any, str]:
    """The URL with the name that was typed, else the one it has, else ``default``."""
    here = ctx.device.files.parse(url)
    if here is not None:
        folder, name = f"{here[0]}:", here[1]
    else:
        folder, slash, name = url.rpartition("/")
        folder += slash
    typed: str = yield Ask(ctx.text(question, name=name or default))
    chosen = typed.strip() or name or default
    return chosen if ":" in chosen else folder + chosen
