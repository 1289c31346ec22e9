"""What the programs beside this one type, by platform, and how they wait for a certificate."""

import time
from collections.abc import Callable

PATIENCE_S = 60
"""How long a program looks for its certificate."""


def ios_trustpoint(url: str, pin: str) -> list[str]:
    """Configuration of IOS, abbreviated as operators do. ``pin``: digits of the CA's SHA-256."""
    return [
        "ip domain name example.test",
        "cry key gen rsa label R1-KEY mod 2048",
        "cry pki trustp LAB",
        f"enr url {url}",
        "subject-n CN=R1,O=Example",
        "rsakeypair R1-KEY",
        "serial-number none",
        "ip-addr none",
        f"finger {pin}",
        "exit",
    ]


def ios_is_enrolled(certificates: str) -> bool:
    """The router's own certificate stands before the CA's in `show crypto pki certificates`."""
    own = certificates.partition("CA Cert")[0]
    return "Pending" not in certificates and "Serial Number" in own


def asa_trustpoint(url: str) -> list[str]:
    """Configuration of an ASA."""
    return [
        "domain-name example.test",
        "crypto key generate rsa label ASA-KEY modulus 2048 noconfirm",
        "crypto ca trustpoint LAB",
        f"enrollment url {url}",
        "subject-name CN=asa,O=Example",
        "keypair ASA-KEY",
        "serial-number",
        "exit",
    ]


def fortios_import(url: str, pin: str) -> str:
    """Command of a FortiGate that fetches the CA. ``pin``: SHA-256, colons between its bytes."""
    return f'execute vpn certificate ca import auto {url} "" "" {pin}'


def fortios_generate(url: str, challenge: str) -> str:
    """Command of a FortiGate that makes a key and sends its request."""
    return (
        "execute vpn certificate local generate rsa IPSECVPN 2048 fw.example.test NL NH Amsterdam "
        f'"Example" "" admin@example.test DNS:fw.example.test {url} {challenge}'
    )


FORTIOS_SHOW = "get vpn certificate local details IPSECVPN"


def fortios_is_enrolled(details: str) -> bool:
    """The certificate is there, not only its key."""
    return "Valid to:  " in details


def junos_ca_profile(url: str) -> list[str]:
    """Configuration of an SRX, to be committed."""
    return [
        "set security pki ca-profile Root ca-identity Root",
        f"set security pki ca-profile Root enrollment url {url}",
        "set security pki ca-profile Root enrollment retry-interval 60",
        "set security pki ca-profile Root revocation-check disable",
    ]


JUNOS_TRUST = "request security pki ca-certificate enroll ca-profile Root"
JUNOS_KEY = "request security pki generate-key-pair certificate-id LOCAL size 2048 type rsa"
JUNOS_SHOW = "show security pki local-certificate certificate-id LOCAL detail"


def junos_enroll(challenge: str) -> str:
    """Command of an SRX that sends its request."""
    return (
        "request security pki local-certificate enroll scep certificate-id LOCAL ca-profile Root "
        "domain-name srx.example.test subject CN=srx,O=Example "
        f"challenge-password {challenge}"
    )


def junos_is_enrolled(certificate: str) -> bool:
    """The certificate is there, not only its key."""
    return "Serial number" in certificate


def panos_scep_profile(url: str, pin: str, challenge: str) -> list[str]:
    """Configuration of a PAN-OS firewall, to be committed. ``pin``: digits of the CA's SHA-1."""
    return [
        f"set shared scep LAB scep-url {url}",
        "set shared scep LAB ca-identity-name LAB",
        f"set shared scep LAB scep-challenge fixed {challenge}",
        'set shared scep LAB subject "CN=$HOSTID,O=Example"',
        "set shared scep LAB digest sha256",
        f"set shared scep LAB fingerprint {pin}",
    ]


PANOS_ENROLL = "request certificate generate certificate-name fw scep-profile LAB"
PANOS_SHOW = "show sslmgr-store config-certificate-info"


def look_until(look: Callable[[], str], is_there: Callable[[str], bool]) -> str:
    """What ``look`` gave when ``is_there`` said yes, or the last time if it never did."""
    deadline = time.monotonic() + PATIENCE_S
    shown = look()
    while not is_there(shown) and time.monotonic() < deadline:
        shown = look()
    return shown
