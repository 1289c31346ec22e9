"""Certificates that an operator carries: requests, imports and exports without a server.

A trustpoint without an enrollment URL lives here alone. One with a URL has a machine, and what is
held for it here fills in what the machine does not have: the CA that an operator brought is the
machine's pin, and an imported certificate is shown and used until the machine obtains one. The
machine does not know an imported certificate and so never renews it; `enroll` replaces it.

A trustpoint may change from one to the other. Its CA, its certificate and its key pair stay; with a
request under way the change is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sceplab_agent.core.commands import InstallCertificate
from sceplab_agent.core.states import State
from sceplab_agent.errors import InstallError
from sceplab_agent.trustpoint import parse_subject, subject_alternative_name
from sceplab_devices.api import PortEvent, PortEventKind, TrustpointSettings, TrustpointView
from sceplab_devices.errors import DeviceError
from sceplab_hsm.api import KeyAlgorithm, KeyStore
from sceplab_lab.breakdown import describe_breakdown
from sceplab_lab.carried_checks import check_authorities, check_certificate
from sceplab_lab.carried_holding import Holding
from sceplab_lab.carried_record import CarriedRecord, load_record, save_record
from sceplab_lab.key_bundle import read_bundle, write_bundle
from sceplab_lab.pending_request import PendingRequest
from sceplab_lab.port_keys import PortKeys
from sceplab_lab.port_places import Places
from sceplab_lab.worker import Worker
from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.csr import build_csr, read_csr
from sceplab_scep.errors import ScepError

logger = logging.getLogger(__name__)

_NO_SERVER = "the trustpoint enrolls at its server"
_NO_TRUSTPOINT = "the trustpoint's configuration is incomplete"


class CarriedCertificates:
    """What is held for the trustpoints of one device. Belongs to the owner's thread.

    Args:
        store: has the keys.
        keys: know them by label.
        places: where records are kept.
        worker: signs requests.
        clock: now, aware UTC.
        floor: weakest digest certificates may be signed with.
        tell: hands an event to whoever listens.
        changed: called when work has ended.
    """

    def __init__(
        self,
        *,
        store: KeyStore,
        keys: PortKeys,
        places: Places,
        worker: Worker,
        clock: Callable[[], datetime],
        floor: Floor,
        tell: Callable[[PortEvent], None],
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._keys = keys
        self._places = places
        self._worker = worker
        self._clock = clock
        self._floor = floor
        self._tell = tell
        self._installer = places.installer()
        self._changed = changed
        self._holdings: dict[str, Holding] = {}
        self._jobs = 0

    # --- what the engine asks ---------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether a request is being made."""
        return self._jobs > 0

    def is_without_server(self, name: str) -> bool:
        """Whether the trustpoint is configured, without a URL."""
        holding = self._holdings.get(name)
        return holding is not None and holding.settings is not None and not holding.settings.url

    def keys_in_use(self, *, without: str) -> frozenset[str]:
        """Names of the key pairs that trustpoints need, one of them left out."""
        others = (one.record.keys for name, one in self._holdings.items() if name != without)
        return frozenset().union(*others)

    def load(self, name: str) -> None:
        """Reads what is held for a trustpoint that is about to be configured.

        Raises:
            DeviceError: the record cannot be read.
        """
        if name not in self._holdings:
            self._holdings[name] = Holding(record=load_record(self._places.folder(name)))

    def check(self, settings: TrustpointSettings) -> None:
        """Whether a trustpoint without a server can be configured so.

        Raises:
            ValueError: subject, key or digest is malformed; the text says which.
        """
        _subject_of(settings)
        KeyAlgorithm(settings.key_algorithm)
        Digest(settings.digest or "sha256")

    def require_rest(self, name: str) -> None:
        """Whether the trustpoint can be set up in another way now.

        At the first configuration of a start it can: then the configuration under which the request
        was made was never saved, and the request goes with it.

        Raises:
            DeviceError: a request of it is being made or waits for its certificate.
        """
        holding = self._holdings.get(name)
        if holding is None or holding.state not in {State.KEYGEN, State.PENDING}:
            return
        if holding.settings is None:
            logger.warning("trustpoint %s: its request is dropped; it has a server now", name)
            self._keep(name, holding, replace(holding.record, request=None, request_key=""))
        else:
            raise DeviceError(f"a request of trustpoint {name} waits for its certificate")

    def configure(self, settings: TrustpointSettings) -> None:
        """Takes settings, after `load`."""
        self._holdings[settings.name].settings = settings

    def pinned(self, settings: TrustpointSettings) -> TrustpointSettings:
        """The settings, with the CA that an operator brought as pin where they name none."""
        holding = self._holdings.get(settings.name)
        return settings if holding is None else holding.pinned(settings)

    def adopt(self, name: str, view: TrustpointView, key_id: str) -> None:
        """Keeps what a machine obtained that is about to go.

        Args:
            name: of the trustpoint.
            view: how it stands.
            key_id: of the certificate's key pair, in the store.

        Raises:
            DeviceError: it cannot be kept; the machine has to stay.
        """
        holding = self._holdings[name]
        has_own = bool(key_id) and view.certificate_der is not None
        record = replace(holding.record, authorities_der=view.ca_certificates_der)
        if has_own:
            record = replace(
                record,
                certificate_der=view.certificate_der,
                certificate_key=key_id,
                installed_at=view.installed_at,
                last_status=view.last_status,
            )
        self._keep(name, holding, record)

    def supersede(self, name: str) -> None:
        """The machine has a certificate of its own: the imported one is over."""
        holding = self._holdings.get(name)
        if holding is None or holding.record.certificate_der is None:
            return
        record = CarriedRecord(authorities_der=holding.record.authorities_der)
        try:
            self._keep(name, holding, record)
        except DeviceError as error:
            logger.warning("trustpoint %s: %s", name, error)
            holding.record = record

    def view(self, name: str) -> TrustpointView:
        """How a trustpoint without a server stands."""
        holding = self._holdings.get(name)
        if holding is None or holding.settings is None:
            return TrustpointView(state=State.UNCONFIGURED.value)
        return holding.view(self._keys.label_of(holding.record.certificate_key))

    def complete(self, name: str, view: TrustpointView) -> TrustpointView:
        """A machine's view, with what is held for it besides."""
        holding = self._holdings.get(name)
        if holding is None or holding.record == CarriedRecord():
            return view
        return holding.complete(view, self._keys.label_of(holding.record.certificate_key))

    def remove(self, name: str) -> None:
        """Forgets a trustpoint; its files go with its folder, its key pairs stay."""
        holding = self._holdings.pop(name, None)
        if holding is not None:
            holding.making = None

    def close(self) -> None:
        """Forgets everything that is not in files; a request in the making comes to nothing."""
        for name in tuple(self._holdings):
            self.remove(name)

    # --- EnrollmentPort ---------------------------------------------------------------------------

    def import_ca(self, name: str, certificates_der: Sequence[bytes]) -> None:
        """See `EnrollmentPort.import_ca`."""
        holding, settings = self._require(name)
        if holding.record.authorities_der:
            raise DeviceError(f"trustpoint {name} has a CA already")
        check_authorities(certificates_der, settings, now=self._clock(), floor=self._floor)
        self._keep(name, holding, replace(holding.record, authorities_der=tuple(certificates_der)))

    def create_request(self, name: str, *, challenge: str) -> None:
        """See `EnrollmentPort.create_request`; the request is signed by the worker."""
        holding = self._holdings.get(name)
        if holding is None or holding.settings is None:
            self._publish(name, PortEventKind.ENROLL_FAILED, reason=_NO_TRUSTPOINT)
            return
        settings = holding.settings
        if settings.url:
            self._publish(name, PortEventKind.ENROLL_FAILED, reason=_NO_SERVER)
            return
        token = holding.making = object()
        self._jobs += 1

        def use(key_id: str, refusal: str) -> None:
            if refusal or holding.making is not token:
                self._end(name, holding, token, refusal)
            else:
                self._sign(name, holding, token, key_id, challenge or settings.challenge)

        self._keys.with_key(settings.key_label, settings.key_algorithm, use)

    def cancel(self, name: str) -> None:
        """See `EnrollmentPort.cancel`: the request is dropped, also one in the making."""
        holding = self._holdings.get(name)
        if holding is None or holding.state not in {State.KEYGEN, State.PENDING}:
            return
        holding.making = None
        self._keep(name, holding, replace(holding.record, request=None, request_key=""))
        self._publish(name, PortEventKind.ENROLL_CANCELLED)

    def import_certificate(self, name: str, certificate_der: bytes) -> None:
        """See `EnrollmentPort.import_certificate`."""
        holding, settings = self._require(name)
        record = holding.record
        if settings.url or record.request is None:
            raise DeviceError(f"trustpoint {name} waits for no certificate")
        public_key_der = read_csr(record.request.der).public_key_der
        if self._keys.public_key_of(record.request_key) != public_key_der:
            raise DeviceError("the key pair of the request is gone")
        self._check(certificate_der, record.authorities_der, public_key_der)
        self._install(name, holding, certificate_der, record.request_key)
        self._publish(name, PortEventKind.CERT_ISSUED, certificate_der=certificate_der)

    def import_pkcs12(
        self, name: str, data: bytes, passphrase: str, *, key_label: str, exportable: bool
    ) -> None:
        """See `EnrollmentPort.import_pkcs12`."""
        holding, settings = self._require(name)
        self.require_rest(name)
        bundle = read_bundle(data, passphrase)
        if bundle.authorities_der:
            now = self._clock()
            check_authorities(bundle.authorities_der, settings, now=now, floor=self._floor)
        authorities_der = bundle.authorities_der or holding.record.authorities_der
        public_key_der = bundle.key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        self._check(bundle.certificate_der, authorities_der, public_key_der)
        key_id = self._keys.import_key(key_label, bundle.key, exportable=exportable)
        try:
            self._install(
                name, holding, bundle.certificate_der, key_id, authorities_der=authorities_der
            )
        except DeviceError:
            self._keys.delete(key_label)
            raise
        self._changed()

    def export_pkcs12(self, name: str, view: TrustpointView, passphrase: str) -> bytes:
        """See `EnrollmentPort.export_pkcs12`.

        Args:
            name: of the trustpoint.
            view: how it stands.
            passphrase: for the file.
        """
        if view.certificate_der is None:
            raise DeviceError(f"trustpoint {name} has no certificate")
        key = self._keys.export_key(view.key_label)
        return write_bundle(name, key, view.certificate_der, view.ca_certificates_der, passphrase)

    # --- inside -----------------------------------------------------------------------------------

    def _require(self, name: str) -> tuple[Holding, TrustpointSettings]:
        holding = self._holdings.get(name)
        if holding is None or holding.settings is None:
            raise DeviceError(f"there is no trustpoint {name}")
        return holding, holding.settings

    def _check(
        self, certificate_der: bytes, authorities_der: Sequence[bytes], public_key_der: bytes
    ) -> None:
        check_certificate(
            certificate_der,
            authorities_der,
            public_key_der=public_key_der,
            now=self._clock(),
            floor=self._floor,
        )

    def _sign(
        self, name: str, holding: Holding, token: object, key_id: str, challenge: str
    ) -> None:
        settings = holding.settings
        assert settings is not None
        made: list[bytes] = []

        def sign() -> None:
            made.append(
                build_csr(
                    _subject_of(settings),
                    self._store.get(key_id),
                    digest=Digest(settings.digest or "sha256"),
                    challenge=challenge,
                    extensions=_extensions_of(settings),
                )
            )

        def signed(error: BaseException | None) -> None:
            if holding.making is not token or error is not None:
                self._end(name, holding, token, "" if error is None else _describe(error))
                return
            record = replace(
                holding.record,
                request=PendingRequest.of(made[0]),
                request_key=key_id,
                last_status="pending",
            )
            try:
                self._keep(name, holding, record)
            except DeviceError as unwritable:
                self._end(name, holding, token, str(unwritable))
                return
            self._end(name, holding, token, "")
            self._publish(name, PortEventKind.REQUEST_CREATED, csr_der=made[0])

        self._worker.run(sign, signed)

    def _end(self, name: str, holding: Holding, token: object, failure: str) -> None:
        """A request is made, refused, or not wanted any more."""
        self._jobs -= 1
        if holding.making is token:
            holding.making, holding.failure = None, failure
            if failure:
                holding.record = replace(holding.record, last_status="failed")
                self._publish(name, PortEventKind.ENROLL_FAILED, reason=failure)
        self._changed()

    def _install(
        self,
        name: str,
        holding: Holding,
        certificate_der: bytes,
        key_id: str,
        *,
        authorities_der: tuple[bytes, ...] | None = None,
    ) -> None:
        record = holding.record
        held = record.authorities_der if authorities_der is None else authorities_der
        self._keep(
            name,
            holding,
            CarriedRecord(
                authorities_der=held,
                certificate_der=certificate_der,
                certificate_key=key_id,
                installed_at=self._clock(),
                last_status="granted",
            ),
        )
        holding.failure = ""
        self._publish_files(name, certificate_der, key_id, held)

    def _publish_files(
        self, name: str, certificate_der: bytes, key_id: str, authorities_der: tuple[bytes, ...]
    ) -> None:
        """Puts PEM files where those of other trustpoints are; the record is what counts."""
        command = InstallCertificate(
            generation=1,
            key_id=key_id,
            certificate_der=certificate_der,
            chain_der=authorities_der,
        )
        try:
            self._installer.install(name, command)
        except InstallError as error:
            logger.warning("trustpoint %s: %s", name, error)

    def _keep(self, name: str, holding: Holding, record: CarriedRecord) -> None:
        try:
            folder = self._places.make_folder(name)
        except OSError as error:
            raise DeviceError(describe_breakdown(error)) from error
        save_record(folder, record)
        holding.record = record

    def _publish(
        self,
        name: str,
        kind: str,
        *,
        certificate_der: bytes | None = None,
        csr_der: bytes | None = None,
        reason: str = "",
    ) -> None:
        self._tell(
            PortEvent(
                kind=kind,
                trustpoint=name,
                at=self._clock(),
                certificate_der=certificate_der,
                csr_der=csr_der,
                reason=reason,
            )
        )


def _extensions_of(
    settings: TrustpointSettings,
) -> list[x509.Extension[x509.ExtensionType]]:
    """What a request asks for besides the subject."""
    addresses = [ip_address(text) for text in settings.ip_addresses]
    names = subject_alternative_name(settings.dns_names, settings.emails, addresses)
    return [] if names is None else [x509.Extension(names.oid, False, names)]


def _subject_of(settings: TrustpointSettings) -> x509.Name:
    """Whom a request names; a trustpoint that only imports needs nobody."""
    if not settings.subject:
        return x509.Name([])
    try:
        return parse_subject(settings.subject)
    except ValueError as error:
        raise ValueError(f"subject {settings.subject!r} is no distinguished name") from error


def _describe(error: BaseException) -> str:
    return str(error) if isinstance(error, ScepError) else describe_breakdown(error)
