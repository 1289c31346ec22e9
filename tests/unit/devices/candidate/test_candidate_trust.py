"""Whom Junos and PAN-OS take as their CA, and what they say when the engine refuses."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from sceplab_devices.api import PortEventKind, TrustpointSettings
from sceplab_devices.errors import DeviceError
from tests.support.device_bench import DeviceBench, shared_profile
from tests.unit.devices.candidate.test_candidate_carried import type_all

GENERATE = "request certificate generate certificate-name fw scep-profile LAB"
URL = "set shared scep LAB scep-url http://10.0.0.9/mscep.dll"


def settings_of(bench: DeviceBench, monkeypatch: pytest.MonkeyPatch) -> list[TrustpointSettings]:
    """What the engine is told from now on."""
    told: list[TrustpointSettings] = []
    configure = bench.port.configure

    def watched(settings: TrustpointSettings) -> None:
        told.append(settings)
        configure(settings)

    monkeypatch.setattr(bench.port, "configure", watched)
    return told


@pytest.mark.parametrize(
    "lines",
    [
        ["set shared scep LAB fingerprint none"],
        ["set shared scep LAB fingerprint zzzz"],
        ["set shared certificate root ca yes", "set shared scep LAB scep-ca-cert root"],
    ],
    ids=["word", "no hex", "certificate without its bytes"],
)
def test_panos_never_takes_any_ca_when_one_is_named(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fingerprint or a CA certificate that cannot be read is still a pin, so nothing fits it."""
    bench = DeviceBench(shared_profile("paloalto-panos"))
    told = settings_of(bench, monkeypatch)
    terminal = bench.terminal()
    type_all(terminal, "configure", URL, *lines, "commit", "exit", GENERATE)
    (pin,) = [settings.pin_hex for settings in told if settings.name == "certificate fw"]
    assert pin
    assert any(character not in "0123456789abcdef" for character in pin)


def test_panos_says_that_it_asks_for_no_one_time_password() -> None:
    """A dynamic challenge is not left out silently."""
    bench = DeviceBench(shared_profile("paloalto-panos"))
    terminal = bench.terminal()
    type_all(terminal, "configure", URL)
    type_all(terminal, "set shared scep LAB scep-challenge dynamic otp-server-url http://x/")
    type_all(terminal, "commit", "exit")
    assert "scep-challenge dynamic is not supported here" in type_all(terminal, GENERATE)
    assert bench.port.keys() == []


def test_panos_renews_nothing_that_was_carried() -> None:
    """No SCEP profile, no renewal; the prompt does not wait for one."""
    bench = DeviceBench(shared_profile("paloalto-panos"))
    terminal = bench.terminal()
    type_all(terminal, "request certificate generate certificate-name fw signed-by external")
    bench.port.import_certificate("certificate fw", bench.port.ca_signs("certificate fw"))
    shown = type_all(terminal, "request certificate renew certificate-name fw")
    assert "SCEP profile (none) is not in the running configuration" in shown


@pytest.mark.parametrize(
    ("profile", "name", "lines"),
    [
        (
            "juniper-junos", "R",
            ("configure", "set security pki ca-profile R enrollment url http://x/",
             "commit and-quit", "request security pki ca-certificate enroll ca-profile R"),
        ),
        ("paloalto-panos", "certificate fw", ("configure", URL, "commit", "exit", GENERATE)),
    ],
    ids=["junos", "panos"],
)  # fmt: skip
def test_an_interrupted_fetch_is_over(profile: str, name: str, lines: tuple[str, ...]) -> None:
    """Ctrl-C drops it: nobody waits for what it comes to."""
    bench = DeviceBench(shared_profile(profile))
    terminal = bench.terminal()
    type_all(terminal, *lines)
    assert bench.port.view(name).state == "CA_FETCH"
    if profile == "juniper-junos":
        assert "is being retrieved already" in type_all(bench.terminal(), lines[-1])
    terminal.type("\x03")
    assert bench.port.view(name).state == "CONFIGURED"


def test_what_the_engine_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that does not expect a refusal ends in the platform's words."""

    def refuse(name: str) -> None:
        raise DeviceError(f"{name}: the disk is full")

    bench = DeviceBench(shared_profile("juniper-junos"))
    terminal = bench.terminal()
    type_all(terminal, "configure", "set security pki ca-profile R enrollment url http://x/")
    monkeypatch.setattr(bench.port, "authenticate", refuse)
    shown = type_all(
        terminal, "commit and-quit", "request security pki ca-certificate enroll ca-profile R"
    )
    assert "error: R: the disk is full" in shown


def enroll_junos(bench: DeviceBench) -> None:
    """To a request that was sent."""
    terminal = bench.terminal()
    type_all(
        terminal, "configure", "set security pki ca-profile R enrollment url http://x/",
        "commit and-quit", "request security pki ca-certificate enroll ca-profile R",
    )  # fmt: skip
    bench.port.ca_answers("R")
    type_all(
        terminal, "yes", "request security pki generate-key-pair certificate-id L",
        "request security pki local-certificate enroll certificate-id L ca-profile R subject CN=x",
    )  # fmt: skip
    bench.port.ca_answers("certificate-id L")


def key_of(bench: DeviceBench) -> PublicKeyTypes:
    """Public key of the certificate."""
    der = bench.port.view("certificate-id L").certificate_der
    return x509.load_der_x509_certificate(der or b"").public_key()


def test_junos_takes_a_new_key_when_asked_for_this_renewal_alone() -> None:
    """``re-generate-keypair`` of the command counts once; the configuration counts after."""
    bench = DeviceBench(shared_profile("juniper-junos"))
    enroll_junos(bench)
    bench.port.ca_grants("certificate-id L")
    terminal = bench.terminal()
    keys = [key_of(bench)]
    renew = "request security pki local-certificate re-enroll scep certificate-id L"
    for command in (renew + " re-generate-keypair", renew):
        assert "re-enrollment has started" in type_all(terminal, command)
        bench.port.ca_grants("certificate-id L")
        keys.append(key_of(bench))
    assert keys[0] != keys[1] == keys[2]
    assert "CA profile Z not found" in type_all(terminal, renew + " ca-profile-name Z")


def test_junos_enrolls_with_the_ca_that_is_loaded_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the profile's CA was changed, a certificate begun with the old one starts anew."""
    bench = DeviceBench(shared_profile("juniper-junos"))
    enroll_junos(bench)
    bench.port.ca_rejects("certificate-id L")
    heard: list[str] = []
    bench.port.subscribe(lambda event: heard.append(event.kind))
    terminal = bench.terminal()
    view = bench.port.view

    def other_ca(name: str) -> object:
        seen = view(name)
        if name != "R":
            return seen
        return type(seen)(state=seen.state, ca_certificates_der=(b"another",))

    monkeypatch.setattr(bench.port, "view", other_ca)
    type_all(
        terminal,
        "request security pki local-certificate enroll certificate-id L ca-profile R subject CN=x",
    )
    assert PortEventKind.PKCSREQ_SENT not in heard
    assert view("certificate-id L").state == "CA_FETCH"
