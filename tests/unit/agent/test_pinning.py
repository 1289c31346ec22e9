"""The judge of CA certificates, by itself."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from sceplab_agent.core.events import TransportFailed
from sceplab_agent.core.pinning import CaVerdict, fingerprint_hex, judge_ca_certificates
from sceplab_agent.core.policy import CaPin, PinAlgorithm, UnpinnedCa
from sceplab_agent.core.values import TrustedCa
from sceplab_agent.core.verdicts import CaDistrusted, CaTrusted, CaUnpinned
from sceplab_scep.ra_rule import RaRule
from tests.support.core import FULL, OTHER_PKI, PKI, T0, Pki, policy, rsa_key


def judge(
    certificates_der: tuple[bytes, ...], stored: TrustedCa | None = None, **changes: object
) -> CaVerdict:
    """The verdict under a policy with changes."""
    return judge_ca_certificates(
        certificates_der,
        FULL,
        policy=policy(**changes),
        stored=stored,
        now=T0,
        is_clock_set=True,
    )


@pytest.mark.covers("C-03", "C-04")
def test_roles_are_found_whatever_the_order() -> None:
    """RA for encryption, RA for signing and issuer are told apart by what they are for."""
    sign, decrypt, anchor = PKI.bundle
    for bundle in (PKI.bundle, PKI.bundle[::-1], (decrypt, anchor, sign)):
        verdict = judge(bundle)
        assert isinstance(verdict, CaTrusted)
        assert verdict.ca.recipient_der == decrypt
        assert verdict.ca.signers_der[0] == sign
        assert decrypt not in verdict.ca.signers_der
        assert verdict.ca.issuer_der == verdict.ca.anchor_der == anchor
        assert verdict.notes == ()


@pytest.mark.covers("C-04")
def test_strangers_in_the_bundle_are_ignored() -> None:
    """Certificates that do not chain to the anchor get no role."""
    verdict = judge((*OTHER_PKI.bundle, *PKI.bundle, b"rubbish"))
    assert isinstance(verdict, CaTrusted)
    assert not set(OTHER_PKI.bundle) & {verdict.ca.recipient_der, *verdict.ca.signers_der}


def test_a_pin_of_another_algorithm_does_not_match_by_accident() -> None:
    """A SHA-1 digest labelled SHA-256 is a mismatch, not a guess."""
    digest = PKI.pin(PinAlgorithm.SHA1).digest
    verdict = judge(PKI.bundle, pin=CaPin(algorithm=PinAlgorithm.SHA256, digest=digest))
    assert isinstance(verdict, CaDistrusted)


def test_an_ra_certificate_as_pin_is_no_anchor_for_the_ca() -> None:
    """The pin makes the match the anchor; nothing chains to an RA certificate."""
    ra = PKI.bundle[1]
    digest = bytes.fromhex(fingerprint_hex(ra))
    verdict = judge(PKI.bundle, pin=CaPin(algorithm=PinAlgorithm.SHA256, digest=digest))
    assert isinstance(verdict, CaTrusted)
    assert verdict.ca.anchor_der == verdict.ca.recipient_der == ra


def test_the_operator_is_shown_the_issuing_ca() -> None:
    """Without a pin the certificate in question is the issuer of the RAs, wherever it stands."""
    for bundle in (PKI.bundle, PKI.bundle[::-1], (PKI.anchor_der,)):
        verdict = judge(bundle, pin=None, unpinned_ca=UnpinnedCa.ASK)
        assert isinstance(verdict, CaUnpinned)
        assert verdict.ca.anchor_der == PKI.anchor_der


@pytest.mark.parametrize("bundle", [(), (b"rubbish",), PKI.bundle[:2]])
def test_an_answer_nobody_can_use(bundle: tuple[bytes, ...]) -> None:
    """Empty, unreadable or without a CA: a useless answer, no breach of trust."""
    verdict = judge(bundle, pin=None, unpinned_ca=UnpinnedCa.TOFU)
    assert isinstance(verdict, TransportFailed)
    assert not verdict.is_retryable


def test_the_stored_anchor_is_the_pin() -> None:
    """On a fetch without configured pin the anchor trusted before decides."""
    first = judge(PKI.bundle, pin=None, unpinned_ca=UnpinnedCa.TOFU)
    assert isinstance(first, CaTrusted)
    loose = {"pin": None, "unpinned_ca": UnpinnedCa.TOFU}
    again = judge(Pki(ra="renewed").bundle, first.ca, **loose)
    assert isinstance(again, CaTrusted)
    assert again.notes == ("ca.ra-changed",)
    assert isinstance(judge(OTHER_PKI.bundle, first.ca, **loose), CaDistrusted)


def test_an_unset_clock_expires_no_ra() -> None:
    """Validity is not held against a clock that is not set."""
    bundle = Pki(ra="old", ra_valid_to=T0).bundle
    for is_clock_set, kind in ((True, TransportFailed), (False, CaTrusted)):
        verdict = judge_ca_certificates(
            bundle,
            FULL,
            policy=policy(),
            stored=None,
            now=T0 + timedelta(days=1),
            is_clock_set=is_clock_set,
        )
        assert isinstance(verdict, kind)


def test_first_use_passes_over_what_cannot_be_read() -> None:
    """Noise in the bundle is no reason to refuse a first use, as it is none below a pin."""
    for bundle in ((b"rubbish", *PKI.bundle), (*PKI.bundle, b"rubbish")):
        for unpinned_ca, kind in ((UnpinnedCa.TOFU, CaTrusted), (UnpinnedCa.ASK, CaUnpinned)):
            verdict = judge(bundle, pin=None, unpinned_ca=unpinned_ca)
            assert isinstance(verdict, kind)
            assert verdict.ca.anchor_der == PKI.anchor_der


@pytest.mark.covers("C-04")
@pytest.mark.parametrize("unpinned_ca", list(UnpinnedCa))
def test_a_device_of_the_ca_as_ra_is_a_breach_of_trust(unpinned_ca: UnpinnedCa) -> None:
    """Pinned or not, a bundle whose only RA is somebody's device is refused, with the settings."""
    device = PKI.issue(rsa_key("mallory"))
    pin = PKI.pin() if unpinned_ca is UnpinnedCa.REFUSE else None
    verdict = judge((device, PKI.anchor_der), pin=pin, unpinned_ca=unpinned_ca)
    assert isinstance(verdict, CaDistrusted)
    assert "CN=router1.example.net" in verdict.reason
    assert fingerprint_hex(device) in verdict.reason
    for word in ("Certificate Request Agent", "ra_fingerprints", "any_certificate_may_be_ra"):
        assert word in verdict.reason


def test_a_name_full_of_escapes_is_made_harmless() -> None:
    """The refused certificate's name, somebody's choice, cannot draw on the operator's screen."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a\x1b[2J" + "c" * 50)])
    device = PKI.issue(rsa_key("mallory"), subject=name)
    verdict = judge((device, PKI.anchor_der))
    assert isinstance(verdict, CaDistrusted)
    assert verdict.reason.isprintable()
    assert "ra_fingerprints" in verdict.reason


def test_the_opt_out_is_noted_each_time() -> None:
    """A certificate that only the opt-out lets in is a warning, on the first use and later."""
    bundle = (PKI.issue(rsa_key("mallory")), PKI.anchor_der)
    any_rule = {"ra_rule": RaRule(any_certificate=True)}
    first = judge(bundle, **any_rule)
    assert isinstance(first, CaTrusted)
    assert first.notes == ("ca.unmarked-ra",)
    again = judge(bundle, first.ca, **any_rule)
    assert isinstance(again, CaTrusted)
    assert again.notes == ("ca.unmarked-ra",)
    marked = judge(PKI.bundle, **any_rule)
    assert isinstance(marked, CaTrusted)
    assert marked.notes == ()


def test_another_order_is_no_change_of_ras() -> None:
    """A server that shuffles its answer has not changed its RA certificates."""
    renewed = Pki(ra="renewed").bundle
    first = judge((*renewed, *PKI.bundle))
    assert isinstance(first, CaTrusted)
    for order in itertools.permutations((*renewed[:2], *PKI.bundle)):
        verdict = judge(order, first.ca)
        assert isinstance(verdict, CaTrusted)
        assert verdict.notes == ()
