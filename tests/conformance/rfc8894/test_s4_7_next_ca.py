"""The answer to GetNextCACert: signed by the CA of today, about the CA of tomorrow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.degenerate import build_certs_only
from sceplab_scep.errors import (
    MalformedMessageError,
    RemoteProtocolError,
    ScepError,
    SignatureInvalidError,
    UnsupportedAlgorithmError,
    UntrustedSignerError,
)
from sceplab_scep.next_ca import NextCa, build_next_ca, read_next_ca
from sceplab_scep.signeddata import build_signed_data
from tests.support.pki import (
    CA_NAME,
    NOW,
    RA_PURPOSES,
    LocalKey,
    der,
    issue,
    lab_pki,
    name,
    rsa_key,
)

PKI = lab_pki()
NEXT_KEY = rsa_key("next-ca")
CA_USES = ("key_cert_sign", "crl_sign")


def next_ca(subject: str = CA_NAME, **options: object) -> x509.Certificate:
    """The self-signed certificate of a next CA."""
    values = {"is_ca": True, "uses": CA_USES, "lifetime_days": 900} | options
    return issue(subject, NEXT_KEY, subject, NEXT_KEY, **values)  # type: ignore[arg-type]


NEXT = next_ca()
NEXT_RA = issue(
    "CN=RA",
    rsa_key("ra-encryption"),
    CA_NAME,
    NEXT_KEY,
    uses=("key_encipherment",),
    purposes=RA_PURPOSES,
)


def answer(*certificates: x509.Certificate, **changes: object) -> bytes:
    """An answer of the current CA."""
    signer: dict[str, object] = {"signer": PKI.ca_key, "signer_certificate": PKI.ca}
    return build_next_ca(certificates or (NEXT, NEXT_RA), **(signer | changes))  # type: ignore[arg-type]


def read(
    data: bytes,
    *,
    signers: Sequence[x509.Certificate] = (PKI.ca,),
    now: datetime | None = NOW,
    floor: Floor = Floor.MODERN,
) -> NextCa:
    """Reads with the current CA as the only one that is trusted."""
    return read_next_ca(data, trusted_signers=signers, current_chain=[PKI.ca], now=now, floor=floor)


@pytest.mark.covers("C-31", "S-20")
def test_what_the_current_ca_signs_is_read() -> None:
    """Anchor, everything else, and who vouched; the roles below the new anchor follow."""
    found = read(answer())
    assert (found.anchor, found.signer) == (NEXT, PKI.ca)
    assert found.certificates == (NEXT, NEXT_RA)
    roles = found.select()
    assert (roles.anchor_der, roles.recipient_der) == (der(NEXT), der(NEXT_RA))


@pytest.mark.covers("C-31")
@pytest.mark.parametrize("key", [NEXT_KEY, rsa_key("stranger")], ids=["the next CA", "a stranger"])
def test_nobody_else_may_vouch(key: LocalKey) -> None:
    """Neither the next CA itself nor a stranger with the current CA's name, whatever travels."""
    posing = issue(CA_NAME, key, CA_NAME, key, is_ca=True, uses=CA_USES)
    with pytest.raises(UntrustedSignerError):
        read(answer(signer=key, signer_certificate=posing))
    twin = issue(CA_NAME, key, CA_NAME, key, is_ca=True, serial=PKI.ca.serial_number)
    with pytest.raises(SignatureInvalidError, match="does not verify"):
        read(answer(signer=key, signer_certificate=twin))


@pytest.mark.covers("C-31")
def test_the_content_cannot_be_exchanged() -> None:
    """Another bundle under the same signature is found by its digest."""
    right, other = (build_certs_only([next_ca(serial=serial)]) for serial in (0x4001, 0x4002))
    signed = answer(next_ca(serial=0x4001))
    assert len(right) == len(other)
    assert right in signed
    with pytest.raises(SignatureInvalidError, match="does not have the digest"):
        read(signed.replace(right, other))


@pytest.mark.covers("C-31")
def test_a_bundle_without_signature_is_no_answer() -> None:
    """What GetCACert sends is refused: nobody signed it."""
    with pytest.raises(RemoteProtocolError, match="has one signer"):
        read(build_certs_only([NEXT]))


def test_the_ra_of_the_current_ca_may_vouch_where_it_is_trusted() -> None:
    """The older drafts let the RA sign; it has to be among the trusted ones."""
    signed = answer(signer=PKI.ra_signing_key, signer_certificate=PKI.ra_signing)
    assert read(signed, signers=(PKI.ra_signing, PKI.ca)).signer == PKI.ra_signing
    with pytest.raises(UntrustedSignerError):
        read(signed)


def test_a_signer_that_is_over_vouches_for_nothing() -> None:
    """An answer after the end of the current CA is refused; without a clock that is not seen."""
    late = NOW + timedelta(days=500)
    with pytest.raises(UntrustedSignerError, match="valid from"):
        read(answer(), now=late)
    assert read(answer(), now=None).anchor == NEXT


@pytest.mark.parametrize(
    ("certificate", "text"),
    [
        (next_ca(lifetime_days=30), "no later than the current CA"),
        (next_ca(starts_at=NOW + timedelta(days=400)), "after the current CA has ended"),
    ],
)
def test_a_next_ca_has_to_follow_without_a_gap(certificate: x509.Certificate, text: str) -> None:
    """It begins before the current one ends, and ends after it."""
    with pytest.raises(SignatureInvalidError, match=text):
        read(answer(certificate))


def test_one_new_ca_and_no_more() -> None:
    """None, two, one that nobody signed, and end entities alone are refused."""
    second = issue("CN=B", rsa_key("b"), "CN=B", rsa_key("b"), is_ca=True, lifetime_days=900)
    orphan = issue("CN=C", rsa_key("c"), "CN=Gone", rsa_key("d"), is_ca=True, lifetime_days=900)
    for certificates, text in (
        ([PKI.ca], "no new CA"),
        ([NEXT_RA], "no new CA"),
        ([NEXT, second], "2 new CAs"),
        ([orphan], "neither by itself"),
    ):
        with pytest.raises(SignatureInvalidError, match=text):
            read(answer(*certificates))


def test_a_link_certificate_and_the_old_ca_beside_it_do_no_harm() -> None:
    """The self-signed certificate is the anchor, with the cross-signed one or the old CA near."""
    link = issue(
        CA_NAME, NEXT_KEY, CA_NAME, PKI.ca_key, is_ca=True, uses=CA_USES, lifetime_days=900
    )
    for order in ([link, NEXT, PKI.ca], [PKI.ca, NEXT, link]):
        assert read(answer(*order)).anchor == NEXT
    assert read(answer(link)).anchor == link


def test_an_issuing_ca_below_the_next_root_is_no_second_one() -> None:
    """The highest certificate is the anchor."""
    below = issue(
        "CN=Issuing", rsa_key("b"), CA_NAME, NEXT_KEY, is_ca=True, uses=CA_USES, lifetime_days=700
    )
    assert read(answer(below, NEXT)).anchor == NEXT


def test_weak_digests_are_refused_below_the_floor() -> None:
    """SHA-1 passes only where the floor takes it."""
    weak = answer(digest=Digest.SHA1)
    with pytest.raises(UnsupportedAlgorithmError):
        read(weak)
    assert read(weak, floor=Floor.LAB).anchor == NEXT


@pytest.mark.parametrize("content", [None, b"", b"\0", b"nonsense"])
def test_signed_nonsense_is_malformed(content: bytes | None) -> None:
    """A good signature around no bundle."""
    data = build_signed_data(
        content,
        (),
        signer=PKI.ca_key,
        signer_certificate=PKI.ca,
        digest=Digest.SHA256,
        certificates=[],
    )
    with pytest.raises(MalformedMessageError):
        read(data)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_answers_give_our_errors_or_the_same_answer(data: st.DataObject) -> None:
    """Any byte changed, cut off or put in: an error of the codec, or what the CA signed."""
    message = bytearray(answer())
    place = data.draw(st.integers(0, len(message) - 1))
    kind = data.draw(st.sampled_from(["change", "cut", "insert"]))
    if kind == "change":
        message[place] = data.draw(st.integers(0, 255))
    elif kind == "cut":
        del message[place:]
    else:
        message[place:place] = data.draw(st.binary(min_size=1, max_size=8))
    try:
        found = read(bytes(message))
    except ScepError:
        return
    assert found.certificates == (NEXT, NEXT_RA)
    assert found.anchor.subject == name(CA_NAME)


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_our_errors(data: bytes) -> None:
    """Nothing but errors of the codec comes out."""
    with pytest.raises(ScepError):
        read(data)
