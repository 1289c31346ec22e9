"""A hosted router tells that its certificate is about to end, when the clock says so."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from sceplab_ndes.template import CertificateTemplate
from tests.support.served_device import Operator, Site, open_site

WARNING = "%PKI-5-CERT_EXPIRY_WARNING: ID certificate of trustpoint LAB expires in {} days."
ALERT = "%PKI-1-CERT_EXPIRY_ALERT: ID certificate of trustpoint LAB expires in {} days."


async def enroll(site: Site, operator: Operator, *extra: str) -> None:
    """A certificate for LAB, in configuration mode."""
    await operator.type("crypto key generate rsa label K modulus 2048")
    password = site.password()
    await operator.type(*site.trustpoint(*extra), "crypto pki enroll LAB", password, password,
                        "yes")  # fmt: skip
    assert operator.certificate()


async def wait_until(site: Site, operator: Operator, **before: float) -> str:
    """Lets time pass until so long before the end; the log since then."""
    certificate = operator.certificate()
    assert certificate
    moment = certificate.not_valid_after_utc - timedelta(**before)
    await operator.type("do clear logging", "")
    await site.pass_time(operator, seconds=(moment - site.clock()).total_seconds())
    return await operator.type("do show logging | include EXPIRY")


async def test_lines_come_at_their_moments(tmp_path: Path) -> None:
    """Sixty days before, weekly, daily in the last week; each with serial number and issuer."""
    async with open_site(tmp_path) as site, site.device() as operator:
        await enroll(site, operator)
        certificate = operator.certificate()
        assert certificate
        assert "EXPIRY_" not in await wait_until(site, operator, days=60, seconds=1)
        timers = await operator.type("do show crypto pki timers")
        assert "Expiry Alert Timers" in timers
        assert "1.000  ID(LAB)" in timers
        told = await wait_until(site, operator, days=60)
        assert WARNING.format(60) in told
        assert f"Serial-number: {certificate.serial_number:032X}" in told
        assert "7d00:00:00.000  ID(LAB)" in await operator.type("do show crypto pki timers")
        assert WARNING.format(53) in await wait_until(site, operator, days=53)
        assert ALERT.format(7) in await wait_until(site, operator, days=7)
        assert "1d00:00:00.000  ID(LAB)" in await operator.type("do show crypto pki timers")
        assert ALERT.format(1) in await wait_until(site, operator, days=1)
        assert "ID(LAB)" not in await operator.type("do show crypto pki timers")


async def test_one_line_for_a_jump(tmp_path: Path) -> None:
    """A clock that is moved over several moments: the newest state, once."""
    async with open_site(tmp_path) as site, site.device() as operator:
        await enroll(site, operator)
        await wait_until(site, operator, days=20)
        (told,) = [line for line in operator.hosted.device.log_buffer if "EXPIRY" in line]
        assert WARNING.format(20) in told


@pytest.mark.parametrize("days", [60, 7])
async def test_what_renews_is_not_told_of(tmp_path: Path, days: int) -> None:
    """With auto-enroll there is no alert, and no timer of one."""
    async with open_site(tmp_path) as site, site.device() as operator:
        await enroll(site, operator, "auto-enroll 99")
        assert "EXPIRY_" not in await wait_until(site, operator, days=days)
        assert "ID(LAB)" not in await operator.type("do show crypto pki timers")


async def test_a_restart_goes_on_with_the_next(tmp_path: Path) -> None:
    """A router that comes up in the last weeks tells at the next moment, not at once."""
    async with open_site(tmp_path) as site:
        async with site.device() as operator:
            await enroll(site, operator)
            await operator.type("do write memory")
            await wait_until(site, operator, days=50)
        async with site.device() as operator:
            assert "EXPIRY_" not in await operator.type("do show logging")
            assert WARNING.format(46) in await wait_until(site, operator, days=46)


async def test_moments_before_the_installation_do_not_count(tmp_path: Path) -> None:
    """A router that was on for long gets a certificate for a month: told of at the next moment."""
    async with open_site(tmp_path) as site, site.device() as operator:
        await site.pass_time(operator, days=90)
        site.server.authority.template = CertificateTemplate(
            site.server.profile.template.model_copy(update={"validity_days": 30})
        )
        await enroll(site, operator)
        assert "EXPIRY_" not in await operator.type("do show logging")
        assert WARNING.format(25) in await wait_until(site, operator, days=25)
