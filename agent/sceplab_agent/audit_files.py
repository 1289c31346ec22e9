"""Holds certificate files and generations against the journal; lists what was set aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sceplab_agent.core.model import Enrollment
from sceplab_agent.errors import SnapshotDamagedError
from sceplab_agent.handoff.files import FilesHandOff
from sceplab_agent.handoff.run import MARK
from sceplab_agent.install import CERTIFICATE_FILE, NEXT_DIRECTORY
from sceplab_agent.installed_files import find_file_faults
from sceplab_agent.journal import Journal
from sceplab_agent.stored_model import read_stored
from sceplab_agent.trustpoint import TrustpointConfig

_ASIDE = "*.damaged-[0-9]*"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFinding:
    """A file or directory that is not as the journal says."""

    trustpoint: str
    path: str
    remark: str

    def to_json(self) -> dict[str, str]:
        """JSON-ready form."""
        return asdict(self)


def audit_files(
    configs: Sequence[TrustpointConfig], journal: Journal | None, state_dir: Path
) -> list[FileFinding]:
    """What is wrong with the files of these trustpoints; of one at work nothing is said.

    Args:
        configs: which.
        journal: ``None``: there is none yet.
        state_dir: of the agent.

    Raises:
        JournalError: the journal cannot be read.
    """
    return [
        FileFinding(trustpoint=config.name, path=str(path), remark=remark)
        for config in configs
        for path, remark in _findings(config, journal, state_dir)
    ]


def kept_aside(state_dir: Path) -> list[str]:
    """What was set aside in the state directory, until somebody deletes it."""
    found = [*state_dir.glob(_ASIDE), *state_dir.glob(f"*/{_ASIDE}")]
    return sorted(str(path) for path in found)


def _findings(
    config: TrustpointConfig, journal: Journal | None, state_dir: Path
) -> Iterator[tuple[Path, str]]:
    try:
        stored = journal.snapshot(config.name) if journal is not None else None
        model = read_stored(config.name, stored) if stored is not None else Enrollment()
    except SnapshotDamagedError:
        return  # it is told by itself, and nothing can be said of its files
    if model.successor or model.transaction or (stored is not None and MARK in stored.body):
        return
    own = state_dir / config.name
    if model.active is not None:
        for fault in find_file_faults(state_dir, config.name, model.active):
            yield fault.path, fault.reason
    elif (own / CERTIFICATE_FILE).exists():
        yield own / CERTIFICATE_FILE, "of a certificate that the journal does not know"
    if model.active is None and (own / NEXT_DIRECTORY / CERTIFICATE_FILE).exists():
        yield own / NEXT_DIRECTORY, "of a certificate that the journal does not know"
    for handoff in config.handoffs:
        if isinstance(handoff, FilesHandOff):
            yield from _generations(handoff.link, is_known=model.active is not None)


def _generations(link: Path, *, is_known: bool) -> Iterator[tuple[Path, str]]:
    in_use = link.readlink().name if link.is_symlink() else ""
    for path in sorted(link.parent.glob("generation-*")):
        if path.name != in_use:
            yield path, "a generation that nobody uses"
        elif not is_known:
            yield path, "in use, of a certificate that the journal does not know"
