"""Certification requests: built, and read whatever their form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.asn1 import BitString, PrintableString, encode_der
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_scep import oids
from sceplab_scep.algorithms import Digest
from sceplab_scep.cms import (
    AlgorithmIdentifier,
    CertificationRequest,
    CertificationRequestInfo,
    SubjectPublicKeyInfo,
    to_tlv,
    wrap_der,
)
from sceplab_scep.csr import build_csr, read_csr
from sceplab_scep.errors import LocalProtocolError, MalformedMessageError
from tests.support.pki import (
    CHALLENGE,
    DEVICE_NAME,
    LocalKey,
    device_csr,
    ec_key,
    name,
    rsa_key,
)
from tests.support.vectors import (
    as_strongswan_orders,
    attribute,
    definite,
    edit_csr,
    indefinite,
    parse,
    text,
    with_challenge,
)

SAN = x509.ObjectIdentifier("2.5.29.17")


@pytest.mark.covers("M-09")
@pytest.mark.parametrize("digest", list(Digest))
def test_what_is_built_is_read(digest: Digest) -> None:
    """Subject, key, challenge and extensions come back; the signature verifies."""
    usage = x509.KeyUsage(True, False, True, False, False, False, False, False, False)
    built = build_csr(
        name(DEVICE_NAME),
        rsa_key("device"),
        digest=digest,
        challenge=CHALLENGE,
        dns_names=["router1.example.com", "r1.example.com"],
        extensions=[x509.Extension(usage.oid, True, usage)],
    )
    csr = read_csr(built)
    assert csr.der == built
    assert csr.subject == name(DEVICE_NAME)
    assert encode_der(csr.subject_element) == name(DEVICE_NAME).public_bytes()
    assert csr.public_key == rsa_key("device").public_key
    assert csr.public_key_der == rsa_key("device").spki
    assert csr.challenge == CHALLENGE
    assert csr.digest is digest
    assert csr.is_signature_valid
    assert csr.deviations == ()
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == [
        "router1.example.com",
        "r1.example.com",
    ]
    assert csr.extensions.get_extension_for_class(x509.KeyUsage).value == usage
    assert csr.extensions.get_extension_for_class(x509.KeyUsage).critical


@pytest.mark.parametrize("key", [rsa_key("device"), ec_key("device")], ids=["rsa", "ec"])
def test_the_library_agrees(key: LocalKey) -> None:
    """What is built, the library reads strictly and verifies."""
    built = build_csr(
        name(DEVICE_NAME), key, digest=Digest.SHA256, challenge="x", dns_names=["a.example"]
    )
    request = x509.load_der_x509_csr(built)
    assert request.is_signature_valid
    challenge = request.attributes.get_attribute_for_oid(oids.CHALLENGE_PASSWORD)
    assert challenge.value == b"x"
    assert read_csr(built).is_signature_valid


@pytest.mark.covers("C-10")
def test_without_challenge_and_extensions() -> None:
    """A renewal's request has neither."""
    csr = read_csr(build_csr(name(DEVICE_NAME), rsa_key("device"), digest=Digest.SHA256))
    assert csr.challenge is None
    assert csr.challenge_type == ""
    assert len(csr.extensions) == 0


@pytest.mark.covers("T-43")
@pytest.mark.parametrize(
    ("challenge", "string_type"),
    [
        (CHALLENGE, "PrintableString"),
        ("it's (plain), a+b=c?", "PrintableString"),
        ("under_score", "UTF8String"),
        ("a@b", "UTF8String"),
        ("Schlüssel", "UTF8String"),
    ],
)
def test_string_type_of_the_challenge(challenge: str, string_type: str) -> None:
    """PrintableString when every character fits, which NDES demands, else UTF8String."""
    csr = read_csr(device_csr(challenge=challenge))
    assert (csr.challenge, csr.challenge_type) == (challenge, string_type)


def test_two_alternative_names() -> None:
    """The same extension from two arguments is a mistake of the caller."""
    names = x509.SubjectAlternativeName([x509.DNSName("a.example")])
    with pytest.raises(LocalProtocolError, match="twice"):
        device_csr(dns_names=["b.example"], extensions=[x509.Extension(SAN, False, names)])


@pytest.mark.covers("T-23")
def test_attributes_out_of_order() -> None:
    """strongSwan's order, which the library refuses, is read, reported and verified as sent."""
    odd = as_strongswan_orders(device_csr(dns_names=["router1.example.com"]))
    with pytest.raises(ValueError, match="parsing"):
        x509.load_der_x509_csr(odd)
    csr = read_csr(odd)
    assert csr.is_signature_valid
    assert csr.challenge == CHALLENGE
    assert len(csr.extensions) == 1
    assert csr.deviations == ("the request's attributes are not in DER order",)
    assert csr.der == odd


def test_without_attributes_field() -> None:
    """A request that leaves the attributes out altogether is read."""

    def drop(info: CertificationRequestInfo) -> None:
        info.attributes = None

    csr = read_csr(edit_csr(device_csr(), drop))
    assert csr.challenge is None
    assert csr.is_signature_valid


@pytest.mark.covers("T-22")
def test_ber() -> None:
    """A request of indefinite length is read; the signature over its DER part verifies."""
    root = parse(device_csr())
    parts = b"".join(
        encode_der(element)
        for element in (
            wrap_der(device_csr()).parse(CertificationRequest).info,
            wrap_der(device_csr()).parse(CertificationRequest).signature_algorithm,
            wrap_der(device_csr()).parse(CertificationRequest).signature,
        )
    )
    assert len(root.children) == 3
    csr = read_csr(indefinite(0x30, parts))
    assert csr.challenge == CHALLENGE
    assert csr.deviations == ("the request is BER, not DER",)


@pytest.mark.covers("T-22")
@pytest.mark.parametrize("outer", [definite, indefinite])
def test_ber_that_was_signed_as_ber(outer: Callable[[int, bytes], bytes]) -> None:
    """A signature over lengths that are no DER verifies over the bytes as they were sent."""
    request = wrap_der(device_csr()).parse(CertificationRequest)
    info = parse(encode_der(request.info))
    parts = [definite(node.tag, node.content, length_octets=2) for node in info.children[1:]]
    odd = definite(0x30, b"\x02\x01\x00" + b"".join(parts), length_octets=3)
    signature = BitString(rsa_key("device").sign(odd, hashes.SHA256()), 0)
    whole = outer(0x30, odd + encode_der(request.signature_algorithm) + encode_der(signature))
    csr = read_csr(whole)
    assert csr.is_signature_valid
    assert csr.challenge == CHALLENGE
    assert csr.deviations == ("the request is BER, not DER",)


@pytest.mark.parametrize(
    ("encoding", "string_type"),
    [
        (b"\x0c\x02hi", "UTF8String"),
        (b"\x13\x02hi", "PrintableString"),
        (b"\x14\x02hi", "TeletexString"),
        (b"\x16\x02hi", "IA5String"),
        (b"\x1e\x04\x00h\x00i", "BMPString"),
        (b"\x1c\x08\x00\x00\x00h\x00\x00\x00i", "UniversalString"),
    ],
)
def test_challenge_in_any_string_type(encoding: bytes, string_type: str) -> None:
    """Every type of DirectoryString is decoded, and its name kept."""
    csr = read_csr(with_challenge(device_csr(), wrap_der(encoding)))
    assert (csr.challenge, csr.challenge_type) == ("hi", string_type)


def test_challenge_with_characters_it_should_not_have() -> None:
    """A PrintableString with an underscore is read as it stands."""
    assert read_csr(with_challenge(device_csr(), text("a_b"))).challenge == "a_b"


@pytest.mark.parametrize(
    "values",
    [
        [b"\x0c\x02\xff\xfe"],
        [b"\x04\x02hi"],
        [b"\x13\x02hi", b"\x13\x02ho"],
        [b"\x30\x00"],
    ],
    ids=["no UTF-8", "an OCTET STRING", "twice", "a SEQUENCE"],
)
def test_challenge_that_is_none(values: list[bytes]) -> None:
    """Refused, and the error does not quote it."""
    odd = with_challenge(device_csr(), *map(wrap_der, values))
    with pytest.raises(MalformedMessageError) as caught:
        read_csr(odd)
    assert caught.value.attribute == "challengePassword"
    assert "hi" not in str(caught.value).split()


def test_challenge_with_two_values() -> None:
    """One attribute with two values is refused."""

    def double(info: CertificationRequestInfo) -> None:
        info.attributes = [
            attribute(oids.CHALLENGE_PASSWORD, PrintableString("a"), PrintableString("b"))
        ]

    with pytest.raises(MalformedMessageError, match="more than one"):
        read_csr(edit_csr(device_csr(), double))


@pytest.mark.covers("S-49")
def test_signature_of_another_key() -> None:
    """Without proof of possession the request is read, and says so."""
    csr = read_csr(edit_csr(device_csr(), lambda _: None, key=rsa_key("mallory")))
    assert not csr.is_signature_valid


def test_changed_after_signing() -> None:
    """A changed subject breaks the signature."""
    changed = device_csr().replace(b"router1.example.com", b"router2.example.com")
    csr = read_csr(changed)
    assert csr.subject == name("CN=router2.example.com,O=Example")
    assert not csr.is_signature_valid


def test_unknown_signature_algorithm() -> None:
    """PSS and the like are not verified: reported as unknown and invalid."""
    request = wrap_der(device_csr()).parse(CertificationRequest)
    request.signature_algorithm = AlgorithmIdentifier(algorithm=oids.RSASSA_PSS)
    csr = read_csr(encode_der(request))
    assert csr.digest is None
    assert not csr.is_signature_valid


@pytest.mark.parametrize("noise", [b"", b"\x30\x00", b"-----BEGIN", b"\x30\x80\x00\x00"])
def test_no_request(noise: bytes) -> None:
    """Anything else is malformed."""
    with pytest.raises(MalformedMessageError, match="certification request"):
        read_csr(noise)


def test_a_bit_string_in_the_subject() -> None:
    """The library raises a `TypeError` for it; the request is malformed like any other."""

    def spoil(info: CertificationRequestInfo) -> None:
        subject = bytes.fromhex("300d310b3009060355040303020041")
        info.subject = wrap_der(subject)

    with pytest.raises(MalformedMessageError, match="certification request"):
        read_csr(edit_csr(device_csr(), spoil))


def test_broken_extensions() -> None:
    """An extension that cannot be decoded makes the request unreadable, not the reader fall."""

    def spoil(info: CertificationRequestInfo) -> None:
        wanted = wrap_der(bytes.fromhex("300d300b0603551d110404deadbeef"))
        info.attributes = [attribute(oids.EXTENSION_REQUEST, wanted)]

    with pytest.raises(MalformedMessageError):
        read_csr(edit_csr(device_csr(), spoil))


def test_unknown_key_type() -> None:
    """A key of no known type is refused."""

    def spoil(info: CertificationRequestInfo) -> None:
        info.public_key = wrap_der(bytes.fromhex("300a30050603 2a0304030100".replace(" ", "")))

    with pytest.raises(MalformedMessageError, match="public key"):
        read_csr(edit_csr(device_csr(), spoil))


def test_enormous_exponent() -> None:
    """A key with an exponent as long as its modulus costs no more than an answer of no."""

    def spoil(info: CertificationRequestInfo) -> None:
        numbers = rsa_key("device").private_key.private_numbers()  # type: ignore[union-attr]
        huge = numbers.public_numbers.n - 2
        body = encode_der(numbers.public_numbers.n) + encode_der(huge)
        length = len(body).to_bytes(2, "big")
        key = BitString(b"\x30\x82" + length + body, 0)
        algorithm = wrap_der(rsa_key("device").spki).parse(SubjectPublicKeyInfo).algorithm
        info.public_key = to_tlv(SubjectPublicKeyInfo(algorithm=algorithm, public_key=key))

    assert not read_csr(edit_csr(device_csr(), spoil)).is_signature_valid


def test_a_view_does_not_show_the_challenge() -> None:
    """Neither text form of the view holds the password."""
    csr = read_csr(device_csr())
    assert CHALLENGE not in repr(csr)
    assert CHALLENGE not in str(csr)


def test_microsoft_extension_request() -> None:
    """Windows asks for extensions under an OID of its own."""
    names = x509.SubjectAlternativeName([x509.DNSName("pc.example")])
    asked = x509.CertificateSigningRequestBuilder().subject_name(name("CN=pc"))
    private = rsa_key("device").private_key
    request = asked.add_extension(names, critical=False).sign(private, hashes.SHA256())

    def rename(info: CertificationRequestInfo) -> None:
        assert info.attributes
        info.attributes[0].type = x509.ObjectIdentifier("1.3.6.1.4.1.311.2.1.14")

    der = request.public_bytes(Encoding.DER)
    csr = read_csr(edit_csr(der, rename))
    assert csr.extensions.get_extension_for_oid(SAN).value == names
