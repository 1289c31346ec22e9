"""RFC 8894 §3.1: encrypt, then sign; the envelope is not left out."""

from __future__ import annotations

import pytest

from sceplab_scep.errors import LocalProtocolError
from tests.support.outside_view import look_at
from tests.support.pki import (
    CA_NAME,
    CHALLENGE,
    DEVICE_NAME,
    ec_key,
    issue,
    lab_pki,
    request_bytes,
)


@pytest.mark.covers("M-07")
def test_encrypt_then_sign() -> None:
    """What is signed is the envelope; nothing of the request shows outside it."""
    message = request_bytes()
    assert look_at(message).envelope["version"].native == "v0"
    assert CHALLENGE.encode() not in message
    # The subject shows once, in the self-signed certificate, twice as issuer and subject.
    assert message.count(DEVICE_NAME.split(",")[0].removeprefix("CN=").encode()) == 3


@pytest.mark.covers("M-08")
def test_no_message_without_envelope() -> None:
    """For a recipient that cannot decrypt nothing is sent, rather than the challenge in clear."""
    recipient = issue("CN=EC RA", ec_key("ra"), CA_NAME, lab_pki().ca_key)
    with pytest.raises(LocalProtocolError):
        request_bytes(recipient=recipient)
