"""What a device's settings mean to the agent."""

from __future__ import annotations

import pytest
from cryptography import x509

from sceplab_agent.trustpoint import alternative_names
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


def _with_names(**names: tuple[str, ...]) -> x509.SubjectAlternativeName | None:
    settings = TrustpointSettings(name="lab", url="http://ca", subject="CN=r", **names)
    return alternative_names(
        trustpoint_config(settings, key_id="k", floor=Floor.LAB, has_challenge=False)
    )


def test_every_kind_of_name_stands_in_the_request() -> None:
    """Hosts, mailboxes and addresses of both families share one subjectAltName."""
    names = _with_names(
        dns_names=("r1.example",),
        emails=("r1@example.org",),
        ip_addresses=("192.0.2.7", "2001:db8::7"),
    )
    assert names is not None
    assert names.get_values_for_type(x509.DNSName) == ["r1.example"]
    assert names.get_values_for_type(x509.RFC822Name) == ["r1@example.org"]
    addresses = names.get_values_for_type(x509.IPAddress)
    assert [str(address) for address in addresses] == ["192.0.2.7", "2001:db8::7"]


@pytest.mark.parametrize(
    "names", [{"emails": ("R <r@x.org>",)}, {"ip_addresses": ("192.0.2",)}], ids=str
)
def test_a_name_that_is_none_is_refused_at_once(names: dict[str, tuple[str, ...]]) -> None:
    """The configuration is refused, not the request later."""
    with pytest.raises(ValueError, match=r"address|rfc822name"):
        _with_names(**names)
