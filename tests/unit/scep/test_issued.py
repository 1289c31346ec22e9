"""Which certificate is ours, and whether it may be installed."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.asn1 import Null
from cryptography.hazmat.primitives.asymmetric import ed25519

from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.certificates import (
    check_issued,
    choose_issued,
    describe_certificate,
    fingerprint,
    load_certificate,
    select_ca_certificates,
)
from sceplab_scep.chains import MAX_CHAIN_LENGTH, find_path, is_ca, is_directly_issued
from sceplab_scep.cms import AlgorithmIdentifier, SubjectPublicKeyInfo, to_tlv, wrap_der
from sceplab_scep.errors import (
    MalformedMessageError,
    RemoteProtocolError,
    SignatureInvalidError,
    UnauthorizedRaError,
)
from sceplab_scep.ra_rule import RaRule
from tests.support.pki import (
    CA_NAME,
    DEVICE_NAME,
    NOW,
    der,
    ec_key,
    issue,
    issued_certificate,
    lab_pki,
    name,
    rsa_key,
)
from tests.support.vectors import resign

PKI = lab_pki()
OWN_KEY = rsa_key("device").spki


def _check(certificate_der: bytes, **changes: object) -> None:
    values: dict[str, object] = {
        "public_key_der": OWN_KEY,
        "chain_der": [der(PKI.ca)],
        "anchor_der": der(PKI.ca),
        "now": NOW,
        "skew_s": 60.0,
    }
    check_issued(certificate_der, **(values | changes))  # type: ignore[arg-type]


def test_description() -> None:
    """Everything a listing or a journal wants."""
    certificate = PKI.issue(DEVICE_NAME, rsa_key("device"), serial=0x0A0B0C)
    about = describe_certificate(der(certificate))
    assert about.der == der(certificate)
    assert about.serial_number == 0x0A0B0C
    assert about.serial_hex == "0A0B0C"
    assert about.subject == DEVICE_NAME
    assert about.issuer == CA_NAME
    assert about.not_before == NOW - timedelta(days=1)
    assert about.not_after == NOW + timedelta(days=364)
    assert about.public_key_der == OWN_KEY
    assert about.sha256_fingerprint == hashlib.sha256(der(certificate)).digest()
    assert about.sha1_fingerprint == hashlib.sha1(der(certificate)).digest()


def test_description_of_noise() -> None:
    """No certificate, no description."""
    with pytest.raises(MalformedMessageError):
        describe_certificate(b"\x30\x00")


@pytest.mark.covers("C-42")
def test_ours_is_found_by_its_key() -> None:
    """Position, order and unreadable neighbours do not matter."""
    mine = der(issued_certificate())
    for reply in (
        [mine, der(PKI.ca)],
        [der(PKI.ca), mine],
        [b"\x30\x00", der(PKI.ra_signing), mine],
    ):
        assert choose_issued(reply, OWN_KEY) == mine


@pytest.mark.covers("C-42")
def test_the_newest_of_ours() -> None:
    """Of several for the same key the one that starts last is taken."""
    older = der(PKI.issue(DEVICE_NAME, rsa_key("device"), starts_at=NOW - timedelta(days=30)))
    newer = der(PKI.issue(DEVICE_NAME, rsa_key("device"), starts_at=NOW))
    assert choose_issued([newer, older], OWN_KEY) == newer
    assert choose_issued([older, newer], OWN_KEY) == newer


@pytest.mark.covers("C-42")
def test_none_is_ours() -> None:
    """A reply without our key is refused."""
    with pytest.raises(RemoteProtocolError, match="none of the 2 certificates"):
        choose_issued([der(PKI.ca), der(PKI.ra_signing)], OWN_KEY)


def test_a_good_certificate_passes() -> None:
    """Key, subject, validity and chain are right."""
    _check(der(issued_certificate()), expected_subject_der=name(DEVICE_NAME).public_bytes())


def test_key_with_other_parameters_is_the_same_key() -> None:
    """A CA that leaves the NULL parameters of the key out certified our key all the same."""
    info = wrap_der(OWN_KEY).parse(SubjectPublicKeyInfo)
    assert isinstance(info.algorithm.parameters, Null)
    info.algorithm = AlgorithmIdentifier(algorithm=info.algorithm.algorithm)
    odd = resign(issued_certificate(), PKI.ca_key, Digest.SHA256, public_key=to_tlv(info))
    assert describe_certificate(odd).public_key_der != OWN_KEY
    _check(odd)
    assert choose_issued([odd], OWN_KEY) == odd


@pytest.mark.covers("C-43")
def test_another_key() -> None:
    """A certificate for another key is not installed."""
    other = der(PKI.issue(DEVICE_NAME, ec_key("other")))
    with pytest.raises(RemoteProtocolError, match="another key"):
        _check(other)


@pytest.mark.covers("C-43")
def test_another_subject() -> None:
    """A changed subject is refused when the subject is expected, and allowed when it is not."""
    other = der(PKI.issue("CN=somebody", rsa_key("device")))
    with pytest.raises(RemoteProtocolError, match="for CN=somebody, not for CN=router1") as caught:
        _check(other, expected_subject_der=name(DEVICE_NAME).public_bytes())
    assert caught.value.attribute == "subject"
    _check(other)


def test_subject_in_another_string_type() -> None:
    """UTF8String turned into PrintableString is the same name."""
    asked = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "router1")])
    _check(
        der(PKI.issue("CN=router1", rsa_key("device"))),
        expected_subject_der=asked.public_bytes().replace(b"\x0c\x07router1", b"\x13\x07router1"),
    )


@pytest.mark.covers("C-43")
@pytest.mark.parametrize(("days", "is_valid"), [(-2, False), (0, True), (363, True), (366, False)])
def test_validity(days: int, is_valid: bool) -> None:
    """The certificate has to be valid now."""
    moment = NOW + timedelta(days=days)
    if is_valid:
        _check(der(issued_certificate()), now=moment)
    else:
        with pytest.raises(RemoteProtocolError, match="not valid now"):
            _check(der(issued_certificate()), now=moment)


@pytest.mark.covers("C-43")
def test_skew() -> None:
    """A clock a little behind does not refuse a brand-new certificate."""
    fresh = der(PKI.issue(DEVICE_NAME, rsa_key("device"), starts_at=NOW))
    _check(fresh, now=NOW - timedelta(seconds=50))
    with pytest.raises(RemoteProtocolError, match="not valid now"):
        _check(fresh, now=NOW - timedelta(seconds=70))


@pytest.mark.covers("C-44", "T-27")
def test_the_old_certificate_is_no_renewal() -> None:
    """The serial number of the certificate that is being replaced is not accepted."""
    certificate = der(PKI.issue(DEVICE_NAME, rsa_key("device"), serial=4711))
    _check(certificate, replaced_serial=4712)
    with pytest.raises(RemoteProtocolError, match="same serial number"):
        _check(certificate, replaced_serial=4711)


@pytest.mark.covers("C-43")
def test_another_ca() -> None:
    """A CA of the same name with another key has not issued it."""
    forged = issue(DEVICE_NAME, rsa_key("device"), CA_NAME, rsa_key("mallory"))
    with pytest.raises(SignatureInvalidError, match="does not chain"):
        _check(der(forged))


@pytest.mark.covers("C-43")
def test_chain_through_an_issuing_ca() -> None:
    """The issuing CA may come with the reply; it has to be valid too."""
    issuing = issue("CN=Issuing", rsa_key("issuing"), CA_NAME, PKI.ca_key, is_ca=True)
    mine = der(issue(DEVICE_NAME, rsa_key("device"), "CN=Issuing", rsa_key("issuing")))
    _check(mine, chain_der=[der(PKI.ra_signing), der(issuing)])
    with pytest.raises(SignatureInvalidError, match="does not chain"):
        _check(mine)
    expired = issue(
        "CN=Issuing", rsa_key("issuing"), CA_NAME, PKI.ca_key, is_ca=True, lifetime_days=0.5
    )
    with pytest.raises(RemoteProtocolError, match="CN=Issuing is not valid now"):
        _check(mine, chain_der=[der(expired)])


def test_an_end_entity_issues_nothing() -> None:
    """A chain through a certificate that is no CA is no chain."""
    fake = issue("CN=Fake", rsa_key("issuing"), CA_NAME, PKI.ca_key)
    mine = der(issue(DEVICE_NAME, rsa_key("device"), "CN=Fake", rsa_key("issuing")))
    with pytest.raises(SignatureInvalidError, match="does not chain"):
        _check(mine, chain_der=[der(fake)])


def test_the_anchor_itself_needs_no_path() -> None:
    """The path of the anchor is empty."""
    assert find_path(PKI.ca, [], PKI.ca) == []


def test_circles_end() -> None:
    """Two CAs that certify each other lead nowhere, quickly."""
    one, two = rsa_key("one"), rsa_key("two")
    circle = [
        issue("CN=One", one, "CN=Two", two, is_ca=True),
        issue("CN=Two", two, "CN=One", one, is_ca=True),
    ]
    leaf = issue(DEVICE_NAME, rsa_key("device"), "CN=One", one)
    assert find_path(leaf, circle, PKI.ca) is None


def test_long_chains_end() -> None:
    """A chain longer than anybody needs is not followed."""
    keys = [rsa_key("one"), rsa_key("two")]
    chain, issuer, issuer_key = [], CA_NAME, PKI.ca_key
    for number in range(MAX_CHAIN_LENGTH + 2):
        key = keys[number % 2]
        chain.append(issue(f"CN=CA {number}", key, issuer, issuer_key, is_ca=True))
        issuer, issuer_key = f"CN=CA {number}", key
    leaf = issue(DEVICE_NAME, rsa_key("device"), issuer, issuer_key)
    assert find_path(leaf, chain, PKI.ca) is None
    assert find_path(chain[3], chain, PKI.ca) == [chain[2], chain[1], chain[0], PKI.ca]


@pytest.mark.parametrize("digest", [Digest.SHA1, Digest.MD5])
def test_old_signatures_need_the_floor(digest: Digest) -> None:
    """SHA-1 and MD5 in a certificate are accepted where the floor says so, and still verified."""
    old = x509.load_der_x509_certificate(resign(issued_certificate(), PKI.ca_key, digest))
    for floor in Floor:
        assert is_directly_issued(old, PKI.ca, floor) == floor.allows(digest)
    forged = x509.load_der_x509_certificate(
        resign(issued_certificate(), rsa_key("mallory"), digest)
    )
    assert not is_directly_issued(forged, PKI.ca, Floor.LAB)


def test_a_signature_is_remembered_for_its_key_alone() -> None:
    """A second look answers the same, and what one key verified does not serve another."""
    certificate = issued_certificate()
    twin = issue(CA_NAME, rsa_key("other"), CA_NAME, rsa_key("other"), is_ca=True)
    for _ in range(2):
        assert is_directly_issued(certificate, PKI.ca)
        assert not is_directly_issued(certificate, twin)
        assert not is_directly_issued(certificate, PKI.ra_signing)
    weak = load_certificate(resign(issued_certificate(), PKI.ca_key, Digest.SHA1))
    for _ in range(2):
        assert is_directly_issued(weak, PKI.ca, Floor.NDES)
        assert not is_directly_issued(weak, PKI.ca, Floor.MODERN)


def test_signatures_the_library_verifies() -> None:
    """Algorithms of no name here (Ed25519) are left to the library."""
    key = ed25519.Ed25519PrivateKey.generate()

    def sign(issuer: str) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(name("CN=Ed"))
            .issuer_name(name(issuer))
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(NOW)
            .not_valid_after(NOW + timedelta(days=1))
            .sign(key, None)
        )

    assert is_directly_issued(sign("CN=Ed"), sign("CN=Ed"))
    assert not is_directly_issued(sign("CN=Other"), sign("CN=Ed"))
    assert not is_directly_issued(sign(CA_NAME), PKI.ca)
    assert is_ca(sign("CN=Ed"))
    assert not is_ca(issue(CA_NAME, rsa_key("x"), CA_NAME, PKI.ca_key, is_ca=None))
    assert not is_ca(sign("CN=Other"))


def test_key_of_no_known_type() -> None:
    """A certificate whose key cannot be read is not ours, issues nothing and receives nothing."""
    odd = resign(
        PKI.ra_encryption,
        PKI.ca_key,
        Digest.SHA256,
        public_key=wrap_der(bytes.fromhex("300a300506032a0304030100")),
    )
    with pytest.raises(RemoteProtocolError, match="none of the 1"):
        choose_issued([odd], OWN_KEY)
    certificate = x509.load_der_x509_certificate(odd)
    below = issue("CN=Below", rsa_key("x"), "CN=RA", rsa_key("x"))
    assert not is_directly_issued(below, certificate)
    pin = fingerprint(der(PKI.ca), "sha256")
    assert select_ca_certificates([odd, der(PKI.ca)], pin, "sha256").recipient_der == der(PKI.ca)


def test_key_usage_that_cannot_be_read() -> None:
    """Broken extensions count as absent: nothing marks the RA, nothing says what it may do."""
    odd = resign(
        PKI.ra_encryption,
        PKI.ca_key,
        Digest.SHA256,
        extensions=[wrap_der(bytes.fromhex("300b0603551d0f040403020520"))] * 2,
    )
    pin = fingerprint(der(PKI.ca), "sha256")
    with pytest.raises(UnauthorizedRaError):
        select_ca_certificates([odd, der(PKI.ca)], pin, "sha256")
    rule = RaRule(pinned_sha256=(fingerprint(odd, "sha256"),))
    chosen = select_ca_certificates([odd, der(PKI.ca)], pin, "sha256", ra_rule=rule)
    assert chosen.recipient_der == odd
