"""charon is gone in the middle of a hand-off: the certificate before is in service again."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from cryptography import x509

from sceplab_agent.errors import HandOffError
from sceplab_agent.exit_codes import ExitCode
from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import Running, configure
from tests.support.ipsec_site import IpsecSite, enroll, file_key, now
from tests.support.programs import require_program
from tests.support.server import make_server, serve_in_thread
from tests.support.soft_stores import soft_store
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


@pytest.mark.covers("K1", "M9")
def test_roll_back_brings_back_what_a_restarted_daemon_forgot(site: IpsecSite) -> None:
    """The daemon is killed behind the installation and knows nothing of either certificate."""
    site.start()
    key, new_key = file_key(), file_key()
    first = site.delivery(enroll(site.server, "CN 1", key), key)
    site.hand_over(first)
    stranger = make_server(now=now(), key_store=soft_store(site.folder / "stranger"))
    chain = (stranger.hierarchy.issuing.certificate, stranger.hierarchy.root.certificate)
    refused = replace(
        site.delivery(enroll(stranger, "CN 2", new_key), new_key, generation=2, chain=chain),
        previous=lambda: first,
    )
    handoff = site.handoff()
    memo = handoff.prepare(refused)
    handoff.install(refused, memo)
    site.router.kill()
    with pytest.raises(HandOffError, match="no IKE daemon answers") as caught:
        handoff.roll_back(refused, memo)
    assert caught.value.may_pass
    site.restart_router()
    with pytest.raises(HandOffError, match="has not the new certificate"):
        handoff.verify(refused, memo)
    for _ in range(2):
        handoff.roll_back(refused, memo)
        assert site.router.children() == ["net"]
    assert len(site.router.ask("get_keys")["keys"]) == 1
    assert f"{_serial(first.certificate_der)}" in handoff.prove(first).text


def _serial(der: bytes) -> str:
    return f"{x509.load_der_x509_certificate(der).serial_number:X}"


_HAND_OFFS = """
key = {{ exportable = true }}
retry = {{ first_s = 1, ceiling_s = 1 }}

[[trustpoint.lab.handoff]]
kind = "strongswan"
socket = "{socket}"
connection = "site"
timeout_s = 5

[trustpoint.lab.handoff.definition]
remote_addrs = "192.0.2.2"
proposals = "aes128gcm16-prfsha256-curve25519"
local.id = "router1.example.test"
remote = {{ auth = "pubkey", id = "gateway.example.test" }}
children.net = {{ local_ts = "10.61.1.1/32", remote_ts = "10.61.2.1/32" }}

[[trustpoint.lab.handoff]]
kind = "hook"
directory = "certificates"
command = ["/bin/sh", "{folder}/pause"]
steps = ["install"]
"""


def _agent(site: IpsecSite, url: str) -> AgentFolder:
    """An enrolled agent whose second consumer waits, once told to, between install and verify."""
    folder = site.folder / "a"
    folder.mkdir()
    pause = (
        f"cd {folder}; [ -e wait ] || exit 0; touch waiting; until [ -e go ]; do sleep 0.1; done"
    )
    (folder / "pause").write_text(pause)
    extra = _HAND_OFFS.format(socket=site.router.socket, folder=folder)
    agent = configure(folder, site.server, url, extra=extra)
    enrolled = agent.run("enroll")
    assert enrolled.status == ExitCode.OK, enrolled.err
    (folder / "wait").touch()
    return agent


@pytest.mark.covers("K1", "M9")
@pytest.mark.parametrize("is_back", [True, False], ids=["restarted", "gone"])
def test_the_agent_ends_with_the_old_certificate(site: IpsecSite, is_back: bool) -> None:
    """Killed between install and verify, and the peer takes the old certificate only.

    The agent brings the tunnel back by itself where the daemon is there, and with ``handoff
    again`` where it comes later; then the peer changes its mind and the renewal is done.
    """
    with serve_in_thread(site.server, now) as http:
        site.start()
        agent = _agent(site, http.scep_url)
        old = x509.load_pem_x509_certificate(agent.certificate.read_bytes())
        site.accept_only(old)
        running = Running(agent, "renew")
        wait_until((agent.folder / "waiting").exists, "the installation")
        site.router.kill()
        if is_back:
            site.restart_router()
        (agent.folder / "go").touch()
        running.wait_for("handoff.retry")
        running.end(signal.SIGTERM)
        if not is_back:
            site.restart_router()
            again = agent.run("handoff again")
            assert again.status == ExitCode.OK, again.out
            assert f"accepted certificate {old.serial_number:X}" in again.out
        assert site.router.children() == ["net"]
        status = agent.run("status", "--json").document()["trustpoints"][0]
        assert status["state"] == "RETRY_WAIT"
        assert x509.load_pem_x509_certificate(agent.certificate.read_bytes()) == old
        assert agent.run("handoff verify").status == ExitCode.OK
        site.accept_any()
        renewed = agent.run("renew")
        assert renewed.status == ExitCode.OK, renewed.err
        assert agent.run("handoff verify").status == ExitCode.OK
        assert x509.load_pem_x509_certificate(agent.certificate.read_bytes()) != old
        assert len(site.router.ask("get_keys")["keys"]) == 1


def test_reload_of_the_unit_forgets_and_is_mended(site: IpsecSite) -> None:
    """``swanctl --load-all`` drops what its files do not name: the drop-in hands over again."""
    site.start()
    key = file_key()
    delivery = site.delivery(enroll(site.server, "CN 1", key), key)
    site.hand_over(delivery)
    swanctl = require_program("swanctl", package="strongswan-swanctl")
    (site.folder / "c").mkdir()
    (site.folder / "c" / "swanctl.conf").touch()
    site.spaces[0].run(
        swanctl, "--load-all", "--noprompt", "--uri", f"unix://{site.router.socket}",
        env={**os.environ, "SWANCTL_DIR": str(site.folder / "c")},
    )  # fmt: skip
    assert not site.router.ask("get_keys")["keys"]
    handoff = site.handoff()
    with pytest.raises(HandOffError, match="run: sceplab-agent handoff again"):
        handoff.prove(delivery)
    site.hand_over(delivery)
    handoff.prove(delivery)
    assert site.router.children() == ["net"]
