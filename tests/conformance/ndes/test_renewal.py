"""Renewals in both forms, and everything a server has to look at before it grants one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509

from sceplab_ndes.state import ServerState
from sceplab_scep.attributes import FailInfo, PkiStatus
from tests.support.scep_device import ScepDevice, fetch_password, issued, refused
from tests.support.server import NOW, make_server, shared_key

LATER = NOW + timedelta(days=300)


def enrolled(server: ServerState, **options: object) -> tuple[ScepDevice, x509.Certificate]:
    """A device with its first certificate."""
    device = ScepDevice(server=server)
    return device, issued(device.enroll(fetch_password(server), **options))


def renewer(device: ScepDevice, certificate: x509.Certificate, **changes: object) -> ScepDevice:
    """The device with a new key, signing with the old one."""
    changes.setdefault("key", shared_key("new-key"))
    changes.setdefault("now", LATER)
    return device.with_certificate(certificate, **changes)


@pytest.mark.covers("M3", "A4")
@pytest.mark.parametrize("profile", ["compat", "rfc8894", "ndes"])
def test_a_renewal_req_needs_no_challenge(profile: str) -> None:
    """A new key under the old certificate gets a new one; the answer goes to the old key."""
    server = make_server(profile)
    device, old = enrolled(server)
    new_device = renewer(device, old)
    new = issued(new_device.ask(new_device.renewal_req()))
    assert new.public_key() == shared_key("new-key").public_key
    assert new.serial_number != old.serial_number
    row = server.administration.requests()[-1]
    assert (row.kind, row.renews_serial) == ("renewal", f"{old.serial_number:x}")


@pytest.mark.covers("T-26", "A4")
def test_a_pkcs_req_signed_by_our_certificate_is_a_renewal() -> None:
    """The implicit form: the signer decides, and `Renewal` is among the capabilities."""
    server = make_server()
    device, old = enrolled(server)
    new_device = renewer(device, old)
    assert issued(new_device.enroll())
    assert server.administration.requests()[-1].kind == "renewal"
    assert "Renewal" in server.profile.capabilities.keywords


@pytest.mark.covers("M2", "T-28")
@pytest.mark.parametrize("form", ["renewal_req", "pkcs_req"])
def test_another_subject_is_refused(form: str) -> None:
    """Unless the setting waives it."""
    for same_subject, status in ((True, PkiStatus.FAILURE), (False, PkiStatus.SUCCESS)):
        server = make_server(settings={"renewal": {"same_subject": same_subject}})
        device, old = enrolled(server)
        other = renewer(device, old, name="other.example.test")
        rep = other.ask(getattr(other, form)())
        assert rep.status is status


@pytest.mark.covers("T-25")
@pytest.mark.parametrize(
    ("rule", "old_names", "new_names", "status"),
    [
        ("not-wider", ["a.example.test", "b.example.test"], ["a.example.test"], PkiStatus.SUCCESS),
        ("not-wider", ["a.example.test"], ["a.example.test", "b.test"], PkiStatus.FAILURE),
        ("same", ["a.example.test", "b.example.test"], ["a.example.test"], PkiStatus.FAILURE),
        ("same", ["a.example.test"], ["a.example.test"], PkiStatus.SUCCESS),
        ("any", [], ["b.example.test"], PkiStatus.SUCCESS),
    ],
)
def test_alternative_names_are_not_widened(
    rule: str, old_names: list[str], new_names: list[str], status: PkiStatus
) -> None:
    """compat lets names be dropped, ndes wants the same, and a setting allows all."""
    server = make_server(settings={"renewal": {"san": rule}})
    device, old = enrolled(server, dns_names=old_names)
    new_device = renewer(device, old)
    csr = new_device.csr(dns_names=new_names)
    assert new_device.ask(new_device.renewal_req(csr=csr)).status is status


@pytest.mark.covers("M3", "T-25")
def test_an_expired_signer_may_not_renew() -> None:
    """Unless the setting grants some days after the end."""
    for days, status in ((0, PkiStatus.FAILURE), (30, PkiStatus.SUCCESS)):
        server = make_server(settings={"renewal": {"expired_days": days}})
        device, old = enrolled(server)
        late = renewer(device, old, now=NOW + timedelta(days=380))
        rep = late.ask(late.renewal_req())
        assert rep.status is status
        assert "expired" in rep.fail_info_text or status is PkiStatus.SUCCESS


@pytest.mark.covers("T-25")
def test_a_revoked_signer_may_not_renew() -> None:
    """The refusal names the certificate."""
    server = make_server()
    device, old = enrolled(server)
    server.administration.revoke(f"{old.serial_number:x}", NOW)
    new_device = renewer(device, old)
    rep = refused(new_device.ask(new_device.renewal_req()), text="revoked")
    assert f"{old.serial_number:x}" in rep.fail_info_text


@pytest.mark.covers("T-25")
def test_a_renewal_req_of_a_stranger_is_refused() -> None:
    """A self-signed certificate and one of another CA renew nothing."""
    server = make_server()
    stranger = ScepDevice(server=server)
    refused(stranger.ask(stranger.renewal_req()), text="not issued by this CA")
    foreign = make_server(settings={"challenge": {"mode": "none"}})
    certificate = issued(ScepDevice(server=foreign).enroll())
    other = ScepDevice(server=server, signer=(shared_key("device"), certificate))
    refused(other.ask(other.renewal_req()), fail_info=FailInfo.BAD_REQUEST)


@pytest.mark.covers("T-27")
def test_ndes_answers_a_renewal_with_the_same_key_by_the_old_certificate() -> None:
    """compat issues a new one; a third setting refuses."""
    for same_key in ("existing", "issue", "refuse"):
        server = make_server(settings={"renewal": {"same_key": same_key}})
        device, old = enrolled(server)
        same = renewer(device, old, key=device.key)
        rep = same.ask(same.renewal_req())
        if same_key == "refuse":
            refused(rep, text="new key")
        else:
            assert (issued(rep) == old) == (same_key == "existing")
    assert make_server("ndes").profile.renewal.same_key == "existing"


@pytest.mark.covers("S-04", "T-24")
def test_a_profile_may_demand_the_challenge_as_well() -> None:
    """Old certificate and password together."""
    server = make_server(settings={"renewal": {"challenge": "required"}})
    device, old = enrolled(server)
    new_device = renewer(device, old)
    refused(new_device.ask(new_device.renewal_req()), text="challenge")
    csr = new_device.csr(fetch_password(server, LATER))
    assert issued(new_device.ask(new_device.renewal_req(csr=csr)))


def test_a_window_before_expiry() -> None:
    """With window_days 30 a renewal is too early at 300 of 365 days and right at 340."""
    server = make_server(settings={"renewal": {"window_days": 30}})
    device, old = enrolled(server)
    early = renewer(device, old)
    refused(early.ask(early.renewal_req()), text="too early")
    right = renewer(device, old, now=NOW + timedelta(days=340))
    assert issued(right.ask(right.renewal_req()))


@pytest.mark.covers("S-49")
def test_a_renewal_proves_the_new_key() -> None:
    """A request whose own signature is damaged is refused although the transport signer is ours."""
    server = make_server()
    device, old = enrolled(server)
    new_device = renewer(device, old)
    csr = bytearray(new_device.csr())
    csr[-1] ^= 1
    rep = refused(new_device.ask(new_device.renewal_req(csr=bytes(csr))))
    assert rep.fail_info is FailInfo.BAD_MESSAGE_CHECK


def test_what_is_no_renewal_may_still_be_an_enrollment() -> None:
    """Signed by the old certificate, another subject, and a good password: enrolled."""
    server = make_server()
    device, old = enrolled(server)
    other = renewer(device, old, name="other.example.test", now=NOW)
    assert issued(other.enroll(fetch_password(server)))
    assert server.administration.requests()[-1].kind == "enrollment"


def test_a_lost_renewal_answer_comes_again() -> None:
    """The identical RenewalReq gets the same certificate."""
    server = make_server()
    device, old = enrolled(server)
    new_device = renewer(device, old)
    sent = new_device.renewal_req()
    assert issued(new_device.ask(sent)) == issued(new_device.ask(sent))
    assert len(server.administration.certificates()) == 2


def test_manual_approval_of_renewals_is_a_setting() -> None:
    """By default an old certificate is approval enough even where first requests wait."""
    settings = {"template": {"approval": "manual"}, "challenge": {"mode": "none"}}
    server = make_server(settings=settings)
    device = ScepDevice(server=server)
    sent = device.pkcs_req()
    assert device.ask(sent).status is PkiStatus.PENDING
    server.administration.approve(1, NOW)
    old = issued(device.ask(sent))
    new_device = renewer(device, old)
    assert issued(new_device.ask(new_device.renewal_req()))
