"""Two charon daemons with enrolled certificates: IKEv2 comes up, traffic passes, renewals too.

How many packets were lost is printed and goes into the report.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from sceplab_agent.errors import HandOffError
from sceplab_agent.handoff.api import Delivery, ProofKind
from sceplab_agent.handoff.proof import prove
from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.secret import Secret
from tests.support.agent_cli import SOURCES
from tests.support.agent_process import configure
from tests.support.charon import TunnelWatch
from tests.support.ipsec_site import GATEWAY, IpsecSite, enroll, file_key, now
from tests.support.p11kit import CLIENT_MODULE, p11_kit_server
from tests.support.secret_files import write_secret
from tests.support.server import make_server, serve_in_thread
from tests.support.soft_stores import soft_store
from tests.support.softhsm import MODULE, make_token, open_token, pin_of
from tests.support.swtpm import software_tpm
from tests.support.tpm2_pkcs11 import LABEL, PIN, TpmToken, make_tpm_token
from tests.support.tpm2_pkcs11 import MODULE as TPM_MODULE
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.interop, pytest.mark.daemon]

_LOST_AT_MOST = 8
"""Packets at 200 a second. What the gateway sends with a new SA before the router has it is lost,
one at most on an idle machine; a tunnel that goes down loses all until it is up again."""
_LOOKS = 30


def keep_up(site: IpsecSite, renew: Callable[[], object]) -> str:
    """Renews while packets pass; the tunnel is up all the time. Says what was lost."""
    with site.ping(interval_s=0.005) as ping, TunnelWatch(site.router) as watch:
        wait_until(lambda: len(watch.counts) > _LOOKS, "looks before the renewal")
        renew()
        looks = len(watch.counts)
        wait_until(lambda: len(watch.counts) > looks + _LOOKS, "looks after it")
        sent, lost = ping.end()
    assert min(watch.counts) >= 1, watch.counts
    assert sent > _LOOKS
    assert lost <= _LOST_AT_MOST, f"{lost} of {sent} packets lost"
    return f"{lost} of {sent} packets lost, at least {min(watch.counts)} CHILD_SA at every look"


@pytest.mark.covers("K1")
def test_renewals_keep_the_tunnel(site: IpsecSite, report: Callable[[str], None]) -> None:
    """Three renewals with new keys: each makes a new IKE_SA, and the gateway sees the new one."""
    site.start()
    key = file_key()
    proved = site.hand_over(site.delivery(enroll(site.server, "CN 1", key), key))
    assert proved.startswith("CHILD_SA 'net' is up in IKE_SA 1;")
    keys = [file_key() for _ in range(3)]
    certificates = [
        enroll(site.server, f"CN {number}", key) for number, key in enumerate(keys, start=2)
    ]

    def renew() -> None:
        for generation, (certificate, key) in enumerate(
            zip(certificates, keys, strict=True), start=2
        ):
            proved = site.hand_over(site.delivery(certificate, key, generation=generation))
            assert f"{certificate.serial_number:X}" in proved
            assert site.gateway.said(f'received end entity cert "CN=CN {generation}"')

    report(keep_up(site, renew))
    assert len(site.router.ask("get_keys")["keys"]) == 1, "keys of old certificates are forgotten"
    wait_until(lambda: len(site.router.children()) == 1, "the IKE_SAs before to be deleted")


@pytest.mark.covers("K1")
def test_key_in_softhsm(site: IpsecSite, report: Callable[[str], None]) -> None:
    """The key stays in the token; the daemon finds the new one by its CKA_ID while it runs."""
    token = make_token()
    store = open_token(token)
    site.start(module=MODULE, SOFTHSM2_CONF=str(token.configuration))
    handoff = site.handoff(module="p11")

    def hand_over(generation: int) -> str:
        key = store.generate(f"vpn-{generation}", KeyAlgorithm.RSA_2048)
        certificate = enroll(site.server, f"CN {generation}", key)
        where = {"key_uri": key.uri, "key_secret": lambda: Secret(pin_of(token))}
        return site.hand_over(site.delivery(certificate, generation=generation, **where), handoff)

    hand_over(1)
    report(keep_up(site, lambda: hand_over(2)))
    assert site.gateway.said('received end entity cert "CN=CN 2"')
    store.close()


_HAND_OFF = """
[[trustpoint.lab.handoff]]
kind = "strongswan"
socket = "{socket}"
connection = "site"
module = "p11"
purpose = "ipsec"

[trustpoint.lab.handoff.definition]
remote_addrs = "192.0.2.2"
proposals = "aes128gcm16-prfsha256-curve25519"
local.id = "router1.example.test"
remote = {{ auth = "pubkey", id = "gateway.example.test" }}
children.net = {{ local_ts = "10.61.1.1/32", remote_ts = "10.61.2.1/32" }}
"""


@pytest.mark.covers("K1")
def test_the_agent_enrolls_and_renews(site: IpsecSite, report: Callable[[str], None]) -> None:
    """Configuration file, server, token, daemon: the whole way, as a router's firmware goes it."""
    token = make_token()
    with serve_in_thread(site.server, now) as http:
        site.start(module=MODULE, SOFTHSM2_CONF=str(token.configuration))
        folder = site.folder / "a"
        folder.mkdir()
        write_secret(folder / "pin", f"{pin_of(token)}\n")
        extra = _HAND_OFF.format(socket=site.router.socket)
        store = {"store": token.uri, "secret": "file:pin"}
        agent = configure(folder, site.server, http.scep_url, extra=extra, **store)
        output = []

        def run(command: str) -> None:
            done = agent.run(command)
            assert done.status == 0, done.err
            serial = x509.load_pem_x509_certificate(agent.certificate.read_bytes()).serial_number
            assert f"the peer accepted certificate {serial:X}" in done.err
            output.append(done.out + done.err)

        run("enroll")
        report(keep_up(site, lambda: run("renew")))
        assert len(site.router.ask("get_keys")["keys"]) == 1
        site.stop()
    kept = b"".join(path.read_bytes() for path in (folder / "state").rglob("*") if path.is_file())
    assert pin_of(token) not in "".join(output)
    assert pin_of(token).encode() not in kept


@pytest.mark.covers("K1")
def test_restarted_daemon_is_handed_the_certificate_again(
    site: IpsecSite, report: Callable[[str], None]
) -> None:
    """The daemon forgot key and connection; one command, and the tunnel is up and packets pass."""
    token = make_token()
    where = {"module": MODULE, "SOFTHSM2_CONF": str(token.configuration)}
    with serve_in_thread(site.server, now) as http:
        site.start(**where)
        folder = site.folder / "a"
        folder.mkdir()
        write_secret(folder / "pin", f"{pin_of(token)}\n")
        extra = _HAND_OFF.format(socket=site.router.socket)
        store = {"store": token.uri, "secret": "file:pin"}
        agent = configure(folder, site.server, http.scep_url, extra=extra, **store)
        assert agent.run("enroll").status == 0
    site.restart_router(**where)
    assert not site.router.ask("get_keys")["keys"]
    verified = agent.run("handoff verify")
    assert verified.status != 0
    assert "run: sceplab-agent handoff again" in verified.out
    done = agent.run("handoff again")
    assert done.status == 0, done.out + done.err
    serial = x509.load_pem_x509_certificate(agent.certificate.read_bytes()).serial_number
    assert f"the peer accepted certificate {serial:X}" in done.out
    up = site.router.sas()
    report(keep_up(site, lambda: agent.run("handoff again")))
    assert site.router.sas() == up, "a tunnel that is up stays as it is"
    assert pin_of(token) not in done.out + done.err
    site.stop()


_IDENTIFIERS = "print(*(store.get(i.key_id).cka_id.hex() for i in store.list_keys()))"


def _enroll_and_renew(
    token: TpmToken, folder: Path, url: str, site: IpsecSite
) -> list[x509.Certificate]:
    """Two certificates of the agent for one key in the chip."""
    folder.mkdir()
    agent = configure(
        folder,
        site.server,
        url,
        extra="[trustpoint.lab.renewal]\nnew_key = false",
        store=f"pkcs11:token={LABEL}?module-path={TPM_MODULE}",
        secret="file:pin",
    )
    write_secret(folder / "pin", f"{PIN}\n")
    certificates = []
    for command in ("enroll", "renew"):
        token.call(sys.executable, "-m", "sceplab_agent", command, "-c", str(folder / "agent.toml"))
        certificates.append(x509.load_pem_x509_certificate(agent.certificate.read_bytes()))
    return certificates


@pytest.mark.covers("K1")
def test_key_in_a_tpm(site: IpsecSite, report: Callable[[str], None]) -> None:
    """The agent enrolls and renews with a key of a TPM; the daemon uses it behind p11-kit.

    The chip talks to one at a time: the agent is done before the daemon starts.
    """
    folder = site.folder
    with software_tpm(folder / "s") as chip:
        plain = make_tpm_token(chip, folder / "t")
        environment = {**plain.environment, "PYTHONPATH": os.pathsep.join(SOURCES)}
        token = replace(plain, environment=environment)
        with serve_in_thread(site.server, now) as http:
            certificates = _enroll_and_renew(token, folder / "a", http.scep_url, site)
            told = token.run(_IDENTIFIERS)
            escaped = "".join(f"%{byte:02x}" for byte in bytes.fromhex(told))
            where = {
                "key_uri": f"pkcs11:token={LABEL};id={escaped}?module-path={TPM_MODULE}",
                "key_secret": lambda: Secret(PIN),
            }
            with p11_kit_server(str(TPM_MODULE), folder, **token.environment) as address:
                site.start(module=str(CLIENT_MODULE), P11_KIT_SERVER_ADDRESS=address)
                handoff = site.handoff(module="p11")
                first, second = (site.delivery(one, **where) for one in certificates)
                site.hand_over(first, handoff)
                report(keep_up(site, lambda: site.hand_over(second, handoff)))
                site.stop()


@pytest.mark.covers("K1")
def test_refused_certificate_is_rolled_back(site: IpsecSite, report: Callable[[str], None]) -> None:
    """The gateway does not know the new CA: the reason is named and the old tunnel stays."""
    site.start()
    key = file_key()
    first = site.delivery(enroll(site.server, "CN 1", key), key)
    site.hand_over(first)
    refused = _stranger(site)
    handoff = site.handoff()

    def try_it() -> None:
        memo = handoff.prepare(refused)
        handoff.install(refused, memo)
        with pytest.raises(HandOffError, match="received AUTHENTICATION_FAILED"):
            handoff.verify(refused, memo)
        restarted = site.handoff()  # as after a restart: only the memo is left
        restarted.roll_back(refused, memo)
        restarted.roll_back(refused, memo)

    report(keep_up(site, try_it))
    assert len(site.router.ask("get_keys")["keys"]) == 1
    proved = handoff.verify(first, handoff.prepare(first))
    assert f"{x509.load_der_x509_certificate(first.certificate_der).serial_number:X}" in proved


def _stranger(site: IpsecSite) -> Delivery:
    """A certificate of a CA that the gateway does not know."""
    server = make_server(now=now(), key_store=soft_store(site.folder / "stranger"))
    chain = (server.hierarchy.issuing.certificate, server.hierarchy.root.certificate)
    key = file_key()
    return site.delivery(enroll(server, "CN 2", key), key, generation=2, chain=chain)


def test_first_certificate_is_taken_back(site: IpsecSite) -> None:
    """Where there was nothing before, nothing is left: neither connection nor key."""
    site.start()
    handoff, refused = site.handoff(), _stranger(site)
    memo = handoff.prepare(refused)
    handoff.install(refused, memo)
    with pytest.raises(HandOffError, match="received AUTHENTICATION_FAILED"):
        handoff.verify(refused, memo)
    handoff.roll_back(refused, memo)
    assert not site.router.ask("get_keys")["keys"]
    assert not site.router.ask("get_conns")["conns"]


def test_key_of_another_certificate_is_not_kept(site: IpsecSite) -> None:
    """The daemon tells which key it loaded; the wrong one is forgotten at once."""
    site.start()
    handoff = site.handoff()
    wrong = site.delivery(enroll(site.server, "CN 1", file_key()), file_key())
    memo = handoff.prepare(wrong)
    with pytest.raises(HandOffError, match="is not the certificate's") as caught:
        handoff.install(wrong, memo)
    assert not caught.value.may_pass
    assert not site.router.ask("get_keys")["keys"]


def test_rolled_back_after_a_good_proof(site: IpsecSite, report: Callable[[str], None]) -> None:
    """Another consumer failed: the tunnel goes back to the certificate before, and stays up."""
    site.start()
    key, new_key = file_key(), file_key()
    first = site.delivery(enroll(site.server, "CN 1", key), key)
    second = site.delivery(enroll(site.server, "CN 2", new_key), new_key, generation=2)
    site.hand_over(first)
    keys = site.router.ask("get_keys")["keys"]
    handoff = site.handoff()

    def go_and_return() -> None:
        memo = handoff.prepare(second)
        handoff.install(second, memo)
        assert "IKE_SA 2" in handoff.verify(second, memo)
        handoff.roll_back(second, memo)

    report(keep_up(site, go_and_return))
    assert site.router.ask("get_keys")["keys"] == keys
    assert "IKE_SA 1" in handoff.verify(first, handoff.prepare(first))


def hand_over_twice(site: IpsecSite) -> Delivery:
    """A certificate and its renewal for the same key; the renewed one."""
    key = file_key()
    site.hand_over(site.delivery(enroll(site.server, "CN 1", key), key))
    second = site.delivery(enroll(site.server, "CN 1", key), key, generation=2)
    site.hand_over(second)
    return second


@pytest.mark.covers("K1")
def test_tunnel_is_proved_at_any_time(site: IpsecSite) -> None:
    """The peer accepted the active certificate; the one before, of the same subject, fails."""
    site.start()
    second, handoff = hand_over_twice(site), site.handoff()
    up = site.router.sas()
    for _ in range(2):
        proof = prove(second, handoff, now)
        assert (proof.kind, proof.is_proved) == (ProofKind.CONSUMER, True), proof.text
        assert f"accepted certificate {serial_of(second)}" in proof.text
    assert site.router.sas() == up, "the proof leaves the tunnel as it was"
    other = site.handoff(timeout_s=1)
    site.router.ask("unload_conn", name="site")
    proof = prove(second, other, now)
    assert not proof.is_proved
    assert "has not certificate" in proof.text
    assert "sceplab-agent handoff again" in proof.text


def test_proof_finds_out_which_certificate_the_peer_took(site: IpsecSite) -> None:
    """A tunnel of another certificate of that subject does not pass for one of the active one."""
    site.start()
    key = file_key()
    first = site.delivery(enroll(site.server, "CN 1", key), key)
    second = site.delivery(enroll(site.server, "CN 1", key), key, generation=2)
    site.hand_over(second)
    site.hand_over(first)
    up = site.router.sas()
    proof = prove(second, site.handoff(), now)
    assert f"accepted certificate {serial_of(second)}" in proof.text
    assert f"IKE_SA {up[0]};" not in proof.text, "a tunnel was made for the proof"
    wait_until(lambda: site.router.sas() == up, "the tunnel of the proof to be deleted")


def test_side_that_waits_proves_less(site: IpsecSite) -> None:
    """The gateway says that it has certificate and key and that a tunnel is up, no more."""
    site.start()
    gateway = site.handoff(site.gateway, GATEWAY, initiate=False)
    (own,) = [one["data"] for one in site.gateway.ask("list_certs", type="X509", flag="ANY")
              if one.get("has_privkey") == b"yes"]  # fmt: skip
    delivery = replace(hand_over_twice(site), certificate_der=bytes(own))
    proof = prove(delivery, gateway, now)
    assert (proof.kind, proof.is_proved) == (ProofKind.LOADED, True), proof.text
    assert "lesser proof" in proof.weakness
    site.router.ask("terminate", ike="site")
    wait_until(lambda: not site.gateway.sas(), "the end of the tunnel")
    proof = prove(delivery, gateway, now)
    assert not proof.is_proved
    assert "this side waits for its peer" in proof.text


def serial_of(delivery: Delivery) -> str:
    """Serial number as messages write it."""
    return f"{x509.load_der_x509_certificate(delivery.certificate_der).serial_number:X}"


def test_side_that_does_not_initiate_waits(site: IpsecSite) -> None:
    """The gateway's new certificate counts once the router has come back and seen it."""
    site.start()
    key, gateway_key = file_key(), file_key()
    site.hand_over(site.delivery(enroll(site.server, "CN 1", key), key))
    handoff = site.handoff(site.gateway, GATEWAY, initiate=False, timeout_s=1)
    renewed = site.delivery(enroll(site.server, "gw 2", gateway_key, GATEWAY), gateway_key)
    memo = handoff.prepare(renewed)
    handoff.install(renewed, memo)
    with pytest.raises(HandOffError, match="the peer did not connect within 1 s"):
        handoff.verify(renewed, memo)
    site.router.ask("rekey", ike="site", reauth="yes")
    assert "CHILD_SA 'net' is up" in handoff.verify(renewed, memo)
    handoff.commit(renewed, memo)
    assert site.router.said('received end entity cert "CN=gw 2"')
    assert len(site.gateway.ask("get_keys")["keys"]) == 1
