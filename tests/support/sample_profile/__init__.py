"""A third party's device profile: data files and a handful of handlers, outside the product."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

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
    ctx.say("version", hostname=ctx.device.hostname)


def show_clock(ctx: Context) -> None:
    ctx.write(ctx.device.now().strftime("%H:%M:%S UTC %Y-%m-%d"))
    if ctx.has("detail"):
        ctx.write("Time source is user configuration")


def show_lines(ctx: Context) -> None:
    for number in range(int(ctx.args["count"])):
        ctx.write(f"line {number + 1}")


def show_running(ctx: Context) -> None:
    for name, color in ctx.device.colors.items():
        ctx.write(f"site {name}\n color {color}\n  deep {name}\n!")
    ctx.write("end")


def echo(ctx: Context) -> None:
    ctx.write(ctx.args["text"])


def echo_words(ctx: Context) -> None:
    ctx.write(f"{ctx.words} {sorted(ctx.args.items())} {ctx.options} {ctx.negated} {ctx.default}")


make_key = echo_words


def wipe(ctx: Context) -> Dialog:
    while True:
        answer: str = yield Ask(ctx.text("wipe.question", name=ctx.args["name"]))
        if answer in ("yes", "no"):
            break
        ctx.write("% Please answer 'yes' or 'no'.")
    ctx.write("Wiped." if answer == "yes" else "Kept.")


def secret(ctx: Context) -> Dialog:
    first: str = yield Ask("Password: ", echo=False)
    second: str = yield Ask("Again: ", mask="*", echo=False)
    ctx.write("same" if first == second else "different")


def reload(ctx: Context) -> Dialog:
    key: str = yield AskKey("Proceed? [confirm]")
    ctx.write(f"key {key!r}")
    key = yield AskKey("Sure? (y/n)", keys="yn")
    ctx.write(f"key {key!r}")


def wait(ctx: Context) -> Dialog:
    name = ctx.args["name"]
    ctx.write_partial("Waiting ... ")
    seconds = float(ctx.args.get("seconds", "60"))
    try:
        event = yield WaitFor(lambda event: event.trustpoint == name, seconds)
        ctx.write(event.kind if event else "timeout")
    finally:
        ctx.device.left.append("wait")


def log_text(ctx: Context) -> None:
    ctx.device.log(ctx.args["text"])
    ctx.write("said")


def broken(ctx: Context) -> Dialog:
    ctx.write("before")
    if ctx.has("late"):
        yield Ask("Go on? ")
    raise ZeroDivisionError("handler bug")


def configure(ctx: Context) -> None:
    ctx.write("Enter configuration commands, one per line.  End with CNTL/Z.")
    ctx.enter_mode("config")


def hostname(ctx: Context) -> None:
    ctx.device.hostname = "box" if ctx.negated or ctx.default else ctx.args["name"]


def enter_site(ctx: Context) -> None:
    if ctx.negated:
        ctx.device.colors.pop(ctx.args["name"], None)
        return
    ctx.enter_mode("site", name=ctx.args["name"])


def color(ctx: Context) -> None:
    name = ctx.session.mode_values["name"]
    if ctx.negated or ctx.default:
        ctx.device.colors.pop(name, None)
    else:
        ctx.device.colors[name] = ctx.words[1]


def port(ctx: Context) -> None:
    if ctx.args.get("address") == "127.0.0.1":
        ctx.reject("address")
        return
    echo_words(ctx)


def enter_paste(ctx: Context) -> None:
    ctx.device.pasted.clear()
    ctx.enter_mode("paste")


def paste_line(ctx: Context) -> None:
    if ctx.line == "quit":
        ctx.leave_mode()
    else:
        ctx.device.pasted.append(ctx.line)


def config_left(ctx: Context, _values: Mapping[str, str]) -> None:
    ctx.device.log("%SAMPLE-5-CONFIG: configured")


def site_left(ctx: Context, values: Mapping[str, str]) -> None:
    ctx.device.left.append(values["name"])


HANDLERS = {
    handler.__name__: handler
    for handler in (
        show_version, show_clock, show_lines, show_running, echo, wipe, secret, reload, wait,
        log_text, broken, configure, hostname, enter_site, color, port, enter_paste, paste_line,
    )
}  # fmt: skip
HANDLERS["echo_words"] = HANDLERS["make_key"] = echo_words


def create_profile() -> DeviceProfile:
    """What the entry point names."""
    return DeviceProfile.load(
        files(__name__),
        handlers=HANDLERS,
        leave_handlers={"config_left": config_left, "site_left": site_left},
        device_class=SampleDevice,
    )
