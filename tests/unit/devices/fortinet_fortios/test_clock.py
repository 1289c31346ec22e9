"""What setting the clock of a FortiGate brings about."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509

from sceplab_devices.profiles.fortinet_fortios.local_certificates import LOCAL
from tests.support.fortigate import FortiBench


def _serial(bench: FortiBench) -> int:
    der = bench.port.view("VPN").certificate_der
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


@pytest.mark.parametrize(
    ("days", "days_left", "renews"),
    [("30", 31, False), ("30", 29, True), ("0", 29, False), ("30", 0, False)],
)
def test_a_clock_that_is_set_forward_renews(days: str, days_left: int, *, renews: bool) -> None:
    """Once, within the days before the end; an expired certificate stays."""
    bench = FortiBench()
    terminal = bench.operator()
    bench.enroll(terminal)
    bench.box.config.rows(LOCAL)["VPN"].values["auto-regenerate-days"] = (days,)
    der = bench.port.view("VPN").certificate_der
    assert der is not None
    end = x509.load_der_x509_certificate(der).not_valid_after_utc
    old = _serial(bench)
    terminal.run(f"execute date {end - timedelta(days=days_left):%Y-%m-%d}")
    assert bench.port.has_request("VPN") is renews
    if renews:
        bench.port.ca_grants("VPN")
        assert not bench.port.has_request("VPN")
        assert _serial(bench) != old
        assert "Certificate is regenerated" in terminal.run("execute log display")
