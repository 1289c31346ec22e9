"""The standard-library transport against servers that misbehave."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sceplab_agent.core.events import FailureCause
from sceplab_agent.errors import (
    ConnectionClosedError,
    NoAnswerError,
    TransportError,
    TransportTimeoutError,
    UnusableReplyError,
)
from sceplab_agent.http_transport import StdlibTransport
from sceplab_agent.transport import HttpLimits
from tests.support.raw_server import RawServer, answer, dripping, raw, raw_server, reset, silent

QUICK = HttpLimits(
    connect_timeout_s=5, read_timeout_s=0.15, total_timeout_s=0.4, max_reply_bytes=4096
)


@pytest.fixture
def transport() -> StdlibTransport:
    """A transport with a small cap and room for a loaded machine."""
    return StdlibTransport(HttpLimits(max_reply_bytes=4096))


def test_get_is_sent_as_given(transport: StdlibTransport) -> None:
    """The query goes out byte for byte; no body, no Expect, one connection."""
    with raw_server(answer(body=b"AES\n")) as server:
        response = transport.request("GET", f"{server.url}?operation=GetCACaps&message=a%2Fb%20")
    head = server.requests[0].decode().split("\r\n")
    names = [line.partition(":")[0].lower() for line in head[1:]]
    assert head[0] == "GET /scep?operation=GetCACaps&message=a%2Fb%20 HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}" in head
    assert "Connection: close" in head
    assert not {"expect", "accept-encoding", "content-length", "user-agent"} & set(names)
    assert (response.status, response.body) == (200, b"AES\n")


def test_post_announces_its_length(transport: StdlibTransport) -> None:
    """A POST has Content-Length and the type given, and is never chunked."""
    with raw_server(answer(body=b"x")) as server:
        transport.request(
            "POST", server.url, body=b"\x30\x80", content_type="application/x-pki-message"
        )
    request = server.requests[0]
    assert b"Content-Length: 2\r\n" in request
    assert b"Content-Type: application/x-pki-message\r\n" in request
    assert b"chunked" not in request.lower()
    assert request.endswith(b"\r\n\r\n\x30\x80")


def test_user_agent_is_a_setting() -> None:
    """The header of that name is sent when it is set."""
    with raw_server(answer()) as server:
        StdlibTransport(user_agent="Cisco PKI").request("GET", server.url)
    assert b"User-Agent: Cisco PKI\r\n" in server.requests[0]


def test_proxy_variables_are_ignored(
    transport: StdlibTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy in the environment changes nothing."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with raw_server(answer(body=b"direct")) as server:
        assert transport.request("GET", server.url).body == b"direct"


def test_headers_have_small_names(transport: StdlibTransport) -> None:
    """Response headers are found whatever their case was."""
    handler = answer("200 OK", b"", "SERVER: Microsoft-IIS/10.0", "Content-TYPE: text/plain")
    with raw_server(handler) as server:
        response = transport.request("GET", server.url)
    assert response.headers["server"] == "Microsoft-IIS/10.0"
    assert response.content_type == "text/plain"


def test_body_without_length_ends_with_the_connection(transport: StdlibTransport) -> None:
    """HTTP/1.0 servers send no length and close."""
    with raw_server(raw(b"HTTP/1.0 200 OK\r\n\r\nhello")) as server:
        assert transport.request("GET", server.url).body == b"hello"


def test_chunked_body_is_joined(transport: StdlibTransport) -> None:
    """A chunked answer is read."""
    chunks = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    with raw_server(raw(chunks)) as server:
        assert transport.request("GET", server.url).body == b"abcde"


def test_truncated_body_is_no_answer(transport: StdlibTransport) -> None:
    """Fewer bytes than announced: retryable, and said so."""
    with (
        raw_server(answer(body=b"half", length=400)) as server,
        pytest.raises(ConnectionClosedError, match="truncated: 396") as caught,
    ):
        transport.request("GET", server.url)
    assert caught.value.is_retryable
    assert not isinstance(caught.value, NoAnswerError)


def test_truncated_chunk_is_no_answer(transport: StdlibTransport) -> None:
    """A chunk that ends early is no answer either."""
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nabc"
    with raw_server(raw(chunks)) as server, pytest.raises(ConnectionClosedError) as caught:
        transport.request("GET", server.url)
    assert not isinstance(caught.value, NoAnswerError)


@pytest.mark.covers("C-46")
@pytest.mark.parametrize(
    "handler",
    [
        answer(body=b"x", length=10**12),
        answer(body=b"x" * 4097),
        raw(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 100_000),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n" + b"x" * 0xFFFF),
    ],
    ids=["announced", "one byte", "endless", "chunk"],
)
def test_oversized_reply_is_refused(transport: StdlibTransport, handler: object) -> None:
    """A body beyond the cap is refused, announced or not."""
    with (
        raw_server(handler) as server,  # type: ignore[arg-type]
        pytest.raises(UnusableReplyError, match="longer than the limit of 4096"),
    ):
        transport.request("GET", server.url)


@pytest.mark.covers("C-46")
def test_compressed_reply_is_refused(transport: StdlibTransport) -> None:
    """Nothing is decompressed, so nothing can blow up."""
    handler = answer("200 OK", b"\x1f\x8b", "Content-Encoding: gzip")
    with raw_server(handler) as server, pytest.raises(UnusableReplyError, match="compressed"):
        transport.request("GET", server.url)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300,
    ],
    ids=["ssh", "status line", "headers"],
)
def test_answer_that_is_not_http_is_unusable(transport: StdlibTransport, data: bytes) -> None:
    """Another protocol, or a head out of bounds, is an unusable reply."""
    with raw_server(raw(data)) as server, pytest.raises(UnusableReplyError, match="not HTTP"):
        transport.request("GET", server.url)


@pytest.mark.parametrize("handler", [reset, raw(b"")], ids=["reset", "closed"])
def test_closed_connection_is_retryable(transport: StdlibTransport, handler: object) -> None:
    """A reset, or an end before the first byte, may pass."""
    with (
        raw_server(handler) as server,  # type: ignore[arg-type]
        pytest.raises(NoAnswerError) as caught,
    ):
        transport.request("GET", server.url)
    assert caught.value.is_retryable
    assert caught.value.cause is FailureCause.TRANSPORT


def test_silence_ends_with_the_read_timeout() -> None:
    """A server that says nothing is given up."""
    with raw_server(silent) as server, pytest.raises(TransportTimeoutError) as caught:
        StdlibTransport(QUICK).request("GET", server.url)
    assert caught.value.is_retryable


@pytest.mark.parametrize("part", ["head", "body"])
def test_drip_ends_with_the_total_timeout(part: str) -> None:
    """One byte at a time keeps the read timeout happy and still ends."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n"
    data = head + b"X: y\r\n" * 90 if part == "head" else head + b"\r\n" + b"x" * 4000
    never = threading.Event()
    with raw_server(dripping(data, never)) as server, pytest.raises(TransportTimeoutError):
        StdlibTransport(QUICK).request("GET", server.url)


def test_silence_ends_with_the_total_timeout() -> None:
    """The end of the whole exchange cuts a longer read timeout short."""
    limits = HttpLimits(read_timeout_s=60, total_timeout_s=0.2)
    with raw_server(silent) as server, pytest.raises(TransportTimeoutError):
        StdlibTransport(limits).request("GET", server.url)


def test_refused_connection_is_retryable(transport: StdlibTransport) -> None:
    """Nobody listens: a transport failure that names host and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransportError, match=f"127.0.0.1:{port}.*refused") as caught:
        transport.request("GET", f"http://127.0.0.1:{port}/")
    assert caught.value.is_retryable


def test_unknown_name_is_retryable(transport: StdlibTransport) -> None:
    """A name that does not resolve may resolve later."""
    with pytest.raises(TransportError, match=r"nowhere\.invalid.*cannot be resolved") as caught:
        transport.request("GET", "http://nowhere.invalid/")
    assert caught.value.is_retryable


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "http:///x", "http://127.0.0.1/a b", "http://user:pw@127.0.0.1/"]
)
def test_unusable_url_is_a_configuration_fault(transport: StdlibTransport, url: str) -> None:
    """A URL nobody can use is not retried, and its text is not repeated."""
    with pytest.raises(TransportError) as caught:
        transport.request("GET", url)
    assert not caught.value.is_retryable
    assert caught.value.cause is FailureCause.CONFIGURATION
    assert "pw" not in str(caught.value)


def test_redirect_is_not_followed(transport: StdlibTransport) -> None:
    """A redirect is an answer like any other; nothing is sent to its target."""
    with raw_server(answer(body=b"elsewhere")) as target:
        handler = answer("302 Found", b"", f"Location: {target.url}")
        with raw_server(handler) as server:
            response = transport.request("GET", server.url)
    assert response.status == 302
    assert target.requests == []


def test_closing_breaks_a_request_off() -> None:
    """Another thread ends a request that waits for a silent server, and no new one begins."""
    transport = StdlibTransport(HttpLimits(read_timeout_s=60))
    errors: list[TransportError] = []
    arrived = threading.Event()

    def hold(connection: socket.socket, request: bytes) -> None:
        arrived.set()
        silent(connection, request)

    def ask(server: RawServer) -> None:
        try:
            transport.request("GET", server.url)
        except TransportError as error:
            errors.append(error)

    with raw_server(hold) as server:
        thread = threading.Thread(target=ask, args=(server,))
        thread.start()
        assert arrived.wait(10)
        transport.close()
        thread.join(10)
        assert not thread.is_alive()
        with pytest.raises(ConnectionClosedError, match="closed"):
            transport.request("GET", server.url)
    assert isinstance(errors[0], ConnectionClosedError)


@pytest.fixture(scope="module")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed server certificate for 127.0.0.1 and its key, PEM."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scep.example.org")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "certificate.pem", folder / "key.pem"


@contextlib.contextmanager
def tls_server(files: tuple[Path, Path]) -> Iterator[str]:
    """A TLS server that answers every request with ``secret``; gives its authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(10)
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(65_536)
                    secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_https_with_its_own_trust_file(tls_files: tuple[Path, Path]) -> None:
    """https works when the server's CA is configured for TLS."""
    with tls_server(tls_files) as authority:
        response = StdlibTransport(tls_ca_file=tls_files[0]).request("GET", f"https://{authority}/")
    assert response.body == b"secret"


def test_untrusted_https_server_is_a_trust_fault(tls_files: tuple[Path, Path]) -> None:
    """Without that file the server is refused; nothing else makes it trusted."""
    with (
        tls_server(tls_files) as authority,
        pytest.raises(TransportError, match="tls_ca_file") as caught,
    ):
        StdlibTransport().request("GET", f"https://{authority}/")
    assert caught.value.cause is FailureCause.TRUST
    assert not caught.value.is_retryable


def test_wrong_https_host_is_named(tls_files: tuple[Path, Path]) -> None:
    """A certificate for another host is refused, and the host that was wanted is named."""
    transport = StdlibTransport(tls_ca_file=tls_files[0])
    with tls_server(tls_files) as authority:
        url = f"https://localhost:{authority.rpartition(':')[2]}/"
        with pytest.raises(TransportError, match="localhost") as caught:
            transport.request("GET", url)
    assert caught.value.cause is FailureCause.TRUST


def test_https_to_an_http_port_is_explained() -> None:
    """TLS towards a plain server fails with a hint."""
    with (
        raw_server(raw(b"HTTP/1.0 400 Bad\r\n\r\n")) as server,
        pytest.raises(TransportError, match="is this an https port"),
    ):
        StdlibTransport(HttpLimits(connect_timeout_s=2)).request(
            "GET", f"https://127.0.0.1:{server.port}/"
        )


def test_missing_tls_file_is_a_configuration_fault(tmp_path: Path) -> None:
    """A trust file that is not there is named."""
    with raw_server(silent) as server, pytest.raises(TransportError, match=r"none\.pem") as caught:
        StdlibTransport(tls_ca_file=tmp_path / "none.pem").request(
            "GET", f"https://127.0.0.1:{server.port}/"
        )
    assert caught.value.cause is FailureCause.CONFIGURATION
