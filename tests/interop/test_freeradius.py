"""FreeRADIUS is given its certificate by a hook, shows it to a device, and keeps the old one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509

from sceplab_agent.exit_codes import ExitCode
from tests.support.agent_cli import ROOT, AgentFolder
from tests.support.agent_process import configure, now
from tests.support.eap_site import Campus, write_credentials
from tests.support.netns import Namespace, open_namespace
from tests.support.programs import require_program
from tests.support.server import serve_in_thread
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.interop, pytest.mark.daemon]

_RADIUSD = """
prefix = /usr
libdir = /usr/lib/freeradius
localstatedir = {folder}
logdir = {folder}
run_dir = {folder}
pidfile = {folder}/pid
log {{
  destination = files
  file = {folder}/log
}}
security {{
  reject_delay = 0
  allow_vulnerable_openssl = yes
}}
client here {{
  ipaddr = 127.0.0.1
  secret = word
  require_message_authenticator = yes
}}
modules {{
  eap {{
    default_eap_type = tls
    tls-config common {{
      private_key_file = {files}/key.pem
      certificate_file = {files}/fullchain.pem
      ca_file = {folder}/devices.pem
      tls_min_version = "1.2"
      tls_max_version = "1.2"
    }}
    tls {{
      tls = common
    }}
  }}
}}
server default {{
  listen {{
    type = auth
    ipaddr = 127.0.0.1
    port = 1812
  }}
  authorize {{
    eap
  }}
  authenticate {{
    eap
  }}
}}
"""
_RESTART = """\
if [ -e {folder}/pid ]; then
    kill "$(cat {folder}/pid)"
    while [ -e {folder}/pid ]; do sleep 0.05; done
fi
exec {program} -d {folder}
"""
_HANDOFF = """\
key = {{ exportable = true }}

[[trustpoint.lab.handoff]]
kind = "hook"
directory = "radius"
purpose = "tls-server"
steps = ["install", "verify", "rollback"]
command = [{command}]
"""
_PROBE = """network={{
key_mgmt=IEEE8021X
eap=TLS
identity="probe"
ca_cert="{files}/trusted.pem"
client_cert="{files}/certificate.pem"
private_key="{files}/key.pem"
}}
"""


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """A namespace where the port of RADIUS is free."""
    with open_namespace() as namespace:
        namespace.add_loopback("127.0.0.2/32")
        yield namespace


@pytest.fixture
def radius(tmp_path: Path) -> Iterator[Path]:
    """The folder of a server that its restart starts; ended with the test."""
    folder = tmp_path / "server"
    folder.mkdir()
    yield folder
    with suppress(FileNotFoundError):
        os.kill(int((folder / "pid").read_text()), signal.SIGTERM)
        wait_until(lambda: not (folder / "pid").exists(), "the end of the server")


def _set_up(radius: Path, campus: Campus, namespace: Namespace, agent_folder: Path) -> str:
    """Writes the server's files and the probe's; gives the agent's table of the hand-off."""
    program = require_program("freeradius", package="freeradius")
    require_program("eapol_test", package="eapoltest")
    probe = write_credentials(campus.credentials("probe.example.test"), radius / "probe")
    (radius / "devices.pem").write_bytes(campus.trusted_pem)
    files = agent_folder / "radius" / "current"
    (radius / "radiusd.conf").write_text(_RADIUSD.format(folder=radius, files=files))
    (radius / "restart").write_text(_RESTART.format(folder=radius, program=program))
    (radius / "probe.conf").write_text(_PROBE.format(files=probe))
    (radius / "secret").write_text("word\n")
    words = namespace.command(
        "/bin/sh", ROOT / "docs" / "radius-handoff.sh", radius / "probe.conf", radius / "secret",
        "/bin/sh", radius / "restart",
    )  # fmt: skip
    return _HANDOFF.format(command=", ".join(f'"{word}"' for word in words))


def _serial(agent: AgentFolder) -> int:
    return x509.load_pem_x509_certificate(agent.certificate.read_bytes()).serial_number


def _shown(radius: Path, namespace: Namespace) -> list[int]:
    """Serial numbers of the certificates that the server shows to the probe."""
    shown = radius / "shown.pem"
    probe = ("eapol_test", "-c", radius / "probe.conf", "-s", "word", "-o", shown)
    namespace.run(*probe)
    return [one.serial_number for one in x509.load_pem_x509_certificates(shown.read_bytes())]


def test_the_server_shows_what_it_was_handed(
    tmp_path: Path, radius: Path, namespace: Namespace
) -> None:
    """Enrolled and renewed, restarted, logged in; a probe that is let down brings the old back."""
    campus = Campus()
    stranger = Campus(tmp_path / "stranger")
    with serve_in_thread(campus.server, now) as http:
        extra = _set_up(radius, campus, namespace, tmp_path)
        agent = configure(tmp_path, campus.server, http.scep_url, extra=extra)
        for command in ("enroll", "renew"):
            done = agent.run(command)
            assert done.status == ExitCode.OK, done.err
            assert _serial(agent) in _shown(radius, namespace)
        kept = _serial(agent)
        trusted = radius / "probe" / "trusted.pem"
        trusted.write_bytes(stranger.trusted_pem)
        refused = agent.run("renew", "--no-wait")
        assert refused.status != ExitCode.OK
        assert "does not let the probe in" in refused.err
        trusted.write_bytes(campus.trusted_pem)
        assert _serial(agent) == kept
        assert kept in _shown(radius, namespace)
        done = agent.run("renew")
        assert done.status == ExitCode.OK, done.err
        assert kept not in _shown(radius, namespace)
