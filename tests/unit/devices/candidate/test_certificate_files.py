"""Files with certificates that operators bring to a Junos box."""

from __future__ import annotations

from sceplab_devices.profiles.juniper_junos.pem import read_certificates
from tests.support.ios import RouterBench


def test_a_certificate_of_an_unknown_version_is_none() -> None:
    """Whole ones are read, DER as it is."""
    whole = RouterBench().port.authority
    assert read_certificates(whole) == [whole]
    version = whole.index(bytes.fromhex("a003020102")) + 4
    assert read_certificates(whole[:version] + b"\x07" + whole[version + 1 :]) == []
