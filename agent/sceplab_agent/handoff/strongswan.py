"""Hand-off ``strongswan``: a certificate and its key for an IKEv2 connection of charon.

::

    [[trustpoint.NAME.handoff]]
    kind = "strongswan"
    socket = "/run/charon.vici"
    connection = "gateway"
    module = "p11"                  # for keys in tokens: the daemon's name of the module

    [trustpoint.NAME.handoff.definition]
    remote_addrs = ["192.0.2.1"]
    local.id = "router1.example.test"
    remote.id = "gateway.example.test"
    children.net = { remote_ts = ["10.1.0.0/16"] }

The new key is loaded beside the old one and the connection with the new certificate. A second
IKE_SA is made with it, and the one before is deleted when that has its CHILD_SA: the tunnel is up
all the time, whatever ``make_before_break`` says. The old key is forgotten last. A side that does
not initiate waits for its peer to connect anew. CA certificates stay loaded.

The daemon keeps all this in memory. After its restart, and after ``swanctl --load-all``, which
takes out what swanctl's files do not name, ``sceplab-agent handoff again`` hands it over once more
(``docs/strongswan-sceplab-agent.conf``); until then ``handoff verify`` says that it is missing.

Spec: keystores-and-handoff 6.2 to 6.4; feature row K1.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from sceplab_agent.config_paths import resolve_path
from sceplab_agent.config_table import ConfigTable
from sceplab_agent.errors import HandOffError
from sceplab_agent.handoff.api import Delivery, Memo, ProofKind, Proved
from sceplab_agent.handoff.ike_connection import DefinitionError, IkeConnection
from sceplab_agent.handoff.ike_daemon import IkeDaemon, IkeDaemonError, IkeSa
from sceplab_agent.handoff.ike_key import IkeToken, key_identifier, load_key, require_way
from sceplab_agent.handoff.ike_proof import make_anew, retire, wait_for_peer
from sceplab_agent.handoff.purposes import Purpose
from sceplab_agent.handoff.usage_checks import read_purpose, require_purpose
from sceplab_hsm.errors import KeyStoreError

OLD_CERTIFICATE, OLD_SPIS, WAS_LOADED, HAD_KEY = (
    "old_certificate",
    "old_spis",
    "was_loaded",
    "had_key",
)
"""The memo: the certificate in use before (DER in base64, empty: none), the IKE_SAs that were up,
and whether the connection and the new key were loaded already."""

_PLACEHOLDER: dict[str, object] = {"local": {}, "children": {"net": {}}}
_DEFAULT_SOCKET = Path("/run/charon.vici")


@dataclass(frozen=True, slots=True, kw_only=True)
class StrongSwanSettings:
    """Which daemon and which connection."""

    connection: IkeConnection
    socket: Path = _DEFAULT_SOCKET
    token: IkeToken = field(default_factory=IkeToken)
    child: str = ""
    """CHILD_SA that has to come up; empty: the first of the definition."""
    initiates: bool = True
    """Whether this side brings the connection up when it is down."""
    timeout_s: float = 30.0
    """How long the peer has for a reauthentication or a connection."""
    purpose: Purpose | None = None
    """What the certificate is held against besides; ``None``: nothing."""

    @property
    def wanted_child(self) -> str:
        """The CHILD_SA that has to come up."""
        return self.child or self.connection.children[0]


class StrongSwanHandOff:
    """Hands over to charon. See the module for the order.

    Args:
        name: of the hand-off.
        settings: which daemon and which connection.
        clock: now, aware UTC.
        monotonic: seconds that never jump.
    """

    def __init__(
        self,
        name: str,
        settings: StrongSwanSettings,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic

    @property
    def name(self) -> str:
        """See `HandOff.name`."""
        return self._name

    @property
    def logs_in(self) -> bool:
        """See `LogsIn.logs_in`. The daemon opens the token for every signature."""
        return True

    def probe(self) -> str:
        """See `Reachable.probe`."""
        connection = self._settings.connection.name
        with self._failures(), self._daemon() as daemon:
            up = daemon.security_associations(connection)
            return f"{daemon.version()}; IKE_SAs of connection '{connection}' up: {len(up)}"

    def prepare(self, delivery: Delivery) -> Memo:
        """See `HandOff.prepare`. Changes nothing in the daemon; notes what it uses."""
        self._require_fit(delivery)
        with self._failures(), self._daemon() as daemon:
            require_way(delivery)
            return self._memo(daemon, delivery)

    def install(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.install`. SAs that are up stay so; new ones are made with the new key."""
        with self._failures(), self._daemon() as daemon:
            self._load(daemon, delivery)

    def verify(self, delivery: Delivery, memo: Memo) -> str:
        """See `HandOff.verify`. Connects to the peer anew and waits for the CHILD_SA.

        Where the tunnel has come from just this certificate already, it is taken as it is.
        """
        settings = self._settings
        name, child = settings.connection.name, settings.wanted_child
        before = memo.get(OLD_SPIS, "").split()
        with self._failures(), self._daemon() as daemon:
            if all(one.der != delivery.certificate_der for one in daemon.own_certificates()):
                raise IkeDaemonError(
                    "the daemon has not the new certificate with its key, as after a restart"
                )
            if settings.initiates:
                sa = make_anew(daemon, connection=name, child=child, timeout_s=settings.timeout_s)
            else:
                sa = wait_for_peer(
                    daemon,
                    connection=name,
                    child=child,
                    before=before,
                    timeout_s=settings.timeout_s,
                    monotonic=self._monotonic,
                )
        return self._accepted(sa, delivery)

    def prove(self, delivery: Delivery) -> Proved:
        """See `Provable.prove`. A tunnel that was down is up afterwards; else all is as before.

        A side that initiates connects with what is loaded. The daemon does not tell which one of
        several certificates of the same subject a connection has; then it is told once more.
        """
        settings, connection = self._settings, self._settings.connection
        name, child = connection.name, settings.wanted_child
        with self._failures(), self._daemon() as daemon:
            others = self._candidates(daemon) - {delivery.certificate_der}
            if self._is_missed(daemon, delivery.certificate_der):
                raise IkeDaemonError(
                    f"the daemon has not certificate {_serial(delivery)} with its key for "
                    f"connection '{name}'; run: sceplab-agent handoff again"
                )
            up = [sa for sa in daemon.security_associations(name) if sa.has(child)]
            if settings.initiates:
                if others:
                    daemon.load_connection(connection.with_certificate(delivery.certificate_der))
                sa = make_anew(daemon, connection=name, child=child, timeout_s=settings.timeout_s)
                if up and sa.spis not in {one.spis for one in up}:
                    retire(daemon, name, child, [sa.spis])
                return Proved(kind=ProofKind.CONSUMER, text=self._accepted(sa, delivery))
        if not up:
            reason = f"CHILD_SA '{child}' is down, and this side waits for its peer"
            raise HandOffError(self._name, reason)
        text = (
            f"certificate {_serial(delivery)} and its key are loaded; CHILD_SA '{child}' is up in "
            f"IKE_SA {up[0].unique_id}"
        )
        return Proved(kind=ProofKind.LOADED, text=text)

    def commit(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.commit`. The daemon lets go of the IKE_SAs and of the key before."""
        settings = self._settings
        old = base64.b64decode(memo.get(OLD_CERTIFICATE, ""))
        before = memo.get(OLD_SPIS, "").split()
        with self._failures(), self._daemon() as daemon:
            retire(daemon, settings.connection.name, settings.wanted_child, before)
            if old and key_identifier(old) != key_identifier(delivery.certificate_der):
                daemon.unload_key(key_identifier(old))

    def roll_back(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.roll_back`. A tunnel that is still the old one is not touched.

        A daemon that was restarted meanwhile is given the certificate before once more.
        """
        connection = self._settings.connection
        old = base64.b64decode(memo.get(OLD_CERTIFICATE, ""))
        new_key = key_identifier(delivery.certificate_der)
        with self._failures(), self._daemon() as daemon:
            if old:
                self._bring_back(daemon, old, delivery, memo)
            elif memo.get(WAS_LOADED):
                raise IkeDaemonError(
                    f"what connection '{connection.name}' used before is not known; "
                    "run: swanctl --load-all"
                )
            elif daemon.local_subjects(connection.name) is not None:
                daemon.unload_connection(connection.name)
            if not memo.get(HAD_KEY) and not (old and key_identifier(old) == new_key):
                daemon.unload_key(new_key)

    def _require_fit(self, delivery: Delivery) -> None:
        """Holds the certificate against purpose and connection."""
        settings = self._settings
        require_purpose(self._name, delivery, settings.purpose, self._clock())
        certificate = x509.load_der_x509_certificate(delivery.certificate_der)
        misfit = settings.connection.misfit(certificate)
        if misfit:
            raise HandOffError(
                self._name, f"the certificate does not fit: {misfit}", may_pass=False
            )

    def _accepted(self, sa: IkeSa, delivery: Delivery) -> str:
        return (
            f"CHILD_SA '{self._settings.wanted_child}' is up in IKE_SA {sa.unique_id}; the peer "
            f"accepted certificate {_serial(delivery)}"
        )

    def _is_missed(self, daemon: IkeDaemon, certificate_der: bytes) -> bool:
        return certificate_der not in self._candidates(daemon)

    def _candidates(self, daemon: IkeDaemon) -> set[bytes]:
        """Certificates with a key that the connection may sign with: those of its subject."""
        subjects = daemon.local_subjects(self._settings.connection.name)
        return {one.der for subject in subjects or () for one in daemon.own_certificates(subject)}

    def _memo(self, daemon: IkeDaemon, delivery: Delivery) -> Memo:
        name = self._settings.connection.name
        subjects = daemon.local_subjects(name)
        candidates = self._candidates(daemon)
        if len(candidates) > 1:
            candidates.discard(delivery.certificate_der)  # installed before, and rolled back
        old = max(candidates, key=_begins, default=b"")
        has_key = key_identifier(delivery.certificate_der) in daemon.loaded_keys()
        return {
            OLD_CERTIFICATE: base64.b64encode(old).decode("ascii"),
            OLD_SPIS: " ".join(sa.spis for sa in daemon.security_associations(name)),
            WAS_LOADED: "" if subjects is None else "yes",
            HAD_KEY: "yes" if has_key else "",
        }

    def _load(self, daemon: IkeDaemon, delivery: Delivery) -> None:
        """Has the daemon know CA certificates, key and connection."""
        for der in delivery.chain_der:
            daemon.load_authority(der, is_anchor=der == delivery.chain_der[-1])
        load_key(daemon, delivery, self._settings.token)
        connection = self._settings.connection
        daemon.load_connection(connection.with_certificate(delivery.certificate_der))

    def _bring_back(self, daemon: IkeDaemon, old: bytes, delivery: Delivery, memo: Memo) -> None:
        settings, connection = self._settings, self._settings.connection
        if key_identifier(old) in daemon.loaded_keys():
            daemon.load_connection(connection.with_certificate(old))
        else:
            previous = delivery.previous() if delivery.previous is not None else None
            if previous is None or previous.certificate_der != old:
                raise IkeDaemonError(
                    "the daemon has lost the key of the certificate before, as after a restart, "
                    "and that is none of ours; run: swanctl --load-all"
                )
            self._load(daemon, previous)
        name, child = connection.name, settings.wanted_child
        before = memo.get(OLD_SPIS, "").split()
        up = daemon.security_associations(name)
        strange = [sa.spis for sa in up if sa.spis not in before]
        if before and not retire(daemon, name, child, strange) and settings.initiates:
            make_anew(daemon, connection=name, child=child, timeout_s=settings.timeout_s)
            retire(daemon, name, child, strange)

    def _daemon(self) -> IkeDaemon:
        return IkeDaemon(self._settings.socket)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except IkeDaemonError as error:
            raise HandOffError(self._name, str(error), may_pass=error.may_pass) from error
        except KeyStoreError as error:
            raise HandOffError(self._name, str(error)) from error


def open_handoff(name: str, table: ConfigTable, base_dir: Path) -> StrongSwanHandOff:
    """Reads the table of a hand-off ``strongswan``; see `HandOffFactory`."""
    ike_name = table.converted("connection", str, "gateway", example="gateway")
    connection = IkeConnection(ike_name, _PLACEHOLDER)
    try:
        connection = IkeConnection(ike_name, table.mapping("definition"))
    except DefinitionError as error:
        table.problem("definition", str(error))
    child = table.text("child")
    if child and child not in connection.children:
        table.problem("child", f"is one of {', '.join(connection.children)}")
    slot = table.whole("slot", 0, minimum=0, maximum=2**32 - 1)
    settings = StrongSwanSettings(
        connection=connection,
        socket=table.converted(
            "socket", lambda text: Path(resolve_path(text, base_dir)), _DEFAULT_SOCKET
        ),
        token=IkeToken(module=table.text("module"), slot=slot if "slot" in table else None),
        child=child,
        initiates=table.flag("initiate", default=True),
        timeout_s=table.number("timeout_s", 30.0, minimum=1, maximum=600),
        purpose=read_purpose(table),
    )
    return StrongSwanHandOff(name, settings, clock=lambda: datetime.now(UTC))


def _begins(der: bytes) -> datetime:
    return x509.load_der_x509_certificate(der).not_valid_before_utc


def _serial(delivery: Delivery) -> str:
    certificate = x509.load_der_x509_certificate(delivery.certificate_der)
    return f"{certificate.serial_number:X}"
