"""The shape of CertReps, profile by profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.attributes import FailInfo, PkiStatus
from sceplab_scep.envelope import open_envelope
from sceplab_scep.pkimessage import SignedMessage, read_pki_message
from sceplab_scep.signeddata import ReceivedSignedData, carried_certificates, parse_signed_data
from tests.support.peers import openssl
from tests.support.scep_device import ScepDevice, Sent, fetch_password, refused
from tests.support.server import make_server

MANUAL = {"template": {"approval": "manual"}}
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"


def answers(
    profile: str, status: PkiStatus, **settings: object
) -> tuple[ScepDevice, Sent, ReceivedSignedData, SignedMessage, bytes]:
    """A device, its message, and the answer of that status in three readings."""
    if status is PkiStatus.PENDING:
        settings = {**MANUAL, **settings}
    server = make_server(profile, settings=settings)
    device = ScepDevice(server=server)
    password = "0" * 16 if status is PkiStatus.FAILURE else fetch_password(server)
    sent = device.pkcs_req(password)
    body = device.post(sent.data).body
    signers = [server.hierarchy.ra_signing.certificate]
    message = read_pki_message(body, floor=Floor.LAB, signers=signers)
    assert message.status is status
    return device, sent, parse_signed_data(body), message, body


@pytest.mark.covers("T-08", "S-12", "S-13", "T-09")
@pytest.mark.parametrize("status", [PkiStatus.FAILURE, PkiStatus.PENDING])
@pytest.mark.parametrize(
    ("profile", "content"), [("rfc8894", None), ("compat", b""), ("ndes", b"\x00")]
)
def test_the_three_spellings_of_no_content(
    profile: str, content: bytes | None, status: PkiStatus
) -> None:
    """Strict RFC omits it, compat writes an empty string, ndes one zero byte."""
    _, _, received, message, _ = answers(profile, status)
    assert received.content == content
    assert (message.fail_info is not None) == (status is PkiStatus.FAILURE)


@pytest.mark.covers("T-09")
def test_ndes_failures_carry_a_signed_decimal_hresult() -> None:
    """And no failInfoText, which only RFC 8894 knows; compat has the text and no HRESULT."""
    _, _, _, ndes, _ = answers("ndes", PkiStatus.FAILURE)
    assert ndes.hresult == 0x80070490 - (1 << 32)
    assert ndes.fail_info_text == ""
    _, _, _, compat, _ = answers("compat", PkiStatus.FAILURE)
    assert compat.hresult is None
    assert "challenge password not known" in compat.fail_info_text


def test_ndes_success_says_issued() -> None:
    """Attribute 1.3.6.1.4.1.311.21.38."""
    _, _, _, ndes, _ = answers("ndes", PkiStatus.SUCCESS)
    assert ndes.server_message == "Issued"


@pytest.mark.covers("M-06")
@pytest.mark.parametrize(("profile", "count"), [("compat", 1), ("rfc8894", 1), ("ndes", 0)])
def test_replies_carry_their_signer_except_from_ndes(profile: str, count: int) -> None:
    """NDES expects clients to keep the GetCACert result."""
    device, _, received, _, _ = answers(profile, PkiStatus.SUCCESS)
    carried = carried_certificates(received.signed_data)
    assert carried == [device.server.hierarchy.ra_signing.certificate][:count]


@pytest.mark.covers("T-03", "F-06")
@pytest.mark.parametrize("profile", ["compat", "rfc8894", "ndes"])
def test_the_signature_algorithm_is_spelt_rsa_encryption(profile: str) -> None:
    """shaNWithRSA is a setting."""
    _, _, received, _, _ = answers(profile, PkiStatus.SUCCESS)
    algorithm = received.signer_info.signature_algorithm.algorithm
    assert algorithm.dotted_string == RSA_ENCRYPTION
    _, _, other, _, _ = answers(profile, PkiStatus.SUCCESS, reply={"signature_oid": "shaNWithRSA"})
    assert other.signer_info.signature_algorithm.algorithm.dotted_string != RSA_ENCRYPTION


@pytest.mark.covers("A15")
def test_ndes_signs_sha1_and_encrypts_3des() -> None:
    """Whatever the request used."""
    device, _, _, message, _ = answers("ndes", PkiStatus.SUCCESS)
    assert message.digest is Digest.SHA1
    assert message.content is not None
    key, certificate = device.identity()
    opened = open_envelope(message.content, recipients=[(certificate, key)], floor=Floor.NDES)
    assert opened.cipher.value == "des-ede3-cbc"


@pytest.mark.covers("F-05")
def test_oaep_key_transport_is_a_setting() -> None:
    """As one capture of NDES shows it."""
    device, sent, _, _, body = answers(
        "ndes", PkiStatus.SUCCESS, reply={"key_transport": "oaep", "cipher": "aes-128-cbc"}
    )
    message = read_pki_message(
        body, floor=Floor.LAB, signers=[device.server.hierarchy.ra_signing.certificate]
    )
    assert message.content is not None
    key, certificate = device.identity()
    opened = open_envelope(message.content, recipients=[(certificate, key)], floor=Floor.NDES)
    assert opened.key_transport.value == "rsa-oaep-sha1"
    assert device.ask(sent).status is PkiStatus.SUCCESS


@pytest.mark.covers("S-14")
@pytest.mark.parametrize("include_chain", [False, True])
def test_the_issued_certificate_comes_first_and_the_chain_when_asked(include_chain: bool) -> None:
    """By default alone, because some clients take whatever is first."""
    server = make_server(settings={"reply": {"include_chain": include_chain}})
    device = ScepDevice(server=server)
    rep = device.enroll(fetch_password(server))
    assert rep.certificates[0].public_key() == device.key.public_key
    assert len(rep.certificates) == 1 + include_chain


@pytest.mark.parametrize(
    ("cause", "fail_info", "ndes_fail_info", "hresult"),
    [
        ("challenge-missing", FailInfo.BAD_REQUEST, FailInfo.BAD_MESSAGE_CHECK, 0x80096004),
        ("challenge-unknown", FailInfo.BAD_REQUEST, FailInfo.BAD_REQUEST, 0x80070490),
        ("challenge-used", FailInfo.BAD_REQUEST, FailInfo.BAD_REQUEST, 0x800B0110),
        ("key-too-short", FailInfo.BAD_REQUEST, FailInfo.BAD_REQUEST, 0x80094811),
        ("subject-refused", FailInfo.BAD_REQUEST, FailInfo.BAD_REQUEST, 0x80094001),
        ("request-unsupported", FailInfo.BAD_REQUEST, FailInfo.BAD_REQUEST, 0x80070057),
    ],
)
def test_the_table_of_refusals(
    cause: str, fail_info: FailInfo, ndes_fail_info: FailInfo, hresult: int
) -> None:
    """The rows of NDES 5.4 that a capture or a client's source names."""
    from sceplab_ndes.refusals import refusals, signed_hresult

    row = refusals()[cause]
    assert (row.fail_info, row.ndes_fail_info) == (fail_info, ndes_fail_info)
    assert row.hresult == signed_hresult(hresult)


def test_a_missing_challenge_is_a_bad_message_check_to_ndes_only() -> None:
    """The same cause, two numbers."""
    for profile, number in (
        ("ndes", FailInfo.BAD_MESSAGE_CHECK),
        ("compat", FailInfo.BAD_REQUEST),
    ):
        refused(ScepDevice(server=make_server(profile)).enroll(), fail_info=number)


@pytest.mark.covers("T-20", "T-21")
@pytest.mark.parametrize("profile", ["compat", "rfc8894", "ndes"])
@pytest.mark.parametrize("status", list(PkiStatus))
def test_openssl_verifies_every_reply(tmp_path: Path, profile: str, status: PkiStatus) -> None:
    """Structure, attributes, digest and signature hold for an implementation that is not ours."""
    from cryptography.hazmat.primitives.serialization import Encoding

    device, _, received, _, body = answers(profile, status)
    (tmp_path / "reply.der").write_bytes(body)
    hierarchy = device.server.hierarchy
    (tmp_path / "ca.pem").write_bytes(hierarchy.root.certificate.public_bytes(Encoding.PEM))
    signer = hierarchy.ra_signing.certificate.public_bytes(Encoding.PEM)
    (tmp_path / "signer.pem").write_bytes(signer)
    words = ["cms", "-verify", "-inform", "DER", "-in", "reply.der", "-binary", "-out", "content"]
    words += ["-CAfile", "ca.pem", "-certfile", "signer.pem", "-purpose", "any"]
    words += ["-attime", "1793610000"]
    if received.content is None:
        (tmp_path / "empty").write_bytes(b"")
        words += ["-content", "empty"]
    done = openssl(*words, cwd=tmp_path)
    assert done.status == 0, done.output
    assert (tmp_path / "content").read_bytes() == (received.content or b"")
