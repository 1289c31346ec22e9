"""The certificate template: which requests it lets pass and what a certificate made from it says.

The template decides; a request is heard only about subject, alternative names and key usage.

Spec: NDES 11; checklist S-49 (the signature inside the request is the caller's to check).
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.asn1 import TLV
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID

from sceplab_ndes.errors import RefusedError
from sceplab_ndes.hierarchy import key_usage, template_extension
from sceplab_ndes.settings import TemplateSettings
from sceplab_scep.x509writer import encode_extension

_MAX_RSA_BITS = 8192
_MAX_EXPONENT_BITS = 64
_MAX_SUBJECT_ATTRIBUTES = 32
_MAX_LENGTH = 1024

# Upper bounds of RFC 5280 appendix A.1 that devices run into.
_MAX_LENGTHS = {
    NameOID.COMMON_NAME: 64,
    NameOID.ORGANIZATION_NAME: 64,
    NameOID.ORGANIZATIONAL_UNIT_NAME: 64,
    NameOID.COUNTRY_NAME: 2,
    NameOID.STATE_OR_PROVINCE_NAME: 128,
    NameOID.LOCALITY_NAME: 128,
    NameOID.SERIAL_NUMBER: 64,
    NameOID.EMAIL_ADDRESS: 255,
}

PublicKey = RSAPublicKey | EllipticCurvePublicKey
GrantedExtension = TLV
"""An extension, encoded."""


class CertificateTemplate:
    """One template, ready to use.

    Args:
        settings: what it allows and grants.
    """

    def __init__(self, settings: TemplateSettings) -> None:
        self.settings = settings
        usages = [x509.ObjectIdentifier(oid) for oid in settings.extended_key_usages]
        self._refuses_ca = settings.requested_ca == "refuse"
        self._fixed = [encode_extension(x509.ExtendedKeyUsage(usages))]
        if settings.basic_constraints:
            constraints = x509.BasicConstraints(ca=False, path_length=None)
            self._fixed.append(encode_extension(constraints, critical=True))
        if settings.template_extension:
            self._fixed.append(encode_extension(template_extension(settings.name)))

    def check_key(self, public_key: object) -> PublicKey:
        """The public key of a request, if the template accepts it.

        Raises:
            RefusedError: too short (0x80094811), or of a type the template does not allow.
        """
        if isinstance(public_key, RSAPublicKey):
            bits, minimum = public_key.key_size, self.settings.minimum_rsa_bits
            if bits < minimum:
                raise RefusedError("key-too-short", f"{bits} bits, minimum {minimum}")
            exponent_bits = public_key.public_numbers().e.bit_length()
            if bits > _MAX_RSA_BITS or exponent_bits > _MAX_EXPONENT_BITS:
                raise RefusedError("key-refused", "RSA modulus or exponent is too large")
            return public_key
        if isinstance(public_key, EllipticCurvePublicKey) and self.settings.allow_ec:
            return public_key
        raise RefusedError("key-refused", f"{type(public_key).__name__} in the request")

    def check_subject(self, subject: x509.Name, names: x509.SubjectAlternativeName | None) -> None:
        """Judges the subject.

        Raises:
            RefusedError: empty without alternative names, or an attribute is too long (0x80094001).
        """
        attributes = list(subject)
        if not attributes and names is None:
            raise RefusedError("subject-refused", "the request names nobody")
        if len(attributes) > _MAX_SUBJECT_ATTRIBUTES:
            raise RefusedError("subject-refused", f"{len(attributes)} attributes")
        for attribute in attributes:
            longest = _MAX_LENGTHS.get(attribute.oid, _MAX_LENGTH)
            if not 0 < len(attribute.value) <= longest:
                raise RefusedError(
                    "subject-refused",
                    f"{attribute.rfc4514_attribute_name} has {len(attribute.value)} characters, "
                    f"allowed are 1 to {longest}",
                )

    def check_extensions(self, requested: x509.Extensions) -> None:
        """Judges what a request asks for besides a name.

        Raises:
            RefusedError: it wants to become a CA and the template refuses that.
        """
        for extension in requested:
            value = extension.value
            if isinstance(value, x509.BasicConstraints) and value.ca and self._refuses_ca:
                raise RefusedError("extension-refused", "the request wants CA:TRUE")

    def extensions(
        self, public_key: PublicKey, requested: x509.Extensions
    ) -> list[GrantedExtension]:
        """Extensions of the certificate.

        Raises:
            ValueError: a requested one cannot be encoded.
        """
        granted = list(self._fixed)
        usage: x509.KeyUsage | None = None
        for extension in requested:
            value = extension.value
            if isinstance(value, x509.SubjectAlternativeName):
                granted.append(encode_extension(value, critical=extension.critical))
            elif isinstance(value, x509.KeyUsage):
                usage = value
        granted.append(encode_extension(self._usage(public_key, usage), critical=True))
        return granted

    def _usage(self, public_key: PublicKey, asked: x509.KeyUsage | None) -> x509.KeyUsage:
        allowed: set[str] = set(self.settings.key_usages)
        if isinstance(public_key, EllipticCurvePublicKey):
            allowed.discard("keyEncipherment")  # such a key cannot
        wanted = set(allowed)
        if asked is not None:
            named = {
                "digitalSignature": asked.digital_signature,
                "nonRepudiation": asked.content_commitment,
                "keyEncipherment": asked.key_encipherment,
            }
            wanted = {name for name, is_asked in named.items() if is_asked} & allowed or wanted
        return key_usage(
            signs="digitalSignature" in wanted,
            encrypts="keyEncipherment" in wanted,
            non_repudiation="nonRepudiation" in wanted,
        )
