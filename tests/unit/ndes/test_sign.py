"""`sceplab ndes sign` and `ca-cert`: the CA for requests that are carried by hand."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from sceplab_ndes.authority import CertificateOrder
from sceplab_ndes.carried_request import sign_carried
from sceplab_ndes.cli import app
from sceplab_ndes.depot import Depot, NumberTakenError
from sceplab_ndes.errors import RefusedError
from sceplab_ndes.state import ServerState
from sceplab_scep.algorithms import Digest
from sceplab_scep.csr import build_csr
from tests.support.agent_cli import SOURCES
from tests.support.ndes_cli import read_json, run, serving
from tests.support.remote_device import RemoteDevice
from tests.support.scep_device import ScepDevice
from tests.support.server import NOW, make_server, shared_key

OLD_SCHEMA = Path(__file__).with_name("depot-1.sql")
ROUNDS = 12
SIGN_LOOP = """
import sys
from functools import cache
from pathlib import Path
from typer.testing import CliRunner
from sceplab_ndes.cli import app
for _ in range(int(sys.argv[3])):
    result = CliRunner().invoke(app, ["sign", sys.argv[1], "--state", sys.argv[2], "--json"])
    assert result.exit_code == 0, result.output
"""


def request_of(name: str = "r9.example.test", challenge: str = "") -> bytes:
    """A request, DER."""
    subject = x509.Name.from_rfc4514_string(f"CN={name}")
    key = shared_key("carried")
    return build_csr(subject, key, digest=Digest.SHA256, dns_names=(name,), challenge=challenge)


def pem_of(csr_der: bytes) -> bytes:
    """The request as devices print it."""
    return x509.load_der_x509_csr(csr_der).public_bytes(Encoding.PEM)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a server with manual approval ran."""
    folder = tmp_path_factory.mktemp("sign") / "state"
    with serving(folder, "--approval", "manual"):
        pass
    return folder


@pytest.mark.daemon
def test_a_request_is_signed(state: Path, tmp_path: Path) -> None:
    """PEM in, PEM out, with the chain; approval is not asked for; it verifies and is listed."""
    source, out = tmp_path / "r9.csr", tmp_path / "r9.pem"
    source.write_bytes(pem_of(request_of(challenge="of nobody's business")))
    told = run("sign", source, "--state", state, "--chain", "--out", out)
    certificate, *chain = x509.load_pem_x509_certificates(out.read_bytes())
    assert f"{certificate.serial_number:x}" in told.stdout
    authorities = x509.load_pem_x509_certificates(
        run("ca-cert", "--chain", "--state", state).stdout.encode()
    )
    assert chain == authorities
    certificate.verify_directly_issued_by(authorities[0])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["r9.example.test"]
    listed = read_json(run("list", "--state", state, "--json"))
    carried = [row for row in listed["requests"] if row["kind"] == "carried"]
    row = next(row for row in carried if row["serial"] and row["serial"] in told.stdout)
    assert (row["state"], row["transaction_id"]) == ("issued", "")
    assert "carried" in run("list", "--state", state).stdout
    depot = (state / "depot.sqlite").read_bytes()
    assert b"of nobody's business" not in depot


@pytest.mark.daemon
def test_standard_input_json_and_revocation(state: Path) -> None:
    """DER on standard input; JSON out; the certificate can be revoked as any other."""
    answer = CliRunner().invoke(
        app, ["sign", "-", "--state", str(state), "--json"], input=request_of()
    )
    told = read_json(answer)
    certificate = x509.load_pem_x509_certificate(told["certificate"].encode())
    assert int(told["serial"], 16) == certificate.serial_number
    assert told["out"] is None
    revoked = read_json(run("revoke", told["serial"], "--state", state, "--json"))
    assert revoked["revoked_at"]


@pytest.mark.daemon
def test_the_ca_certificate(state: Path, tmp_path: Path) -> None:
    """PEM, into a file, or JSON with the fingerprints that devices show."""
    text = run("ca-cert", "--state", state).stdout
    out = tmp_path / "ca.pem"
    run("ca-cert", "--state", state, "--out", out)
    assert out.read_text() == text
    told = read_json(run("ca-cert", "--state", state, "--json"))
    assert told["certificate"] == text
    assert len(told["sha256"]) == 64
    assert run("ca-cert", "--state", tmp_path / "none").exit_code == 2


@pytest.mark.daemon
def test_what_is_wrong_is_said(state: Path, tmp_path: Path) -> None:
    """Exit 2 for files and options, 4 for what the CA refuses; a refusal is kept."""
    good, junk, forged = (tmp_path / name for name in ("good", "junk", "forged"))
    good.write_bytes(request_of())
    junk.write_bytes(b"hello")
    forged.write_bytes(request_of()[:-1] + b"\x00")
    weak = tmp_path / "weak"
    key = rsa.generate_private_key(65537, 1024)
    builder = x509.CertificateSigningRequestBuilder(x509.Name.from_rfc4514_string("CN=weak"))
    weak.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))
    before = len(read_json(run("list", "--state", state, "--json"))["requests"])
    for words, code, text in (
        ([tmp_path / "absent"], 2, "absent: No such file"),
        ([good, "--template", "IPSECIntermediate"], 2, "did you mean 'IPSECIntermediateOffline'"),
        ([good, "--out", tmp_path], 2, "a folder"),
        ([good, "--out", tmp_path / "none" / "x"], 2, "no such folder"),
        ([junk], 4, "request-malformed"),
        ([forged], 4, "request-signature"),
        ([weak], 4, "key-too-short: 1024 bits"),
    ):
        result = run("sign", *words, "--state", state)
        assert (result.exit_code, result.stdout) == (code, ""), result.output
        assert text in result.stderr
    failed = json.loads(run("sign", weak, "--state", state, "--json").stdout)
    assert failed["exit_code"] == 4
    assert run("sign", good, "--state", tmp_path / "none").exit_code == 2
    rows = read_json(run("list", "--state", state, "--json"))["requests"]
    assert len(rows) == before + 2
    assert (rows[-1]["state"], rows[-1]["cause"]) == ("failed", "key-too-short")


@pytest.mark.daemon
def test_two_processes_draw_numbers(tmp_path: Path) -> None:
    """Beside a server that enrolls at the same time: every request has a number of its own."""
    state, source = tmp_path / "state", tmp_path / "r9.csr"
    source.write_bytes(pem_of(request_of()))
    with serving(state, "--challenge", "none") as ready:
        signing = subprocess.Popen(
            [sys.executable, "-c", SIGN_LOOP, str(source), str(state), str(ROUNDS)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(SOURCES)},
            stderr=subprocess.PIPE,
        )
        device = RemoteDevice(ready["scep_url"])
        enrolled = 0
        while signing.poll() is None or enrolled < ROUNDS:
            assert device.enroll(f"TX{enrolled}", "") == "SUCCESS"
            enrolled += 1
        _, errors = signing.communicate(timeout=30)
        assert signing.returncode == 0, errors
        listed = read_json(run("list", "--state", state, "--json"))
    numbers = [row["request_id"] for row in listed["requests"]]
    assert len(numbers) == len(set(numbers)) == enrolled + ROUNDS
    assert {row["state"] for row in listed["requests"]} == {"issued"}
    assert len(listed["certificates"]) == enrolled + ROUNDS


def test_a_server_that_loses_its_number_draws_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody signs by hand between the drawing and the keeping of a request."""
    path = tmp_path / "depot.sqlite"
    server = make_server(depot_path=path, settings={"challenge": {"mode": "none"}})
    beside = Depot(path, random_bytes=os.urandom)
    issue, orders = server.authority.issue, []

    def issue_late(order: CertificateOrder, now: object) -> x509.Certificate:
        orders.append(order.request_id)
        if len(orders) == 1:
            sign_carried(beside, server.authority, request_of(), NOW)
        return issue(order, now)  # type: ignore[arg-type]

    monkeypatch.setattr(server.authority, "issue", issue_late)
    device = ScepDevice(server=server)
    assert device.enroll("TX1").status.name == "SUCCESS"
    assert orders == [1, 1, 2], "both drew 1, the server then 2"
    assert [(row.request_id, row.kind) for row in server.administration.requests()] == [
        (1, "carried"),
        (2, "enrollment"),
    ]
    beside.close()
    server.close()


def test_a_number_that_is_taken_is_told(tmp_path: Path) -> None:
    """Two openings of a depot draw the same number; the second to keep it learns so."""
    depots = [Depot(tmp_path / "depot.sqlite", random_bytes=os.urandom) for _ in range(2)]
    server = make_server()
    sign_carried(server.depot, server.authority, request_of(), NOW)
    (record,) = server.administration.requests()
    assert [depot.requests.next_id() for depot in depots] == [1, 1]
    with depots[0].transaction():
        depots[0].requests.add(record)

    def add() -> None:
        with depots[1].transaction():
            depots[1].requests.add(record)

    with pytest.raises(NumberTakenError):
        add()
    assert [depot.requests.next_id() for depot in depots] == [2, 2]
    for depot in (*depots, server):
        depot.close()


def test_no_message_reaches_a_carried_request() -> None:
    """It has no transactionID and no signer: whoever sends an empty one is a stranger."""
    server = make_server(settings={"challenge": {"mode": "none"}})
    device = ScepDevice(server=server)
    sign_carried(server.depot, server.authority, device.csr(), NOW)
    assert server.depot.requests.newest("") is None
    assert server.depot.requests.newest_id("") is None
    server.close()


def test_a_depot_of_schema_1_is_taken_over(tmp_path: Path) -> None:
    """Its requests stay, and carried ones can be kept."""
    path = tmp_path / "depot.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(OLD_SCHEMA.read_text(encoding="utf-8"))
    row = (5, "TX5", "enrollment", "issued", b"m", b"c", None, b"s", "CN=x", "T", None, None, "0a",
           None, None, "2026-03-01T00:00:00+00:00", None)  # fmt: skip
    connection.execute(f"INSERT INTO requests VALUES ({', '.join('?' * len(row))})", row)
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    depot = Depot(path, random_bytes=os.urandom)
    (kept,) = depot.requests.in_state()
    assert (kept.request_id, kept.transaction_id, kept.serial) == (5, "TX5", "0a")
    server = make_server()
    assert sign_carried(depot, server.authority, request_of(), NOW).request_id == 6
    tables = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
    fresh = Depot(None, random_bytes=os.urandom)
    names = [[name for name, _ in one._database.rows(tables)] for one in (depot, fresh)]
    assert names[0] == names[1]
    for one in (depot, fresh, server):
        one.close()


@cache
def idle_server() -> ServerState:
    """One server for all examples: nothing is to be kept by it."""
    return make_server()


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content: bytes) -> None:
    """What is no request is refused, and nothing is kept."""
    server = idle_server()
    with pytest.raises(RefusedError):
        sign_carried(server.depot, server.authority, content, NOW)
    assert server.administration.requests() == []
