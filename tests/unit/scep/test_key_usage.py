"""What a key is for: asked for, and read back."""

from __future__ import annotations

import pytest
from cryptography import x509

from sceplab_scep.key_usage import KeyUse, serves, usage_extension, usage_names
from tests.support.pki import CA_NAME, issue, rsa_key


def certificate(*uses: str) -> x509.Certificate:
    """A certificate that allows these uses."""
    return issue("CN=x", rsa_key("device"), CA_NAME, rsa_key("ca"), uses=uses)


@pytest.mark.parametrize(
    ("use", "signs", "encrypts"),
    [
        (KeyUse.SIGNATURE, True, False),
        (KeyUse.ENCRYPTION, False, True),
        (KeyUse.BOTH, True, True),
    ],
)
def test_each_use_asks_for_its_bits(use: KeyUse, signs: bool, encrypts: bool) -> None:
    """Digital signature and key encipherment, nothing else."""
    asked = usage_extension(use)
    assert (asked.digital_signature, asked.key_encipherment) == (signs, encrypts)
    others = (asked.content_commitment, asked.data_encipherment, asked.key_agreement)
    assert not any((*others, asked.key_cert_sign, asked.crl_sign))


def test_bits_are_read_in_the_words_of_the_rfc() -> None:
    """Also those that nobody asks for; without the extension there are none."""
    uses = ("digital_signature", "content_commitment", "data_encipherment")
    assert usage_names(certificate(*uses)) == (
        "digitalSignature",
        "nonRepudiation",
        "dataEncipherment",
    )
    assert usage_names(certificate()) == ()


@pytest.mark.parametrize(
    ("uses", "served"),
    [
        (("digital_signature",), {KeyUse.SIGNATURE}),
        (("digital_signature", "content_commitment"), {KeyUse.SIGNATURE}),
        (("key_encipherment",), {KeyUse.ENCRYPTION}),
        (("digital_signature", "key_encipherment"), {KeyUse.BOTH}),
        (("key_agreement",), set()),
        ((), set(KeyUse)),
    ],
)
def test_a_certificate_serves_the_use_it_was_granted_for(
    uses: tuple[str, ...], served: set[KeyUse]
) -> None:
    """More than was asked for is another use, too; one that does not say serves any."""
    assert {use for use in KeyUse if serves(certificate(*uses), use)} == served
