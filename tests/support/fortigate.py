"""A FortiGate with the scripted engine, logged in, without paging."""

from __future__ import annotations

from typing import cast

from sceplab_devices.profiles.fortinet_fortios import FortiGate
from tests.support.consoles import Terminal
from tests.support.device_bench import DeviceBench, shared_profile

URL = "http://10.0.0.9/certsrv/mscep/mscep.dll"


class FortiBench(DeviceBench):
    """A bench whose box has an administrator."""

    def __init__(self) -> None:
        super().__init__(shared_profile("fortinet-fortios"), users={"admin": "secret-1"})

    @property
    def box(self) -> FortiGate:
        """The box."""
        return cast("FortiGate", self.device)

    def operator(self) -> Terminal:
        """Somebody logged in, without paging."""
        terminal = self.terminal(user="admin")
        for line in ("config system console", "set output standard", "end"):
            terminal.run(line)
        return terminal

    def generate(self, terminal: Terminal, name: str = "VPN", *, challenge: str = "OTP") -> str:
        """Asks for a certificate; the CA of the port has still to answer."""
        return terminal.run(
            f"execute vpn certificate local generate rsa {name} 2048 fw.example.test "
            f'"" "" "" "" "" "" "" {URL} {challenge}'
        )

    def enroll(self, terminal: Terminal, name: str = "VPN") -> None:
        """An entry with a certificate."""
        self.generate(terminal, name)
        self.port.ca_answers(name)
        self.port.ca_grants(name)
