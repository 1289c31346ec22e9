"""What an ASA's configuration means for the enrollment engine."""

from __future__ import annotations

import pytest

from sceplab_devices.api import TrustpointSettings
from sceplab_devices.profiles.cisco_asa.trustpoint import settings_of
from tests.support.asa import FirewallBench


def _settings(*lines: str) -> TrustpointSettings:
    bench = FirewallBench()
    bench.run(
        "domain-name lab.example", "crypto ca trustpoint TP", "enrollment url http://10.0.0.9/x",
        *lines, "exit",
    )  # fmt: skip
    return settings_of(bench.firewall, bench.firewall.config.trustpoints["TP"])


def test_defaults() -> None:
    """Default key, the box's name, a poll each minute without end, no renewal."""
    settings = _settings()
    assert settings.key_label == "<Default-RSA-Key>"
    assert settings.key_algorithm == "rsa:2048"
    assert settings.subject == "unstructuredName=asa.lab.example"
    assert settings.dns_names == ("asa.lab.example",)
    assert (settings.retry_period_s, settings.retry_count) == (60.0, 100_000)
    assert settings.auto_renew_share is None
    assert settings.ca_identifier == "TP"


def test_everything_configured() -> None:
    """Each line has its effect."""
    settings = _settings(
        "subject-name CN=fw,O=x", "fqdn vpn.example.org", "serial-number", "ip-address 10.0.0.1",
        "keypair K", "password s3cret", "enrollment retry count 5", "enrollment retry period 2",
        "auto-enroll 70 regenerate", "email fw@example.org",
    )  # fmt: skip
    own = "serialNumber=9AWEUPHS8MF+unstructuredName=vpn.example.org+unstructuredAddress=10.0.0.1"
    assert settings.subject == f"{own},CN=fw,O=x"
    assert settings.dns_names == ("vpn.example.org",)
    assert settings.emails == ("fw@example.org",)
    assert settings.ip_addresses == ()
    assert settings.key_label == "K"
    assert settings.challenge == "s3cret"
    assert (settings.retry_period_s, settings.retry_count) == (120.0, 5)
    assert settings.auto_renew_share == 0.7
    assert settings.new_key_on_renewal


@pytest.mark.parametrize(
    ("line", "undone"),
    [("fqdn none", "no fqdn"), ("keypair K", "no keypair"), ("auto-enroll 70", "no auto-enroll")],
)
def test_no_takes_a_line_back(line: str, undone: str) -> None:
    """The settings are as before."""
    assert _settings(line) != _settings()
    assert _settings(line, undone) == _settings()


def test_a_fingerprint_may_be_typed_in_groups() -> None:
    """Blanks between the digits do not matter, nor does the last word's abbreviation."""
    bench = FirewallBench()
    bench.run("crypto ca trustpoint TP", "enrollment url http://10.0.0.9", "exit")
    pin = "3fda915e 364a79b9 2edd27b7 9a400f24"
    bench.run(f"crypto ca authenticate TP fingerprint {pin.upper()} nointer")
    bench.port.ca_answers("TP")
    assert bench.port.view("TP").ca_certificates_der


def test_a_bad_subject_is_refused() -> None:
    """The marker stands below it, and nothing is kept."""
    bench = FirewallBench()
    output = bench.run("crypto ca trustpoint TP", "subject-name no name")
    assert output == " " * 40 + "^\nERROR: % Invalid input detected at '^' marker."
    assert bench.firewall.config.trustpoints["TP"].entries == {}


def test_no_ca_check_is_kept() -> None:
    """The form with no is what the configuration shows; the plain form is the default."""
    bench = FirewallBench()
    bench.run(
        "crypto ca trustpoint TP", "no ca-check", "crl configure", "no protocol ldap", "policy cdp"
    )
    shown = bench.run("show running-config crypto ca trustpoint")
    assert shown == "crypto ca trustpoint TP\n no ca-check\n crl configure\n  policy cdp"
    bench.run("crypto ca trustpoint TP", "ca-check")
    assert "ca-check" not in bench.run("show running-config crypto ca trustpoint")
