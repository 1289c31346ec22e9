"""RFC 8894 §3.2: SignedData around an envelope, with signed attributes."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_der_x509_certificate

from sceplab_scep import oids
from sceplab_scep.errors import RemoteProtocolError, ScepError
from sceplab_scep.messages import CertPoll
from sceplab_scep.reply import ReplyStyle
from tests.support.outside_view import (
    CONTENT_TYPE,
    FAIL_INFO,
    FAIL_INFO_TEXT,
    MESSAGE_DIGEST,
    MESSAGE_TYPE,
    PKI_STATUS,
    RECIPIENT_NONCE,
    SENDER_NONCE,
    SIGNING_TIME,
    TRANSACTION_ID,
    look_at,
)
from tests.support.pki import (
    CA_NAME,
    DEVICE_NAME,
    NONCE,
    failure,
    name,
    pending,
    pkcs_req,
    renewal_req,
    reply_bytes,
    request_bytes,
    rsa_key,
    success,
    take_request,
)
from tests.support.pki import TRANSACTION_ID as ID
from tests.support.vectors import Craft, scep_attributes

POLL = CertPoll(
    transaction_id=ID, sender_nonce=NONCE, issuer=name(CA_NAME), subject=name(DEVICE_NAME)
)
CMS = {CONTENT_TYPE, MESSAGE_DIGEST}
REQUEST = CMS | {TRANSACTION_ID, MESSAGE_TYPE, SENDER_NONCE}
REPLY = REQUEST | {RECIPIENT_NONCE, PKI_STATUS}


@pytest.mark.covers("M-01", "M-03")
@pytest.mark.parametrize("message", [request_bytes(), reply_bytes(), reply_bytes(pending())])
def test_signed_data(message: bytes) -> None:
    """Content type data, attributes contentType and messageDigest, one verifiable signature."""
    view = look_at(message)
    assert view.signed_data["encap_content_info"]["content_type"].native == "data"
    assert view.attributes[CONTENT_TYPE].native == "data"
    digest = hashlib.sha256(view.content or b"").digest()
    assert view.attributes[MESSAGE_DIGEST].native == digest
    signed = b"\x31" + view.signer_info["signed_attrs"].dump()[1:]
    (certificate,) = view.signed_data["certificates"]
    public_key = load_der_x509_certificate(certificate.chosen.dump()).public_key()
    public_key.verify(view.signer_info["signature"].native, signed, PKCS1v15(), SHA256())


@pytest.mark.covers("M-02", "M-04")
def test_content_agrees_with_the_message() -> None:
    """Requests and SUCCESS hold an envelope, FAILURE and PENDING nothing at all."""
    for message in (
        request_bytes(),
        request_bytes(renewal_req()),
        request_bytes(POLL),
        reply_bytes(),
    ):
        assert look_at(message).envelope["encrypted_content_info"]["content_type"].native == "data"
    strict = ReplyStyle(empty_content="omit")
    for rep in (pending(), failure()):
        assert look_at(reply_bytes(rep, style=strict)).content is None


@pytest.mark.parametrize(
    ("message", "attributes"),
    [
        (request_bytes(pkcs_req(), now=None), REQUEST),
        (request_bytes(renewal_req(), now=None), REQUEST),
        (request_bytes(POLL, now=None), REQUEST),
        (request_bytes(POLL), REQUEST | {SIGNING_TIME}),
        (reply_bytes(success()), REPLY),
        (reply_bytes(pending()), REPLY),
        (reply_bytes(failure()), REPLY | {FAIL_INFO}),
        (reply_bytes(failure(fail_info_text="x")), REPLY | {FAIL_INFO, FAIL_INFO_TEXT}),
    ],
)
def test_attributes_of_each_message(message: bytes, attributes: set[str]) -> None:
    """Every message has the attributes its type asks for, single-valued, and no other."""
    assert set(look_at(message).attributes) == attributes


@pytest.mark.covers("T-21")
def test_attributes_in_der_order() -> None:
    """The SET of signed attributes is sorted, as the signature over it needs."""
    for message in (request_bytes(), reply_bytes(failure(fail_info_text="x", hresult=-1))):
        encodings = look_at(message).attribute_encodings
        assert encodings == sorted(encodings)


def test_types_of_attributes() -> None:
    """Numbers and transactionID are PrintableString, nonces OCTET STRING, text UTF8String."""
    values = look_at(reply_bytes(failure(fail_info_text="Grund"))).attributes
    kinds = {oid: type(value).__name__ for oid, value in values.items()}
    for oid in (MESSAGE_TYPE, PKI_STATUS, FAIL_INFO, TRANSACTION_ID):
        assert kinds[oid] == "PrintableString"
    assert kinds[SENDER_NONCE] == kinds[RECIPIENT_NONCE] == "OctetString"
    assert kinds[FAIL_INFO_TEXT] == "UTF8String"


@pytest.mark.covers("M-03")
@pytest.mark.parametrize("oid", [oids.TRANSACTION_ID, oids.MESSAGE_TYPE])
def test_missing_attribute(oid: object) -> None:
    """A message without transactionID or messageType is refused, the attribute named."""
    attributes = [a for a in scep_attributes() if a.type != oid]
    with pytest.raises(RemoteProtocolError) as caught:
        take_request(Craft(attributes=attributes).build())
    assert caught.value.attribute in {"transactionID", "messageType"}


@pytest.mark.parametrize(
    "message",
    [
        Craft(signers=2).build(),
        Craft(attributes=[*scep_attributes(), *scep_attributes()]).build(),
        Craft(carried=[], key=rsa_key("mallory")).build(),
        Craft(key=rsa_key("mallory")).build(),
        Craft(stated_digest=bytes(32)).build(),
        Craft(attributes=[*scep_attributes("19"), *scep_attributes("3")]).build(),
    ],
    ids=["two signers", "doubled", "unsigned", "another key", "another digest", "two types"],
)
def test_attacks_on_the_parser(message: bytes) -> None:
    """Doubled parts, foreign keys and digests of something else are refused."""
    with pytest.raises(ScepError):
        take_request(message)
