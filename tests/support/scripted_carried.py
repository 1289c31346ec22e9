"""The part of the scripted engine that touches no server: requests, imports and exports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from sceplab_devices.api import KeyView, PortEventKind, TrustpointSettings
from sceplab_devices.errors import DeviceError
from sceplab_lab.key_bundle import read_bundle, write_bundle
from sceplab_lab.key_pem import PrivateKey, read_private_key, write_private_key

KEY_FOLDER = Path(__file__).with_name("ios_test_keys")
_NO_CA = "not a CA certificate"


@cache
def load_test_key(name: str) -> PrivateKey:
    """One of the published test keys."""
    key = load_pem_private_key((KEY_FOLDER / f"{name}.pem").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey)
    return key


def spki(key: PrivateKey) -> bytes:
    """SubjectPublicKeyInfo, DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass
class Pair:
    """A key pair."""

    key: PrivateKey
    view: KeyView


@dataclass
class ScriptedTrustpoint:
    """What the scripted engine knows of a trustpoint."""

    settings: TrustpointSettings
    state: str = "CONFIGURED"
    authorities: tuple[bytes, ...] = ()
    certificate: bytes | None = None
    certificate_key: str = ""
    request: bytes | None = None
    request_key: str = ""
    is_pending: bool = False
    last_status: str = ""
    next_poll_at: datetime | None = None
    polls_sent: int = 0
    renew_at: datetime | None = None
    installed_at: datetime | None = None
    failure: str = ""
    is_renewing: bool = False


class ScriptedCarried:
    """Requests, imports and exports of `ScriptedPort`.

    Attributes:
        requests_are_slow: a request comes with `request_comes`.
        storage: where new keys live; only ``software`` takes keys in and lets them out.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.requests_are_slow = False
        self.storage = "software"
        self._trustpoints: dict[str, ScriptedTrustpoint] = {}
        self._pairs: dict[str, Pair] = {}
        self._requested: list[tuple[str, str]] = []
        self._exported: dict[tuple[str, ...], bytes] = {}

    # --- EnrollmentPort -------------------------------------------------------------------------

    def import_ca(self, name: str, certificates_der: Sequence[bytes]) -> None:
        """Trusts what it gets."""
        trustpoint = self._known(name)
        if trustpoint.authorities:
            raise DeviceError(f"trustpoint {name} has a CA already")
        if not certificates_der or not all(_is_ca(der) for der in certificates_der):
            raise DeviceError(_NO_CA)
        trustpoint.authorities = tuple(certificates_der)
        if trustpoint.state == "CONFIGURED":
            trustpoint.state = "CA_PINNED"

    def create_request(self, name: str, *, challenge: str = "") -> None:
        """Makes the request, at once or when `request_comes` says so."""
        if self.requests_are_slow:
            self._requested.append((name, challenge))
        else:
            self._make_request(name, challenge)

    def import_certificate(self, name: str, certificate_der: bytes) -> None:
        """Installs what fits the request that waits."""
        trustpoint = self._carried(name)
        if trustpoint.request is None:
            raise DeviceError(f"trustpoint {name} waits for no certificate")
        request = x509.load_der_x509_csr(trustpoint.request)
        certificate = _load(certificate_der)
        if certificate.public_key() != request.public_key():
            raise DeviceError("the certificate is for another key")
        _check_issuer(certificate, trustpoint.authorities)
        if not _is_valid(certificate, self.clock()):
            raise DeviceError("the certificate is not valid now")
        self._install(trustpoint, certificate_der, trustpoint.request_key)
        self._publish(name, PortEventKind.CERT_ISSUED, certificate_der=certificate_der)

    def import_pkcs12(
        self, name: str, data: bytes, passphrase: str, *, key_label: str, exportable: bool
    ) -> None:
        """Takes everything from the file."""
        trustpoint = self._known(name)
        bundle = read_bundle(data, passphrase)
        if not _is_valid(_load(bundle.certificate_der), self.clock()):
            raise DeviceError("the certificate is not valid now")
        self._take_key(key_label, bundle.key, exportable=exportable)
        trustpoint.authorities = bundle.authorities_der or trustpoint.authorities
        self._install(trustpoint, bundle.certificate_der, key_label)

    def export_pkcs12(self, name: str, passphrase: str) -> bytes:
        """Everything as a file; the same one when asked again."""
        trustpoint = self._known(name)
        if trustpoint.certificate is None:
            raise DeviceError(f"trustpoint {name} has no certificate")
        certificate = trustpoint.certificate
        pair = self._exportable(trustpoint.certificate_key)
        known = ("pkcs12", name, passphrase, certificate.hex())
        if known not in self._exported:
            self._exported[known] = write_bundle(
                name, pair.key, certificate, trustpoint.authorities, passphrase
            )
        return self._exported[known]

    def import_key(self, label: str, pem: str, passphrase: str, *, exportable: bool) -> None:
        """Takes the key."""
        self._take_key(label, read_private_key(pem, passphrase), exportable=exportable)

    def export_key(self, label: str, passphrase: str, cipher: str) -> str:
        """The key, always with the same initialization vector."""
        pair = self._exportable(label)
        return write_private_key(
            pair.key, passphrase, cipher, random_bytes=lambda count: bytes(range(count))
        )

    # --- what the test makes happen -------------------------------------------------------------

    def request_comes(self) -> None:
        """The oldest ordered request is made."""
        self._make_request(*self._requested.pop(0))

    def ca_signs(self, name: str) -> bytes:
        """The certificate, DER, that the CA gives to whoever brings the request that waits.

        The CA is `authority`, whatever the trustpoint trusts.
        """
        trustpoint = self._trustpoints[name]
        assert trustpoint.request, "no request is out"
        return self._issue(x509.load_der_x509_csr(trustpoint.request))

    # --- inside ---------------------------------------------------------------------------------

    def _publish(
        self,
        name: str,
        kind: str,
        *,
        certificate_der: bytes | None = None,
        csr_der: bytes | None = None,
        fail_info: int | None = None,
        reason: str = "",
        details: dict[str, str] | None = None,
    ) -> None:
        raise AssertionError("given by the engine")

    def _issue(self, request: x509.CertificateSigningRequest) -> bytes:
        raise AssertionError("given by the engine")

    def _build_request(self, name: str, challenge: str, label: str) -> bytes:
        raise AssertionError("given by the engine")

    def _known(self, name: str) -> ScriptedTrustpoint:
        trustpoint = self._trustpoints.get(name)
        if trustpoint is None:
            raise DeviceError(f"there is no trustpoint {name}")
        return trustpoint

    def _carried(self, name: str) -> ScriptedTrustpoint:
        trustpoint = self._known(name)
        if trustpoint.settings.url:
            raise DeviceError(f"trustpoint {name} enrolls at its server")
        return trustpoint

    def _make_request(self, name: str, challenge: str) -> None:
        trustpoint = self._trustpoints.get(name)
        refusal = f"there is no trustpoint {name}" if trustpoint is None else ""
        if trustpoint is not None and trustpoint.settings.url:
            refusal = f"trustpoint {name} enrolls at its server"
        if trustpoint is None or refusal:
            self._publish(name, PortEventKind.ENROLL_FAILED, reason=refusal)
            return
        label = trustpoint.settings.key_label
        challenge = challenge or trustpoint.settings.challenge
        trustpoint.request = self._build_request(name, challenge, label)
        trustpoint.request_key = label
        trustpoint.is_pending, trustpoint.state = True, "PENDING"
        trustpoint.last_status = "pending"
        self._publish(name, PortEventKind.REQUEST_CREATED, csr_der=trustpoint.request)

    def _install(self, trustpoint: ScriptedTrustpoint, certificate: bytes, label: str) -> None:
        trustpoint.certificate, trustpoint.certificate_key = certificate, label
        trustpoint.request, trustpoint.is_pending = None, False
        trustpoint.state, trustpoint.last_status = "INSTALLED", "granted"
        trustpoint.installed_at = self.clock()

    def _take_key(self, label: str, key: PrivateKey, *, exportable: bool) -> None:
        if self.storage != "software":
            raise DeviceError(f"keys of the {self.storage} are made inside")
        if label in self._pairs:
            raise DeviceError(f"there is a key pair {label} already")
        view = KeyView(
            label=label,
            algorithm=_algorithm(key),
            public_key_der=spki(key),
            generated_at=self.clock(),
            exportable=exportable,
            storage=self.storage,
        )
        self._pairs[label] = Pair(key, view)

    def _exportable(self, label: str) -> Pair:
        pair = self._pairs.get(label)
        if pair is None:
            raise DeviceError(f"there is no key pair {label}")
        if not pair.view.exportable:
            raise DeviceError(f"key pair {label} is not exportable")
        return pair


def _algorithm(key: PrivateKey) -> str:
    if isinstance(key, RSAPrivateKey):
        return f"rsa:{key.key_size}"
    return f"ec:p{key.key_size}"


def _load(certificate_der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(certificate_der)
    except ValueError:
        raise DeviceError("not a certificate") from None


def _is_ca(certificate_der: bytes) -> bool:
    try:
        extensions = _load(certificate_der).extensions
        return extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _check_issuer(certificate: x509.Certificate, authorities: Sequence[bytes]) -> None:
    if not authorities:
        return
    try:
        certificate.verify_directly_issued_by(_load(authorities[0]))
    except (ValueError, TypeError, InvalidSignature):
        raise DeviceError("the certificate is not from the trustpoint's CA") from None


def _is_valid(certificate: x509.Certificate, now: datetime) -> bool:
    leeway = timedelta(minutes=5)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begins - leeway <= now <= ends
