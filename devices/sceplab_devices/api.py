"""What a device needs from outside, declared here so that devices import neither agent nor SCEP.

`EnrollmentPort` is the device's enrollment engine as the device sees it; `sceplab_lab` implements
it with the agent's machine. Every text and table a console prints comes from a `TrustpointView`, a
`KeyView` or a `PortEvent`: nothing is canned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustpointSettings:
    """What the configuration says of a trustpoint, in terms every vendor shares."""

    name: str
    url: str
    """Enrollment URL as typed."""
    pin_hex: str = ""
    """Fingerprint of the CA certificate, hexadecimal without separators; empty: none."""
    pin_algorithm: str = ""
    """``sha256``, ``sha1`` or ``md5``; empty: by the length of ``pin_hex``."""
    pin_required: bool = False
    """Refuse an unpinned CA instead of asking the operator (strict trains)."""
    key_label: str = ""
    """Label of the key pair; empty: the device's default key."""
    key_algorithm: str = "rsa:2048"
    """For a key that does not exist yet: ``rsa:2048`` … ``ec:p384``."""
    subject: str = ""
    """Distinguished name, RFC 4514 text, most specific first; may use ``unstructuredName``,
    ``unstructuredAddress`` and ``serialNumber``."""
    dns_names: tuple[str, ...] = ()
    """subjectAltName dNSName entries."""
    emails: tuple[str, ...] = ()
    """subjectAltName rfc822Name entries."""
    ip_addresses: tuple[str, ...] = ()
    """subjectAltName iPAddress entries, IPv4 or IPv6 as text."""
    digest: str = "sha256"
    """Digest of CSR and message: ``md5`` … ``sha512``."""
    retry_period_s: float = 60.0
    """Pause between two polls, seconds."""
    retry_count: int = 10
    """Polls at most."""
    auto_renew_share: float | None = None
    """Share of the lifetime after which renewal starts, 0 to 1; ``None``: no automatic renewal."""
    auto_enroll: bool = False
    """Enroll by itself once the CA is authenticated."""
    new_key_on_renewal: bool = False
    ca_identifier: str = ""
    """Sent as ``message`` with GetCACaps and GetCACert; empty: nothing is sent."""
    challenge: str = field(default="", repr=False)
    """Challenge password that the configuration keeps, for this and every later request; empty: it
    keeps none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustpointView:
    """How a trustpoint stands, as its enrollment machine says."""

    state: str
    """Machine state, for example ``PENDING``."""
    url: str = ""
    """Enrollment URL it is configured with."""
    ca_certificates_der: tuple[bytes, ...] = ()
    """CA certificate first, then its chain, DER. Empty until the CA is trusted."""
    certificate_der: bytes | None = None
    """Active router certificate."""
    key_label: str = ""
    pending_csr_der: bytes | None = field(default=None, repr=False)
    """Request that waits at the CA, also after a restart; without its challenge password, so that
    the signature of one that had any does not verify. The event has what was sent."""
    pending_digests: Mapping[str, bytes] = field(default_factory=dict)
    """``md5``, ``sha1`` and ``sha256`` of that request as it was sent; empty: none waits."""
    last_status: str = ""
    """``granted``, ``pending``, ``rejected`` or ``failed``; empty: nothing tried yet."""
    next_poll_at: datetime | None = None
    polls_sent: int = 0
    renew_at: datetime | None = None
    installed_at: datetime | None = None
    failure: str = ""
    """What went wrong last, for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """One key pair of the device."""

    label: str
    algorithm: str
    """``rsa:2048`` … ``ec:p384``."""
    public_key_der: bytes
    """SubjectPublicKeyInfo, DER."""
    generated_at: datetime
    exportable: bool
    storage: str
    """Where the key lives, in one word: ``software``, ``token``, ``tpm``, ``tpm-stub``."""


class PortEventKind:
    """Names of what an enrollment port reports (device-cli-flows, part 6)."""

    CA_CERT_RECEIVED = "ca_cert_received"
    CA_PINNED_OK = "ca_pinned_ok"
    CA_PIN_MISMATCH = "ca_pin_mismatch"
    CA_PIN_MISSING = "ca_pin_missing"
    CA_TRUSTED = "ca_trusted"
    CA_REFUSED = "ca_refused"
    CA_UNREACHABLE = "ca_unreachable"
    ENROLL_STARTED = "enroll_started"
    PKCSREQ_SENT = "pkcsreq_sent"
    PENDING = "pending"
    POLL_SENT = "poll_sent"
    CERT_ISSUED = "cert_issued"
    ENROLL_REJECTED = "enroll_rejected"
    ENROLL_FAILED = "enroll_failed"
    ENROLL_CANCELLED = "enroll_cancelled"
    RENEW_SCHEDULED = "renew_scheduled"
    RENEW_STARTED = "renew_started"
    CERT_RENEWED = "cert_renewed"
    RENEW_FAILED = "renew_failed"
    STATE_CHANGED = "state_changed"
    KEY_GENERATED = "key_generated"
    KEY_REFUSED = "key_refused"
    REQUEST_CREATED = "request_created"
    """`EnrollmentPort.create_request` made a request: ``csr_der``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortEvent:
    """Something happened to a trustpoint."""

    kind: str
    """One of `PortEventKind`."""
    trustpoint: str
    """Empty with the kinds about keys, which have ``label`` among their details."""
    at: datetime
    certificate_der: bytes | None = None
    """CA certificate, or the issued one, where the kind has one."""
    csr_der: bytes | None = field(default=None, repr=False)
    """It may hold the challenge password."""
    fail_info: int | None = None
    reason: str = ""
    details: dict[str, str] = field(default_factory=dict)


class EnrollmentPort(Protocol):
    """Enrollment engine of one device. Calls return at once; results come as events.

    A call for what cannot be kept raises `DeviceError`.
    """

    def subscribe(self, listener: Callable[[PortEvent], None]) -> None:
        """Calls ``listener`` for every event, in the caller's thread or event loop."""

    def configure(self, settings: TrustpointSettings) -> None:
        """Creates the trustpoint or replaces its settings; keeps what was obtained."""

    def remove(self, name: str) -> None:
        """Forgets the trustpoint, its certificates and its running transaction."""

    def authenticate(self, name: str) -> None:
        """Fetches the CA certificates.

        Ends in ``ca_pinned_ok``, ``ca_pin_mismatch``, ``ca_pin_missing``, ``ca_unreachable`` or,
        unpinned, in ``ca_cert_received``, which waits for `answer_ca`.
        """

    def answer_ca(self, name: str, *, accept: bool) -> None:
        """The operator's answer to the fingerprint question."""

    def enroll(self, name: str, *, challenge: str) -> None:
        """Enrolls, or re-enrolls an installed certificate.

        ``challenge`` is what was typed for this enrollment, and forgotten when it ends; empty: the
        one of the settings, if any.
        """

    def renew(self, name: str) -> None:
        """Renews the installed certificate now."""

    def cancel(self, name: str) -> None:
        """Drops the running transaction."""

    def view(self, name: str) -> TrustpointView:
        """How the trustpoint stands; an unknown name gives state ``UNCONFIGURED``."""

    def key_algorithms(self) -> frozenset[str]:
        """What kinds of key pairs can be made here: ``rsa:2048`` … ``ec:p384``."""

    def generate_key(self, label: str, algorithm: str, *, exportable: bool) -> None:
        """Makes a key pair. One of the same label goes once the new one is there.

        Ends in ``key_generated`` or, with everything as before, in ``key_refused``. Where no key
        can leave its place, `KeyView.exportable` is false whatever was asked for.
        """

    def delete_key(self, label: str) -> bool:
        """Destroys a key pair of the device; false when it has none of that label.

        Raises:
            DeviceError: it cannot be destroyed now.
        """

    def keys(self) -> list[KeyView]:
        """All key pairs, oldest first."""

    # --- certificates that an operator carries --------------------------------------------------
    #
    # For trustpoints without a URL (``enrollment terminal``) and for import and export. `configure`
    # comes first as ever. They touch no server; unless said otherwise they are done on return.

    def import_ca(self, name: str, certificates_der: Sequence[bytes]) -> None:
        """Trusts CA certificates that the operator brought and vouched for.

        Args:
            name: of the trustpoint.
            certificates_der: the CA certificate first, then its chain, DER.

        Raises:
            DeviceError: they are no CA certificates, or the trustpoint has a CA already.
        """

    def create_request(self, name: str, *, challenge: str = "") -> None:
        """Makes a certificate request for the operator to carry to the CA.

        Ends in ``request_created`` (``csr_der``) or ``enroll_failed``. The trustpoint is pending
        until `import_certificate` or `cancel`; `TrustpointView.pending_csr_der` is what waits.
        """

    def import_certificate(self, name: str, certificate_der: bytes) -> None:
        """Installs a certificate that the CA gave for the request; ``cert_issued`` follows.

        Raises:
            DeviceError: it is not for the trustpoint's key, not from its CA (if it has one), or not
                valid now.
        """

    def import_pkcs12(
        self, name: str, data: bytes, passphrase: str, *, key_label: str, exportable: bool
    ) -> None:
        """Takes key pair, certificate and CA certificates from a PKCS#12 file (DER).

        Raises:
            DeviceError: wrong passphrase, not such a file, or no place for a key from outside
                (tokens and chips make theirs).
        """

    def export_pkcs12(self, name: str, passphrase: str) -> bytes:
        """Key pair, certificate and CA certificates of a trustpoint, as PKCS#12 (DER).

        Raises:
            DeviceError: there is no certificate, or its key is not exportable.
        """

    def import_key(self, label: str, pem: str, passphrase: str, *, exportable: bool) -> None:
        """Takes a private key (PEM, PKCS#8 or traditional, encrypted or not) as a key pair.

        Raises:
            DeviceError: wrong passphrase, no such key, label taken, or no place for it.
        """

    def export_key(self, label: str, passphrase: str, cipher: str) -> str:
        """Private key as PEM, encrypted with ``cipher``: ``aes``, ``3des`` or ``des``.

        Raises:
            DeviceError: there is none of that label, or it is not exportable.
        """
