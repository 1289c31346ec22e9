"""GetCACaps, GetCACert, paths, and the forms in which a message may arrive."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_ndes.exchange import ScepHttpRequest, ScepHttpResponse
from sceplab_ndes.hierarchy import CERTIFICATE_REQUEST_AGENT, TEMPLATE_NAME, CaPlan
from sceplab_ndes.state import ServerState
from sceplab_scep.algorithms import Floor
from sceplab_scep.capabilities import parse_capabilities
from sceplab_scep.degenerate import read_certs_only
from tests.support.scep_device import (
    SCEP_PATH,
    ScepDevice,
    fetch_password,
    issued,
    list_names,
)
from tests.support.server import NOW, make_server

GENERAL = "This URL is used by network devices to submit certificate requests."


def get(server: ServerState, path: str = SCEP_PATH, query: str = "") -> ScepHttpResponse:
    """Answer to a GET."""
    request = ScepHttpRequest(method="GET", path=path, raw_query=query)
    return server.responder.respond(request, NOW)


# --- GetCACaps ------------------------------------------------------------------------------------


@pytest.mark.covers("S-06", "S-07", "S-09", "T-33")
def test_capabilities_of_ndes() -> None:
    """The six lines in the order seen, LF at each end, as text/plain."""
    response = get(make_server("ndes"), query="operation=GetCACaps&message=default")
    assert response.body == b"POSTPKIOperation\nRenewal\nSHA-512\nSHA-256\nSHA-1\nDES3\n"
    assert response.headers["Content-Type"] == "text/plain"
    assert response.headers["Server"] == "Microsoft-IIS/10.0"


@pytest.mark.covers("T-02", "S-18", "S-43")
def test_capabilities_of_compat() -> None:
    """All of the RFC's mandatory set and SHA-384; weak ones only where the floor takes them."""
    modern = parse_capabilities(get(make_server(), query="operation=GetCACaps").body)
    assert modern.keywords >= {
        "AES",
        "POSTPKIOperation",
        "Renewal",
        "SCEPStandard",
        "SHA-256",
        "SHA-384",
        "SHA-512",
    }
    assert not modern.keywords & {"DES3", "SHA-1", "GetNextCACert"}
    lax = make_server(floor=Floor.NDES)
    assert parse_capabilities(get(lax, query="operation=GetCACaps").body).keywords >= {
        "DES3",
        "SHA-1",
    }


@pytest.mark.covers("S-08")
def test_no_capability_is_an_empty_body() -> None:
    """A profile without keywords answers 200 and nothing."""
    server = make_server(settings={"capabilities": {"keywords": []}})
    response = get(server, query="operation=GetCACaps")
    assert (response.status, response.body) == (200, b"")


def test_line_ends_are_a_setting() -> None:
    """CRLF, and no final line end."""
    server = make_server(
        "rfc8894", settings={"capabilities": {"line_ending": "crlf", "final_newline": False}}
    )
    body = get(server, query="operation=GetCACaps").body
    assert body == b"AES\r\nPOSTPKIOperation\r\nRenewal\r\nSCEPStandard\r\nSHA-256"


@pytest.mark.covers("T-14")
@pytest.mark.parametrize("message", ["", "&message=", "&message=0", "&message=SCEP%20Authority"])
@pytest.mark.parametrize("operation", ["GetCACaps", "GetCACert"])
def test_a_ca_identifier_is_ignored(operation: str, message: str) -> None:
    """Whatever clients send as message, the answer is the same."""
    server = make_server()
    response = get(server, query=f"operation={operation}{message}")
    assert response == get(server, query=f"operation={operation}")
    assert response.status == 200


# --- GetCACert ------------------------------------------------------------------------------------


@pytest.mark.covers("A8", "S-02", "T-30")
def test_the_bundle_holds_ra_signing_ra_encryption_and_ca() -> None:
    """Three certificates in that order; the CA is self-signed, the others are issued by it."""
    server = make_server("ndes")
    response = get(server, query="operation=GetCACert")
    assert response.headers["Content-Type"] == "application/x-x509-ca-ra-cert"
    signing, encryption, ca = read_certs_only(response.body)
    for certificate in (signing, encryption, ca):
        certificate.verify_directly_issued_by(ca)
    assert _usage(signing).digital_signature
    assert not _usage(signing).key_encipherment
    assert _usage(encryption).key_encipherment
    assert not _usage(encryption).digital_signature
    for certificate, template in (
        (signing, "EnrollmentAgentOffline"),
        (encryption, "CEPEncryption"),
    ):
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usages) == [CERTIFICATE_REQUEST_AGENT]
        named = certificate.extensions.get_extension_for_oid(TEMPLATE_NAME).value
        assert isinstance(named, x509.UnrecognizedExtension)
        assert named.value[2:].decode("utf-16-be") == template
        assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 730


@pytest.mark.covers("S-02", "T-29")
def test_a_ca_on_its_own_is_sent_bare() -> None:
    """rfc8894 without RA and issuing CA: one DER certificate, no bundle."""
    server = make_server("rfc8894")
    response = get(server, query="operation=GetCACert")
    assert response.headers["Content-Type"] == "application/x-x509-ca-cert"
    assert x509.load_der_x509_certificate(response.body) == server.hierarchy.root.certificate


@pytest.mark.covers("A39", "S-02")
def test_two_tiers_come_with_root_and_issuing_ca() -> None:
    """The whole chain is in, and a device enrolls under it."""
    server = make_server(plan=CaPlan(two_tier=True))
    certificates = read_certs_only(get(server, query="operation=GetCACert").body)
    assert list_names(certificates) == [
        "NDES-MSCEP-RA",
        "NDES-MSCEP-RA",
        "sceplab Lab CA",
        "sceplab Lab CA Root",
    ]
    issuing, root = certificates[2:]
    issuing.verify_directly_issued_by(root)
    leaf = issued(ScepDevice(server=server).enroll(fetch_password(server)))
    leaf.verify_directly_issued_by(issuing)


@pytest.mark.covers("A8")
@pytest.mark.parametrize(
    "order", ["sign,enc,chain", "enc,sign,chain", "ra,root,ra,issuing", "random", "der-sorted"]
)
def test_every_order_has_the_same_certificates(order: str) -> None:
    """Order means nothing; what is in does not change."""
    plan = CaPlan(two_tier=True)
    server = make_server(settings={"ca_reply": {"order": order}}, plan=plan)
    certificates = read_certs_only(get(server, query="operation=GetCACert").body)
    assert set(certificates) == {
        server.hierarchy.root.certificate,
        server.hierarchy.issuing.certificate,
        server.hierarchy.ra_signing.certificate,
        server.hierarchy.ra_encryption.certificate,
    }
    if order == "random":
        bodies = {get(server, query="operation=GetCACert").body for _ in range(20)}
        assert len(bodies) > 1
    if order == "der-sorted":
        encodings = [certificate.public_bytes(Encoding.DER) for certificate in certificates]
        assert encodings == sorted(encodings)


def test_the_root_may_be_left_out() -> None:
    """A setting, for clients that have it already."""
    plan = CaPlan(two_tier=True)
    server = make_server(settings={"ca_reply": {"include_root": False}}, plan=plan)
    certificates = read_certs_only(get(server, query="operation=GetCACert").body)
    assert server.hierarchy.root.certificate not in certificates
    assert len(certificates) == 3


@pytest.mark.covers("S-01", "T-38")
@pytest.mark.parametrize(("profile", "decrypts"), [("compat", False), ("rfc8894", True)])
def test_key_usage_of_the_ca_says_what_its_key_does(profile: str, decrypts: bool) -> None:
    """digitalSignature always; keyEncipherment when it opens envelopes itself."""
    usage = _usage(make_server(profile).hierarchy.root.certificate)
    assert usage.digital_signature
    assert usage.key_cert_sign
    assert usage.crl_sign
    assert usage.key_encipherment == decrypts


# --- paths ----------------------------------------------------------------------------------------


@pytest.mark.covers("A16", "T-18")
@pytest.mark.parametrize(
    "path",
    [
        "/certsrv/mscep",
        "/certsrv/mscep/",
        "/certsrv/mscep/mscep.dll",
        "/CertSrv/mscep/mscep.dll",
        "/CERTSRV/MSCEP/MSCEP.DLL/PKICLIENT.EXE",
        "/certsrv/mscep/mscep.dll/pkiclient.exe",
        "/certsrv%2Fmscep",
    ],
)
@pytest.mark.parametrize("profile", ["compat", "ndes"])
def test_all_spellings_of_the_path_answer_alike(profile: str, path: str) -> None:
    """With and without an operation."""
    server = make_server(profile)
    for query in ("", "operation=GetCACert", "operation=GetCACaps"):
        assert get(server, path, query) == get(server, SCEP_PATH, query)
    assert get(server, path).status == 200


@pytest.mark.covers("S-10")
def test_the_path_matters_to_ndes_only() -> None:
    """Elsewhere an operation is served whatever the path is."""
    query = "operation=GetCACaps"
    for path in ("/scep", "/cgi-bin/pkiclient.exe", "/scep/pkiclient.exe", "/any/thing"):
        assert get(make_server(), path, query).status == 200
        assert get(make_server("ndes"), path, query).status == 404


@pytest.mark.covers("A34", "A24")
@pytest.mark.parametrize("path", ["/", "/certsrv", "/certserv/mscep_admin/", "/certsrv/mscep/x"])
def test_other_paths_are_404(path: str) -> None:
    """Also the misspelling of the admin URL that is handed around."""
    for profile in ("compat", "ndes"):
        assert get(make_server(profile), path).status == 404


@pytest.mark.covers("A19", "A45")
def test_the_device_url_shows_the_general_page() -> None:
    """The sentence that health checks look for, in UTF-16LE, with the client's host name."""
    server = make_server("ndes")
    request = ScepHttpRequest(
        method="GET", path="/certsrv/mscep/", headers={"host": "ndes.example.test"}
    )
    response = server.responder.respond(request, NOW)
    text = response.body.decode("utf-16-le")
    assert response.status == 200
    assert GENERAL in text
    assert "http://ndes.example.test/CertSrv/mscep_admin" in text
    assert "<Title>Network Device Enrollment Service</Title>" in text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods_are_refused(method: str) -> None:
    """405 with the list of those that work."""
    response = make_server().responder.respond(ScepHttpRequest(method=method, path=SCEP_PATH), NOW)
    assert response.status == 405
    assert response.headers["Allow"] == "GET, POST"


@pytest.mark.parametrize(
    "query", ["operation=Nonsense", "operation=GetNextCACert", "operation=a&operation=b"]
)
def test_unknown_operations_are_400(query: str) -> None:
    """NDES knows no GetNextCACert; twice the same parameter has no answer either."""
    assert get(make_server("ndes"), query=query).status == 400


def test_a_profile_may_want_a_message_for_every_operation() -> None:
    """As old servers did; off by default."""
    server = make_server(settings={"http": {"require_message": True}})
    assert get(server, query="operation=GetCACaps").status == 400
    assert get(server, query="operation=GetCACaps&message=x").status == 200


# --- PKIOperation ---------------------------------------------------------------------------------


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _lines(data: bytes) -> str:
    text = _b64(data)
    return "%0A".join(quote(text[at : at + 64], safe="") for at in range(0, len(text), 64)) + "%0A"


@pytest.mark.covers("T-16", "T-17")
@pytest.mark.parametrize(
    "spell",
    [
        lambda data: quote(_b64(data), safe=""),
        lambda data: quote(_b64(data), safe="+/"),
        _b64,
        _lines,
        lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
        lambda data: quote(quote(_b64(data), safe=""), safe=""),
        lambda data: _b64(data).replace("+", "%20"),
    ],
    ids=["escaped", "bare-plus", "bare", "lines", "base64url", "twice", "spaces"],
)
@pytest.mark.parametrize("first", ["operation", "message"])
def test_get_messages_are_read_in_every_spelling(spell, first: str) -> None:
    """GET is served although POST is advertised; the order of parameters is free."""
    server = make_server(settings={"challenge": {"mode": "none"}})
    device = ScepDevice(server=server)
    sent = device.pkcs_req()
    parts = ["operation=PKIOperation", f"message={spell(sent.data)}"]
    if first == "message":
        parts.reverse()
    response = get(server, query="&".join(parts))
    assert issued(device.read(response, sent))


@pytest.mark.covers("T-15")
@pytest.mark.parametrize("query", ["operation=PKIOperation", "OPERATION=pkioperation", ""])
@pytest.mark.parametrize(
    "armour",
    [
        lambda data: data,
        base64.b64encode,
        base64.encodebytes,
        lambda data: (
            b"-----BEGIN PKCS7-----\n" + base64.encodebytes(data) + b"-----END PKCS7-----\n"
        ),
    ],
    ids=["der", "base64", "lines", "pem"],
)
def test_post_bodies_are_read_in_every_armour(armour, query: str) -> None:
    """With or without an operation, whatever the content type."""
    server = make_server(settings={"challenge": {"mode": "none"}})
    device = ScepDevice(server=server)
    sent = device.pkcs_req()
    request = ScepHttpRequest(
        method="POST", path=SCEP_PATH, raw_query=query, body=armour(sent.data)
    )
    assert issued(device.read(server.responder.respond(request, NOW), sent))


@pytest.mark.covers("S-40")
@pytest.mark.parametrize("body", [b"", b"garbage", b"\x30", b"\x30\x80" * 5000, b"\x00" * 10_000])
@pytest.mark.parametrize(("profile", "status"), [("compat", 400), ("ndes", 200)])
def test_what_is_no_cms_message_gets_an_http_answer(profile: str, status: int, body: bytes) -> None:
    """400 with a word; ndes shows its general page with 200 (NDES 5.1 T5)."""
    server = make_server(profile)
    request = ScepHttpRequest(
        method="POST", path=SCEP_PATH, raw_query="operation=PKIOperation", body=body
    )
    response = server.responder.respond(request, NOW)
    assert response.status == status
    assert response.headers["Content-Type"] != "application/x-pki-message"
    if profile == "ndes":
        assert GENERAL in response.body.decode("utf-16-le")


def test_a_get_without_a_message_is_no_message() -> None:
    """400, not an exception."""
    assert get(make_server(), query="operation=PKIOperation").status == 400
    assert get(make_server(), query="operation=PKIOperation&message=%00%01").status == 400


def test_truncated_messages_never_raise() -> None:
    """Every hundredth prefix of a good message gets an answer, and nothing is issued."""
    server = make_server(settings={"challenge": {"mode": "none"}})
    device = ScepDevice(server=server)
    data = device.pkcs_req().data
    for length in range(0, len(data), 101):
        assert device.post(data[:length]).status in {200, 400}
    assert server.administration.certificates() == []


def _usage(certificate: x509.Certificate) -> x509.KeyUsage:
    return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
