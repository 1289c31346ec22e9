"""Roles of the certificates in a GetCACert answer."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.certificates import CaSelection, fingerprint, select_ca_certificates
from sceplab_scep.cms import Extension, to_tlv
from sceplab_scep.errors import SignatureInvalidError, UnauthorizedRaError
from sceplab_scep.ra_rule import CERTIFICATE_REQUEST_AGENT, CMC_RA, RaRule
from tests.support.pki import (
    CA_NAME,
    NOW,
    RA_PURPOSES,
    der,
    ec_key,
    issue,
    lab_pki,
    rsa_key,
)
from tests.support.vectors import resign

PKI = lab_pki()
PIN = fingerprint(der(PKI.ca), "sha256")


def _select(*certificates: x509.Certificate, **options: object) -> CaSelection:
    encodings = [der(certificate) for certificate in certificates]
    return select_ca_certificates(encodings, PIN, "sha256", **options)  # type: ignore[arg-type]


@pytest.mark.covers("C-04", "T-13")
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_ndes_triple_in_any_order(order: tuple[int, ...]) -> None:
    """The encryption RA receives, the signing RA signs, whatever the order of the bundle."""
    triple = [PKI.ca, PKI.ra_signing, PKI.ra_encryption]
    chosen = _select(*(triple[position] for position in order))
    assert chosen.anchor_der == der(PKI.ca)
    assert chosen.recipient_der == der(PKI.ra_encryption)
    assert chosen.signers_der == (der(PKI.ra_signing), der(PKI.ca))
    assert chosen.chain_der == (der(PKI.ca),)


@pytest.mark.parametrize("digest_name", ["sha1", "md5"])
def test_legacy_pins(digest_name: str) -> None:
    """The caller decides which hashes a pin may use."""
    pin = fingerprint(der(PKI.ca), digest_name)
    chosen = select_ca_certificates(PKI.bundle_der, pin, digest_name)
    assert chosen.anchor_der == der(PKI.ca)


@pytest.mark.covers("T-38", "T-29")
def test_ca_alone() -> None:
    """Without an RA the CA itself receives and signs, even if its key usage does not say so."""
    chosen = _select(PKI.ca)
    assert chosen.recipient_der == der(PKI.ca)
    assert chosen.signers_der == (der(PKI.ca),)


def test_pin_matches_nothing() -> None:
    """A wrong pin stops everything."""
    with pytest.raises(SignatureInvalidError, match="none of the 3 CA certificates"):
        select_ca_certificates(PKI.bundle_der, bytes(32), "sha256")


def test_empty_bundle() -> None:
    """Nothing received matches nothing."""
    with pytest.raises(SignatureInvalidError, match="none of the 0"):
        select_ca_certificates([], PIN, "sha256")


@pytest.mark.covers("C-04")
def test_what_does_not_chain_is_ignored() -> None:
    """An RA certificate of another CA, even one of the same name, has no role."""
    forged = issue(
        "CN=RA", rsa_key("mallory"), CA_NAME, rsa_key("mallory"), uses=("key_encipherment",)
    )
    chosen = _select(forged, PKI.ca)
    assert chosen.recipient_der == der(PKI.ca)
    assert der(forged) not in chosen.signers_der


def test_end_entities_issue_nothing() -> None:
    """A certificate signed with an RA's key does not chain."""
    below = issue(
        "CN=Below", rsa_key("mallory"), "CN=RA", PKI.ra_signing_key, uses=("key_encipherment",)
    )
    assert _select(below, PKI.ra_signing, PKI.ca).recipient_der == der(PKI.ca)


def test_unreadable_certificates_are_ignored() -> None:
    """Noise in the bundle is no reason to distrust the rest."""
    chosen = select_ca_certificates([b"\x30\x03\x02\x01\x05", *PKI.bundle_der], PIN, "sha256")
    assert chosen.recipient_der == der(PKI.ra_encryption)


def test_intermediate() -> None:
    """Below a pinned root the issuing CA and its RA certificates are found; lowest first."""
    issuing = issue("CN=Issuing", rsa_key("issuing"), CA_NAME, PKI.ca_key, is_ca=True)
    leaf = issue(
        "CN=RA2",
        rsa_key("ra2"),
        "CN=Issuing",
        rsa_key("issuing"),
        uses=("key_encipherment",),
        purposes=RA_PURPOSES,
    )
    chosen = _select(PKI.ca, leaf, issuing)
    assert chosen.recipient_der == der(leaf)
    assert chosen.chain_der == (der(issuing), der(PKI.ca))
    assert _select(PKI.ca, issuing).recipient_der == der(issuing)


def test_pinned_intermediate() -> None:
    """A pin on the issuing CA makes that the anchor; the root above it plays no role."""
    issuing = issue("CN=Issuing", rsa_key("issuing"), CA_NAME, PKI.ca_key, is_ca=True)
    chosen = select_ca_certificates(
        [der(PKI.ca), der(issuing)], fingerprint(der(issuing), "sha256"), "sha256"
    )
    assert chosen.anchor_der == der(issuing)
    assert chosen.chain_der == (der(issuing),)


def test_pinned_end_entity() -> None:
    """A pin on an RA certificate makes it recipient and signer, and trusts nothing else."""
    below = issue("CN=Below", rsa_key("mallory"), "CN=RA", PKI.ra_encryption_key)
    chosen = select_ca_certificates(
        [*PKI.bundle_der, der(below)], fingerprint(der(PKI.ra_encryption), "sha256"), "sha256"
    )
    assert chosen.anchor_der == chosen.recipient_der == der(PKI.ra_encryption)
    assert chosen.signers_der == (der(PKI.ra_encryption),)
    assert der(PKI.ra_signing) not in chosen.signers_der


def test_without_key_usage() -> None:
    """An RA that does not say what it may do comes before the CA, after one that does."""
    silent = PKI.issue_ra(rsa_key("silent"), uses=())
    assert _select(silent, PKI.ca).recipient_der == der(silent)
    assert _select(silent, PKI.ca, PKI.ra_encryption).recipient_der == der(PKI.ra_encryption)
    assert der(silent) in _select(silent, PKI.ca).signers_der


def test_wrong_key_usage_can_be_ignored() -> None:
    """A server whose only RA certificate says digitalSignature is used by explicit wish."""
    assert _select(PKI.ra_signing, PKI.ca).recipient_der == der(PKI.ca)
    chosen = _select(PKI.ra_signing, PKI.ca, ra_rule=RaRule(ignores_key_usage=True))
    assert chosen.recipient_der == der(PKI.ra_signing)


def test_ec_keys_receive_nothing() -> None:
    """An EC RA cannot be enveloped for; with nothing else the selection fails with the cause."""
    ra = issue("CN=EC RA", ec_key("ra"), CA_NAME, PKI.ca_key)
    assert _select(ra, PKI.ca).recipient_der == der(PKI.ca)
    ca = issue("CN=EC CA", ec_key("ca"), "CN=EC CA", ec_key("ca"), is_ca=True)
    with pytest.raises(SignatureInvalidError, match="RSA"):
        select_ca_certificates([der(ca)], fingerprint(der(ca), "sha256"), "sha256")


def test_the_newest_of_several() -> None:
    """During a change of RA certificates the newer one receives, and is the first to sign."""
    newer = PKI.issue_ra(rsa_key("newer"), starts_at=NOW)
    chosen = _select(PKI.ra_encryption, newer, PKI.ra_signing, PKI.ca)
    assert chosen.recipient_der == der(newer)
    assert chosen.signers_der == (der(newer), der(PKI.ra_signing), der(PKI.ca))


def test_of_equal_age_one_is_chosen_whatever_the_order() -> None:
    """Certificates of one moment: the one that ends last, then the one with the greater bytes."""
    twins = [PKI.issue_ra(rsa_key(f"twin {n}"), starts_at=NOW) for n in range(3)]
    longer = PKI.issue_ra(rsa_key("longer"), starts_at=NOW, lifetime_days=400)
    for order in itertools.permutations([*twins, PKI.ca]):
        assert _select(*order).recipient_der == max(map(der, twins))
        assert _select(*order, longer).recipient_der == der(longer)
        assert _select(longer, *order) == _select(*order, longer)


def test_issuing_cas_of_one_root_in_any_order() -> None:
    """Among several issuing CAs without RAs the newest receives, whatever the order."""
    older, newer = (
        issue(
            f"CN=Issuing {n}",
            rsa_key(f"issuing {n}"),
            CA_NAME,
            PKI.ca_key,
            is_ca=True,
            starts_at=NOW + timedelta(days=n),
        )
        for n in range(2)
    )
    for order in itertools.permutations([older, newer, PKI.ca]):
        chosen = _select(*order)
        assert chosen.recipient_der == der(newer)
        assert chosen.chain_der == (der(newer), der(older), der(PKI.ca))


def test_expired_ra() -> None:
    """With the time given, an expired RA stops the enrollment unless another one is valid."""
    late = NOW + timedelta(days=500)
    with pytest.raises(SignatureInvalidError, match="RA certificate CN=RA is not valid now"):
        _select(*map(x509.load_der_x509_certificate, PKI.bundle_der), now=late)
    fresh = issue(
        "CN=RA",
        rsa_key("newer"),
        CA_NAME,
        PKI.ca_key,
        uses=("key_encipherment", "digital_signature"),
        purposes=RA_PURPOSES,
        starts_at=late,
    )
    chosen = _select(PKI.ra_encryption, PKI.ra_signing, fresh, PKI.ca, now=late)
    assert chosen.recipient_der == der(fresh)
    assert chosen.signers_der == (der(fresh), der(PKI.ca))


def test_skew_of_the_clock() -> None:
    """A device a little ahead or behind still uses the certificate."""
    end = PKI.ra_encryption.not_valid_after_utc
    for skew_s, is_fine in ((30.0, False), (90.0, True)):
        moment = end + timedelta(seconds=60)
        if is_fine:
            assert _select(PKI.ca, PKI.ra_encryption, now=moment, skew_s=skew_s)
        else:
            with pytest.raises(SignatureInvalidError, match="not valid now"):
                _select(PKI.ca, PKI.ra_encryption, now=moment, skew_s=skew_s)


def test_sha1_signatures_need_the_floor() -> None:
    """An RA certificate signed with SHA-1 chains at floor ndes only."""
    old = resign(PKI.ra_encryption, PKI.ca_key, Digest.SHA1)
    bundle = [old, der(PKI.ca)]
    assert select_ca_certificates(bundle, PIN, "sha256").recipient_der == der(PKI.ca)
    chosen = select_ca_certificates(bundle, PIN, "sha256", floor=Floor.NDES)
    assert chosen.recipient_der == old


# --- Which certificates of the CA are its RA ------------------------------------------------------

CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
ANY_PURPOSE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
DEVICE = PKI.issue("CN=mallory.example", rsa_key("mallory"), purposes=(CLIENT_AUTH,))


@pytest.mark.covers("C-04")
@pytest.mark.parametrize("purposes", [(), (CLIENT_AUTH,), (ANY_PURPOSE,)])
@pytest.mark.parametrize("uses", [("key_encipherment",), ("data_encipherment",), ()])
def test_a_device_of_the_ca_receives_nothing(
    purposes: tuple[x509.ObjectIdentifier, ...], uses: tuple[str, ...]
) -> None:
    """A certificate the CA gave to somebody is refused by name, with what it lacks."""
    device = PKI.issue("CN=mallory.example", rsa_key("mallory"), uses=uses, purposes=purposes)
    with pytest.raises(UnauthorizedRaError) as caught:
        _select(device, PKI.ca)
    text = str(caught.value)
    assert "CN=mallory.example" in text
    assert fingerprint(der(device), "sha256").hex().upper() in text
    assert CERTIFICATE_REQUEST_AGENT.dotted_string in text
    assert CMC_RA.dotted_string in text


@pytest.mark.covers("C-04")
def test_a_device_of_the_ca_signs_nothing() -> None:
    """Beside a CA that receives itself, a device's signing certificate gets no role at all."""
    device = PKI.issue("CN=mallory.example", rsa_key("mallory"), uses=("digital_signature",))
    chosen = _select(device, PKI.ca)
    assert chosen.recipient_der == der(PKI.ca)
    assert chosen.signers_der == (der(PKI.ca),)


@pytest.mark.covers("C-04", "T-13")
def test_a_newer_device_does_not_displace_the_ra() -> None:
    """Beside the RA a newer device's certificate is passed over, as recipient and as signer."""
    device = PKI.issue("CN=mallory.example", rsa_key("mallory"), starts_at=NOW)
    triple = [PKI.ca, PKI.ra_signing, PKI.ra_encryption]
    assert _select(device, *triple) == _select(*triple)


@pytest.mark.parametrize("mark", [CERTIFICATE_REQUEST_AGENT, CMC_RA])
def test_either_purpose_marks_an_ra(mark: x509.ObjectIdentifier) -> None:
    """Certificate Request Agent and cmcRA count alike, also among other purposes."""
    ra = PKI.issue("CN=RA", rsa_key("ra2"), purposes=(CLIENT_AUTH, mark))
    chosen = _select(ra, PKI.ca)
    assert chosen.recipient_der == der(ra)
    assert chosen.signers_der == (der(ra), der(PKI.ca))
    assert chosen.unmarked_der == ()


def test_a_mark_of_another_ca_counts_for_nothing() -> None:
    """The mark is the CA's word: in a certificate that does not chain it says nothing."""
    forged = issue("CN=RA", rsa_key("mallory"), CA_NAME, rsa_key("mallory"), purposes=RA_PURPOSES)
    assert _select(forged, PKI.ca).recipient_der == der(PKI.ca)


def test_a_mark_that_cannot_be_read_is_none() -> None:
    """A certificate that has the extension twice is not taken for an RA's."""
    purposes = x509.ExtendedKeyUsage([CERTIFICATE_REQUEST_AGENT]).public_bytes()
    extension = to_tlv(Extension(extension_id=ExtensionOID.EXTENDED_KEY_USAGE, value=purposes))
    twice = resign(PKI.ra_encryption, PKI.ca_key, Digest.SHA256, extensions=[extension] * 2)
    with pytest.raises(UnauthorizedRaError):
        select_ca_certificates([twice, der(PKI.ca)], PIN, "sha256")


def test_a_pinned_ra_needs_no_mark() -> None:
    """A pinned fingerprint makes an RA of a certificate that does not say so."""
    rule = RaRule(pinned_sha256=(fingerprint(der(DEVICE), "sha256"),))
    chosen = _select(DEVICE, PKI.ca, ra_rule=rule)
    assert chosen.recipient_der == der(DEVICE)
    assert chosen.signers_der == (der(DEVICE), der(PKI.ca))
    assert chosen.unmarked_der == ()


def test_pinned_ras_are_the_only_ones() -> None:
    """With pins the mark counts no more: an RA that is not among them is refused by name."""
    rule = RaRule(pinned_sha256=(fingerprint(der(PKI.ra_encryption), "sha256"),))
    chosen = _select(PKI.ra_encryption, PKI.ra_signing, PKI.ca, ra_rule=rule)
    assert chosen.recipient_der == der(PKI.ra_encryption)
    assert chosen.signers_der == (der(PKI.ca),)
    other = RaRule(pinned_sha256=(bytes(32),))
    with pytest.raises(UnauthorizedRaError, match="lacks a pinned SHA-256 fingerprint"):
        _select(PKI.ra_encryption, PKI.ca, ra_rule=other)


def test_a_pinned_ra_has_to_chain() -> None:
    """A pin replaces the mark, not the CA's signature."""
    forged = issue("CN=RA", rsa_key("mallory"), CA_NAME, rsa_key("mallory"))
    rule = RaRule(pinned_sha256=(fingerprint(der(forged), "sha256"),))
    assert _select(forged, PKI.ca, ra_rule=rule).recipient_der == der(PKI.ca)


def test_every_rule_accepts_the_ca() -> None:
    """A CA that receives and signs itself works under every rule."""
    for rule in (RaRule(), RaRule(pinned_sha256=(bytes(32),)), RaRule(any_certificate=True)):
        chosen = _select(PKI.ca, ra_rule=rule)
        assert chosen.recipient_der == der(PKI.ca)
        assert chosen.signers_der == (der(PKI.ca),)
        assert chosen.unmarked_der == ()


def test_any_certificate_on_demand() -> None:
    """The opt-out takes what is refused otherwise, and says which certificates it let in."""
    rule = RaRule(any_certificate=True)
    chosen = _select(DEVICE, PKI.ca, ra_rule=rule)
    assert chosen.recipient_der == der(DEVICE)
    assert chosen.unmarked_der == (der(DEVICE),)
    assert _select(PKI.ra_encryption, PKI.ra_signing, PKI.ca, ra_rule=rule).unmarked_der == ()


@pytest.mark.covers("C-04")
def test_a_certificate_with_the_name_of_the_ca_is_no_ca() -> None:
    """Who got a certificate under the CA's own name, without basicConstraints, issues nothing."""
    namesake = issue(
        CA_NAME, rsa_key("mallory"), CA_NAME, PKI.ca_key, uses=("digital_signature",), is_ca=None
    )
    below = issue("CN=RA", rsa_key("below"), CA_NAME, rsa_key("mallory"), purposes=RA_PURPOSES)
    chosen = _select(namesake, below, PKI.ca)
    assert chosen.recipient_der == der(PKI.ca)
    assert chosen.signers_der == (der(PKI.ca),)
