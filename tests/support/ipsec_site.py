"""Two routers with a cable, an IPsec connection between them, and certificates from our server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from sceplab_agent.config_table import ConfigTable
from sceplab_agent.errors import ConfigProblem
from sceplab_agent.handoff.api import Delivery
from sceplab_agent.handoff.ike_connection import IkeConnection
from sceplab_agent.handoff.registry import open_handoff
from sceplab_agent.handoff.strongswan import StrongSwanHandOff
from sceplab_hsm.api import KeyHandle
from sceplab_ndes.state import ServerState
from tests.support.charon import Charon, Ping, running_charon
from tests.support.netns import Namespace, open_namespace
from tests.support.pki import LocalKey
from tests.support.scep_device import ScepDevice, fetch_password, issued
from tests.support.server import make_server

ROUTER, GATEWAY = "router1.example.test", "gateway.example.test"
_ROUTER_NET, _GATEWAY_NET = "10.61.1.1", "10.61.2.1"
_ROUTER_PORT, _GATEWAY_PORT = "192.0.2.1", "192.0.2.2"


def now() -> datetime:
    """The real time: daemons of others have no other."""
    return datetime.now(UTC)


def enroll(
    server: ServerState, common_name: str, key: KeyHandle | LocalKey, host: str = ROUTER
) -> x509.Certificate:
    """A certificate over SCEP for a host; the common name is what logs show of it."""
    device = ScepDevice(server=server, key=key, name=common_name, now=now())
    return issued(device.enroll(fetch_password(server, now()), now(), dns_names=[host]))


def file_key() -> LocalKey:
    """A new key that may leave its place."""
    return LocalKey(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def pem_of(key: LocalKey) -> bytes:
    """The private key as PKCS#8 PEM, not encrypted."""
    return key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _definition(name: str) -> dict[str, Any]:
    """The connection as one of the two ends has it."""
    is_router = name == ROUTER
    here, there = (_ROUTER_NET, _GATEWAY_NET) if is_router else (_GATEWAY_NET, _ROUTER_NET)
    port, peer = (_ROUTER_PORT, _GATEWAY_PORT) if is_router else (_GATEWAY_PORT, _ROUTER_PORT)
    return {
        "version": 2,
        "local_addrs": port,
        "remote_addrs": [peer],
        "proposals": "aes128gcm16-prfsha256-curve25519",
        "local": {"id": name},
        "remote": {"auth": "pubkey", "id": GATEWAY if is_router else ROUTER},
        "children": {
            "net": {
                "local_ts": f"{here}/32",
                "remote_ts": f"{there}/32",
                "esp_proposals": ["aes128gcm16"],
            }
        },
    }


@dataclass
class IpsecSite:
    """The gateway is set up with a certificate of its own; the router waits for its first."""

    folder: Path
    """Short: sockets are made below."""
    server: ServerState = field(default_factory=lambda: make_server(now=now()))
    spaces: tuple[Namespace, Namespace] = field(init=False)
    router: Charon = field(init=False)
    gateway: Charon = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack)
    _daemons: ExitStack = field(default_factory=ExitStack)
    _router: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> IpsecSite:
        """Makes namespaces and cable; daemons are started by `start`."""
        with ExitStack() as stack:
            self.spaces = (
                stack.enter_context(open_namespace()),
                stack.enter_context(open_namespace()),
            )
            one, other = self.spaces
            one.join(other, f"port0 {_ROUTER_PORT}/24", f"port0 {_GATEWAY_PORT}/24")
            one.add_loopback(f"{_ROUTER_NET}/32")
            other.add_loopback(f"{_GATEWAY_NET}/32")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the daemons, then the namespaces."""
        self.stop()
        self._stack.close()

    def stop(self) -> None:
        """Ends the daemons."""
        self._router.close()
        self._daemons.close()

    def start(self, *, module: str = "", **environment: str) -> None:
        """Starts both daemons and gives the gateway its certificate.

        Args:
            module: PKCS#11 module of the router's daemon.
            environment: of the router's daemon, besides.
        """
        other = self.spaces[1]
        self.gateway = self._daemons.enter_context(running_charon(other, self.folder / "g"))
        self._start_router(module, environment)
        key = file_key()
        certificate = enroll(self.server, GATEWAY, key, GATEWAY)
        handoff = self.handoff(self.gateway, GATEWAY, initiate=False)
        delivery = self.delivery(certificate, key)
        memo = handoff.prepare(delivery)
        handoff.install(delivery, memo)

    def restart_router(self, *, module: str = "", **environment: str) -> None:
        """Ends the router's daemon and starts it anew at the same socket: it knows nothing."""
        self._router.close()
        self._start_router(module, environment)

    def _start_router(self, module: str, environment: Mapping[str, str]) -> None:
        daemon = running_charon(self.spaces[0], self.folder / "r", module=module, **environment)
        self.router = self._router.enter_context(daemon)

    def handoff(
        self, daemon: Charon | None = None, name: str = ROUTER, **settings: object
    ) -> StrongSwanHandOff:
        """A hand-off, made from a table as a configuration file has it."""
        daemon = daemon or self.router
        table = {
            "socket": str(daemon.socket),
            "connection": "site",
            "timeout_s": 10,
            **settings,
            "definition": _definition(name),
        }
        problems: list[ConfigProblem] = []
        handoff = open_handoff("strongswan", ConfigTable(table, "", problems), self.folder)
        assert not problems, problems
        assert isinstance(handoff, StrongSwanHandOff)
        return handoff

    def accept_any(self) -> None:
        """From now on the gateway takes every certificate of its CA for the router again."""
        self._accept({})

    def accept_only(self, certificate: x509.Certificate) -> None:
        """From now on the gateway takes this very certificate of the router and no other."""
        self._accept({"certs": [certificate.public_bytes(Encoding.DER)]})

    def _accept(self, condition: Mapping[str, object]) -> None:
        certificates = self.gateway.ask("list_certs", type="X509", flag="ANY")
        (own,) = [bytes(one["data"]) for one in certificates if one.get("has_privkey") == b"yes"]
        section: Any = IkeConnection("site", _definition(GATEWAY)).with_certificate(own)
        section["site"]["remote"] |= condition
        self.gateway.ask("load_conn", **section)

    def delivery(
        self,
        certificate: x509.Certificate,
        key: LocalKey | None = None,
        *,
        generation: int = 1,
        chain: tuple[x509.Certificate, ...] = (),
        **where: Any,
    ) -> Delivery:
        """A certificate on its way to a daemon; ``where`` says where another key is."""
        hierarchy = self.server.hierarchy
        chain = chain or (hierarchy.issuing.certificate, hierarchy.root.certificate)
        pem: Callable[[], bytes] | None = None if key is None else lambda: pem_of(key)
        return Delivery(
            trustpoint="vpn",
            generation=generation,
            certificate_der=certificate.public_bytes(Encoding.DER),
            chain_der=tuple(dict.fromkeys(one.public_bytes(Encoding.DER) for one in chain)),
            **{"key_uri": "soft:keys#vpn", "key_pem": pem, **where},
        )

    def hand_over(self, delivery: Delivery, handoff: StrongSwanHandOff | None = None) -> str:
        """All steps to the good end; what was proved."""
        handoff = handoff or self.handoff()
        memo = handoff.prepare(delivery)
        handoff.install(delivery, memo)
        proved = handoff.verify(delivery, memo)
        handoff.commit(delivery, memo)
        return proved

    def ping(self, *, interval_s: float = 0.01) -> Ping:
        """A ping through the tunnel, under way."""
        return Ping(self.spaces[0], _ROUTER_NET, _GATEWAY_NET, interval_s=interval_s)
