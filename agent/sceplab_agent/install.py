"""Where certificates go: PEM files in the state directory, each replaced in one step.

::

    STATE_DIR/                 0700
      journal.sqlite3          0600  (with -mark beside it, -wal and -shm while it is open)
      TRUSTPOINT/              0700
        ca.pem                 0644  the anchor
        chain.pem              0644  CA certificates, issuer first, anchor last
        certificate.pem        0644  the trustpoint's certificate, replaced last
        next/                  0700  the same of one that was handed, or is to be handed, over

The private key stays in its key store.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_agent.core.commands import InstallCertificate
from sceplab_agent.durable import make_directory, replace_file
from sceplab_agent.errors import InstallError

CERTIFICATE_FILE = "certificate.pem"
CHAIN_FILE = "chain.pem"
CA_FILE = "ca.pem"
NEXT_DIRECTORY = "next"
"""Below a trustpoint's directory: the certificate that is being handed to its consumers."""
DIRECTORY_MODE = 0o700
FILE_MODE = 0o644


class CertificateInstaller(Protocol):
    """Puts an issued certificate where its users find it."""

    def install(self, trustpoint: str, command: InstallCertificate) -> None:
        """Installs; the certificate is durably in its place when this returns. Again is harmless.

        Raises:
            InstallError: the certificate before is still in its place.
        """


class FileInstaller:
    """Installs into the state directory.

    Args:
        state_dir: exists; the agent is its only writer.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir

    def install(self, trustpoint: str, command: InstallCertificate) -> None:
        """See `CertificateInstaller.install`."""
        directory = own = self._state_dir / trustpoint
        if command.is_candidate:
            directory = own / NEXT_DIRECTORY
        try:
            for place in dict.fromkeys((own, directory)):
                make_directory(place, mode=DIRECTORY_MODE)
            for name, content in pem_files(command.certificate_der, command.chain_der):
                replace_file(directory / name, content, mode=FILE_MODE)
        except OSError as error:
            raise InstallError(
                f"cannot write into {directory}: {error.strerror}; the certificate before is "
                "still in its place"
            ) from error


class MemoryInstaller:
    """Keeps the newest certificate of each trustpoint, for tests and labs."""

    def __init__(self) -> None:
        self.installed: dict[str, InstallCertificate] = {}
        """Newest command by trustpoint."""

    def install(self, trustpoint: str, command: InstallCertificate) -> None:
        """See `CertificateInstaller.install`."""
        self.installed[trustpoint] = command


def pem_files(
    certificate_der: bytes, chain_der: tuple[bytes, ...]
) -> tuple[tuple[str, bytes], ...]:
    """Names and contents of the files, in the order in which they are to be written."""
    chain = chain_der or (certificate_der,)
    return (
        (CA_FILE, _to_pem(chain[-1:])),
        (CHAIN_FILE, _to_pem(chain)),
        # Last: until it is there, the certificate before counts.
        (CERTIFICATE_FILE, _to_pem((certificate_der,))),
    )


def _to_pem(certificates_der: tuple[bytes, ...]) -> bytes:
    certificates = (x509.load_der_x509_certificate(der) for der in certificates_der)
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
