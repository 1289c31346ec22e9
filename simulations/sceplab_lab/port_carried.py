"""Certificates that an operator carries: requests, imports and exports without a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from sceplab_devices.errors import DeviceError


class CarriedCertificates:
    """The part of `EnrollmentPort` that touches no server. Nothing of it can be done yet."""

    def import_ca(self, name: str, certificates_der: Sequence[bytes]) -> None:
        """See `EnrollmentPort.import_ca`."""
        _refuse()

    def create_request(self, name: str, *, challenge: str = "") -> None:
        """See `EnrollmentPort.create_request`."""
        _refuse()

    def import_certificate(self, name: str, certificate_der: bytes) -> None:
        """See `EnrollmentPort.import_certificate`."""
        _refuse()

    def import_pkcs12(
        self, name: str, data: bytes, passphrase: str, *, key_label: str, exportable: bool
    ) -> None:
        """See `EnrollmentPort.import_pkcs12`."""
        _refuse()

    def export_pkcs12(self, name: str, passphrase: str) -> bytes:
        """See `EnrollmentPort.export_pkcs12`."""
        _refuse()

    def import_key(self, label: str, pem: str, passphrase: str, *, exportable: bool) -> None:
        """See `EnrollmentPort.import_key`."""
        _refuse()

    def export_key(self, label: str, passphrase: str, cipher: str) -> str:
        """See `EnrollmentPort.export_key`."""
        _refuse()


def _refuse() -> NoReturn:
    raise DeviceError("this device takes certificates from its server only")
