"""PKCSReq from the message to the certificate, repeated messages, and who gets the answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sceplab_hsm.api import KeyAlgorithm
from sceplab_ndes.events import ServerEvent
from sceplab_scep.algorithms import AlgorithmSuite, Cipher, Digest, Floor, KeyTransport
from sceplab_scep.attributes import FailInfo, MessageType, PkiStatus
from sceplab_scep.certificates import self_signed_certificate, signing_key
from sceplab_scep.envelope import list_recipients, open_envelope
from sceplab_scep.pkimessage import read_pki_message
from tests.support.meeting_store import MeetingStore
from tests.support.scep_device import LONG_NAMES, ScepDevice, fetch_password, issued, refused
from tests.support.server import NOW, make_server, shared_key, shared_keys

KEY_LENGTH = 0x80094811 - (1 << 32)


@pytest.mark.covers("A1", "A4", "A15", "A29", "S-18")
@pytest.mark.parametrize("profile", ["compat", "rfc8894", "ndes"])
def test_a_device_gets_its_certificate(profile: str) -> None:
    """SUCCESS is decrypted with the key that signed, and holds a certificate for that key."""
    server = make_server(profile)
    device = ScepDevice(server=server)
    certificate = issued(device.enroll(fetch_password(server), dns_names=["router1.example.test"]))
    assert certificate.public_key() == device.key.public_key
    assert certificate.subject == device.subject
    certificate.verify_directly_issued_by(server.hierarchy.issuing.certificate)
    assert certificate.not_valid_before_utc <= NOW <= certificate.not_valid_after_utc


@pytest.mark.covers("A14", "A7")
def test_the_ca_has_a_row_for_each_accepted_request() -> None:
    """Row and certificate agree; the certificate is X.509 version 3 with the template's usages."""
    server = make_server("ndes")
    certificate = issued(ScepDevice(server=server).enroll(fetch_password(server)))
    (row,) = server.administration.requests()
    assert row.serial == f"{certificate.serial_number:x}"
    assert row.template == "IPSECIntermediateOffline"
    assert certificate.version is x509.Version.v3
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.CLIENT_AUTH in usages


@pytest.mark.covers("S-11", "T-05")
def test_every_answer_echoes_nonce_and_transaction_id() -> None:
    """Also nonces of 8 bytes and transactionIDs with the characters of base64."""
    server = make_server(settings={"challenge": {"mode": "none"}})
    device = ScepDevice(server=server)
    sent = device.pkcs_req(transaction_id="aB+/9=:.-")
    reply = read_pki_message(
        device.post(sent.data).body,
        floor=Floor.MODERN,
        signers=[server.hierarchy.ra_signing.certificate],
    )
    assert reply.recipient_nonce == sent.nonce
    assert reply.transaction_id == "aB+/9=:.-"
    assert reply.sender_nonce
    assert len(reply.sender_nonce) == 16
    assert reply.sender_nonce != sent.nonce


@pytest.mark.covers("S-42")
def test_the_answer_goes_to_the_signer_even_when_the_request_has_another_key() -> None:
    """Envelope and SignerInfo name the self-signed certificate, not the certified key."""
    server = make_server(settings={"challenge": {"mode": "none"}})
    device = ScepDevice(server=server)
    other = ScepDevice(server=server, key=shared_key("other"))
    sent = device.pkcs_req(csr=other.csr())
    certificate = issued(device.ask(sent))
    assert certificate.public_key() == other.key.public_key


@pytest.mark.covers("S-41")
@pytest.mark.parametrize(
    ("floor", "suite"),
    [
        (Floor.MODERN, AlgorithmSuite()),
        (Floor.MODERN, AlgorithmSuite(digest=Digest.SHA512, cipher=Cipher.AES256_CBC)),
        (Floor.NDES, AlgorithmSuite(digest=Digest.SHA1, cipher=Cipher.DES_EDE3_CBC)),
        (Floor.LAB, AlgorithmSuite(digest=Digest.SHA1, cipher=Cipher.DES_CBC)),
    ],
)
def test_compat_answers_with_the_algorithms_of_the_request(
    floor: Floor, suite: AlgorithmSuite
) -> None:
    """Digest and cipher of the reply are those of the request, never a library's default."""
    server = make_server(settings={"challenge": {"mode": "none"}}, floor=floor)
    device = ScepDevice(server=server, suite=suite)
    reply = read_pki_message(
        device.post(device.pkcs_req().data).body,
        floor=Floor.LAB,
        signers=[server.hierarchy.ra_signing.certificate],
    )
    assert reply.digest is suite.digest
    assert reply.content is not None
    key, certificate = device.identity()
    opened = open_envelope(reply.content, recipients=[(certificate, key)], floor=Floor.LAB)
    assert opened.cipher is suite.cipher
    assert opened.key_transport is KeyTransport.PKCS1V15


@pytest.mark.covers("S-19", "T-34")
@pytest.mark.parametrize(
    ("suite", "floor", "named"),
    [
        (AlgorithmSuite(cipher=Cipher.DES_CBC), Floor.MODERN, "'lab' would allow it"),
        (AlgorithmSuite(cipher=Cipher.DES_EDE3_CBC), Floor.MODERN, "'ndes' would allow it"),
        (AlgorithmSuite(digest=Digest.SHA1), Floor.MODERN, "'ndes' would allow it"),
        (AlgorithmSuite(digest=Digest.MD5), Floor.NDES, "'lab' would allow it"),
    ],
)
def test_algorithms_below_the_floor_are_refused_by_name(
    suite: AlgorithmSuite, floor: Floor, named: str
) -> None:
    """The refusal is a CertRep badAlg in algorithms the floor allows; nothing is issued."""
    server = make_server(settings={"challenge": {"mode": "none"}}, floor=floor)
    device = ScepDevice(server=server, suite=suite)
    sent = device.pkcs_req(csr=ScepDevice(server=server).csr())
    device.floor = floor
    rep = refused(device.ask(sent), fail_info=FailInfo.BAD_ALG, text=named)
    assert (suite.cipher.value in rep.fail_info_text) or (suite.digest.value in rep.fail_info_text)
    assert server.administration.certificates() == []


@pytest.mark.covers("S-40")
def test_an_invalid_signature_is_answered_by_a_cert_rep() -> None:
    """badMessageCheck, with the transactionID and nonce of the message."""
    server = make_server()
    device = ScepDevice(server=server)
    sent = device.pkcs_req(fetch_password(server))
    damaged = bytearray(sent.data)
    damaged[-1] ^= 1
    rep = device.read(device.post(bytes(damaged)), sent)
    refused(rep, fail_info=FailInfo.BAD_MESSAGE_CHECK)


@pytest.mark.covers("S-40", "T-07", "T-36")
@pytest.mark.parametrize("number", [3, 18, 21, 22, 99])
def test_other_message_types_are_refused_by_a_cert_rep(number: int) -> None:
    """GetCert, GetCRL, UpdateReq, CertRep and undefined types: badRequest, not an HTTP error."""
    server = make_server()
    device = ScepDevice(server=server)
    sent = device.pkcs_req(fetch_password(server))
    other = sent.data.replace(b"\x13\x0219", b"\x13\x02" + f"{number:02}".encode())
    response = device.post(other)
    assert response.status == 200
    reply = read_pki_message(
        response.body, floor=Floor.MODERN, signers=[server.hierarchy.ra_signing.certificate]
    )
    assert reply.status is PkiStatus.FAILURE
    assert reply.transaction_id == sent.transaction_id


@pytest.mark.covers("S-49")
def test_a_request_that_does_not_prove_its_key_is_refused() -> None:
    """The signature inside the request is damaged; the password stays good."""
    server = make_server()
    device = ScepDevice(server=server)
    password = fetch_password(server)
    csr = bytearray(device.csr(password))
    csr[-1] ^= 1
    rep = refused(device.ask(device.pkcs_req(csr=bytes(csr))))
    assert rep.fail_info is FailInfo.BAD_MESSAGE_CHECK
    assert issued(device.enroll(password))


@pytest.mark.covers("C9")
def test_a_1024_bit_key_is_refused_in_a_200_cert_rep() -> None:
    """0x80094811, as the template's minimum is 2048."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    server = make_server("ndes")
    device = ScepDevice(server=server)
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    builder = x509.CertificateSigningRequestBuilder().subject_name(device.subject)
    builder = builder.add_attribute(
        x509.ObjectIdentifier("1.2.840.113549.1.9.7"),
        fetch_password(server).encode(),
        _tag=x509.name._ASN1Type.PrintableString,
    )
    csr = builder.sign(short, hashes.SHA256())
    from cryptography.hazmat.primitives.serialization import Encoding

    rep = refused(device.ask(device.pkcs_req(csr=csr.public_bytes(Encoding.DER))))
    assert rep.hresult == KEY_LENGTH
    (row,) = server.administration.requests()
    assert row.cause == "key-too-short"


@pytest.mark.covers("S-47")
def test_nothing_is_issued_to_a_signer_that_cannot_receive_it() -> None:
    """An EC signer: badAlg, the password stays good, no row, no certificate."""
    server = make_server()
    key = shared_key("ec", KeyAlgorithm.EC_P256)
    device = ScepDevice(server=server, key=key)
    assert isinstance(key.public_key, ec.EllipticCurvePublicKey)
    password = fetch_password(server)
    sent = device.pkcs_req(password)
    reply = read_pki_message(
        device.post(sent.data).body,
        floor=Floor.MODERN,
        signers=[server.hierarchy.ra_signing.certificate],
    )
    assert reply.fail_info is FailInfo.BAD_ALG
    assert server.administration.requests() == []
    assert issued(ScepDevice(server=server).enroll(password))


def test_an_ec_key_is_certified_for_an_rsa_signer() -> None:
    """The request's key may be EC when the signer can receive; it gets no keyEncipherment."""
    server = make_server(settings={"challenge": {"mode": "none"}})
    device = ScepDevice(server=server)
    ec_device = ScepDevice(server=server, key=shared_key("ec", KeyAlgorithm.EC_P256))
    certificate = issued(device.ask(device.pkcs_req(csr=ec_device.csr())))
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_encipherment


@pytest.mark.covers("T-13", "T-47")
def test_an_envelope_for_another_key_is_explained() -> None:
    """compat says in a CertRep which recipient was used and what to do."""
    server = make_server()
    device = ScepDevice(server=server)
    wrong = server.hierarchy.ra_signing.certificate
    sent = device.pkcs_req(fetch_password(server), recipient=wrong)
    rep = refused(device.ask(sent), fail_info=FailInfo.BAD_REQUEST, text="GetCACert")
    assert f"{wrong.serial_number:x}" in rep.fail_info_text


@pytest.mark.covers("T-13")
def test_ndes_answers_an_envelope_for_another_key_without_a_cert_rep() -> None:
    """NDES 5.1 T4: no CertRep and no SCEP content type."""
    server = make_server("ndes")
    device = ScepDevice(server=server)
    wrong = server.hierarchy.ra_signing.certificate
    response = device.post(device.pkcs_req(fetch_password(server), recipient=wrong).data)
    assert response.status == 500
    assert response.headers["Content-Type"] == "text/html"


@pytest.mark.covers("T-12")
def test_a_damaged_envelope_is_refused_without_saying_where() -> None:
    """A changed content key and changed content give the same answer, badMessageCheck."""
    server = make_server(settings={"challenge": {"mode": "none"}})
    device = ScepDevice(server=server)
    texts = set()
    for position in (-8, -200):
        sent = _resigned(device, position)
        rep = refused(device.ask(sent), fail_info=FailInfo.BAD_MESSAGE_CHECK)
        texts.add(rep.fail_info_text)
    assert len(texts) == 1


@pytest.mark.covers("S-45", "T-06")
def test_the_identical_message_again_gets_the_same_certificate() -> None:
    """A retransmission after a lost SUCCESS: one row, one certificate, no second password."""
    server = make_server()
    device = ScepDevice(server=server)
    sent = device.pkcs_req(fetch_password(server))
    first, second = issued(device.ask(sent)), issued(device.ask(sent))
    assert first == second
    assert len(server.administration.requests()) == 1


@pytest.mark.covers("S-45")
def test_the_same_request_in_a_new_message_is_a_poll() -> None:
    """Same transactionID, same CSR, other nonce: the answer echoes the new nonce."""
    server = make_server()
    device = ScepDevice(server=server)
    csr = device.csr(fetch_password(server))
    one = issued(device.ask(device.pkcs_req(csr=csr, transaction_id="AGAIN")))
    two = issued(device.ask(device.pkcs_req(csr=csr, transaction_id="AGAIN")))
    assert one == two


@pytest.mark.covers("S-45")
def test_another_request_under_the_same_transaction_id_is_refused() -> None:
    """Unless the setting lets it replace the first."""
    for other_csr, status in (("refuse", PkiStatus.FAILURE), ("replace", PkiStatus.SUCCESS)):
        server = make_server(settings={"transactions": {"other_csr": other_csr}})
        device = ScepDevice(server=server)
        issued(device.enroll(fetch_password(server), transaction_id="SAME"))
        rep = device.enroll(fetch_password(server), transaction_id="SAME")
        assert rep.status is status


def test_a_transaction_id_is_free_again_when_its_answer_is_forgotten() -> None:
    """Clients that derive the transactionID from the key can enroll again after a while."""
    server = make_server("ndes")
    device = ScepDevice(server=server)
    issued(device.enroll(fetch_password(server), transaction_id="KEYHASH"))
    late = NOW + timedelta(minutes=21)
    password = fetch_password(server, late)
    assert issued(device.enroll(password, late, transaction_id="KEYHASH"))


@LONG_NAMES
def test_a_refused_request_may_be_corrected_under_its_transaction_id() -> None:
    """A wrong password and a refused subject do not burn the transactionID."""
    server = make_server()
    device = ScepDevice(server=server)
    refused(device.enroll("0" * 16, transaction_id="RETRY"))
    broken = ScepDevice(server=server, name="x" * 65)
    refused(broken.enroll(fetch_password(server), transaction_id="RETRY"))
    assert issued(device.enroll(fetch_password(server), transaction_id="RETRY"))


@LONG_NAMES
def test_a_retransmitted_refusal_is_repeated() -> None:
    """The same bytes get the same cause, although the password is used up by now."""
    server = make_server()
    device = ScepDevice(server=server, name="x" * 65)
    sent = device.pkcs_req(fetch_password(server))
    first, second = device.ask(sent), device.ask(sent)
    assert first.fail_info_text == second.fail_info_text
    assert "64" in first.fail_info_text


@pytest.mark.covers("S-46", "T-40")
def test_a_lost_success_is_redelivered_in_a_new_transaction() -> None:
    """Same key, subject and password: the certificate that was issued comes again."""
    server = make_server()
    device = ScepDevice(server=server)
    password = fetch_password(server)
    lost = issued(device.enroll(password))
    assert issued(device.enroll(password)) == lost
    assert len(server.administration.certificates()) == 1
    stranger = ScepDevice(server=server, key=shared_key("other"))
    refused(stranger.enroll(password))


@pytest.mark.covers("T-37")
def test_a_profile_may_refuse_a_second_enrollment_of_a_key() -> None:
    """RFC 8894 5.2 case 3: until the first certificate is revoked."""
    server = make_server(settings={"transactions": {"known_key": "refuse"}})
    device = ScepDevice(server=server)
    first = issued(device.enroll(fetch_password(server)))
    refused(device.enroll(fetch_password(server)), text="revoke it first")
    server.administration.revoke(f"{first.serial_number:x}", NOW)
    password = fetch_password(server)
    assert issued(device.enroll(password))


@pytest.mark.covers("S-45", "S-46")
def test_concurrent_retransmissions_make_one_certificate() -> None:
    """Four copies of one message, all signed for before any is kept: four equal answers."""
    meeting = MeetingStore(shared_keys(), "ca-root")
    server = make_server(key_store=meeting, settings={"challenge": {"mode": "none"}})
    device = ScepDevice(server=server)
    sent = device.pkcs_req()
    meeting.expect(4)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(device.ask, [sent] * 4))
    assert meeting.met == 4
    assert len({issued(rep).serial_number for rep in answers}) == 1
    assert len(server.administration.certificates()) == 1


@pytest.mark.covers("T-35")
def test_odd_self_signed_certificates_are_accepted() -> None:
    """A subject that is not the request's, and a serial number of one byte."""
    server = make_server(settings={"challenge": {"mode": "none"}})
    key = shared_key("device")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SCEP SIGNER")])
    certificate = self_signed_certificate(name, key, now=NOW, digest=Digest.SHA256, serial=1)
    device = ScepDevice(server=server, signer=(key, certificate))
    assert issued(device.enroll()).subject == device.subject


def test_a_signer_of_a_foreign_ca_still_needs_the_challenge() -> None:
    """A certificate we did not issue is as good as a self-signed one."""
    server, foreign = make_server(), make_server(settings={"challenge": {"mode": "none"}})
    key = shared_key("device")
    certificate = issued(ScepDevice(server=foreign).enroll())
    device = ScepDevice(server=server, signer=(key, certificate))
    refused(device.enroll(), text="challenge")
    assert issued(device.enroll(fetch_password(server)))


def test_events_tell_message_type_outcome_and_no_secret() -> None:
    """One event an operation, with the messages for the trace, and no password in its record."""
    events: list[ServerEvent] = []
    server = make_server(events=events.append)
    device = ScepDevice(server=server)
    password = fetch_password(server)
    sent = device.pkcs_req(password)
    certificate = issued(device.ask(sent))
    refused(device.enroll("0" * 16))
    good, bad = events
    assert good.kind == "request.issued"
    assert good.message_type is MessageType.PKCS_REQ
    assert good.message == sent.data
    assert good.serial == f"{certificate.serial_number:x}"
    assert bad.kind == "request.refused"
    assert bad.cause == "challenge-unknown"
    assert password not in str([event.record() for event in events])
    assert password not in repr(events)


def test_request_with_recipients_in_front_of_ours() -> None:
    """The envelope of a request names exactly the RA encryption certificate."""
    server = make_server()
    device = ScepDevice(server=server)
    message = read_pki_message(device.pkcs_req("x").data, floor=Floor.MODERN)
    assert message.content is not None
    ((_, serial),) = list_recipients(message.content)
    assert serial == server.hierarchy.ra_encryption.certificate.serial_number


def test_a_csr_for_a_ca_is_refused_or_cut_down() -> None:
    """CA:TRUE in a request never comes back; compat says so, ndes ignores it."""
    wish = x509.Extension(
        x509.BasicConstraints.oid, True, x509.BasicConstraints(ca=True, path_length=None)
    )
    compat = make_server()
    device = ScepDevice(server=compat)
    refused(device.enroll(fetch_password(compat), extensions=[wish]), text="CA:TRUE")
    ndes = make_server("ndes")
    device = ScepDevice(server=ndes)
    certificate = issued(device.enroll(fetch_password(ndes), extensions=[wish]))
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.BasicConstraints)


def test_bad_time_when_the_setting_asks_for_it() -> None:
    """A signingTime ten minutes off is badTime at a limit of five."""
    from sceplab_scep.messages import PkcsReq
    from sceplab_scep.pkimessage import build_request
    from tests.support.scep_device import Sent, next_nonce

    server = make_server(
        settings={"challenge": {"mode": "none"}, "transactions": {"max_skew_minutes": 5}}
    )
    device = ScepDevice(server=server)
    key, certificate = device.identity()
    for minutes, status in ((10, PkiStatus.FAILURE), (4, PkiStatus.SUCCESS)):
        message = PkcsReq(
            transaction_id=f"TIME{minutes}", sender_nonce=next_nonce(), csr_der=device.csr()
        )
        data = build_request(
            message,
            signer=key,
            signer_certificate=certificate,
            recipient=server.hierarchy.ra_encryption.certificate,
            suite=device.suite,
            now=NOW + timedelta(minutes=minutes),
        )
        rep = device.ask(Sent(data, message.transaction_id, message.sender_nonce))
        assert rep.status is status
        assert rep.fail_info in {None, FailInfo.BAD_TIME}


@LONG_NAMES
def test_subject_rules() -> None:
    """No name at all and a name that is too long are refused with 0x80094001."""
    server = make_server("ndes")
    nobody = ScepDevice(server=server, name="x" * 65)
    rep = refused(nobody.enroll(fetch_password(server)))
    assert rep.hresult == 0x80094001 - (1 << 32)


def test_signing_key_of_the_ca_stays_in_its_store() -> None:
    """The object the CA signs with gives the private key to nobody."""
    server = make_server()
    key = signing_key(server.hierarchy.issuing.key)
    with pytest.raises(TypeError, match="key store"):
        key.private_numbers()


def _resigned(device: ScepDevice, position: int):
    """A request whose envelope has one changed byte, signed over that."""
    from sceplab_scep.envelope import seal_envelope
    from sceplab_scep.messages import PkcsReq
    from sceplab_scep.signedattributes import request_attributes
    from sceplab_scep.signeddata import build_signed_data
    from tests.support.scep_device import Sent, next_nonce

    message = PkcsReq(
        transaction_id=f"DAMAGED{-position}", sender_nonce=next_nonce(), csr_der=device.csr()
    )
    key, certificate = device.identity()
    envelope = bytearray(
        seal_envelope(
            message.csr_der, device.server.hierarchy.ra_encryption.certificate, device.suite
        )
    )
    envelope[position] ^= 1
    data = build_signed_data(
        bytes(envelope),
        request_attributes(message, None),
        signer=key,
        signer_certificate=certificate,
        digest=device.suite.digest,
        certificates=[certificate],
    )
    return Sent(data, message.transaction_id, message.sender_nonce)
