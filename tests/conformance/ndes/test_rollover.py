"""The change of the CA: announced, fetched, addressed, switched at the moment, kept afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_ndes.errors import AlreadyDecidedError, ConfigError
from sceplab_ndes.events import ServerEvent
from sceplab_ndes.exchange import ScepHttpRequest, ScepHttpResponse
from sceplab_ndes.hierarchy import CaPlan
from sceplab_ndes.state import ServerState
from sceplab_scep.attributes import PkiStatus
from sceplab_scep.capabilities import parse_capabilities
from sceplab_scep.degenerate import read_certs_only
from sceplab_scep.next_ca import NextCa, read_next_ca
from sceplab_scep.operations import NEXT_CA_TYPE
from tests.support.peers import openssl
from tests.support.scep_device import SCEP_PATH, ScepDevice, fetch_password, issued
from tests.support.server import NOW, make_server

SWITCH = NOW + timedelta(days=30)
AFTER = SWITCH + timedelta(minutes=1)


def get(server: ServerState, query: str, now: datetime, path: str = SCEP_PATH) -> ScepHttpResponse:
    """Answer to a GET at a moment."""
    request = ScepHttpRequest(method="GET", path=path, raw_query=query)
    return server.responder.respond(request, now)


def offers_next_ca(server: ServerState, now: datetime) -> bool:
    """Whether the capabilities say so."""
    return parse_capabilities(get(server, "operation=GetCACaps", now).body).supports_next_ca


def next_ca(server: ServerState, now: datetime) -> NextCa:
    """The answer to GetNextCACert, as a client verifies it that trusts the CA of the start."""
    response = get(server, "operation=GetNextCACert", now)
    assert (response.status, response.headers["Content-Type"]) == (200, NEXT_CA_TYPE)
    chain = server.hierarchy.chain
    return read_next_ca(response.body, trusted_signers=chain, current_chain=chain, now=now)


def with_next(profile: str = "compat", **options: Any) -> ServerState:
    """A server whose next CA is prepared."""
    server = make_server(profile, **options)
    server.rollover(SWITCH, NOW, user="tester")
    return server


def facing(server: ServerState, number: int) -> ServerState:
    """The server as a device sees it that trusts the CA of that number."""
    return replace(server, hierarchy=server.generations.numbered(number).hierarchy)


@pytest.mark.covers("S-20", "S-43")
@pytest.mark.parametrize("profile", ["compat", "rfc8894"])
def test_the_next_ca_is_announced_while_there_is_one(profile: str) -> None:
    """Neither listed nor served before it is prepared and after the switch; signed in between."""
    server = make_server(profile)
    assert not offers_next_ca(server, NOW)
    assert get(server, "operation=GetNextCACert", NOW).status == 404
    server.rollover(SWITCH, NOW)
    assert offers_next_ca(server, NOW)
    found = next_ca(server, NOW)
    old = server.hierarchy.issuing.certificate
    assert found.signer == old
    assert found.anchor.subject == old.subject
    assert found.anchor.public_key() != old.public_key()
    assert found.anchor.not_valid_after_utc > old.not_valid_after_utc
    assert len(found.certificates) == (1 if profile == "rfc8894" else 3)
    assert not offers_next_ca(server, SWITCH)
    assert get(server, "operation=GetNextCACert", SWITCH).status == 404


@pytest.mark.covers("S-43")
def test_ndes_offers_none() -> None:
    """The real service does not know the operation; its CA is changed all the same."""
    server = with_next("ndes")
    assert not offers_next_ca(server, NOW)
    assert get(server, "operation=GetNextCACert", NOW).status == 400
    first = read_certs_only(get(server, "operation=GetCACert", AFTER).body)[0]
    new = server.generations.current(AFTER).hierarchy
    assert first == new.ra_signing.certificate


@pytest.mark.covers("S-20")
def test_openssl_verifies_the_answer_and_finds_the_next_ca_in_it(tmp_path: Path) -> None:
    """`openssl cms -verify` under the current CA gives the bundle; under another it fails."""
    server = with_next()
    (tmp_path / "next.der").write_bytes(get(server, "operation=GetNextCACert", NOW).body)
    for number in (0, 1):
        root = server.generations.numbered(number).hierarchy.root.certificate
        (tmp_path / f"ca{number}.pem").write_bytes(root.public_bytes(Encoding.PEM))
    words = ["cms", "-verify", "-inform", "DER", "-in", "next.der", "-purpose", "any"]
    words += ["-attime", str(int(NOW.timestamp())), "-out", "inner.der", "-CAfile"]
    assert openssl(*words, "ca1.pem", cwd=tmp_path).status != 0
    good = openssl(*words, "ca0.pem", cwd=tmp_path)
    assert good.status == 0, good.output
    inner = read_certs_only((tmp_path / "inner.der").read_bytes())
    assert server.generations.numbered(1).hierarchy.root.certificate in inner


def test_a_chain_of_two_is_replaced_whole() -> None:
    """Root and issuing CA are new; the highest is the next anchor."""
    server = make_server(plan=CaPlan(two_tier=True))
    server.rollover(SWITCH, NOW)
    found = next_ca(server, NOW)
    assert found.anchor == server.generations.numbered(1).hierarchy.root.certificate
    assert len(found.select().chain_der) == 2


@pytest.mark.covers("S-21")
def test_the_recipient_of_the_envelope_chooses_the_ca() -> None:
    """Before the switch a device can renew at the next CA; others go on."""
    server = with_next()
    next_server = facing(server, 1)
    old = issued(ScepDevice(server=server).enroll(fetch_password(server)))
    old.verify_directly_issued_by(server.hierarchy.issuing.certificate)
    renewing = ScepDevice(server=server).with_certificate(old, server=next_server)
    shadow = issued(renewing.ask(renewing.renewal_req()))
    shadow.verify_directly_issued_by(next_server.hierarchy.issuing.certificate)
    assert shadow.not_valid_before_utc <= NOW


@pytest.mark.covers("S-21")
@pytest.mark.parametrize("validity", [{"validity_days": 90}, {"validity_minutes": 4}])
def test_a_next_ca_that_is_not_valid_yet_issues_for_the_time_after(
    validity: dict[str, int],
) -> None:
    """Its certificates begin with it and live as long as the template says."""
    server = make_server("compat", settings={"template": validity})
    server.rollover(SWITCH, NOW, is_valid_before=False)
    authority = next_ca(server, NOW).anchor
    assert authority.not_valid_before_utc == SWITCH
    old = issued(ScepDevice(server=server).enroll(fetch_password(server)))
    renewing = ScepDevice(server=server).with_certificate(old, server=facing(server, 1))
    shadow = issued(renewing.ask(renewing.renewal_req()))
    shadow.verify_directly_issued_by(authority)
    assert shadow.not_valid_before_utc == SWITCH
    life = timedelta(
        days=validity.get("validity_days", 0), minutes=validity.get("validity_minutes", 0)
    )
    end = SWITCH + life
    assert end - timedelta(minutes=10) <= shadow.not_valid_after_utc <= end


@pytest.mark.covers("S-21")
def test_a_server_can_be_told_to_issue_from_the_switch_on_only() -> None:
    """Before it, a request enveloped for the next CA is refused; after it, it is served."""
    server = with_next(settings={"capabilities": {"next_ca_issues": False}})
    old = issued(ScepDevice(server=server).enroll(fetch_password(server)))
    renewing = ScepDevice(server=server).with_certificate(old, server=facing(server, 1))
    sent = renewing.renewal_req()
    at_present = ScepDevice(server=server).with_certificate(old)
    assert at_present.read(renewing.post(sent.data), sent).status is PkiStatus.FAILURE
    assert renewing.ask(renewing.renewal_req(), AFTER).status is PkiStatus.SUCCESS


@pytest.mark.covers("S-21")
def test_the_same_transaction_at_another_ca_is_another_request() -> None:
    """A transactionID made from the key may come back with the next CA as recipient."""
    server = with_next()
    device = ScepDevice(server=server)
    csr = device.csr(fetch_password(server))
    first = issued(device.ask(device.pkcs_req(csr=csr, transaction_id="SAME")))
    again = ScepDevice(server=facing(server, 1)).with_certificate(first)
    second = issued(again.ask(again.pkcs_req(csr=csr, transaction_id="SAME")))
    second.verify_directly_issued_by(server.generations.numbered(1).hierarchy.issuing.certificate)


@pytest.mark.covers("S-21")
def test_an_approval_comes_from_the_ca_that_was_asked() -> None:
    """Also when the other one is the current one by then."""
    server = make_server(settings={"template": {"approval": "manual"}})
    server.rollover(NOW + timedelta(days=1), NOW)
    later = NOW + timedelta(days=2)
    for number, transaction_id in ((1, "NEXT"), (0, "OLD")):
        view = facing(server, number)
        device = ScepDevice(server=view)
        rep = device.enroll(fetch_password(server), transaction_id=transaction_id)
        assert rep.status is PkiStatus.PENDING
        (waiting,) = server.administration.pending()
        server.administration.approve(waiting.request_id, later)
        got = issued(device.ask(device.cert_poll(transaction_id), later))
        got.verify_directly_issued_by(view.hierarchy.issuing.certificate)


@pytest.mark.covers("S-44")
def test_after_the_switch_both_are_in_getcacert_until_the_old_one_ends() -> None:
    """The new one first; who still addresses the old one is served by it while it lives."""
    server = with_next("rfc8894")
    old, new = (server.generations.numbered(n).hierarchy.root.certificate for n in (0, 1))

    def shown(now: datetime) -> list[x509.Certificate]:
        return read_certs_only(get(server, "operation=GetCACert", now).body)

    assert shown(SWITCH - timedelta(seconds=1)) == [old]
    assert shown(SWITCH) == [new, old]
    late = old.not_valid_after_utc + timedelta(seconds=1)
    assert shown(late) == [new]
    certificate = issued(ScepDevice(server=server).enroll(fetch_password(server, AFTER), AFTER))
    certificate.verify_directly_issued_by(old)
    facing_new = ScepDevice(server=facing(server, 1), name="r2", now=AFTER)
    issued(facing_new.enroll(fetch_password(server, AFTER), AFTER)).verify_directly_issued_by(new)


@pytest.mark.covers("A10")
def test_each_ca_lists_its_own_revocations() -> None:
    """Two lists under two names, each signed by its CA; certificates name theirs."""
    server = with_next()
    server.publish_at("http://ndes.example.test")
    certificates = [
        issued(ScepDevice(server=facing(server, n), name=f"r{n}").enroll(fetch_password(server)))
        for n in (0, 1)
    ]
    for certificate in certificates:
        server.administration.revoke(f"{certificate.serial_number:x}", NOW)
    numbers = set()
    for n, certificate in enumerate(certificates):
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        (place,) = points[0].full_name or []
        answer = get(server, "", AFTER - timedelta(days=29), urlsplit(place.value).path)
        crl = x509.load_der_x509_crl(answer.body)
        assert [entry.serial_number for entry in crl] == [certificate.serial_number]
        issuer = server.generations.numbered(n).hierarchy.issuing.certificate
        assert crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
        numbers.add(crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
    assert len(numbers) == 2


def test_a_rollover_survives_restarts_and_is_noticed_by_a_running_server(tmp_path: Path) -> None:
    """Prepared by another process, kept in the depot, switched by the clock alone."""
    path = tmp_path / "depot.sqlite"
    events: list[ServerEvent] = []
    written: dict[str, bytes] = {}
    running = make_server(depot_path=path, events=events.append, write_file=written.__setitem__)
    beside = make_server(depot_path=path)
    beside.rollover(SWITCH, NOW)
    beside.close()
    anchor = next_ca(running, NOW).anchor
    assert [event.kind for event in events] == ["next_ca.sent"]
    get(running, "operation=GetCACert", SWITCH)
    get(running, "operation=GetCACert", SWITCH)
    assert [event.kind for event in events[1:]].count("rollover.switched") == 1
    assert x509.load_pem_x509_certificate(written["ca.pem"]) == anchor
    running.close()
    again = make_server(depot_path=path, now=AFTER)
    assert again.hierarchy.root.certificate == anchor
    again.rollover(AFTER + timedelta(days=1), AFTER)
    assert [record.generation for record in again.depot.rollovers.all()] == [1, 2]
    again.close()


def test_what_cannot_be_prepared() -> None:
    """Twice at once, in the past, or after the current CA's end."""
    server = with_next()
    with pytest.raises(AlreadyDecidedError, match="prepared already"):
        server.rollover(SWITCH, NOW)
    other = make_server()
    end = other.hierarchy.root.certificate.not_valid_after_utc
    for moment, text in ((NOW, "past"), (end + timedelta(days=1), "ends")):
        with pytest.raises(ConfigError, match=text):
            other.rollover(moment, NOW)
    assert not offers_next_ca(other, NOW)
    (told,) = server.depot.events("rollover.prepared")
    assert told["user"] == "tester"
