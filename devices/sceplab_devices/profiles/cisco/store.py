"""Lines and blocks that are kept in the configuration as typed, without an effect of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from sceplab_devices.context import CommandContext


@dataclass(slots=True)
class Block:
    """A header with indented lines below it."""

    header: str
    lines: dict[str, str] = field(default_factory=dict)
    """Line by the key that identifies it."""


class KeptLines(Protocol):
    """The part of a running configuration that is kept as typed."""

    lines: dict[str, dict[str, str]]
    """By section: single line by the key that identifies it."""
    blocks: dict[str, dict[str, Block]]
    """By section: block by its header."""


class _Configured(Protocol):
    """A device with such a configuration."""

    @property
    def config(self) -> KeptLines: ...

    def note_change(self) -> None: ...


def line_key(ctx: CommandContext[Any]) -> str:
    """What identifies the typed line: the ``key`` option, filled in; else its keywords.

    ``{keywords}`` in the option stands for the keywords of the line.
    """
    parameters = set(ctx.args.values())
    keywords = " ".join(word for word in ctx.words if word not in parameters)
    template = str(ctx.options.get("key", "{keywords}"))
    return template.format_map({**ctx.args, "keywords": keywords})


def store(ctx: CommandContext[Any]) -> None:
    """A line of the global configuration.

    Options: ``section``; ``key``; ``line`` to keep instead of the typed one; ``stored_no``: the
    configuration shows the form with ``no``, the plain one is the default.
    """
    device: _Configured = ctx.device
    line = str(ctx.options.get("line", " ".join(ctx.words)))
    key = str(ctx.options["key"]).format_map(ctx.args) if "key" in ctx.options else line
    section = device.config.lines.setdefault(str(ctx.options["section"]), {})
    device.note_change()
    if ctx.options.get("stored_no"):
        if ctx.negated:
            section[key] = f"no {line}"
        else:
            section.pop(key, None)
    elif ctx.negated or ctx.default:
        section.pop(key, None)
    else:
        section[key] = line


def open_block(ctx: CommandContext[Any], header: str) -> None:
    """A header that opens a block, or takes it away. Options: ``section``, ``mode``."""
    device: _Configured = ctx.device
    section = str(ctx.options["section"])
    blocks = device.config.blocks.setdefault(section, {})
    device.note_change()
    if ctx.negated or ctx.default:
        blocks.pop(header, None)
        return
    blocks.setdefault(header, Block(header))
    ctx.enter_mode(str(ctx.options["mode"]), section=section, header=header)


def store_in_block(ctx: CommandContext[Any]) -> None:
    """A line of the present block. Option ``whole``: the whole line is its key."""
    device: _Configured = ctx.device
    place = ctx.session.mode_values
    block = device.config.blocks[place["section"]].get(place["header"])
    if block is not None:  # else removed from another session meanwhile
        keep_line(ctx, block.lines)


def keep_line(ctx: CommandContext[Any], lines: dict[str, str], line: str = "") -> None:
    """Puts ``line`` (else the typed one) among ``lines``, or takes it out."""
    line = line or " ".join(ctx.words)
    key = line if ctx.options.get("whole") else line_key(ctx)
    device: _Configured = ctx.device
    device.note_change()
    if ctx.negated or ctx.default:
        lines.pop(key, None)
    else:
        lines[key] = line
