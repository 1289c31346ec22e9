"""pkiMessages in both directions: attributes typed, signers found, requests understood."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.asn1 import GeneralizedTime, PrintableString

from sceplab_scep import oids
from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.attributes import FailInfo, MessageType, PkiStatus
from sceplab_scep.cms import SignedValue, wrap_der
from sceplab_scep.errors import (
    LocalProtocolError,
    MalformedMessageError,
    RemoteProtocolError,
    ScepError,
    SignatureInvalidError,
    UnsupportedAlgorithmError,
)
from sceplab_scep.messages import CertPoll, CertRep, PkcsReq, RenewalReq, Request
from sceplab_scep.pkimessage import (
    build_request,
    read_pki_message,
    read_reply_address,
    read_request,
)
from tests.support.pki import (
    CA_NAME,
    CHALLENGE,
    DEVICE_NAME,
    MODERN,
    NONCE,
    NOW,
    TRANSACTION_ID,
    der,
    device_certificate,
    device_csr,
    ec_key,
    issue,
    lab_pki,
    name,
    pkcs_req,
    renewal_req,
    reply_bytes,
    request_bytes,
    rsa_key,
    take_request,
    unseal,
)
from tests.support.vectors import (
    Craft,
    as_jscep_writes,
    attribute,
    craft_reply,
    scep_attributes,
    self_signed_oddity,
    sscep_serial,
    text,
    without,
)

PKI = lab_pki()
POLL = CertPoll(
    transaction_id=TRANSACTION_ID,
    sender_nonce=NONCE,
    issuer=name(CA_NAME),
    subject=name(DEVICE_NAME),
)


@pytest.mark.parametrize(
    "message", [pkcs_req(), renewal_req(), POLL], ids=["PKCSReq", "RenewalReq", "CertPoll"]
)
def test_requests_come_back(message: Request) -> None:
    """A request that is built is read as the same value."""
    signed = take_request(request_bytes(message))
    assert signed.message_type is message.message_type
    assert signed.signer_certificate == device_certificate()
    assert signed.certificates == (device_certificate(),)
    assert signed.digest is Digest.SHA256
    assert signed.signing_time == NOW
    assert signed.deviations == ()
    assert read_request(signed, unseal(signed.content).plaintext) == message


def test_without_signing_time() -> None:
    """No clock, no signingTime."""
    assert take_request(request_bytes(now=None)).signing_time is None


def test_signing_time_far_ahead() -> None:
    """After 2049 the time is written as generalized time; other time zones as UTC."""
    late = datetime(2051, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert take_request(request_bytes(now=late)).signing_time == late
    east = NOW.astimezone(timezone(timedelta(hours=5, minutes=30))) + timedelta(microseconds=9)
    assert take_request(request_bytes(now=east)).signing_time == NOW


def test_messages_do_not_show_their_content() -> None:
    """The text form has neither envelope nor challenge."""
    signed = take_request(request_bytes())
    assert "content=" not in repr(signed)
    assert CHALLENGE not in repr(signed)


@pytest.mark.covers("C-15")
@pytest.mark.parametrize("bad", ["", "a_b", "x" * 256, "ü", "a\nb"])
def test_transaction_ids_we_do_not_write(bad: str) -> None:
    """Only 1 to 255 characters of PrintableString leave this side."""
    with pytest.raises(LocalProtocolError, match="transactionID"):
        request_bytes(pkcs_req(transaction_id=bad))


@pytest.mark.parametrize("size", [0, 65])
def test_nonces_we_do_not_write(size: int) -> None:
    """A nonce is neither empty nor a document."""
    with pytest.raises(LocalProtocolError, match="senderNonce"):
        request_bytes(pkcs_req(sender_nonce=bytes(size)))


def test_recipient_without_rsa_key() -> None:
    """A request cannot be enveloped for an EC certificate."""
    recipient = issue("CN=EC", ec_key("ra"), CA_NAME, PKI.ca_key)
    with pytest.raises(LocalProtocolError, match="cannot receive"):
        request_bytes(recipient=recipient)


@pytest.mark.covers("T-35")
@pytest.mark.parametrize("common_name", [None, "SCEP SIGNER"])
@pytest.mark.parametrize("serial", [None, 1, sscep_serial()])
def test_odd_self_signed_certificates(serial: int | None, common_name: str | None) -> None:
    """Any serial number and any subject of the signer's certificate are taken."""
    odd = x509.load_der_x509_certificate(self_signed_oddity(serial=serial, common_name=common_name))
    signed = take_request(request_bytes(signer_certificate=odd))
    assert signed.signer_certificate == odd


@pytest.mark.covers("T-35")
@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
@pytest.mark.parametrize("serial", [0, -5])
def test_serial_numbers_that_are_not_positive(serial: int) -> None:
    """sscep's zero, and worse, name the certificate all the same."""
    odd = x509.load_der_x509_certificate(self_signed_oddity(serial=serial))
    signed = take_request(request_bytes(signer_certificate=odd))
    assert der(signed.signer_certificate) == der(odd)


@pytest.mark.covers("M-06")
def test_signer_not_carried() -> None:
    """A request without its signer's certificate is refused, unless the caller has it."""
    message = Craft(carried=[]).build()
    with pytest.raises(SignatureInvalidError, match="does not carry"):
        take_request(message)
    found = read_pki_message(message, floor=Floor.MODERN, signers=[PKI.ca, device_certificate()])
    assert found.signer_certificate == device_certificate()
    assert found.certificates == ()


@pytest.mark.covers("C-40")
def test_given_signers_are_the_only_ones() -> None:
    """A carried certificate counts for nothing once the signers are given."""
    with pytest.raises(SignatureInvalidError, match="none of the certificates expected"):
        read_pki_message(request_bytes(), floor=Floor.MODERN, signers=[PKI.ra_signing])
    with pytest.raises(SignatureInvalidError, match="none of the certificates expected"):
        read_pki_message(request_bytes(), floor=Floor.MODERN, signers=[])


@pytest.mark.covers("S-42")
def test_signer_among_carried_certificates() -> None:
    """The signer is found by name among several."""
    message = Craft(
        carried=[wrap_der(der(c)) for c in (PKI.ca, PKI.ra_signing, device_certificate())]
    ).build()
    assert take_request(message).signer_certificate == device_certificate()


def test_refusals_name_the_side() -> None:
    """A weak digest is the client's in a request and the server's in a reply."""
    for message, side in (
        (Craft(digest=Digest.SHA1).build(), "client"),
        (craft_reply("3", digest=Digest.SHA1), "server"),
    ):
        with pytest.raises(UnsupportedAlgorithmError) as caught:
            read_pki_message(message, floor=Floor.MODERN)
        assert caught.value.peer == side


@pytest.mark.covers("T-08", "M-13")
@pytest.mark.parametrize("content", [None, b"", b"\x00"])
def test_spellings_of_no_content(content: bytes | None) -> None:
    """Absent, empty and one zero byte all mean: no envelope."""
    signed = take_request(craft_reply("3", content=content))
    assert signed.content is None
    assert signed.status is PkiStatus.PENDING


def test_reply_attributes_are_typed() -> None:
    """Every attribute of a reply comes as a value of its type."""
    reply = craft_reply(
        "2",
        fail_info="2",
        attributes=[
            *scep_attributes(
                "3", sender_nonce=b"s" * 8, recipient_nonce=NONCE, status="2", fail_info="1"
            ),
            attribute(oids.FAIL_INFO_TEXT, "Zugriff verweigert ✗"),
            attribute(oids.NDES_ERROR, text("-2147024809")),
            attribute(oids.NDES_MESSAGE, "Issued"),
            attribute(oids.SIGNING_TIME, GeneralizedTime(NOW)),
        ],
    )
    signed = take_request(reply)
    assert signed.message_type is MessageType.CERT_REP
    assert signed.status is PkiStatus.FAILURE
    assert signed.fail_info is FailInfo.BAD_MESSAGE_CHECK
    assert signed.fail_info_text == "Zugriff verweigert ✗"
    assert signed.hresult == -2147024809
    assert signed.server_message == "Issued"
    assert signed.sender_nonce == b"s" * 8
    assert signed.recipient_nonce == NONCE
    assert signed.signing_time == NOW


def _reply_with(oid: x509.ObjectIdentifier, value: SignedValue, status: str = "3") -> bytes:
    attributes = scep_attributes(
        "3",
        sender_nonce=None,
        recipient_nonce=NONCE,
        status=status,
        fail_info="2" if status == "2" else None,
    )
    return craft_reply("3", attributes=[*without(attributes, oid), attribute(oid, value)])


@pytest.mark.parametrize(
    ("value", "hresult", "is_odd"),
    [
        (text("-2147024809"), -2147024809, False),
        (text("2147942487"), -2147024809, False),
        (text("0"), 0, False),
        ("-2146877420", -2146877420, False),
        (text("4294967296"), None, True),
        (text("99999999999999"), None, True),
        (text("0x80070057"), None, True),
        (text("-"), None, True),
        (b"\x00", None, True),
    ],
)
def test_hresults(value: SignedValue, hresult: int | None, is_odd: bool) -> None:
    """Signed or unsigned decimal of 32 bits; anything else is reported and left out."""
    signed = take_request(_reply_with(oids.NDES_ERROR, value))
    assert signed.hresult == hresult
    assert bool(signed.deviations) == is_odd


@pytest.mark.parametrize(
    "value", [wrap_der(b"\x17\x03abc"), wrap_der(b"\x17\x0b2603011200Z"), text("now"), b"12"]
)
def test_unreadable_times(value: SignedValue) -> None:
    """A signingTime nobody can read is reported and left out."""
    signed = take_request(_reply_with(oids.SIGNING_TIME, value))
    assert signed.signing_time is None
    assert signed.deviations[-1] == "signingTime is unreadable"


def test_unreadable_text_for_people() -> None:
    """failInfoText of no string type is reported and left out."""
    signed = take_request(_reply_with(oids.FAIL_INFO_TEXT, b"\xff"))
    assert signed.fail_info_text == ""
    assert "failInfoText is unreadable" in signed.deviations
    assert take_request(_reply_with(oids.FAIL_INFO_TEXT, PrintableString("x"))).fail_info_text == (
        "x"
    )


def test_fail_info_without_failure() -> None:
    """failInfo next to PENDING is reported and dropped."""
    signed = take_request(_reply_with(oids.FAIL_INFO, text("2")))
    assert signed.fail_info is None
    assert signed.deviations == ("failInfo although nothing failed",)


@pytest.mark.parametrize(
    ("oid", "value"),
    [
        (oids.MESSAGE_TYPE, "3"),
        (oids.MESSAGE_TYPE, b"3"),
        (oids.MESSAGE_TYPE, wrap_der(b"\x02\x01\x03")),
        (oids.MESSAGE_TYPE, wrap_der(b"\x13\x01\xff")),
        (oids.PKI_STATUS, wrap_der(b"\x16\x013")),
        (oids.TRANSACTION_ID, TRANSACTION_ID),
        (oids.TRANSACTION_ID, b"abc"),
        (oids.RECIPIENT_NONCE, text("0123456789abcdef")),
        (oids.RECIPIENT_NONCE, b""),
        (oids.SENDER_NONCE, wrap_der(b"\x30\x00")),
        (oids.SENDER_NONCE, bytes(65)),
    ],
)
def test_type_confusion(oid: x509.ObjectIdentifier, value: SignedValue) -> None:
    """An attribute of another ASN.1 type is refused and named."""
    with pytest.raises(RemoteProtocolError) as caught:
        take_request(_reply_with(oid, value))
    assert caught.value.attribute == oids.ATTRIBUTE_NAMES[oid]
    assert caught.value.section.startswith("RFC 8894 §3.2.1")


def test_message_types_of_no_request() -> None:
    """GetCert and the like verify as messages but are not served."""
    message = Craft(attributes=scep_attributes("21")).build()
    signed = take_request(message)
    assert signed.message_type is MessageType.GET_CERT
    with pytest.raises(RemoteProtocolError, match="21 is not served") as caught:
        read_request(signed, b"")
    assert caught.value.attribute == "messageType"


def test_request_without_nonce() -> None:
    """A request without senderNonce cannot be answered as the RFC wants it."""
    signed = take_request(Craft(attributes=scep_attributes(sender_nonce=None)).build())
    with pytest.raises(RemoteProtocolError, match="senderNonce"):
        read_request(signed, b"")
    with pytest.raises(RemoteProtocolError, match="senderNonce"):
        read_reply_address(Craft(attributes=scep_attributes(sender_nonce=None)).build())


@pytest.mark.parametrize("payload", [b"", b"\x30\x00", b"\x30\x06\x02\x01\x05\x02\x01\x05"])
def test_poll_about_nothing(payload: bytes) -> None:
    """A CertPoll whose payload is no pair of names is malformed."""
    signed = take_request(request_bytes(POLL))
    with pytest.raises(MalformedMessageError):
        read_request(signed, payload)


@pytest.mark.parametrize(
    "message",
    [
        Craft(digest=Digest.MD5).build(),
        Craft(signed_with=Digest.SHA512).build(),
        Craft(attributes=scep_attributes("99")).build(),
        Craft(carried=[]).build(),
        Craft(digest_oid=x509.ObjectIdentifier("1.2.3")).build(),
        as_jscep_writes(Craft(signed_with=Digest.SHA512).build()),
    ],
    ids=["weak", "forged", "undefined type", "no certificate", "unknown digest", "BER"],
)
def test_refused_messages_can_be_answered(message: bytes) -> None:
    """What cannot be accepted still says whom to answer."""
    with pytest.raises(ScepError):
        take_request(message)
    address = read_reply_address(message)
    assert (address.transaction_id, address.sender_nonce) == (TRANSACTION_ID, NONCE)


def test_reply_address_of_noise() -> None:
    """What is no message cannot be answered."""
    with pytest.raises(MalformedMessageError):
        read_reply_address(b"\x30\x00")


def test_digest_of_a_reply_address() -> None:
    """The digest is known where it is one of ours."""
    assert read_reply_address(Craft(digest=Digest.MD5).build()).digest is Digest.MD5
    odd = Craft(digest_oid=x509.ObjectIdentifier("1.2.3")).build()
    assert read_reply_address(odd).digest is None


def test_transaction_id_with_foreign_characters() -> None:
    """base64url and the like are read as they stand, reported, and echoed."""
    odd = "AbC_-d@e=="
    signed = take_request(Craft(attributes=scep_attributes(transaction_id=odd)).build())
    assert signed.transaction_id == odd
    assert signed.deviations == ("transactionID has characters that PrintableString does not have",)
    rep = CertRep(transaction_id=odd, recipient_nonce=NONCE, status=PkiStatus.PENDING)
    echoed = take_request(reply_bytes(rep))
    assert echoed.transaction_id == odd


def test_renewal_is_signed_with_the_old_certificate() -> None:
    """The signer's certificate and the request's key are two things."""
    old = PKI.issue(DEVICE_NAME, rsa_key("device"))
    message = RenewalReq(
        transaction_id=TRANSACTION_ID, sender_nonce=NONCE, csr_der=device_csr(challenge="")
    )
    data = build_request(
        message,
        signer=rsa_key("device"),
        signer_certificate=old,
        recipient=PKI.ra_encryption,
        suite=MODERN,
    )
    signed = take_request(data)
    assert signed.message_type is MessageType.RENEWAL_REQ
    assert signed.signer_certificate == old


def test_implicit_renewal() -> None:
    """A PKCSReq may be signed with an issued certificate."""
    old = PKI.issue(DEVICE_NAME, rsa_key("device"))
    signed = take_request(request_bytes(signer_certificate=old))
    assert isinstance(read_request(signed, unseal(signed.content).plaintext), PkcsReq)
    assert signed.signer_certificate == old


def test_names_of_a_poll_keep_their_string_types() -> None:
    """Names travel byte for byte."""
    poll = CertPoll(
        transaction_id=TRANSACTION_ID,
        sender_nonce=NONCE,
        issuer=PKI.ra_signing.issuer,
        subject=name("CN=Ünïcode"),
    )
    signed = take_request(request_bytes(poll))
    read = read_request(signed, unseal(signed.content).plaintext)
    assert isinstance(read, CertPoll)
    assert read.issuer.public_bytes() == PKI.ca.subject.public_bytes()
    assert read.subject == name("CN=Ünïcode")
