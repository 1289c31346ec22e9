"""RFC 8894 §2.3: how a client without, and with, a certificate signs its request."""

from __future__ import annotations

import pytest
from asn1crypto import x509 as other_x509

from sceplab_scep.algorithms import Digest
from sceplab_scep.certificates import self_signed_certificate
from sceplab_scep.csr import read_csr
from tests.support.outside_view import look_at
from tests.support.pki import (
    DEVICE_NAME,
    der,
    device_certificate,
    device_csr,
    ec_key,
    lab_pki,
    name,
    pkcs_req,
    renewal_req,
    request_bytes,
    rsa_key,
)


@pytest.mark.covers("C-05")
def test_self_signed_certificate() -> None:
    """A client without a certificate makes one that signs and, with RSA, receives keys."""
    certificate = other_x509.Certificate.load(der(device_certificate()), strict=True)
    assert certificate.self_signed == "maybe"
    assert certificate.key_usage_value.native == {"digital_signature", "key_encipherment"}
    ec = self_signed_certificate(
        name(DEVICE_NAME),
        ec_key("device"),
        now=device_certificate().not_valid_before_utc,
        digest=Digest.SHA256,
    )
    usage = other_x509.Certificate.load(der(ec)).key_usage_value.native
    assert usage == {"digital_signature"}


@pytest.mark.covers("C-06")
def test_subject_and_key_of_the_request() -> None:
    """The self-signed certificate has the subject and the key that the request asks for."""
    csr = read_csr(device_csr())
    assert device_certificate().subject == csr.subject
    assert device_certificate().public_key() == csr.public_key


@pytest.mark.covers("C-09", "M-06")
@pytest.mark.parametrize("is_renewal", [False, True])
def test_the_chosen_certificate_is_included(is_renewal: bool) -> None:
    """The message is signed with the key of the certificate it carries and names."""
    own = device_certificate()
    if is_renewal:
        own = lab_pki().issue(DEVICE_NAME, rsa_key("device"))
    message = renewal_req() if is_renewal else pkcs_req()
    view = look_at(request_bytes(message, signer_certificate=own))
    (carried,) = view.signed_data["certificates"]
    assert carried.chosen.dump() == der(own)
    sid = view.signer_info["sid"].chosen
    assert sid["serial_number"].native == own.serial_number
    assert sid["issuer"].dump() == own.issuer.public_bytes()
