"""What has to hold before a certificate that an operator brought replaces anything."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from cryptography import x509

from sceplab_devices.api import TrustpointSettings
from sceplab_devices.errors import DeviceError
from sceplab_scep.algorithms import Floor
from sceplab_scep.chains import is_ca, is_directly_issued, is_valid_at
from sceplab_scep.errors import ScepError
from sceplab_scep.issued import check_issued
from sceplab_scep.key_usage import usage_names
from sceplab_scep.x509fields import load_certificate

_SKEW_S = 300.0
_DEVICE_USES = frozenset({"digitalSignature", "keyEncipherment", "keyAgreement"})


def check_authorities(
    certificates_der: Sequence[bytes], settings: TrustpointSettings, *, now: datetime, floor: Floor
) -> None:
    """Judges CA certificates: the CA first, each issued by the one behind it.

    Args:
        certificates_der: as brought.
        settings: may name a fingerprint.
        now: current time, UTC.
        floor: weakest digest they may be signed with.

    Raises:
        DeviceError: they are none, not valid now, no chain, or not the ones of the fingerprint.
    """
    if not certificates_der:
        raise DeviceError("no CA certificate was given")
    certificates = [_load(der) for der in certificates_der]
    for certificate in certificates:
        if not is_ca(certificate):
            raise DeviceError("not a CA certificate")
        _check_validity(certificate, now)
    for one, issuer in pairwise(certificates):
        if not is_directly_issued(one, issuer, floor):
            raise DeviceError("the CA certificates are no chain")
    if settings.pin_hex:
        digest = hashlib.new(settings.pin_algorithm or "sha256", certificates_der[0]).hexdigest()
        if digest != settings.pin_hex.lower():
            raise DeviceError("the CA certificate does not have the configured fingerprint")


def check_certificate(
    certificate_der: bytes,
    authorities_der: Sequence[bytes],
    *,
    public_key_der: bytes,
    now: datetime,
    floor: Floor,
) -> None:
    """Judges a device's certificate.

    Args:
        certificate_der: as brought.
        authorities_der: certificates of the CA; empty: nobody said whose it has to be.
        public_key_der: of the key pair it has to be for, SubjectPublicKeyInfo.
        now: current time, UTC.
        floor: weakest digest it may be signed with.

    Raises:
        DeviceError: other key, other CA, not valid now, or not for a device.
    """
    certificate = _load(certificate_der)
    authorities = [_load(der) for der in authorities_der]
    issuer_der = next(
        (
            der
            for der, authority in zip(authorities_der, authorities, strict=True)
            if is_directly_issued(certificate, authority, floor)
        ),
        None,
    )
    if authorities and issuer_der is None:
        raise DeviceError("the certificate is not from the trustpoint's CA")
    try:
        check_issued(
            certificate_der,
            public_key_der=public_key_der,
            chain_der=(),
            anchor_der=certificate_der if issuer_der is None else issuer_der,
            now=now,
            skew_s=_SKEW_S,
            floor=floor,
        )
    except ScepError as error:
        raise DeviceError(str(error)) from error
    uses = set(usage_names(certificate))
    if uses and not uses & _DEVICE_USES:
        raise DeviceError("the certificate is neither for signatures nor for encryption")


def _load(certificate_der: bytes) -> x509.Certificate:
    try:
        return load_certificate(certificate_der)
    except ScepError as error:
        raise DeviceError("not a certificate") from error


def _check_validity(certificate: x509.Certificate, now: datetime) -> None:
    if not is_valid_at(certificate, now, _SKEW_S):
        raise DeviceError("the certificate is not valid now")
