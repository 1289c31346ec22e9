"""An IKE connection as the configuration describes it, and as strongSwan's daemon wants it.

The table ``definition`` has the keys of a connection in swanctl.conf. The certificate is put into
the first local round; the file names none.

Spec: swanctl.conf(5), section ``connections``; vici command ``load-conn``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from cryptography import x509

_LISTS = frozenset(
    {
        "local_addrs", "remote_addrs", "proposals", "esp_proposals", "ah_proposals", "vips",
        "pools", "groups", "cert_policy", "cacerts", "certs", "pubkeys", "local_ts", "remote_ts",
    }
)  # fmt: skip
"""Keys whose value the daemon takes as a list only; swanctl splits them at commas."""

Section = dict[str, object]


class DefinitionError(Exception):
    """A definition that cannot be loaded; the text says what to change."""


class IkeConnection:
    """One connection.

    Args:
        name: as the daemon calls it.
        definition: the table, as written.

    Raises:
        DefinitionError: it has no children, or no local round with a certificate.
    """

    def __init__(self, name: str, definition: Mapping[str, object]) -> None:
        self.name = name
        self._section = _section(definition)
        self._local = _local_round(self._section)
        children = self._section.get("children")
        if not isinstance(children, dict) or not children:
            raise DefinitionError("has no CHILD_SA; write children.NAME.remote_ts and the like")
        self.children: tuple[str, ...] = tuple(children)
        """Names of its CHILD_SAs."""

    def with_certificate(self, certificate_der: bytes) -> Section:
        """What ``load-conn`` takes."""
        local = self._section[self._local]
        assert isinstance(local, dict)
        signing = {"auth": "pubkey", **local, "certs": [certificate_der]}
        return {self.name: {**self._section, self._local: signing}}

    def misfit(self, certificate: x509.Certificate) -> str:
        """Why the certificate does not do for this connection; empty: it does.

        The daemon takes a certificate for an identity that is its subject or one of its
        alternative names, and falls back to the subject when the configured one is neither.
        """
        if not _may_sign(certificate):
            return (
                "its key usage has no digitalSignature, and IKE signs; "
                'set key_usage = "signature" or "both" in the trustpoint'
            )
        local = self._section[self._local]
        assert isinstance(local, dict)
        identity = str(local.get("id", ""))
        if not identity or identity == "%any" or _bears(certificate, identity):
            return ""
        return (
            f"connection '{self.name}' calls itself '{identity}', and the certificate bears no "
            f"such name; change {self._local}.id, or have the trustpoint ask for the name"
        )


def _section(values: Mapping[str, object]) -> Section:
    return {key: _value(key, value) for key, value in values.items()}


def _value(key: str, value: object) -> object:
    if isinstance(value, Mapping):
        return _section(value)
    if isinstance(value, list):
        return [str(item) for item in value]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key in _LISTS:
        return [part.strip() for part in str(value).split(",")]
    return str(value)


def _local_round(section: Section) -> str:
    for key, value in section.items():
        if key.startswith("local") and isinstance(value, dict):
            if value.get("auth", "pubkey") != "pubkey":
                continue
            if "certs" in value:
                raise DefinitionError(f"names certs in {key}; the agent puts its own there")
            return key
    raise DefinitionError('has no local round with a certificate; write local.auth = "pubkey"')


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage.digital_signature or usage.content_commitment


def _bears(certificate: x509.Certificate, identity: str) -> bool:
    if "=" in identity:
        try:
            wanted = x509.Name.from_rfc4514_string(identity)
        except ValueError:
            return True  # a notation that only the daemon reads
        # swanctl.conf begins with the country, RFC 4514 with the common name.
        return certificate.subject in {wanted, x509.Name(reversed(list(wanted.rdns)))}
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        address = ipaddress.ip_address(identity)
    except ValueError:
        plain = identity.removeprefix("fqdn:").removeprefix("email:").removeprefix("@").casefold()
        texts = names.get_values_for_type(x509.DNSName) + names.get_values_for_type(x509.RFC822Name)
        return plain in {text.casefold() for text in texts}
    return address in names.get_values_for_type(x509.IPAddress)
