"""Frames by which an emulated device shows itself, read back by scapy from a capture file."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sceplab_devices.profile import known_profiles, open_profile
from sceplab_lab.cli import app
from sceplab_lab.wire.identity import identity_of, mac_of
from sceplab_lab.wire.packets import (
    KINDS,
    build_frames,
    identity_request_id,
    identity_response,
    write_capture,
)
from tests.support.source_tree import source_environment

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("name", known_profiles())
def test_every_platform_announces_itself(name: str, tmp_path: Path) -> None:
    """A capture holds the four frames with their comments, and the names in them."""
    from scapy.utils import rdpcap

    identity = identity_of(open_profile(name), "R1")
    write_capture(tmp_path / "r1.pcapng", build_frames(identity, KINDS), NOW)
    packets = rdpcap(str(tmp_path / "r1.pcapng"))
    assert [packet.comments for packet in packets] == [[f"{kind} of R1".encode()] for kind in KINDS]
    assert packets[0]["LLDPDUSystemName"].system_name == b"R1"
    assert packets[0]["LLDPDUPortID"].id == identity.port.encode()
    assert packets[1]["CDPMsgDeviceID"].val == b"R1"
    assert packets[2]["EAPOL"].type == 1
    assert packets[3]["EAP"].identity == b"host/R1"
    assert {packet.src for packet in packets} == {mac_of("R1")}
    assert float(packets[0].time) == NOW.timestamp()


def test_platforms_announce_what_they_can() -> None:
    """CDP is Cisco's; a device sends it only when its platform does."""
    kinds = {
        name: [frame.kind for frame in build_frames(identity_of(open_profile(name)))]
        for name in ("cisco-ios", "juniper-junos")
    }
    assert kinds["cisco-ios"] == ["lldp", "cdp", "eapol-start", "eap-identity"]
    assert kinds["juniper-junos"] == ["lldp", "eapol-start", "eap-identity"]


def test_addresses_belong_to_names() -> None:
    """A device has the same locally administered address every time, and not its neighbour's."""
    assert mac_of("R1") == mac_of("R1") != mac_of("R2")
    assert int(mac_of("R1")[:2], 16) & 0x03 == 0x02


def test_identity_request_is_answered_with_its_number() -> None:
    """The response carries the identifier of the request; other frames are no requests."""
    from scapy.layers.eap import EAP, EAPOL
    from scapy.layers.l2 import Ether

    request = bytes(Ether(dst="01:80:c2:00:00:03") / EAPOL(version=2) / EAP(code=1, id=77, type=1))
    identity = identity_of(open_profile("cisco-ios"), "R1")
    assert identity_request_id(request) == 77
    answer = identity_response(identity, 77)
    assert Ether(answer.data)["EAP"].id == 77
    assert identity_request_id(answer.data) is None
    assert identity_request_id(b"\x00" * 60) is None


def test_command_writes_a_capture(tmp_path: Path) -> None:
    """`sceplab wire --out` says as JSON what it wrote and leaves nothing else behind."""
    target = tmp_path / "r7.pcapng"
    arguments = ["wire", "--profile", "cisco-ios", "--hostname", "R7", "--out", str(target)]
    result = CliRunner().invoke(app, [*arguments, "--frame", "lldp", "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.output)
    assert said["frames"] == [
        {"kind": "lldp", "device": "R7", "octets": said["frames"][0]["octets"]}
    ]
    assert [entry.name for entry in tmp_path.iterdir()] == ["r7.pcapng"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--profile", "cisco-ios"], "either --out FILE or --interface NAME"),
        (["--profile", "none", "--out", "x"], "unknown profile"),
        (["--profile", "cisco-ios", "--out", "x", "--frame", "arp"], "unknown frame 'arp'"),
        (["--profile", "cisco-ios", "--out", "x", "--hostname", "1 2"], "host name"),
        (["--profile", "cisco-ios", "--out", "x", "--address", "nowhere"], "nowhere"),
        (["--profile", "cisco-ios", "--out", "/nowhere/x"], "/nowhere/x"),
        (["--profile", "cisco-ios", "--interface", "no-such-if0"], "no-such-if0"),
    ],
)
def test_what_cannot_be_sent_is_refused(arguments: list[str], reason: str) -> None:
    """Exit code 2 and the reason."""
    result = CliRunner().invoke(app, ["wire", *arguments])
    assert result.exit_code == 2
    assert reason in result.stderr


def test_missing_scapy_is_named(tmp_path: Path) -> None:
    """Without the extra the command says how to get it."""
    code = (
        "import sys; sys.modules['scapy'] = None; sys.modules['scapy.packet'] = None\n"
        "from sceplab_lab.cli import app\n"
        "app(['wire', '--profile', 'cisco-ios', '--out', sys.argv[1]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x")], env=source_environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install 'sceplab[wire]'" in done.stderr
