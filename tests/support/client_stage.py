"""A server and a device with one line, for the clients of others that enroll the device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes

from sceplab_devices.lines import Endpoint
from sceplab_ndes.depot.certificates import CertificateRecord
from sceplab_ndes.state import ServerState
from tests.support.client_envs import run_client
from tests.support.hosted import ENABLE_PASSWORD, LOGIN, PASSWORD, USER, serve_device
from tests.support.server import make_server, serve_in_thread


def now() -> datetime:
    """Device and server look at the real clock."""
    return datetime.now(UTC)


@dataclass
class Stage:
    """A server, and a device that listens.

    Attributes:
        state: of the server.
        url: where it enrolls.
        endpoint: the device's line.
        login: environment variables that tell a client how to get in.
    """

    state: ServerState
    url: str
    endpoint: Endpoint
    login: dict[str, str]

    @property
    def where(self) -> tuple[str, str]:
        """Host and port, or path and speed of a pseudo-terminal, as arguments of a program."""
        if self.endpoint.kind == "pty":
            return self.endpoint.path, "115200"
        return self.endpoint.host, str(self.endpoint.port)

    def fingerprint(self, algorithm: hashes.HashAlgorithm) -> bytes:
        """Of the CA certificate."""
        return self.state.hierarchy.root.certificate.fingerprint(algorithm)

    def challenge(self) -> str:
        """A one-time password."""
        issued = self.state.challenge.issue("admin", now())
        assert issued is not None
        return issued.reveal()

    def run(self, environment: str, program: str, *how: str, pin: str, challenge: str = "") -> Any:
        """What a client program saw.

        Args:
            environment: as for `run_client`.
            program: one whose arguments are ``how``, host, port, enrollment URL and pin.
            how: to connect.
            pin: fingerprint of the CA as the platform writes it.
            challenge: default: a new one.
        """
        arguments = (*how, *self.where, self.url, pin)
        variables = {"CHALLENGE": challenge or self.challenge(), **self.login}
        return run_client(environment, program, *arguments, **variables)

    def issued(self) -> CertificateRecord:
        """The one certificate that the server issued."""
        (record,) = self.state.administration.certificates()
        return record


@contextmanager
def open_stage(
    profile: str, folder: Path, line: str, *, login: bool = True, **plan: Any
) -> Iterator[Stage]:
    """A server and a device.

    Args:
        profile: platform of the device.
        folder: for its state.
        line: its only line, an endpoint.
        login: it has a user.
        plan: further fields of the device's `DevicePlan`.
    """
    state = make_server("compat", now=now())
    if login:
        plan["users"] = {USER: PASSWORD}
    variables = dict(LOGIN) if login else {"ENABLE_PASSWORD": ENABLE_PASSWORD}
    with (
        serve_in_thread(state, now) as server,
        serve_device(profile, folder, [line], **plan) as hosted,
    ):
        yield Stage(state, server.scep_url, hosted.lines[0].endpoint, variables)
