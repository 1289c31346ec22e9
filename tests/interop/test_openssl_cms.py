"""OpenSSL on both sides: it takes what we write, and we take what it writes."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from sceplab_scep.algorithms import AlgorithmSuite, Cipher, Digest, Floor, KeyTransport
from sceplab_scep.csr import read_csr
from sceplab_scep.degenerate import build_certs_only, read_certs_only
from sceplab_scep.envelope import open_envelope, seal_envelope
from sceplab_scep.errors import DecryptionError, RemoteProtocolError, UnsupportedAlgorithmError
from sceplab_scep.pkimessage import read_pki_message
from sceplab_scep.reply import ReplyStyle
from sceplab_scep.signeddata import parse_signed_data, verify_signed_data
from tests.support.pki import (
    CHALLENGE,
    device_certificate,
    device_csr,
    ec_key,
    failure,
    issued_certificate,
    lab_pki,
    pem,
    pending,
    renewal_req,
    reply_bytes,
    request_bytes,
    rsa_key,
    success,
    unseal,
)
from tests.support.programs import require_program

pytestmark = pytest.mark.interop

PKI = lab_pki()


@dataclass(frozen=True)
class OpenSsl:
    """The program, working in a folder of the test's own."""

    program: Path
    folder: Path

    def path(self, name: str, content: bytes | None = None) -> str:
        """A file of the folder, written when there is content for it."""
        path = self.folder / name
        if content is not None:
            path.write_bytes(content)
        return str(path)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Runs a command that may fail."""
        return subprocess.run(
            [self.program, *arguments], capture_output=True, timeout=30, check=False
        )

    def __call__(self, *arguments: str) -> bytes:
        """Runs a command that has to succeed; gives its output."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr.decode()
        return result.stdout


@pytest.fixture
def openssl(tmp_path: Path) -> OpenSsl:
    """OpenSSL with the keys and certificates of the tests in files."""
    tool = OpenSsl(require_program("openssl", package="openssl"), tmp_path)
    tool.path("device.key", rsa_key("device").pem)
    tool.path("device.pem", pem(device_certificate()))
    tool.path("ra-enc.key", PKI.ra_encryption_key.pem)
    tool.path("ra-enc.pem", pem(PKI.ra_encryption))
    tool.path("ra-sign.key", PKI.ra_signing_key.pem)
    tool.path("ra-sign.pem", pem(PKI.ra_signing))
    tool.path("ca.pem", pem(PKI.ca))
    return tool


MESSAGES = {
    "PKCSReq": request_bytes(),
    "RenewalReq": request_bytes(renewal_req(), signer_certificate=issued_certificate()),
    "old algorithms": request_bytes(
        suite=AlgorithmSuite(digest=Digest.SHA1, cipher=Cipher.DES_EDE3_CBC)
    ),
    "SUCCESS": reply_bytes(success(issued_certificate(), PKI.ca)),
    "FAILURE": reply_bytes(failure(fail_info_text="no", hresult=-2147024809)),
    "PENDING, zero byte": reply_bytes(pending(), style=ReplyStyle(empty_content="zero")),
    "named digest": reply_bytes(style=ReplyStyle(signature_oid="shaNWithRSA")),
}


@pytest.mark.parametrize("kind", list(MESSAGES))
def test_openssl_verifies_what_we_sign(openssl: OpenSsl, kind: str) -> None:
    """`openssl cms -verify` agrees with every signature and gives the content back."""
    message = openssl.path("message.der", MESSAGES[kind])
    content = openssl("cms", "-verify", "-inform", "DER", "-in", message, "-noverify", "-binary")
    assert content == parse_signed_data(MESSAGES[kind]).content


def test_openssl_verifies_the_chain(openssl: OpenSsl) -> None:
    """A reply verifies up to the CA, with the signer's certificate taken from the message."""
    message = openssl.path("message.der", MESSAGES["SUCCESS"])
    options = ["-CAfile", openssl.path("ca.pem"), "-purpose", "any", "-binary"]
    when = ["-attime", str(int(PKI.ca.not_valid_before_utc.timestamp()) + 90_000)]
    assert openssl("cms", "-verify", "-inform", "DER", "-in", message, *options, *when)


def test_openssl_notices_a_change(openssl: OpenSsl) -> None:
    """The same command refuses a message of which one attribute was changed."""
    changed = MESSAGES["PKCSReq"].replace(b"6F1A2B3C", b"6F1A2B3D")
    message = openssl.path("message.der", changed)
    result = openssl.run("cms", "-verify", "-inform", "DER", "-in", message, "-noverify")
    assert result.returncode != 0


@pytest.mark.parametrize("kind", list(MESSAGES))
def test_openssl_parses_what_we_write(openssl: OpenSsl, kind: str) -> None:
    """`openssl asn1parse` walks the whole message; every length in it is definite."""
    message = openssl.path("message.der", MESSAGES[kind])
    listing = openssl("asn1parse", "-inform", "DER", "-in", message).decode()
    assert "indefinite" not in listing
    assert "l=inf" not in listing
    assert ":pkcs7-signedData" in listing


@pytest.mark.covers("F-05")
@pytest.mark.parametrize("transport", list(KeyTransport))
@pytest.mark.parametrize(
    "cipher", [Cipher.AES128_CBC, Cipher.AES192_CBC, Cipher.AES256_CBC, Cipher.DES_EDE3_CBC]
)
def test_openssl_opens_what_we_seal(
    openssl: OpenSsl, cipher: Cipher, transport: KeyTransport
) -> None:
    """`openssl cms -decrypt` opens our envelopes with the RA's key."""
    suite = AlgorithmSuite(cipher=cipher, key_transport=transport)
    sealed = openssl.path("sealed.der", seal_envelope(device_csr(), PKI.ra_encryption, suite))
    keys = ["-inkey", openssl.path("ra-enc.key"), "-recip", openssl.path("ra-enc.pem")]
    opened = openssl("cms", "-decrypt", "-inform", "DER", "-in", sealed, *keys, "-binary")
    assert opened == device_csr()


def test_openssl_opens_a_reply(openssl: OpenSsl) -> None:
    """Signature, envelope and bundle of a SUCCESS, each undone by OpenSSL."""
    message = openssl.path("reply.der", MESSAGES["SUCCESS"])
    content = openssl("cms", "-verify", "-inform", "DER", "-in", message, "-noverify", "-binary")
    keys = ["-inkey", openssl.path("device.key"), "-recip", openssl.path("device.pem")]
    sealed = openssl.path("sealed.der", content)
    bundle = openssl("cms", "-decrypt", "-inform", "DER", "-in", sealed, *keys, "-binary")
    packed = openssl.path("bundle.der", bundle)
    listed = openssl("pkcs7", "-inform", "DER", "-in", packed, "-print_certs")
    certificates = x509.load_pem_x509_certificates(listed)
    assert certificates == [issued_certificate(), PKI.ca]


def test_openssl_verifies_our_request(openssl: OpenSsl) -> None:
    """`openssl req -verify` agrees with the request's own signature and shows its parts."""
    request = openssl.path("request.der", device_csr(dns_names=["router1.example.com"]))
    result = openssl.run("req", "-inform", "DER", "-in", request, "-verify", "-noout", "-text")
    assert result.returncode == 0
    text = result.stdout.decode()
    assert "DNS:router1.example.com" in text
    assert CHALLENGE in text
    assert b"verify OK" in result.stderr + result.stdout


def test_openssl_verifies_the_self_signed_certificate(openssl: OpenSsl) -> None:
    """`openssl verify` takes the self-signed certificate as its own anchor."""
    when = ["-attime", str(int(device_certificate().not_valid_before_utc.timestamp()) + 60)]
    own = openssl.path("device.pem")
    assert b"OK" in openssl("verify", "-check_ss_sig", *when, "-CAfile", own, own)


# --- what OpenSSL writes --------------------------------------------------------------------------


def _sign(openssl: OpenSsl, content: bytes, *options: str) -> bytes:
    source = openssl.path("content.bin", content)
    signer = ["-signer", openssl.path("device.pem"), "-inkey", openssl.path("device.key")]
    return openssl(
        *["cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-in", source],
        *signer,
        *options,
    )


@pytest.mark.covers("T-22")
@pytest.mark.parametrize("form", ["definite", "indefinite"])
@pytest.mark.parametrize("digest", ["sha256", "sha512", "sha1"])
def test_we_verify_what_openssl_signs(openssl: OpenSsl, digest: str, form: str) -> None:
    """CMS of OpenSSL verifies, streamed in indefinite form and not."""
    extra = ["-stream"] if form == "indefinite" else []
    message = _sign(openssl, bytes(range(256)) * 40, "-md", digest, *extra)
    received = parse_signed_data(message)
    assert received.content == bytes(range(256)) * 40
    agreed = verify_signed_data(received, device_certificate(), Floor.LAB, "")
    assert agreed.value == digest
    assert ("BER, not DER" in received.deviations) == (form == "indefinite")


def test_we_find_openssl_signers_by_key_identifier(openssl: OpenSsl) -> None:
    """With -keyid the signer is named by its key; a certificate without one cannot be found."""
    result = openssl.run(
        *["cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-keyid"],
        *["-in", openssl.path("content.bin", b"x"), "-signer", openssl.path("device.pem")],
        *["-inkey", openssl.path("device.key")],
    )
    assert result.returncode != 0
    assert b"key" in result.stderr.lower()


def test_openssl_messages_are_no_pki_messages(openssl: OpenSsl) -> None:
    """A signature without SCEP's attributes is no pkiMessage."""
    with pytest.raises(RemoteProtocolError, match="messageType is missing"):
        read_pki_message(_sign(openssl, b"x"), floor=Floor.MODERN)


def test_pss_is_named(openssl: OpenSsl) -> None:
    """PSS signatures are refused by their name."""
    message = _sign(openssl, b"x", "-keyopt", "rsa_padding_mode:pss")
    with pytest.raises(UnsupportedAlgorithmError, match="RSASSA-PSS"):
        verify_signed_data(parse_signed_data(message), device_certificate(), Floor.LAB, "")


def _seal(openssl: OpenSsl, *options: str) -> bytes:
    source = openssl.path("csr.der", device_csr())
    arguments = ["cms", "-encrypt", "-binary", "-outform", "DER", "-in", source, *options]
    return openssl(*arguments)


@pytest.mark.covers("F-05", "T-22")
@pytest.mark.parametrize("form", [[], ["-stream"]], ids=["definite", "indefinite"])
@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des-ede3-cbc"])
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-keyopt", "rsa_padding_mode:oaep"],
        ["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"],
    ],
    ids=["pkcs1v15", "oaep", "oaep-sha256"],
)
def test_we_open_what_openssl_seals(
    openssl: OpenSsl, options: list[str], cipher: str, form: list[str]
) -> None:
    """Envelopes of OpenSSL open, in every cipher and key transport, streamed or not."""
    recipient = ["-recip", openssl.path("ra-enc.pem"), *options]
    opened = unseal(_seal(openssl, f"-{cipher}", *form, *recipient), floor=Floor.NDES)
    assert opened.plaintext == device_csr()
    assert opened.cipher.value == cipher
    expected = {0: "pkcs1v15", 2: "oaep-sha1", 4: "oaep-sha256"}[len(options)]
    assert opened.key_transport.value == f"rsa-{expected}"


@pytest.mark.covers("T-11")
def test_several_recipients_of_openssl(openssl: OpenSsl) -> None:
    """Each of three recipients finds its own entry; a fourth finds none."""
    names = ["ra-sign.pem", "ca.pem", "ra-enc.pem"]
    recipients = [part for name in names for part in ("-recip", openssl.path(name))]
    sealed = _seal(openssl, "-aes-128-cbc", *recipients)
    for certificate, key in (
        (PKI.ra_encryption, PKI.ra_encryption_key),
        (PKI.ra_signing, PKI.ra_signing_key),
        (PKI.ca, PKI.ca_key),
    ):
        opened = open_envelope(sealed, recipients=[(certificate, key)], floor=Floor.MODERN)
        assert opened.plaintext == device_csr()
    with pytest.raises(DecryptionError):
        open_envelope(
            sealed, recipients=[(device_certificate(), rsa_key("device"))], floor=Floor.MODERN
        )


def test_key_agreement_of_openssl(openssl: OpenSsl) -> None:
    """An envelope for an EC key has no RSA key transport, and the error says so."""
    ec = PKI.issue("CN=EC", ec_key("agreement"))
    sealed = _seal(openssl, "-aes-128-cbc", "-recip", openssl.path("ec.pem", pem(ec)))
    with pytest.raises(UnsupportedAlgorithmError, match="no RSA key transport"):
        unseal(sealed)


@pytest.mark.covers("T-29", "T-15")
@pytest.mark.parametrize("form", ["DER", "PEM"])
def test_bundles_of_openssl(openssl: OpenSsl, form: str) -> None:
    """`openssl crl2pkcs7` makes bundles that we read; ours print their certificates."""
    files = [
        part for name in ("ra-sign.pem", "ca.pem") for part in ("-certfile", openssl.path(name))
    ]
    theirs = openssl("crl2pkcs7", "-nocrl", "-outform", form, *files)
    assert set(read_certs_only(theirs)) == {PKI.ra_signing, PKI.ca}
    ours = openssl.path("ours.der", build_certs_only([PKI.ra_signing, PKI.ra_encryption, PKI.ca]))
    listed = openssl("pkcs7", "-inform", "DER", "-in", ours, "-print_certs")
    assert x509.load_pem_x509_certificates(listed) == [PKI.ra_signing, PKI.ra_encryption, PKI.ca]


@pytest.mark.covers("S-49")
def test_requests_of_openssl(openssl: OpenSsl) -> None:
    """A request that OpenSSL made, with challenge and alternative name, reads and verifies."""
    config = openssl.path(
        "req.cnf",
        b"""
[req]
prompt = no
distinguished_name = dn
attributes = attrs
req_extensions = ext
string_mask = nombstr
[dn]
CN = router1.example.com
O = Example
[attrs]
challengePassword = BDE00774A789610F
[ext]
subjectAltName = DNS:router1.example.com
""",
    )
    made = openssl(
        *["req", "-new", "-key", openssl.path("device.key"), "-config", config, "-outform", "DER"]
    )
    csr = read_csr(made)
    assert csr.is_signature_valid
    assert csr.challenge == CHALLENGE
    assert csr.public_key_der == rsa_key("device").spki
    assert len(csr.extensions) == 1


# --- the library's own CMS code -------------------------------------------------------------------


def test_the_library_opens_what_we_seal() -> None:
    """cryptography's decrypter, a second opinion on our envelopes."""
    sealed = seal_envelope(device_csr(), PKI.ra_encryption, AlgorithmSuite())
    private = PKI.ra_encryption_key.private_key
    opened = pkcs7.pkcs7_decrypt_der(
        sealed,
        PKI.ra_encryption,
        private,  # type: ignore[arg-type]
        [],
    )
    assert opened == device_csr()


def test_we_open_what_the_library_seals() -> None:
    """And its encrypter."""
    sealed = (
        pkcs7.PKCS7EnvelopeBuilder()
        .set_data(device_csr())
        .add_recipient(PKI.ra_encryption)
        .encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    )
    assert unseal(sealed).plaintext == device_csr()
