"""The codec for any value: what is written is read, and nothing but our errors comes out."""

from __future__ import annotations

import contextlib
import string

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sceplab_scep.algorithms import AlgorithmSuite, Cipher, Digest, Floor, KeyTransport
from sceplab_scep.attributes import FailInfo, PkiStatus
from sceplab_scep.ber import parse_ber
from sceplab_scep.capabilities import (
    KEYWORDS,
    choose_algorithms,
    format_capabilities,
    parse_capabilities,
)
from sceplab_scep.csr import build_csr, read_csr
from sceplab_scep.degenerate import build_certs_only, read_certs_only
from sceplab_scep.errors import ScepError, UnsupportedAlgorithmError
from sceplab_scep.messages import CertPoll, CertRep, PkcsReq, RenewalReq
from sceplab_scep.operations import decode_get_message, encode_get_message, parse_query
from sceplab_scep.pkimessage import read_pki_message, read_reply_address, read_request
from sceplab_scep.reply import ReplyStyle
from sceplab_scep.trace import explain
from sceplab_scep.x509fields import load_certificate, parse_name
from tests.support.pki import (
    CA_NAME,
    NOW,
    device_certificate,
    issued_certificate,
    lab_pki,
    name,
    reply_bytes,
    request_bytes,
    rsa_key,
    take_reply,
    take_request,
    unseal,
)
from tests.support.vectors import Node, definite, indefinite, parse, segments

BOUNDED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
QUICK = settings(max_examples=200, deadline=None)

printable = st.text(string.ascii_letters + string.digits + " '()+,-./:=?", min_size=1, max_size=255)
nonces = st.binary(min_size=1, max_size=64)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40)
suites = st.builds(
    AlgorithmSuite,
    digest=st.sampled_from(Digest),
    cipher=st.sampled_from(Cipher),
    key_transport=st.sampled_from(KeyTransport),
)
names = st.lists(texts, min_size=0, max_size=3).map(
    lambda parts: x509.Name(
        [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, part) for part in parts]
    )
)
requests = st.one_of(
    st.builds(
        PkcsReq,
        transaction_id=printable,
        sender_nonce=nonces,
        csr_der=st.binary(max_size=300).map(lambda content: definite(0x30, content)),
    ),
    st.builds(
        RenewalReq,
        transaction_id=printable,
        sender_nonce=nonces,
        csr_der=st.binary(max_size=300).map(lambda content: definite(0x30, content)),
    ),
    st.builds(CertPoll, transaction_id=printable, sender_nonce=nonces, issuer=names, subject=names),
)


@st.composite
def replies(draw: st.DrawFn) -> CertRep:
    """Any CertRep a server may send."""
    status = draw(st.sampled_from(PkiStatus))
    is_failure = status is PkiStatus.FAILURE
    chain = [issued_certificate(), lab_pki().ca, lab_pki().ra_signing]
    return CertRep(
        transaction_id=draw(printable),
        recipient_nonce=draw(nonces),
        sender_nonce=draw(st.none() | nonces),
        status=status,
        fail_info=draw(st.sampled_from(FailInfo)) if is_failure else None,
        fail_info_text=draw(st.just("") | texts) if is_failure else "",
        hresult=draw(st.none() | st.integers(-(1 << 31), (1 << 31) - 1)),
        server_message=draw(st.just("") | texts),
        certificates=tuple(
            draw(st.lists(st.sampled_from(chain), min_size=1, unique=True))
            if status is PkiStatus.SUCCESS
            else ()
        ),
    )


@BOUNDED
@given(request=requests, suite=suites)
def test_requests(request: PkcsReq | RenewalReq | CertPoll, suite: AlgorithmSuite) -> None:
    """Any request under any algorithms is read as it was."""
    signed = take_request(request_bytes(request, suite=suite), floor=Floor.LAB)
    opened = unseal(signed.content, floor=Floor.LAB)
    assert read_request(signed, opened.plaintext) == request
    assert (signed.digest, opened.cipher) == (suite.digest, suite.cipher)
    assert opened.key_transport is suite.key_transport
    assert signed.signing_time == NOW


@BOUNDED
@given(
    rep=replies(),
    suite=suites,
    style=st.builds(
        ReplyStyle,
        empty_content=st.sampled_from(["omit", "empty", "zero"]),
        include_certificates=st.booleans(),
        signature_oid=st.sampled_from(["rsaEncryption", "shaNWithRSA"]),
    ),
)
def test_replies(rep: CertRep, suite: AlgorithmSuite, style: ReplyStyle) -> None:
    """Any reply under any algorithms and in any style is read as it was."""
    read = take_reply(
        reply_bytes(rep, suite=suite, style=style),
        floor=Floor.LAB,
        transaction_id=rep.transaction_id,
        sender_nonce=rep.recipient_nonce,
    )
    assert read == rep


@BOUNDED
@given(
    subject=names,
    challenge=st.just("") | texts,
    hosts=st.lists(st.from_regex(r"[a-z]{1,10}(\.[a-z]{1,10}){0,3}", fullmatch=True), max_size=3),
    digest=st.sampled_from(Digest),
)
def test_certification_requests(
    subject: x509.Name, challenge: str, hosts: list[str], digest: Digest
) -> None:
    """Any subject, challenge and host names come back, signed."""
    der = build_csr(subject, rsa_key("device"), digest=digest, challenge=challenge, dns_names=hosts)
    csr = read_csr(der)
    assert csr.subject == subject
    assert csr.challenge == (challenge or None)
    assert csr.is_signature_valid
    found = [
        name
        for extension in csr.extensions
        for name in extension.value.get_values_for_type(x509.DNSName)
    ]
    assert found == hosts
    assert parse_name(subject.public_bytes()) == subject


@QUICK
@given(data=st.binary(max_size=400))
def test_queries(data: bytes) -> None:
    """Any message goes through a query."""
    if data:
        assert decode_get_message(encode_get_message(data)) == data


@QUICK
@given(listed=st.lists(st.sampled_from(KEYWORDS), unique=True), floor=st.sampled_from(Floor))
def test_capabilities(listed: list[str], floor: Floor) -> None:
    """A written list is read; what is chosen the floor allows and the server takes."""
    capabilities = parse_capabilities(format_capabilities(listed))
    assert capabilities.keywords == set(listed)
    assert list(capabilities.listed) == listed
    is_weak = (capabilities.supports_des3 and not capabilities.supports_aes) or (
        capabilities.supports_sha1
        and not capabilities.supports_sha256
        and not capabilities.supports_sha512
    )
    if is_weak and floor is Floor.MODERN:
        with pytest.raises(UnsupportedAlgorithmError) as caught:
            choose_algorithms(capabilities, floor)
        assert caught.value.offers == tuple(listed)
        return
    suite = choose_algorithms(capabilities, floor)
    assert floor.allows(suite.cipher)
    assert floor.allows(suite.digest)
    if suite.cipher is Cipher.DES_EDE3_CBC:
        assert not capabilities.supports_aes


@st.composite
def ber(draw: st.DrawFn, node: Node) -> bytes:
    """The element with lengths and segments drawn anew; sets are left as they are."""
    if not node.tag & 0x20:
        if node.tag == 0x04 and draw(st.booleans()):
            pieces = segments(node.content, draw(st.integers(1, 50)))
            return draw(st.sampled_from([definite, indefinite]))(0x24, pieces)
        octets = draw(st.integers(0, 1)) * 4
        return definite(node.tag, node.content, length_octets=octets)
    inner = b"".join(draw(ber(child)) for child in node.children)
    return draw(st.sampled_from([definite, indefinite]))(node.tag, inner)


ELEMENTS = st.recursive(
    st.builds(
        Node,
        tag=st.sampled_from([0x02, 0x04, 0x0C, 0x13, 0x80]),
        content=st.binary(max_size=30),
    ),
    lambda children: st.builds(
        Node, tag=st.sampled_from([0x30, 0xA0, 0xA3]), children=st.lists(children, max_size=4)
    ),
    max_leaves=12,
)


def _as_der(node: Node) -> bytes:
    if node.tag & 0x20:
        return definite(node.tag, b"".join(map(_as_der, node.children)))
    return definite(node.tag, node.content)


@QUICK
@given(element=ELEMENTS, data=st.data())
def test_ber_becomes_der(element: Node, data: st.DataObject) -> None:
    """However an element is spelled in BER, the walk gives the one DER encoding."""
    expected = _as_der(element)
    assert parse_ber(data.draw(ber(element))).der == expected
    assert parse_ber(expected).der == expected
    assert _as_der(parse(expected)) == expected


READERS = {
    "pkiMessage": lambda data: read_pki_message(data, floor=Floor.LAB),
    "reply address": read_reply_address,
    "CertRep": lambda data: take_reply(data, floor=Floor.LAB),
    "envelope": lambda data: unseal(data, floor=Floor.LAB),
    "bundle": read_certs_only,
    "request": read_csr,
    "name": parse_name,
    "certificate": load_certificate,
    "trace": explain,
    "query": lambda data: parse_query(data.decode("latin-1")),
    "query value": lambda data: decode_get_message(data.decode("latin-1")),
    "capabilities": parse_capabilities,
}

NOISE = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=200).map(lambda content: definite(0x30, content)),
    ELEMENTS.map(_as_der),
    ELEMENTS.map(lambda element: indefinite(0x30, _as_der(element))),
    st.sampled_from(
        [
            reply_bytes(),
            request_bytes(),
            build_certs_only([device_certificate()]),
            name(CA_NAME).public_bytes(),
        ]
    ),
)


@pytest.mark.covers("C-46")
@pytest.mark.filterwarnings("ignore:Parsed a serial number", "ignore:.*country", "ignore:Attribute")
@pytest.mark.parametrize("reader", list(READERS))
@QUICK
@given(data=NOISE)
def test_readers_raise_only_our_errors(reader: str, data: bytes) -> None:
    """Noise, or a message of another kind, gives a value or a `ScepError`."""
    with contextlib.suppress(ScepError):
        READERS[reader](data)
