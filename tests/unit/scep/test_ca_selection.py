"""Roles of the certificates in a GetCACert answer."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from cryptography import x509

from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.certificates import CaSelection, fingerprint, select_ca_certificates
from sceplab_scep.errors import SignatureInvalidError
from tests.support.pki import CA_NAME, NOW, der, ec_key, issue, lab_pki, rsa_key
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
        "CN=RA2", rsa_key("ra2"), "CN=Issuing", rsa_key("issuing"), uses=("key_encipherment",)
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
    silent = issue("CN=Silent", rsa_key("silent"), CA_NAME, PKI.ca_key)
    assert _select(silent, PKI.ca).recipient_der == der(silent)
    assert _select(silent, PKI.ca, PKI.ra_encryption).recipient_der == der(PKI.ra_encryption)
    assert der(silent) in _select(silent, PKI.ca).signers_der


def test_wrong_key_usage_can_be_ignored() -> None:
    """A server whose only RA certificate says digitalSignature is used by explicit wish."""
    assert _select(PKI.ra_signing, PKI.ca).recipient_der == der(PKI.ca)
    chosen = _select(PKI.ra_signing, PKI.ca, ignore_key_usage=True)
    assert chosen.recipient_der == der(PKI.ra_signing)


def test_ec_keys_receive_nothing() -> None:
    """An EC RA cannot be enveloped for; with nothing else the selection fails with the cause."""
    ra = issue("CN=EC RA", ec_key("ra"), CA_NAME, PKI.ca_key)
    assert _select(ra, PKI.ca).recipient_der == der(PKI.ca)
    ca = issue("CN=EC CA", ec_key("ca"), "CN=EC CA", ec_key("ca"), is_ca=True)
    with pytest.raises(SignatureInvalidError, match="RSA"):
        select_ca_certificates([der(ca)], fingerprint(der(ca), "sha256"), "sha256")


def test_the_newest_of_several() -> None:
    """During a change of RA certificates the newer one receives."""
    newer = issue(
        "CN=RA", rsa_key("newer"), CA_NAME, PKI.ca_key, uses=("key_encipherment",), starts_at=NOW
    )
    assert _select(PKI.ra_encryption, newer, PKI.ca).recipient_der == der(newer)


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
