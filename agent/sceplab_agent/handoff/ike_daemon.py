"""strongSwan's daemon over its control socket (vici): what a hand-off asks of it.

Spec: the protocol's description in strongSwan's sources, src/libcharon/plugins/vici/README.md.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sceplab_agent.handoff.ike_connection import Section

_COMMAND_S = 10.0
"""The daemon answers at once, except where it is told to wait for the peer."""
_DUPLICATE = re.compile(r"due to existing duplicate \{(\d+)\}")
_REASON = re.compile(r"received \w+ notify|no private key|no trusted|giving up|unreachable")
"""Lines of the daemon's that say why nothing came of it."""


class IkeDaemonError(Exception):
    """The daemon is away, or refused; the text says what.

    Args:
        text: for a person.
        may_pass: whether it may go well later.
    """

    def __init__(self, text: str, *, may_pass: bool = True) -> None:
        super().__init__(text)
        self.may_pass = may_pass


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeChild:
    """One CHILD_SA that is installed."""

    name: str
    unique_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeSa:
    """One IKE_SA that is established."""

    unique_id: str
    spis: str
    """Both SPIs in hexadecimal: no other IKE_SA has them, also not after a restart."""
    children: tuple[IkeChild, ...]
    """Its CHILD_SAs that are installed."""

    def has(self, child: str) -> bool:
        """Whether a CHILD_SA of that name is installed."""
        return any(one.name == child for one in self.children)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCertificate:
    """A certificate whose private key the daemon has."""

    der: bytes


class IkeDaemon:
    """A session with the daemon. Close it when done.

    Args:
        path: of the socket.

    Raises:
        IkeDaemonError: the package ``vici`` is missing, or nobody listens.
    """

    def __init__(self, path: Path) -> None:
        try:
            import vici
        except ImportError as error:
            raise IkeDaemonError(
                "the Python package vici is missing; run: pip install 'sceplab[ipsec]'",
                may_pass=False,
            ) from error
        self._errors = (
            vici.exception.CommandException,
            vici.exception.SessionException,
            vici.exception.EventUnknownException,
            vici.exception.DeserializationException,
        )
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_COMMAND_S)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise IkeDaemonError(
                f"no IKE daemon answers at {path} ({error.strerror or error}); "
                "start it: systemctl start strongswan"
            ) from error
        self._session: Any = vici.Session(self._socket)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def version(self) -> str:
        """Name and version of the daemon."""
        with self._talking("version"):
            told = self._session.version()
            return f"{_text(told['daemon'])} {_text(told['version'])}"

    def load_authority(self, certificate_der: bytes, *, is_anchor: bool) -> None:
        """Loads a CA certificate; twice is harmless."""
        flag = "CA" if is_anchor else "NONE"
        with self._talking("load-cert"):
            self._session.load_cert({"type": "X509", "flag": flag, "data": certificate_der})

    def load_key(self, pem: bytes) -> str:
        """Loads a private key; gives its identifier in hexadecimal."""
        with self._talking("load-key"):
            return _text(self._session.load_key({"type": "any", "data": pem})["id"])

    def load_token(self, handle: str, *, module: str, slot: int | None, pin: str) -> str:
        """Loads a reference to a key in a token; gives the key's identifier in hexadecimal.

        A wrong PIN is not found out where the daemon is logged in to the token already.

        Args:
            handle: ``CKA_ID`` in hexadecimal.
            module: name of the PKCS#11 module in the daemon's configuration; empty: any.
            slot: of that module; ``None``: any.
            pin: of the token's user; empty: none.
        """
        token = {"handle": handle, "module": module, "pin": pin}
        if slot is not None:
            token["slot"] = str(slot)
        with self._talking("load-token"):
            told = self._session.load_token({key: value for key, value in token.items() if value})
            return _text(told["id"])

    def loaded_keys(self) -> list[str]:
        """Identifiers of the private keys loaded over this kind of socket, in hexadecimal."""
        with self._talking("get-keys"):
            return [_text(key) for key in self._session.get_keys().get("keys", ())]

    def unload_key(self, identifier: str) -> None:
        """Forgets a private key; the key of no such identifier is none."""
        if identifier in self.loaded_keys():
            with self._talking("unload-key"):
                self._session.unload_key({"id": identifier})

    def load_connection(self, section: Section) -> None:
        """Loads a connection, also over one of that name; SAs that are up stay up."""
        with self._talking("load-conn"):
            self._session.load_conn(section)

    def unload_connection(self, name: str) -> None:
        """Forgets a connection."""
        with self._talking("unload-conn"):
            self._session.unload_conn({"name": name})

    def local_subjects(self, name: str) -> list[str] | None:
        """Subjects of the certificates a connection signs with; ``None``: it is not loaded."""
        with self._talking("list-conns"):
            for told in list(self._session.list_conns({"ike": name})):
                if name in told:
                    return [
                        _text(subject)
                        for key, part in told[name].items()
                        if key.startswith("local-")
                        for subject in part.get("certs", ())
                    ]
        return None

    def own_certificates(self, subject: str = "") -> list[OwnCertificate]:
        """End-entity certificates whose private key is loaded.

        Args:
            subject: as the daemon writes it; empty: all.
        """
        wanted = {"type": "X509", "flag": "ANY"}
        if subject:
            wanted["subject"] = subject
        with self._talking("list-certs"):
            return [
                OwnCertificate(der=bytes(told["data"]))
                for told in list(self._session.list_certs(wanted))
                if told.get("has_privkey") == b"yes"
            ]

    def security_associations(self, name: str) -> list[IkeSa]:
        """The IKE_SAs of a connection that are established."""
        found = []
        with self._talking("list-sas"):
            for told in list(self._session.list_sas({"ike": name})):
                for values in (told[key] for key in told if key == name):
                    if values["state"] == b"ESTABLISHED":
                        found.append(_ike_sa(values))
        return found

    def initiate(self, child: str, connection: str, timeout_s: float) -> str:
        """Brings a CHILD_SA up and waits for it.

        An IKE_SA that is up is used only where it came from the very connection that is loaded
        now, certificate included; else another one is made.

        Returns:
            Number of the CHILD_SA in such an IKE_SA that made a new one needless; mostly empty.

        Raises:
            IkeDaemonError: it did not come up; with what the peer said.
        """
        self._socket.settimeout(timeout_s + _COMMAND_S)
        wanted = {"child": child, "ike": connection, "timeout": str(int(timeout_s * 1000))}
        lines: list[str] = []
        try:
            with self._talking("initiate"):
                for told in self._session.initiate({**wanted, "loglevel": "1"}):
                    lines.append(_text(told.get("msg", b"")))
        except IkeDaemonError as error:
            duplicate = next(filter(None, map(_DUPLICATE.search, lines)), None)
            if duplicate is not None:
                return duplicate[1]
            reason = next((line for line in reversed(lines) if _REASON.search(line)), "")
            raise IkeDaemonError(f"{error}{': ' if reason else ''}{reason}") from error
        finally:
            self._socket.settimeout(_COMMAND_S)
        return ""

    def terminate(self, **which: str) -> None:
        """Has SAs deleted and does not wait for it, for example ``ike_id="3"``."""
        wanted = {key.replace("_", "-"): value for key, value in which.items()}
        with self._talking("terminate"):
            list(self._session.terminate({**wanted, "timeout": "-1"}))

    @contextmanager
    def _talking(self, command: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise IkeDaemonError(f"the IKE daemon gave no answer to {command}") from error
        except OSError as error:
            raise IkeDaemonError(f"the IKE daemon went away at {command}") from error
        except self._errors as error:
            raise IkeDaemonError(f"the IKE daemon refused {command}: {error}") from error
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise IkeDaemonError(
                f"the IKE daemon's answer to {command} cannot be read: {type(error).__name__}"
            ) from error


def _ike_sa(values: Any) -> IkeSa:
    children = values.get("child-sas", {}).values()
    return IkeSa(
        unique_id=_text(values["uniqueid"]),
        spis=f"{_text(values['initiator-spi'])}:{_text(values['responder-spi'])}",
        children=tuple(
            IkeChild(name=_text(one["name"]), unique_id=_text(one["uniqueid"]))
            for one in children
            if one["state"] == b"INSTALLED"
        ),
    )


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
