"""Mutations of good messages: an error of ours or an honest reading, never a forgery or a crash."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable

import pytest

from sceplab_scep.algorithms import AlgorithmSuite, Floor
from sceplab_scep.attributes import MessageType
from sceplab_scep.csr import read_csr
from sceplab_scep.degenerate import build_certs_only, read_certs_only
from sceplab_scep.envelope import seal_envelope
from sceplab_scep.errors import ScepError
from sceplab_scep.operations import decode_get_message, encode_get_message
from sceplab_scep.pkimessage import read_pki_message
from sceplab_scep.trace import explain
from tests.support.pki import (
    NONCE,
    TRANSACTION_ID,
    device_certificate,
    device_csr,
    failure,
    issued_certificate,
    lab_pki,
    pending,
    pkcs_req,
    reply_bytes,
    request_bytes,
    success,
    take_reply,
    take_request,
    unseal,
)
from tests.support.vectors import (
    as_bouncy_castle_writes,
    as_go_writes,
    as_jscep_writes,
    as_strongswan_orders,
    with_long_lengths,
)

pytestmark = [
    pytest.mark.fuzz,
    # What the library says about odd certificates and names is not the subject here.
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

CASES = 400
"""Mutations of each message."""

CSR = device_csr(dns_names=["router1.example.com"])
REQUEST = request_bytes(pkcs_req(CSR))
SUCCESS = reply_bytes(success(issued_certificate(), lab_pki().ca))
ENVELOPE = seal_envelope(CSR, lab_pki().ra_encryption, AlgorithmSuite())
BUNDLE = build_certs_only([issued_certificate(), lab_pki().ca])

INTERESTING = [b"\x00", b"\x30", b"\x31", b"\x80", b"\xff", b"\x24\x80", b"\x00\x00", b"\x84"]


def mutate(data: bytes, chance: random.Random) -> bytes:
    """One to four changes: bits, bytes, lengths, pieces cut, doubled, moved."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed))
        span = chance.randint(1, 40)
        match chance.randrange(7):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at] = chance.randrange(256)
            case 2:
                piece = chance.choice(INTERESTING)
                changed[at : at + len(piece)] = piece
            case 3:
                del changed[at : at + span]
            case 4:
                changed[at:at] = changed[at : at + span]
            case 5:
                there = chance.randrange(len(changed))
                changed[at : at + span] = changed[there : there + span]
            case _:
                changed[at:at] = chance.randbytes(span)
        if not changed:
            return b""
    return bytes(changed)


def _fuzz(data: bytes, read: Callable[[bytes], None]) -> int:
    """Number of mutations that were read."""
    chance = random.Random(f"{len(data)} {read.__name__}")
    accepted = 0
    for _ in range(CASES):
        mutation = mutate(data, chance)
        if mutation == data:
            continue
        with contextlib.suppress(ScepError):
            read(mutation)
            accepted += 1
    return accepted


def _check_request(data: bytes) -> None:
    signed = take_request(data, floor=Floor.LAB)
    # The signature covers content and attributes, so what is read is what was signed.
    assert signed.transaction_id == TRANSACTION_ID
    assert signed.sender_nonce == NONCE
    assert signed.message_type is MessageType.PKCS_REQ
    assert signed.signer_certificate.public_key() == device_certificate().public_key()
    assert unseal(signed.content, floor=Floor.LAB).plaintext == CSR


def _check_success(data: bytes) -> None:
    assert take_reply(data, floor=Floor.LAB) == success(issued_certificate(), lab_pki().ca)


def _check_pending(data: bytes) -> None:
    assert take_reply(data, floor=Floor.LAB) == pending()


def _check_failure(data: bytes) -> None:
    assert take_reply(data, floor=Floor.LAB) == failure(fail_info_text="because")


@pytest.mark.covers("T-22")
@pytest.mark.parametrize(
    "spelling",
    [lambda data: data, as_jscep_writes, with_long_lengths],
    ids=["DER", "jscep", "long lengths"],
)
@pytest.mark.parametrize(
    ("message", "check"),
    [
        (REQUEST, _check_request),
        (SUCCESS, _check_success),
        (reply_bytes(pending()), _check_pending),
        (reply_bytes(failure(fail_info_text="because")), _check_failure),
    ],
    ids=["request", "success", "pending", "failure"],
)
def test_messages(
    message: bytes, check: Callable[[bytes], None], spelling: Callable[[bytes], bytes]
) -> None:
    """No change of a signed message changes what is read from it."""
    odd = spelling(message)
    check(odd)
    # Some changes touch nothing that is signed (the version, a length, a carried certificate).
    assert _fuzz(odd, check) < CASES / 2


@pytest.mark.parametrize(
    "envelope", [ENVELOPE, as_go_writes(ENVELOPE), as_bouncy_castle_writes(ENVELOPE)]
)
def test_envelopes(envelope: bytes) -> None:
    """A changed envelope opens to a SEQUENCE or not at all."""

    def read(data: bytes) -> None:
        plaintext = unseal(data, floor=Floor.LAB).plaintext
        assert plaintext == b"" or plaintext[0] == 0x30

    read(envelope)
    _fuzz(envelope, read)


@pytest.mark.parametrize("request_der", [CSR, as_strongswan_orders(CSR)])
def test_certification_requests(request_der: bytes) -> None:
    """A changed request with a valid signature says what the original said."""
    original = read_csr(request_der)

    def read(data: bytes) -> None:
        csr = read_csr(data)
        if csr.is_signature_valid:
            assert csr.subject == original.subject
            assert csr.challenge == original.challenge
            assert csr.public_key_der == original.public_key_der

    read(request_der)
    _fuzz(request_der, read)


def test_bundles() -> None:
    """A changed bundle is a list of certificates or an error."""

    def read(data: bytes) -> None:
        assert isinstance(read_certs_only(data), list)

    read(BUNDLE)
    _fuzz(BUNDLE, read)


@pytest.mark.parametrize("message", [REQUEST, SUCCESS, as_jscep_writes(REQUEST)])
def test_traces(message: bytes) -> None:
    """Any message that can be taken apart is explained in visible characters."""

    def read(data: bytes) -> None:
        assert all(line.isprintable() for line in explain(data).lines)

    read(message)
    _fuzz(message, read)


def test_query_values() -> None:
    """A changed value of a query is some message or an error."""

    def read(data: bytes) -> None:
        assert decode_get_message(data.decode("latin-1"))

    value = encode_get_message(REQUEST).encode()
    read(value)
    _fuzz(value, read)


@pytest.mark.covers("C-46")
@pytest.mark.parametrize(
    "bomb",
    [
        b"\x30\x80" * 500_000,
        b"\x24\x80" * 300_000 + b"\x00\x00" * 200_000,
        b"\x30\x84\x7f\xff\xff\xff" * 100_000,
        b"\x30\x82\xff\xff" + b"\x05\x00" * 400_000,
        b"\xa0\x80\x31\x80" * 200_000,
        b"\x1f" + b"\xff" * 1_000_000,
    ],
    ids=["sequences", "strings", "lengths", "elements", "sets", "tag"],
)
def test_bombs(bomb: bytes) -> None:
    """A megabyte built to keep a parser busy is refused, by every reader."""
    for read in (
        lambda data: read_pki_message(data, floor=Floor.LAB),
        read_csr,
        read_certs_only,
        lambda data: unseal(data, floor=Floor.LAB),
    ):
        with pytest.raises(ScepError):
            read(bomb)
