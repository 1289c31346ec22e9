"""Certificates of an emulated SCEP server for the two ends of an 802.1X cable."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from sceplab_agent.eap.tls_method import Credentials
from sceplab_agent.handoff.api import Delivery
from sceplab_hsm.api import KeyHandle
from sceplab_hsm.secret import Secret
from sceplab_ndes.state import ServerState
from tests.support.pki import LocalKey, der, pem, rsa_key
from tests.support.scep_device import ScepDevice, fetch_password, issued
from tests.support.server import make_server
from tests.support.soft_stores import soft_store

_BOTH_ENDS = [
    ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string,
    ExtendedKeyUsageOID.SERVER_AUTH.dotted_string,
]


class Campus:
    """A CA of a campus; its server stands at the present moment, as daemons do.

    Args:
        keys: where its own keys are made; ``None``: those that all servers of tests share.
    """

    def __init__(self, keys: Path | None = None) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        own = {"key_store": soft_store(keys)} if keys else {}
        template = {"template": {"approval": "auto", "extended_key_usages": _BOTH_ENDS}}
        self.server: ServerState = make_server(now=self.now, settings=template, **own)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """From the issuer to the anchor."""
        hierarchy = self.server.hierarchy
        return tuple(dict.fromkeys((hierarchy.issuing.certificate, hierarchy.root.certificate)))

    @property
    def trusted_pem(self) -> bytes:
        """The anchor and what is below it."""
        return b"".join(pem(certificate) for certificate in self.chain)

    def device(self, name: str, key: KeyHandle | LocalKey) -> ScepDevice:
        """Somebody who enrolls here."""
        return ScepDevice(server=self.server, key=key, name=name, now=self.now)  # type: ignore[arg-type]

    def enroll(self, name: str, key: KeyHandle | LocalKey) -> x509.Certificate:
        """A first certificate."""
        password = fetch_password(self.server, self.now)
        return issued(self.device(name, key).enroll(password))

    def renew(
        self, name: str, key: KeyHandle | LocalKey, old: x509.Certificate
    ) -> x509.Certificate:
        """The next certificate, with the same key."""
        renewing = self.device(name, key).with_certificate(old)
        return issued(renewing.ask(renewing.renewal_req()))

    def credentials(self, name: str) -> Credentials:
        """A certificate with a key in a file, for the end of that name."""
        key = rsa_key(name)
        return Credentials(
            certificate_pem=pem(self.enroll(name, key)), key_pem=key.pem,
            trusted_pem=self.trusted_pem,
        )  # fmt: skip

    def delivery(
        self, generation: int, certificate: x509.Certificate, key: KeyHandle | LocalKey,
        *, pin: str = "",
    ) -> Delivery:  # fmt: skip
        """What the agent would hand over."""
        in_file = isinstance(key, LocalKey)
        return Delivery(
            trustpoint="campus",
            generation=generation,
            certificate_der=der(certificate),
            chain_der=tuple(der(one) for one in self.chain),
            key_uri="soft:keys#campus" if isinstance(key, LocalKey) else key.uri,
            key_secret=(lambda: Secret(pin)) if pin else None,
            key_pem=(lambda: key.pem) if in_file else None,  # type: ignore[union-attr]
        )


def write_credentials(credentials: Credentials, folder: Path) -> Path:
    """Files as `eap_end` and daemons read them."""
    folder.mkdir()
    (folder / "certificate.pem").write_bytes(credentials.certificate_pem)
    (folder / "key.pem").write_bytes(credentials.key_pem)
    (folder / "trusted.pem").write_bytes(credentials.trusted_pem)
    return folder
