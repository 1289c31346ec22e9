"""Both generations of scrapli, unmodified, enroll emulated devices of every platform they know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from tests.support.client_envs import client_python
from tests.support.client_stage import Stage, open_stage
from tests.support.programs import require_program

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


@dataclass(frozen=True)
class Platform:
    """A platform as scrapli's definition of it sees its devices.

    Attributes:
        profile: of the device.
        version: what the device says about itself.
        pin: hash of the CA certificate that its operators compare, and what separates the bytes.
        subject: how the issued subject is shown.
        trusted: what is shown when the CA is accepted; empty: a commit does it.
        sent: what is shown when the request is made.
        serial: what stands between the bytes of a serial number.
        is_upper: hexadecimal digits are capitals.
    """

    profile: str
    version: str
    subject: str
    trusted: str
    sent: str
    pin: tuple[hashes.HashAlgorithm, str] = (hashes.SHA256(), "")
    serial: str = ""
    is_upper: bool = False

    def check(self, seen: dict[str, str], stage: Stage) -> None:
        """What the client read is what the server issued."""
        serial = bytes.fromhex(stage.issued().serial).hex(*self.serial)
        assert (serial.upper() if self.is_upper else serial) in seen["certificates"]
        assert self.subject in seen["certificates"]
        assert self.version in seen["version"]
        assert self.trusted in seen.get("trusted", "")
        assert self.sent in seen["sent"]


PLATFORMS = {
    "cisco_iosxe": Platform(
        profile="cisco-ios",
        version="Version 15.9",
        subject="cn=R1",
        trusted="fingerprints matched",
        sent="% Certificate request sent to Certificate Authority",
        is_upper=True,
    ),
    "cisco_asa": Platform(
        profile="cisco-asa",
        version="Software Version 9.12",
        subject="    cn=asa\n    o=Example\n",
        trusted="Trustpoint CA certificate accepted.",
        sent="The certificate has been granted by CA!",
    ),
    "fortinet_fortios": Platform(
        profile="fortinet-fortios",
        version="Hostname: R1",
        subject="O = Example, CN = fw.example.test",
        trusted="Done.",
        sent="Done.",
        pin=(hashes.SHA256(), ":"),
        serial=":",
    ),
    "juniper_junos": Platform(
        profile="juniper-junos",
        version="Hostname: R1",
        subject="  Subject string:\n    CN=srx, O=Example",
        trusted="CA certificate for profile Root loaded successfully",
        sent="Certificate enrollment has started.",
        pin=(hashes.SHA1(), ":"),
    ),
    "paloalto_panos": Platform(
        profile="paloalto-panos",
        version="hostname: R1",
        subject="db-name: /O=Example/CN=R1",
        trusted="",
        sent="Certificate fw was issued by the SCEP server.",
        pin=(hashes.SHA1(), ""),
        is_upper=True,
    ),
}
"""By the names that scrapli gives them."""

NEW = [(name, how) for name in PLATFORMS for how in ("telnet", "ssh2")]
OLD = [(name, how) for name in ("cisco_iosxe", "juniper_junos") for how in ("telnet", "paramiko")]


@pytest.mark.covers("K10")
@pytest.mark.parametrize(
    ("generation", "platform", "how"),
    [
        *[("2026", *case) for case in [*NEW, ("cisco_iosxe", "bin"), ("fortinet_fortios", "bin")]],
        *[("2025", *case) for case in [*OLD, ("cisco_iosxe", "system")]],
    ],
)
def test_scrapli_enrolls(tmp_path: Path, generation: str, platform: str, how: str) -> None:
    """It logs in, changes modes, configures, answers questions and reads the certificate."""
    environment = {"2025": "main", "2026": "scrapli2026"}[generation]
    client_python(environment)
    if how in {"system", "bin"}:
        require_program("ssh", package="openssh-client")
    case = PLATFORMS[platform]
    line = "telnet" if how == "telnet" else "ssh"
    # A line of IOS may let everybody in: scrapli then has to do without a login.
    login = not (platform == "cisco_iosxe" and how == "telnet")
    with open_stage(case.profile, tmp_path, f"{line}:127.0.0.1:0", login=login) as stage:
        pin = stage.fingerprint(case.pin[0]).hex(*case.pin[1])
        seen = stage.run(environment, f"scrapli{generation}.py", platform, how, pin=pin)
        case.check(seen, stage)
    assert seen.get("failed", False) is False
    if platform == "juniper_junos":
        assert pin in seen["trusted"]
        assert "commit complete" in seen["configured"]
    if platform == "paloalto_panos":
        assert "Configuration committed successfully" in seen["configured"]
