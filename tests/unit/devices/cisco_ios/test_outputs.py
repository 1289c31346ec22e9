"""Certificate outputs beyond what the transcripts show."""

from __future__ import annotations

import ipaddress
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from sceplab_devices.profiles.cisco.x509_text import (
    extension_lines,
    key_lines,
    signature_text,
    storage_name,
    usage_text,
)
from tests.support.consoles import START
from tests.support.ios import RouterBench
from tests.support.scripted_carried import load_test_key


def certificate(
    *extensions: x509.ExtensionType, key: str = "device-1", serial: int = 0x1675829B6127
) -> x509.Certificate:
    """A certificate with these extensions, signed by its own key."""
    name = x509.Name.from_rfc4514_string("CN=WSMB 2026-CA,DC=net")
    private = load_test_key(key)
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=private.public_key(),
        serial_number=serial,
        not_valid_before=START,
        not_valid_after=START + timedelta(days=1),
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(private, hashes.SHA384())


def key_usage(*names: str) -> x509.KeyUsage:
    """A key usage extension with these bits."""
    known = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name in names for name in known})


@pytest.mark.parametrize(
    ("names", "usage", "bits"),
    [
        (("digital_signature", "key_encipherment"), "General Purpose", "A0000000"),
        (
            ("digital_signature", "key_encipherment", "data_encipherment"),
            "General Purpose",
            "B0000000",
        ),
        (("digital_signature",), "Signature", "80000000"),
        (("key_encipherment",), "Encryption", "20000000"),
        (("digital_signature", "key_cert_sign", "crl_sign"), "Signature", "86000000"),
    ],
)
def test_key_usage(names: tuple[str, ...], usage: str, bits: str) -> None:
    """Usage is said in words and as left-aligned bits."""
    shown = certificate(key_usage(*names))
    assert usage_text(shown) == usage
    assert extension_lines(shown)[1] == f"    X509v3 Key Usage: {bits}"


def test_alternative_names_and_access() -> None:
    """Addresses, mail names, issuers and unknown purposes have their lines."""
    shown = certificate(
        x509.SubjectAlternativeName(
            [
                x509.IPAddress(ipaddress.ip_address("100.100.100.1")),
                x509.RFC822Name("a@b.example"),
            ]
        ),
        x509.AuthorityInformationAccess(
            [
                x509.AccessDescription(
                    AuthorityInformationAccessOID.CA_ISSUERS,
                    x509.UniformResourceIdentifier("http://ca.example/ca.crt"),
                ),
                x509.AccessDescription(
                    AuthorityInformationAccessOID.OCSP,
                    x509.UniformResourceIdentifier("http://ca.example/ocsp"),
                ),
            ]
        ),
        x509.ExtendedKeyUsage(
            [ExtendedKeyUsageOID.SERVER_AUTH, x509.ObjectIdentifier("1.3.6.1.5.5.8.2.2")]
        ),
    )
    assert extension_lines(shown)[1:] == [
        "    X509v3 Subject Alternative Name:",
        "",
        "        IP Address : 100.100.100.1",
        "        OtherNames : a@b.example",
        "    Authority Info Access:",
        "        CA ISSUERS: http://ca.example/ca.crt",
        "        OCSP URL: http://ca.example/ocsp",
        "    Extended Key Usage:",
        "        Server Auth",
        "        1.3.6.1.5.5.8.2.2",
    ]


def test_elliptic_curve_certificate() -> None:
    """EC keys and signatures are named."""
    shown = certificate(key="device-ec")
    assert key_lines(shown)[2] == "    EC Public Key:  (256 bit)"
    assert signature_text(shown) == "SHA384 with ECDSA"


def test_file_name_of_a_saved_certificate() -> None:
    """Issuer without blanks, the serial's low 16 bits without leading zeros, CA mark."""
    assert storage_name(certificate(), is_ca=True) == "nvram:WSMB2026-CA#6127CA.cer"
    assert storage_name(certificate(serial=0xC613E000C), is_ca=False) == "nvram:WSMB2026-CA#C.cer"


def test_trustpoints_that_share_a_ca() -> None:
    """One CA certificate of two trustpoints is shown once, with both names."""
    bench = RouterBench()
    for name in ("ONE", "TWO"):
        terminal = bench.terminal()
        for line in (
            "enable",
            "configure terminal",
            f"crypto pki trustpoint {name}",
            "enrollment url http://10.0.0.9",
            f"crypto pki authenticate {name}",
        ):
            terminal.run(line)
        bench.port.ca_answers(name)
        terminal.run("yes")
    shown = bench.run("show crypto pki certificates")
    assert shown.count("CA Certificate") == 1
    assert "  Associated Trustpoints: ONE TWO " in shown.split("\n")
    assert "  Associated Trustpoints: TWO " in bench.run("show crypto pki certificates TWO").split(
        "\n"
    )
    assert "is unknown" in bench.run("show crypto pki certificates THREE")
    assert "is unknown" in bench.run("show crypto pki trustpoints THREE")
    assert bench.run("show crypto pki trustpoints").count("Trustpoint ") == 2
