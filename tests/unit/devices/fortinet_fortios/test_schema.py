"""The schema in data: what it refuses, and a table added without code."""

from __future__ import annotations

import copy
from importlib.resources import files

import pytest

from sceplab_devices.errors import ProfileError
from sceplab_devices.profile import DeviceProfile
from sceplab_devices.profile_data import read_folder
from sceplab_devices.profiles import fortinet_fortios
from sceplab_devices.profiles.fortinet_fortios.box import FortiGate
from sceplab_devices.profiles.fortinet_fortios.commands import read_commands
from sceplab_devices.profiles.fortinet_fortios.handlers import HANDLERS, LEAVE_HANDLERS
from sceplab_devices.profiles.fortinet_fortios.language import FortiLanguage
from sceplab_devices.profiles.fortinet_fortios.schema import read_schema
from sceplab_devices.profiles.fortinet_fortios.values import _CHECKERS
from tests.support.device_bench import DeviceBench


def test_a_table_needs_no_code() -> None:
    """A table that QA writes into the data can be edited, shown and saved."""
    data = copy.deepcopy(read_folder(files(fortinet_fortios) / "data"))
    data["data"]["tables"]["test rack"] = {
        "key": "name",
        "attributes": {
            "slot": {"type": "integer", "minimum": 1, "maximum": 9, "required": True},
            "certificate": {"type": "reference", "to": ["vpn certificate local"]},
        },
    }
    profile = DeviceProfile(
        data,
        handlers=HANDLERS,
        leave_handlers=LEAVE_HANDLERS,
        device_class=FortiGate,
        language=FortiLanguage(),
    )
    bench = DeviceBench(profile, users={"admin": "x"})
    terminal = bench.terminal(user="admin")
    for line in ("config test rack", "edit A", "set slot 10", "set slot 4", "end"):
        terminal.run(line)
    assert terminal.run("show test rack") == (
        "show test rack\nconfig test rack\n"
        '    edit "A"\n        set slot 4\n    next\nend\nFGT60F # '
    )
    assert '    edit "A"\n        set slot 4\n' in bench.saved[-1]


def test_wrong_fields_are_named_with_their_place() -> None:
    """A typing error in the data says where it is."""
    table = {"key": "name", "attributes": {"slot": {"typ": "integer"}}}
    with pytest.raises(ProfileError, match="did you mean 'type'") as raised:
        read_schema("x", {"test rack": table})
    assert raised.value.place == "data.tables.test rack.slot.typ"


def test_unknown_handler_of_a_command() -> None:
    """A command needs a function."""
    with pytest.raises(ProfileError, match="unknown handler 'nothing'"):
        read_commands("x", {"execute nothing": {"handler": "nothing"}})


def test_every_reference_and_type_exists() -> None:
    """References point into tables that there are; types are known; defaults are valid words."""
    schema = read_schema("x", read_folder(files(fortinet_fortios) / "data")["data"]["tables"])
    for table in schema.tables.values():
        for attribute in table.attributes.values():
            assert attribute.type in _CHECKERS, (table.path, attribute.name)
            assert set(attribute.to) <= set(schema.tables), (table.path, attribute.name)
            if attribute.options:
                assert set(attribute.default_words) <= set(attribute.options), attribute.name
        assert set(table.get) <= set(table.attributes)
        for values in table.entries.values():
            assert set(values) <= set(table.attributes)
