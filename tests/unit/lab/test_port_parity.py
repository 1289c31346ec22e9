"""The scripted engine of console tests and the real one tell the same story of carried things."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_devices.api import EnrollmentPort, KeyView, PortEvent, TrustpointSettings
from sceplab_devices.errors import DeviceError
from sceplab_ndes.authority import CertificateOrder
from sceplab_scep.csr import read_csr
from tests.support.consoles import ManualClock
from tests.support.lab_port import PortBench
from tests.support.scripted_port import ScriptedPort

WORD = "of the export"
SCEP_URL = "http://ndes.example.test/certsrv/mscep/mscep.dll"


@dataclass
class Engine:
    """One of the two, with its CA."""

    port: EnrollmentPort
    authority: bytes
    sign: Callable[[str], bytes]
    heard: list[PortEvent] = field(default_factory=list)

    def kinds(self) -> list[str]:
        """Kinds of events since the last look."""
        kinds = [event.kind for event in self.heard]
        self.heard.clear()
        return kinds


@pytest.fixture(params=["scripted", "real"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Each of the two."""
    if request.param == "scripted":
        scripted = ScriptedPort(ManualClock())
        engine = Engine(scripted, scripted.authority, scripted.ca_signs)
        scripted.subscribe(engine.heard.append)
        yield engine
        return
    bench = PortBench(tmp_path)

    def sign(name: str) -> bytes:
        csr = read_csr(bench.port.view(name).pending_csr_der or b"")
        order = CertificateOrder(request_id=1, csr=csr)
        return bench.server.authority.issue(order, bench.clock()).public_bytes(Encoding.DER)

    root = bench.server.hierarchy.issuing.certificate.public_bytes(Encoding.DER)
    yield Engine(bench.port, root, sign, bench.heard)
    bench.close()


def digests_of(request: bytes | None) -> dict[str, bytes]:
    """Fingerprints that consoles show of a request."""
    names = ("md5", "sha1", "sha256")
    return {name: hashlib.new(name, request or b"").digest() for name in names}


def listed(port: EnrollmentPort) -> list[KeyView]:
    """All key pairs of the device."""
    return port.keys()


def settings(name: str, **changes: str) -> TrustpointSettings:
    """A trustpoint without a server."""
    wanted = {"url": "", "key_label": "E", "subject": "CN=r1.example.test", **changes}
    return TrustpointSettings(name=name, **wanted)  # type: ignore[arg-type]


def test_states_and_events(engine: Engine) -> None:
    """The way of a certificate by hand, and a second request that is dropped."""
    port = engine.port
    port.configure(settings("T"))
    states = [port.view("T").state]
    port.import_ca("T", [engine.authority])
    states.append(port.view("T").state)
    port.create_request("T")
    states.append(port.view("T").state)
    assert port.view("T").pending_csr_der == engine.heard[-1].csr_der
    assert port.view("T").pending_digests == digests_of(engine.heard[-1].csr_der)
    certificate = engine.sign("T")
    port.import_certificate("T", certificate)
    states.append(port.view("T").state)
    assert states == ["CONFIGURED", "CA_PINNED", "PENDING", "INSTALLED"]
    assert engine.kinds() == ["request_created", "cert_issued"]
    view = port.view("T")
    assert (view.certificate_der, view.key_label, view.last_status) == (certificate, "E", "granted")
    port.create_request("T")
    port.cancel("T")
    assert engine.kinds() == ["request_created", "enroll_cancelled"]
    view = port.view("T")
    assert (view.state, view.certificate_der) == ("INSTALLED", certificate)
    port.remove("T")
    assert port.view("T").state == "UNCONFIGURED"
    assert [view.label for view in listed(port) if view.label == "E"] == ["E"]


def test_a_request_that_waits_is_shown_without_its_password(engine: Engine) -> None:
    """The event has what was signed; the view has its digests, and the rest of it."""
    port = engine.port
    port.configure(settings("T"))
    assert port.view("T").pending_digests == {}
    port.create_request("T", challenge="typed")
    sent, view = engine.heard[-1].csr_der, port.view("T")
    assert read_csr(sent or b"").challenge == "typed"
    shown = read_csr(view.pending_csr_der or b"")
    assert (shown.challenge, shown.subject) == (None, read_csr(sent or b"").subject)
    assert view.pending_digests == digests_of(sent)
    port.cancel("T")
    assert (port.view("T").pending_csr_der, port.view("T").pending_digests) == (None, {})


def test_requests_for_nobody_fail(engine: Engine) -> None:
    """Unknown, or with a server: an event, with a reason."""
    engine.port.create_request("NONE")
    engine.port.configure(settings("S", url=SCEP_URL))
    engine.port.create_request("S")
    assert [bool(event.reason) for event in engine.heard] == [True, True]
    assert engine.kinds() == ["enroll_failed", "enroll_failed"]


def test_refusals(engine: Engine) -> None:
    """What cannot be kept is a DeviceError with both."""
    port = engine.port
    port.configure(settings("T"))
    port.generate_key("E", "rsa:2048", exportable=False)
    with pytest.raises(DeviceError):
        port.import_certificate("T", engine.authority)
    with pytest.raises(DeviceError):
        port.import_ca("T", [b"none"])
    port.import_ca("T", [engine.authority])
    with pytest.raises(DeviceError):
        port.import_ca("T", [engine.authority])
    with pytest.raises(DeviceError):
        port.export_pkcs12("T", WORD)
    port.create_request("T")
    with pytest.raises(DeviceError):
        port.import_certificate("T", engine.authority)
    port.import_certificate("T", engine.sign("T"))
    with pytest.raises(DeviceError):
        port.export_pkcs12("T", WORD)
    with pytest.raises(DeviceError):
        port.export_key("E", WORD, "aes")
    with pytest.raises(DeviceError):
        port.import_pkcs12("T", b"none", WORD, key_label="N", exportable=False)


def test_keys_and_files(engine: Engine) -> None:
    """Out of one, into another name; once exportable, once not."""
    port = engine.port
    port.generate_key("E", "rsa:2048", exportable=True)
    port.configure(settings("T"))
    port.import_ca("T", [engine.authority])
    port.create_request("T")
    port.import_certificate("T", engine.sign("T"))
    port.configure(settings("P", key_label="P", subject=""))
    port.import_pkcs12("P", port.export_pkcs12("T", WORD), WORD, key_label="P", exportable=False)
    view = port.view("P")
    assert (view.state, view.key_label) == ("INSTALLED", "P")
    assert view.ca_certificates_der == (engine.authority,)
    assert x509.load_der_x509_certificate(view.certificate_der or b"")
    port.import_key("I", port.export_key("E", WORD, "3des"), WORD, exportable=True)
    labels = {view.label: view.exportable for view in listed(port)}
    assert (labels["E"], labels["P"], labels["I"]) == (True, False, True)
    with pytest.raises(DeviceError):
        port.import_key("I", port.export_key("E", WORD, "des"), WORD, exportable=True)


@pytest.mark.parametrize("is_right", [True, False])
def test_a_fingerprint_decides_alone(engine: Engine, is_right: bool) -> None:
    """One event says that the CA is trusted, or that it is not; it has the certificate."""
    pin = hashlib.sha256(engine.authority).hexdigest() if is_right else "ab" * 32
    engine.port.configure(settings("P", url=SCEP_URL, pin_hex=pin, pin_algorithm="sha256"))
    engine.port.authenticate("P")
    if isinstance(engine.port, ScriptedPort):
        engine.port.ca_answers("P")
    view = engine.port.view("P")
    assert view.state == ("CA_PINNED" if is_right else "BLOCKED")
    assert bool(view.ca_certificates_der) == is_right
    assert [event.certificate_der for event in engine.heard] == [engine.authority]
    assert engine.kinds() == ["ca_pinned_ok" if is_right else "ca_pin_mismatch"]


def test_what_a_listener_asks_for_is_heard_later(engine: Engine) -> None:
    """Everybody hears an event before what follows from it."""
    kinds: list[str] = []

    def enroll(event: PortEvent) -> None:
        if event.kind == "ca_pinned_ok":
            engine.port.enroll("P", challenge="")
        kinds.append(event.kind)

    engine.port.subscribe(enroll)
    pin = hashlib.sha256(engine.authority).hexdigest()
    engine.port.configure(settings("P", url=SCEP_URL, pin_hex=pin, pin_algorithm="sha256"))
    engine.port.authenticate("P")
    if isinstance(engine.port, ScriptedPort):
        engine.port.ca_answers("P")
    assert kinds[:3] == ["ca_pinned_ok", "enroll_started", "pkcsreq_sent"]
