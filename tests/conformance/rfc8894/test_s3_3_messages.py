"""RFC 8894 §3.3: what each message is about."""

from __future__ import annotations

import pytest
from asn1crypto import cms, core, csr
from asn1crypto import x509 as other_x509

from sceplab_scep.algorithms import Floor
from sceplab_scep.envelope import open_envelope
from sceplab_scep.messages import CertPoll, Request
from tests.support.outside_view import look_at
from tests.support.pki import (
    CA_NAME,
    CHALLENGE,
    DEVICE_NAME,
    NONCE,
    TRANSACTION_ID,
    der,
    device_certificate,
    device_csr,
    issued_certificate,
    lab_pki,
    name,
    pkcs_req,
    renewal_req,
    reply_bytes,
    request_bytes,
    rsa_key,
    success,
    take_reply,
    take_request,
    unseal,
)

PKI = lab_pki()


class _IssuerAndSubject(core.Sequence):  # type: ignore[misc]
    """RFC 8894 §3.3.3, declared for the other library."""

    _fields = [("issuer", other_x509.Name), ("subject", other_x509.Name)]  # noqa: RUF012


@pytest.mark.covers("M-09", "C-10")
@pytest.mark.parametrize("message", [pkcs_req(), renewal_req(device_csr(challenge=""))])
def test_pkcs_req_and_renewal_req(message: Request) -> None:
    """A PKCS#10 request with subject and key; with the challenge where a secret authorises it."""
    plaintext = unseal(take_request(request_bytes(message)).content).plaintext
    info = csr.CertificationRequest.load(plaintext, strict=True)["certification_request_info"]
    assert info["subject"].native["common_name"] == "router1.example.com"
    assert info["subject_pk_info"].dump() == rsa_key("device").spki
    attributes = {a["type"].native: a["values"][0] for a in info["attributes"]}
    if message == pkcs_req():
        assert attributes["challenge_password"].native == CHALLENGE
        assert attributes["challenge_password"].name == "printable_string"
    else:
        assert attributes == {}


@pytest.mark.covers("M-10")
def test_cert_poll() -> None:
    """CertPoll holds the CA's subject as issuer, and the subject asked for."""
    poll = CertPoll(
        transaction_id=TRANSACTION_ID,
        sender_nonce=NONCE,
        issuer=name(CA_NAME),
        subject=name(DEVICE_NAME),
    )
    plaintext = unseal(take_request(request_bytes(poll)).content).plaintext
    names = _IssuerAndSubject.load(plaintext, strict=True)
    assert names["issuer"].dump() == PKI.ca.subject.public_bytes()
    assert names["subject"].dump() == name(DEVICE_NAME).public_bytes()


@pytest.mark.covers("S-14")
def test_cert_rep_success() -> None:
    """SUCCESS holds the issued certificate as the leaf, in a bundle without signers."""
    data = reply_bytes(success(issued_certificate(), PKI.ca))
    content = look_at(data).content
    assert content is not None
    recipients = [(device_certificate(), rsa_key("device"))]
    opened = open_envelope(content, recipients=recipients, floor=Floor.MODERN)
    bundle = cms.ContentInfo.load(opened.plaintext, strict=True)["content"]
    assert len(bundle["signer_infos"]) == 0
    assert len(bundle["digest_algorithms"]) == 0
    assert bundle["encap_content_info"]["content_type"].native == "data"
    encodings = [choice.chosen.dump() for choice in bundle["certificates"]]
    assert encodings == [der(issued_certificate()), der(PKI.ca)]
    assert take_reply(data).certificates == (issued_certificate(), PKI.ca)
