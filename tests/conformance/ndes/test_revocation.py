"""Revocation and what the CA publishes."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_ndes.depot import CertificateRecord
from sceplab_ndes.errors import (
    AlreadyDecidedError,
    AmbiguousSerialError,
    CertificateNotFoundError,
    ConfigError,
)
from sceplab_ndes.exchange import ScepHttpRequest, ScepHttpResponse
from sceplab_ndes.state import ServerState
from tests.support.peers import openssl
from tests.support.scep_device import ScepDevice, fetch_password, issued
from tests.support.server import NOW, make_server

CRL_PATH = "/CertEnroll/sceplab%20Lab%20CA.crl"
AIA_PATH = "/CertEnroll/NDES_sceplab%20Lab%20CA.crt"


def get(server: ServerState, path: str, now: datetime = NOW) -> ScepHttpResponse:
    """Answer to a GET."""
    return server.responder.respond(ScepHttpRequest(method="GET", path=path), now)


def crl_of(server: ServerState, now: datetime = NOW) -> x509.CertificateRevocationList:
    """The list that is served, its signature checked."""
    response = get(server, CRL_PATH, now)
    assert response.headers["Content-Type"] == "application/pkix-crl"
    crl = x509.load_der_x509_crl(response.body)
    assert crl.is_signature_valid(server.hierarchy.issuing.certificate.public_key())
    return crl


@pytest.mark.covers("A10", "M4")
def test_a_revoked_certificate_is_in_the_next_list_with_its_reason() -> None:
    """Number and time go up; other certificates are not listed."""
    server = make_server(settings={"challenge": {"mode": "none"}})
    certificate = issued(ScepDevice(server=server).enroll())
    before = crl_of(server)
    assert list(before) == []
    later = NOW + timedelta(hours=1)
    server.administration.revoke(f"{certificate.serial_number:x}", later, reason="keyCompromise")
    after = crl_of(server, later)
    entry = after.get_revoked_certificate_by_serial_number(certificate.serial_number)
    assert entry is not None
    assert entry.revocation_date_utc == later
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value
    assert reason.reason is x509.ReasonFlags.key_compromise
    assert _number(after) == _number(before) + 1


def _with_serials(*serials: str) -> ServerState:
    """A server that remembers certificates of these numbers."""
    server = make_server()
    with server.depot.transaction():
        for number, serial in enumerate(serials):
            server.depot.certificates.add(
                CertificateRecord(
                    serial=serial,
                    request_id=number,
                    certificate=b"",
                    key_digest=b"",
                    subject="",
                    issued_at=NOW,
                    not_after=NOW,
                )
            )
    return server


def test_the_first_digits_of_a_serial_number_are_enough() -> None:
    """Four at least, written as people do; with fewer nothing is revoked."""
    server = _with_serials("ab1299", "ab13", "0cde01")
    for unknown in ("ab1", "", "ab14", "ab%", "1299"):
        with pytest.raises(CertificateNotFoundError):
            server.administration.revoke(unknown, NOW)
    assert server.administration.revoke("AB:12", NOW).serial == "ab1299"
    assert server.administration.revoke("cde0", NOW).serial == "0cde01"
    assert {record.serial for record in server.depot.certificates.revoked()} == {"ab1299", "0cde01"}


def test_digits_that_several_begin_with_revoke_nothing() -> None:
    """The error names the candidates; a number that is whole is never in doubt."""
    server = _with_serials("ab1299", "ab12aa", "ab129977")
    with pytest.raises(AmbiguousSerialError, match="ab1299, ab129977, ab12aa; give more digits"):
        server.administration.revoke("ab12", NOW)
    assert not server.depot.certificates.revoked()
    assert server.administration.revoke("ab1299", NOW).serial == "ab1299"


def test_an_unspecified_reason_is_left_out() -> None:
    """RFC 5280 5.3.1."""
    server = make_server(settings={"challenge": {"mode": "none"}})
    certificate = issued(ScepDevice(server=server).enroll())
    server.administration.revoke(f"{certificate.serial_number:X}", NOW)
    (entry,) = crl_of(server)
    assert len(entry.extensions) == 0


def test_a_list_is_made_again_before_it_ends_and_not_earlier() -> None:
    """Seven days and an overlap of twelve hours."""
    server = make_server()
    first = crl_of(server)
    assert crl_of(server, NOW + timedelta(days=6)) == first
    second = crl_of(server, NOW + timedelta(days=7, minutes=1))
    assert _number(second) == _number(first) + 1
    assert second.next_update_utc == NOW + timedelta(days=14, hours=12, minutes=1)


def test_a_revocation_by_another_process_is_noticed(tmp_path: Path) -> None:
    """Two servers on one depot stand for the server and a command beside it."""
    path = tmp_path / "depot.sqlite"
    one = make_server(settings={"challenge": {"mode": "none"}}, depot_path=path)
    certificate = issued(ScepDevice(server=one).enroll())
    crl_of(one)
    two = make_server(depot_path=path)
    two.administration.revoke(f"{certificate.serial_number:x}", NOW)
    two.close()
    assert len(list(crl_of(one))) == 1
    one.close()


def test_certificates_name_list_and_ca_certificate_under_the_public_url() -> None:
    """CDP and AIA lead to what is served there."""
    server = make_server(settings={"challenge": {"mode": "none"}})
    server.publish_at("http://ndes.example.test:8080/")
    certificate = issued(ScepDevice(server=server).enroll())
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert points[0].full_name is not None
    assert points[0].full_name[0].value == f"http://ndes.example.test:8080{CRL_PATH}"
    assert access[0].access_location.value == f"http://ndes.example.test:8080{AIA_PATH}"
    served = get(server, AIA_PATH)
    assert served.headers["Content-Type"] == "application/pkix-cert"
    ca = x509.load_der_x509_certificate(served.body)
    assert ca == server.hierarchy.issuing.certificate


def test_paths_of_published_files_ignore_case_and_others_are_404() -> None:
    """As IIS does."""
    server = make_server("ndes")
    assert get(server, CRL_PATH.lower()).status == 200
    assert get(server, "/CertEnroll/other.crl").status == 404
    assert get(server, "/CertEnroll/../depot.sqlite").status == 404


def test_revoking_is_done_once_and_only_to_what_was_issued() -> None:
    """A second time, a foreign serial number and a reason nobody knows are errors."""
    server = make_server(settings={"challenge": {"mode": "none"}})
    certificate = issued(ScepDevice(server=server).enroll())
    serial = f"{certificate.serial_number:x}"
    with pytest.raises(ConfigError, match="did you mean 'keyCompromise'"):
        server.administration.revoke(serial, NOW, reason="keycompromised")
    spaced = ":".join(serial[at : at + 2].upper() for at in range(0, len(serial), 2))
    assert server.administration.revoke(spaced, NOW).serial == serial
    with pytest.raises(AlreadyDecidedError):
        server.administration.revoke(serial, NOW)
    with pytest.raises(CertificateNotFoundError):
        server.administration.revoke("12ab", NOW)


def test_openssl_agrees_with_certificate_and_list(tmp_path: Path) -> None:
    """`openssl verify -crl_check` accepts the certificate, and rejects it once revoked."""
    server = make_server()
    certificate = issued(ScepDevice(server=server).enroll(fetch_password(server)))
    (tmp_path / "leaf.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    ca = server.hierarchy.root.certificate.public_bytes(Encoding.PEM)
    (tmp_path / "ca.pem").write_bytes(ca)
    words = ["verify", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "crl.pem", "leaf.pem"]
    words[1:1] = ["-x509_strict", "-attime", str(int(NOW.timestamp()) + 60)]
    (tmp_path / "crl.pem").write_bytes(crl_of(server).public_bytes(Encoding.PEM))
    good = openssl(*words, cwd=tmp_path)
    assert good.status == 0, good.output
    server.administration.revoke(f"{certificate.serial_number:x}", NOW)
    (tmp_path / "crl.pem").write_bytes(crl_of(server).public_bytes(Encoding.PEM))
    bad = openssl(*words, cwd=tmp_path)
    assert "certificate revoked" in bad.output


def _number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
