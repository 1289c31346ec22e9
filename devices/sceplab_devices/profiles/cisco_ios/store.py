"""Lines and blocks that are kept in the configuration as typed, without an effect of their own."""

from __future__ import annotations

from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.profiles.cisco_ios.running_config import Block


def line_key(ctx: Context) -> str:
    """What identifies the typed line: the ``key`` option, filled in; else its keywords.

    ``{keywords}`` in the option stands for the keywords of the line.
    """
    parameters = set(ctx.args.values())
    keywords = " ".join(word for word in ctx.words if word not in parameters)
    template = str(ctx.options.get("key", "{keywords}"))
    return template.format_map({**ctx.args, "keywords": keywords})


def store(ctx: Context) -> None:
    """A line of the global configuration.

    Options: ``section``; ``key``; ``line`` to keep instead of the typed one; ``stored_no``: the
    configuration shows the form with ``no``, the plain one is the default.
    """
    line = str(ctx.options.get("line", " ".join(ctx.words)))
    key = str(ctx.options["key"]).format_map(ctx.args) if "key" in ctx.options else line
    section = ctx.device.config.lines.setdefault(str(ctx.options["section"]), {})
    ctx.device.note_change()
    if ctx.options.get("stored_no"):
        if ctx.negated:
            section[key] = f"no {line}"
        else:
            section.pop(key, None)
    elif ctx.negated or ctx.default:
        section.pop(key, None)
    else:
        section[key] = line


def store_block(ctx: Context) -> None:
    """A header that opens a block. Options: ``section``, ``mode``."""
    header = " ".join(ctx.words).replace("crypto ca ", "crypto pki ", 1)
    section = str(ctx.options["section"])
    blocks = ctx.device.config.blocks.setdefault(section, {})
    ctx.device.note_change()
    if ctx.negated or ctx.default:
        blocks.pop(header, None)
        return
    blocks.setdefault(header, Block(header))
    ctx.enter_mode(str(ctx.options["mode"]), section=section, header=header)


def store_in_block(ctx: Context) -> None:
    """A line of the present block. Option ``whole``: the whole line is its key."""
    place = ctx.session.mode_values
    block = ctx.device.config.blocks[place["section"]].get(place["header"])
    if block is not None:  # else removed from another session meanwhile
        keep_line(ctx, block.lines)


def keep_line(ctx: Context, lines: dict[str, str], line: str = "") -> None:
    """Puts ``line`` (else the typed one) among ``lines``, or takes it out."""
    line = line or " ".join(ctx.words)
    key = line if ctx.options.get("whole") else line_key(ctx)
    ctx.device.note_change()
    if ctx.negated or ctx.default:
        lines.pop(key, None)
    else:
        lines[key] = line
