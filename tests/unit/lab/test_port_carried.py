"""Trustpoints without a server: requests, imports and exports of the real engine."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from sceplab_agent.journal_file import FILE_NAME
from sceplab_devices.api import KeyView, PortEventKind
from sceplab_devices.errors import DeviceError
from sceplab_hsm.errors import TokenMissingError
from sceplab_lab.carried_record import CARRIED_FILE
from sceplab_lab.key_bundle import read_bundle, write_bundle
from sceplab_lab.key_pem import read_private_key, write_private_key
from sceplab_ndes.authority import CertificateOrder
from sceplab_scep.csr import read_csr
from tests.support.lab_port import URL, PortBench, full_disk
from tests.support.scripted_carried import load_test_key

WORD = "of the export"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[PortBench]:
    """An engine with key K, and a CA that an operator can reach."""
    bench = PortBench(tmp_path)
    yield bench
    bench.close()


def carried(bench: PortBench, **changes: object) -> None:
    """Configures LAB without a server."""
    bench.port.configure(bench.trustpoint(url="", pin_hex="", **changes))


def chain_of(bench: PortBench) -> list[bytes]:
    """The CA certificates, issuer first."""
    hierarchy = bench.server.hierarchy
    ders = [
        one.certificate.public_bytes(Encoding.DER) for one in (hierarchy.issuing, hierarchy.root)
    ]
    return list(dict.fromkeys(ders))


def sign(bench: PortBench, csr_der: bytes | None) -> bytes:
    """The certificate that the CA gives to whoever brings the request."""
    assert csr_der is not None
    order = CertificateOrder(request_id=7, csr=read_csr(csr_der))
    return bench.server.authority.issue(order, bench.clock()).public_bytes(Encoding.DER)


def listed(bench: PortBench) -> list[KeyView]:
    """All key pairs of the device."""
    return bench.port.keys()


def enroll(bench: PortBench, **changes: object) -> bytes:
    """LAB gets a certificate by hand; the certificate."""
    carried(bench, **changes)
    bench.port.import_ca("LAB", chain_of(bench))
    bench.port.create_request("LAB")
    bench.rest()
    certificate = sign(bench, bench.view.pending_csr_der)
    bench.port.import_certificate("LAB", certificate)
    return certificate


def restart(bench: PortBench, **changes: object) -> None:
    """The device starts again, with LAB in its configuration."""
    bench.port.close()
    bench.start()
    carried(bench, **changes)


def test_the_way_by_hand(bench: PortBench) -> None:
    """CA in, request out, certificate in; each step is a state and survives a restart."""
    names = {"emails": ("r1@example.test",), "ip_addresses": ("192.0.2.7",)}
    carried(bench, dns_names=("r1.example.test",), **names)
    assert bench.view.state == "CONFIGURED"
    bench.port.import_ca("LAB", chain_of(bench))
    assert bench.view.state == "CA_PINNED"
    bench.port.create_request("LAB", challenge="typed")
    assert [event.kind for event in bench.heard] == [PortEventKind.REQUEST_CREATED]
    request = bench.heard[0].csr_der
    shown = bench.view
    assert b"typed" not in (bench.place / CARRIED_FILE).read_bytes()
    restart(bench)
    assert bench.view == shown
    assert shown.pending_csr_der is not None
    assert read_csr(shown.pending_csr_der).challenge is None
    assert shown.pending_digests["sha256"] == hashlib.sha256(request or b"").digest()
    csr = read_csr(request or b"")
    assert (csr.is_signature_valid, csr.challenge) == (True, "typed")
    asked = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in asked] == [
        "r1.example.test", "r1@example.test", "192.0.2.7",
    ]  # fmt: skip
    certificate = sign(bench, request)
    bench.port.import_certificate("LAB", certificate)
    assert [event.kind for event in bench.heard][-1] == PortEventKind.CERT_ISSUED
    restart(bench)
    view = bench.view
    assert (view.state, view.certificate_der, view.key_label) == ("INSTALLED", certificate, "K")
    assert view.ca_certificates_der == tuple(chain_of(bench))
    assert (view.pending_csr_der, view.last_status) == (None, "granted")
    assert view.installed_at == bench.clock()


def test_a_record_of_before_is_read(bench: PortBench) -> None:
    """It had the request byte for byte."""
    carried(bench)
    bench.port.create_request("LAB", challenge="typed")
    request = bench.heard[0].csr_der or b""
    shown = bench.view
    path = bench.place / CARRIED_FILE
    fields = json.loads(path.read_text())
    fields["request"] = b64encode(request).decode()
    path.write_text(json.dumps(fields))
    restart(bench)
    assert bench.view == shown


def test_the_record_is_private_and_loses_the_request(bench: PortBench) -> None:
    """0600; the request is gone when the certificate is there."""
    enroll(bench, challenge="configured-secret")
    path = bench.place / CARRIED_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    shown = x509.load_pem_x509_certificate((bench.place / "certificate.pem").read_bytes())
    assert shown.public_bytes(Encoding.DER) == bench.view.certificate_der
    assert json.loads(path.read_text())["request"] is None
    bench.port.remove("LAB")
    assert not bench.place.exists()
    assert bench.view.state == "UNCONFIGURED"
    assert bench.labels() == ["K"]


def test_a_key_that_is_missing_is_made(bench: PortBench) -> None:
    """A request makes the key pair of its label, behind the keys that were ordered before."""
    bench.in_threads = True
    bench.start()
    bench.store.gate.hold()
    bench.port.generate_key("A", "ec:p256", exportable=False)
    carried(bench, key_label="B", key_algorithm="ec:p256")
    bench.port.create_request("LAB")
    assert bench.view.state == "KEYGEN"
    assert bench.port.is_busy
    bench.store.gate.release()
    bench.rest()
    assert not bench.port.is_busy
    assert sorted(bench.labels()) == ["A", "B", "K"]
    assert [event.kind for event in bench.heard][-1] == PortEventKind.REQUEST_CREATED
    assert bench.view.state == "PENDING"


@pytest.mark.parametrize("way", ["cancel", "remove", "close"])
def test_a_request_that_nobody_wants_any_more(bench: PortBench, way: str) -> None:
    """Cancelled, removed or switched off while its key is made: nothing waits, nothing breaks."""
    bench.in_threads = True
    bench.start()
    carried(bench, key_label="B", key_algorithm="ec:p256")
    bench.store.gate.hold()
    bench.port.create_request("LAB")
    bench.store.gate.wait_for_somebody()
    if way == "close":
        bench.port.close()
    else:
        getattr(bench.port, way)("LAB")
    bench.store.gate.release()
    bench.rest()
    assert not bench.port.is_busy
    assert bench.view.pending_csr_der is None
    assert PortEventKind.REQUEST_CREATED not in bench.kinds()


def test_a_pending_request_is_cancelled(bench: PortBench) -> None:
    """The request is gone, what was installed stays."""
    certificate = enroll(bench)
    bench.port.create_request("LAB")
    assert (bench.view.state, bench.view.certificate_der) == ("PENDING", certificate)
    bench.heard.clear()
    bench.port.cancel("LAB")
    assert bench.kinds() == [PortEventKind.ENROLL_CANCELLED]
    assert (bench.view.state, bench.view.certificate_der) == ("INSTALLED", certificate)
    with pytest.raises(DeviceError, match="waits for no certificate"):
        bench.port.import_certificate("LAB", certificate)


def by_another_ca(bench: PortBench, **usage: bool) -> bytes:
    """A certificate for the request that waits, by a CA of the same name with another key."""
    csr = read_csr(bench.view.pending_csr_der or b"")
    builder = x509.CertificateBuilder(
        issuer_name=bench.server.hierarchy.issuing.certificate.subject,
        subject_name=csr.subject,
        public_key=csr.public_key,
        serial_number=5,
        not_valid_before=bench.clock(),
        not_valid_after=bench.clock() + timedelta(days=9),
    )
    if usage:
        names = (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
            "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
        )  # fmt: skip
        bits = x509.KeyUsage(**{name: usage.get(name, False) for name in names})
        builder = builder.add_extension(bits, critical=True)
    certificate = builder.sign(load_test_key("other-ca"), hashes.SHA256())
    return certificate.public_bytes(Encoding.DER)


def test_a_certificate_that_is_for_no_device(bench: PortBench) -> None:
    """Neither signatures nor encryption: it would be of no use."""
    carried(bench)
    bench.port.create_request("LAB")
    with pytest.raises(DeviceError, match="neither for signatures nor for encryption"):
        bench.port.import_certificate("LAB", by_another_ca(bench, crl_sign=True))
    bench.port.import_certificate("LAB", by_another_ca(bench, key_encipherment=True))


def test_wrong_certificates_replace_nothing(bench: PortBench) -> None:
    """Other key, other CA, over already, not for a device, none at all: the request still waits."""
    carried(bench)
    bench.port.import_ca("LAB", chain_of(bench))
    bench.port.create_request("LAB")
    good = sign(bench, bench.view.pending_csr_der)
    other = PortBench(bench.folder / "other")
    other.port.configure(other.trustpoint(url="", pin_hex=""))
    other.port.create_request("LAB")
    for certificate, reason in (
        (sign(bench, other.view.pending_csr_der), "another key"),
        (by_another_ca(bench), "not from the trustpoint's CA"),
        (b"", "not a certificate"),
        (good[:-3], "not a certificate"),
        (chain_of(bench)[0], "another key"),
    ):
        with pytest.raises(DeviceError, match=reason):
            bench.port.import_certificate("LAB", certificate)
    bench.clock.move_to(bench.clock() + timedelta(days=5000))
    with pytest.raises(DeviceError, match="not valid now"):
        bench.port.import_certificate("LAB", good)
    assert bench.view.state == "PENDING"
    other.close()


def test_wrong_ca_certificates(bench: PortBench) -> None:
    """No CA, broken chain, other fingerprint, a second one: refused, nothing is trusted."""
    certificate = enroll(bench)
    with pytest.raises(DeviceError, match="already"):
        bench.port.import_ca("LAB", chain_of(bench))
    bench.port.configure(bench.trustpoint(name="NEW", url="", pin_hex="ab" * 32))
    for certificates, reason in (
        ([certificate], "not a CA"),
        ([], "no CA certificate"),
        ([b"x"], "not a certificate"),
        (chain_of(bench), "fingerprint"),
    ):
        with pytest.raises(DeviceError, match=reason):
            bench.port.import_ca("NEW", certificates)
    with pytest.raises(DeviceError, match="no trustpoint"):
        bench.port.import_ca("NONE", chain_of(bench))
    assert bench.port.view("NEW").state == "CONFIGURED"


def test_intents_for_a_server_say_that_there_is_none(bench: PortBench) -> None:
    """Authenticate, enroll and renew end at once, with the reason."""
    carried(bench)
    bench.port.authenticate("LAB")
    bench.port.enroll("LAB", challenge="")
    bench.port.renew("LAB")
    assert {event.reason for event in bench.heard} == {"the trustpoint has no enrollment URL"}
    assert bench.kinds() == ["ca_unreachable", "enroll_failed", "renew_failed"]


def test_requests_that_cannot_be_made(bench: PortBench) -> None:
    """No trustpoint, one with a server, a store that fails, a full disk: told with the reason."""
    bench.port.create_request("NONE")
    bench.port.configure(bench.trustpoint())
    bench.port.create_request("LAB")
    bench.port.remove("LAB")
    carried(bench, key_label="K")
    with full_disk():
        bench.port.create_request("LAB")
    assert {event.kind for event in bench.heard} == {PortEventKind.ENROLL_FAILED}
    assert all(event.reason for event in bench.heard)
    assert bench.view.pending_csr_der is None
    assert (bench.view.last_status, bench.view.state) == ("failed", "CONFIGURED")
    assert bench.view.failure


def test_a_store_that_fails_is_named(bench: PortBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is the store's own text."""

    def get(key_id: str) -> object:
        raise TokenMissingError("the token was removed; insert it again")

    monkeypatch.setattr(bench.store._store, "get", get)
    carried(bench)
    bench.port.create_request("LAB")
    assert bench.heard[-1].reason == "the token was removed; insert it again"


def test_a_request_whose_key_is_gone(bench: PortBench) -> None:
    """A key pair that was zeroized or replaced meanwhile takes no certificate."""
    carried(bench)
    bench.port.create_request("LAB")
    certificate = sign(bench, bench.view.pending_csr_der)
    bench.port.delete_key("K")
    with pytest.raises(DeviceError, match="key pair of the request is gone"):
        bench.port.import_certificate("LAB", certificate)


def test_without_a_ca_the_certificate_vouches_for_itself(bench: PortBench) -> None:
    """Some platforms keep CA certificates elsewhere: key, validity and usage are checked still."""
    carried(bench)
    bench.port.create_request("LAB")
    bench.port.import_certificate("LAB", sign(bench, bench.view.pending_csr_der))
    assert (bench.view.state, bench.view.ca_certificates_der) == ("INSTALLED", ())


def test_a_key_goes_out_and_in(bench: PortBench) -> None:
    """PEM out with each cipher, and in on another label; what is not exportable stays."""
    bench.port.generate_key("E", "rsa:2048", exportable=True)
    for number, cipher in enumerate(("aes", "3des", "des")):
        pem = bench.port.export_key("E", WORD, cipher)
        bench.port.import_key(f"I{number}", pem, WORD, exportable=False)
    views = {view.label: view for view in listed(bench)}
    assert {view.public_key_der for label, view in views.items() if label != "K"} == {
        views["E"].public_key_der
    }
    assert [views[label].exportable for label in ("E", "I0", "K")] == [True, False, False]
    for label, reason in (("K", "not exportable"), ("I0", "not exportable"), ("N", "no key pair")):
        with pytest.raises(DeviceError, match=reason):
            bench.port.export_key(label, WORD, "aes")
    with pytest.raises(DeviceError, match="already"):
        bench.port.import_key("E", pem, WORD, exportable=False)
    with pytest.raises(DeviceError, match="wrong passphrase"):
        bench.port.import_key("W", pem, "another", exportable=False)
    restart(bench)
    assert {view.label: view.exportable for view in listed(bench)}["E"]


def test_pkcs12_goes_out_and_in(bench: PortBench) -> None:
    """Into a fresh name without a server, with key, certificate and CA; and after a restart."""
    bench.port.generate_key("E", "rsa:2048", exportable=True)
    certificate = enroll(bench, key_label="E")
    data = bench.port.export_pkcs12("LAB", WORD)
    bench.port.configure(bench.trustpoint(name="NEW", url="", pin_hex="", subject=""))
    with pytest.raises(DeviceError, match="wrong passphrase"):
        bench.port.import_pkcs12("NEW", data, "wrong", key_label="NEW", exportable=False)
    bench.port.import_pkcs12("NEW", data, WORD, key_label="NEW", exportable=False)
    view = bench.port.view("NEW")
    assert (view.state, view.certificate_der, view.key_label) == ("INSTALLED", certificate, "NEW")
    assert view.ca_certificates_der == tuple(chain_of(bench))
    with pytest.raises(DeviceError, match="NEW is not exportable"):
        bench.port.export_pkcs12("NEW", WORD)
    with pytest.raises(DeviceError, match="key pair E already"):
        bench.port.import_pkcs12("NEW", data, WORD, key_label="E", exportable=False)
    bench.start()
    bench.port.configure(bench.trustpoint(name="NEW", url="", pin_hex="", subject=""))
    assert bench.port.view("NEW") == view
    with pytest.raises(DeviceError, match="no certificate"):
        bench.port.export_pkcs12("LAB", WORD)


def test_what_cannot_be_written_leaves_no_key(bench: PortBench) -> None:
    """A full disk in the middle of an import: no key of nobody stays."""
    key = load_test_key("device-1")
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    before = bench.key_names()
    with full_disk(), pytest.raises(DeviceError):
        bench.port.import_key("I", plain, "", exportable=False)
    assert bench.key_names() == before
    assert bench.labels() == ["K"]


def test_a_trustpoint_loses_its_server(bench: PortBench) -> None:
    """CA, certificate and key pair stay; renewal is by hand from then on."""
    bench.authenticate()
    bench.enroll()
    before = bench.view
    carried(bench)
    view = bench.view
    assert (view.state, view.certificate_der) == ("INSTALLED", before.certificate_der)
    assert view.ca_certificates_der == before.ca_certificates_der
    assert not list(bench.place.glob(f"{FILE_NAME}*"))
    restart(bench)
    assert bench.view == view
    bench.port.create_request("LAB")
    bench.port.import_certificate("LAB", sign(bench, bench.view.pending_csr_der))
    assert bench.view.state == "INSTALLED"
    assert bench.labels() == ["K"]


def test_a_trustpoint_gets_a_server(bench: PortBench) -> None:
    """The CA that was brought is the pin, and the certificate is shown until there is another."""
    certificate = enroll(bench)
    bench.port.configure(bench.trustpoint(pin_hex=""))
    view = bench.view
    assert (view.state, view.certificate_der, view.url) == ("INSTALLED", certificate, URL)
    assert view.ca_certificates_der == tuple(chain_of(bench))
    bench.heard.clear()
    bench.enroll()
    assert "cert_issued" in bench.kinds(), "the CA is known, so nobody is asked"
    assert bench.view.certificate_der != certificate
    assert bench.labels() == ["K"]
    bench.start()
    bench.port.configure(bench.trustpoint(pin_hex=""))
    assert bench.view.state == "INSTALLED"


def test_no_change_while_a_request_is_out(bench: PortBench) -> None:
    """Neither way: what waits would be lost."""
    carried(bench)
    bench.port.create_request("LAB")
    with pytest.raises(DeviceError, match="waits for its certificate"):
        bench.port.configure(bench.trustpoint())
    assert bench.view.state == "PENDING"
    bench.port.cancel("LAB")
    bench.port.configure(bench.trustpoint())
    bench.transport.hold("PKIOperation")
    bench.in_threads = True
    bench.port.close()
    bench.start()
    bench.authenticate()
    bench.enroll()
    bench.threads.pump_until(lambda: bench.view.state == "REQUESTING")
    with pytest.raises(DeviceError, match="is enrolling"):
        carried(bench)
    bench.transport.gate.release()
    bench.rest()
    assert bench.view.state == "INSTALLED"


def test_a_configuration_that_was_not_saved(
    bench: PortBench, caplog: pytest.LogCaptureFixture
) -> None:
    """After a restart with the server's URL, the request is dropped and the trustpoint works."""
    bench.port.configure(bench.trustpoint())
    carried(bench)
    bench.port.create_request("LAB")
    bench.port.close()
    bench.start()
    bench.authenticate()
    bench.enroll()
    assert bench.view.state == "INSTALLED"
    assert bench.view.pending_csr_der is None
    assert "its request is dropped" in caplog.text


def test_import_into_a_trustpoint_with_a_server(bench: PortBench) -> None:
    """It takes a CA and a PKCS#12 file, until it has a certificate from its server."""
    bench.port.generate_key("E", "rsa:2048", exportable=True)
    enroll(bench, key_label="E")
    data = bench.port.export_pkcs12("LAB", WORD)
    new = replace(bench.trustpoint(pin_hex=""), name="NEW")
    bench.port.configure(new)
    bench.port.import_pkcs12("NEW", data, WORD, key_label="NEW", exportable=True)
    assert bench.port.view("NEW").state == "INSTALLED"
    assert read_bundle(bench.port.export_pkcs12("NEW", WORD), WORD).authorities_der
    bench.port.enroll("NEW", challenge=bench.password())
    assert bench.port.view("NEW").state == "INSTALLED"
    with pytest.raises(DeviceError, match="from its server"):
        bench.port.import_pkcs12("NEW", data, WORD, key_label="NEW2", exportable=True)
    with pytest.raises(DeviceError, match="already"):
        bench.port.import_ca("NEW", chain_of(bench))


def test_a_carried_key_is_in_use(bench: PortBench) -> None:
    """The renewal of another trustpoint with the same label does not destroy it."""
    certificate = enroll(bench)
    bench.port.configure(bench.trustpoint(name="WEB", new_key_on_renewal=True))
    bench.port.authenticate("WEB")
    bench.port.enroll("WEB", challenge=bench.password())
    bench.port.renew("WEB")
    assert bench.port.view("WEB").state == "INSTALLED"
    assert bench.view.certificate_der == certificate
    public_keys = {info.public_key_der for info in bench.store.list_keys()}
    key = x509.load_der_x509_certificate(certificate).public_key()
    assert key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) in public_keys


@pytest.mark.parametrize(
    ("old", "new"), [('"version": 1', '"version": 2'), ("{", ""), ('"authorities"', '"others"')]
)
def test_a_damaged_record_is_named(bench: PortBench, old: str, new: str) -> None:
    """The device says which file; nothing is replaced."""
    enroll(bench)
    path = bench.place / CARRIED_FILE
    path.write_text(path.read_text().replace(old, new, 1))
    bench.start()
    with pytest.raises(DeviceError, match="damaged"):
        carried(bench)


@pytest.mark.parametrize("name", ["my.tp", "../outside", "a/b"])
def test_no_name_leads_out_of_the_folder(bench: PortBench, name: str) -> None:
    """With a server and without, everything of a trustpoint is in one folder, and goes with it."""
    place = bench.folder / "trustpoints"
    bench.port.configure(bench.trustpoint(name=name))
    bench.port.authenticate(name)
    bench.port.enroll(name, challenge=bench.password())
    assert bench.port.view(name).state == "INSTALLED"
    (folder,) = place.iterdir()
    assert (folder / "certificate.pem").is_file()
    bench.port.configure(bench.trustpoint(name=name, url="", pin_hex=""))
    bench.port.create_request(name)
    bench.port.import_certificate(name, sign(bench, bench.port.view(name).pending_csr_der))
    assert list(place.iterdir()) == [folder]
    bench.port.remove(name)
    assert list(place.iterdir()) == []


def test_wrong_settings_are_refused(bench: PortBench) -> None:
    """As for trustpoints with a server: the text says which value."""
    for changes in ({"subject": "no name"}, {"key_algorithm": "rsa:7"}, {"digest": "crc"}):
        with pytest.raises(ValueError, match=r".+"):
            carried(bench, **changes)
    assert bench.view.state == "UNCONFIGURED"


@given(st.binary(max_size=300), st.text(max_size=8))
def test_any_bytes_for_a_key_or_a_file(data: bytes, word: str) -> None:
    """What is neither key nor PKCS#12 file is refused cleanly."""
    with pytest.raises(DeviceError):
        read_bundle(data, word)
    with pytest.raises(DeviceError):
        read_private_key(data.decode("latin-1"), word)
    header = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-CBC,00112233"
    with pytest.raises(DeviceError):
        read_private_key(f"{header}44556677\n\n{data.hex()}\n-----END RSA PRIVATE KEY-----", word)


@pytest.mark.parametrize("key", [load_test_key("device-1"), load_test_key("device-ec")])
@pytest.mark.parametrize("cipher", ["aes", "3des", "des"])
def test_printed_keys_are_read_again(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, cipher: str
) -> None:
    """Each cipher, with text around the block; without a passphrase it stays closed."""
    pem = write_private_key(key, WORD, cipher, random_bytes=bytes)
    again = read_private_key(f"% Key name: K\n{pem}\nquit\n", WORD)
    assert again.private_numbers() == key.private_numbers()
    for word in ("", "another"):
        with pytest.raises(DeviceError):
            read_private_key(pem, word)
    with pytest.raises(DeviceError, match="no cipher"):
        write_private_key(key, WORD, "rot13", random_bytes=bytes)


def test_a_file_needs_a_passphrase(bench: PortBench) -> None:
    """No PKCS#12 file leaves in the clear."""
    certificate = enroll(bench)
    with pytest.raises(DeviceError, match="passphrase"):
        write_bundle("x", load_test_key("device-1"), certificate, [], "")


def test_tokens_make_their_keys_themselves(
    bench: PortBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that moves no keys: import and export are refused, exportable keys are not made."""
    capabilities = replace(bench.store._store.capabilities(), moves_keys=False)
    monkeypatch.setattr(bench.store._store, "capabilities", lambda: capabilities)
    bench.start()
    bench.port.generate_key("E", "ec:p256", exportable=True)
    assert [view.exportable for view in listed(bench) if view.label == "E"] == [False]
    key = load_test_key("device-1")
    pem = write_private_key(key, WORD, "aes", random_bytes=bytes)
    with pytest.raises(DeviceError, match="make the key inside"):
        bench.port.import_key("I", pem, WORD, exportable=False)
    with pytest.raises(DeviceError, match="lets none out"):
        bench.port.export_key("E", WORD, "aes")
