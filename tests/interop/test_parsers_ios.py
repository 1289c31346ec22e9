"""Public parsers read from an enrolled router what its certificate really says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from tests.support.client_envs import client_python, run_client
from tests.support.served_device import Operator, Site, open_site

pytestmark = [pytest.mark.interop, pytest.mark.daemon]

COMMANDS = (
    "show crypto pki certificates", "show crypto pki certificates LAB",
    "show crypto pki certificates verbose", "show crypto pki certificates verbose LAB",
    "show crypto pki certificate pem", "show crypto pki certificate storage",
    "show crypto pki trustpoints", "show crypto pki trustpoint",
    "show crypto pki trustpoints status", "show crypto pki trustpoints LAB status",
    "show crypto pki trustpoint status", "show crypto pki timer detail",
    "show crypto pki timers detail", "show crypto pki counters",
    "show crypto key mypubkey rsa", "show crypto key mypubkey ec", "show crypto key mypubkey all",
    "show crypto key mypubkey rsa K", "show dot1x", "show dot1x all", "show dot1x all details",
    "show access-session", "show crypto session", "show crypto session detail",
    "show crypto isakmp sa", "show interfaces", "show ip interface brief", "show inventory",
    "show version", "show clock", "show arp",
)  # fmt: skip


@dataclass
class Seen:
    """A router's certificates, and what every parser made of its outputs.

    Attributes:
        own: the router's certificate.
        authority: the CA's.
        read: by parser and command.
    """

    own: x509.Certificate
    authority: x509.Certificate
    read: dict[str, dict[str, Any]]

    def __getitem__(self, place: tuple[str, str]) -> Any:
        """What a parser made of a command's output."""
        parser, command = place
        return self.read[parser][command]


async def look_at(tmp_path: Path, profile: str, system: str, port: str) -> Seen:
    """A router enrolls, and its outputs go through all parsers.

    Args:
        tmp_path: for everything that is written.
        profile: of the router.
        system: what the parsers call it.
        port: an interface that is brought up.
    """
    client_python("parsers")
    async with open_site(tmp_path / "router", profile=profile) as site, site.device() as operator:
        outputs = await _enroll_and_show(site, operator, port)
        own = operator.certificate()
        assert own is not None
        view = operator.hosted.device.port.view("LAB")
    written = tmp_path / "outputs.json"
    written.write_text(json.dumps(outputs), encoding="utf-8")
    read = run_client("parsers", "parsers_cisco_ios.py", str(written), system)
    return Seen(own, x509.load_der_x509_certificate(view.ca_certificates_der[0]), read)


async def _enroll_and_show(site: Site, operator: Operator, port: str) -> dict[str, str]:
    await operator.type(
        "crypto key generate rsa label K modulus 2048",
        "crypto key generate ec keysize 256 label E", f"interface {port}",
        "ip address 192.0.2.1 255.255.255.0", "no shutdown", "crypto map M",
        "dot1x pae supplicant", "dot1x credentials C", "dot1x supplicant eap profile P", "exit",
        *site.trustpoint("auto-enroll 80"),
    )  # fmt: skip
    password = site.password()
    await operator.type("crypto pki enroll LAB", password, password, "yes", "end", "write memory")
    outputs = {}
    for command in COMMANDS:
        printed = await operator.type(command)
        outputs[command] = printed.partition("\n")[2].rpartition("\n")[0] + "\n"
    return outputs


def serial(certificate: x509.Certificate) -> str:
    """Serial number as these outputs write it."""
    return f"{certificate.serial_number:032X}"


def name_of(name: x509.Name) -> dict[str, str]:
    """Common name and organization, keys as IOS writes them."""
    keys = {NameOID.COMMON_NAME: "cn", NameOID.ORGANIZATION_NAME: "o"}
    return {keys[part.oid]: str(part.value) for part in name if part.oid in keys}


def fingerprint(certificate: x509.Certificate, algorithm: hashes.HashAlgorithm) -> str:
    """In groups of eight digits."""
    return certificate.fingerprint(algorithm).hex(" ", -4).upper()


def dates(certificate: x509.Certificate) -> dict[str, str]:
    """First and last second."""
    form = "%H:%M:%S UTC %b {day} %Y"
    moments = {
        "start_date": certificate.not_valid_before_utc,
        "end_date": certificate.not_valid_after_utc,
    }
    return {key: at.strftime(form.format(day=at.day)) for key, at in moments.items()}


def key_digits(certificate: x509.Certificate) -> str:
    """Public key without blanks."""
    public = certificate.public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex().upper()


async def test_parsers_of_ios_xe(tmp_path: Path) -> None:
    """genieparser, muninn and ntc-templates give the values of the real certificate."""
    seen = await look_at(tmp_path, "cisco-ios-xe", "iosxe", "GigabitEthernet2")
    _check_genie_certificates(seen)
    _check_genie_verbose(seen)
    _check_muninn_verbose(seen)
    _check_ntc(seen)
    _check_trustpoints(seen)
    _check_keys(seen)
    _check_handoff(seen, "GigabitEthernet2")
    errors = {
        (parser, command): result["error"]
        for parser, results in seen.read.items()
        for command, result in results.items()
        if isinstance(result, dict) and "error" in result
    }
    # TextFSM templates are picked by the words they share, also for commands they do not know.
    assert {parser for parser, _ in errors} <= {"ntc", "genie"}
    assert {command for parser, command in errors if parser == "genie"} <= {
        "show crypto pki certificate pem", "show crypto pki certificate storage",
        "show crypto isakmp sa",
    }, errors  # fmt: skip


async def test_parsers_of_ios(tmp_path: Path) -> None:
    """The same of the older shell, with the parsers that know it."""
    seen = await look_at(tmp_path, "cisco-ios", "ios", "GigabitEthernet0/1")
    _check_genie_certificates(seen)
    _check_ntc(seen)
    certificates = seen["muninn", "show crypto pki certificates"]["trustpoints"]["LAB"]
    assert certificates["Certificate"]["serial_number"] == serial(seen.own)
    assert certificates["Certificate"]["issuer"] == name_of(seen.own.issuer)
    assert certificates["CA Certificate"]["serial_number"] == serial(seen.authority)
    key = seen["muninn", "show crypto key mypubkey rsa"]["keys"]["K"]
    assert "".join(key["key_data"].split()) == key_digits(seen.own)
    port = seen["muninn", "show dot1x all"]["interfaces"]["GigabitEthernet0/1"]
    assert port["pae"] == "SUPPLICANT"


def _check_genie_certificates(seen: Seen) -> None:
    for command in ("show crypto pki certificates", "show crypto pki certificates LAB"):
        read = seen["genie", command]["trustpoints"]["LAB"]["associated_trustpoints"]
        for kind, certificate in (("certificate", seen.own), ("ca_certificate", seen.authority)):
            part = read[kind]
            assert part["serial_number_in_hex"] == serial(certificate)
            assert part["issuer"] == name_of(certificate.issuer)
            assert name_of(certificate.subject).items() <= part["subject"].items()
            assert part["validity_date"] == dates(certificate)
            assert part["status"] == "Available"
            assert part["storage"].startswith("nvram:")


def _check_genie_verbose(seen: Seen) -> None:
    read = seen["genie", "show crypto pki certificates verbose LAB"]["certificates"]
    own = read["certificate"]
    assert own["serial"] == serial(seen.own)
    assert own["fingerprint_sha1"] == fingerprint(seen.own, hashes.SHA1())
    assert own["fingerprint_md5"] == fingerprint(seen.own, hashes.MD5())
    identifier = seen.own.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert own["subject_key_id"] == identifier.value.digest.hex(" ", -4).upper()
    assert own["key_label"] == "K"
    assert own["key_usage_hex"] == "A0000000"
    assert own["validity_date"].items() >= dates(seen.own).items()
    assert read["ca_certificate"]["ca_flag"] == "TRUE"


def _check_muninn_verbose(seen: Seen) -> None:
    read = seen["muninn", "show crypto pki certificates verbose"]["trustpoints"]["LAB"]
    for kind, certificate in (("Certificate", seen.own), ("CA Certificate", seen.authority)):
        part = read[kind]
        assert part["serial_number"] == serial(certificate)
        assert part["fingerprint_sha1"] == fingerprint(certificate, hashes.SHA1())
        assert part["validity_date"].items() >= dates(certificate).items()
        assert name_of(certificate.subject).items() <= part["subject"].items()
    pem = seen["muninn", "show crypto pki certificate pem"]["trustpoints"]["LAB"]
    shown = x509.load_pem_x509_certificate(pem["General Purpose Certificate"]["pem"].encode())
    assert shown == seen.own
    storage = seen["muninn", "show crypto pki certificate storage"]["trustpoints"]["LAB"]
    assert storage["storage"] == "nvram:"


def _check_ntc(seen: Seen) -> None:
    own, authority = seen["ntc", "show crypto pki certificates"]
    assert own["serial_number"] == serial(seen.own)
    assert (own["subject_cn"], own["subject_o"]) == ("R1", "Example")
    assert own["start_date"] == dates(seen.own)["start_date"]
    assert authority["certificate_type"] == "CA Certificate"
    assert authority["serial_number"] == serial(seen.authority)
    assert authority["issuer_cn"] == name_of(seen.authority.issuer)["cn"]


def _check_trustpoints(seen: Seen) -> None:
    for command in ("show crypto pki trustpoints status", "show crypto pki trustpoints LAB status"):
        status = seen["genie", command]["Trustpoints"]["LAB"]
        router = status["certificate_configured"]["Router General Purpose"]["subject"]
        assert router["sha1"] == fingerprint(seen.own, hashes.SHA1())
        assert status["last_enroll"] == "granted"
    status = seen["muninn", "show crypto pki trustpoint status"]["trustpoints"]["LAB"]
    issuing = status["certificates"]["issuing_ca"]
    assert issuing["fingerprint_md5"] == fingerprint(seen.authority, hashes.MD5())
    summary = seen["genie", "show crypto pki trustpoints"]["trustpoints"]["LAB"]
    assert summary["serial_number_in_hex"] == serial(seen.authority)
    assert "renew" in str(seen["genie", "show crypto pki timer detail"])
    assert "RENEW LAB" in str(seen["muninn", "show crypto pki timers detail"])
    for parser in ("genie", "muninn"):
        assert seen[parser, "show crypto pki counters"]["successful_validations"] == 1


def _check_keys(seen: Seen) -> None:
    for command in ("show crypto key mypubkey rsa", "show crypto key mypubkey rsa K"):
        key = seen["genie", command]["keys"]["1"]
        assert key["key_name"] == "K"
        digits = "".join(key["key_type"]["RSA KEYS"]["key_data"]).replace(" ", "")
        assert digits == key_digits(seen.own)
    (elliptic,) = seen["genie", "show crypto key mypubkey ec"]["keys"].values()
    assert elliptic["key_name"] == "E"
    keys = seen["muninn", "show crypto key mypubkey all"]["keys"]
    assert "".join(keys["K"]["key_data"].split()) == key_digits(seen.own)
    assert keys["E"]["key_type"] == "EC KEYS"


def _check_handoff(seen: Seen, port: str) -> None:
    shown = seen["genie", "show dot1x all details"]["interfaces"][port]
    assert (shown["credentials"], shown["supplicant"]["eap"]["profile"]) == ("C", "P")
    assert seen["genie", "show access-session"] == {"session_count": 0}
    assert "DOWN" in json.dumps(seen["genie", "show crypto session"])
    assert seen["genie", "show inventory"]["main"]["chassis"]["C8000V"]["sn"] == "67109296"
    assert seen["genie", "show interfaces"][port]["oper_status"] == "up"
