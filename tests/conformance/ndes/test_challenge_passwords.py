"""Challenge passwords decide who may enroll: modes, single use, life time, cache, audit trail."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from sceplab_hsm.secret import Secret
from sceplab_ndes.depot import Depot
from sceplab_ndes.errors import PasswordCacheFullError, RefusedError
from sceplab_ndes.pages import password_page
from sceplab_scep.algorithms import Digest
from sceplab_scep.attributes import FailInfo, PkiStatus
from sceplab_scep.csr import build_csr
from tests.support.meeting_store import MeetingStore
from tests.support.scep_device import LONG_NAMES, ScepDevice, fetch_password, issued, refused
from tests.support.server import NOW, make_server, shared_key, shared_keys

ALREADY_USED = 0x800B0110 - (1 << 32)
NOT_FOUND = 0x80070490 - (1 << 32)
MISSING = 0x80096004 - (1 << 32)


@pytest.mark.covers("B1", "A3", "A35")
def test_only_the_right_password_enrolls() -> None:
    """A wrong password is refused, the right one gets a certificate, nothing else is asked."""
    server = make_server()
    password = fetch_password(server)
    refused(ScepDevice(server=server).enroll("0" * 16), fail_info=FailInfo.BAD_REQUEST)
    assert issued(ScepDevice(server=server).enroll(password))


@pytest.mark.covers("B9", "A13", "B7")
def test_one_time_passwords_are_16_upper_case_hex_digits() -> None:
    """Each fetch gives another password of 16 digits."""
    server = make_server("ndes")
    first, second = fetch_password(server), fetch_password(server)
    assert first != second
    assert re.fullmatch(r"[0-9A-F]{16}", first)
    assert re.fullmatch(r"[0-9A-F]{16}", second)


def test_password_length_is_a_setting_in_bytes() -> None:
    """Four bytes show as eight digits."""
    server = make_server(settings={"challenge": {"length_bytes": 4}})
    assert len(fetch_password(server)) == 8


@pytest.mark.covers("B3", "B4")
def test_second_use_is_told_from_an_unknown_password() -> None:
    """Within its hour a used password is 0x800b0110, afterwards it is unknown: 0x80070490."""
    server = make_server("ndes")
    password = fetch_password(server)
    assert issued(ScepDevice(server=server).enroll(password))
    again = ScepDevice(server=server, name="other.example.test", key=shared_key("other"))
    assert refused(again.enroll(password)).hresult == ALREADY_USED
    later = NOW + timedelta(minutes=61)
    assert refused(again.enroll(password, later)).hresult == NOT_FOUND


@pytest.mark.covers("B5")
@pytest.mark.parametrize(("minutes", "status"), [(59, PkiStatus.SUCCESS), (61, PkiStatus.FAILURE)])
def test_a_password_lives_60_minutes(minutes: int, status: PkiStatus) -> None:
    """59 minutes after the fetch it works, after 61 it does not."""
    server = make_server()
    password = fetch_password(server)
    rep = ScepDevice(server=server).enroll(password, NOW + timedelta(minutes=minutes))
    assert rep.status is status


@pytest.mark.covers("B8")
def test_the_cache_holds_five_passwords() -> None:
    """The sixth fetch finds the cache full; a use, an expiry or a bigger cache make room."""
    server = make_server()
    passwords = [fetch_password(server) for _ in range(5)]
    with pytest.raises(PasswordCacheFullError):
        fetch_password(server)
    issued(ScepDevice(server=server).enroll(passwords[0]))
    fetch_password(server)
    with pytest.raises(PasswordCacheFullError):
        fetch_password(server)
    fetch_password(server, NOW + timedelta(minutes=60))
    roomy = make_server(settings={"challenge": {"cache_size": 20}})
    assert len({fetch_password(roomy) for _ in range(20)}) == 20


@pytest.mark.covers("B4")
def test_of_two_concurrent_requests_with_one_password_exactly_one_wins() -> None:
    """Both are found right, both certificates are signed; one is kept, the other refused."""
    meeting = MeetingStore(shared_keys(), "ca-root")
    server = make_server(key_store=meeting)
    devices = [ScepDevice(server=server, key=shared_key(f"racer{n}")) for n in range(2)]
    password = fetch_password(server)
    messages = [device.pkcs_req(password) for device in devices]
    meeting.expect(2)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ScepDevice.ask, devices, messages))
    assert meeting.met == 2
    assert sorted(rep.status for rep in answers) == [PkiStatus.SUCCESS, PkiStatus.FAILURE]
    (loser,) = (rep for rep in answers if rep.status is PkiStatus.FAILURE)
    assert "was used already" in loser.fail_info_text
    assert len(server.administration.certificates()) == 1
    assert len(server.administration.requests()) == 1


@pytest.mark.covers("B2")
def test_a_static_password_serves_many_devices() -> None:
    """Two devices enroll with the same password a year apart, and the page says it may be."""
    server = make_server(
        settings={"challenge": {"mode": "static"}}, static_password=Secret("lab password")
    )
    assert issued(ScepDevice(server=server).enroll("lab password"))
    other = ScepDevice(server=server, key=shared_key("other"), name="other.example.test")
    assert issued(other.enroll("lab password", NOW + timedelta(days=365)))
    refused(other.enroll("Lab password"))
    page = password_page(
        server.challenge.issue("admin", NOW), server.profile.challenge, ca_thumbprint="X"
    )
    assert "This password can be used multiple times and will not expire." in page
    assert "<B> lab password </B>" in page


@pytest.mark.covers("B12")
def test_without_enforcement_no_password_is_asked() -> None:
    """A request without a password is served in mode none and refused in mode one-time."""
    lax = make_server(settings={"challenge": {"mode": "none"}})
    assert issued(ScepDevice(server=lax).enroll())
    strict = make_server("ndes")
    assert refused(ScepDevice(server=strict).enroll()).hresult == MISSING


@pytest.mark.covers("S-03")
def test_a_self_signed_certificate_proves_nothing() -> None:
    """A well signed request without a challenge is refused."""
    refused(ScepDevice(server=make_server()).enroll(), fail_info=FailInfo.BAD_REQUEST)


@pytest.mark.covers("B6")
def test_the_audit_trail_links_password_user_transaction_and_serial() -> None:
    """From a certificate one finds who fetched the password it was paid with."""
    server = make_server()
    fetch_password(server, user="somebody else")
    password = fetch_password(server, user="CONTOSO\\alice")
    device = ScepDevice(server=server)
    certificate = issued(device.enroll(password, transaction_id="AUDIT-1"))
    (row,) = server.depot.audit()
    assert row["fetched_by"] == "CONTOSO\\alice"
    assert row["transaction_id"] == "AUDIT-1"
    assert int(row["serial"], 16) == certificate.serial_number
    assert row["password_id"] == 2


@pytest.mark.covers("S-22")
@pytest.mark.parametrize("approval", ["auto", "manual"])
def test_the_depot_does_not_hold_the_password(tmp_path: Path, approval: str) -> None:
    """Neither text nor an unsalted digest of a password is found in the file."""
    import hashlib

    path = tmp_path / "depot.sqlite"
    server = make_server(depot_path=path, settings={"template": {"approval": approval}})
    password = fetch_password(server)
    rep = ScepDevice(server=server).enroll(password)
    assert rep.status is not PkiStatus.FAILURE
    server.close()
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert password.encode() not in content.replace(b"\x00", b"")
    assert bytes.fromhex(password) not in content
    assert hashlib.sha256(password.encode()).digest() not in content


@pytest.mark.covers("S-23")
def test_a_second_use_is_logged_as_a_breach_signal() -> None:
    """The event names the transaction that came second, not the password."""
    server = make_server()
    password = fetch_password(server)
    issued(ScepDevice(server=server).enroll(password))
    thief = ScepDevice(server=server, key=shared_key("other"), name="thief.example.test")
    refused(thief.enroll(password, transaction_id="THIEF"))
    (event,) = server.depot.events("password.reused")
    assert event["transaction_id"] == "THIEF"
    assert password not in str(event)


@pytest.mark.covers("S-48")
def test_any_string_type_is_compared_by_its_text() -> None:
    """A UTF8String challenge is as good as a PrintableString to all but NDES."""
    csr = _with_utf8_challenge
    lax = make_server(settings={"challenge": {"mode": "static"}}, static_password=Secret("päss"))
    device = ScepDevice(server=lax)
    assert issued(device.ask(device.pkcs_req(csr=csr(device, "päss"))))
    refused(device.ask(device.pkcs_req(csr=csr(device, "pass"))))


@pytest.mark.covers("T-43")
def test_ndes_refuses_a_utf8_challenge() -> None:
    """NDES compares PrintableStrings only."""
    strict = make_server(
        "ndes", settings={"challenge": {"mode": "static"}}, static_password=Secret("päss")
    )
    device = ScepDevice(server=strict)
    rep = refused(device.ask(device.pkcs_req(csr=_with_utf8_challenge(device, "päss"))))
    assert rep.hresult == NOT_FOUND


@LONG_NAMES
def test_a_refused_submission_uses_the_password_up_by_default() -> None:
    """Consumption is at check time (NDES 7, O9), unless the setting says at issue time."""
    for consume, cause in (("on_check", "challenge-used"), ("on_issue", "")):
        server = make_server(settings={"challenge": {"consume": consume}})
        password = fetch_password(server)
        nobody = ScepDevice(server=server, name="x" * 65)
        refused(nobody.enroll(password), text="subject")
        rep = ScepDevice(server=server).enroll(password)
        assert (rep.status is PkiStatus.FAILURE) == (cause == "challenge-used")


@pytest.mark.parametrize(("profile", "remains"), [("compat", True), ("ndes", False)])
def test_a_restart_empties_the_password_cache_of_ndes_only(
    tmp_path: Path,
    profile: str,
    remains: bool,
) -> None:
    """NDES keeps passwords in memory; the setting is challenge.persist."""
    path = tmp_path / "depot.sqlite"
    first = make_server(profile, depot_path=path)
    password = fetch_password(first)
    first.close()
    second = make_server(profile, depot_path=path)
    second.challenge.forget_unused()
    rep = ScepDevice(server=second).enroll(password)
    assert (rep.status is PkiStatus.SUCCESS) == remains
    second.close()


def test_case_folding_is_a_setting() -> None:
    """By default lower case is another password."""
    for folds in (False, True):
        server = make_server(settings={"challenge": {"ignore_case": folds}})
        ticket = fetch_password(server).lower()
        if folds:
            assert server.challenge.check(ticket, "PrintableString", NOW).password_id == 1
        else:
            with pytest.raises(RefusedError, match="challenge-unknown"):
                server.challenge.check(ticket, "PrintableString", NOW)


def test_a_password_of_another_depot_is_unknown() -> None:
    """Digests are salted by the depot."""
    first, second = make_server(), make_server()
    assert first.depot.password_salt != second.depot.password_salt
    assert isinstance(first.depot, Depot)
    refused(ScepDevice(server=second).enroll(fetch_password(first)))


def _with_utf8_challenge(device: ScepDevice, text: str) -> bytes:
    return build_csr(device.subject, device.key, digest=Digest.SHA256, challenge=text)
