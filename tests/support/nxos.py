"""A switch with a scripted enrollment engine, and what is typed at it."""

from __future__ import annotations

from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_devices.profile import DeviceProfile
from sceplab_devices.profiles.cisco_nxos import Switch, create_profile
from sceplab_devices.session import LineInfo
from tests.support.consoles import Terminal
from tests.support.device_bench import DeviceBench


@cache
def nxos_profile() -> DeviceProfile:
    """The profile, compiled once for all tests."""
    return create_profile()


def pem_lines(certificate_der: bytes) -> list[str]:
    """A certificate as it is pasted."""
    pem = x509.load_der_x509_certificate(certificate_der).public_bytes(Encoding.PEM)
    return pem.decode().strip().split("\n")


class SwitchBench(DeviceBench):
    """A switch, its clock, its enrollment engine, and terminals on it."""

    def __init__(self, *, hostname: str = "switch", **settings: object) -> None:
        super().__init__(nxos_profile(), hostname=hostname, **settings)

    @property
    def switch(self) -> Switch:
        """The box."""
        assert isinstance(self.device, Switch)
        return self.device

    def operator(self) -> Terminal:
        """Somebody in configuration mode."""
        terminal = self.terminal(LineInfo(name="vty4", kind="vty", number=4), user="admin")
        for line in ("terminal length 0", "configure terminal"):
            terminal.run(line)
        return terminal

    def run(self, *lines: str) -> str:
        """Types lines in a configuration session of its own; gives what the last one printed."""
        terminal = self.operator()
        output = ""
        for line in lines:
            output = terminal.run(line)
        terminal.console.disconnect()
        return output.partition("\n")[2].rpartition("\n")[0]

    def trust(self) -> None:
        """Key pair K, trustpoint TP, its CA."""
        self.run(
            "ip domain-name lab.example", "crypto key generate rsa label K exportable",
            "crypto ca trustpoint TP", "rsakeypair K", "exit", "crypto ca authenticate TP",
            *pem_lines(self.port.authority), "END OF INPUT", "yes",
        )  # fmt: skip

    def request(self) -> str:
        """Enrolls TP as far as its request; what the terminal showed last."""
        return self.run("crypto ca enroll TP", "otp", "no", "no")

    def enroll(self) -> bytes:
        """Enrolls TP by hand; its certificate, DER."""
        self.trust()
        self.request()
        certificate_der = self.port.ca_signs("TP")
        self.run("crypto ca import TP certificate", *pem_lines(certificate_der))
        return certificate_der
