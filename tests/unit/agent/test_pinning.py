"""The judge of CA certificates, by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sceplab_agent.core.events import TransportFailed
from sceplab_agent.core.pinning import CaVerdict, fingerprint_hex, judge_ca_certificates
from sceplab_agent.core.policy import CaPin, PinAlgorithm, UnpinnedCa
from sceplab_agent.core.values import TrustedCa
from sceplab_agent.core.verdicts import CaDistrusted, CaTrusted, CaUnpinned
from tests.support.core import FULL, OTHER_PKI, PKI, T0, Pki, policy


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
