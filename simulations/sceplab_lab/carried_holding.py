"""One trustpoint for which an operator brought something, and how consoles see it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from sceplab_agent.core.states import State
from sceplab_devices.api import TrustpointSettings, TrustpointView
from sceplab_lab.carried_record import CarriedRecord


@dataclass(slots=True, kw_only=True)
class Holding:
    """What is held, and how it was configured."""

    record: CarriedRecord
    settings: TrustpointSettings | None = None
    """``None`` until it is configured, after a start."""
    making: object | None = None
    """Stands for the request that is being made."""
    failure: str = ""

    @property
    def state(self) -> State:
        """In the words of the enrollment machine."""
        if self.making is not None:
            return State.KEYGEN
        if self.record.request is not None:
            return State.PENDING
        if self.record.certificate_der is not None:
            return State.INSTALLED
        return State.CA_PINNED if self.record.authorities_der else State.CONFIGURED

    def pinned(self, settings: TrustpointSettings) -> TrustpointSettings:
        """The settings, with the CA that was brought as pin where they name none."""
        if settings.pin_hex or not self.record.authorities_der:
            return settings
        digest = hashlib.sha256(self.record.authorities_der[0]).hexdigest()
        return replace(settings, pin_hex=digest, pin_algorithm="sha256")

    def view(self, certificate_label: str) -> TrustpointView:
        """How a trustpoint without a server stands; it is configured.

        Args:
            certificate_label: of the certificate's key pair.
        """
        assert self.settings is not None
        record, request = self.record, self.record.request
        has_certificate = record.certificate_der is not None
        return TrustpointView(
            state=self.state.value,
            ca_certificates_der=record.authorities_der,
            certificate_der=record.certificate_der,
            key_label=certificate_label if has_certificate else self.settings.key_label,
            pending_csr_der=None if request is None else request.der,
            pending_digests={} if request is None else request.digests,
            last_status=record.last_status,
            installed_at=record.installed_at,
            failure=self.failure,
        )

    def complete(self, view: TrustpointView, certificate_label: str) -> TrustpointView:
        """A machine's view, with what is held where the machine has nothing.

        Args:
            view: the machine's.
            certificate_label: of the held certificate's key pair.
        """
        record = self.record
        if view.state == State.CONFIGURED.value:
            view = replace(view, state=self.state.value)
        if not view.ca_certificates_der:
            view = replace(view, ca_certificates_der=record.authorities_der)
        if view.certificate_der is None and record.certificate_der is not None:
            view = replace(
                view,
                certificate_der=record.certificate_der,
                key_label=certificate_label,
                installed_at=record.installed_at,
            )
        return view
