"""Files that operators bring and take, and as much of a shell as that needs.

``/var/tmp`` and the home directory lie in memory: a restart empties them.
"""

from __future__ import annotations

from collections.abc import Mapping

from sceplab_devices.profiles.candidate.commands import Request
from sceplab_devices.profiles.candidate.pipes import Pipes
from sceplab_devices.profiles.candidate.platform import Handler
from sceplab_devices.profiles.juniper_junos.device import Context
from sceplab_devices.steps import Ask, Dialog

HOME = "/var/root"
MAX_FILES = 64
MAX_BYTES = 64 * 1024


def full_name(name: str) -> str:
    """Where a file typed without its folder lies."""
    name = name.removeprefix("~/")
    return name if name.startswith("/") else f"{HOME}/{name}"


def read_file(ctx: Context, name: str) -> bytes | None:
    """What a file holds; ``None``: there is none, and the operator knows."""
    data = ctx.device.files.get(full_name(name))
    if data is None:
        ctx.say("pki.no_file", file=full_name(name))
    return data


def write_file(ctx: Context, name: str, data: bytes) -> None:
    """Makes or replaces a file; the oldest goes when there is no room."""
    files = ctx.device.files
    files.pop(full_name(name), None)
    while len(files) >= MAX_FILES:
        del files[next(iter(files))]
    files[full_name(name)] = data[:MAX_BYTES]


def file_list(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``file list``."""
    _write_names(ctx)


def _write_names(ctx: Context) -> None:
    for name in sorted(ctx.device.files):
        ctx.write(name)


def file_show(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``file show NAME``."""
    name = full_name(request.args["filename"])
    data = ctx.device.files.get(name)
    if data is None:
        ctx.say("cli.no_file", file=name)
        return
    ctx.write(data.decode("ascii", errors="replace").rstrip("\n"))


def file_delete(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``file delete NAME``."""
    if ctx.device.files.pop(full_name(request.args["filename"]), None) is None:
        ctx.say("cli.no_file", file=full_name(request.args["filename"]))


def start_shell(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``start shell``."""
    ctx.enter_mode("shell")


def shell_line(ctx: Context) -> Dialog:
    """A line at the shell's prompt: ``cat``, ``ls``, ``rm``, ``cli``, ``exit``."""
    words = ctx.line.split()
    if not words:
        return
    operand = words[1] if words[1:] and not words[2:] else ""
    if words[0] in ("exit", "cli", "logout"):
        ctx.leave_mode()
    elif words[0] == "cat" and ">" in words and words[-1] != ">":
        yield from _cat_into(ctx, words)
    elif words[0] == "cat" and operand:
        data = ctx.device.files.get(full_name(operand))
        if data is None:
            ctx.write(f"cat: {operand}: No such file or directory")
        else:
            ctx.write(data.decode("ascii", errors="replace").rstrip("\n"))
    elif words[0] == "ls":
        _write_names(ctx)
    elif words[0] == "rm" and operand:
        ctx.device.files.pop(full_name(operand), None)
    else:
        ctx.say("cli.no_command", word=words[0])


def _cat_into(ctx: Context, words: list[str]) -> Dialog:
    """``cat > FILE`` until Ctrl-C, ``cat > FILE << MARK`` until the mark."""
    name = words[words.index(">") + 1]
    mark = words[words.index("<<") + 1] if "<<" in words and words[-1] != "<<" else None
    lines: list[str] = []
    size = 0
    try:
        while size < MAX_BYTES:
            line: str = yield Ask("")
            if mark is not None and line.strip() == mark.strip("'\""):
                break
            lines.append(line)
            size += len(line) + 1
    finally:
        write_file(ctx, name, "".join(f"{line}\n" for line in lines).encode())


COMMANDS: Mapping[str, Handler] = {
    "file_list": file_list,
    "file_show": file_show,
    "file_delete": file_delete,
    "start_shell": start_shell,
}
