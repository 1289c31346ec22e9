"""Which certificates act for the CA: settings, warnings, and attacks from end to end."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from sceplab_agent.config import AgentConfig
from sceplab_agent.config_check import check_surroundings
from sceplab_agent.config_view import describe_config
from sceplab_agent.errors import ConfigError
from sceplab_scep.degenerate import build_certs_only
from sceplab_scep.ra_rule import RaRule
from tests.support.agent_cli import AgentFolder
from tests.support.raw_server import Handler, RawServer, answer, raw_server
from tests.support.scripted_peer import AUTHORITY, CHALLENGE, ScriptedPeer

HEX64 = "ab" * 32
START = datetime.now(UTC) - timedelta(days=1)
USES = ("digital_signature", "key_encipherment")
MALLORY = AUTHORITY.device("mallory", *USES, starts_at=START)
"""Somebody's device, of the same CA, newer than the CA's RA."""
ATTEMPTS = 3
QUICK = f"retry = {{ first_s = 0.1, ceiling_s = 0.1, max_attempts = {ATTEMPTS} }}"


def read(lines: str, base: Path = Path("/etc/agent")) -> AgentConfig:
    """A small configuration with further lines of the trustpoint."""
    text = (
        '[agent]\nstate_dir = "state"\n[keystore]\nuri = "soft:keys"\n[trustpoint.lab]\nurl = "http://ca.example.org/scep"\n'
        f'subject = "CN=router1"\nfingerprint = "{HEX64}"\n{lines}\n'
    )
    return AgentConfig.from_mapping(tomllib.loads(text), file="agent.toml", base=base)


def rule(lines: str) -> RaRule:
    """What the lines mean."""
    return read(lines).trustpoints[0].policy.ra_rule


def test_by_default_an_ra_has_to_say_so() -> None:
    """Nothing is pinned, nothing is given up."""
    assert rule("") == RaRule()


def test_fingerprints_of_ras_are_written_as_the_cas() -> None:
    """One or several SHA-256 fingerprints, with a name, colons or neither."""
    colons = ":".join(["CD"] * 32)
    lines = f'ra_fingerprints = ["{HEX64}", "sha256:{colons}"]'
    assert rule(lines) == RaRule(pinned_sha256=(b"\xab" * 32, b"\xcd" * 32))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (f'ra_fingerprints = "{HEX64}"', "ra_fingerprints: must be an array"),
        (f'ra_fingerprints = ["{"ab" * 20}"]', "entry 1: is a SHA1 fingerprint, which is weak"),
        ('ra_fingerprints = ["xy"]', "entry 1: must have 64 hexadecimal digits"),
        (f'ra_fingerprint = ["{HEX64}"]', "did you mean 'ra_fingerprints'?"),
        ('any_certificate_may_be_ra = "yes"', "must be true or false"),
        (
            f'ra_fingerprints = ["{HEX64}"]\nany_certificate_may_be_ra = true',
            "makes ra_fingerprints useless",
        ),
    ],
)
def test_mistakes_are_named(lines: str, said: str) -> None:
    """A wrong value is no silent default."""
    with pytest.raises(ConfigError) as caught:
        read(lines)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "lines", [f'ra_fingerprints = ["sha256:{HEX64}"]', "any_certificate_may_be_ra = true"]
)
def test_the_effective_configuration_shows_the_rule(lines: str) -> None:
    """What is shown back reads as the same rule."""
    shown = describe_config(read(lines))["trustpoint"]
    assert isinstance(shown, dict)
    again = "\n".join(
        f"{key} = {json.dumps(shown['lab'][key])}"
        for key in ("ra_fingerprints", "any_certificate_may_be_ra")
    )
    assert rule(again) == rule(lines) != RaRule()


@pytest.mark.parametrize("is_open", [True, False])
def test_check_warns_of_the_opt_out(tmp_path: Path, is_open: bool) -> None:
    """`check` says in words what is given up, and what to do instead."""
    config = read(f"any_certificate_may_be_ra = {json.dumps(is_open)}", base=tmp_path)
    findings = check_surroundings(config, config.trustpoints, now=lambda: datetime.now(UTC))
    warnings = [line for line in findings if "any_certificate_may_be_ra" in line]
    assert bool(warnings) is is_open
    for line in warnings:
        assert "read the challenge password" in line
        assert "ra_fingerprints" in line


# --- Attacks, with the agent as its user runs it --------------------------------------------------


def _bridge(peer: ScriptedPeer) -> Handler:
    """Answers over TCP as the scripted peer does."""

    def handle(connection: object, request: bytes) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode("ascii").split(" ")
        response = peer.request(method, target, body=body or None)
        answer(f"{response.status} -", response.body)(connection, request)  # type: ignore[arg-type]

    return handle


@contextmanager
def _attacked(folder: Path) -> Iterator[tuple[AgentFolder, ScriptedPeer, RawServer]]:
    """An agent pinned to the CA, and whoever answers its HTTP requests."""
    peer = ScriptedPeer(lambda: datetime.now(UTC))
    agent = AgentFolder(folder)
    with raw_server(_bridge(peer)) as server:
        fingerprint = AUTHORITY.root.certificate.fingerprint(hashes.SHA256()).hex()
        agent.configure(server.url, fingerprint=fingerprint, challenge=CHALLENGE, extra=QUICK)
        yield agent, peer, server


@pytest.mark.covers("C-04")
def test_a_device_certificate_as_recipient_ends_in_exit_code_3(tmp_path: Path) -> None:
    """Who shows a device certificate of the CA as its RA gets not even the encrypted request."""
    with _attacked(tmp_path) as (agent, peer, server):
        peer.ca_reply = build_certs_only([MALLORY.certificate, AUTHORITY.root.certificate])
        refused = agent.run("enroll")
        assert refused.status == 3, refused.err
        assert not any(b"PKIOperation" in request for request in server.requests)
        for word in ("CN=mallory", "Certificate Request Agent", "cmcRA"):
            assert word in refused.err
        for setting in ("ra_fingerprints", "any_certificate_may_be_ra"):
            assert setting in refused.err
        assert CHALLENGE not in refused.out + refused.err
        assert not agent.certificate.exists()

        peer.ca_reply = None
        enrolled = agent.run("enroll")
    assert enrolled.status == 0, enrolled.err
    assert agent.certificate.exists()


@pytest.mark.covers("C-04", "C-40")
def test_a_device_certificate_as_signer_ends_in_exit_code_3(tmp_path: Path) -> None:
    """Refusals signed with a device certificate of the CA are no refusals of the CA."""
    with _attacked(tmp_path) as (agent, peer, _):
        peer.ca_reply = build_certs_only([MALLORY.certificate, *AUTHORITY.bundle])
        peer.plan(*[lambda received: peer.refuse(received, signer=MALLORY)] * ATTEMPTS)
        refused = agent.run("enroll")
    assert refused.status == 3, refused.err
    assert len(peer.received) == ATTEMPTS
    for word in ("CN=mallory", "Certificate Request Agent", "ra_fingerprints"):
        assert word in refused.err
    assert "any_certificate_may_be_ra" in refused.err
    assert not agent.certificate.exists()


@pytest.mark.covers("C-40")
def test_one_forged_refusal_does_not_end_an_enrollment(tmp_path: Path) -> None:
    """The same bytes go out again, and the CA's answer to them counts."""
    with _attacked(tmp_path) as (agent, peer, _):
        peer.ca_reply = build_certs_only([MALLORY.certificate, *AUTHORITY.bundle])
        peer.plan(lambda received: peer.refuse(received, signer=MALLORY))
        enrolled = agent.run("enroll")
    assert enrolled.status == 0, enrolled.err
    first, second = peer.received
    assert first.body == second.body


def test_the_way_out_works_from_the_command_line(tmp_path: Path) -> None:
    """A server whose RA does not say so: refused, then enrolled with the setting named."""
    with _attacked(tmp_path) as (agent, peer, server):
        authority = type(AUTHORITY)()
        authority.__dict__["signing"] = authority.__dict__["encryption"] = MALLORY
        peer.authority = authority
        assert agent.run("enroll").status == 3
        agent.configure(
            server.url,
            fingerprint=AUTHORITY.root.certificate.fingerprint(hashes.SHA256()).hex(),
            challenge=CHALLENGE,
            extra=f'ra_fingerprints = ["{MALLORY.certificate.fingerprint(hashes.SHA256()).hex()}"]',
        )
        enrolled = agent.run("enroll")
    assert enrolled.status == 0, enrolled.err
