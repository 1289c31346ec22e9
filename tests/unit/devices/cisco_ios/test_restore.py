"""What outlives a restart: a saved configuration, read back; and the host name's form."""

from __future__ import annotations

import re

import pytest

from sceplab_devices.batch import carry_out
from sceplab_devices.errors import DeviceError, HostnameError
from sceplab_devices.profiles.cisco.obfuscation import hash_secret
from sceplab_devices.profiles.cisco_ios import create_profile
from sceplab_devices.profiles.cisco_ios.config_text import render_config
from tests.support.ios import RouterBench


@pytest.mark.parametrize("name", ["", "9R", "R 1", "R1-", "R\r1", "r" * 64, "R.1", "Rü"])
def test_a_host_name_has_the_platforms_form(name: str) -> None:
    """The same rule for who starts a device and for who types at it."""
    profile = create_profile()
    assert not profile.is_hostname(name)
    with pytest.raises(HostnameError, match="is no host name for Cisco IOS"):
        profile.check_hostname(name)
    profile.check_hostname("r" * 63)


@pytest.mark.parametrize(
    "line",
    [
        "enable secret 8 {hash}",
        "username bob secret 8 {hash}",
        "username bob privilege 15 secret 8 {hash}",
    ],
)
def test_a_hashed_password_is_read_back(line: str) -> None:
    """What the configuration shows can be typed: its password counts, damage is refused."""
    bench = RouterBench()
    bench.run("configure terminal", line.format(hash=hash_secret("top")))
    router = bench.router
    kept = router.enable_password or router.users["bob"]
    assert router.matches_password(kept, "top")
    assert not router.matches_password(kept, "other")
    assert f"secret 8 {hash_secret('top')}" in render_config(router)
    (remark,) = carry_out(router, [line.format(hash="$8$short$x")], mode="config")
    assert "% Invalid input" in remark.text


def test_a_saved_configuration_is_restored_without_a_word() -> None:
    """Every line of a full configuration is accepted again, and means the same."""
    first = RouterBench()
    first.run(
        "configure terminal", "hostname R5", "ip domain name example.test", "no ip domain lookup",
        "clock timezone CET 1 0", "enable secret top", "username bob privilege 15 password s3cret",
        "interface GigabitEthernet0/1", "ip address 192.0.2.1 255.255.255.0", "no shutdown",
        "description what? is this", "interface Loopback3", "exit",
        "crypto pki certificate map M 10", "subject-name co example", "exit",
        "crypto pki trustpoint LAB", "enrollment url http://ca.example.test/scep",
        "rsakeypair K 2048",
        "password challenge", "fqdn none", "serial-number none", "auto-enroll 70 regenerate",
        "line vty 0 4", "exec-timeout 5 0", "ntp server 192.0.2.9", "do write memory",
    )  # fmt: skip
    second = RouterBench()
    second.router.restore(first.router.startup_config)
    assert render_config(second.router) == re.sub(
        r"!\n! Last configuration change.*\n", "", first.router.startup_config
    )
    assert "Configured from memory by console" in "".join(second.router.log_buffer)
    assert "startup line" not in "".join(second.router.log_buffer)


def test_a_line_that_is_not_understood_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """The rest of the configuration counts."""
    bench = RouterBench()
    bench.router.restore("hostname R6\nnonsense here\nip domain name example.test\nend\n")
    assert bench.router.fqdn == "R6.example.test"
    assert "startup line 2 (nonsense …): " in caplog.text


def test_a_damaged_secret_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Type 7 can be turned back, wherever the damage has put it."""
    bench = RouterBench()
    bench.router.restore(
        "crypto pki trustpoint LAB\n password 7 0822455D0A1ZZ\n pasword 7 0822455D0A16\n"
        "0822455D0A17\n"
    )
    assert caplog.text.count("startup line") == 3
    assert "0822455D0A1" not in caplog.text


def test_a_configuration_that_cannot_be_kept_is_not_ok() -> None:
    """The reason is said, and what was saved before counts."""
    bench = RouterBench()
    bench.run("write memory")
    before = bench.router.startup_config

    def refuse(_text: str) -> None:
        raise DeviceError("no space left")

    bench.router.on_save = refuse
    printed = bench.run("configure terminal", "hostname R7", "do write memory")
    assert "%Error writing startup-config (no space left)" in printed
    assert "[OK]" not in printed
    assert bench.router.startup_config == before
