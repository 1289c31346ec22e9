"""The file that keeps the request of a trustpoint's open transaction, for what consoles show.

::

    STATE/trustpoints/NAME/request.json      0600   no challenge password

Only the journal says what a trustpoint waits for; a file of another transaction counts for nothing,
and losing the file costs no more than what is shown of the request.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from sceplab_agent.durable import replace_file
from sceplab_lab.pending_request import PendingRequest

logger = logging.getLogger(__name__)

REQUEST_FILE = "request.json"
_MODE = 0o600
_VERSION = 1


class RequestFile:
    """One trustpoint's file.

    Args:
        folder: of the trustpoint; ``None``: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / REQUEST_FILE

    def load(self, transaction_id: str | None) -> PendingRequest | None:
        """The request of a transaction; ``None``: none is kept.

        Args:
            transaction_id: of the open transaction; ``None``: there is none, and a file goes.
        """
        if self._path is None or not self._path.exists():
            return None
        if transaction_id is None:
            self.drop()
            return None
        try:
            fields = json.loads(self._path.read_bytes())
            if fields["version"] != _VERSION or fields["transaction_id"] != transaction_id:
                return None
            return PendingRequest.from_json(fields["request"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s cannot be read: %s", self._path, type(error).__name__)
            return None

    def save(self, transaction_id: str, request: PendingRequest) -> None:
        """Keeps a request in place of the one before; one that cannot be kept is logged."""
        if self._path is None:
            return
        fields = {
            "version": _VERSION,
            "transaction_id": transaction_id,
            "request": request.to_json(),
        }
        try:
            replace_file(self._path, json.dumps(fields, indent=1).encode() + b"\n", mode=_MODE)
        except OSError as error:
            logger.warning("%s cannot be written: %s", self._path, error.strerror)

    def drop(self) -> None:
        """The transaction is over."""
        if self._path is None:
            return
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s cannot be removed: %s", self._path, error.strerror)
