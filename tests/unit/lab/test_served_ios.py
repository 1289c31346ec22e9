"""Hosted IOS routers with the real engine: by SCEP and by hand, over restarts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from sceplab_devices.profiles.cisco.pasting import decode_base64
from sceplab_ndes.authority import CertificateOrder
from sceplab_scep.csr import read_csr
from tests.support.served_device import Operator, Site, open_site

PROFILES = ("cisco-ios", "cisco-ios-xe", "cisco-ios-xe-26")
PASSPHRASE = "carried-12"

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.DOTALL)


def pem_lines(certificate: x509.Certificate) -> list[str]:
    """As an operator pastes it."""
    return certificate.public_bytes(Encoding.PEM).decode().splitlines()


def pems(printed: str, label: str) -> list[str]:
    """PEM texts of a kind among what was printed."""
    return [found[0] for found in _PEM.finditer(printed) if found[1] == label]


def everything_in(folder: Path) -> bytes:
    """Content of all files below a folder."""
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def enroll(site: Site, operator: Operator) -> str:
    """SCEP enrollment with the key pair K, in configuration mode."""
    await operator.type("crypto key generate rsa label K modulus 2048 exportable")
    trusted = await operator.type(*site.trustpoint())
    assert "Certificate validated - fingerprints matched." in trusted
    password = site.password()
    return await operator.type("crypto pki enroll LAB", password, password, "yes")


@pytest.mark.parametrize("profile", PROFILES)
async def test_enrolled_saved_and_restarted(tmp_path: Path, profile: str) -> None:
    """Configure, authenticate, enroll, show, save, restart: the same certificate, still shown."""
    async with open_site(tmp_path / "r1", profile=profile) as site:
        async with site.device() as operator:
            assert "% Certificate request sent" in await enroll(site, operator)
            certificate = operator.certificate()
            assert certificate is not None
            await operator.type("end", "write memory")
            shown = await operator.type("show crypto pki certificates LAB")
            assert f"{certificate.serial_number:032X}" in shown
            assert "  Storage: nvram:" in shown
        async with site.device() as operator:
            assert operator.certificate() == certificate
            await operator.type("end")
            assert await operator.type("show crypto pki certificates LAB") == shown


@pytest.mark.parametrize(("answer", "log"), [("approve", "%PKI-6-CERT"), ("deny", "CERTREJECT")])
@pytest.mark.parametrize("profile", ["cisco-ios", "cisco-ios-xe"])
async def test_pending_over_a_restart(tmp_path: Path, profile: str, answer: str, log: str) -> None:
    """A request waits, also after a restart; the administrator's answer arrives with a poll."""
    async with open_site(tmp_path / "r1", approval="manual", profile=profile) as site:
        async with site.device() as operator:
            await enroll(site, operator)
            await operator.type("do write memory")
            shown = await operator.type("do show crypto pki certificates LAB")
            status = await operator.type("do show crypto pki trustpoints status")
            assert "   Status: Pending" in shown
            assert "Certificate Request Fingerprint SHA1" in shown
        async with site.device() as operator:
            assert await operator.type("do show crypto pki certificates LAB") == shown
            assert await operator.type("do show crypto pki trustpoints status") == status
            assert "POLL LAB" in await operator.type("do show crypto pki timers")
            (request,) = site.server.administration.pending()
            getattr(site.server.administration, answer)(request.request_id, site.clock())
            await site.pass_time(operator, seconds=61)
            assert log in await operator.type("do show logging")
            assert (operator.certificate() is not None) == (answer == "approve")


async def test_by_hand_over_a_restart(tmp_path: Path) -> None:
    """The operator carries CA certificate, request and certificate; the CA never hears the box."""
    async with open_site(tmp_path / "r1", approval="manual") as site:
        root = site.server.hierarchy.root.certificate
        async with site.device() as operator:
            printed = await operator.type(
                "ip domain name example.test", "crypto key generate rsa label K modulus 2048",
                "crypto pki trustpoint LAB", "enrollment terminal pem", "subject-name CN=R1,O=Ex",
                "rsakeypair K", "serial-number none", "ip-address none", "exit",
                "crypto pki authenticate LAB", *pem_lines(root), "", "yes",
                "crypto pki enroll LAB", "yes", "no", "do write memory",
            )  # fmt: skip
            assert "% Certificate successfully imported" in printed
            (request,) = pems(printed, "CERTIFICATE REQUEST")
        signed = sign(site, request)
        async with site.device() as operator:
            wrong = await operator.type("crypto pki import LAB certificate", *pem_lines(root), "")
            assert "% Failed to parse or verify imported certificate" in wrong
            printed = await operator.type(
                "crypto pki import LAB certificate", *pem_lines(signed), "quit", "do write memory"
            )
            assert "% Router Certificate successfully imported" in printed
            assert operator.certificate() == signed
        async with site.device() as operator:
            assert operator.certificate() == signed
            shown = await operator.type("do show crypto pki certificates LAB")
            assert f"{signed.serial_number:X}" in shown
            assert "  Storage: nvram:" in shown


def sign(site: Site, request_pem: str) -> x509.Certificate:
    """What the CA gives to somebody who brings a request to its counter."""
    request = x509.load_pem_x509_csr(request_pem.encode())
    order = CertificateOrder(request_id=77, csr=read_csr(request.public_bytes(Encoding.DER)))
    return site.server.authority.issue(order, site.clock())


async def test_keys_and_certificates_leave_and_come_back(tmp_path: Path) -> None:
    """What is exported is the certificate and its key; a second box takes it and keeps it."""
    async with open_site(tmp_path / "r1") as site:
        async with site.device() as operator:
            await enroll(site, operator)
            certificate = operator.certificate()
            assert certificate is not None
            printed = await operator.type(f"crypto pki export LAB pem terminal aes {PASSPHRASE}")
            (private,) = pems(printed, "RSA PRIVATE KEY")
            key = load_pem_private_key(private.encode(), PASSPHRASE.encode())
            assert key.public_key() == certificate.public_key()
            printed = await operator.type(
                f"crypto pki export LAB pkcs12 terminal password {PASSPHRASE}"
            )
            bundle = printed.partition("follows:")[2].partition("---End")[0]
            assert decode_base64(bundle)
            wrong = await operator.type(
                "crypto pki import NEW pkcs12 terminal password nope", *bundle.split(), "quit"
            )
            assert "% PKCS12 import failed." in wrong
            printed = await operator.type(
                f"crypto pki import NEW pkcs12 terminal password {PASSPHRASE}",
                *bundle.split(), "quit", "do write memory",
            )  # fmt: skip
            assert "CRYPTO_PKI: Imported PKCS12 file successfully." in printed
            logged = await operator.type("do show logging")
            assert logged.count("A key named NEW has been generated or imported") == 1
        async with site.device() as operator:
            view = operator.hosted.device.port.view("NEW")
            assert view.certificate_der == certificate.public_bytes(Encoding.DER)
            pairs = operator.hosted.device.port.keys()
            assert {pair.label for pair in pairs} == {"K", "NEW"}
    written = everything_in(tmp_path)
    assert b"trustpoint NEW" in written
    assert PASSPHRASE.encode() not in written


async def test_a_destroyed_key_takes_its_certificate(tmp_path: Path) -> None:
    """The CA stays trusted, and a new enrollment with a new key goes through."""
    async with open_site(tmp_path / "r1") as site, site.device() as operator:
        await enroll(site, operator)
        before = operator.certificate()
        await operator.type("crypto key zeroize rsa K", "yes")
        assert operator.certificate() is None
        status = await operator.type("do show crypto pki trustpoints status")
        assert "Issuing CA authenticated ....... Yes" in status
        assert "Certificate request(s) ..... None" in status
        await operator.type("crypto key generate rsa label K modulus 2048")
        password = site.password()
        await operator.type("crypto pki enroll LAB", password, password, "yes")
        after = operator.certificate()
        assert after is not None
        assert before is not None
        assert after.public_key() != before.public_key()
