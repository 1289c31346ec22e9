"""Profiles from data: loading, merging, complaints that name the place, finding by name."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sceplab_devices.errors import ProfileError
from sceplab_devices.profile import DeviceProfile, known_profiles, open_profile
from sceplab_devices.profile_data import read_folder
from tests.support.consoles import IdlePort, ManualClock, Terminal
from tests.support.sample_profile import SampleDevice

Change = Callable[[dict[str, Any]], None]


def minimal() -> dict[str, Any]:
    """The least that makes a profile."""
    return {
        "profile": {"name": "tiny"},
        "modes": {"exec": {"prompt": "{hostname}> "}},
        "command": [{"modes": ["exec"], "syntax": "exit", "handler": "exit"}],
    }


def test_a_profile_needs_a_name_a_mode_and_commands() -> None:
    """Everything else comes from the defaults."""
    profile = DeviceProfile(minimal())
    terminal = Terminal(profile)
    assert terminal.greeting == b"tiny> "
    assert terminal.run("foo") == (
        "foo\n      ^\n% Invalid input detected at '^' marker.\n\ntiny> "
    )
    assert terminal.run("ex") == "ex\n"
    assert terminal.console.is_closed


def test_a_device_gets_the_class_and_name_of_its_profile(sample_profile: DeviceProfile) -> None:
    """A host name of its own may be given."""
    first = sample_profile.new_device(port=IdlePort(), clock=ManualClock())
    second = sample_profile.new_device(port=IdlePort(), clock=ManualClock(), hostname="other")
    assert isinstance(first, SampleDevice)
    assert (first.hostname, second.hostname) == ("box", "other")


def test_tables_are_compiled_once_and_shared(sample_profile: DeviceProfile) -> None:
    """One table for all privileges that may use the same commands."""
    assert sample_profile.grammar("exec", 1) is sample_profile.grammar("exec", 14)
    assert sample_profile.grammar("exec", 1) is not sample_profile.grammar("exec", 15)


def test_texts_are_filled_in_and_values_are_data(sample_profile: DeviceProfile) -> None:
    """Braces inside a value mean nothing."""
    assert sample_profile.text("wipe.question", name="{hostname}") == (
        "Really wipe {hostname}? [yes/no]: "
    )
    with pytest.raises(ProfileError, match=r"texts\.wipe\.question: lacks 'name'"):
        sample_profile.text("wipe.question")
    with pytest.raises(ProfileError, match=r"texts\.wipe\.nothing"):
        sample_profile.text("wipe.nothing")


def test_the_mark_is_the_highest_one_allowed(sample_profile: DeviceProfile) -> None:
    """Between two marks the lower one counts."""
    assert [sample_profile.shell.mark(level) for level in (0, 1, 14, 15)] == [">", ">", ">", "#"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("profile"), "profile.name: has no name"),
        (
            lambda data: data.update(comands=[]),
            "tiny: comands: unknown key 'comands'; did you mean 'command'?",
        ),
        (
            lambda data: data["command"][0].update(modes=["exce"]),
            "unknown mode 'exce'; did you mean 'exec'?",
        ),
        (
            lambda data: data["command"][0].update(handler="exti"),
            "unknown handler 'exti'; did you mean 'exit'?",
        ),
        (
            lambda data: data["command"][0].update(hiden=True),
            "unknown key 'hiden'; did you mean 'hidden'?",
        ),
        (lambda data: data["command"][0].update(syntax="exit ["), "lacks a ']'"),
        (lambda data: data["command"][0].update(no="[x"), "lacks a ']'"),
        (lambda data: data["command"][0].pop("syntax"), "command 0: lacks 'syntax'"),
        (
            lambda data: data["modes"]["exec"].update(promt="x"),
            "modes.exec.promt: unknown key 'promt'; did you mean 'prompt'?",
        ),
        (lambda data: data["modes"]["exec"].pop("prompt"), "modes.exec: "),
        (
            lambda data: data["modes"]["exec"].update(fallback="base"),
            "modes.exec.fallback: unknown mode 'base'",
        ),
        (
            lambda data: data["modes"]["exec"].update(raw="nobody"),
            "modes.exec.raw: unknown handler 'nobody'",
        ),
        (
            lambda data: data["modes"]["exec"].update(on_leave="exit"),
            "modes.exec.on_leave: unknown handler 'exit'",
        ),
        (
            lambda data: data.update(shell={"base_mode": "top"}),
            "shell.base_mode: unknown mode 'top'",
        ),
        (
            lambda data: data.update(shell={"moore": "x"}),
            "shell.moore: unknown key 'moore'; did you mean 'more'?",
        ),
        (
            lambda data: data.update(lines={"vty": {"opening": "logn"}}),
            "lines.vty.opening: unknown handler 'logn'; did you mean 'login'?",
        ),
        (lambda data: data.update(lines={"vty": 3}), "lines.vty: must be a table"),
        (
            lambda data: data.update(kinds={"word": {"placeholder": "W", "pattern": "x"}}),
            "kinds.word: is a built-in kind",
        ),
        (
            lambda data: data.update(kinds={"odd": {"placeholder": "W", "pattern": "("}}),
            "kinds.odd: ",
        ),
        (lambda data: data.update(kinds={"odd": {"pattern": "x"}}), "kinds.odd: "),
        (lambda data: data.update(modes=[]), "modes: must be a table"),
        (lambda data: data.update(command={}), "command: must be an array of tables"),
        (lambda data: data.update(command=["exit"]), "command 0: must be a table"),
        (lambda data: data["modes"].update(config="x"), "modes.config: must be a table"),
        (
            lambda data: data["command"][0].update(privilege=True),
            "command 'exit'.privilege: must be of type int",
        ),
        (
            lambda data: data["command"][0].update(modes="exec"),
            "command 'exit'.modes: must be of type list",
        ),
        (lambda data: data["command"][0].update(no=3), "must be of type bool or str"),
        (
            lambda data: data["modes"]["exec"].update(prompt=3),
            "modes.exec.prompt: must be of type str",
        ),
        (lambda data: data.update(texts={"a": {"b": 3}}), "texts.a.b: must be of type str"),
        (lambda data: data.update(errors={"invalid": []}), "errors.invalid: must be of type str"),
        (
            lambda data: data.update(lines={"vty": {"closing": "reopn"}}),
            "lines.vty.closing: unknown way 'reopn'; did you mean 'reopen'?",
        ),
    ],
)
def test_wrong_data_is_refused_with_its_place(change: Change, message: str) -> None:
    """And with the closest known name."""
    data = minimal()
    change(data)
    with pytest.raises(ProfileError) as caught:
        DeviceProfile(data)
    assert message in str(caught.value)


def test_a_folder_is_read_as_one_table(tmp_path: Path) -> None:
    """Files and folders below it, commands one behind the other."""
    (tmp_path / "a.toml").write_text('[profile]\nname = "x"\n[[command]]\nsyntax = "one"\n')
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.toml").write_text(
        '[profile]\ntitle = "X"\n[[command]]\nsyntax = "two"\n'
    )
    (tmp_path / "notes.txt").write_text("not data")
    assert read_folder(tmp_path) == {
        "profile": {"name": "x", "title": "X"},
        "command": [{"syntax": "one"}, {"syntax": "two"}],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[profile]\nname = "y"\n', "b.toml: name: is given twice"),
        ("[profile\n", "b.toml: "),
        ("[profile.name]\nx = 1\n", "b.toml: name: is given twice"),
    ],
)
def test_files_that_contradict_or_break_are_named(tmp_path: Path, text: str, message: str) -> None:
    """The file, and the key."""
    (tmp_path / "a.toml").write_text('[profile]\nname = "x"\n')
    (tmp_path / "b.toml").write_text(text)
    with pytest.raises(ProfileError) as caught:
        read_folder(tmp_path)
    assert message in str(caught.value)


def test_data_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A file in another encoding does not escape as a decoding error."""
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ProfileError, match=r"a\.toml"):
        read_folder(tmp_path)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    """Puts a distribution with device profiles on the path."""
    info = folder / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    entries = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[sceplab.devices]\n{entries}")
    monkeypatch.syspath_prepend(str(folder))


def test_an_installed_profile_is_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third party's entry point stands next to the built-in profiles."""
    install(tmp_path, monkeypatch, sample="tests.support.sample_profile:create_profile")
    assert "sample" in known_profiles()
    assert "cisco-ios" in known_profiles()
    assert open_profile("sample").title == "Sample OS 1.0"


def test_an_unknown_profile_lists_the_known_ones() -> None:
    """So that the next try succeeds."""
    with pytest.raises(ProfileError, match=r"unknown profile; known: .*cisco-ios"):
        open_profile("cisco-oss")


def test_a_broken_profile_harms_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named with the cause; others still open."""
    (tmp_path / "third_party_broken.py").write_text("raise OSError('disk')\n")
    install(
        tmp_path,
        monkeypatch,
        broken="third_party_broken:create",
        odd="builtins:dict",
        missing="tests.support.sample_profile:nothing",
        sample="tests.support.sample_profile:create_profile",
    )
    with pytest.raises(ProfileError, match="broken: cannot be loaded: OSError"):
        open_profile("broken")
    with pytest.raises(ProfileError, match="gives no DeviceProfile"):
        open_profile("odd")
    with pytest.raises(ProfileError, match="cannot be loaded: AttributeError"):
        open_profile("missing")
    assert open_profile("sample").name == "sample"
    sys.modules.pop("third_party_broken", None)
