"""A third party's device profile: data files and a handful of handlers, outside the product."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from sceplab_devices.context import CommandContext
from sceplab_devices.device import Device
from sceplab_devices.profile import DeviceProfile
from sceplab_devices.steps import Ask, AskKey, Dialog, WaitFor


class SampleDevice(Device):
    """A box that keeps colours of sites."""

    def __init__(self, *args: object, **settings: object) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]
        self.colors: dict[str, str] = {}
        self.pasted: list[str] = []
        self.left: list[str] = []


Context = CommandContext[SampleDevice]


def show_version(ctx: Context) -> None:
    """A text of the profile."""
    ctx.say("version", hostname=ctx.device.hostname)


def show_clock(ctx: Context) -> None:
    """An optional keyword."""
    ctx.write(ctx.device.now().strftime("%H:%M:%S UTC %Y-%m-%d"))
    if ctx.has("detail"):
        ctx.write("Time source is user configuration")


def show_lines(ctx: Context) -> None:
    """Long output."""
    for number in range(int(ctx.args["count"])):
        ctx.write(f"line {number + 1}")


def show_running(ctx: Context) -> None:
    """Sections."""
    for name, color in ctx.device.colors.items():
        ctx.write(f"site {name}\n color {color}\n  deep {name}\n!")
    ctx.write("end")


def echo(ctx: Context) -> None:
    """A rest-of-line parameter."""
    ctx.write(ctx.args["text"])


def echo_words(ctx: Context) -> None:
    """Everything the parser found."""
    ctx.write(f"{ctx.words} {sorted(ctx.args.items())} {ctx.options} {ctx.negated} {ctx.default}")


make_key = echo_words


def wipe(ctx: Context) -> Dialog:
    """A question that insists."""
    while True:
        answer: str = yield Ask(ctx.text("wipe.question", name=ctx.args["name"]))
        if answer in ("yes", "no"):
            break
        ctx.write("% Please answer 'yes' or 'no'.")
    ctx.write("Wiped." if answer == "yes" else "Kept.")


def secret(ctx: Context) -> Dialog:
    """Hidden and masked answers."""
    first: str = yield Ask("Password: ", echo=False)
    second: str = yield Ask("Again: ", mask="*", echo=False)
    ctx.write("same" if first == second else "different")


def reload(ctx: Context) -> Dialog:
    """Single keys."""
    key: str = yield AskKey("Proceed? [confirm]")
    ctx.write(f"key {key!r}")
    key = yield AskKey("Sure? (y/n)", keys="yn")
    ctx.write(f"key {key!r}")


def wait(ctx: Context) -> Dialog:
    """An awaited event, with clean-up."""
    name = ctx.args["name"]
    ctx.write_partial("Waiting ... ")
    seconds = float(ctx.args.get("seconds", "60"))
    try:
        event = yield WaitFor(lambda event: event.trustpoint == name, seconds)
        ctx.write(event.kind if event else "timeout")
    finally:
        ctx.device.left.append("wait")


def log_text(ctx: Context) -> None:
    """A log line while the command runs."""
    ctx.device.log(ctx.args["text"])
    ctx.write("said")


def broken(ctx: Context) -> Dialog:
    """Fails on purpose, before or after a question."""
    ctx.write("before")
    try:
        if ctx.has("late") or ctx.has("cleanup"):
            yield Ask("Go on? ")
    finally:
        if ctx.has("cleanup"):
            raise ZeroDivisionError("clean-up bug")
    raise ZeroDivisionError("handler bug")


def configure(ctx: Context) -> None:
    """Enters a mode."""
    ctx.write("Enter configuration commands, one per line.  End with CNTL/Z.")
    ctx.enter_mode("config")


def hostname(ctx: Context) -> None:
    """A plain handler with ``no`` and ``default``."""
    ctx.device.hostname = "box" if ctx.negated or ctx.default else ctx.args["name"]


def enter_site(ctx: Context) -> None:
    """Enters a mode with a value in its prompt."""
    if ctx.negated:
        ctx.device.colors.pop(ctx.args["name"], None)
        return
    ctx.enter_mode("site", name=ctx.args["name"])


def color(ctx: Context) -> None:
    """Reads the mode's value."""
    name = ctx.session.mode_values["name"]
    if ctx.negated or ctx.default:
        ctx.device.colors.pop(name, None)
    else:
        ctx.device.colors[name] = ctx.words[1]


def port(ctx: Context) -> None:
    """Refuses a value the parser let pass."""
    if ctx.args.get("address") == "127.0.0.1":
        ctx.reject("address")
        return
    echo_words(ctx)


def enter_paste(ctx: Context) -> None:
    """Enters the raw mode."""
    ctx.device.pasted.clear()
    ctx.enter_mode("paste")


def paste_line(ctx: Context) -> None:
    """A line of the raw mode."""
    if ctx.line == "quit":
        ctx.leave_mode()
    else:
        ctx.device.pasted.append(ctx.line)


def config_left(ctx: Context, _values: Mapping[str, str]) -> None:
    """Logs the end of configuration."""
    ctx.device.log("%SAMPLE-5-CONFIG: configured")


def site_left(ctx: Context, values: Mapping[str, str]) -> None:
    """Keeps the site that was left."""
    ctx.device.left.append(values["name"])


HANDLERS = {
    handler.__name__: handler
    for handler in (
        show_version, show_clock, show_lines, show_running, echo, wipe, secret, reload, wait,
        log_text, broken, configure, hostname, enter_site, color, port, enter_paste, paste_line,
    )
}  # fmt: skip
LEAVE_HANDLERS = {"config_left": config_left, "site_left": site_left}
HANDLERS["echo_words"] = HANDLERS["make_key"] = echo_words


def folder() -> Traversable:
    """Where the data files are."""
    return files(__name__) / "data"


def create_profile() -> DeviceProfile:
    """What the entry point names."""
    return DeviceProfile.load(
        folder(),
        handlers=HANDLERS,
        leave_handlers=LEAVE_HANDLERS,
        device_class=SampleDevice,
    )
