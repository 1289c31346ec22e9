"""Holds the certificate files of a trustpoint against the journal, and mends what is damaged.

The journal has what the files have, so a damaged file is written anew; what was there is set aside.
Files of another certificate of the same CA are whole and stay: the journal may be older than they.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sceplab_agent.core.values import ActiveCertificate
from sceplab_agent.durable import make_directory, replace_file, set_aside
from sceplab_agent.install import (
    CERTIFICATE_FILE,
    CHAIN_FILE,
    DIRECTORY_MODE,
    FILE_MODE,
    pem_files,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFault:
    """A certificate file that is not what the journal says."""

    path: Path
    reason: str
    is_damage: bool
    """Whether it may be written anew."""
    content: bytes
    """What it should be."""


def find_file_faults(
    state_dir: Path, trustpoint: str, active: ActiveCertificate
) -> list[FileFault]:
    """What is wrong with the files of a certificate in use.

    Args:
        state_dir: of the agent.
        trustpoint: its name.
        active: the certificate in use; no other one is being installed.
    """
    directory = state_dir / trustpoint
    faults = [
        FileFault(path=path, reason=reason, is_damage=True, content=content)
        for name, content in pem_files(active.certificate_der, active.chain_der)
        if (reason := _fault(path := directory / name, content))
    ]
    if not any(fault.path.name == CERTIFICATE_FILE for fault in faults):
        return faults
    issuers = [*active.chain_der, *_ders(directory / CHAIN_FILE)]
    others = _ders(directory / CERTIFICATE_FILE)
    is_other = others and others[0] != active.certificate_der
    if not (is_other and _is_issued(others[0], issuers)):
        return faults
    path = directory / CERTIFICATE_FILE
    reason = "is another certificate than the journal's; is the journal an old copy?"
    return [FileFault(path=path, reason=reason, is_damage=False, content=b"")]


def keys_of_files(state_dir: Path) -> dict[bytes, Path]:
    """The certificate files that can be read, by public key (SubjectPublicKeyInfo, DER)."""
    found = {}
    for path in sorted(state_dir.glob(f"*/{CERTIFICATE_FILE}")):
        for der in _ders(path)[:1]:
            try:
                key = x509.load_der_x509_certificate(der).public_key()
            except (ValueError, UnsupportedAlgorithm):
                continue  # damaged, or nothing of ours
            found[key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)] = path
    return found


def tell_file_fault(fault: FileFault) -> tuple[str, dict[str, str]]:
    """Mends a fault where that can be done; an event's name and details of what came of it."""
    told = {"file": str(fault.path), "reason": fault.reason}
    if not fault.is_damage:
        step = "run sceplab-agent audit; a renewal replaces the file"
        return "certificate.file-fault", {**told, "next_step": step}
    try:
        aside = _mend(fault)
    except OSError as error:
        step = f"it cannot be written anew: {error.strerror}; give the agent access to it"
        return "certificate.file-fault", {**told, "next_step": step}
    return "certificate.file-mended", {**told, "set_aside": aside}


def _mend(fault: FileFault) -> str:
    """Writes a file anew; where what was there is kept, empty when there was nothing."""
    path = fault.path
    make_directory(path.parent, mode=DIRECTORY_MODE)
    aside = set_aside(path) if os.path.lexists(path) else None
    try:
        replace_file(path, fault.content, mode=FILE_MODE)
    except OSError:
        if aside is not None:
            aside.rename(path)  # a consumer may still make something of it
        raise
    return str(aside or "")


def _fault(path: Path, content: bytes) -> str:
    try:
        return "" if path.read_bytes() == content else "is damaged"
    except FileNotFoundError:
        return "is gone"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _ders(path: Path) -> list[bytes]:
    try:
        return [
            one.public_bytes(Encoding.DER)
            for one in x509.load_pem_x509_certificates(path.read_bytes())
        ]
    except (OSError, ValueError):
        return []


def _is_issued(certificate_der: bytes, issuers_der: Iterable[bytes]) -> bool:
    """Whether a CA of these signed the certificate: then no bit of it was changed."""
    certificate = x509.load_der_x509_certificate(certificate_der)
    for issuer_der in issuers_der:
        try:
            certificate.verify_directly_issued_by(x509.load_der_x509_certificate(issuer_der))
        except (InvalidSignature, TypeError, UnsupportedAlgorithm, ValueError):
            continue  # the chain may be of the damaged file, too
        return True
    return False
