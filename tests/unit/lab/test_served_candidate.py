"""Junos and PAN-OS with the real engine and a real server: restart, pending, refusal, renewal."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.support.candidate_site import log_in
from tests.support.served_device import Operator, Site, open_site

JUNOS, PANOS = "juniper-junos", "paloalto-panos"
ENROLLED = "show security pki local-certificate certificate-id LOCAL detail"
STORE = "show sslmgr-store config-certificate-info"


def junos_lines(site: Site, *extra: str) -> list[str]:
    """From nothing to a request that is sent."""
    return [
        "configure", "set security pki ca-profile Root ca-identity Root",
        f"set security pki ca-profile Root enrollment url {site.url}",
        "set security pki ca-profile Root enrollment retry 20 retry-interval 60",
        *extra, "commit and-quit",
        "request security pki ca-certificate enroll ca-profile Root", "yes",
        "request security pki generate-key-pair certificate-id LOCAL size 2048 type rsa",
        "request security pki local-certificate enroll scep certificate-id LOCAL ca-profile Root "
        "domain-name r1.example email r1@mail.example ip-address 192.0.2.4 "
        f"subject CN=R1,O=Example challenge-password {site.password()}",
    ]  # fmt: skip


def panos_lines(site: Site) -> list[str]:
    """From nothing to a request that is sent."""
    return [
        "configure", f"set shared scep LAB scep-url {site.url}",
        f"set shared scep LAB scep-challenge fixed {site.password()}",
        "set shared scep LAB subject CN=R1,O=Example", "commit", "exit",
        "request certificate generate certificate-name fw scep-profile LAB",
    ]  # fmt: skip


def certificate_of(operator: Operator, name: str) -> x509.Certificate | None:
    """What the engine holds."""
    der = operator.hosted.device.port.view(name).certificate_der
    return None if der is None else x509.load_der_x509_certificate(der)


async def test_junos_certificate_is_there_after_a_restart(tmp_path: Path) -> None:
    """Configure, trust, enroll, show, commit; the box that comes up again shows the same."""
    async with open_site(tmp_path) as site:
        async with log_in(site, JUNOS) as operator:
            shown = await operator.type(*junos_lines(site))
            assert "CA certificate for profile Root loaded successfully" in shown
            assert "Generated key pair LOCAL, key size 2048 bits" in shown
            detail = await operator.type(ENROLLED)
            certificate = certificate_of(operator, "certificate-id LOCAL")
            assert certificate is not None
            assert f"Serial number: {certificate.serial_number:x}".lower() in detail.lower()
            names = 'Alternate subject: "r1@mail.example", r1.example, 192.0.2.4, ipv6 empty'
            assert names in detail
            verify = "request security pki local-certificate verify certificate-id LOCAL"
            assert "verification success" in await operator.type(verify)
        saved = (tmp_path / "startup-config").read_text()
        assert "PRIVATE KEY" not in saved
        async with log_in(site, JUNOS) as operator:
            assert await operator.type(ENROLLED) == detail
            assert certificate_of(operator, "certificate-id LOCAL") == certificate
            assert "verification success" in await operator.type(verify)


async def test_junos_pending_request_survives_a_restart_and_is_granted(tmp_path: Path) -> None:
    """The request is shown until somebody approves."""
    async with open_site(tmp_path, approval="manual") as site:
        async with log_in(site, JUNOS) as operator:
            await operator.type(*junos_lines(site))
            shown = await operator.type("show security pki certificate-request")
            assert "Certificate identifier: LOCAL\n  Issued to: R1\n" in shown
            detail = await operator.type("show security pki certificate-request detail")
            assert "(sha1)" in detail
            assert "PKID_SCEP_PENDING" in await operator.type("show log pkid")
        async with log_in(site, JUNOS) as operator:
            assert await operator.type("show security pki certificate-request") == shown
            assert await operator.type("show security pki certificate-request detail") == detail
            (request,) = site.server.administration.pending()
            site.server.administration.approve(request.request_id, site.clock())
            await site.pass_time(operator, minutes=2)
            assert "Serial number" in await operator.type(ENROLLED)
            assert "PKID_SCEP_CERT_INSTALLED" in await operator.type("show log pkid")


async def test_junos_rejection_is_in_the_log(tmp_path: Path) -> None:
    """A refused request leaves no certificate, and the log says why."""
    async with open_site(tmp_path, approval="manual") as site, log_in(site, JUNOS) as operator:
        await operator.type(*junos_lines(site))
        (request,) = site.server.administration.pending()
        site.server.administration.deny(request.request_id, site.clock())
        await site.pass_time(operator, minutes=2)
        assert "was rejected by the CA, failInfo" in await operator.type("show log pkid | last 1")
        assert certificate_of(operator, "certificate-id LOCAL") is None


async def test_junos_re_enrolls_when_the_configured_share_remains(tmp_path: Path) -> None:
    """A tenth of the lifetime remains: another certificate with another key, as configured."""
    statement = "set security pki auto-re-enrollment certificate-id LOCAL"
    extra = [
        f"{statement} ca-profile-name Root",
        f"{statement} re-enroll-trigger-time-percentage 10",
        f"{statement} re-generate-keypair",
    ]
    async with open_site(tmp_path) as site, log_in(site, JUNOS) as operator:
        await operator.type(*junos_lines(site, *extra))
        first = certificate_of(operator, "certificate-id LOCAL")
        assert first is not None
        lifetime = first.not_valid_after_utc - site.clock()
        await site.pass_time(operator, seconds=lifetime.total_seconds() * 0.89)
        assert certificate_of(operator, "certificate-id LOCAL") == first
        await site.pass_time(operator, seconds=lifetime.total_seconds() * 0.02)
        second = certificate_of(operator, "certificate-id LOCAL")
        assert second is not None
        assert second.public_key() != first.public_key()
        assert "PKID_AUTO_RE_ENROLL_DONE" in await operator.type("show log pkid")


async def test_panos_certificate_is_there_after_a_restart(tmp_path: Path) -> None:
    """SCEP profile, certificate, commit; the box that comes up again shows the same."""
    async with open_site(tmp_path) as site:
        async with log_in(site, PANOS) as operator:
            shown = await operator.type(*panos_lines(site))
            assert "Certificate fw was issued by the SCEP server." in shown
            store = await operator.type(STORE)
            certificate = certificate_of(operator, "certificate fw")
            assert certificate is not None
            assert f"db-serialno: {certificate.serial_number:X}\n" in store
            await operator.type("configure", "commit", "exit")
            running = await operator.type("show config running")
            assert 'subject "/O=Example/CN=R1";' in running
        async with log_in(site, PANOS) as operator:
            assert await operator.type(STORE) == store
            assert await operator.type("show config running") == running


async def test_panos_pending_request_is_there_after_a_restart(tmp_path: Path) -> None:
    """Once the certificate is committed, the box that comes up shows the same request."""
    show = "request certificate show"
    async with open_site(tmp_path, approval="manual") as site:
        async with log_in(site, PANOS) as operator:
            assert "holds the request" in await operator.type(*panos_lines(site))
            shown = await operator.type(show)
            assert "BEGIN CERTIFICATE REQUEST" in shown
            await operator.type("configure", "commit", "exit")
        async with log_in(site, PANOS) as operator:
            assert await operator.type(show) == shown


async def test_panos_pending_and_rejected_requests_are_told(tmp_path: Path) -> None:
    """The first is approved later and waits in the candidate; the second is refused."""
    async with open_site(tmp_path, approval="manual") as site, log_in(site, PANOS) as operator:
        assert "holds the request" in await operator.type(*panos_lines(site))
        (request,) = site.server.administration.pending()
        site.server.administration.approve(request.request_id, site.clock())
        await site.pass_time(operator, minutes=2)
        assert 'subject "/O=Example/CN=R1";' in await operator.type("show config candidate")
        await operator.type("configure", "set shared scep LAB scep-challenge fixed "
                            + site.password(), "commit", "exit")  # fmt: skip
        again = "request certificate generate certificate-name gw scep-profile LAB"
        assert "holds the request" in await operator.type(again)
        (request,) = site.server.administration.pending()
        site.server.administration.deny(request.request_id, site.clock())
        await site.pass_time(operator, minutes=2)
        assert "request gw rejected" in await operator.type("show log system")


async def test_junos_asks_again_after_a_refusal(tmp_path: Path) -> None:
    """The operator says no to the fingerprint, later yes; then the enrollment runs."""
    async with open_site(tmp_path) as site, log_in(site, JUNOS) as operator:
        lines = junos_lines(site)
        refused = await operator.type(*(line if line != "yes" else "no" for line in lines))
        assert "error: CA certificate for profile Root is not loaded" in refused
        ask = "request security pki ca-certificate enroll ca-profile Root"
        assert "loaded successfully" in await operator.type(ask, "yes")
        await operator.type(lines[-1])
        assert certificate_of(operator, "certificate-id LOCAL") is not None


async def test_panos_takes_the_right_fingerprint_after_a_wrong_one(tmp_path: Path) -> None:
    """The CA is refused until the committed fingerprint is its own."""
    async with open_site(tmp_path) as site, log_in(site, PANOS) as operator:
        lines = panos_lines(site)
        lines.insert(3, f"set shared scep LAB fingerprint {'00' * 32}")
        assert "fingerprint of the CA certificate differs" in await operator.type(*lines)
        pin = site.server.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex()
        right = ["configure", f"set shared scep LAB fingerprint {pin}", "commit", "exit"]
        assert "was issued" in await operator.type(*right, lines[-1])
        assert "renewed" in await operator.type("request certificate renew certificate-name fw")
