"""``auto-enroll``: a first enrollment that nobody types.

Deviation: it starts only when the trustpoint has a ``password``, and at once instead of within a
minute. Without one the operator has to bring the challenge anyway.
"""

from __future__ import annotations

from sceplab_devices.api import TrustpointView
from sceplab_devices.profiles.cisco_ios.enrollment_method import (
    EnrollmentMethod,
    enrollment_method,
)
from sceplab_devices.profiles.cisco_ios.keys import order_key
from sceplab_devices.profiles.cisco_ios.router import Router
from sceplab_devices.profiles.cisco_ios.trustpoint import Trustpoint

_RUNNING = frozenset({"KEYGEN", "REQUESTING", "PENDING", "RETRY_WAIT", "ISSUED_UNVERIFIED"})
"""Machine states in which a request is under way."""


def is_running(view: TrustpointView) -> bool:
    """A request is out or about to leave."""
    return view.pending_csr_der is not None or view.state in _RUNNING


def enroll_automatically(router: Router, trustpoint: Trustpoint) -> None:
    """Enrolls if the configuration wants it and nothing is enrolled or under way.

    With a key still to be made it only has it made; the key's event leads here again.
    """
    if not trustpoint.renews or "password" not in trustpoint.entries:
        return
    if enrollment_method(router, trustpoint) is not EnrollmentMethod.SCEP:
        return
    view = router.view(trustpoint.name)
    if not view.ca_certificates_der or view.certificate_der or is_running(view):
        return
    if not order_key(router, trustpoint, resumes=trustpoint.name) and router.apply(trustpoint):
        challenge = trustpoint.value("password", "password")
        router.port.enroll(trustpoint.name, challenge=challenge)
