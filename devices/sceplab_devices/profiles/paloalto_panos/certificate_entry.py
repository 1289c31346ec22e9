"""A certificate as the configuration holds it, and the way back from what was pasted."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sceplab_devices.profiles.candidate.tree import Tree
from sceplab_devices.profiles.readable import load_readable

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_SHORT = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.COUNTRY_NAME: "C",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.SERIAL_NUMBER: "serialNumber",
}


def entry_of(certificate_der: bytes, *, on_hsm: str = "") -> Tree:
    """The statements of a certificate. ``on_hsm``: ``yes`` when its key is in no file."""
    certificate = x509.load_der_x509_certificate(certificate_der)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    is_ec = isinstance(certificate.public_key(), EllipticCurvePublicKey)
    fields = {
        "common-name": str(names[0].value) if names else "",
        "subject": slashed_name(certificate.subject),
        "issuer": slashed_name(certificate.issuer),
        "not-valid-before": date_text(certificate.not_valid_before_utc),
        "not-valid-after": date_text(certificate.not_valid_after_utc),
        "expiry-epoch": str(int(certificate.not_valid_after_utc.timestamp())),
        "ca": "yes" if is_ca(certificate) else "no",
        "algorithm": "EC" if is_ec else "RSA",
        "private-key-on-hsm": on_hsm,
        "public-key": one_line_pem(certificate_der),
    }
    return {name: {text: {}} for name, text in fields.items() if text}


def one_line_pem(certificate_der: bytes) -> str:
    """PEM with blanks in the place of its line ends, as one line of a configuration holds it."""
    return f"{_BEGIN} {b64encode(certificate_der).decode()} {_END}"


def read_pem(text: str) -> bytes | None:
    r"""A certificate, DER, from PEM with blanks or ``\n`` between its lines, or bare base64."""
    body = re.sub(r"\\n|\s", "", text.replace(_BEGIN, "").replace(_END, ""))
    try:
        certificate = load_readable(b64decode(body, validate=True))
    except (Error, ValueError):
        return None
    return None if certificate is None else certificate.public_bytes(Encoding.DER)


def is_ca(certificate: x509.Certificate) -> bool:
    """Its basic constraints say so."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return found.value.ca


def slashed_name(name: x509.Name) -> str:
    """``/C=US/O=x/CN=fw``: as the name is encoded."""
    parts = [part for rdn in name.rdns for part in rdn]
    return "".join(
        f"/{_SHORT.get(part.oid, part.oid.dotted_string)}={part.value!s}" for part in parts
    )


def date_text(moment: datetime) -> str:
    """``May 12 05:50:46 2026 GMT``: day padded to two columns with a blank."""
    return f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S %Y} GMT"


def store_date(moment: datetime) -> str:
    """``260512055046Z(May 12 05:50:46 2026 GMT)``."""
    return f"{moment:%y%m%d%H%M%S}Z({date_text(moment)})"
