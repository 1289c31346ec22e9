"""Messages explained to people."""

from __future__ import annotations

import pytest
from cryptography.hazmat.asn1 import SetOf

from sceplab_scep import oids
from sceplab_scep.algorithms import AlgorithmSuite, Cipher, Digest, Floor, KeyTransport
from sceplab_scep.attributes import FailInfo
from sceplab_scep.cms import EnvelopedContentInfo, KeyTransRecipientInfo
from sceplab_scep.envelope import OpenedEnvelope, open_envelope, seal_envelope
from sceplab_scep.errors import RemoteProtocolError
from sceplab_scep.reply import ReplyStyle
from sceplab_scep.trace import explain
from tests.support.pki import (
    CHALLENGE,
    DEVICE_NAME,
    NONCE,
    TRANSACTION_ID,
    device_certificate,
    device_csr,
    failure,
    issued_certificate,
    lab_pki,
    pending,
    pkcs_req,
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
    edit_envelope,
    scep_attributes,
)

PKI = lab_pki()


def _facts(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_closed_request() -> None:
    """Everything the outside of a request shows."""
    facts = _facts(str(explain(request_bytes())))
    serial = PKI.ra_encryption.serial_number
    assert facts[0] == "PKCSReq"
    assert f"transactionID {TRANSACTION_ID}" in facts
    assert f"senderNonce {NONCE.hex()}" in facts
    assert "signingTime 2026-03-01 12:00:00 UTC" in facts
    assert f"signed by {DEVICE_NAME} (self-signed), sha256" in facts
    assert "envelope aes-128-cbc" in facts
    assert f"for serial number {serial:x} of CN=Lab CA,O=Example" in facts
    assert f"size {len(request_bytes())} bytes" in facts


def test_opened_request_hides_the_challenge() -> None:
    """With the envelope open the subject shows and the challenge password does not."""
    data = request_bytes()
    opened = unseal(take_request(data).content)
    text = str(explain(data, opened=opened))
    assert f"subject         {DEVICE_NAME}" in text
    assert "given, not shown" in text
    assert CHALLENGE not in text
    assert CHALLENGE not in repr(explain(data, opened=opened))
    data = request_bytes(pkcs_req(device_csr(challenge="")))
    opened = unseal(take_request(data).content)
    assert "challenge       none" in str(explain(data, opened=opened))


def test_replies() -> None:
    """Status, failInfo by name, HRESULT in hex, and how no content is spelled."""
    text = _facts(
        str(explain(reply_bytes(failure(FailInfo.BAD_ALG, fail_info_text="no", hresult=-1))))
    )
    assert text[0] == "CertRep FAILURE"
    assert {"failInfo badAlg", "failInfoText no", "HRESULT 0xffffffff", "envelope empty"} <= set(
        text
    )
    assert "signed by CN=RA (issued), sha256" in text
    zero = reply_bytes(pending(), style=ReplyStyle(empty_content="zero"))
    assert "envelope one zero byte" in _facts(str(explain(zero)))
    assert "envelope absent" in _facts(
        str(explain(reply_bytes(pending(), style=ReplyStyle(empty_content="omit"))))
    )


def test_opened_reply() -> None:
    """The certificates of a SUCCESS are listed."""
    data = reply_bytes()
    content = take_request(data).content
    assert content is not None
    recipients = [(device_certificate(), rsa_key("device"))]
    opened = open_envelope(content, recipients=recipients, floor=Floor.MODERN)
    serial = issued_certificate().serial_number
    assert f"certificate     {DEVICE_NAME}, serial number {serial:x}" in str(
        explain(data, opened=opened)
    )


def test_signer_not_carried() -> None:
    """NDES sends no certificates; the serial number is all there is."""
    data = reply_bytes(style=ReplyStyle(include_certificates=False))
    assert f"serial number {PKI.ra_signing.serial_number:x}, not carried, sha256" in str(
        explain(data)
    )


def test_deviations() -> None:
    """What is odd about the encoding is told; weak algorithms are named, not refused."""
    text = str(explain(as_jscep_writes(Craft().build())))
    assert "deviation       BER, not DER" in text
    assert "md5" in str(explain(request_bytes(suite=AlgorithmSuite(digest=Digest.MD5))))


def test_unverified_is_explained_too() -> None:
    """A forged message is explained as it stands; nothing is verified here."""
    assert str(explain(Craft(signed_with=Digest.SHA512).build())).startswith("PKCSReq")


def test_unreadable_envelope() -> None:
    """A content that is no envelope is called so."""
    assert "envelope        unreadable: " in str(explain(Craft(content=b"noise").build()))


def test_named_by_key_identifier() -> None:
    """A signer or recipient that is named by a key identifier shows it."""
    text = str(explain(Craft(sid=b"\x01\x02\x03").build()))
    assert "a key not carried, sha256" in text

    def rename(message: EnvelopedContentInfo) -> None:
        (info,) = message.content.recipient_infos.as_list()
        assert isinstance(info, KeyTransRecipientInfo)
        info.rid = b"\x01\x02\x03"
        message.content.recipient_infos = SetOf([info])

    sealed = seal_envelope(b"\x30\x00", PKI.ra_encryption, AlgorithmSuite())
    text = str(explain(Craft(content=edit_envelope(sealed, rename)).build()))
    assert "the key with identifier 010203" in text


def test_payloads() -> None:
    """A poll shows nothing of its payload; a payload nobody can read is called so."""
    nothing = OpenedEnvelope(
        plaintext=b"\x30\x00", cipher=Cipher.AES128_CBC, key_transport=KeyTransport.PKCS1V15
    )
    assert "payload         unreadable: " in str(explain(request_bytes(), opened=nothing))
    poll = Craft(attributes=scep_attributes("20")).build()
    assert "payload" not in str(explain(poll, opened=nothing))


def test_control_characters_of_the_peer() -> None:
    """A peer's text can neither start a line of its own nor drive a terminal."""
    evil = "fine\n  signed by   CN=CA\x1b[2J\x07"
    attributes = scep_attributes("3", recipient_nonce=NONCE, status="2", fail_info="2")
    data = craft_reply("2", attributes=[*attributes, attribute(oids.FAIL_INFO_TEXT, evil)])
    trace = explain(data)
    assert all(line.isprintable() for line in (trace.title, *trace.lines))
    assert "fine\\x0a  signed by   CN=CA\\x1b[2J\\x07" in str(trace)


@pytest.mark.parametrize("noise", [b"", b"<html>", b"\x30\x00"])
def test_no_message(noise: bytes) -> None:
    """What is no pkiMessage is not explained."""
    with pytest.raises(RemoteProtocolError):
        explain(noise)
