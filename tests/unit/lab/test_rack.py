"""Rack files: ranges, defaults, ports that are counted, and mistakes told with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from sceplab_lab.rack import Rack, load_rack, read_rack
from sceplab_lab.rack_errors import RackError
from sceplab_lab.rack_model import ServerSettings
from sceplab_lab.rack_plan import RackPlanner
from sceplab_lab.rack_server import server_config
from sceplab_lab.yaml_file import YamlFile
from sceplab_ndes.errors import ConfigError
from sceplab_ndes.validity import validity_text


def rack(text: str) -> Rack:
    """A rack from the text of a file ``lab/rack.yaml``."""
    return read_rack(text, Path("lab/rack.yaml"))


RANGES = """
state: files
server: http://ca.example.test/scep
defaults:
  profile: cisco-ios
  options: {train: recent}
  users: {admin: env:LAB_PASSWORD}
  lines: [telnet:127.0.0.1:2001, "ssh:127.0.0.1:0"]
devices:
  - name: r{8..10}
  - name: leaf{01..02}
    options: {serial_number: "{name}-{n}"}
  - name: sw
    count: 2
    profile: cisco-asa
    users: {operator: "file:{name}.pw"}
    lines: ["tcp:127.0.0.1:3001"]
    keys: tpm-stub:chips/{name}
    keys_secret: env:PIN
    server: ""
  - name: core
    hostname: CORE
"""


def test_ranges_are_written_out() -> None:
    """Names, merged settings, and ports: those of the defaults go through the whole rack."""
    whole = rack(RANGES)
    by_name = {device.name: device for device in whole.devices}
    assert list(by_name) == ["r8", "r9", "r10", "leaf01", "leaf02", "sw1", "sw2", "core"]
    ports = [device.endpoints[0].port for device in whole.devices]
    assert ports == [2001, 2002, 2003, 2004, 2005, 3001, 3002, 2006]
    assert [str(line) for line in by_name["core"].endpoints] == [
        "telnet:127.0.0.1:2006",
        "ssh:127.0.0.1:0",
    ]
    assert by_name["leaf02"].options == {"train": "recent", "serial_number": "leaf02-02"}
    assert by_name["sw2"].users == {"admin": "env:LAB_PASSWORD", "operator": "file:sw2.pw"}
    assert (by_name["sw2"].keys, by_name["sw2"].server) == ("tpm-stub:chips/sw2", "")
    assert (by_name["core"].hostname, by_name["core"].server) == ("CORE", None)
    assert (by_name["r10"].line, by_name["core"].line) == (10, 21)
    assert whole.state == Path("lab/files")


def test_a_part_of_a_rack_is_as_in_the_whole() -> None:
    """The ports are those of the whole rack; a name that is none is told."""
    assert [str(one.endpoints[0]) for one in rack(RANGES).only(["r10"]).devices] == [
        "telnet:127.0.0.1:2003"
    ]
    with pytest.raises(RackError, match="has no device 'r11'; did you mean 'r10'"):
        rack(RANGES).only(["r11"])


def test_a_thousand_devices_are_ten_lines() -> None:
    """Much is said once."""
    text = (
        "defaults: {profile: cisco-ios}\ndevices:\n- name: r{1..1000}\n  lines: ['tcp:[::1]:3001']"
    )
    devices = rack(text).devices
    assert (len(devices), devices[-1].endpoints[0].port) == (1000, 4000)


DEVICE = "devices:\n- name: r1\n  profile: cisco-ios\n  lines: [tcp:127.0.0.1:0]\n"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (DEVICE + "  hostname: no\n", "rack.yaml:5: 'devices.0.hostname' must be a text, and YAML"
         ' takes this for a yes or no; write "no" in quotes'),
        (DEVICE + "  hostname: 0123\n", 'for a number; write "0123" in quotes'),
        (DEVICE + "  hostname: 12:30:45\n", 'for a number; write "12:30:45" in quotes'),
        (DEVICE + "  hostname: 2026-01-01\n", 'for a date; write "2026-01-01" in quotes'),
        (DEVICE + "  hostname: 1.50\n", 'for a number; write "1.50" in quotes'),
        (DEVICE + "  hostname:\n", "for nothing; write it in quotes"),
        (DEVICE + "  hostname: [R1]\n", "'devices.0.hostname' must be a text"),
        (DEVICE + "  users: {12: env:X}\n", 'for a number; write "12" in quotes'),
        (DEVICE + "  users: {bob: hunter2}\n", "rack.yaml:5: 'devices.0.users': a secret is given"),
        (DEVICE + "  enable_secret: hunter2\n", "a secret is given by reference"),
        (DEVICE + "  keys: pkcs11:token=a?pin-value=1234\n", "leave pin-value out"),
        (DEVICE + "  floor: low\n", "rack.yaml:5: 'devices.0.floor' cannot be 'low'; "),
        (DEVICE + "  profil: x\n", "unknown key 'devices.0.profil'; did you mean 'profile'?"),
        (DEVICE + "  hostname: A\n  hostname: B\n", "rack.yaml:6: key 'hostname' is twice"),
        (DEVICE + "server: {port: 70000}\n", "rack.yaml:5: 'server.port': "),
        (DEVICE + "server: {prot: 80}\n", "unknown key 'server.prot'; did you mean 'port'?"),
        (DEVICE + "defaults: []\n", "'defaults' must be a table"),
        (DEVICE + "- name: r1\n", "rack.yaml:5: device r1: line 2 has one of that name"),
        (DEVICE + "- name: r 2\n", "rack.yaml:5: 'r 2' is no name for a device"),
        (DEVICE + "- name: ../r2\n", "is no name for a device"),
        (DEVICE + "- name: r{5..2}\n", "'r{5..2}': not a range"),
        (DEVICE + "- name: r{1..900000}\n", "not a range"),
        (DEVICE + "- name: s{1..2}\n  count: 2\n", "a range or 'count', not both"),
        (DEVICE + "- name: s{1..99999}\n- name: t{1..2}\n", "rack.yaml:6: more than 100000"),
        (DEVICE + "- name: s\n  lines: [modem:127.0.0.1:1]\n", "device s: 'modem:127.0.0.1:1'"),
        (DEVICE + "- name: s{1..2}\n  lines: [tcp:127.0.0.1:65535]\n", "it is port 65536"),
        (DEVICE + "- name: s\n  lines: [tcp:127.0.0.1:9]\n- name: t\n  lines: [ssh:127.0.0.1:9]\n",
         "device t: 127.0.0.1:9 belongs to device s already"),
        (DEVICE + "- name: s{1..2}\n  keys: tpm-stub:chip\n", "belongs to device s1 already"),
        ("- r1\n", "'the file' must be a table"),
        ("", "'the file' must be a table"),
        ("devices: []\n", "'devices'"),
        ("devices: {name: r1}\n", "'devices' must be a list"),
        ("devices:\n  - [\n", "is no YAML"),
        ("devices: &a [*a]\n", "must be a table"),
        ("devices: 2026-13-40\n", "is no YAML: month must be in 1..12"),
        ("a: !!python/object:os.system {}\n", "is no YAML: could not determine a constructor"),
        ("[" * 100_000, "is nested too deep"),
        ("a: " + "x" * 1_000_001, "is longer than 1000000 characters"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(text: str, hint: str) -> None:
    """What YAML took for something else is not put right, but refused; no secret is repeated."""
    with pytest.raises(RackError) as caught:
        rack(text)
    assert hint in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "1234" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, or not text."""
    with pytest.raises(RackError, match=r"rack.yaml: cannot be read: No such file"):
        load_rack(tmp_path / "rack.yaml")
    (tmp_path / "rack.yaml").write_bytes(b"\xff")
    with pytest.raises(RackError, match="is not UTF-8"):
        load_rack(tmp_path / "rack.yaml")


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        ("  profile: cisco-iso\n", "rack.yaml:2: device r1: cisco-iso: unknown profile"),
        ("  profile: cisco-ios\n  hostname: 1R\n", "device r1: '1R' is no host name for"),
        ("  profile: cisco-ios\n  options: {trane: x}\n", "unknown option 'trane'; did you mean"),
        ("  profile: cisco-ios\n  options: {serial_number: 12}\n", "write it in quotes"),
        ("  profile: cisco-ios\n  lines: []\n", "has no lines"),
        ("  profile: cisco-ios\n  keys: floppy:a\n", "no key store has the scheme"),
        ("  profile: cisco-ios\n  keys_secret: env:PIN\n", "keys_secret belongs to keys"),
        ("  profile: cisco-ios\n  server: ftp://x\n", "server: "),
        ("  profile: cisco-ios\n  users: {bob: env:NO_SUCH}\n", "variable NO_SUCH is not set"),
        ("  profile: cisco-ios\nserver: ftp://x\n", "rack.yaml: server: "),
        ("", "has no profile"),
    ],
)  # fmt: skip
def test_a_wrong_device_is_named_before_anything_starts(
    tmp_path: Path, more: str, hint: str
) -> None:
    """Name, place in the file, and what would be right; nothing is made."""
    lines = "" if "lines" in more else "  lines: [tcp:127.0.0.1:0]\n"
    wrong = rack(f"devices:\n- name: r1\n{lines}{more}")
    with pytest.raises(RackError) as caught:
        RackPlanner(wrong, tmp_path / "state").check()
    assert hint in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_names_of_the_racks_own_folders_are_refused(tmp_path: Path) -> None:
    """A device called ``server`` would work in the server's files."""
    wrong = rack(DEVICE.replace("r1", "server"))
    with pytest.raises(RackError, match="folder of the rack's own"):
        RackPlanner(wrong, tmp_path).check()


def test_only_the_first_device_of_a_kind_is_told_of_the_server_at_once(tmp_path: Path) -> None:
    """It shows whether the platform takes the URL; the others are told when somebody comes."""
    whole = rack("server: http://a.test/x\n" + DEVICE.replace("r1", "r{1..3}"))
    planner = RackPlanner(whole, tmp_path)
    planner.check()
    plans = [planner.plan(device, "") for device in whole.devices]
    assert [plan.is_server_known for plan in plans] == [True, False, False]
    assert {plan.server for plan in plans} == {"http://a.test/x"}
    assert plans[0].profile is plans[2].profile


def test_the_server_of_a_rack_is_configured_as_given(tmp_path: Path) -> None:
    """Keys of the rack win over those of the configuration file beside it."""
    (tmp_path / "ndes.toml").write_text(
        'profile = "rfc8894"\nport = 7\n[settings.template]\nvalidity_days = 3\n'
    )
    settings = ServerSettings(config="ndes.toml", profile="ndes", approval="manual", floor="lab")
    config = server_config(settings, tmp_path)
    assert (config.profile, config.port) == ("ndes", 7)
    template = config.server_profile().template
    assert (template.approval, template.validity_days) == ("manual", 3)
    with pytest.raises(ConfigError):
        server_config(ServerSettings(profile="nds"), tmp_path)


def test_shared_parts_of_a_file_are_understood() -> None:
    """Anchors and merge keys are YAML's own way to say a thing once."""
    text = (
        "defaults: {profile: cisco-ios}\n"
        "devices:\n"
        "- &a {name: r1, lines: ['tcp:127.0.0.1:0']}\n"
        "- {<<: *a, name: r2}\n"
    )
    assert [device.name for device in rack(text).devices] == ["r1", "r2"]
    file = YamlFile(text, "rack.yaml")
    assert file.line_of(("devices", 1, "name")) == 4
    assert file.line_of(("devices", 1, "nothing")) == 4


def test_the_server_of_a_rack_may_issue_for_minutes(tmp_path: Path) -> None:
    """The rack's lifetime wins over the file's; what is none is named."""
    (tmp_path / "ndes.toml").write_text("[settings.template]\nvalidity_days = 3\n")
    config = server_config(ServerSettings(config="ndes.toml", validity="4m"), tmp_path)
    assert validity_text(config.server_profile().template) == "4m"
    with pytest.raises(ConfigError, match=r"server\.validity: 'soon' is no lifetime"):
        server_config(ServerSettings(validity="soon"), tmp_path)
