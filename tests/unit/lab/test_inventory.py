"""Inventories, each read by what its tool reads it with."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sceplab_devices.errors import ProfileError
from sceplab_devices.profile import DeviceProfile, known_profiles, open_profile
from sceplab_lab.inventory import InventoryHost, inventory_hosts
from sceplab_lab.inventory_formats import FORMATS, hosts_left_out
from sceplab_lab.inventory_platforms import Platform, platform_of
from sceplab_lab.rack import Rack, read_rack
from sceplab_lab.rack_errors import RackError
from tests.support.client_envs import run_client
from tests.support.programs import require_program

TEXT = """
defaults:
  profile: cisco-ios
  users: {admin: env:LAB_PASSWORD}
  enable_secret: file:enable.txt
devices:
- name: r{1..2}
  lines: [telnet:127.0.0.1:2301, "ssh:127.0.0.1:2201", "ssh:127.0.0.1:2901"]
- name: core
  hostname: CORE
  lines: ["tcp:127.0.0.1:2401"]
- name: lap
  lines: ["pty:/tmp/lab/ttyLAP"]
- name: asa
  profile: cisco-asa
  lines: ["telnet:127.0.0.1:2402"]
"""


def rack(text: str = TEXT) -> Rack:
    """A rack from text."""
    return read_rack(text, Path("rack.yaml"))


def hosts(text: str = TEXT) -> list[InventoryHost]:
    """Its devices."""
    return inventory_hosts(rack(text))


def test_ansible_reaches_each_device_over_ssh() -> None:
    """A group for each profile, with what network_cli needs; secrets are look-ups."""
    read = yaml.safe_load(FORMATS["ansible"](hosts()))
    group = read["all"]["children"]["cisco_ios"]
    assert group["vars"] == {
        "ansible_connection": "ansible.netcommon.network_cli",
        "ansible_network_os": "cisco.ios.ios",
        "ansible_host_key_checking": False,
        "ansible_become": True,
        "ansible_become_method": "ansible.netcommon.enable",
    }
    assert group["hosts"]["r2"] == {
        "ansible_host": "127.0.0.1",
        "ansible_port": 2202,
        "ansible_user": "admin",
        "ansible_password": "{{ lookup('ansible.builtin.env', 'LAB_PASSWORD') }}",
        "ansible_become_password": "{{ lookup('ansible.builtin.env', 'SCEPLAB_ENABLE') }}",
    }
    assert list(group["hosts"]) == ["r1", "r2"]
    assert hosts_left_out("ansible", hosts()) == ["core", "lap", "asa"]


def test_ansible_sends_raw_commands_where_it_knows_no_cli() -> None:
    """For these platforms Ansible has no `network_cli`: plain SSH, without a check of host keys."""
    text = "devices: [{name: fw, profile: fortinet-fortios, lines: ['ssh:127.0.0.1:2201']}]"
    read = yaml.safe_load(FORMATS["ansible"](hosts(text)))
    assert read["all"]["children"]["fortinet_fortios"]["vars"] == {
        "ansible_connection": "ansible.builtin.ssh",
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    }


@pytest.mark.interop
def test_netmiko_reads_its_own_file(tmp_path: Path) -> None:
    """Its loader takes the file, and every device type is one of its drivers."""
    path = tmp_path / "netmiko.yml"
    path.write_text(FORMATS["netmiko"](hosts()))
    devices = run_client("main", "netmiko_reads.py", str(path))["devices"]
    assert devices["r1"] == {
        "device_type": "cisco_ios",
        "host": "127.0.0.1",
        "port": 2201,
        "username": "admin",
    }
    assert devices["core"]["device_type"] == "cisco_ios_telnet"
    assert devices["lap"] == {
        "device_type": "cisco_ios_serial",
        "serial_settings": {"port": "/tmp/lab/ttyLAP", "baudrate": 9600},
        "username": "admin",
    }
    assert devices["cisco-ios"] == ["r1", "r2", "core", "lap"]
    assert "# No password is in here. Environment: LAB_PASSWORD, SCEPLAB_ENABLE;" in (
        path.read_text()
    )
    assert hosts_left_out("netmiko", hosts()) == ["asa"]


@pytest.mark.interop
def test_every_profile_has_a_netmiko_driver() -> None:
    """The names of the table are names of the installed netmiko."""
    drivers = run_client("main", "netmiko_reads.py")["drivers"]
    for name in known_profiles():
        platform = platform_of(open_profile(name))
        types = [platform.netmiko, platform.netmiko_telnet, platform.netmiko_serial]
        assert platform.netmiko, name
        assert [one for one in types if one and one not in drivers] == [], name


def test_nornir_needs_one_file_only() -> None:
    """SimpleInventory's keys and no groups that another file would have to define."""
    read = yaml.safe_load(FORMATS["nornir"](hosts()))
    assert list(read) == ["r1", "r2", "core"]
    assert read["core"] == {
        "hostname": "127.0.0.1",
        "port": 2401,
        "platform": "cisco_ios_telnet",
        "username": "admin",
        "data": {
            "profile": "cisco-ios",
            "password_variable": "LAB_PASSWORD",
            "enable_variable": "SCEPLAB_ENABLE",
        },
    }
    assert hosts_left_out("nornir", hosts()) == ["lap", "asa"]


@pytest.mark.interop
def test_ssh_takes_its_configuration(tmp_path: Path) -> None:
    """OpenSSH itself says where it would go."""
    ssh = require_program("ssh", package="openssh-client")
    path = tmp_path / "ssh_config"
    path.write_text(FORMATS["ssh-config"](hosts()))
    shown = subprocess.run(
        [ssh, "-G", "-F", path, "r2"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    settings = dict(line.split(" ", 1) for line in shown.splitlines() if " " in line)
    assert (settings["hostname"], settings["port"]) == ("127.0.0.1", "2202")
    assert settings["user"] == "admin"
    assert settings["stricthostkeychecking"] in {"no", "false"}


def test_a_testbed_has_all_lines_of_a_device() -> None:
    """By host name, as Unicon looks for it in the prompt; secrets come from the environment."""
    read = yaml.safe_load(FORMATS["testbed"](hosts()))["devices"]
    assert list(read) == ["r1", "r2", "CORE", "asa"]
    assert read["CORE"]["alias"] == "core"
    assert (read["asa"]["os"], read["asa"]["type"]) == ("asa", "firewall")
    assert read["r1"]["credentials"] == {
        "default": {"username": "admin", "password": "%ENV{LAB_PASSWORD}"},
        "enable": {"password": "%ENV{SCEPLAB_ENABLE}"},
    }
    connections = read["r1"]["connections"]
    assert connections["defaults"] == {"class": "unicon.Unicon"}
    assert (connections["cli"]["protocol"], connections["cli"]["port"]) == ("ssh", 2201)
    assert (connections["telnet"]["ip"], connections["telnet"]["port"]) == ("127.0.0.1", 2301)
    assert hosts_left_out("testbed", hosts()) == ["lap"]


def test_a_device_without_users_names_nobody() -> None:
    """Nothing about logins is written then."""
    text = "devices:\n- {name: r1, profile: cisco-ios, lines: ['ssh:127.0.0.1:2201']}\n"
    for name, written in FORMATS.items():
        shown = written(hosts(text))
        assert "admin" not in shown
        assert "assword" not in shown.replace("PasswordAuthentication", ""), name
        assert "ser" not in yaml.safe_load(shown) if name != "ssh-config" else "User " not in shown


def test_free_ports_come_from_the_running_rack() -> None:
    """Port 0 is no port to connect to; the ready object says which it became."""
    text = "devices:\n- {name: 'r{1..2}', profile: cisco-ios, lines: ['telnet:127.0.0.1:0']}\n"
    with pytest.raises(RackError, match=r"rack.yaml:2: device r1: .*takes any free port"):
        hosts(text)
    ready: dict[str, Any] = {"devices": [{"name": "r1", "consoles": ["telnet:127.0.0.1:40001"]}]}
    with pytest.raises(RackError, match="device r2: does not run"):
        inventory_hosts(rack(text), json.dumps(ready))
    one = inventory_hosts(rack(text).only(["r1"]), json.dumps(ready))
    assert yaml.safe_load(FORMATS["netmiko"](one))["r1"]["port"] == 40001
    for wrong in ("", "{", "[]", "{}", '{"devices": [{"name": "r1", "consoles": ["x"]}]}'):
        with pytest.raises(RackError, match="--running" if wrong else "free port"):
            inventory_hosts(rack(text), wrong)


def test_a_profile_from_elsewhere_says_what_tools_call_it() -> None:
    """Its own table, checked for wrong keys; without one the general names are used."""
    shape: dict[str, Any] = {
        "shell": {"base_mode": "exec"},
        "modes": {"exec": {"prompt": ">"}},
        "profile": {"name": "acme"},
    }
    assert platform_of(DeviceProfile(shape)) == Platform()
    named = DeviceProfile({**shape, "data": {"inventory": {"netmiko": "acme_os"}}})
    assert platform_of(named).netmiko == "acme_os"
    wrong = DeviceProfile({**shape, "data": {"inventory": {"netmico": "acme_os"}}})
    with pytest.raises(ProfileError, match=r"data.inventory: unknown key 'netmico'"):
        platform_of(wrong)
