"""Requests that wait for an administrator: PENDING, polls, approval, denial, oblivion."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from sceplab_ndes.errors import AlreadyDecidedError, RequestNotFoundError
from sceplab_ndes.state import ServerState
from sceplab_scep.attributes import FailInfo, PkiStatus
from tests.support.scep_device import ScepDevice, fetch_password, issued, refused
from tests.support.server import NOW, make_server, shared_key

MANUAL = {"template": {"approval": "manual"}}


def waiting(profile: str = "compat", **settings: object) -> tuple[ServerState, ScepDevice]:
    """A server and a device whose request ``WAIT`` waits there."""
    server = make_server(profile, settings={**MANUAL, **settings})
    device = ScepDevice(server=server)
    rep = device.enroll(fetch_password(server), transaction_id="WAIT")
    assert rep.status is PkiStatus.PENDING
    return server, device


@pytest.mark.covers("C19", "M6", "S-05")
@pytest.mark.parametrize("profile", ["compat", "rfc8894", "ndes"])
def test_a_request_waits_until_it_is_approved(profile: str) -> None:
    """PENDING, PENDING again, approval, SUCCESS at the next poll."""
    server, device = waiting(profile)
    (row,) = server.administration.pending()
    assert device.ask(device.cert_poll("WAIT")).status is PkiStatus.PENDING
    record = server.administration.approve(row.request_id, NOW)
    certificate = issued(device.ask(device.cert_poll("WAIT")))
    assert f"{certificate.serial_number:x}" == record.serial
    assert server.administration.pending() == []


@pytest.mark.covers("M6")
def test_a_denied_request_is_refused_at_the_next_poll() -> None:
    """badRequest; a new request under the same transactionID may follow."""
    server, device = waiting()
    server.administration.deny(1, NOW)
    rep = refused(device.ask(device.cert_poll("WAIT")), text="denied")
    assert rep.fail_info is FailInfo.BAD_REQUEST
    again = device.enroll(fetch_password(server), transaction_id="WAIT")
    assert again.status is PkiStatus.PENDING


@pytest.mark.covers("T-06", "S-45")
def test_sending_the_request_again_is_a_poll() -> None:
    """The byte-identical PKCSReq: PENDING while it waits, then SUCCESS; one row."""
    server = make_server(settings=MANUAL)
    device = ScepDevice(server=server)
    sent = device.pkcs_req(fetch_password(server))
    assert device.ask(sent).status is PkiStatus.PENDING
    assert device.ask(sent).status is PkiStatus.PENDING
    server.administration.approve(1, NOW)
    assert issued(device.ask(sent))
    assert len(server.administration.requests()) == 1


@pytest.mark.covers("S-16")
def test_a_poll_for_nothing_is_refused() -> None:
    """badCertId, not PENDING."""
    server = make_server()
    device = ScepDevice(server=server)
    refused(device.ask(device.cert_poll("NOTHING")), fail_info=FailInfo.BAD_CERT_ID)


@pytest.mark.covers("S-17", "T-31")
def test_the_names_in_a_poll_do_not_matter() -> None:
    """A poll with another issuer and subject finds its transaction all the same."""
    from sceplab_scep.messages import CertPoll
    from tests.support.scep_device import next_nonce

    server, device = waiting()
    wrong = server.hierarchy.ra_signing.certificate.subject
    message = CertPoll(
        transaction_id="WAIT", sender_nonce=next_nonce(), issuer=wrong, subject=wrong
    )
    assert device.ask(device.send(message)).status is PkiStatus.PENDING


def test_only_the_signer_of_the_request_may_poll() -> None:
    """Another key that knows the transactionID learns nothing."""
    server, device = waiting()
    server.administration.approve(1, NOW)
    spy = ScepDevice(server=server, key=shared_key("other"))
    refused(spy.ask(spy.cert_poll("WAIT")), fail_info=FailInfo.BAD_CERT_ID)
    assert issued(device.ask(device.cert_poll("WAIT")))


def test_every_poll_is_answered_with_its_own_nonce() -> None:
    """The reader of the test device insists on it; three polls in a row pass."""
    _, device = waiting()
    polls = [device.cert_poll("WAIT") for _ in range(3)]
    assert len({poll.nonce for poll in polls}) == 3
    for poll in polls:
        assert device.ask(poll).status is PkiStatus.PENDING


def test_the_password_is_used_up_by_the_request_that_waits() -> None:
    """A second device cannot enroll with it while the first waits."""
    server = make_server(settings=MANUAL)
    password = fetch_password(server)
    assert ScepDevice(server=server).enroll(password).status is PkiStatus.PENDING
    other = ScepDevice(server=server, key=shared_key("other"))
    refused(other.enroll(password), text="used")


def test_a_request_that_cannot_be_issued_does_not_wait() -> None:
    """The template is asked before the administrator is."""
    from cryptography import x509

    server = make_server(settings=MANUAL)
    wish = x509.Extension(
        x509.BasicConstraints.oid, True, x509.BasicConstraints(ca=True, path_length=None)
    )
    rep = ScepDevice(server=server).enroll(fetch_password(server), extensions=[wish])
    assert rep.status is PkiStatus.FAILURE


def test_a_pending_request_is_forgotten_after_its_days() -> None:
    """ndes keeps it 7 days (Refresh)."""
    _, device = waiting("ndes")
    still = device.ask(device.cert_poll("WAIT"), NOW + timedelta(days=6))
    assert still.status is PkiStatus.PENDING
    gone = device.ask(device.cert_poll("WAIT"), NOW + timedelta(days=8))
    assert gone.fail_info is FailInfo.BAD_CERT_ID


def test_an_uncollected_certificate_is_forgotten_after_its_minutes() -> None:
    """ndes keeps a finished answer 20 minutes (CacheRequest)."""
    server, device = waiting("ndes")
    server.administration.approve(1, NOW)
    assert issued(device.ask(device.cert_poll("WAIT"), NOW + timedelta(minutes=19)))
    gone = device.ask(device.cert_poll("WAIT"), NOW + timedelta(minutes=21))
    assert gone.fail_info is FailInfo.BAD_CERT_ID


def test_a_request_is_decided_once() -> None:
    """Approving twice, denying what was approved, and numbers nobody has are errors."""
    server, _ = waiting()
    server.administration.approve(1, NOW)
    with pytest.raises(AlreadyDecidedError):
        server.administration.approve(1, NOW)
    with pytest.raises(AlreadyDecidedError):
        server.administration.deny(1, NOW)
    with pytest.raises(RequestNotFoundError, match="no request 7"):
        server.administration.approve(7, NOW)
    assert len(server.administration.certificates()) == 1


def test_pending_survives_a_restart(tmp_path: Path) -> None:
    """Request before, approval and poll after the server was stopped and started."""
    path = tmp_path / "depot.sqlite"
    first = make_server(settings=MANUAL, depot_path=path)
    device = ScepDevice(server=first)
    sent = device.pkcs_req(fetch_password(first), transaction_id="WAIT")
    assert device.ask(sent).status is PkiStatus.PENDING
    first.close()
    second = make_server(settings=MANUAL, depot_path=path)
    device.server = second
    second.administration.approve(1, NOW)
    assert issued(device.ask(device.cert_poll("WAIT")))
    second.close()


def test_thirty_polls_over_three_days_cost_no_time() -> None:
    """Nothing in the server waits."""
    server, device = waiting()
    for number in range(30):
        now = NOW + timedelta(hours=2.4 * number)
        assert device.ask(device.cert_poll("WAIT"), now).status is PkiStatus.PENDING
    server.administration.approve(1, NOW + timedelta(days=3))
    assert issued(device.ask(device.cert_poll("WAIT"), NOW + timedelta(days=3)))
