"""Whether renewals still gain anything: a CA near its end cuts every certificate to it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sceplab_agent.core.values import ActiveCertificate
from sceplab_scep.certificates import load_readable

_CUT_WITHIN = timedelta(minutes=1)
"""A certificate that ends so close to its CA was cut to it."""


def count_gainless(
    before: ActiveCertificate | None, not_after: datetime, chain_der: tuple[bytes, ...]
) -> int:
    """Renewals in a row that gained nothing, counting the one for this certificate.

    A certificate of another CA is a gain, whenever it ends.

    Args:
        before: the certificate it replaces.
        not_after: end of the new one, UTC.
        chain_der: CA certificates above the new one.
    """
    if before is None or not_after > before.not_after or chain_der != before.chain_der:
        return 0
    return before.gainless + 1


def describe_gainless(active: ActiveCertificate) -> str:
    """Why a renewal gained nothing, for a person."""
    ends = [ca.not_valid_after_utc for ca in load_readable(active.chain_der)]
    reason = f"the renewed certificate ends at {active.not_after.isoformat()} like the one before"
    if ends and min(ends) <= active.not_after + _CUT_WITHIN:
        reason += f": the CA's own certificate ends at {min(ends).isoformat()}"
    return reason
