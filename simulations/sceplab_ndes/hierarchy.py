"""The CA's and RA's own certificates: made once with a new state, loaded ever after.

One tier: the root issues. Two tiers: the root signs an issuing CA. Split RA (the default): one
certificate signs replies, another is what clients encrypt to. Private keys stay in the key store.

Spec: checklist S-01, 22 (7.2); NDES 4, 4.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from asn1crypto.core import BMPString
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from sceplab_hsm.api import KeyAlgorithm, KeyHandle, KeyStore
from sceplab_hsm.errors import KeyNotFoundError
from sceplab_ndes.depot import Depot
from sceplab_ndes.errors import StateError
from sceplab_ndes.serials import random_serial
from sceplab_scep.certificates import signing_key

CERTIFICATE_REQUEST_AGENT = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.1")
TEMPLATE_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2")
BACKDATE = timedelta(minutes=10)
"""How far notBefore lies in the past, for devices whose clock is slow."""

_DER = serialization.Encoding.DER
_KEY_NAMES = {"root": "ca-root", "issuing": "ca-issuing"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaPlan:
    """What a new CA looks like."""

    common_name: str = "sceplab Lab CA"
    organization: str = "sceplab"
    host: str = "NDES"
    """Name of the emulated machine; the RA is called ``<host>-MSCEP-RA``."""
    two_tier: bool = False
    """Whether a separate issuing CA stands under the root."""
    ra: Literal["split", "none"] = "split"
    algorithm: KeyAlgorithm = KeyAlgorithm.RSA_2048
    ra_algorithm: KeyAlgorithm | None = None
    """Of both RA keys; ``None``: as the CA's."""
    ca_lifetime_days: int = 3650
    ra_lifetime_days: int = 730


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate of ours with its key."""

    certificate: x509.Certificate
    key: KeyHandle


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """Everybody who speaks for this server."""

    root: Identity
    issuing: Identity
    """The root itself with one tier."""
    ra_signing: Identity
    """Signs replies; the issuing CA when there is no RA."""
    ra_encryption: Identity
    """Clients encrypt to it; the issuing CA when there is no RA."""

    @property
    def has_ra(self) -> bool:
        """Whether RA certificates of their own exist."""
        return self.ra_signing is not self.issuing

    def require_ra_keys(self, algorithm: KeyAlgorithm) -> None:
        """Checks that the RA has keys of this type.

        Raises:
            StateError: it has others, or there is no RA.
        """
        if not self.has_ra:
            raise StateError(
                f"this server has no RA, so RA keys {algorithm.value} are in vain; choose another "
                "profile or settings.roles.ra, or set ca.algorithm"
            )
        found = {i.key.algorithm for i in (self.ra_signing, self.ra_encryption)}
        if found != {algorithm}:
            names = " and ".join(sorted(other.value for other in found))
            raise StateError(
                f"the RA keys are {names}, not {algorithm.value}, and are not made anew; choose "
                "another state folder (and key store), or leave the key length out"
            )

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """CA certificates, issuing CA first, root last."""
        if self.issuing is self.root:
            return (self.root.certificate,)
        return (self.issuing.certificate, self.root.certificate)


def obtain_key(store: KeyStore, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
    """The key of that name, made when the store has none yet."""
    try:
        return store.get(key_id)
    except KeyNotFoundError:
        return store.generate(key_id, algorithm)


def obtain_keys(store: KeyStore, plan: CaPlan, generation: int = 0) -> dict[str, KeyHandle]:
    """The keys of a CA by role, those made that the store does not have."""
    algorithms = {"root": plan.algorithm}
    if plan.two_tier:
        algorithms["issuing"] = plan.algorithm
    if plan.ra == "split":
        ra_algorithm = plan.ra_algorithm or plan.algorithm
        algorithms |= {"ra-signing": ra_algorithm, "ra-encryption": ra_algorithm}
    suffix = f"-{generation}" if generation else ""
    return {
        role: obtain_key(store, _KEY_NAMES.get(role, role) + suffix, algorithm)
        for role, algorithm in algorithms.items()
    }


def create_hierarchy(
    depot: Depot,
    store: KeyStore,
    plan: CaPlan,
    *,
    now: datetime,
    random_bytes: Callable[[int], bytes],
    generation: int = 0,
    counts_from: datetime | None = None,
    begins_at: datetime | None = None,
) -> Hierarchy:
    """Makes keys and certificates of a new CA and keeps the certificates in the depot.

    Args:
        depot: an empty depot.
        store: where the keys are made; keys of the same names that are there already are used.
        plan: names and life times.
        now: current time, aware UTC.
        random_bytes: source of serial numbers.
        generation: number of the CA; its keys are named after it from 1 on.
        counts_from: from when life times count, if later than now.
        begins_at: from when the certificates are valid, if not from a little before now.

    Raises:
        StateError: the RA keys that are there already are not of the planned type.
        KeyStoreError: the store refuses.
    """
    maker = _Maker(
        plan,
        random_bytes,
        begins_at=begins_at or now - BACKDATE,
        counts_from=counts_from or now,
    )
    keys = obtain_keys(store, plan, generation)
    made = {"root": Identity(maker.root(keys["root"]), keys["root"])}
    issuing = made["root"]
    if plan.two_tier:
        key = keys["issuing"]
        issuing = made["issuing"] = Identity(maker.issuing(key, made["root"]), key)
    if plan.ra == "split":
        for role in ("ra-signing", "ra-encryption"):
            certificate = maker.ra(keys[role], issuing, encrypts=role == "ra-encryption")
            made[role] = Identity(certificate, keys[role])
    hierarchy = _assemble(made)
    if plan.ra_algorithm is not None:
        hierarchy.require_ra_keys(plan.ra_algorithm)
    with depot.transaction():
        for role, identity in made.items():
            der = identity.certificate.public_bytes(_DER)
            depot.certificates.add_authority(role, identity.key.key_id, der, generation=generation)
    return hierarchy


def load_hierarchy(depot: Depot, store: KeyStore, generation: int = 0) -> Hierarchy | None:
    """The CA of that number a depot holds; ``None`` if it has none.

    Raises:
        StateError: a key in the store is not the one the certificate was made for.
    """
    found: dict[str, Identity] = {}
    for role, (key_id, der) in depot.certificates.authority(generation).items():
        certificate = x509.load_der_x509_certificate(der)
        key = store.get(key_id)
        if key.public_key != certificate.public_key():
            raise StateError(
                f"key '{key_id}' in {store.uri} is not that of the {role} certificate; "
                "key store and depot belong to different servers"
            )
        found[role] = Identity(certificate, key)
    return _assemble(found) if found else None


def _assemble(identities: dict[str, Identity]) -> Hierarchy:
    root = identities["root"]
    issuing = identities.get("issuing", root)
    return Hierarchy(
        root=root,
        issuing=issuing,
        ra_signing=identities.get("ra-signing", issuing),
        ra_encryption=identities.get("ra-encryption", issuing),
    )


def template_extension(name: str) -> x509.UnrecognizedExtension:
    """The extension that names a version 1 template. Spec: NDES 4.1, 11."""
    return x509.UnrecognizedExtension(TEMPLATE_NAME, BMPString(name).dump())


def key_usage(*, signs: bool, encrypts: bool, non_repudiation: bool = False) -> x509.KeyUsage:
    """The keyUsage extension of an end entity."""
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=non_repudiation,
        key_encipherment=encrypts,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


class _Maker:
    """Builds the certificates of one plan."""

    def __init__(
        self,
        plan: CaPlan,
        random_bytes: Callable[[int], bytes],
        *,
        begins_at: datetime,
        counts_from: datetime,
    ) -> None:
        self._plan = plan
        self._not_before = begins_at
        self._counts_from = counts_from - BACKDATE
        self._random_bytes = random_bytes

    def root(self, key: KeyHandle) -> x509.Certificate:
        suffix = " Root" if self._plan.two_tier else ""
        name = self._name(self._plan.common_name + suffix)
        builder = self._builder(name, name, key, self._plan.ca_lifetime_days)
        builder = self._with_ca_extensions(
            builder, path_length=None, is_issuing=not self._plan.two_tier
        )
        return builder.sign(signing_key(key), hashes.SHA256())

    def issuing(self, key: KeyHandle, root: Identity) -> x509.Certificate:
        name = self._name(self._plan.common_name)
        days = self._plan.ca_lifetime_days * 3 // 4
        builder = self._builder(name, root.certificate.subject, key, days)
        builder = self._with_ca_extensions(builder, path_length=0, is_issuing=True)
        builder = builder.add_extension(authority_key_id(root.certificate), critical=False)
        return builder.sign(signing_key(root.key), hashes.SHA256())

    def ra(self, key: KeyHandle, issuer: Identity, *, encrypts: bool) -> x509.Certificate:
        name = self._name(f"{self._plan.host}-MSCEP-RA")
        template = "CEPEncryption" if encrypts else "EnrollmentAgentOffline"
        usage = key_usage(signs=not encrypts, encrypts=encrypts)
        days = self._plan.ra_lifetime_days
        builder = (
            self._builder(name, issuer.certificate.subject, key, days)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([CERTIFICATE_REQUEST_AGENT]), critical=False)
            .add_extension(template_extension(template), critical=False)
            .add_extension(authority_key_id(issuer.certificate), critical=False)
        )
        return builder.sign(signing_key(issuer.key), hashes.SHA256())

    def _name(self, common_name: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self._plan.organization),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: KeyHandle, lifetime_days: int
    ) -> x509.CertificateBuilder:
        key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key)
            .serial_number(random_serial(self._random_bytes))
            .not_valid_before(self._not_before)
            .not_valid_after(self._counts_from + timedelta(days=lifetime_days))
            .add_extension(key_id, critical=False)
        )

    def _with_ca_extensions(
        self, builder: x509.CertificateBuilder, *, path_length: int | None, is_issuing: bool
    ) -> x509.CertificateBuilder:
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            # RFC 8894 §2.1.2: a CA whose key opens envelopes has to say so
            key_encipherment=is_issuing and self._plan.ra == "none",
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        constraints = x509.BasicConstraints(ca=True, path_length=path_length)
        return builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)


def authority_key_id(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The extension that points to the issuer's key."""
    found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)
