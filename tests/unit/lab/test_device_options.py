"""Settings, users and secrets that a device is started with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sceplab_devices.device import Device
from sceplab_devices.errors import DeviceError
from sceplab_devices.profile import DeviceProfile, open_profile
from sceplab_lab.clock import LabClock
from sceplab_lab.device_host import DevicePlan, start_device
from sceplab_lab.device_options import check_options, known_options, read_options
from sceplab_lab.lab_trustpoint import lab_hint
from sceplab_lab.login_secrets import SecretBook, read_users

MODE = {"shell": {"base_mode": "exec"}, "modes": {"exec": {"prompt": ">"}}}


class Switch(Device):
    """A device with settings of three types."""

    def __init__(
        self,
        profile: DeviceProfile,
        *,
        slots: int = 4,
        stacked: bool = False,
        model: str = "A",
        **settings: Any,
    ) -> None:
        super().__init__(profile, **settings)
        self.facts = (slots, stacked, model)


def switch_profile(**data: Any) -> DeviceProfile:
    """A platform of such devices."""
    return DeviceProfile({"profile": {"name": "switch"}, **MODE, "data": data}, device_class=Switch)


def test_the_settings_of_a_class_are_found() -> None:
    """Names and types come from the class; what every device has is not among them."""
    assert known_options(switch_profile()) == {"slots": int, "stacked": bool, "model": str}
    assert {"train", "serial_number"} <= known_options(open_profile("cisco-ios")).keys()
    plain = DeviceProfile({"profile": {"name": "plain"}, **MODE})
    assert known_options(plain) == {}
    with pytest.raises(DeviceError, match="profile plain has none"):
        read_options(plain, ["slots=1"])


def test_settings_are_read_by_their_type() -> None:
    """Texts of a command line become what the class takes."""
    typed = read_options(switch_profile(), ["slots=8", "stacked=yes", "model=B=C"])
    assert typed == {"slots": 8, "stacked": True, "model": "B=C"}
    check_options(switch_profile(), typed)


@pytest.mark.parametrize(
    ("pair", "hint"),
    [
        ("slot=8", "did you mean 'slots'"),
        ("colour=red", "knows: model, slots, stacked"),
        ("slots=many", "must be a whole number"),
        ("stacked=maybe", "must be yes or no"),
        ("slots", "expected KEY=VALUE"),
    ],
)
def test_a_wrong_setting_names_the_right_ones(pair: str, hint: str) -> None:
    """The text says what would be right."""
    with pytest.raises(DeviceError, match=hint):
        read_options(switch_profile(), [pair])


def test_a_number_is_no_text() -> None:
    """A file that gives a number where a text belongs is told to quote it."""
    with pytest.raises(DeviceError, match="'model' must be a text; write it in quotes"):
        check_options(switch_profile(), {"model": 12})
    with pytest.raises(DeviceError, match="'slots' must be a whole number"):
        check_options(switch_profile(), {"slots": True})


def test_users_are_given_by_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password in clear is refused, and not repeated in the text."""
    monkeypatch.setenv("LAB_PASSWORD", "s3cret")
    (tmp_path / "pw").write_text("other\n")
    (tmp_path / "pw").chmod(0o600)
    pairs = ["admin=env:LAB_PASSWORD", f"bob=file:{tmp_path / 'pw'}"]
    assert read_users(pairs, SecretBook()) == {"admin": "s3cret", "bob": "other"}
    for wrong in ("admin=hunter2", "hunter2", "=env:LAB_PASSWORD"):
        with pytest.raises(DeviceError, match="expected NAME=REFERENCE") as caught:
            read_users([wrong], SecretBook())
        assert "hunter2" not in str(caught.value)
    with pytest.raises(DeviceError, match=r"password of admin: .*NO_SUCH is not set"):
        read_users(["admin=env:NO_SUCH"], SecretBook())
    monkeypatch.setenv("LAB_PASSWORD", "")
    with pytest.raises(DeviceError, match="it is empty"):
        read_users(["admin=env:LAB_PASSWORD"], SecretBook())


async def test_a_plan_reaches_the_device(tmp_path: Path) -> None:
    """Users, enable password and settings of the plan are the device's; its repr hides them."""
    plan = DevicePlan(
        profile=switch_profile(lab_trustpoint=[], lab_hint=["type {url} on {hostname}"]),
        hostname="sw1",
        state_dir=tmp_path / "sw1",
        users={"admin": "s3cret"},
        enable_password="3nable",
        options={"slots": 8},
        server="http://ca.example.test/scep",
    )
    assert "s3cret" not in repr(plan)
    assert "3nable" not in repr(plan)
    with ThreadPoolExecutor(1) as pool:
        hosted = await start_device(plan, clock=LabClock(), pool=pool)
        device = hosted.device
        assert isinstance(device, Switch)
        assert device.facts == (8, False, "A")
        assert device.accepts_login("admin", "s3cret")
        assert device.enable_password == "3nable"
        assert lab_hint(device, plan.server) == ["type http://ca.example.test/scep on sw1"]
        await hosted.close()


async def test_a_platform_without_lines_for_a_server_says_so(tmp_path: Path) -> None:
    """Neither lines nor a hint: the option cannot do anything."""
    plan = DevicePlan(
        profile=switch_profile(), state_dir=tmp_path / "sw1", server="http://ca.example.test/scep"
    )
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(DeviceError, match="has no lines for --server"):
            await start_device(plan, clock=LabClock(), pool=pool)
        (tmp_path / "sw1" / "device.lock").unlink()


async def test_a_device_without_keys_has_no_store_on_disk(tmp_path: Path) -> None:
    """The store is made with the first key, and opened at once when it is there."""
    plan = DevicePlan(profile=open_profile("cisco-ios"), state_dir=tmp_path / "r1")
    with ThreadPoolExecutor(1) as pool:
        hosted = await start_device(plan, clock=LabClock(), pool=pool)
        keys = hosted.port.keys()
        assert keys == []
        assert not (tmp_path / "r1" / "keys").exists()
        assert not (tmp_path / "r1" / "passphrase").exists()
        hosted.port.generate_key("E", "ec:p256", exportable=False)
        await hosted.settle()
        await hosted.close()
        hosted = await start_device(plan, clock=LabClock(), pool=pool)
        keys = hosted.port.keys()
        assert [key.label for key in keys] == ["E"]
        await hosted.close()
