"""What the lines of a trustpoint mean for the enrollment port, and how they are kept."""

from __future__ import annotations

import pytest

from sceplab_devices.api import TrustpointSettings
from sceplab_devices.profiles.cisco_ios.trustpoint import settings_of
from tests.support.ios import RouterBench

ENTER = ("configure terminal", "crypto pki trustpoint VPN", "enrollment url http://10.0.0.9")


def configured(*lines: str, train: str = "classic") -> TrustpointSettings:
    """Settings after these lines in the trustpoint (``^`` first: in global configuration)."""
    bench = RouterBench(train)
    before = [line[1:] for line in lines if line.startswith("^")]
    inside = [line for line in lines if not line.startswith("^")]
    bench.run("configure terminal", *before, *ENTER[1:], *inside, "end")
    return settings_of(bench.router, bench.router.config.trustpoints["VPN"])


def test_defaults() -> None:
    """A trustpoint with a URL alone names the router and polls ten times, every minute."""
    settings = configured("^ip domain name lab.example")
    assert settings == TrustpointSettings(
        name="VPN",
        url="http://10.0.0.9",
        key_label="R1.lab.example",
        key_algorithm="rsa:2048",
        subject="unstructuredName=R1.lab.example",
        dns_names=("R1.lab.example",),
        digest="sha256",
        retry_period_s=60.0,
        retry_count=10,
        ca_identifier="VPN",
    )


def test_everything_configured() -> None:
    """Each line that matters for the request has its effect."""
    settings = configured(
        "^interface Loopback0",
        "^ip address 10.9.9.9 255.255.255.255",
        "enrollment retry count 7",
        "enrollment retry period 3",
        "subject-name CN=R1, OU=VPN, O=x",
        "subject-alt-name vpn.example",
        "fqdn r1.example",
        "serial-number",
        "ip-address Loopback0",
        "rsakeypair K 3072",
        "hash sha512",
        "fingerprint md5 4E5658EA 99350A9A 5AFF2EB9 C8114485",
        "auto-enroll 70 regenerate",
    )
    assert settings.subject == (
        "serialNumber=67109296+unstructuredName=r1.example+unstructuredAddress=10.9.9.9,"
        "CN=R1,OU=VPN,O=x"
    )
    assert settings.dns_names == ("r1.example", "vpn.example")
    assert (settings.retry_count, settings.retry_period_s) == (7, 180.0)
    assert (settings.key_label, settings.key_algorithm) == ("K", "rsa:3072")
    assert settings.digest == "sha512"
    assert settings.pin_hex == "4e5658ea99350a9a5aff2eb9c8114485"
    assert settings.pin_algorithm == "md5"
    assert settings.auto_renew_share == 0.7
    assert settings.new_key_on_renewal


@pytest.mark.parametrize(
    ("typed", "algorithm"),
    [("50CB1BE1 F8A16D5C 0DB3BC72 E6D422B0 82D7F7CD", "sha1"), ("AB" * 32, "sha256")],
)
def test_fingerprint_kind_by_length(typed: str, algorithm: str) -> None:
    """A fingerprint without a named hash is recognised by its length."""
    assert configured(f"fingerprint {typed}").pin_algorithm == algorithm


@pytest.mark.parametrize(
    "line",
    ["fingerprint AB", "fingerprint sha1 " + "AB" * 16, "subject-name R1", "fingerprint md5"],
)
def test_wrong_values_are_refused(line: str) -> None:
    """What cannot be a fingerprint or a name is marked as invalid and not kept."""
    bench = RouterBench()
    assert "% Invalid input detected" in bench.run(*ENTER, line)
    assert set(bench.router.config.trustpoints["VPN"].entries) == {"enrollment url"}


def test_no_takes_a_line_back() -> None:
    """``no`` and ``default`` give the default again."""
    settings = configured(
        "hash sha512",
        "no hash",
        "fqdn none",
        "default fqdn",
        "subject-name CN=x",
        "no subject-name",
    )
    assert settings == configured()


def test_strict_train_requires_a_pin() -> None:
    """The train decides whether an unpinned CA is asked for."""
    assert configured(train="strict").pin_required
    assert not configured(train="recent").pin_required


ACCEPTED = [
    "enrollment mode ra",
    "enrollment profile P",
    "enrollment http-proxy 10.0.0.1 8080",
    "enrollment credential OTHER",
    "usage ike",
    "eckeypair EC",
    "revocation-check crl none",
    "revocation-check none",
    "auto-enroll",
    "auto-enroll 80",
    "regenerate",
    "eku request client-auth server-auth",
    "source interface GigabitEthernet0/0",
    "vrf MGMT",
    "storage nvram:",
    "on usbtoken0:",
    "primary",
    "root tftp 10.0.0.1 ca",
    "match certificate MAP",
    "crl query ldap://10.0.0.1",
    "ocsp disable-nonce",
    "chain-validation stop",
    "chain-validation continue ROOT",
    "authorization username subjectname commonname",
    "ip-extension unicast inherit ipv4",
    "auto-trigger",
    "scepencrypt aes256",
    "serial-number none",
    "ip-address none",
]


@pytest.mark.parametrize("line", ACCEPTED)
def test_sub_command_is_kept_and_taken_back(line: str) -> None:
    """Every sub-command stands in the configuration as typed until ``no`` removes it."""
    bench = RouterBench()
    assert bench.run(*ENTER, line) == ""
    shown = bench.run("show running-config | section crypto pki trustpoint")
    assert f" {line}" in shown.split("\n")
    assert bench.run(*ENTER, f"no {line}") == ""
    shown = bench.run("show running-config | section crypto pki trustpoint")
    assert f" {line}" not in shown.split("\n")


def test_password_is_hidden_in_the_configuration() -> None:
    """A challenge password never appears in clear, and its hidden form is read back."""
    bench = RouterBench()
    bench.run(*ENTER, "password 0 otp-4711")
    shown = bench.run("show running-config")
    assert "otp-4711" not in shown
    line = next(line for line in shown.split("\n") if line.startswith(" password 7 "))
    other = RouterBench()
    other.run(*ENTER, line)
    assert other.router.config.trustpoints["VPN"].value("password", "password") == "otp-4711"


def test_an_answered_question_is_part_of_the_subject() -> None:
    """Serial number and address given by answer reach the request without being configured."""
    bench = RouterBench()
    bench.run(*ENTER, "exit", "crypto pki authenticate VPN")
    terminal = bench.terminal()
    for line in ("enable", "configure terminal", "crypto pki authenticate VPN"):
        terminal.run(line)
    bench.port.ca_answers("VPN")
    for line in ("yes", "crypto pki enroll VPN", "otp", "otp", "yes", "yes", "10.0.0.7", "yes"):
        terminal.run(line)
    trustpoint = bench.router.config.trustpoints["VPN"]
    assert settings_of(bench.router, trustpoint).subject == (
        "serialNumber=67109296+unstructuredName=R1+unstructuredAddress=10.0.0.7"
    )
    assert bench.port.challenges == ["otp"]
