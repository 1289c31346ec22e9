"""Hand-off ``wpa_supplicant``: a network of a running wpa_supplicant uses the certificate.

The certificate is written by `files`, the running daemon is told where, and it has to authenticate
with EAP-TLS before the old certificate goes. A port that is open stays open meanwhile: the daemon
is asked to authenticate anew, not to leave.

For the daemon's next start its configuration file names ``DIRECTORY/current/fullchain.pem`` and
``DIRECTORY/current/key.pem``, or ``save = true`` has the daemon write that itself
(``update_config=1``). A key in a PKCS#11 token stays there: the network gets ``engine``,
``key_id`` and the PIN.

Spec: keystores-and-handoff 7; feature rows K2, K3.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from sceplab_agent.config_table import ConfigTable
from sceplab_agent.errors import HandOffError
from sceplab_agent.handoff.api import Delivery, Memo, ProofKind, Proved
from sceplab_agent.handoff.bundle import Part
from sceplab_agent.handoff.files import NEW, FilesHandOff, FilesSettings
from sceplab_agent.handoff.generations import LINK
from sceplab_agent.handoff.purposes import Purpose
from sceplab_agent.handoff.wpa_authentication import authenticate, describe, is_open
from sceplab_agent.handoff.wpa_control import ControlError, WpaControl, quote, unquote
from sceplab_hsm.errors import KeyStoreError

_FIELDS = ("client_cert", "private_key", "identity", "engine", "engine_id", "key_id")
"""Values of the network that are changed, and put back."""
_PIN = "pin"
"""Changed, too, and never told by the daemon."""
_WAS = "was."
_PORT = "port"
_OPEN = "open"
_SET = "set"
_UNSET = "NULL"
_PKCS11 = "pkcs11:"
_PATIENCE = 3
"""So much longer a return may take: a switch ignores, for a while, a port it has just refused."""
_PIN_IN_URI = re.compile(r"pin-value|[?;&]pin=", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class WpaSettings:
    """Which network, and how."""

    control: Path
    """Control socket of the interface."""
    directory: Path
    """Where the certificates are kept; of the agent alone, and readable to the daemon."""
    network: int = 0
    """Number of the network, as ``LIST_NETWORKS`` counts."""
    identity: str = ""
    """Said in the clear; empty: what the network has, else a name of the certificate."""
    timeout_s: float = 30.0
    """For one authentication. Three times this is longer than the switch's quiet period."""
    save: bool = False
    """Whether the daemon is told to rewrite its configuration file."""


class WpaSupplicantHandOff:
    """Hands over to one network of one interface.

    Args:
        name: of the hand-off.
        settings: which network, and how.
        clock: now, aware UTC.
        monotonic: clock, seconds.
    """

    def __init__(
        self,
        name: str,
        settings: WpaSettings,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._name = name
        self._settings = settings
        self._monotonic = monotonic
        directory = settings.directory
        files = FilesSettings(directory=directory, purpose=Purpose.EAP_TLS)
        self._files = FilesHandOff(name, files, clock=clock)

    @property
    def name(self) -> str:
        """See `HandOff.name`."""
        return self._name

    @property
    def logs_in(self) -> bool:
        """See `LogsIn.logs_in`. The daemon opens the token for every signature."""
        return True

    def probe(self) -> str:
        """See `Reachable.probe`. Asks the daemon for its network and its port."""
        with self._connected() as control:
            self._check_network(control)
            return f"{self._settings.control}: {describe(control.status())}"

    def prepare(self, delivery: Delivery) -> Memo:
        """See `HandOff.prepare`. Notes what the network has now; the running daemon stays so."""
        is_token = delivery.key_uri.startswith(_PKCS11)
        if not is_token and delivery.key_pem is None:
            raise self._refusal(
                f"wpa_supplicant cannot use the key {delivery.key_uri.partition(':')[0]}; keep it "
                "in a PKCS#11 token or in a software store"
            )
        with self._connected() as control:
            self._check_network(control)
            was = {field: self._get(control, field) for field in _FIELDS}
            was_open = is_open(control.status())
            has_pin = self._get(control, _PIN) not in {"", '""'}
            self._check_return(was, _key_id(delivery) if is_token and has_pin else "")
        memo = dict(self._files.prepare(delivery))
        memo.update({_WAS + field: value for field, value in was.items()})
        memo[_PIN] = _SET if has_pin else ""
        memo[_PORT] = _OPEN if was_open else ""
        return memo

    def install(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.install`. The next authentication is with the new certificate."""
        self._files.install(delivery, memo)
        with self._connected() as control:
            self._set_all(control, delivery, self._wanted(delivery, memo, memo[NEW]))

    def verify(self, delivery: Delivery, memo: Memo) -> str:
        """See `HandOff.verify`. The daemon authenticates, now, and its port is open."""
        self._files.verify(delivery, memo)
        return self._prove(delivery, self._wanted(delivery, memo, memo[NEW]))

    def prove(self, delivery: Delivery) -> Proved:
        """See `Provable.prove`. Authenticates with what was committed last; the port stays open."""
        self._files.check_installed(delivery)
        wanted = self._wanted(delivery, {}, LINK)
        if not self._settings.identity:
            del wanted["identity"]  # the network's own counts
        return Proved(kind=ProofKind.CONSUMER, text=self._prove(delivery, wanted))

    def commit(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.commit`. What is running and what is saved name the link from now on."""
        with self._connected() as control:
            self._set(control, self._wanted(delivery, memo, LINK))
            if self._settings.save:
                control.request("SAVE_CONFIG")
        self._files.commit(delivery, memo)

    def roll_back(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.roll_back`. Waits until a port that was open is open again."""
        self._files.switch_back(memo)
        was = {field: memo[_WAS + field] for field in _FIELDS if _WAS + field in memo}
        with self._connected() as control:
            if any(self._get(control, field) != value for field, value in was.items()):
                self._set(control, {field: value or _UNSET for field, value in was.items()})
                if not memo.get(_PIN):
                    self._set(control, {_PIN: _UNSET})
                if memo.get(_PORT):
                    self._authenticate(control, _PATIENCE * self._settings.timeout_s)
        self._files.roll_back(delivery, memo)

    def _prove(self, delivery: Delivery, wanted: Mapping[str, str]) -> str:
        """Authenticates, if the network has these values."""
        with self._connected() as control:
            for field, value in wanted.items():
                if self._get(control, field) != value:
                    raise ControlError(f"the network has another {field} than was installed")
            self._authenticate(control, self._settings.timeout_s)
            status = control.status()
            if not is_open(status):
                raise ControlError(f"EAP-TLS succeeded and the port is closed: {describe(status)}")
        serial = x509.load_der_x509_certificate(delivery.certificate_der).serial_number
        return f"EAP-TLS with certificate {serial:X}: {describe(status)}"

    def _wanted(self, delivery: Delivery, memo: Memo, place: str) -> dict[str, str]:
        """Values of the network, with the files of a generation or of the link."""
        directory = self._settings.directory / place
        values = {"client_cert": quote(str(self._place(place)))}
        if delivery.key_uri.startswith(_PKCS11):
            values |= {"engine": "1", "engine_id": quote("pkcs11")}
            values["key_id"] = quote(_key_id(delivery))
        else:
            values |= {"engine": "0", "private_key": quote(str(directory / Part.KEY.file_name))}
        identity = self._settings.identity
        if identity or not memo.get(_WAS + "identity"):
            values["identity"] = quote(identity or _identity_of(delivery))
        return values

    def _place(self, place: str) -> Path:
        """The certificate's file of a generation or of the link."""
        return self._settings.directory / place / Part.FULLCHAIN.file_name

    def _set_all(self, control: WpaControl, delivery: Delivery, values: Mapping[str, str]) -> None:
        """Sets values, and the PIN where the key is in a token."""
        self._set(control, values)
        if delivery.key_uri.startswith(_PKCS11) and delivery.key_secret is not None:
            self._set(control, {_PIN: quote(delivery.key_secret().reveal())})

    def _authenticate(self, control: WpaControl, patience_s: float) -> None:
        authenticate(control, patience_s=patience_s, monotonic=self._monotonic)

    def _check_network(self, control: WpaControl) -> None:
        number = str(self._settings.network)
        lines = control.request("LIST_NETWORKS").splitlines()[1:]
        known = [line.partition("\t")[0] for line in lines]
        if number not in known:
            raise ControlError(f"there is no network {number}; there are: {', '.join(known)}")
        methods = self._get(control, "eap").split()
        if "TLS" not in methods:
            raise ControlError(f"network {number} has eap={' '.join(methods)}; set eap=TLS")

    def _check_return(self, was: Mapping[str, str], key_id: str) -> None:
        """What could not be put back is not replaced."""
        if _PIN_IN_URI.search(was["private_key"] + was["key_id"]):
            raise self._refusal(
                "the network has a PIN inside private_key or key_id; write pin= instead"
            )
        token = _token_of(unquote(was["key_id"]))
        if key_id and was["engine"] == "1" and token != _token_of(key_id):
            raise self._refusal(
                "the network has the PIN of another token, which could not be put back; use "
                "another network, or remove its pin"
            )

    def _get(self, control: WpaControl, field: str) -> str:
        """A value as the daemon writes it; empty: not set."""
        value = control.ask(f"GET_NETWORK {self._settings.network} {field}")
        return "" if value == "FAIL" else value

    def _set(self, control: WpaControl, values: Mapping[str, str]) -> None:
        for field, value in values.items():
            control.request(f"SET_NETWORK {self._settings.network} {field} {value}")

    def _refusal(self, reason: str) -> HandOffError:
        return HandOffError(self._name, reason, may_pass=False)

    @contextmanager
    def _connected(self) -> Iterator[WpaControl]:
        """A connection; says its failures as the agent expects them."""
        settings = self._settings
        try:
            with WpaControl(
                settings.control, settings.directory, monotonic=self._monotonic
            ) as control:
                yield control
        except (ControlError, KeyStoreError) as error:
            raise HandOffError(self._name, str(error)) from error


def open_handoff(name: str, table: ConfigTable, base_dir: Path) -> WpaSupplicantHandOff:
    """Makes the hand-off of its table; see `registry.HandOffFactory`."""
    control = table.converted("control", Path, Path(), example="/run/wpa_supplicant/eth0")
    directory = table.converted("directory", Path, Path(), example="certificates")
    settings = WpaSettings(
        control=base_dir.absolute() / control,
        directory=base_dir.absolute() / directory,
        network=table.whole("network", 0, minimum=0, maximum=9999),
        identity=table.text("identity"),
        timeout_s=table.number("timeout_s", 30.0, minimum=1, maximum=600),
        save=table.flag("save", False),
    )
    return WpaSupplicantHandOff(name, settings, clock=_now, monotonic=time.monotonic)


def _now() -> datetime:
    return datetime.now(UTC)


def _key_id(delivery: Delivery) -> str:
    """The key as OpenSSL's engine names it: without what is ours behind the question mark."""
    return f"{delivery.key_uri.partition('?')[0]};type=private"


def _token_of(key_id: str) -> frozenset[str]:
    parts = key_id.removeprefix(_PKCS11).split(";")
    return frozenset(part for part in parts if not part.startswith(("object=", "type=", "id=")))


def _identity_of(delivery: Delivery) -> str:
    certificate = x509.load_der_x509_certificate(delivery.certificate_der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        hosts = []
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return (hosts or [str(name.value) for name in common] or [delivery.trustpoint])[0]
