"""The server on a real port: limits of the transport, old clients, broken clients."""

from __future__ import annotations

import asyncio
import base64
import logging
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from sceplab_ndes.errors import AddressError
from sceplab_ndes.server import NdesHttpServer, exposure_warning
from sceplab_scep.attributes import PkiStatus
from tests.support.scep_device import ScepDevice, Sent, issued
from tests.support.server import ADMIN, NOW, make_server, serve, serve_in_thread

NO_CHALLENGE = {"challenge": {"mode": "none"}}


async def talk(server: NdesHttpServer, request: bytes) -> bytes:
    """Sends bytes as they are and reads until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.covers("A21", "A9", "A1")
async def test_a_whole_enrollment_over_plain_http() -> None:
    """GetCACaps, GetCACert, PKIOperation by POST; subject and key do not travel in the clear."""
    state = make_server(settings=NO_CHALLENGE)
    device = ScepDevice(server=state, name="secret-name.example.test")
    async with serve(state) as server, aiohttp.ClientSession() as session:
        async with session.get(server.scep_url, params={"operation": "GetCACaps"}) as response:
            assert b"POSTPKIOperation" in await response.read()
        async with session.get(server.scep_url, params={"operation": "GetCACert"}) as response:
            assert response.content_type == "application/x-x509-ca-ra-cert"
        device.signer = ScepDevice(server=state, name="cover").identity()
        sent = device.pkcs_req()
        assert b"secret-name" not in sent.data
        url = f"{server.scep_url}?operation=PKIOperation"
        async with session.post(url, data=sent.data) as response:
            body = await response.read()
            assert response.content_type == "application/x-pki-message"
        assert b"secret-name" not in body
        assert issued(_read(device, sent, body)).subject == device.subject


@pytest.mark.covers("T-16")
@pytest.mark.parametrize("size", [2_048, 16_384, 65_534, 130_000])
async def test_long_queries_pass(size: int) -> None:
    """A message padded with line breaks to a query of that many bytes is served."""
    state = make_server(settings=NO_CHALLENGE)
    device = ScepDevice(server=state)
    sent = device.pkcs_req()
    query = "operation=PKIOperation&message=" + quote(base64.b64encode(sent.data).decode(), safe="")
    missing = max(0, size - len(query))
    query += "%0A" * (missing // 3) + "=" * (missing % 3)
    async with serve(state) as server, aiohttp.ClientSession() as session:
        url = URL(f"{server.scep_url}?{query}", encoded=True)
        async with session.get(url) as response:
            assert response.status == 200
            rep = _read(device, sent, await response.read())
    assert len(query) >= size
    assert issued(rep)


@pytest.mark.covers("T-16")
async def test_a_plus_sign_in_the_query_stays_a_plus_sign() -> None:
    """Bare plus signs as macOS writes them, over a real parser."""
    state = make_server(settings=NO_CHALLENGE)
    device = ScepDevice(server=state)
    async with serve(state) as server, aiohttp.ClientSession() as session:
        for _ in range(5):
            sent = device.pkcs_req()
            text = base64.b64encode(sent.data).decode()
            assert "+" in text
            url = URL(f"{server.scep_url}?operation=PKIOperation&message={text}", encoded=True)
            async with session.get(url) as response:
                assert issued(_read(device, sent, await response.read()))


@pytest.mark.covers("T-18")
async def test_http_1_0_without_host() -> None:
    """An old IOS: no Host, the answer is not chunked, and the connection is closed."""
    state = make_server(settings=NO_CHALLENGE)
    async with serve(state) as server:
        answer = await talk(
            server,
            b"GET /certsrv/mscep/mscep.dll/pkiclient.exe?operation=GetCACaps&message=lab "
            b"HTTP/1.0\r\n\r\n",
        )
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b" 200 " in head.splitlines()[0]
        assert b"content-length" in head.lower()
        assert b"chunked" not in head.lower()
        assert body.startswith(b"AES\n")
        sent = ScepDevice(server=state).pkcs_req()
        message = quote(base64.b64encode(sent.data).decode(), safe="")
        answer = await talk(
            server,
            f"GET /cgi-bin/pkiclient.exe?operation=PKIOperation&message={message} "
            "HTTP/1.0\r\n\r\n".encode(),
        )
        rep = _read(ScepDevice(server=state), sent, answer.partition(b"\r\n\r\n")[2])
        assert issued(rep)


async def test_bodies_beyond_the_limit_are_413() -> None:
    """One byte more than http.max_body_bytes; the limit itself passes to the parser."""
    state = make_server(settings={"http": {"max_body_bytes": 10_000}})
    async with serve(state) as server, aiohttp.ClientSession() as session:
        for size, status in ((10_000, 400), (10_001, 413)):
            async with session.post(server.scep_url, data=b"x" * size) as response:
                assert response.status == status


async def test_a_query_beyond_the_transport_is_400() -> None:
    """262,144 bytes of request line are the end."""
    async with serve(make_server()) as server:
        line = b"GET /scep?operation=PKIOperation&message=" + b"A" * 270_000 + b" HTTP/1.0\r\n\r\n"
        answer = await talk(server, line)
    assert b" 400 " in answer.splitlines()[0]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /scep HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"\x00" * 1000 + b"\r\n\r\n",
        b"GET /scep?operation=GetCACaps HTTP/1.1\nHost: x\n\n",
    ],
    ids=["tls", "version", "length", "zeros", "bare-lf"],
)
async def test_garbage_is_answered_and_the_server_goes_on(
    garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """TLS on the plain port, nonsense, wrong lengths: 400 and the next client is served."""
    async with serve(make_server()) as server:
        with caplog.at_level(logging.CRITICAL):
            answer = await talk(server, garbage)
        assert b" 400 " in answer.splitlines()[0]
        good = await talk(server, b"GET /scep?operation=GetCACaps HTTP/1.0\r\n\r\n")
        assert b" 200 " in good.splitlines()[0]


async def test_a_client_that_leaves_in_the_middle_does_no_harm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Half a body, then the connection is reset; the next client is served, nothing is an error."""
    async with serve(make_server()) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /scep HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + b"x" * 100)
        await writer.drain()
        writer.transport.abort()
        good = await talk(server, b"GET /scep?operation=GetCACaps HTTP/1.0\r\n\r\n")
        assert b" 200 " in good.splitlines()[0]
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.covers("A24")
async def test_the_admin_page_over_http() -> None:
    """401 without credentials, the page with them, 404 at the misspelt URL."""
    async with serve(make_server("ndes")) as server, aiohttp.ClientSession() as session:
        async with session.get(server.admin_url) as response:
            assert response.status == 401
            assert response.headers["WWW-Authenticate"].startswith("Basic ")
        auth = aiohttp.encode_basic_auth(ADMIN.name, ADMIN.password.reveal())
        async with session.get(server.admin_url, headers={"Authorization": auth}) as response:
            page = (await response.read()).decode("utf-16-le")
            assert "The enrollment challenge password is: <B> " in page
            assert response.headers["Server"] == "Microsoft-IIS/10.0"
        async with session.get(server.base_url + "/certserv/mscep_admin/") as response:
            assert response.status == 404


@pytest.mark.covers("A10", "M4")
async def test_the_crl_is_served_where_certificates_say() -> None:
    """The distribution point of an issued certificate is fetched and parsed."""
    from cryptography import x509

    state = make_server(settings=NO_CHALLENGE)
    async with serve(state) as server, aiohttp.ClientSession() as session:
        certificate = issued(ScepDevice(server=state).enroll())
        point = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0]
        assert point.full_name is not None
        url = str(point.full_name[0].value)
        assert url.startswith(server.base_url)
        async with session.get(URL(url, encoded=True)) as response:
            crl = x509.load_der_x509_crl(await response.read())
    assert crl.issuer == state.hierarchy.issuing.certificate.subject


async def test_twenty_devices_at_once() -> None:
    """Concurrent posts over one session; every device gets its own certificate."""
    state = make_server(settings=NO_CHALLENGE)
    async with serve(state) as server, aiohttp.ClientSession() as session:

        async def enroll(number: int) -> int:
            device = ScepDevice(server=state, name=f"r{number}.example.test")
            sent = device.pkcs_req()
            url = f"{server.scep_url}?operation=PKIOperation"
            async with session.post(url, data=sent.data) as response:
                certificate = issued(_read(device, sent, await response.read()))
            assert certificate.subject == device.subject
            return certificate.serial_number

        serials = await asyncio.gather(*(enroll(number) for number in range(20)))
    assert len(set(serials)) == 20


def test_a_server_in_a_thread() -> None:
    """The helper for blocking clients starts, serves and ends."""
    import http.client

    with serve_in_thread(make_server()) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", "/scep?operation=GetCACaps")
        assert b"SCEPStandard" in connection.getresponse().read()
        connection.close()


@pytest.mark.covers("A6")
@pytest.mark.parametrize(
    ("host", "warns"),
    [("127.0.0.1", False), ("::1", False), ("localhost", False), ("0.0.0.0", True), ("::", True)],
)
def test_listening_beyond_the_loopback_is_warned_about(host: str, warns: bool) -> None:
    """The warning names the address and what may happen."""
    text = exposure_warning(host)
    assert bool(text) == warns
    assert not warns or host in text


async def test_a_port_that_is_taken() -> None:
    """The second server names it with the next step, and leaves nothing open."""
    async with serve(make_server()) as first:
        state = make_server()
        second = NdesHttpServer(state.responder, clock=lambda: NOW, port=first.port)
        with pytest.raises(AddressError, match=f"127.0.0.1:{first.port}: .*in use; choose"):
            await second.start()
        await second.stop()
        state.close()


def _read(device: ScepDevice, sent: Sent, body: bytes):
    from sceplab_scep.reply import read_cert_rep

    key, certificate = device.identity()
    rep = read_cert_rep(
        body,
        transaction_id=sent.transaction_id,
        sender_nonce=sent.nonce,
        decrypter=key,
        decrypter_certificate=certificate,
        trusted_signers=[device.server.hierarchy.ra_signing.certificate],
        floor=device.floor,
    )
    assert isinstance(rep.status, PkiStatus)
    return rep
