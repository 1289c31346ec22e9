"""Envelopes: sealed, opened, refused."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.asn1 import Null, SetOf, encode_der
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from sceplab_scep import oids
from sceplab_scep.algorithms import AlgorithmSuite, Cipher, Digest, Floor, KeyTransport
from sceplab_scep.cms import (
    AlgorithmIdentifier,
    EnvelopedContentInfo,
    KeyTransRecipientInfo,
    RsaesOaepParameters,
    to_tlv,
    wrap_der,
)
from sceplab_scep.envelope import (
    OpenedEnvelope,
    cipher_name,
    list_recipients,
    open_envelope,
    seal_envelope,
)
from sceplab_scep.errors import (
    DecryptionError,
    LocalProtocolError,
    MalformedMessageError,
    UnsupportedAlgorithmError,
)
from sceplab_scep.signatures import digest_identifier
from sceplab_scep.x509fields import fields_of
from tests.support.pki import (
    CA_NAME,
    LocalKey,
    der,
    ec_key,
    issue,
    lab_pki,
    rsa_key,
    unseal,
)
from tests.support.vectors import (
    as_bouncy_castle_writes,
    as_go_writes,
    attribute,
    definite,
    edit_envelope,
    unsorted_set,
)

PKI = lab_pki()
PAYLOAD = definite(0x30, b"\x02\x01\x05" * 50)


def _seal(
    suite: AlgorithmSuite | None = None,
    *,
    recipient: x509.Certificate | None = None,
    payload: bytes = PAYLOAD,
) -> bytes:
    return seal_envelope(payload, recipient or PKI.ra_encryption, suite or AlgorithmSuite())


def _info(envelope: EnvelopedContentInfo) -> KeyTransRecipientInfo:
    (info,) = envelope.content.recipient_infos.as_list()
    assert isinstance(info, KeyTransRecipientInfo)
    return info


@pytest.mark.covers("F-05")
@pytest.mark.parametrize("transport", list(KeyTransport))
@pytest.mark.parametrize("cipher", list(Cipher))
def test_every_suite(cipher: Cipher, transport: KeyTransport) -> None:
    """What is sealed is opened, whatever cipher and key transport."""
    sealed = _seal(AlgorithmSuite(cipher=cipher, key_transport=transport))
    assert unseal(sealed, floor=Floor.LAB) == OpenedEnvelope(
        plaintext=PAYLOAD, cipher=cipher, key_transport=transport
    )
    assert cipher_name(sealed) == cipher.value


@pytest.mark.parametrize("size", [0, 1, 13, 14, 15, 16, 200, 70_000])
def test_padding_at_every_boundary(size: int) -> None:
    """Content of any length comes back, an empty one too."""
    payload = definite(0x30, bytes(size)) if size else b""
    for cipher in (Cipher.AES128_CBC, Cipher.DES_EDE3_CBC):
        sealed = _seal(AlgorithmSuite(cipher=cipher), payload=payload)
        assert unseal(sealed, floor=Floor.NDES).plaintext == payload


@pytest.mark.covers("M-12", "M-05")
def test_written_form() -> None:
    """Version 0, one recipient by issuer and serial number, PKCS #1 v1.5, inner type data."""
    message = wrap_der(_seal()).parse(EnvelopedContentInfo)
    info = _info(message)
    assert message.content_type == oids.ENVELOPED_DATA
    assert message.content.version == info.version == 0
    assert message.content.encrypted_content_info.content_type == oids.DATA
    assert info.key_encryption_algorithm.algorithm == oids.RSA_ENCRYPTION
    assert info.key_encryption_algorithm.parameters == Null()
    fields = fields_of(PKI.ra_encryption)
    assert list_recipients(_seal()) == [(fields.issuer_der, fields.serial_number)]


def test_fresh_keys() -> None:
    """Two envelopes of the same content share neither key nor ciphertext."""
    first, second = (wrap_der(_seal()).parse(EnvelopedContentInfo) for _ in range(2))
    assert _info(first).encrypted_key != _info(second).encrypted_key
    one, other = (m.content.encrypted_content_info for m in (first, second))
    assert one.encrypted_content != other.encrypted_content
    assert one.content_encryption_algorithm.parameters != (
        other.content_encryption_algorithm.parameters
    )


def test_recipient_that_cannot_decrypt() -> None:
    """Nothing is enveloped for an EC key."""
    ra = issue("CN=EC", ec_key("ra"), CA_NAME, PKI.ca_key)
    with pytest.raises(LocalProtocolError, match="CN=EC cannot receive"):
        _seal(recipient=ra)


@pytest.mark.covers("T-22")
@pytest.mark.parametrize("rewrite", [as_go_writes, as_bouncy_castle_writes])
def test_content_in_segments(rewrite: object) -> None:
    """Definite (Go) and indefinite (BouncyCastle) constructed content is joined."""
    assert callable(rewrite)
    odd = rewrite(_seal(payload=definite(0x30, bytes(5000))))
    assert odd != _seal(payload=definite(0x30, bytes(5000)))
    assert unseal(odd).plaintext == definite(0x30, bytes(5000))


def _two_recipients(envelope: bytes) -> bytes:
    """The envelope with somebody else's key in front of ours."""

    def add(message: EnvelopedContentInfo) -> None:
        other = wrap_der(_seal(recipient=PKI.ra_signing)).parse(EnvelopedContentInfo)
        message.content.recipient_infos = SetOf([_info(other), _info(message)])

    return edit_envelope(envelope, add)


@pytest.mark.covers("T-11")
def test_ours_among_several_recipients() -> None:
    """The recipient is found by name, not by position, in a set of any order."""
    sealed = _two_recipients(_seal())
    assert len(list_recipients(sealed)) == 2
    assert unseal(sealed).plaintext == PAYLOAD
    assert unseal(unsorted_set(sealed, (1, 0, 1))).plaintext == PAYLOAD


@pytest.mark.covers("S-44")
def test_retired_keys_still_open() -> None:
    """Of several keys of ours the one that the envelope names is used."""
    recipients = [
        (PKI.ra_signing, PKI.ra_signing_key),
        (PKI.ca, PKI.ca_key),
        (PKI.ra_encryption, PKI.ra_encryption_key),
    ]
    opened = open_envelope(_seal(), recipients=recipients, floor=Floor.MODERN)
    assert opened.plaintext == PAYLOAD


@pytest.mark.covers("T-11")
def test_recipient_by_key_identifier() -> None:
    """A recipient named by its subject key identifier is found."""
    ski = x509.SubjectKeyIdentifier.from_public_key(PKI.ra_encryption_key.public_key)
    builder = x509.CertificateBuilder(
        issuer_name=PKI.ca.subject,
        subject_name=PKI.ra_encryption.subject,
        public_key=PKI.ra_encryption_key.public_key,
        serial_number=9,
        not_valid_before=PKI.ca.not_valid_before_utc.replace(tzinfo=None),
        not_valid_after=PKI.ca.not_valid_after_utc.replace(tzinfo=None),
    ).add_extension(ski, critical=False)
    certificate = builder.sign(PKI.ca_key.private_key, hashes.SHA256())

    def name_by_key(message: EnvelopedContentInfo) -> None:
        info = _info(message)
        info.rid = ski.digest
        message.content.recipient_infos = SetOf([info])

    sealed = edit_envelope(_seal(), name_by_key)
    assert list_recipients(sealed) == [(None, ski.digest)]
    recipients = [(PKI.ca, PKI.ca_key), (certificate, PKI.ra_encryption_key)]
    opened = open_envelope(sealed, recipients=recipients, floor=Floor.MODERN)
    assert opened.plaintext == PAYLOAD


@pytest.mark.covers("T-13")
def test_for_somebody_else() -> None:
    """An envelope for another certificate is not opened."""
    with pytest.raises(DecryptionError):
        unseal(_seal(recipient=PKI.ca))


def _texts(*envelopes: bytes) -> set[str]:
    texts = set()
    for envelope in envelopes:
        with pytest.raises(DecryptionError) as caught:
            unseal(envelope)
        assert caught.value.__cause__ is None
        texts.add(f"{type(caught.value).__name__} {caught.value}")
    return texts


@pytest.mark.covers("T-12")
def test_one_error_for_every_cause() -> None:
    """Wrong recipient, key, key length, padding or content: nobody can tell which."""

    def with_key(encrypted_key: bytes) -> bytes:
        def replace(message: EnvelopedContentInfo) -> None:
            info = _info(message)
            info.encrypted_key = encrypted_key
            message.content.recipient_infos = SetOf([info])

        return edit_envelope(_seal(), replace)

    def cut(message: EnvelopedContentInfo) -> None:
        info = message.content.encrypted_content_info
        assert isinstance(info.encrypted_content, bytes)
        info.encrypted_content = info.encrypted_content[:-1]

    def spoil(message: EnvelopedContentInfo) -> None:
        info = message.content.encrypted_content_info
        assert isinstance(info.encrypted_content, bytes)
        info.encrypted_content = info.encrypted_content[:-32] + bytes(32)

    public = PKI.ra_encryption_key.public_key
    assert not isinstance(public, type(ec_key("ra").public_key))
    encrypt = public.encrypt  # type: ignore[union-attr]
    causes = _texts(
        _seal(recipient=PKI.ca),
        with_key(encrypt(bytes(15), PKCS1v15())),
        with_key(encrypt(bytes(32), PKCS1v15())),
        with_key(encrypt(bytes(16), PKCS1v15())),
        with_key(bytes(256)),
        with_key(b"\xff" * 256),
        with_key(b"short"),
        edit_envelope(_seal(), cut),
        edit_envelope(_seal(), spoil),
        _seal(payload=b"no sequence at all"),
        _seal(payload=definite(0x30, b"abc") + b"trailing"),
        _seal(payload=b"\x30\x80never closed"),
        _seal(payload=b"\x30\x89"),
    )
    assert len(causes) == 1


@pytest.mark.covers("T-12")
def test_wrong_key_behind_the_right_name() -> None:
    """RSA decryption with a wrong key may 'succeed'; the content key it gives opens nothing."""

    class WrongKey(LocalKey):
        """A key store that answers for another key."""

    wrong = WrongKey(rsa_key("mallory").private_key)
    for _ in range(20):
        with pytest.raises(DecryptionError):
            open_envelope(_seal(), recipients=[(PKI.ra_encryption, wrong)], floor=Floor.MODERN)


def test_failures_of_the_key_store_look_the_same() -> None:
    """Whatever a key store raises becomes the one error, without its text."""

    class Broken(LocalKey):
        """A token that was pulled."""

        def decrypt(self, ciphertext: bytes, padding: object) -> bytes:
            """Fails."""
            raise OSError("token 4711 is gone")

    broken = Broken(PKI.ra_encryption_key.private_key)
    with pytest.raises(DecryptionError) as caught:
        open_envelope(_seal(), recipients=[(PKI.ra_encryption, broken)], floor=Floor.MODERN)
    assert "4711" not in str(caught.value)


def test_indefinite_payload_is_no_noise() -> None:
    """A BER payload passes."""
    payload = b"\x30\x80\x02\x01\x05\x00\x00"
    assert unseal(_seal(payload=payload)).plaintext == payload


@pytest.mark.covers("C-14", "T-01", "T-19")
@pytest.mark.parametrize(
    ("cipher", "allowed_by"), [(Cipher.DES_EDE3_CBC, "ndes"), (Cipher.DES_CBC, "lab")]
)
def test_floors(cipher: Cipher, allowed_by: str) -> None:
    """A weak cipher is refused with its name and the floor that would allow it."""
    sealed = _seal(AlgorithmSuite(cipher=cipher))
    with pytest.raises(UnsupportedAlgorithmError) as caught:
        unseal(sealed)
    error = caught.value
    assert (error.algorithm, error.floor, error.allowed_by) == (cipher.value, "modern", allowed_by)
    assert unseal(sealed, floor=Floor(allowed_by)).cipher is cipher


def test_unknown_cipher() -> None:
    """RC2 and whatever else is refused at every floor, named by its OID."""

    def rename(message: EnvelopedContentInfo) -> None:
        info = message.content.encrypted_content_info
        info.content_encryption_algorithm.algorithm = x509.ObjectIdentifier("1.2.840.113549.3.2")

    sealed = edit_envelope(_seal(), rename)
    assert cipher_name(sealed) == "1.2.840.113549.3.2"
    with pytest.raises(UnsupportedAlgorithmError, match=r"1\.2\.840\.113549\.3\.2.*no floor"):
        unseal(sealed, floor=Floor.LAB)


@pytest.mark.covers("F-05")
@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        (AlgorithmIdentifier(algorithm=oids.MGF1), r"key transport 1\.2\.840\.113549\.1\.1\.8"),
        (
            AlgorithmIdentifier(
                algorithm=oids.RSAES_OAEP,
                parameters=to_tlv(
                    RsaesOaepParameters(hash_algorithm=digest_identifier(Digest.SHA512))
                ),
            ),
            "unusual parameters",
        ),
        (
            AlgorithmIdentifier(
                algorithm=oids.RSAES_OAEP,
                parameters=to_tlv(
                    RsaesOaepParameters(
                        mask_generation_algorithm=AlgorithmIdentifier(algorithm=oids.MGF1)
                    )
                ),
            ),
            "unusual parameters",
        ),
        (
            AlgorithmIdentifier(
                algorithm=oids.RSAES_OAEP,
                parameters=to_tlv(AlgorithmIdentifier(algorithm=oids.MGF1)),
            ),
            "unusual parameters",
        ),
    ],
    ids=["no transport", "SHA-512", "mask without digest", "no parameters of OAEP"],
)
def test_unknown_key_transport(identifier: AlgorithmIdentifier, message: str) -> None:
    """Other ways to move the key are refused by name."""

    def rename(envelope: EnvelopedContentInfo) -> None:
        info = _info(envelope)
        info.key_encryption_algorithm = identifier
        envelope.content.recipient_infos = SetOf([info])

    with pytest.raises(UnsupportedAlgorithmError, match=message):
        unseal(edit_envelope(_seal(), rename), floor=Floor.LAB)


@pytest.mark.parametrize("parameters", [None, to_tlv(RsaesOaepParameters())])
def test_oaep_defaults(parameters: object) -> None:
    """Absent and empty parameters both mean SHA-1."""

    def rename(envelope: EnvelopedContentInfo) -> None:
        info = _info(envelope)
        info.key_encryption_algorithm = AlgorithmIdentifier(
            algorithm=oids.RSAES_OAEP,
            parameters=parameters,  # type: ignore[arg-type]
        )
        envelope.content.recipient_infos = SetOf([info])

    suite = AlgorithmSuite(key_transport=KeyTransport.OAEP_SHA1)
    opened = unseal(edit_envelope(_seal(suite), rename))
    assert opened.key_transport is KeyTransport.OAEP_SHA1
    assert opened.plaintext == PAYLOAD


def test_no_key_transport_at_all() -> None:
    """Key agreement and password recipients are named as what they are: not RSA."""

    def replace(message: EnvelopedContentInfo) -> None:
        message.content.recipient_infos = SetOf([wrap_der(b"\xa1\x03\x02\x01\x03")])

    with pytest.raises(UnsupportedAlgorithmError, match="no RSA key transport"):
        unseal(edit_envelope(_seal(), replace))


def _spoil_iv(message: EnvelopedContentInfo) -> None:
    info = message.content.encrypted_content_info
    info.content_encryption_algorithm.parameters = b"short"


def _drop_iv(message: EnvelopedContentInfo) -> None:
    message.content.encrypted_content_info.content_encryption_algorithm.parameters = Null()


def _drop_content(message: EnvelopedContentInfo) -> None:
    message.content.encrypted_content_info.encrypted_content = None


def _other_content(message: EnvelopedContentInfo) -> None:
    message.content.encrypted_content_info.encrypted_content = wrap_der(b"\x04\x01a")


def _no_strings(message: EnvelopedContentInfo) -> None:
    message.content.encrypted_content_info.encrypted_content = wrap_der(b"\xa0\x03\x02\x01\x05")


def _wrong_inner_type(message: EnvelopedContentInfo) -> None:
    message.content.encrypted_content_info.content_type = oids.SIGNED_DATA


def _wrong_outer_type(message: EnvelopedContentInfo) -> None:
    message.content_type = oids.SIGNED_DATA


@pytest.mark.parametrize(
    "change",
    [
        _spoil_iv,
        _drop_iv,
        _drop_content,
        _other_content,
        _no_strings,
        _wrong_inner_type,
        _wrong_outer_type,
    ],
)
def test_malformed(change: object) -> None:
    """Parts missing or of the wrong kind are refused before any key is used."""
    with pytest.raises(MalformedMessageError) as caught:
        unseal(edit_envelope(_seal(), change))  # type: ignore[arg-type]
    assert caught.value.attribute == "envelope"


@pytest.mark.parametrize("noise", [b"", b"\x30\x00", b"<html>", der(PKI.ca)])
def test_no_envelope(noise: bytes) -> None:
    """Anything else is malformed."""
    for read in (unseal, list_recipients, cipher_name):
        with pytest.raises(MalformedMessageError):
            read(noise)


def test_other_parts_are_tolerated() -> None:
    """Originator certificates and unprotected attributes are passed over."""

    def add(message: EnvelopedContentInfo) -> None:
        message.content.version = 2
        message.content.originator_info = [wrap_der(b"\xa0\x00")]
        unprotected = attribute(oids.SIGNING_TIME, b"x")
        message.content.unprotected_attributes = [wrap_der(encode_der(unprotected))]

    assert unseal(edit_envelope(_seal(), add)).plaintext == PAYLOAD


def test_opened_envelopes_do_not_show_their_content() -> None:
    """The text form of an opened envelope has no plaintext."""
    assert repr(PAYLOAD) not in repr(unseal(_seal()))
    assert "plaintext" not in repr(unseal(_seal()))
