"""CertRep: written in a server's style, read with a client's suspicion."""

from __future__ import annotations

import dataclasses

import pytest

from sceplab_scep import oids
from sceplab_scep.algorithms import AlgorithmSuite, Cipher, Digest, Floor, KeyTransport
from sceplab_scep.attributes import FailInfo, PkiStatus
from sceplab_scep.degenerate import build_certs_only
from sceplab_scep.envelope import seal_envelope
from sceplab_scep.errors import (
    DecryptionError,
    LocalProtocolError,
    MalformedMessageError,
    NonceMismatchError,
    RemoteProtocolError,
    SignatureInvalidError,
    TransactionMismatchError,
    UnsupportedAlgorithmError,
)
from sceplab_scep.messages import CertRep
from sceplab_scep.reply import EmptyContent, ReplyStyle, build_cert_rep
from sceplab_scep.signeddata import parse_signed_data
from tests.support.pki import (
    CA_NAME,
    DEVICE_NAME,
    NONCE,
    TRANSACTION_ID,
    der,
    device_certificate,
    ec_key,
    failure,
    issue,
    issued_certificate,
    lab_pki,
    pending,
    reply_bytes,
    request_bytes,
    rsa_key,
    success,
    take_reply,
    take_request,
)
from tests.support.vectors import (
    Craft,
    as_go_writes,
    as_jscep_writes,
    craft_reply,
    scep_attributes,
)

PKI = lab_pki()


def _success_around(content: bytes) -> bytes:
    """A SUCCESS of the RA around any content."""
    return craft_reply("0", content=content)


def _sealed(plaintext: bytes) -> bytes:
    return seal_envelope(plaintext, device_certificate(), AlgorithmSuite())


@pytest.mark.parametrize(
    "rep",
    [
        success(),
        success(issued_certificate(), PKI.ca),
        pending(),
        failure(),
        failure(FailInfo.BAD_ALG, fail_info_text="no", hresult=-2147024809),
        failure(FailInfo.BAD_TIME, fail_info_text="Ünïcode\n"),
        dataclasses.replace(success(), server_message="Issued"),
        dataclasses.replace(pending(), sender_nonce=None),
    ],
)
def test_replies_come_back(rep: CertRep) -> None:
    """A reply that is built is read as the same value."""
    assert take_reply(reply_bytes(rep)) == rep


@pytest.mark.covers("T-08", "M-13", "M-04", "S-12", "S-13")
@pytest.mark.parametrize(
    ("spelling", "content"), [("omit", None), ("empty", b""), ("zero", b"\x00")]
)
@pytest.mark.parametrize("rep", [pending(), failure()])
def test_empty_content(rep: CertRep, spelling: EmptyContent, content: bytes | None) -> None:
    """FAILURE and PENDING have no envelope, in three spellings that are all read."""
    data = reply_bytes(rep, style=ReplyStyle(empty_content=spelling))
    assert parse_signed_data(data).content == content
    assert take_reply(data) == rep


@pytest.mark.covers("T-09")
def test_ndes_failure() -> None:
    """NDES' shape: SHA-1, no certificates, one zero byte, the HRESULT attribute."""
    style = ReplyStyle(empty_content="zero", include_certificates=False)
    rep = failure(hresult=-2147024809)
    data = reply_bytes(rep, style=style, suite=AlgorithmSuite(digest=Digest.SHA1))
    received = parse_signed_data(data)
    assert received.signed_data.certificates is None
    assert received.content == b"\x00"
    assert take_reply(data, floor=Floor.NDES) == rep
    with pytest.raises(UnsupportedAlgorithmError, match="the server uses sha1"):
        take_reply(data)


@pytest.mark.covers("T-03", "F-06")
def test_signature_names() -> None:
    """rsaEncryption by default, shaNWithRSA by wish; both are read."""
    plain, named = reply_bytes(), reply_bytes(style=ReplyStyle(signature_oid="shaNWithRSA"))
    for data, oid in (
        (plain, oids.RSA_ENCRYPTION),
        (named, oids.RSA_SIGNATURES[Digest.SHA256]),
    ):
        assert parse_signed_data(data).signer_info.signature_algorithm.algorithm == oid
        assert take_reply(data) == success()


@pytest.mark.covers("S-14")
@pytest.mark.parametrize("is_sorted", [False, True])
def test_order_of_certificates(is_sorted: bool) -> None:
    """Leaf first, or in DER's order where a profile wants that."""
    chain = sorted([issued_certificate(), PKI.ca], key=der, reverse=True)
    style = ReplyStyle(sorted_certificates=is_sorted)
    read = take_reply(reply_bytes(success(*chain), style=style))
    assert list(read.certificates) == (chain[::-1] if is_sorted else chain)


@pytest.mark.parametrize("transport", list(KeyTransport))
@pytest.mark.parametrize("cipher", list(Cipher))
def test_every_suite(cipher: Cipher, transport: KeyTransport) -> None:
    """The answer is encrypted as asked for, and its floor is checked."""
    suite = AlgorithmSuite(digest=Digest.SHA512, cipher=cipher, key_transport=transport)
    data = reply_bytes(suite=suite)
    assert take_reply(data, floor=Floor.LAB) == success()
    if not Floor.MODERN.allows(cipher):
        with pytest.raises(UnsupportedAlgorithmError, match=cipher.value):
            take_reply(data)


def test_what_is_not_written() -> None:
    """Contradictions of the caller are refused before anything is signed."""
    pki = lab_pki()

    def build(rep: CertRep, **more: object) -> None:
        values: dict[str, object] = {
            "signer": pki.ra_signing_key,
            "signer_certificate": pki.ra_signing,
            "recipient": device_certificate(),
            "suite": AlgorithmSuite(),
            "style": ReplyStyle(),
        }
        build_cert_rep(rep, **(values | more))  # type: ignore[arg-type]

    bare = dataclasses.replace(success(), certificates=())
    with pytest.raises(LocalProtocolError, match="certificates exactly when"):
        build(bare)
    with pytest.raises(LocalProtocolError, match="certificates exactly when"):
        build(dataclasses.replace(pending(), certificates=(pki.ca,)))
    with pytest.raises(LocalProtocolError, match="failInfo exactly when"):
        build(dataclasses.replace(failure(), fail_info=None))
    with pytest.raises(LocalProtocolError, match="failInfo exactly when"):
        build(dataclasses.replace(pending(), fail_info=FailInfo.BAD_ALG))
    with pytest.raises(LocalProtocolError, match="encrypted for somebody"):
        build(success(), recipient=None)
    with pytest.raises(LocalProtocolError, match="cannot receive"):
        build(success(), recipient=issue("CN=EC", ec_key("x"), CA_NAME, pki.ca_key))
    build(pending(), recipient=None)


@pytest.mark.covers("C-40")
def test_signer_is_one_we_trust() -> None:
    """A reply signed by anybody else is refused, whatever certificate it carries."""
    forged = reply_bytes(
        signer=rsa_key("mallory"),
        signer_certificate=issue("CN=RA", rsa_key("mallory"), CA_NAME, rsa_key("mallory")),
    )
    with pytest.raises(SignatureInvalidError, match="none of the certificates expected"):
        take_reply(forged)
    same_name = issue(
        "CN=RA",
        rsa_key("mallory"),
        CA_NAME,
        rsa_key("mallory"),
        serial=PKI.ra_signing.serial_number,
    )
    forged = reply_bytes(signer=rsa_key("mallory"), signer_certificate=same_name)
    with pytest.raises(SignatureInvalidError, match="does not verify"):
        take_reply(forged)


@pytest.mark.covers("C-40")
def test_reply_without_certificates() -> None:
    """The signer is found among the certificates of GetCACert."""
    data = reply_bytes(style=ReplyStyle(include_certificates=False))
    assert take_reply(data, trusted_signers=[PKI.ca, PKI.ra_signing]) == success()


@pytest.mark.covers("C-17", "T-04", "T-05")
@pytest.mark.parametrize("nonce", [None, bytes(16), NONCE[:8], NONCE + b"\x00"])
def test_nonce(nonce: bytes | None) -> None:
    """A reply with another nonce, a piece of ours, or none is refused."""
    attributes = scep_attributes("3", recipient_nonce=nonce, status="3")
    with pytest.raises(NonceMismatchError) as caught:
        take_reply(craft_reply("3", attributes=attributes))
    assert caught.value.attribute == "recipientNonce"
    assert caught.value.section == "RFC 8894 §3.2.1.5"


@pytest.mark.covers("C-41", "T-46")
@pytest.mark.parametrize(
    "transaction_id",
    ["other", TRANSACTION_ID[:8], TRANSACTION_ID.lower(), TRANSACTION_ID + "0"],
)
def test_transaction_id(transaction_id: str) -> None:
    """Another transactionID, a prefix of ours or another case is refused."""
    attributes = scep_attributes(
        "3", recipient_nonce=NONCE, status="3", transaction_id=transaction_id
    )
    with pytest.raises(TransactionMismatchError) as caught:
        take_reply(craft_reply("3", attributes=attributes))
    assert caught.value.attribute == "transactionID"


@pytest.mark.covers("T-46")
def test_empty_transaction_id() -> None:
    """An empty transactionID is none."""
    attributes = scep_attributes("3", recipient_nonce=NONCE, status="3", transaction_id="")
    with pytest.raises(RemoteProtocolError, match="1 to 255 visible characters"):
        take_reply(craft_reply("3", attributes=attributes))


@pytest.mark.covers("C-18")
@pytest.mark.parametrize("status", ["1", "4", "11", "", "00", "-0", "zero", "0 "])
def test_undefined_status(status: str) -> None:
    """There are three statuses; everything else is an error."""
    with pytest.raises(RemoteProtocolError) as caught:
        take_reply(craft_reply(status))
    assert caught.value.attribute == "pkiStatus"


@pytest.mark.covers("C-18")
@pytest.mark.parametrize("fail_info", ["5", "-1", "", "badAlg", None])
def test_undefined_fail_info(fail_info: str | None) -> None:
    """A FAILURE names one of five reasons."""
    with pytest.raises(RemoteProtocolError) as caught:
        take_reply(craft_reply("2", fail_info=fail_info))
    assert caught.value.attribute == "failInfo"


def test_no_reply_at_all() -> None:
    """A signed message that is no CertRep is no answer."""
    message = request_bytes()
    with pytest.raises(RemoteProtocolError, match="PKCS_REQ"):
        take_reply(message, trusted_signers=[device_certificate()])
    with pytest.raises(RemoteProtocolError, match="pkiStatus is missing"):
        take_reply(Craft(attributes=scep_attributes("3", recipient_nonce=NONCE)).build())


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "it is a web page"),
        (b"0x80070005", "no pkiMessage"),
        (b"\x30\x82\x10\x00" + bytes(50), "no pkiMessage"),
    ],
)
def test_bodies_that_are_no_reply(body: bytes, text: str) -> None:
    """A web page, a truncated or empty body is named for what it is."""
    with pytest.raises(MalformedMessageError, match=text):
        take_reply(body)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated(share: float) -> None:
    """A reply cut anywhere is malformed."""
    data = reply_bytes()
    with pytest.raises(MalformedMessageError):
        take_reply(data[: int(len(data) * share)])


def test_for_somebody_else() -> None:
    """A reply encrypted to another certificate is not opened."""
    with pytest.raises(DecryptionError):
        take_reply(reply_bytes(recipient=PKI.ra_encryption))


def test_answer_goes_to_the_certificate_that_signed() -> None:
    """At a renewal the old key opens the reply."""
    old = PKI.issue(DEVICE_NAME, rsa_key("old"))
    data = reply_bytes(recipient=old)
    read = take_reply(data, decrypter=rsa_key("old"), decrypter_certificate=old)
    assert read == success()
    with pytest.raises(DecryptionError):
        take_reply(data)


@pytest.mark.covers("T-10")
@pytest.mark.parametrize(
    "content", [None, b"", b"\x00", _sealed(b""), _sealed(build_certs_only([]))]
)
def test_success_with_nothing_in_it(content: bytes | None) -> None:
    """SUCCESS without a certificate is an error that says who writes it."""
    with pytest.raises(RemoteProtocolError, match="SUCCESS without a certificate"):
        take_reply(craft_reply("0", content=content))


def test_success_with_something_else_in_it() -> None:
    """An envelope around anything but certificates is malformed."""
    with pytest.raises(MalformedMessageError, match="certificate bundle"):
        take_reply(_success_around(_sealed(b"\x30\x03\x02\x01\x05")))
    with pytest.raises(MalformedMessageError, match="envelope"):
        take_reply(_success_around(b"not an envelope"))


def test_bare_certificate_in_the_envelope() -> None:
    """A server that forgets the bundle is understood."""
    data = _success_around(_sealed(der(issued_certificate())))
    assert take_reply(data).certificates == (issued_certificate(),)


@pytest.mark.covers("T-22")
def test_other_encodings() -> None:
    """BER around and segments inside make no difference."""
    assert take_reply(as_jscep_writes(reply_bytes())) == success()
    inner = as_go_writes(_sealed(build_certs_only([issued_certificate()])))
    assert take_reply(_success_around(inner)).certificates == (issued_certificate(),)


def test_an_envelope_with_a_failure_is_not_opened() -> None:
    """Whatever travels with FAILURE or PENDING is ignored."""
    data = craft_reply("3", content=_sealed(build_certs_only([issued_certificate()])))
    assert take_reply(data).certificates == ()


@pytest.mark.covers("S-11")
def test_echo() -> None:
    """transactionID and nonce of the request stand in the reply."""
    signed = take_request(reply_bytes(pending()))
    assert signed.transaction_id == TRANSACTION_ID
    assert signed.recipient_nonce == NONCE
    assert PkiStatus.PENDING is signed.status
