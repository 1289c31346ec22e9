"""Certificate bundles in every packing."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.asn1 import SetOf, encode_der
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from sceplab_scep import oids
from sceplab_scep.ber import MAX_MESSAGE_BYTES
from sceplab_scep.cms import EncapsulatedContentInfo, SignedContentInfo, SignedData, wrap_der
from sceplab_scep.degenerate import build_certs_only, read_certs_only
from sceplab_scep.errors import MalformedMessageError
from tests.support.pki import der, device_certificate, lab_pki, pem
from tests.support.vectors import definite, indefinite, parse

PKI = lab_pki()
TRIPLE = [PKI.ra_signing, PKI.ra_encryption, PKI.ca]
BUNDLE = build_certs_only(TRIPLE)


def _armour(data: bytes, label: str, ending: str = "\n") -> bytes:
    body = base64.encodebytes(data).decode().rstrip("\n").replace("\n", ending)
    return f"-----BEGIN {label}-----{ending}{body}{ending}-----END {label}-----{ending}".encode()


def test_order_is_kept() -> None:
    """The certificates stand as given; sorting is by wish."""
    for certificates in (TRIPLE, TRIPLE[::-1]):
        assert read_certs_only(build_certs_only(certificates)) == certificates
    assert read_certs_only(build_certs_only(TRIPLE, sorted_set=True)) == sorted(TRIPLE, key=der)


def test_written_form() -> None:
    """Version 1, empty sets, no content, no CRLs."""
    bundle = wrap_der(BUNDLE).parse(SignedContentInfo)
    assert bundle.content_type == oids.SIGNED_DATA
    assert bundle.content.version == 1
    assert bundle.content.digest_algorithms == SetOf([])
    assert bundle.content.signer_infos == SetOf([])
    assert bundle.content.encap_content_info.content is None
    assert bundle.content.encap_content_info.content_type == oids.DATA
    assert bundle.content.crls is None


def test_the_library_agrees() -> None:
    """cryptography reads our sorted bundles as DER, and we read its bundles."""
    by_der = sorted(TRIPLE, key=der)
    sorted_bundle = build_certs_only(TRIPLE, sorted_set=True)
    assert pkcs7.load_der_pkcs7_certificates(sorted_bundle) == by_der
    theirs = pkcs7.serialize_certificates(TRIPLE, Encoding.DER)
    assert set(read_certs_only(theirs)) == set(TRIPLE)
    armoured = pkcs7.serialize_certificates(TRIPLE, Encoding.PEM)
    assert set(read_certs_only(armoured)) == set(TRIPLE)


def test_leaf_first_is_no_der() -> None:
    """A set that keeps another order than DER's is read by the library as BER, with a warning."""
    against_der = sorted(TRIPLE, key=der, reverse=True)
    with pytest.warns(UserWarning, match="falling back to parsing as BER"):
        read = pkcs7.load_der_pkcs7_certificates(build_certs_only(against_der))
    assert read == against_der


@pytest.mark.covers("T-15", "T-29")
@pytest.mark.parametrize(
    "packed",
    [
        BUNDLE,
        _armour(BUNDLE, "PKCS7"),
        _armour(BUNDLE, "CMS", "\r\n"),
        base64.b64encode(BUNDLE),
        base64.encodebytes(BUNDLE),
        b"\r\n" + base64.b64encode(BUNDLE) + b"\n",
        b"".join(pem(certificate) for certificate in TRIPLE),
        b"subject=CN = RA\n\n" + b"".join(pem(certificate) for certificate in TRIPLE),
    ],
    ids=["der", "pem", "cms pem", "base64", "base64 lines", "spaces", "pem list", "comments"],
)
def test_packings(packed: bytes) -> None:
    """DER, PEM, bare base64 and a row of PEM certificates give the same list."""
    assert read_certs_only(packed) == TRIPLE


@pytest.mark.covers("T-29")
@pytest.mark.parametrize(
    "packed", [der(PKI.ca), pem(PKI.ca), base64.b64encode(der(PKI.ca)), build_certs_only([PKI.ca])]
)
def test_one_certificate(packed: bytes) -> None:
    """A bare certificate is a bundle of one, and a bundle of one is a certificate."""
    assert read_certs_only(packed) == [PKI.ca]


@pytest.mark.covers("T-22")
def test_indefinite_lengths() -> None:
    """BER around DER certificates."""
    root = parse(BUNDLE)
    signed_data = root.children[1].children[0]
    inner = b"".join(definite(node.tag, node.content) for node in signed_data.children)
    oid = definite(root.children[0].tag, root.children[0].content)
    odd = indefinite(0x30, oid + indefinite(0xA0, indefinite(0x30, inner)))
    assert read_certs_only(odd) == TRIPLE


def _bundle(**changes: object) -> bytes:
    values: dict[str, object] = {
        "version": 1,
        "digest_algorithms": SetOf([]),
        "encap_content_info": EncapsulatedContentInfo(content_type=oids.DATA),
        "certificates": [wrap_der(der(PKI.ca))],
        "signer_infos": SetOf([]),
    }
    data = SignedData(**(values | changes))  # type: ignore[arg-type]
    return encode_der(SignedContentInfo(content_type=oids.SIGNED_DATA, content=data))


def test_odd_bundles() -> None:
    """Version 3, an empty content, CRLs and other kinds of certificates do no harm."""
    empty = EncapsulatedContentInfo(content_type=oids.DATA, content=b"")
    crl = [wrap_der(b"\x30\x03\x02\x01\x05")]
    mixed = [
        wrap_der(b"\xa2\x03\x02\x01\x05"),
        wrap_der(b"\x30\x03\x02\x01\x05"),
        wrap_der(der(PKI.ca)),
    ]
    for odd in (
        _bundle(version=3),
        _bundle(encap_content_info=empty),
        _bundle(crls=crl),
        _bundle(certificates=mixed),
    ):
        assert read_certs_only(odd) == [PKI.ca]


def test_empty_bundle() -> None:
    """No certificates are an empty list."""
    assert read_certs_only(build_certs_only([])) == []


def test_nothing_readable() -> None:
    """Certificates of which none can be read are an error, not an empty list."""
    with pytest.raises(MalformedMessageError, match="no certificate of the bundle"):
        read_certs_only(_bundle(certificates=[wrap_der(b"\x30\x03\x02\x01\x05")]))


@pytest.mark.parametrize(
    ("noise", "text"),
    [
        (b"", "it is empty"),
        (b"<html>404</html>", "it is a web page"),
        (b"\x30\x00", "no certificate bundle"),
        (b"\x30", "no certificate bundle"),
        (b"not/base64!", "no certificate bundle"),
        (base64.b64encode(b"something else"), "no certificate bundle"),
        (b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----", "neither DER nor base64"),
        (der(device_certificate())[:-1], "no certificate bundle"),
    ],
)
def test_neither(noise: bytes, text: str) -> None:
    """Anything else is malformed and says what was expected."""
    with pytest.raises(MalformedMessageError, match=text):
        read_certs_only(noise)


def test_another_cms_type() -> None:
    """The structure of a bundle under another type is none."""
    bundle = wrap_der(BUNDLE).parse(SignedContentInfo)
    bundle.content_type = x509.ObjectIdentifier("1.2.840.113549.1.7.6")
    with pytest.raises(MalformedMessageError, match="no certificate bundle"):
        read_certs_only(encode_der(bundle))


@pytest.mark.covers("C-46")
def test_size_is_bounded() -> None:
    """A bundle beyond the limit is not looked at."""
    with pytest.raises(MalformedMessageError, match="at most"):
        read_certs_only(b"\x30" * (MAX_MESSAGE_BYTES + 1))
