"""What the server must not forget: requests, certificates, passwords, revocations, events.

A reply leaves the server only after the commit that covers it.
"""

from sceplab_ndes.depot.certificates import CertificateRecord, CertificateTable
from sceplab_ndes.depot.database import Database
from sceplab_ndes.depot.depot import Depot
from sceplab_ndes.depot.passwords import PasswordRecord, PasswordTable
from sceplab_ndes.depot.requests import (
    NumberTakenError,
    RequestRecord,
    RequestState,
    RequestTable,
)
from sceplab_ndes.depot.rollovers import RolloverRecord, RolloverTable

__all__ = [
    "CertificateRecord",
    "CertificateTable",
    "Database",
    "Depot",
    "NumberTakenError",
    "PasswordRecord",
    "PasswordTable",
    "RequestRecord",
    "RequestState",
    "RequestTable",
    "RolloverRecord",
    "RolloverTable",
]
