"""RFC 8894 §3.4: certificates alone in a SignedData."""

from __future__ import annotations

from asn1crypto import cms

from sceplab_scep.degenerate import build_certs_only, read_certs_only
from tests.support.pki import der, lab_pki

PKI = lab_pki()
TRIPLE = [PKI.ra_signing, PKI.ra_encryption, PKI.ca]


def test_form() -> None:
    """Version 1, no signer, no digest, no content; the certificates in the set."""
    content = cms.ContentInfo.load(build_certs_only(TRIPLE), strict=True)
    assert content["content_type"].native == "signed_data"
    bundle = content["content"]
    assert bundle["version"].native == "v1"
    assert len(bundle["digest_algorithms"]) == len(bundle["signer_infos"]) == 0
    assert bundle["encap_content_info"]["content_type"].native == "data"
    assert bundle["encap_content_info"]["content"].native is None
    assert [choice.chosen.dump() for choice in bundle["certificates"]] == [
        der(certificate) for certificate in TRIPLE
    ]


def test_made_by_another_library() -> None:
    """A bundle that asn1crypto wrote, its set sorted, is read completely."""
    bundle = cms.ContentInfo(
        {
            "content_type": "signed_data",
            "content": cms.SignedData(
                {
                    "version": "v1",
                    "digest_algorithms": [],
                    "encap_content_info": {"content_type": "data"},
                    "certificates": [
                        cms.Certificate.load(der(certificate)) for certificate in TRIPLE
                    ],
                    "signer_infos": [],
                }
            ),
        }
    ).dump()
    assert set(read_certs_only(bundle)) == set(TRIPLE)
