"""What a device's settings mean to the agent."""

from __future__ import annotations

import pytest

from sceplab_devices.api import TrustpointSettings
from sceplab_lab.port_settings import trustpoint_config
from sceplab_scep.algorithms import Floor
from sceplab_scep.certificates import fingerprint, select_ca_certificates
from sceplab_scep.errors import UnauthorizedRaError
from tests.support.pki import der, lab_pki, rsa_key


def test_a_device_takes_an_ra_by_key_usage() -> None:
    """An emulated device works with servers whose RA certificate does not say that it is one."""
    settings = TrustpointSettings(name="lab", url="http://ca.example.org", subject="CN=router1")
    config = trustpoint_config(settings, key_id="k", floor=Floor.LAB, has_challenge=False)
    pki = lab_pki()
    unmarked = pki.issue("CN=RA", rsa_key("unmarked"))
    bundle, pin = [der(unmarked), der(pki.ca)], fingerprint(der(pki.ca), "sha256")
    with pytest.raises(UnauthorizedRaError):
        select_ca_certificates(bundle, pin, "sha256")
    chosen = select_ca_certificates(bundle, pin, "sha256", ra_rule=config.policy.ra_rule)
    assert chosen.recipient_der == der(unmarked)
