"""Holds the certificate files of a trustpoint against the journal, and mends what is damaged.

The journal has what the files have, so a damaged file is written anew; what was there is set aside.
A file with another certificate is whole: somebody put it there, or the journal is older than it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from sceplab_agent.core.values import ActiveCertificate
from sceplab_agent.durable import make_directory, replace_file, set_aside
from sceplab_agent.install import DIRECTORY_MODE, FILE_MODE, pem_files


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFault:
    """A certificate file that is not what the journal says."""

    path: Path
    reason: str
    is_damage: bool
    """Whether it is no certificate at all; else it is another one."""
    content: bytes
    """What it should be."""

    def __str__(self) -> str:
        return f"{self.path} {self.reason}"


def find_file_faults(
    state_dir: Path, trustpoint: str, active: ActiveCertificate
) -> list[FileFault]:
    """What is wrong with the files of a certificate in use.

    Args:
        state_dir: of the agent.
        trustpoint: its name.
        active: the certificate in use; no other one is being installed.
    """
    return list(_faults(state_dir / trustpoint, active))


def mend_file(fault: FileFault) -> Path | None:
    """Writes a damaged file anew.

    Returns:
        Where its bytes are kept; ``None``: there was no file.

    Raises:
        OSError: it cannot be written.
    """
    assert fault.is_damage
    aside = set_aside(fault.path) if fault.path.is_symlink() or fault.path.exists() else None
    make_directory(fault.path.parent, mode=DIRECTORY_MODE)
    replace_file(fault.path, fault.content, mode=FILE_MODE)
    return aside


def _faults(directory: Path, active: ActiveCertificate) -> Iterator[FileFault]:
    for name, content in pem_files(active.certificate_der, active.chain_der):
        path = directory / name
        try:
            found = path.read_bytes()
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
            yield FileFault(path=path, reason=reason, is_damage=True, content=content)
            continue
        if found == content:
            continue
        is_whole = _is_whole(found)
        reason = "has another certificate than the journal" if is_whole else "is damaged"
        yield FileFault(path=path, reason=reason, is_damage=not is_whole, content=content)


def _is_whole(content: bytes) -> bool:
    """Whether certificates can be read, and whether they are written as an installation writes."""
    try:
        certificates = x509.load_pem_x509_certificates(content)
        return all(one.signature and one.public_key() is not None for one in certificates)
    except (ValueError, TypeError):
        return False
