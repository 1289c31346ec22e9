"""A router's console with the agent's machine behind it, in one thread and virtual time."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sceplab_agent.drivers.virtual import VirtualClock
from sceplab_devices.api import PortEvent, TrustpointSettings
from sceplab_devices.console import Console
from sceplab_devices.device import Device
from sceplab_devices.profile import open_profile
from sceplab_lab.device_port import AgentPort
from sceplab_lab.memory_transport import MemoryTransport
from sceplab_lab.worker import InlineWorker
from sceplab_ndes.state import ServerState
from sceplab_scep.algorithms import Floor
from tests.support.server import NOW, make_server
from tests.support.soft_stores import soft_store

URL = "http://ndes.example.test/certsrv/mscep/mscep.dll"


@dataclass(slots=True)
class Bench:
    """A server, a router, and somebody who types."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(NOW))
    server: ServerState = field(init=False)
    port: AgentPort = field(init=False)
    router: Device = field(init=False)
    console: Console = field(init=False)

    def __post_init__(self) -> None:
        """Starts both."""
        self.server = make_server("ndes", settings=self.settings)
        self.port = AgentPort(
            store=soft_store(self.folder / "keys", now=self.clock),
            transport=MemoryTransport(self.server.responder, self.clock),
            worker=InlineWorker(),
            clock=self.clock,
            rng=random.Random(1),
            state_dir=self.folder,
            floor=Floor.NDES,
        )
        self.router = open_profile("cisco-ios").new_device(
            port=self.port, clock=self.clock, hostname="R1"
        )
        self.console = self.router.open_console()
        self.console.open()
        self.type("", "enable", "terminal length 0", "configure terminal")

    def type(self, *lines: str) -> str:
        """Types lines; everything the console printed."""
        printed = b""
        for line in lines:
            printed += self.console.receive(line.encode() + b"\r")
            printed += self.console.take_output()
        return printed.decode().replace("\r\n", "\n")

    def wait(self, **duration: float) -> str:
        """Lets time pass, deadline by deadline; everything the console printed meanwhile."""
        ends = self.clock() + timedelta(**duration)
        while (deadline := self.port.next_deadline()) is not None and deadline <= ends:
            self.clock.move_to(deadline)
            self.port.tick()
        self.clock.move_to(ends)
        return self.console.take_output().decode().replace("\r\n", "\n")

    def fingerprint(self) -> str:
        """SHA-256 of the CA certificate."""
        return self.server.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex().upper()

    def password(self) -> str:
        """A one-time password."""
        issued = self.server.challenge.issue("admin", self.clock())
        assert issued is not None
        return issued.reveal()

    def configure(self, *extra: str) -> None:
        """Key pair and trustpoint LAB."""
        self.type(
            "ip domain name example.test",
            "crypto key generate rsa label K modulus 2048",
            "crypto pki trustpoint LAB",
            f"enrollment url {URL}",
            "subject-name CN=R1,O=Example",
            "rsakeypair K",
            "serial-number none",
            "ip-address none",
            *extra,
            "exit",
        )

    def enroll(self) -> str:
        """The whole enrollment dialog."""
        password = self.password()
        return self.type("crypto pki enroll LAB", password, password, "yes")

    def certificate(self) -> x509.Certificate:
        """The router's certificate."""
        der = self.port.view("LAB").certificate_der
        assert der is not None
        return x509.load_der_x509_certificate(der)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A router and an NDES that issues at once."""
    made = Bench(tmp_path)
    yield made
    made.port.close()
    made.server.close()


def manual(tmp_path: Path, **template: Any) -> Bench:
    """The same with an NDES that lets first requests wait."""
    return Bench(tmp_path, settings={"template": {"approval": "manual", **template}})


@pytest.mark.covers("A26", "A27", "A30", "J1")
def test_happy_path(bench: Bench) -> None:
    """Authenticate with a pin, enroll, and see the certificate that the server issued."""
    bench.configure(f"fingerprint {bench.fingerprint()}")
    assert "Certificate validated - fingerprints matched." in bench.type(
        "crypto pki authenticate LAB"
    )
    printed = bench.enroll()
    assert "% Certificate request sent to Certificate Authority" in printed
    assert "%PKI-6-CERTRET: Certificate received from Certificate Authority" in printed
    (record,) = bench.server.administration.certificates()
    shown = bench.type("do show crypto pki certificates LAB")
    assert f"Certificate Serial Number (hex): {record.serial.upper()}" in shown
    stored = bench.folder / "trustpoints" / "LAB" / "certificate.pem"
    assert x509.load_pem_x509_certificate(stored.read_bytes()) == bench.certificate()


@pytest.mark.covers("G12", "A26")
def test_wrong_fingerprint(bench: Bench) -> None:
    """A CA other than the pinned one is shown, refused, and never asked for a certificate."""
    bench.configure(f"fingerprint {'0' * 64}")
    printed = bench.type("crypto pki authenticate LAB")
    assert "Trustpoint CA certificate is rejected. Abort." in printed
    sha1 = bench.server.hierarchy.root.certificate.fingerprint(hashes.SHA1()).hex().upper()
    assert sha1[:8] in printed
    assert bench.port.view("LAB").ca_certificates_der == ()
    assert not bench.server.administration.requests()
    bench.type("crypto pki trustpoint LAB", f"fingerprint {bench.fingerprint()}", "exit")
    assert "fingerprints matched" in bench.type("crypto pki authenticate LAB")


def test_unpinned_ca_is_asked_for(bench: Bench) -> None:
    """Without a pin the operator decides; a refused CA is not trusted and may be fetched again."""
    bench.configure()
    asked = bench.type("crypto pki authenticate LAB")
    assert asked.endswith("% Do you accept this certificate? [yes/no]: ")
    bench.type("no")
    assert bench.port.view("LAB").ca_certificates_der == ()
    bench.type("crypto pki authenticate LAB")
    assert "Trustpoint CA certificate accepted." in bench.type("yes")
    assert bench.port.view("LAB").ca_certificates_der


@pytest.mark.covers("C19", "M6", "H7")
def test_pending_then_approved(tmp_path: Path) -> None:
    """A pending request is shown with its fingerprint, polled for, and granted once approved."""
    bench = manual(tmp_path)
    bench.configure(f"fingerprint {bench.fingerprint()}")
    bench.type("crypto pki authenticate LAB")
    bench.enroll()
    shown = bench.type("do show crypto pki certificates LAB")
    assert "   Status: Pending" in shown
    assert "POLL LAB" in bench.type("do show crypto pki timers")
    bench.wait(minutes=3)
    for request in bench.server.administration.pending():
        bench.server.administration.approve(request.request_id, bench.clock())
    assert "%PKI-6-CERTRET" in bench.wait(minutes=1)
    assert "Status: Pending" not in bench.type("do show crypto pki certificates LAB")


def test_pending_until_the_polls_are_used_up(tmp_path: Path) -> None:
    """A request nobody approves is given up after the configured number of polls."""
    bench = manual(tmp_path)
    bench.configure(
        f"fingerprint {bench.fingerprint()}",
        "enrollment retry count 3",
        "enrollment retry period 2",
    )
    bench.type("crypto pki authenticate LAB")
    bench.enroll()
    printed = bench.wait(minutes=30)
    assert printed.count("%PKI-3-POLLROUTERCERT") == 3
    assert "%PKI-6-CERTFAIL" in printed
    assert bench.port.view("LAB").state == "EXPIRED_TXN"


@pytest.mark.covers("B1", "H3")
def test_rejected(bench: Bench) -> None:
    """A wrong challenge password is refused by the CA, and the console says so."""
    bench.configure(f"fingerprint {bench.fingerprint()}")
    bench.type("crypto pki authenticate LAB")
    wrong = "0123456789ABCDEF"
    printed = bench.type("crypto pki enroll LAB", wrong, wrong, "yes")
    assert "%PKI-6-CERTREJECT: Certificate enrollment request was rejected" in printed
    assert bench.port.view("LAB").last_status == "rejected"
    assert wrong not in printed


@pytest.mark.covers("M1", "M3")
def test_renewal_with_a_new_key(bench: Bench) -> None:
    """auto-enroll regenerate renews by itself; the key label then means the new key."""
    bench.configure(f"fingerprint {bench.fingerprint()}", "auto-enroll 70 regenerate")
    bench.type("crypto pki authenticate LAB")
    bench.enroll()
    first = bench.certificate()
    printed = bench.wait(days=300)
    assert "%PKI-6-CERTRENEWAUTO" in printed
    second = bench.certificate()
    assert second.serial_number != first.serial_number
    assert second.public_key() != first.public_key()
    (key,) = bench.port.keys()
    assert key.label == "K"
    shown = bench.type("do show crypto key mypubkey rsa")
    assert re.sub(r"\s", "", shown).find(key.public_key_der.hex().upper()) > 0


def test_renewal_with_the_same_key(bench: Bench) -> None:
    """Without regenerate a certificate is not replaced by an NDES, and the old one stays (T-27)."""
    bench.configure(f"fingerprint {bench.fingerprint()}", "auto-enroll 70")
    bench.type("crypto pki authenticate LAB")
    bench.enroll()
    first = bench.certificate()
    bench.wait(days=260)
    assert bench.certificate() == first
    assert bench.port.view("LAB").certificate_der is not None


def test_removed_trustpoint_leaves_nothing(bench: Bench) -> None:
    """A trustpoint that is removed and made again starts from nothing."""
    bench.configure(f"fingerprint {bench.fingerprint()}")
    bench.type("crypto pki authenticate LAB")
    bench.enroll()
    bench.type("no crypto pki trustpoint LAB", "yes")
    assert not (bench.folder / "trustpoints" / "LAB").exists()
    bench.configure(f"fingerprint {bench.fingerprint()}")
    assert bench.port.view("LAB").certificate_der is None
    assert "fingerprints matched" in bench.type("crypto pki authenticate LAB")


def test_server_away(bench: Bench) -> None:
    """A CA that cannot be reached is reported at the console; nothing is trusted by it."""
    bench.configure(f"fingerprint {bench.fingerprint()}")
    bench.server.close()
    bench.type("crypto pki trustpoint LAB", "enrollment url http://127.0.0.1:9/nowhere", "exit")
    printed = bench.type("crypto pki authenticate LAB")
    assert "% Error in receiving Certificate Authority certificate: status = FAIL" in printed
    assert bench.port.view("LAB").ca_certificates_der == ()


def test_unusable_settings_change_nothing(bench: Bench) -> None:
    """Settings that make no trustpoint are refused, and intents for it are answered as failures."""
    heard: list[PortEvent] = []
    bench.port.subscribe(heard.append)
    with pytest.raises(ValueError, match="fingerprint"):
        bench.port.configure(
            TrustpointSettings(name="BAD", url=URL, subject="CN=R1", pin_hex="123", key_label="K")
        )
    bench.port.authenticate("BAD")
    bench.port.enroll("BAD", challenge="")
    assert [event.kind for event in heard] == ["ca_unreachable", "enroll_failed"]
    assert "incomplete" in heard[0].reason
    assert bench.port.view("BAD").state == "UNCONFIGURED"


def test_refused_key_is_said_at_the_console(bench: Bench) -> None:
    """A key store that refuses ends in a text of the device, and the console goes on."""
    bench.configure(f"fingerprint {bench.fingerprint()}")
    shutil.rmtree(bench.folder / "keys")
    printed = bench.type("crypto key generate rsa label OTHER modulus 2048")
    assert "[OK]" not in printed
    assert "Traceback" not in printed
    assert bench.type("do show clock").count("UTC") == 1


def test_unavailable_key_size_costs_no_key(bench: Bench) -> None:
    """A size the store cannot make is refused before the key of that name is touched."""
    bench.configure(f"fingerprint {bench.fingerprint()}")
    (before,) = bench.port.keys()
    printed = bench.type("crypto key generate rsa label K modulus 1024")
    assert "% Invalid input detected" in printed
    assert bench.port.keys() == [before]
