"""Certificates held against what their consumers need."""

from __future__ import annotations

import functools
import subprocess
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from sceplab_agent.config_table import ConfigTable
from sceplab_agent.errors import ConfigProblem, HandOffError
from sceplab_agent.handoff.purposes import ANY_PURPOSE, IKE_INTERMEDIATE, Purpose
from sceplab_agent.handoff.usage_checks import check_purpose, read_purpose, require_purpose
from tests.support.deliveries import (
    CA_WISH,
    CLIENT,
    SERVER,
    Holder,
    Wish,
    deliver,
    pem_of,
    present,
    root,
)
from tests.support.pki import LocalKey, der, ec_key
from tests.support.programs import require_program

MAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
IKE = ExtendedKeyUsageOID.IPSEC_IKE
ADDRESS = x509.IPAddress(ip_address("192.0.2.1"))
MAILBOX = x509.RFC822Name("ann@example.test")
ENCRYPTION_ONLY = ("key_encipherment",)

PLAIN = Wish(purposes=(), uses=(), key=ec_key("device"))
WEAK = LocalKey(rsa.generate_private_key(public_exponent=65537, key_size=1024))
ODD_CURVE = LocalKey(ec.generate_private_key(ec.SECP256K1()))

CASES: list[tuple[str, Purpose, Wish, set[str]]] = [
    ("no restriction", Purpose.IPSEC, PLAIN, set()),
    ("RFC 4945", Purpose.IPSEC, replace(PLAIN, purposes=(IKE,)), set()),
    ("IPSec template", Purpose.IPSEC, replace(PLAIN, purposes=(IKE_INTERMEDIATE,)), set()),
    ("any purpose", Purpose.IPSEC, replace(PLAIN, purposes=(ANY_PURPOSE,)), set()),
    ("web", Purpose.IPSEC, replace(PLAIN, purposes=(SERVER,)), {"extendedKeyUsage"}),
    ("non-repudiation", Purpose.IPSEC, replace(PLAIN, uses=("content_commitment",)), set()),
    ("encryption", Purpose.IPSEC, replace(PLAIN, uses=ENCRYPTION_ONLY), {"keyUsage"}),
    ("by address", Purpose.IPSEC, replace(PLAIN, subject="", names=(ADDRESS,)), set()),
    ("nameless", Purpose.IPSEC, replace(PLAIN, subject="", names=()), {"identity"}),
    ("client", Purpose.EAP_TLS, replace(PLAIN, purposes=(CLIENT,)), set()),
    (
        "IPSec template",
        Purpose.EAP_TLS,
        replace(PLAIN, purposes=(IKE_INTERMEDIATE,)),
        {"extendedKeyUsage"},
    ),
    ("encryption", Purpose.EAP_TLS, replace(PLAIN, uses=ENCRYPTION_ONLY), {"keyUsage"}),
    ("nameless", Purpose.EAP_TLS, replace(PLAIN, subject="", names=()), {"identity"}),
    ("client", Purpose.TLS_CLIENT, replace(PLAIN, purposes=(CLIENT,)), set()),
    ("no restriction", Purpose.TLS_CLIENT, PLAIN, set()),
    ("server", Purpose.TLS_CLIENT, replace(PLAIN, purposes=(SERVER,)), {"extendedKeyUsage"}),
    (
        "non-repudiation",
        Purpose.TLS_CLIENT,
        replace(PLAIN, uses=("content_commitment",)),
        {"keyUsage"},
    ),
    ("server", Purpose.TLS_SERVER, replace(PLAIN, purposes=(SERVER,)), set()),
    ("by address", Purpose.TLS_SERVER, replace(PLAIN, names=(ADDRESS,)), set()),
    ("common name only", Purpose.TLS_SERVER, replace(PLAIN, names=()), {"identity"}),
    ("mailbox", Purpose.TLS_SERVER, replace(PLAIN, names=(MAILBOX,)), {"identity"}),
    ("client", Purpose.TLS_SERVER, replace(PLAIN, purposes=(CLIENT,)), {"extendedKeyUsage"}),
    ("RSA exchange only", Purpose.TLS_SERVER, replace(PLAIN, uses=ENCRYPTION_ONLY), {"keyUsage"}),
    ("mail", Purpose.SMIME, replace(PLAIN, purposes=(MAIL,), names=(MAILBOX,)), set()),
    (
        "mail in subject",
        Purpose.SMIME,
        replace(PLAIN, subject="1.2.840.113549.1.9.1=#160361406e"),
        set(),
    ),
    ("no mailbox", Purpose.SMIME, replace(PLAIN, purposes=(MAIL,)), {"identity"}),
    ("web", Purpose.SMIME, Wish(names=(MAILBOX,)), {"extendedKeyUsage"}),
    (
        "encryption",
        Purpose.SMIME,
        replace(PLAIN, names=(MAILBOX,), uses=ENCRYPTION_ONLY),
        {"keyUsage"},
    ),
    ("RSA of 1024 bits", Purpose.IPSEC, replace(PLAIN, key=WEAK), {"key"}),
    ("odd curve", Purpose.TLS_CLIENT, replace(PLAIN, key=ODD_CURVE), {"key"}),
    (
        "unknown critical",
        Purpose.TLS_CLIENT,
        replace(PLAIN, critical="1.3.6.1.4.1.99999.1"),
        {"critical"},
    ),
    ("not begun", Purpose.TLS_CLIENT, replace(PLAIN, starts_in=timedelta(hours=1)), {"validity"}),
    (
        "begins within the skew",
        Purpose.TLS_CLIENT,
        replace(PLAIN, starts_in=timedelta(minutes=4)),
        set(),
    ),
    ("ended", Purpose.TLS_CLIENT, replace(PLAIN, starts_in=timedelta(days=-40)), {"validity"}),
    (
        "all wrong",
        Purpose.TLS_SERVER,
        Wish(
            purposes=(CLIENT,),
            uses=ENCRYPTION_ONLY,
            names=(),
            starts_in=timedelta(days=-40),
            key=WEAK,
        ),
        {"extendedKeyUsage", "keyUsage", "identity", "validity", "key"},
    ),
]


@pytest.mark.parametrize(
    ("purpose", "wish", "wrong"),
    [case[1:] for case in CASES],
    ids=[f"{case[1].value}: {case[0]}" for case in CASES],
)
def test_every_mismatch_is_named(purpose: Purpose, wish: Wish, wrong: set[str]) -> None:
    """What is wrong, and nothing else, with its source and what to change."""
    found = check_purpose(root().issue(wish).certificate, [root().certificate], purpose, present())
    assert {mismatch.what for mismatch in found} == wrong
    for mismatch in found:
        assert mismatch.source.startswith(("RFC ", "NIST "))
        assert mismatch.next_step
        assert str(mismatch) == f"{mismatch.found} ({mismatch.source}); {mismatch.next_step}"


def test_key_of_another_kind_is_named() -> None:
    """Ed25519 keys are none that every peer takes."""
    key = ed25519.Ed25519PrivateKey.generate()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(root().certificate.subject)
        .issuer_name(root().certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(present())
        .not_valid_after(present() + timedelta(days=1))
        .sign(key, None)
    )
    found = check_purpose(certificate, [root().certificate], Purpose.IPSEC, present())
    assert {mismatch.what for mismatch in found} == {"key", "chain"}


def authority(above: Holder, **changes: object) -> Holder:
    """A CA below another."""
    wish = replace(CA_WISH, subject="CN=Sub CA", key=ec_key("sub"), **changes)  # type: ignore[arg-type]
    return above.issue(wish)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"uses": ("crl_sign",)}, "keyCertSign"),
        ({"purposes": (MAIL,)}, "limited to other purposes"),
        ({"purposes": (MAIL, CLIENT)}, ""),
    ],
)
def test_chains_are_followed(changes: dict[str, object], words: str) -> None:
    """An intermediate CA vouches, unless it may not for this purpose."""
    sub = authority(root(), **changes)
    leaf = sub.issue(PLAIN).certificate
    chain = [sub.certificate, root().certificate]
    found = check_purpose(leaf, chain, Purpose.TLS_CLIENT, present())
    assert [mismatch.what for mismatch in found] == (["chain"] if words else [])
    assert words in "".join(str(mismatch) for mismatch in found)


def test_path_length_is_kept() -> None:
    """A CA that allows none below it does not vouch for one."""
    first = authority(root(), path_length=0)
    second = first.issue(replace(CA_WISH, subject="CN=Sub sub CA", key=ec_key("sub sub")))
    leaf = second.issue(PLAIN).certificate
    chain = [second.certificate, first.certificate, root().certificate]
    (found,) = check_purpose(leaf, chain, Purpose.TLS_CLIENT, present())
    assert "allows 0 CAs below it and has 1" in found.found


def test_pinned_certificate_that_is_no_ca_does_not_vouch() -> None:
    """Whoever pins a server's own certificate as the CA gets chains that no consumer takes."""
    pinned = root().issue(replace(CA_WISH, subject="CN=Server", is_ca=False, key=ec_key("sub")))
    leaf = pinned.issue(PLAIN).certificate
    (found,) = check_purpose(leaf, [pinned.certificate], Purpose.TLS_CLIENT, present())
    assert found.what == "chain"
    assert "'CN=Server' is no CA's" in found.found


@pytest.mark.parametrize("kept", ["nothing", "stranger", "expired"])
def test_chains_that_lead_nowhere(kept: str) -> None:
    """No chain, another CA's, and one that has ended."""
    chains = {
        "nothing": [],
        "stranger": [authority(root()).certificate],
        "expired": [authority(root(), starts_in=timedelta(days=-60)).certificate],
    }
    leaf = root().issue(PLAIN).certificate
    found = check_purpose(leaf, chains[kept], Purpose.IPSEC, present())
    assert "chain" in {mismatch.what for mismatch in found}
    assert ("validity" in {mismatch.what for mismatch in found}) == (kept == "expired")


def test_refusal_names_everything_and_tells_the_clock_from_the_rest() -> None:
    """What only the clock is against may pass; what the template is against does not."""
    early = deliver(root().issue(replace(PLAIN, starts_in=timedelta(hours=1))))
    with pytest.raises(
        HandOffError, match=r"nothing was replaced: 1\. the certificate begins"
    ) as e:
        require_purpose("eth0", early, Purpose.IPSEC, present())
    assert e.value.may_pass
    wrong = deliver(root().issue(Wish(purposes=(CLIENT,), names=())))
    with pytest.raises(HandOffError, match=r"Web Server; 2\. .*dns_names") as e:
        require_purpose("eth0", wrong, Purpose.TLS_SERVER, present())
    assert not e.value.may_pass
    require_purpose("eth0", wrong, None, present())
    odd_version = wrong.certificate_der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09")
    for noise in (b"x", odd_version):
        with pytest.raises(HandOffError, match="cannot be read"):
            require_purpose("eth0", replace(wrong, certificate_der=noise), Purpose.IPSEC, present())


def test_purpose_is_read() -> None:
    """One of five words, or none."""
    problems: list[ConfigProblem] = []
    assert read_purpose(ConfigTable({}, "h", problems)) is None
    assert read_purpose(ConfigTable({"purpose": "smime"}, "h", problems)) is Purpose.SMIME
    assert not problems
    read_purpose(ConfigTable({"purpose": "ipsek"}, "h", problems))
    assert "did you mean 'ipsec'" in problems[0].reason


@pytest.mark.interop
@pytest.mark.parametrize(
    ("purpose", "wish", "wrong"),
    [case[1:] for case in CASES],
    ids=[f"{case[1].value}: {case[0]}" for case in CASES],
)
def test_openssl_agrees(purpose: Purpose, wish: Wish, wrong: set[str], tmp_path: Path) -> None:
    """Where OpenSSL has a rule for the same it says the same; names it does not look at."""
    openssl = require_program("openssl", package="openssl")
    words = {
        Purpose.EAP_TLS: "sslclient",
        Purpose.TLS_CLIENT: "sslclient",
        Purpose.TLS_SERVER: "sslserver",
        Purpose.SMIME: "smimesign",
    }
    # It has no purpose for IPsec, takes servers that only decrypt, and has its own idea of clocks.
    if purpose not in words or (purpose, wrong) == (Purpose.TLS_SERVER, {"keyUsage"}):
        purpose_options = []
        wrong = wrong - {"extendedKeyUsage", "keyUsage"}
    else:
        purpose_options = ["-purpose", words[purpose]]
    leaf = pem_of(tmp_path, "leaf.pem", root().issue(wish).certificate)
    anchor = pem_of(tmp_path, "ca.pem", root().certificate)
    moment = str(int((present() + timedelta(minutes=5)).timestamp()))
    done = subprocess.run(
        [
            str(openssl),
            "verify",
            "-attime",
            moment,
            *purpose_options,
            "-CAfile",
            str(anchor),
            str(leaf),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == (not wrong - {"identity", "key"}), done.stderr


@pytest.mark.fuzz
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_certificates_are_judged_or_refused(damage: list[tuple[int, int]]) -> None:
    """Whatever still loads as a certificate gets a list of mismatches, never an exception."""
    damaged = bytearray(der(intact_certificate()))
    for place, value in damage:
        damaged[place % len(damaged)] = value
    try:
        certificate = x509.load_der_x509_certificate(bytes(damaged))
        moment = certificate.not_valid_before_utc
    except (ValueError, x509.InvalidVersion):
        return
    for purpose in Purpose:
        check_purpose(certificate, [root().certificate], purpose, moment)


@functools.cache
def intact_certificate() -> x509.Certificate:
    """The one that is damaged."""
    return root().issue(Wish()).certificate
