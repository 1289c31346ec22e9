"""Supplicant and authenticator against each other, and against peers that lie."""

from __future__ import annotations

import itertools
import ssl
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from sceplab_agent.eap.authenticator import MAX_ROUNDS as MOST_RESPONSES
from sceplab_agent.eap.authenticator import Authenticator
from sceplab_agent.eap.frames import (
    EapCode,
    EapolFrame,
    EapolKind,
    EapPacket,
    EapType,
    TlsFragment,
    read_eap,
    read_eapol,
    read_tls_fragment,
)
from sceplab_agent.eap.link import End, make_cable, run
from sceplab_agent.eap.supplicant import MAX_ROUNDS, Supplicant
from sceplab_agent.eap.tls_method import FRAGMENT_BYTES, MAX_MESSAGE_BYTES, Credentials, Outcome
from tests.support.eap import client_credentials, make_pair, server_credentials
from tests.support.pki import der, rsa_key


def packet_of(frame: bytes | None) -> EapPacket:
    """The EAP packet of an EAPOL payload."""
    assert frame is not None
    return read_eap(read_eapol(frame).body)


def talk(supplicant: Supplicant, authenticator: Authenticator) -> Iterator[tuple[str, bytes]]:
    """Passes frames between the two until nobody has anything to say; who sent what."""
    frame: bytes | None = supplicant.again()
    while frame is not None:
        yield "supplicant", frame
        frame = authenticator.receive(frame)
        if frame is not None:
            yield "authenticator", frame
            frame = supplicant.receive(frame)


def outcomes(supplicant: Supplicant, authenticator: Authenticator) -> tuple[Outcome, Outcome]:
    """How it ended on both sides."""
    assert supplicant.outcome is not None
    assert authenticator.outcome is not None
    return supplicant.outcome, authenticator.outcome


def request(identifier: int, data: bytes, method: int = EapType.TLS) -> bytes:
    """A request of an authenticator."""
    return EapPacket(EapCode.REQUEST, identifier, method, data).encode()


START = TlsFragment(is_start=True).encode()


def test_both_sides_accept() -> None:
    """Each side accepts, and knows the other's certificate and the identity."""
    supplicant, authenticator = make_pair()
    frames = list(talk(supplicant, authenticator))
    device, port = outcomes(supplicant, authenticator)
    assert (device.accepted, port.accepted) == (True, True)
    assert authenticator.identity == "router1.example.com"
    assert port.peer_certificate_der is not None
    assert port.peer_certificate_der in client_credentials_der()
    assert packet_of(frames[-1][1]).code is EapCode.SUCCESS


def client_credentials_der() -> set[bytes]:
    """The certificate of the device."""
    return {der(x509.load_pem_x509_certificate(client_credentials().certificate_pem))}


def test_long_messages_are_fragmented() -> None:
    """A message above the bound travels in several packets, each of which fits a frame."""
    supplicant, authenticator = make_pair(
        client=client_credentials(extra=4), server=server_credentials(extra=4)
    )
    sizes = {"supplicant": 0, "authenticator": 0}
    more = {"supplicant": 0, "authenticator": 0}
    for sender, frame in talk(supplicant, authenticator):
        sizes[sender] = max(sizes[sender], len(frame))
        if read_eapol(frame).kind is EapolKind.EAP and packet_of(frame).method == EapType.TLS:
            more[sender] += read_tls_fragment(packet_of(frame).data).has_more
    assert all(outcome.accepted for outcome in outcomes(supplicant, authenticator))
    assert min(more.values()) > 1
    assert max(sizes.values()) <= FRAGMENT_BYTES + 4 + 5 + 5


def test_foreign_client_is_told_by_an_alert() -> None:
    """The port sends its alert before it refuses, and the device can say why it was refused."""
    supplicant, authenticator = make_pair(client=client_credentials(ca="other"))
    frames = list(talk(supplicant, authenticator))
    device, port = outcomes(supplicant, authenticator)
    assert (device.accepted, port.accepted) == (False, False)
    assert "not accepted" in port.reason
    assert "unknown ca" in device.reason
    alert = read_tls_fragment(packet_of(frames[-3][1]).data).content
    assert alert[0] == 21
    assert packet_of(frames[-1][1]).code is EapCode.FAILURE


def test_foreign_server_is_refused_by_the_device() -> None:
    """A port whose certificate is of another CA gets an alert."""
    supplicant, authenticator = make_pair(server=server_credentials(ca="other"))
    list(talk(supplicant, authenticator))
    device, port = outcomes(supplicant, authenticator)
    assert (device.accepted, port.accepted) == (False, False)
    assert "not accepted" in device.reason
    assert "unknown ca" in port.reason


@pytest.mark.parametrize("side", ["client", "server"])
def test_purpose_of_certificates_counts(side: str) -> None:
    """A certificate of the right CA for the wrong purpose opens nothing."""
    wrong = {
        "client": {"client": client_credentials(purpose=ExtendedKeyUsageOID.SERVER_AUTH)},
        "server": {"server": server_credentials(purpose=ExtendedKeyUsageOID.CLIENT_AUTH)},
    }
    supplicant, authenticator = make_pair(**wrong[side])
    list(talk(supplicant, authenticator))
    device, port = outcomes(supplicant, authenticator)
    assert (device.accepted, port.accepted) == (False, False)
    assert "purpose" in device.reason + port.reason


def test_success_before_the_handshake_is_ignored() -> None:
    """Success at any step before the device's handshake is complete changes nothing."""
    supplicant, authenticator = make_pair()
    for sender, frame in talk(supplicant, authenticator):
        if sender == "supplicant" and read_eapol(frame).kind is EapolKind.EAP:
            answered = packet_of(frame)
            is_last = answered.method == EapType.TLS and answered.data == b"\0"
            if not is_last:
                supplicant.receive(EapPacket(EapCode.SUCCESS, answered.identifier).encode())
                assert supplicant.outcome is None
    assert outcomes(supplicant, authenticator)[0].accepted


def test_success_of_another_request_is_ignored() -> None:
    """A Success that bears another identifier than the last request is dropped."""
    supplicant, authenticator = make_pair()
    frames = talk(supplicant, authenticator)
    for sender, frame in frames:
        if sender == "authenticator" and packet_of(frame).code is EapCode.SUCCESS:
            other = EapPacket(EapCode.SUCCESS, (packet_of(frame).identifier + 1) % 256)
            supplicant.receive(other.encode())
            assert supplicant.outcome is None
    assert outcomes(supplicant, authenticator)[0].accepted


def test_lost_frames_are_sent_again() -> None:
    """Repeated requests get the same answer, repeated answers are dropped, and all ends well."""
    supplicant, authenticator = make_pair()
    asked = authenticator.again()
    while supplicant.outcome is None:
        answer = supplicant.receive(asked)
        assert answer == supplicant.receive(asked)
        assert answer is not None
        following = authenticator.receive(answer)
        assert authenticator.receive(answer) is None
        assert following is not None
        if packet_of(following).code is EapCode.REQUEST:
            assert authenticator.again() == following
        else:
            supplicant.receive(following)
        asked = following
    assert all(outcome.accepted for outcome in outcomes(supplicant, authenticator))


def test_other_methods_are_declined() -> None:
    """MD5 is answered with the wish for EAP-TLS, a notification with nothing."""
    supplicant, _ = make_pair()
    nak = packet_of(supplicant.receive(request(1, b"\x10" + bytes(16), method=4)))
    assert (nak.method, nak.data) == (EapType.NAK, bytes([EapType.TLS]))
    heard = packet_of(supplicant.receive(request(2, b"hello", method=EapType.NOTIFICATION)))
    assert (heard.method, heard.data) == (EapType.NOTIFICATION, b"")


def test_supplicant_without_tls_is_refused() -> None:
    """A device that wants another method gets Failure."""
    _, authenticator = make_pair()
    name = EapPacket(EapCode.RESPONSE, 1, EapType.IDENTITY, b"x").encode()
    packet_of(authenticator.receive(name))
    nak = EapPacket(EapCode.RESPONSE, 2, EapType.NAK, bytes([25])).encode()
    assert packet_of(authenticator.receive(nak)).code is EapCode.FAILURE


@pytest.mark.parametrize(
    "lie",
    [
        TlsFragment(b"x" * 10, has_more=True, total=9),
        TlsFragment(b"x" * 10, total=11),
        TlsFragment(b"", has_more=True, total=5),
        TlsFragment(b"x", has_more=True, total=MAX_MESSAGE_BYTES + 1),
        TlsFragment(b"x", has_more=True, total=2**32 - 1),
    ],
)
def test_lies_about_lengths_end_it(lie: TlsFragment) -> None:
    """The port refuses a device whose fragments do not fit the length it states."""
    _, authenticator = make_pair()
    authenticator.receive(EapPacket(EapCode.RESPONSE, 1, EapType.IDENTITY, b"x").encode())
    answer = authenticator.receive(
        EapPacket(EapCode.RESPONSE, 2, EapType.TLS, lie.encode()).encode()
    )
    assert packet_of(answer).code is EapCode.FAILURE
    assert authenticator.outcome is not None
    assert "fragments" in authenticator.outcome.reason


def test_endless_message_is_not_kept() -> None:
    """A message without a stated length ends at the bound, whatever the peer goes on to send."""
    _, authenticator = make_pair()
    authenticator.receive(EapPacket(EapCode.RESPONSE, 1, EapType.IDENTITY, b"x").encode())
    sent = 0
    for identifier in itertools.count(2):
        part = TlsFragment(bytes(1400), has_more=True).encode()
        frame = EapPacket(EapCode.RESPONSE, identifier % 256, EapType.TLS, part).encode()
        sent += 1400
        if packet_of(authenticator.receive(frame)).code is EapCode.FAILURE:
            break
    assert sent <= MAX_MESSAGE_BYTES + 1400


def test_endless_authentication_ends() -> None:
    """Neither side goes on for ever with a peer that only acknowledges."""
    supplicant, authenticator = make_pair()
    supplicant.receive(request(1, START))
    for number in range(2, MAX_ROUNDS + 3):
        supplicant.receive(request(number % 256, TlsFragment().encode()))
    assert supplicant.outcome is not None
    assert not supplicant.outcome.accepted
    authenticator.receive(EapPacket(EapCode.RESPONSE, 1, EapType.IDENTITY, b"x").encode())
    for number in range(2, MOST_RESPONSES + 3):
        part = TlsFragment(b"\x16", has_more=True).encode()
        authenticator.receive(EapPacket(EapCode.RESPONSE, number % 256, EapType.TLS, part).encode())
    assert authenticator.outcome is not None
    assert not authenticator.outcome.accepted


def test_logoff_and_keys_are_dropped() -> None:
    """EAPOL frames of other kinds get no answer and end nothing."""
    for end in make_pair():
        assert end.receive(EapolFrame(EapolKind.LOGOFF).encode()) is None
        assert end.receive(struct.pack("!BBH", 2, 3, 0)) is None
        assert end.outcome is None


@pytest.mark.covers("K2")
def test_pair_over_a_socket_pair() -> None:
    """Two threads authenticate over a cable; the port learns the device's certificate."""
    supplicant, authenticator = make_pair()
    one, other = make_cable()
    port = threading.Thread(
        target=run, args=(authenticator, other), kwargs={"limit_s": 20, "monotonic": time.monotonic}
    )
    port.start()
    try:
        outcome = run(supplicant, one, limit_s=20, monotonic=time.monotonic)
    finally:
        port.join(30)
        one.close()
        other.close()
    assert outcome.accepted
    assert authenticator.outcome is not None
    assert authenticator.outcome.accepted


def test_silent_port_ends_in_time() -> None:
    """Without an answer the device says so when its time is over, and has asked more than once."""
    supplicant, _ = make_pair()
    ticks = itertools.count()

    class DeadCable:
        sent = 0

        def send(self, payload: bytes) -> None:
            self.sent += 1

        def receive(self, timeout_s: float) -> bytes | None:
            return None

        def close(self) -> None:
            """Nothing to release."""

    cable = DeadCable()
    outcome = run(supplicant, cable, limit_s=9, monotonic=lambda: float(next(ticks)))
    assert outcome == Outcome(False, "no outcome within 9 s")
    assert cable.sent > 2


def test_credentials_hide_their_key() -> None:
    """The key is in no representation, and a key of another certificate is refused."""
    credentials = client_credentials()
    assert "PRIVATE" not in repr(credentials)
    mixed = Credentials(
        certificate_pem=credentials.certificate_pem,
        key_pem=rsa_key("stranger").pem,
        trusted_pem=credentials.trusted_pem,
    )
    with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
        mixed.context(server_side=False)


@pytest.mark.fuzz
@given(st.lists(st.binary(max_size=64) | st.builds(
    lambda code, identifier, method, data: EapPacket(
        EapCode(code), identifier, method, data
    ).encode(),
    st.integers(1, 4), st.integers(0, 4), st.sampled_from([1, 2, 3, 4, 13]), st.binary(max_size=40),
), max_size=12))  # fmt: skip
def test_ends_take_anything(frames: list[bytes]) -> None:
    """No bytes crash an end or let anybody in."""
    ends: tuple[End, ...] = make_pair()
    for end in ends:
        for frame in frames:
            end.receive(frame)
        assert end.outcome is None or not end.outcome.accepted


@pytest.mark.fuzz
@given(st.data())
def test_changed_frames_never_let_anybody_in(data: st.DataObject) -> None:
    """With one byte changed nothing crashes, and the device never accepts alone."""
    supplicant, authenticator = make_pair()
    target = data.draw(st.integers(0, 12))
    frame: bytes | None = supplicant.again()
    sides = itertools.cycle((authenticator, supplicant))
    for number in range(40):
        if frame is None:
            break
        if number == target:
            at = data.draw(st.integers(0, len(frame) - 1))
            frame = frame[:at] + bytes([data.draw(st.integers(0, 255))]) + frame[at + 1 :]
        frame = next(sides).receive(frame)
    if supplicant.outcome is not None and supplicant.outcome.accepted:
        assert authenticator.outcome is not None
        assert authenticator.outcome.accepted
