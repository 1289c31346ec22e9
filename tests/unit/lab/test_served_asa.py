"""A hosted ASA with the real engine and a real server: from configuration to restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_ndes.authority import CertificateOrder
from sceplab_scep.csr import read_csr
from tests.support.served_device import Operator, Site, open_site

PROFILE = "cisco-asa"


@asynccontextmanager
async def _operator(site: Site) -> AsyncIterator[Operator]:
    """Somebody in configuration mode at the console of the running device."""
    async with site.device() as host:
        console = host.hosted.device.open_console()
        console.open()
        operator = Operator(host.hosted, console)
        await operator.type("enable", "", "terminal pager 0", "configure terminal")
        yield operator


def _configured(site: Site, *extra: str) -> list[str]:
    pin = site.server.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex()
    return [
        "domain-name example.test", "crypto key generate rsa label K modulus 2048",
        "crypto ca trustpoint LAB", f"enrollment url {site.url}", "subject-name CN=asa,O=Example",
        "keypair K", *extra, "exit", f"crypto ca authenticate LAB fingerprint {pin}",
    ]  # fmt: skip


def _enroll(site: Site) -> list[str]:
    password = site.password()
    return ["crypto ca enroll LAB", password, password, "no", "yes"]


async def test_from_configuration_to_restart(tmp_path: Path) -> None:
    """What was enrolled and saved is there after a restart, and is still trusted and used."""
    async with open_site(tmp_path / "asa", profile=PROFILE) as site:
        async with _operator(site) as operator:
            printed = await operator.type(*_configured(site))
            assert "Trustpoint CA certificate accepted." in printed
            printed = await operator.type(*_enroll(site))
            assert "The certificate has been granted by CA!" in printed
            certificate = operator.certificate()
            assert certificate is not None
            shown = await operator.type("show crypto ca certificates LAB")
            assert f"Certificate Serial Number: {certificate.serial_number:x}"[:40] in shown
            assert "[OK]" in await operator.type("write memory")
        async with _operator(site) as operator:
            assert operator.certificate() == certificate
            assert await operator.type("show crypto ca certificates LAB") == shown
            assert "%ASA-6-717003" not in await operator.type("show logging")
            printed = await operator.type("crypto ca enroll LAB", "yes", *_enroll(site)[1:])
            assert "The certificate has been granted by CA!" in printed
            assert operator.certificate() != certificate


async def test_pending_over_a_restart_until_approved(tmp_path: Path) -> None:
    """The request waits, the box starts anew, the administrator approves, a poll brings it."""
    async with open_site(tmp_path / "asa", profile=PROFILE, approval="manual") as site:
        async with _operator(site) as operator:
            await operator.type(*_configured(site))
            printed = await operator.type(*_enroll(site))
            assert "The certificate enrollment request is pending." in printed
            shown = await operator.type("show crypto ca certificates LAB")
            assert "Status: Pending" in shown
            assert "  Fingerprint: " in shown.partition("Status: Pending")[2]
            await operator.type("write memory")
        async with _operator(site) as operator:
            assert await operator.type("show crypto ca certificates LAB") == shown
            for request in site.server.administration.pending():
                site.server.administration.approve(request.request_id, site.clock())
            await site.pass_time(operator, seconds=61)
            assert operator.certificate() is not None
            assert "%ASA-6-717003" in await operator.type("show logging")


async def test_rejected(tmp_path: Path) -> None:
    """A wrong password is refused; the reason is in the log, nothing is installed."""
    async with (
        open_site(tmp_path / "asa", profile=PROFILE) as site,
        _operator(site) as operator,
    ):
        await operator.type(*_configured(site))
        printed = await operator.type("crypto ca enroll LAB", "wrong", "wrong", "no", "yes")
        assert "The certificate enrollment request was rejected by CA!" in printed
        assert "%ASA-3-717002: Certificate enrollment failed for trustpoint LAB. Reason: " in (
            await operator.type("show logging")
        )
        assert operator.certificate() is None


async def test_wrong_fingerprint_then_the_right_one(tmp_path: Path) -> None:
    """The trustpoint stays as it was, and need not be deleted."""
    async with (
        open_site(tmp_path / "asa", profile=PROFILE) as site,
        _operator(site) as operator,
    ):
        *lines, authenticate = _configured(site)
        wrong = f"crypto ca authenticate LAB fingerprint {'00' * 20}"
        assert "ERROR: Fingerprint mismatch." in await operator.type(*lines, wrong)
        assert "Not authenticated." in await operator.type("show crypto ca trustpoints")
        assert "accepted" in await operator.type(authenticate)


async def test_renewal_makes_a_new_key(tmp_path: Path) -> None:
    """When its time comes, without anybody at the console."""
    async with (
        open_site(tmp_path / "asa", profile=PROFILE) as site,
        _operator(site) as operator,
    ):
        await operator.type(*_configured(site, "auto-enroll 70 regenerate"), *_enroll(site))
        before = operator.certificate()
        assert before is not None
        lifetime = before.not_valid_after_utc - before.not_valid_before_utc
        await site.pass_time(operator, seconds=lifetime.total_seconds() * 0.75)
        after = operator.certificate()
        assert after is not None
        assert after.serial_number != before.serial_number
        assert after.public_key() != before.public_key()


async def test_a_trustpoint_is_copied_by_pkcs12(tmp_path: Path) -> None:
    """What one trustpoint exports, another takes in, with a key pair of its own label."""
    async with open_site(tmp_path / "asa", profile=PROFILE) as site:
        async with _operator(site) as operator:
            await _copy(site, operator)
            await operator.type("write memory")
        async with _operator(site) as operator:
            shown = await operator.type("show crypto ca certificates COPY")
            assert "Status: Available" in shown


async def _copy(site: Site, operator: Operator) -> None:
    await operator.type(*_configured(site), *_enroll(site))
    exported = await operator.type("crypto ca export LAB pkcs12 passphrase")
    text = exported[exported.index("-----BEGIN") : exported.index("---End")]
    lines = text.replace("\r", "").strip().split("\n")
    printed = await operator.type("crypto ca import COPY pkcs12 passphrase", *lines, "quit")
    assert "INFO: Import PKCS12 operation completed successfully." in printed
    shown = await operator.type("show crypto ca certificates")
    assert "  Associated Trustpoints: LAB COPY \n" in shown.replace("\r", "")
    keys = await operator.type("show crypto key mypubkey rsa")
    assert "Key name: COPY" in keys


async def test_certificates_by_hand(tmp_path: Path) -> None:
    """The CA is pasted, the request is shown, the certificate is pasted; a restart keeps all."""
    async with open_site(tmp_path / "asa", profile=PROFILE) as site:
        async with _operator(site) as operator:
            certificate = await _carry(site, operator)
            assert operator.certificate() == certificate
            await operator.type("write memory")
        async with _operator(site) as operator:
            assert operator.certificate() == certificate


async def _carry(site: Site, operator: Operator) -> x509.Certificate:
    """Enrolls without a server; gives what the CA issued."""
    root = site.server.hierarchy.root.certificate.public_bytes(Encoding.PEM).decode()
    await operator.type(
        "crypto ca trustpoint LAB", "enrollment terminal", "subject-name CN=asa", "exit",
        "crypto ca authenticate LAB", *root.split("\n"), "quit",
    )  # fmt: skip
    assert "% Certificate successfully imported" in await operator.type("yes")
    printed = await operator.type("crypto ca enroll LAB", "no", "yes", "no")
    request = x509.load_pem_x509_csr(printed[printed.index("-----BEGIN") :].encode())
    assert request.is_signature_valid
    assert "Status: Pending" in await operator.type("show crypto ca certificates LAB")
    csr = read_csr(request.public_bytes(Encoding.DER))
    certificate = site.server.authority.issue(CertificateOrder(request_id=1, csr=csr), site.clock())
    pem = certificate.public_bytes(Encoding.PEM).decode()
    printed = await operator.type(
        "crypto ca import LAB certificate nointeractive", *pem.split("\n"), "quit"
    )
    assert "INFO: Certificate successfully imported" in printed
    return certificate
