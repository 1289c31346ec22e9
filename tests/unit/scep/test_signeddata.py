"""SignedData: order, digests and signatures, over the bytes received."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.asn1 import encode_der

from sceplab_scep import oids
from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.certificates import self_signed_certificate
from sceplab_scep.cms import SignedContentInfo, wrap_der
from sceplab_scep.errors import (
    MalformedMessageError,
    RemoteProtocolError,
    SignatureInvalidError,
    UnsupportedAlgorithmError,
)
from sceplab_scep.signeddata import (
    build_signed_data,
    carried_certificates,
    find_certificate,
    parse_signed_data,
    verify_signed_data,
)
from sceplab_scep.x509fields import fields_of
from tests.support.pki import (
    CA_NAME,
    LocalKey,
    der,
    device_certificate,
    ec_key,
    issue,
    lab_pki,
    rsa_key,
)
from tests.support.vectors import (
    SIGNED_ATTRIBUTES,
    Craft,
    as_jscep_writes,
    attribute,
    replace_element,
    resign,
    scep_attributes,
    text,
    unsorted_set,
    with_long_lengths,
    without,
)

PKI = lab_pki()


def _verify(
    message: bytes,
    *,
    certificate: x509.Certificate | None = None,
    floor: Floor = Floor.MODERN,
) -> tuple[str, ...]:
    received = parse_signed_data(message)
    verify_signed_data(received, certificate or device_certificate(), floor, "client")
    return tuple(received.deviations)


def _build(key: LocalKey, certificate: x509.Certificate, digest: Digest, **more: bool) -> bytes:
    return build_signed_data(
        b"content",
        scep_attributes(),
        signer=key,
        signer_certificate=certificate,
        digest=digest,
        certificates=[certificate, PKI.ca],
        **more,
    )


@pytest.mark.parametrize("digest", list(Digest))
@pytest.mark.parametrize("names_digest", [False, True])
def test_every_digest(digest: Digest, names_digest: bool) -> None:
    """What is built verifies, under both names of the signature algorithm."""
    message = _build(
        rsa_key("device"), device_certificate(), digest, names_digest_in_signature=names_digest
    )
    received = parse_signed_data(message)
    assert verify_signed_data(received, device_certificate(), Floor.LAB, "client") is digest
    assert received.deviations == []
    signature_oid = received.signer_info.signature_algorithm.algorithm
    expected = oids.RSA_SIGNATURES[digest] if names_digest else oids.RSA_ENCRYPTION
    assert signature_oid == expected


def test_ec_signer() -> None:
    """An EC key signs with ECDSA, always named with its digest."""
    certificate = self_signed_certificate(
        device_certificate().subject,
        ec_key("device"),
        now=device_certificate().not_valid_before_utc,
        digest=Digest.SHA256,
    )
    message = _build(ec_key("device"), certificate, Digest.SHA256)
    assert _verify(message, certificate=certificate) == ()
    signature = parse_signed_data(message).signer_info.signature_algorithm
    assert signature.algorithm == oids.ECDSA_SIGNATURES[Digest.SHA256]


@pytest.mark.covers("M-12", "M-03", "T-20", "T-21")
def test_written_form() -> None:
    """Versions 1, signer by issuer and serial number, attributes sorted and single, all there."""
    message = _build(rsa_key("device"), device_certificate(), Digest.SHA256)
    signed_data = wrap_der(message).parse(SignedContentInfo).content
    (signer_info,) = signed_data.signer_infos.as_list()
    assert signed_data.version == signer_info.version == 1
    name = fields_of(device_certificate()).name
    assert encode_der(signer_info.sid) == encode_der(name)
    received = parse_signed_data(message)
    assert received.deviations == []
    assert {oids.CONTENT_TYPE, oids.MESSAGE_DIGEST} < set(received.attributes)
    assert len(received.attributes) == 2 + len(scep_attributes())


def test_certificates_keep_their_order() -> None:
    """The certificates are sent as given and read as sent, other kinds left out."""
    message = _build(rsa_key("device"), device_certificate(), Digest.SHA256)
    carried = carried_certificates(parse_signed_data(message).signed_data)
    assert carried == [device_certificate(), PKI.ca]
    mixed = Craft(
        carried=[
            wrap_der(b"\xa1\x03\x02\x01\x05"),
            wrap_der(der(PKI.ca)),
            wrap_der(b"\x30\x03\x02\x01\x05"),
            wrap_der(der(device_certificate())),
        ]
    ).build()
    assert carried_certificates(parse_signed_data(mixed).signed_data) == [
        PKI.ca,
        device_certificate(),
    ]


@pytest.mark.covers("T-22")
def test_ber_as_jscep_writes_it() -> None:
    """Indefinite lengths and a content in segments: the digest is over the joined content."""
    message = Craft(content=bytes(3000)).build()
    odd = as_jscep_writes(message)
    assert parse_signed_data(odd).content == bytes(3000)
    assert _verify(odd) == ("BER, not DER",)


@pytest.mark.covers("T-22")
def test_attributes_in_ber() -> None:
    """Attributes sent in BER but signed in DER verify, and that is reported."""
    deviations = _verify(with_long_lengths(Craft().build()))
    assert deviations[0] == "BER, not DER"
    assert len(deviations) == 2


def test_sets_out_of_order() -> None:
    """digestAlgorithms in any order are read."""
    message = Craft(listed_digests=[Digest.SHA256, Digest.SHA1]).build()
    assert _verify(unsorted_set(message, (1, 0, 1))) == ("BER, not DER",)


def test_attributes_out_of_order_signed_as_sent() -> None:
    """A signer that signs its own order verifies; the order is reported."""
    attributes = sorted(scep_attributes(), key=encode_der, reverse=True)
    message = Craft(attributes=attributes, keeps_order=True).build()
    assert _verify(message) == ("signed attributes are not in DER order",)


def test_attributes_out_of_order_signed_in_order() -> None:
    """A signer that sends one order and signs the other verifies; both are reported."""
    attributes = sorted(scep_attributes(), key=encode_der, reverse=True)
    message = Craft(attributes=attributes, keeps_order=True, signs_der_order=True).build()
    deviations = _verify(message)
    assert deviations[0] == "signed attributes are not in DER order"
    assert len(deviations) == 2


def test_content_changed() -> None:
    """A changed content does not have the digest that was signed."""
    message = Craft().build().replace(b"content", b"kontent")
    with pytest.raises(SignatureInvalidError, match="digest") as caught:
        _verify(message)
    assert caught.value.attribute == "messageDigest"


@pytest.mark.parametrize("stated", [bytes(32), b"", b"short"])
def test_wrong_digest_attribute(stated: bytes) -> None:
    """A signed digest of something else is refused."""
    attributes = [
        *scep_attributes(),
        attribute(oids.CONTENT_TYPE, oids.DATA),
        attribute(oids.MESSAGE_DIGEST, stated),
    ]
    with pytest.raises(SignatureInvalidError, match="digest"):
        _verify(Craft(attributes=attributes, cms_attributes=False).build())


def test_digest_attribute_of_another_type() -> None:
    """A digest that is no OCTET STRING is none."""
    attributes = [
        *scep_attributes(),
        attribute(oids.CONTENT_TYPE, oids.DATA),
        attribute(oids.MESSAGE_DIGEST, text("digest")),
    ]
    with pytest.raises(SignatureInvalidError, match="digest"):
        _verify(Craft(attributes=attributes, cms_attributes=False).build())


@pytest.mark.covers("T-20")
def test_missing_content_type() -> None:
    """The contentType attribute is mandatory; the error names it."""
    whole = Craft()
    attributes = [
        *whole.attributes,
        attribute(
            oids.MESSAGE_DIGEST,
            bytes.fromhex("ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"),
        ),
    ]
    with pytest.raises(SignatureInvalidError, match="contentType") as caught:
        _verify(Craft(attributes=attributes, cms_attributes=False).build())
    assert caught.value.attribute == "contentType"


def test_attribute_changed() -> None:
    """A changed attribute breaks the signature."""
    message = Craft().build().replace(b"6F1A2B3C", b"6F1A2B3D")
    with pytest.raises(SignatureInvalidError, match="does not verify with the key of CN=router1"):
        _verify(message)


def test_another_key() -> None:
    """The key of another certificate does not verify the message."""
    with pytest.raises(SignatureInvalidError, match="does not verify"):
        _verify(Craft().build(), certificate=PKI.ca)


def test_key_type_that_cannot_have_signed() -> None:
    """An EC key does not verify an RSA signature."""
    ec_certificate = issue("CN=EC", ec_key("x"), CA_NAME, PKI.ca_key)
    with pytest.raises(SignatureInvalidError, match="does not verify"):
        _verify(Craft().build(), certificate=ec_certificate)


def test_digest_not_listed() -> None:
    """SignedData and SignerInfo have to name the same digest."""
    with pytest.raises(SignatureInvalidError, match="not among those of the message"):
        _verify(Craft(listed_digests=[Digest.SHA512]).build())


def test_signature_with_another_digest() -> None:
    """SignerInfo's digest and signature algorithm have to agree."""
    message = Craft(
        signature_oid=oids.RSA_SIGNATURES[Digest.SHA512], signed_with=Digest.SHA512
    ).build()
    with pytest.raises(SignatureInvalidError, match="digests with sha256 and signs with sha512"):
        _verify(message)


def test_signature_secretly_with_another_digest() -> None:
    """Behind rsaEncryption the digest is the one SignerInfo names, no other."""
    with pytest.raises(SignatureInvalidError, match="does not verify"):
        _verify(Craft(signed_with=Digest.SHA1).build(), floor=Floor.LAB)


@pytest.mark.covers("F-06")
@pytest.mark.parametrize(
    ("oid", "name"),
    [(oids.RSASSA_PSS, "RSASSA-PSS"), (oids.RSAES_OAEP, "1.2.840.113549.1.1.7")],
)
def test_unknown_signature_algorithm(oid: x509.ObjectIdentifier, name: str) -> None:
    """Named, and refused at every floor."""
    with pytest.raises(UnsupportedAlgorithmError) as caught:
        _verify(Craft(signature_oid=oid).build(), floor=Floor.LAB)
    assert caught.value.algorithm == f"signature algorithm {name}"
    assert caught.value.allowed_by is None


def test_unknown_digest() -> None:
    """A digest nobody knows is named by its OID."""
    unknown = x509.ObjectIdentifier("1.2.840.113549.2.2")
    with pytest.raises(UnsupportedAlgorithmError, match=r"digest 1\.2\.840\.113549\.2\.2"):
        _verify(Craft(digest_oid=unknown).build(), floor=Floor.LAB)


@pytest.mark.covers("C-14", "F-01")
@pytest.mark.parametrize(("digest", "allowed_by"), [(Digest.SHA1, "ndes"), (Digest.MD5, "lab")])
def test_floors(digest: Digest, allowed_by: str) -> None:
    """A weak digest is refused with its name, its user and the floor that would allow it."""
    message = Craft(digest=digest).build()
    with pytest.raises(UnsupportedAlgorithmError) as caught:
        _verify(message)
    error = caught.value
    assert (error.algorithm, error.allowed_by, error.peer) == (digest.value, allowed_by, "client")
    assert _verify(message, floor=Floor(allowed_by)) == ()


@pytest.mark.covers("M-01")
def test_other_content_types() -> None:
    """The message is SignedData, and what is signed is of type data."""
    with pytest.raises(MalformedMessageError, match="not SignedData"):
        parse_signed_data(Craft(outer_type=oids.ENVELOPED_DATA).build())
    with pytest.raises(MalformedMessageError, match="not of type data"):
        parse_signed_data(Craft(content_type=oids.SIGNED_DATA).build())


def test_number_of_signers() -> None:
    """One signer, not two; none is a bundle and no message."""
    with pytest.raises(RemoteProtocolError, match="this has 2") as caught:
        parse_signed_data(Craft(signers=2).build())
    assert caught.value.attribute == "signerInfos"
    with pytest.raises(RemoteProtocolError, match="this has 0"):
        parse_signed_data(Craft(signers=0).build())


def test_attribute_twice() -> None:
    """No attribute comes twice, a known one or not."""
    unknown = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")
    for oid, name in ((oids.TRANSACTION_ID, "transactionID"), (unknown, "1.3.6.1.4.1.99999.1")):
        attributes = [
            *without(scep_attributes(), oid),
            attribute(oid, text("a")),
            attribute(oid, text("b")),
        ]
        with pytest.raises(RemoteProtocolError, match=f"{name} appears twice"):
            parse_signed_data(Craft(attributes=attributes).build())


def test_attribute_nobody_knows_twice_with_several_values() -> None:
    """Nor does an unknown one with several values."""
    unknown = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")
    several = [attribute(unknown, text("a"), text(last)) for last in "bc"]
    with pytest.raises(RemoteProtocolError, match="appears twice"):
        parse_signed_data(Craft(attributes=[*scep_attributes(), *several]).build())


def test_attribute_with_several_values() -> None:
    """A known attribute has one value; what others have is their business."""
    two = attribute(oids.MESSAGE_TYPE, text("19"), text("3"))
    attributes = [*without(scep_attributes(), oids.MESSAGE_TYPE), two]
    with pytest.raises(RemoteProtocolError, match="messageType has 2 values"):
        parse_signed_data(Craft(attributes=attributes).build())
    unknown = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")
    attributes = [*scep_attributes(), attribute(unknown, text("a"), text("b"))]
    assert _verify(Craft(attributes=attributes).build()) == ()


def test_no_attributes() -> None:
    """A signature without signed attributes is no SCEP message, however they are missing."""
    message = Craft().build()
    for replacement, error in ((b"", "no pkiMessage"), (b"\xa1\x02\x05\x00", "no attributes")):
        with pytest.raises(RemoteProtocolError, match=error):
            parse_signed_data(replace_element(message, SIGNED_ATTRIBUTES, replacement))
    empty = replace_element(message, SIGNED_ATTRIBUTES, b"\xa0\x00")
    with pytest.raises(SignatureInvalidError, match="contentType"):
        _verify(empty)
    noise = replace_element(message, SIGNED_ATTRIBUTES, b"\xa0\x03\x02\x01\x05")
    with pytest.raises(MalformedMessageError, match="set of signed attributes"):
        parse_signed_data(noise)


def test_attribute_of_a_structured_value() -> None:
    """An attribute nobody knows may hold a structure, in a set of any order."""
    unknown = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")
    attributes = [attribute(unknown, wrap_der(b"\x30\x00")), *scep_attributes()]
    assert _verify(Craft(attributes=attributes).build()) == ()
    message = Craft(attributes=attributes[::-1], keeps_order=True).build()
    assert _verify(message) == ("signed attributes are not in DER order",)


def test_signer_by_key_identifier() -> None:
    """A signer named by its subject key identifier is found; nobody else is taken for it."""
    ski = x509.SubjectKeyIdentifier.from_public_key(PKI.ca_key.public_key)
    found = find_certificate(ski.digest, [PKI.ra_signing, PKI.ca])
    assert found is None
    with_ski = x509.load_der_x509_certificate(
        resign(
            PKI.ca,
            PKI.ca_key,
            Digest.SHA256,
            extensions=[
                wrap_der(bytes.fromhex("301d0603551d0e04160414") + ski.digest),
            ],
        )
    )
    assert find_certificate(ski.digest, [PKI.ra_signing, with_ski]) == with_ski


@pytest.mark.covers("S-42")
def test_signer_is_found_by_name_not_position() -> None:
    """The certificate that SignerInfo names is taken, wherever it stands."""
    name = fields_of(device_certificate()).name
    assert find_certificate(name, [PKI.ca, device_certificate()]) == device_certificate()
    assert find_certificate(name, [PKI.ca, PKI.ra_signing]) is None


def test_issuer_spelled_differently() -> None:
    """A name rebuilt in another string type still finds the only certificate of that number."""
    name = fields_of(device_certificate()).name
    respelled = type(name)(
        issuer=wrap_der(PKI.ca.subject.public_bytes()), serial_number=name.serial_number
    )
    assert find_certificate(respelled, [PKI.ca, device_certificate()]) == device_certificate()
    twin = issue("CN=Twin", rsa_key("x"), CA_NAME, PKI.ca_key, serial=name.serial_number)
    other = type(name)(issuer=wrap_der(b"\x30\x00"), serial_number=name.serial_number)
    assert find_certificate(other, [twin, device_certificate()]) is None


@pytest.mark.parametrize("noise", [b"", b"\x30\x00", b"<html>", der(PKI.ca)])
def test_no_message(noise: bytes) -> None:
    """Anything else is malformed."""
    with pytest.raises(MalformedMessageError):
        parse_signed_data(noise)
