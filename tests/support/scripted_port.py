"""An enrollment engine for console tests: real keys, requests and certificates, an obedient CA.

It stands at the outermost border of a device. Calls return at once; what the CA answers, and when,
the test says (`ca_answers`, `ca_grants` and so on). Keys are fixed, so that every byte can be
compared.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, NameOID

from sceplab_devices.api import (
    KeyView,
    PortEvent,
    PortEventKind,
    TrustpointSettings,
    TrustpointView,
)
from sceplab_devices.errors import DeviceError
from sceplab_lab.key_pem import PrivateKey
from sceplab_lab.pending_request import PendingRequest
from tests.support.scripted_carried import (
    Pair,
    ScriptedCarried,
    ScriptedTrustpoint,
    load_test_key,
    spki,
)

LIFETIME = timedelta(days=365)
NAME_OVERRIDES = {
    "serialNumber": NameOID.SERIAL_NUMBER,
    "unstructuredName": NameOID.UNSTRUCTURED_NAME,
    "unstructuredAddress": x509.ObjectIdentifier("1.2.840.113549.1.9.8"),
}


class ScriptedPort(ScriptedCarried):
    """An `EnrollmentPort` whose CA is the test.

    Attributes:
        challenges: what `enroll` was given, oldest first.
        algorithms: key pairs that can be made.
        storage: where new keys live.
        keys_are_slow: a new key comes with `key_comes`.
        key_failure: why keys can neither be made nor destroyed; empty: they can.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.challenges: list[str] = []
        self.algorithms = frozenset({"rsa:2048", "ec:p256"})
        self.keys_are_slow = False
        self.key_failure = ""
        self._ordered: list[tuple[str, str, bool]] = []
        self._answered: set[str] = set()
        """Trustpoints whose operator is asked about the CA."""
        self._listeners: list[Callable[[PortEvent], None]] = []
        self._unheard: deque[PortEvent] = deque()
        self._next_serial = 2
        self._rsa_keys = 0
        self.authority = self._authority_certificate(load_test_key("ca"), "Lab CA")

    # --- EnrollmentPort -------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[PortEvent], None]) -> None:
        """Keeps the listener."""
        self._listeners.append(listener)

    def forget_listeners(self) -> None:
        """The device was switched off."""
        self._listeners.clear()

    def configure(self, settings: TrustpointSettings) -> None:
        """Keeps the settings; a subject that is no RFC 4514 text is the device's error."""
        if not settings.subject and settings.url:
            raise ValueError("empty subject")
        x509.Name.from_rfc4514_string(settings.subject, NAME_OVERRIDES)
        known = self._trustpoints.get(settings.name)
        if known:
            known.settings = settings
        else:
            self._trustpoints[settings.name] = ScriptedTrustpoint(settings)

    def remove(self, name: str) -> None:
        """Forgets the trustpoint."""
        self._trustpoints.pop(name, None)

    def authenticate(self, name: str) -> None:
        """Waits for `ca_answers` or `ca_is_silent`."""
        self._trustpoints[name].state = "CA_FETCH"
        self._answered.discard(name)

    def answer_ca(self, name: str, *, accept: bool) -> None:
        """Trusts the CA or blocks."""
        trustpoint = self._trustpoints[name]
        assert trustpoint.state == "CA_FETCH", "nothing was asked"
        if accept:
            self._trust(name)
        else:
            trustpoint.state = "BLOCKED"
            self._publish(name, PortEventKind.CA_REFUSED)

    def enroll(self, name: str, *, challenge: str) -> None:
        """Sends a request; waits for `ca_grants`, `ca_pends` or `ca_rejects`."""
        self.challenges.append(challenge)
        self._publish(name, PortEventKind.ENROLL_STARTED)
        self._send_request(name, challenge, self._trustpoints[name].settings.key_label)

    def renew(self, name: str) -> None:
        """Sends a renewal, with a new key when the settings say so."""
        trustpoint = self._trustpoints[name]
        trustpoint.is_renewing = True
        self._publish(name, PortEventKind.RENEW_STARTED)
        label = trustpoint.settings.key_label
        if trustpoint.settings.new_key_on_renewal:
            label = f"{label}#"
            self._make_pair(label, trustpoint.settings.key_algorithm, exportable=False)
        self._send_request(name, "", label)

    def cancel(self, name: str) -> None:
        """Drops the request that is out, or the fetch of the CA."""
        trustpoint = self._trustpoints.get(name)
        if trustpoint and (trustpoint.request or trustpoint.state == "CA_FETCH"):
            trustpoint.request, trustpoint.is_pending, trustpoint.next_poll_at = None, False, None
            rest = "CA_PINNED" if trustpoint.authorities else "CONFIGURED"
            trustpoint.state = "INSTALLED" if trustpoint.certificate else rest
            self._publish(name, PortEventKind.ENROLL_CANCELLED)

    def view(self, name: str) -> TrustpointView:
        """How the trustpoint stands."""
        trustpoint = self._trustpoints.get(name)
        if trustpoint is None:
            return TrustpointView(state="UNCONFIGURED")
        waits = PendingRequest.of(trustpoint.request or b"") if trustpoint.is_pending else None
        return TrustpointView(
            state=trustpoint.state,
            ca_certificates_der=trustpoint.authorities,
            certificate_der=trustpoint.certificate,
            key_label=trustpoint.certificate_key,
            pending_csr_der=None if waits is None else waits.der,
            pending_digests={} if waits is None else waits.digests,
            last_status=trustpoint.last_status,
            next_poll_at=trustpoint.next_poll_at,
            polls_sent=trustpoint.polls_sent,
            renew_at=trustpoint.renew_at,
            installed_at=trustpoint.installed_at,
            failure=trustpoint.failure,
        )

    def key_algorithms(self) -> frozenset[str]:
        """See `algorithms`."""
        return self.algorithms

    def generate_key(self, label: str, algorithm: str, *, exportable: bool) -> None:
        """Gives the next test key of that algorithm, at once or when `key_comes` says so."""
        if self.keys_are_slow:
            self._ordered.append((label, algorithm, exportable))
        else:
            self._finish_key(label, algorithm, exportable=exportable)

    def _finish_key(self, label: str, algorithm: str, *, exportable: bool) -> None:
        failure = self.key_failure or ("" if algorithm in self.algorithms else "no such key")
        if failure:
            kind, reason = PortEventKind.KEY_REFUSED, failure
        else:
            self._make_pair(label, algorithm, exportable=exportable)
            kind, reason = PortEventKind.KEY_GENERATED, ""
        self._publish("", kind, reason=reason, details={"label": label})

    def _make_pair(self, label: str, algorithm: str, *, exportable: bool) -> None:
        if algorithm == "rsa:2048":
            self._rsa_keys += 1
            key = load_test_key(f"device-{2 - self._rsa_keys % 2}")
        else:
            key = load_test_key("device-ec")
        view = KeyView(
            label=label,
            algorithm=algorithm,
            public_key_der=spki(key),
            generated_at=self.clock(),
            exportable=exportable,
            storage=self.storage,
        )
        self._pairs[label] = Pair(key, view)

    def delete_key(self, label: str) -> bool:
        """Forgets the key pair."""
        if self.key_failure:
            raise DeviceError(self.key_failure)
        return self._pairs.pop(label, None) is not None

    def keys(self) -> list[KeyView]:
        """Every key pair, oldest first."""
        return [pair.view for pair in self._pairs.values()]

    def names(self) -> list[str]:
        """Trustpoints that are configured."""
        return list(self._trustpoints)

    def has_request(self, name: str) -> bool:
        """Whether a request is out."""
        trustpoint = self._trustpoints.get(name)
        return trustpoint is not None and trustpoint.request is not None

    # --- what the test makes happen -------------------------------------------------------------

    def key_comes(self) -> None:
        """The oldest ordered key is made."""
        label, algorithm, exportable = self._ordered.pop(0)
        self._finish_key(label, algorithm, exportable=exportable)

    def happen(self, what: str, name: str) -> None:
        """Calls the method of that name, if it is something that can happen now."""
        view = self.view(name)
        is_out = self.has_request(name)
        is_asked = view.state == "CA_FETCH" and name not in self._answered
        possible = {
            "ca_answers": is_asked,
            "ca_is_silent": is_asked,
            "renew": view.certificate_der is not None and not is_out,
            "poll": view.pending_csr_der is not None,
        }
        if possible.get(what, is_out):
            getattr(self, what)(name)

    def ca_answers(self, name: str) -> None:
        """GetCACert is answered."""
        settings = self._trustpoints[name].settings
        authority_der = self.authority
        if settings.pin_hex:
            digest = hashlib.new(settings.pin_algorithm, authority_der).hexdigest()
            if digest == settings.pin_hex:
                self._trust(name, PortEventKind.CA_PINNED_OK)
            else:
                self._trustpoints[name].state = "BLOCKED"
                self._publish(name, PortEventKind.CA_PIN_MISMATCH, certificate_der=authority_der)
        elif settings.pin_required:
            self._trustpoints[name].state = "BLOCKED"
            self._publish(name, PortEventKind.CA_PIN_MISSING, certificate_der=authority_der)
        else:
            self._answered.add(name)
            self._publish(name, PortEventKind.CA_CERT_RECEIVED, certificate_der=authority_der)

    def ca_is_silent(self, name: str) -> None:
        """GetCACert is not answered."""
        self._trustpoints[name].state = "CONFIGURED"
        self._publish(name, PortEventKind.CA_UNREACHABLE, reason="no route to host")

    def ca_grants(self, name: str) -> None:
        """The request that waits is granted."""
        trustpoint = self._trustpoints[name]
        assert trustpoint.request, "no request is out"
        certificate = self._issue(x509.load_der_x509_csr(trustpoint.request))
        self._replace_key(trustpoint)
        trustpoint.certificate, trustpoint.request = certificate, None
        trustpoint.is_pending, trustpoint.next_poll_at = False, None
        trustpoint.state, trustpoint.last_status = "INSTALLED", "granted"
        trustpoint.installed_at = self.clock()
        is_renewal, trustpoint.is_renewing = trustpoint.is_renewing, False
        kind = PortEventKind.CERT_RENEWED if is_renewal else PortEventKind.CERT_ISSUED
        self._publish(name, kind, certificate_der=certificate)
        share = trustpoint.settings.auto_renew_share
        if share is not None:
            trustpoint.renew_at = self.clock() + LIFETIME * share
            self._publish(name, PortEventKind.RENEW_SCHEDULED)

    def ca_pends(self, name: str) -> None:
        """The request has to wait for an approval."""
        trustpoint = self._trustpoints[name]
        trustpoint.is_pending, trustpoint.state = True, "PENDING"
        trustpoint.last_status = "pending"
        self._schedule_poll(trustpoint)
        self._publish(name, PortEventKind.PENDING)

    def poll(self, name: str) -> None:
        """The poll deadline is reached; the CA still waits, or the polls are used up."""
        trustpoint = self._trustpoints[name]
        trustpoint.polls_sent += 1
        self._publish(name, PortEventKind.POLL_SENT)
        if trustpoint.polls_sent < trustpoint.settings.retry_count:
            self._schedule_poll(trustpoint)
            return
        trustpoint.is_pending, trustpoint.request, trustpoint.next_poll_at = False, None, None
        trustpoint.state, trustpoint.last_status = "FAILED", "failed"
        self._publish(name, PortEventKind.ENROLL_FAILED, reason="polls used up")

    def ca_rejects(self, name: str) -> None:
        """The request that waits is refused: badRequest."""
        trustpoint = self._trustpoints[name]
        trustpoint.is_pending, trustpoint.request, trustpoint.next_poll_at = False, None, None
        trustpoint.state, trustpoint.last_status = "FAILED", "rejected"
        kind = PortEventKind.RENEW_FAILED if trustpoint.is_renewing else None
        trustpoint.is_renewing = False
        self._publish(name, kind or PortEventKind.ENROLL_REJECTED, fail_info=2)

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
        event = PortEvent(
            kind=kind,
            trustpoint=name,
            at=self.clock(),
            certificate_der=certificate_der,
            csr_der=csr_der,
            fail_info=fail_info,
            reason=reason,
            details=details or {},
        )
        self._unheard.append(event)
        if len(self._unheard) > 1:
            return  # a listener asked for it: everybody hears the present event first
        while self._unheard:
            for listener in self._listeners:
                listener(self._unheard[0])
            self._unheard.popleft()

    def _trust(self, name: str, kind: str = PortEventKind.CA_TRUSTED) -> None:
        self._trustpoints[name].authorities = (self.authority,)
        self._trustpoints[name].state = "CA_PINNED"
        self._publish(name, kind, certificate_der=self.authority)

    def _schedule_poll(self, trustpoint: ScriptedTrustpoint) -> None:
        wait = timedelta(seconds=trustpoint.settings.retry_period_s)
        trustpoint.next_poll_at = self.clock() + wait

    def _replace_key(self, trustpoint: ScriptedTrustpoint) -> None:
        """A key made for a renewal takes the name of the one it replaces."""
        label = trustpoint.settings.key_label
        if trustpoint.request_key != label:
            pair = self._pairs.pop(trustpoint.request_key)
            self._pairs[label] = pair
        trustpoint.certificate_key = label

    def _send_request(self, name: str, challenge: str, label: str) -> None:
        trustpoint = self._trustpoints[name]
        trustpoint.state, trustpoint.request_key = "REQUESTING", label
        trustpoint.request = self._build_request(name, challenge, label)
        self._publish(name, PortEventKind.PKCSREQ_SENT, csr_der=trustpoint.request)

    def _build_request(self, name: str, challenge: str, label: str) -> bytes:
        settings = self._trustpoints[name].settings
        if label not in self._pairs:
            self._make_pair(label, settings.key_algorithm, exportable=False)
        builder = x509.CertificateSigningRequestBuilder(
            x509.Name.from_rfc4514_string(settings.subject, NAME_OVERRIDES)
        )
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in settings.dns_names]
        names += [x509.RFC822Name(email) for email in settings.emails]
        names += [x509.IPAddress(ip_address(text)) for text in settings.ip_addresses]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if challenge:
            builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
        request = builder.sign(self._pairs[label].key, hashes.SHA256())
        return request.public_bytes(Encoding.DER)

    def _issue(self, request: x509.CertificateSigningRequest) -> bytes:
        authority = x509.load_der_x509_certificate(self.authority)
        builder = x509.CertificateBuilder(
            issuer_name=authority.subject,
            subject_name=request.subject,
            public_key=request.public_key(),
            serial_number=self._next_serial,
            not_valid_before=self.clock(),
            not_valid_after=self.clock() + LIFETIME,
        )
        self._next_serial += 1
        location = x509.UniformResourceIdentifier("http://10.0.0.9/lab-ca.crl")
        point = x509.DistributionPoint([location], None, None, None)
        own_id = x509.SubjectKeyIdentifier.from_public_key(request.public_key())
        issuer_id = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
            authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        )
        for value, critical in (
            (_key_usage(digital_signature=True, key_encipherment=True), True),
            (own_id, False),
            (issuer_id, False),
            (x509.CRLDistributionPoints([point]), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
            *((extension.value, extension.critical) for extension in request.extensions),
        ):
            builder = builder.add_extension(value, critical=critical)
        key = load_test_key("ca")
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)

    def _authority_certificate(self, key: PrivateKey, name: str) -> bytes:
        subject = x509.Name.from_rfc4514_string(f"CN={name},O=x")
        builder = x509.CertificateBuilder(
            issuer_name=subject,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=1,
            not_valid_before=self.clock() - timedelta(days=1),
            not_valid_after=self.clock() + timedelta(days=3650),
        )
        own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        for value, critical in (
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (_key_usage(digital_signature=True, key_cert_sign=True, crl_sign=True), True),
            (own_id, False),
        ):
            builder = builder.add_extension(value, critical=critical)
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _key_usage(**used: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: used.get(name, False) for name in names})
