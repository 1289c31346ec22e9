"""Throws altered messages and queries at the responder: always an answer, never a certificate."""

from __future__ import annotations

import base64
import random

import pytest

from sceplab_ndes.exchange import ScepHttpRequest
from sceplab_ndes.state import ServerState
from tests.support.scep_device import SCEP_PATH, ScepDevice
from tests.support.server import ADMIN, NOW, make_server

_STATUSES = {200, 400, 401, 404, 405, 500}
_ROUNDS = 300


def _alter(data: bytes, chance: random.Random) -> bytes:
    """The bytes with some flipped, removed, doubled or replaced."""
    altered = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(altered))
        kind = chance.randrange(5)
        if kind == 0:
            altered[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del altered[at : at + chance.randint(1, 40)]
        elif kind == 2:
            altered[at:at] = altered[at : at + chance.randint(1, 40)]
        elif kind == 3:
            altered[at] = chance.choice([0x00, 0x30, 0x31, 0x7F, 0x80, 0xFF])
        else:
            del altered[at:]
        altered = altered or bytearray(b"\x30")
    return bytes(altered)


def _answered(server: ServerState, **fields: object) -> int:
    request = ScepHttpRequest(**fields)  # type: ignore[arg-type]
    response = server.responder.respond(request, NOW)
    assert response.status in _STATUSES
    return response.status


@pytest.mark.fuzz
@pytest.mark.parametrize("profile", ["compat", "ndes"])
@pytest.mark.parametrize("kind", ["pkcs_req", "cert_poll"])
def test_altered_messages_are_answered_and_never_served(profile: str, kind: str) -> None:
    """A signed message with one changed byte is not that message any more."""
    chance = random.Random(f"{profile}{kind}")
    server = make_server(profile, settings={"challenge": {"mode": "none"}})
    device = ScepDevice(server=server)
    sent = device.pkcs_req() if kind == "pkcs_req" else device.cert_poll("NOTHING")
    for _ in range(_ROUNDS):
        data = _alter(sent.data, chance)
        if data == sent.data:
            continue
        armoured = chance.choice([data, base64.b64encode(data)])
        _answered(server, method="POST", path=SCEP_PATH, body=armoured)
    # Unsigned parts (the list of certificates, unsigned attributes) may change without harm.
    for record in server.administration.certificates():
        assert record.key_digest == _key_digest(device)


@pytest.mark.fuzz
def test_nonsense_requests_are_answered() -> None:
    """Random methods, paths, queries, headers and bodies."""
    chance = random.Random(2)
    server = make_server()
    words = [
        "operation=",
        "PKIOperation",
        "GetCACert",
        "message=",
        "&",
        "%",
        "%2",
        "=",
        "\x00",
        "é",
    ]
    paths = [SCEP_PATH, "/", "", "//", "/certsrv/mscep_admin/", "/CertEnroll/", "/%00", "/%ff", "é"]
    for _ in range(_ROUNDS):
        _answered(
            server,
            method=chance.choice(["GET", "POST", "PUT", ""]),
            path=chance.choice(paths) + chance.choice(["", "x", "/../x", "%2e%2e"]),
            raw_query="".join(chance.choices(words, k=chance.randint(0, 8))),
            headers={"authorization": chance.choice(["", "Basic", "Basic YTpi", ADMIN.name])},
            body=chance.randbytes(chance.randint(0, 50)),
        )


def _key_digest(device: ScepDevice) -> bytes:
    import hashlib

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    encoded = device.key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).digest()
