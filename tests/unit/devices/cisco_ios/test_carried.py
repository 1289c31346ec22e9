"""Carried certificates: enrollment methods, pasted chains, imports that are refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sceplab_devices.profiles.cisco.hexdump import hex_lines
from sceplab_devices.profiles.cisco.pasting import armored
from sceplab_devices.profiles.cisco_ios.enrollment_method import (
    EnrollmentMethod,
    enrollment_method,
    enrollment_url,
)
from sceplab_devices.profiles.cisco_ios.trustpoint import settings_of
from tests.support.ios import RouterBench

PROFILE = ("crypto pki profile enrollment P", "{}", "exit", "crypto pki trustpoint T")


def configured(*lines: str) -> RouterBench:
    """A router with a domain name and these lines."""
    bench = RouterBench()
    bench.run("configure terminal", "ip domain name lab.example", *lines, "end")
    return bench


@pytest.mark.parametrize(
    ("lines", "method"),
    [
        (("enrollment url http://10.0.0.9/x",), EnrollmentMethod.SCEP),
        (("enrollment terminal",), EnrollmentMethod.TERMINAL),
        (("enrollment terminal pem",), EnrollmentMethod.TERMINAL),
        (("enrollment selfsigned",), EnrollmentMethod.SELF_SIGNED),
        (("enrollment pkcs12",), EnrollmentMethod.IMPORTED),
        ((), EnrollmentMethod.NONE),
        (("enrollment profile NONE",), EnrollmentMethod.NONE),
    ],
)
def test_the_lines_name_a_method(lines: tuple[str, ...], method: EnrollmentMethod) -> None:
    """The last ``enrollment`` line that names one."""
    bench = configured("crypto pki trustpoint T", *lines)
    trustpoint = bench.router.config.trustpoints["T"]
    assert enrollment_method(bench.router, trustpoint) is method


@pytest.mark.parametrize(
    ("line", "url", "method"),
    [
        ("enrollment url http://10.0.0.9/x", "http://10.0.0.9/x", EnrollmentMethod.SCEP),
        ("authentication url http://10.0.0.8", "http://10.0.0.8", EnrollmentMethod.SCEP),
        ("enrollment terminal", "", EnrollmentMethod.TERMINAL),
        ("enrollment url", "", EnrollmentMethod.NONE),
    ],
)
def test_a_profile_says_where_to_enroll(line: str, url: str, method: EnrollmentMethod) -> None:
    """The trustpoint names the profile; what the engine is told has the profile's URL."""
    lines = [text.format(line) for text in PROFILE]
    bench = configured(*lines, "enrollment profile P", "subject-name CN=R1")
    trustpoint = bench.router.config.trustpoints["T"]
    assert enrollment_url(bench.router, trustpoint) == url
    assert enrollment_method(bench.router, trustpoint) is method
    assert settings_of(bench.router, trustpoint).url == url


def test_the_trustpoints_own_url_comes_first() -> None:
    """Before the one of its profile."""
    lines = [text.format("enrollment url http://10.0.0.9/x") for text in PROFILE]
    bench = configured(*lines, "enrollment profile P", "enrollment url http://10.0.0.1")
    trustpoint = bench.router.config.trustpoints["T"]
    assert enrollment_url(bench.router, trustpoint) == "http://10.0.0.1"


@pytest.mark.parametrize("method", ["url http://10.0.0.9", "terminal"])
def test_a_pasted_chain_brings_the_ca(method: str) -> None:
    """A configuration of another box: its CA is trusted, its router certificate is not taken."""
    bench = RouterBench()
    digits = hex_lines(bench.port.authority)
    bench.run(
        "configure terminal", "ip domain name lab.example", "crypto pki trustpoint T",
        f"enrollment {method}", "subject-name CN=R1", "exit", "crypto pki certificate chain T",
        "certificate 02", *digits, "quit", "certificate ca 01", *digits, "quit", "end",
    )  # fmt: skip
    view = bench.router.view("T")
    assert view.ca_certificates_der == (bench.port.authority,)
    assert view.certificate_der is None
    expected = "http://10.0.0.9" if method.startswith("url") else ""
    assert enrollment_url(bench.router, bench.router.config.trustpoints["T"]) == expected


def test_a_damaged_chain_is_read_to_its_end() -> None:
    """The next line is a command again."""
    bench = configured("crypto pki trustpoint T", "enrollment terminal", "subject-name CN=R1")
    shown = bench.run(
        "configure terminal", "crypto pki certificate chain T", "certificate ca 01",
        "no hex at all", "quit",
        "do show privilege",
    )  # fmt: skip
    assert shown == "Current privilege level is 15"
    assert bench.router.view("T").ca_certificates_der == ()


@pytest.mark.parametrize("method", ["selfsigned", "pkcs12"])
def test_what_cannot_be_enrolled_says_so(method: str) -> None:
    """And nothing was sent."""
    bench = configured("crypto pki trustpoint T", f"enrollment {method}")
    printed = bench.run("configure terminal", "crypto pki enroll T")
    assert f"% 'enrollment {method}' cannot be enrolled here" in printed
    assert not bench.port.has_request("T")


def test_a_wrong_passphrase_costs_no_key() -> None:
    """The key pair that would be replaced is still there."""
    bench = configured("crypto key generate rsa label T modulus 2048")
    before = bench.router.find_key("T")
    bench.run(
        "configure terminal",
        "crypto pki import T pkcs12 terminal password x",
        "yes",
        "AAAA",
        "quit",
    )
    assert bench.router.find_key("T") == before
    assert "T" not in bench.router.config.trustpoints
    assert "%PKI-3-PKCS12_IMPORT_FAILURE" in "".join(bench.router.log_buffer)


def test_keys_of_a_token_are_not_given_away() -> None:
    """The engine's refusal is shown, for certificates and for keys."""
    bench = configured("crypto key generate rsa label K modulus 2048")
    bench.port.storage = "token"
    private = "crypto key import rsa N terminal secret-12"
    printed = bench.run("configure terminal", private, "quit", "x", "quit")
    assert "% Key pair import failed." in printed


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=400), st.text("abcXYZ019", min_size=1, max_size=8))
def test_no_bundle_breaks_the_import(data: bytes, passphrase: str) -> None:
    """Random bytes as PKCS#12 and as the three pastes of PEM."""
    bench = RouterBench()
    armor = armored("CERTIFICATE", data)
    for lines in (
        (f"crypto pki import T pkcs12 terminal {passphrase}", *armor, "quit"),
        (f"crypto pki import T pem terminal {passphrase}", *armor, "", *armor, "quit", *armor, ""),
    ):
        printed = bench.run("configure terminal", *lines)
        assert "% Command failed" not in printed
        assert "T" not in bench.router.config.trustpoints
