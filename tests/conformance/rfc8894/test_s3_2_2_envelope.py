"""RFC 8894 §3.2.2: the pkcsPKIEnvelope."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from sceplab_scep import oids
from sceplab_scep.algorithms import AlgorithmSuite
from sceplab_scep.cms import EnvelopedContentInfo
from sceplab_scep.envelope import seal_envelope
from sceplab_scep.errors import MalformedMessageError
from tests.support.outside_view import look_at
from tests.support.pki import (
    device_certificate,
    device_csr,
    lab_pki,
    pkcs_req,
    reply_bytes,
    request_bytes,
    unseal,
)
from tests.support.vectors import edit_envelope

PKI = lab_pki()


@pytest.mark.covers("M-05", "M-12")
def test_form() -> None:
    """Version 0, inner type data, one RSA recipient named by issuer and serial number."""
    for message, recipient in (
        (request_bytes(), PKI.ra_encryption),
        (reply_bytes(), device_certificate()),
    ):
        envelope = look_at(message).envelope
        assert envelope["version"].native == "v0"
        assert envelope["encrypted_content_info"]["content_type"].native == "data"
        (info,) = envelope["recipient_infos"]
        assert info.name == "ktri"
        assert info.chosen["version"].native == "v0"
        rid = info.chosen["rid"].chosen
        assert rid["serial_number"].native == recipient.serial_number
        assert rid["issuer"].dump() == recipient.issuer.public_bytes()
        algorithm = info.chosen["key_encryption_algorithm"]["algorithm"]
        assert algorithm.native == "rsaes_pkcs1v15"


def test_decrypted_by_hand() -> None:
    """RSA, AES-CBC and padding undone step by step give the request."""
    csr = device_csr()
    envelope = look_at(request_bytes(pkcs_req(csr))).envelope
    (info,) = envelope["recipient_infos"]
    key = PKI.ra_encryption_key.decrypt(info.chosen["encrypted_key"].native, PKCS1v15())
    encrypted = envelope["encrypted_content_info"]
    iv = encrypted["content_encryption_algorithm"]["parameters"].native
    context = Cipher(AES(key), CBC(iv)).decryptor()
    padded = context.update(encrypted["encrypted_content"].native) + context.finalize()
    assert len(key) == 16
    assert padded[: -padded[-1]] == csr


@pytest.mark.covers("M-05")
def test_inner_type_is_data() -> None:
    """An envelope that calls its content anything but data is refused."""

    def rename(message: EnvelopedContentInfo) -> None:
        message.content.encrypted_content_info.content_type = oids.SIGNED_DATA

    sealed = seal_envelope(device_csr(), PKI.ra_encryption, AlgorithmSuite())
    with pytest.raises(MalformedMessageError, match="around data"):
        unseal(edit_envelope(sealed, rename))
