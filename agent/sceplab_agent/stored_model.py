"""A snapshot of the journal as the enrollment that it is of, checked down to its certificates."""

from __future__ import annotations

from sceplab_agent.core.errors import SnapshotError
from sceplab_agent.core.model import Enrollment
from sceplab_agent.core.snapshot import read_snapshot
from sceplab_agent.errors import SnapshotDamagedError
from sceplab_agent.journal import StoredSnapshot
from sceplab_scep.certificates import load_certificate
from sceplab_scep.errors import ScepError


def read_stored(trustpoint: str, stored: StoredSnapshot) -> Enrollment:
    """The enrollment. To be read only.

    Raises:
        SnapshotDamagedError: damaged, or of another version.
    """
    try:
        model = read_snapshot(stored.body)
        for active in filter(None, (model.active, model.successor)):
            for certificate_der in (active.certificate_der, *active.chain_der):
                load_certificate(certificate_der)
        if model.ca is not None:
            load_certificate(model.ca.anchor_der)
        return model
    except (SnapshotError, ScepError) as error:
        raise SnapshotDamagedError(trustpoint, stored.origin, str(error)) from error
