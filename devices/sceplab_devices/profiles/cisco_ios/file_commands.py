"""``dir``, ``more``, ``delete`` and ``copy``: files of the box."""

from __future__ import annotations

from sceplab_devices.batch import carry_out
from sceplab_devices.profiles.cisco.flash import CAPACITY_BYTES, File
from sceplab_devices.profiles.cisco_ios.config_text import render_config
from sceplab_devices.profiles.cisco_ios.router import Context
from sceplab_devices.profiles.cisco_ios.system import save_text, write_memory
from sceplab_devices.steps import Ask, AskKey, Dialog

RUNNING = "running-config"
STARTUP = "startup-config"


def show_directory(ctx: Context) -> None:
    """``dir [FILE-SYSTEM:]``, ``show flash:``."""
    router = ctx.device
    typed = str(ctx.options.get("system", ctx.args.get("url", "")))
    place = router.files.parse(typed or f"{router.files.systems[0]}:")
    if place is None:
        ctx.say("files.unreadable", url=typed)
        return
    system = place[0]
    files = list(router.files.listing(system))
    if system == "nvram" and router.startup_config:
        content = router.startup_config.encode()
        files.append(File(STARTUP, content, router.changed_at or router.started_at))
    ctx.say("files.directory", system=system)
    if not files:
        ctx.say("files.empty")
    for number, file in enumerate(files, 1):
        at = router.config.zone.local(file.written_at)
        size = len(file.content)
        ctx.write(f"{number:5}  -rw-  {size:10}  {at:%b %d %Y %H:%M:%S %z}  {file.name}")
    used = sum(len(file.content) for file in files)
    ctx.say("files.total", total=CAPACITY_BYTES, free=CAPACITY_BYTES - used)


def show_file(ctx: Context) -> None:
    """``more URL``."""
    url = ctx.args["url"]
    content = ctx.device.files.read(url)
    if content is None and ctx.device.files.parse(url) == ("nvram", STARTUP):
        content = ctx.device.startup_config.encode()
    if not content:
        ctx.say("files.unreadable", url=url)
        return
    ctx.write(content.decode("utf-8", "replace").removesuffix("\n"))


def delete_file(ctx: Context) -> Dialog:
    """``delete [/force] URL``."""
    url = ctx.args["url"]
    system, name = ctx.device.files.parse(url) or ("", "")
    if not ctx.has("/force"):
        typed: str = yield Ask(ctx.text("files.delete_question", name=name))
        url = f"{system}:{typed.strip() or name}"
        key: str = yield AskKey(ctx.text("files.delete_confirm", url=url))
        if key not in ("\n", "y", "Y"):
            return
    if not ctx.device.files.delete(url):
        ctx.say("files.unreadable", url=url)


def copy_to_startup(ctx: Context) -> Dialog:
    """``copy running-config startup-config``."""
    yield Ask(ctx.text("files.destination_question", name=STARTUP))
    write_memory(ctx)


def copy_startup_to_running(ctx: Context) -> Dialog:
    """``copy startup-config running-config``: the lines are carried out on top of what runs."""
    text = ctx.device.startup_config
    if not text:
        ctx.say("system.startup_missing")
        return
    yield Ask(ctx.text("files.destination_question", name=RUNNING))
    carry_out(ctx.device, text.splitlines(), mode="config")
    ctx.say("files.copied", count=len(text), rate=len(text) * 100)


def copy_file(ctx: Context) -> Dialog:
    """``copy SOURCE DESTINATION``: configurations and files of the box."""
    source = ctx.args.get("source") or next(w for w in ctx.words[1:] if w in (RUNNING, STARTUP))
    content = _content(ctx, source)
    if content is None:
        _say_missing(ctx, source)
        return
    if "destination" not in ctx.args:
        yield Ask(ctx.text("files.destination_question", name=STARTUP))
        if save_text(ctx, content.decode("utf-8", "replace")):
            ctx.say("system.saved")
        return
    place = ctx.args["destination"]
    parsed = ctx.device.files.parse(place)
    default = parsed[1] if parsed and parsed[1] else _default_name(ctx, source)
    typed: str = yield Ask(ctx.text("files.destination_question", name=default))
    target = f"{parsed[0]}:{typed.strip() or default}" if parsed else place
    if parsed is None:
        ctx.say("files.unreachable", url=place)
        return
    if ctx.device.files.read(target) is not None:
        key: str = yield AskKey(ctx.text("files.overwrite"))
        if key not in ("\n", "y", "Y"):
            return
    if not ctx.device.files.write(target, content, ctx.device.device_time()):
        ctx.say("files.unwritable", url=target)
        return
    ctx.say("files.copied", count=len(content), rate=len(content) * 100)


def _content(ctx: Context, source: str) -> bytes | None:
    router = ctx.device
    if source == RUNNING:
        return render_config(router).encode()
    if source == STARTUP:
        return router.startup_config.encode() or None
    return router.files.read(source)


def _default_name(ctx: Context, source: str) -> str:
    if source in (RUNNING, STARTUP):
        return f"{ctx.device.hostname.lower()}-confg"
    parsed = ctx.device.files.parse(source)
    return parsed[1] if parsed else source


def _say_missing(ctx: Context, source: str) -> None:
    if source == STARTUP:
        ctx.say("system.startup_missing")
    elif ctx.device.files.parse(source) is None:
        ctx.say("files.unreachable", url=source)
    else:
        ctx.say("files.unreadable", url=source)
