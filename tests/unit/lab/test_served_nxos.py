"""A hosted NX-OS switch with the real engine: an operator carries everything to a real CA."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_ndes.carried_request import sign_carried
from tests.support.served_device import Operator, Site, open_site

PROFILE = "cisco-nxos"
KEY = "crypto key generate rsa label {label} exportable modulus 2048"


def _pem(certificate: x509.Certificate) -> list[str]:
    return certificate.public_bytes(Encoding.PEM).decode().strip().split("\n")


async def _trust(site: Site, operator: Operator) -> None:
    """Key pair K, trustpoint LAB, its CA."""
    root = site.server.hierarchy.root.certificate
    await operator.type(
        "ip domain-name example.test", KEY.format(label="K"), "crypto ca trustpoint LAB",
        "enrollment terminal", "rsakeypair K", "exit",
        "crypto ca authenticate LAB", *_pem(root), "END OF INPUT", "yes",
    )  # fmt: skip


async def _request(operator: Operator) -> str:
    """Enrolls as far as the request; its PEM."""
    printed = await operator.type("crypto ca enroll LAB", "otp", "yes", "no")
    end = "-----END CERTIFICATE REQUEST-----"
    return printed[printed.index("-----BEGIN") : printed.index(end)] + end + "\n"


def _sign(site: Site, request: str) -> x509.Certificate:
    """What the CA's command line does with a request that somebody brings."""
    record = sign_carried(site.server.depot, site.server.authority, request.encode(), site.clock())
    return x509.load_der_x509_certificate(record.certificate)


def _forge(site: Site, request: str) -> x509.Certificate:
    """The CA's name, but somebody else's signature."""
    csr = x509.load_pem_x509_csr(request.encode())
    return (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(site.server.hierarchy.root.certificate.subject)
        .public_key(csr.public_key())
        .serial_number(7)
        .not_valid_before(site.clock())
        .not_valid_after(site.clock() + timedelta(days=1))
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )


async def _import(operator: Operator, certificate: x509.Certificate) -> str:
    return await operator.type("crypto ca import LAB certificate", *_pem(certificate))


async def test_from_configuration_to_restart(tmp_path: Path) -> None:
    """What was carried and saved is there after a restart, and is renewed by hand."""
    async with open_site(tmp_path / "switch", profile=PROFILE) as site:
        async with site.device() as operator:
            await _trust(site, operator)
            certificate = _sign(site, await _request(operator))
            assert "could not" not in await _import(operator, certificate)
            assert operator.certificate() == certificate
            shown = await operator.type("show crypto ca certificates LAB")
            assert "subject= /CN=R1.example.test" in shown
            assert "Copy complete." in await operator.type("copy running-config startup-config")
        async with site.device() as operator:
            assert operator.certificate() == certificate
            assert await operator.type("show crypto ca certificates LAB") == shown
            renewed = _sign(site, await _request(operator))
            await _import(operator, renewed)
            assert operator.certificate() == renewed
            assert renewed.public_key() == certificate.public_key()


async def test_a_request_waits_over_a_restart(tmp_path: Path) -> None:
    """The CA signs it while the box is off."""
    async with open_site(tmp_path / "switch", profile=PROFILE) as site:
        async with site.device() as operator:
            await _trust(site, operator)
            request = await _request(operator)
            await operator.type("copy running-config startup-config")
        certificate = _sign(site, request)
        async with site.device() as operator:
            assert "\ncertificate:" not in await operator.type("show crypto ca certificates LAB")
            await _import(operator, certificate)
            assert operator.certificate() == certificate


async def test_certificates_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Of another CA, and for another key; the right one is taken afterwards."""
    async with (
        open_site(tmp_path / "switch", profile=PROFILE) as site,
        site.device() as operator,
    ):
        await _trust(site, operator)
        request = await _request(operator)
        other = _forge(site, request)
        assert "could not import the certificate: " in await _import(operator, other)
        root = site.server.hierarchy.root.certificate
        assert "could not import the certificate: " in await _import(operator, root)
        assert operator.certificate() is None
        certificate = _sign(site, request)
        await _import(operator, certificate)
        assert operator.certificate() == certificate


async def test_a_new_key_pair(tmp_path: Path) -> None:
    """The certificate is deleted, the CA stays, another key pair is named and certified."""
    async with (
        open_site(tmp_path / "switch", profile=PROFILE) as site,
        site.device() as operator,
    ):
        await _trust(site, operator)
        before = _sign(site, await _request(operator))
        await _import(operator, before)
        await operator.type(
            KEY.format(label="K2"), "crypto ca trustpoint LAB", "delete certificate force",
            "rsakeypair K2", "exit", "crypto key zeroize rsa K",
        )  # fmt: skip
        assert operator.certificate() is None
        after = _sign(site, await _request(operator))
        await _import(operator, after)
        assert operator.certificate() == after
        assert after.public_key() != before.public_key()
        keys = await operator.type("show crypto key mypubkey rsa")
        assert "key label: K2\n" in keys
        assert "key label: K\n" not in keys


async def test_a_trustpoint_is_copied_by_pkcs12(tmp_path: Path) -> None:
    """A wrong passphrase changes nothing; the right one brings key pair, certificate and CA."""
    async with (
        open_site(tmp_path / "switch", profile=PROFILE) as site,
        site.device() as operator,
    ):
        await _trust(site, operator)
        await _import(operator, _sign(site, await _request(operator)))
        await operator.type(
            "crypto ca export LAB pkcs12 bootflash:lab.p12 passphrase",
            "crypto ca trustpoint COPY", "exit",
        )  # fmt: skip
        printed = await operator.type("crypto ca import COPY pkcs12 bootflash:lab.p12 wrong")
        assert "could not import the pkcs12 file" in printed
        printed = await operator.type("crypto ca import COPY pkcs12 bootflash:lab.p12 passphrase")
        assert "could not" not in printed
        shown = await operator.type("show crypto ca certificates COPY")
        assert "subject= /CN=R1.example.test" in shown
