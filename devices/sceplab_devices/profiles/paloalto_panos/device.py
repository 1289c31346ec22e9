"""A firewall: what its configuration means, its certificates, its jobs and log."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from sceplab_devices.api import PortEvent, TrustpointSettings
from sceplab_devices.context import CommandContext
from sceplab_devices.device import CommonSettings
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.candidate.device import CandidateDevice
from sceplab_devices.profiles.candidate.tree import Tree, find, names, value
from sceplab_devices.profiles.paloalto_panos.certificate_entry import entry_of, read_pem
from sceplab_devices.profiles.paloalto_panos.secret import conceal, reveal

if TYPE_CHECKING:
    from sceplab_devices.profile import DeviceProfile

CERTIFICATES = ("shared", "certificate")
SCEP = ("shared", "scep")
_PREFIX = "certificate "
_LOG_LINES = 1000
_PIN_DIGITS = {32: "md5", 40: "sha1", 64: "sha256"}


@dataclass(slots=True, kw_only=True)
class OwnCertificate:
    """What the box keeps of a certificate whose key it made."""

    name: str
    profile: str = ""
    """SCEP profile; empty: its request is carried to a CA by hand."""
    subject: str
    """RFC 4514 text."""
    dns_names: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    algorithm: str = "rsa:2048"
    digest: str = "sha256"

    @property
    def port_name(self) -> str:
        """Its name at the enrollment engine; SCEP profiles have theirs as they are."""
        return _PREFIX + self.name


@dataclass(slots=True, kw_only=True)
class Job:
    """Something that took its time, as ``show jobs`` lists it."""

    number: int
    kind: str
    at: datetime
    is_ok: bool


class Firewall(CandidateDevice):
    """State of one box.

    Attributes:
        certificates: those whose key the box made, by name.
        jobs: the last ones, newest first.
        system_log: the last lines, oldest first.
    """

    def __init__(self, profile: DeviceProfile, **common: Unpack[CommonSettings]) -> None:
        self.certificates: dict[str, OwnCertificate] = {}
        self.jobs: deque[Job] = deque(maxlen=50)
        self.system_log: deque[str] = deque(maxlen=_LOG_LINES)
        super().__init__(profile, **common)

    # --- configuration ----------------------------------------------------------------------------

    def factory_lines(self) -> list[str]:
        """See `CandidateDevice.factory_lines`."""
        return [f"set deviceconfig system hostname {self.hostname}"]

    def hide(self, text: str) -> str:
        """See `CandidateDevice.hide`."""
        return text if reveal(text) is not None else conceal(text)

    def problems(self, tree: Tree) -> list[str]:
        """See `CandidateDevice.problems`: a name must be of something that is there."""
        present = names(tree, *CERTIFICATES)
        used = [
            (f"ike -> gateway -> {name} -> authentication -> certificate -> local-certificate",
             value(gateway, "authentication", "certificate", "local-certificate", "name"))
            for name, gateway in (find(tree, "network", "ike", "gateway") or {}).items()
        ] + [
            (f"scep -> {name} -> scep-ca-cert", value(settings, "scep-ca-cert"))
            for name, settings in (find(tree, *SCEP) or {}).items()
        ]  # fmt: skip
        return [
            self.profile.text("config.reference", place=place, name=name)
            for place, name in used
            if name and name not in present
        ]

    def apply(self, old: Tree, new: Tree) -> None:
        """See `CandidateDevice.apply`."""
        self.hostname = value(new, "deviceconfig", "system", "hostname") or self.profile.hostname
        for name in names(old, *SCEP):
            if name not in names(new, *SCEP):
                self.port.remove(name)
        for name in names(new, *SCEP):
            self._configure(self._profile_settings(name))
        for name in names(old, *CERTIFICATES):
            if name not in names(new, *CERTIFICATES):
                self.forget_certificate(name)
        for certificate in self.certificates.values():
            self.configure_certificate(certificate)
            self._take_pasted(certificate, new)
            if not old:  # the box comes up
                self.show_in_candidate(certificate)

    def _take_pasted(self, certificate: OwnCertificate, tree: Tree) -> None:
        """Installs what an operator pasted for a request that he carried."""
        pasted = read_pem(value(tree, *CERTIFICATES, certificate.name, "public-key"))
        if pasted is None or self.view(certificate.port_name).pending_csr_der is None:
            return
        try:
            self.port.import_ca(certificate.port_name, self.authorities(tree))
            self.port.import_certificate(certificate.port_name, pasted)
        except DeviceError as error:
            self.log_text("log.unusable", name=certificate.name, reason=error)

    def authorities(self, tree: Tree) -> tuple[bytes, ...]:
        """CA certificates of a configuration, DER."""
        entries = find(tree, *CERTIFICATES) or {}
        pasted = [read_pem(value(entry, "public-key")) for entry in entries.values()
                  if value(entry, "ca") == "yes"]  # fmt: skip
        return tuple(der for der in pasted if der is not None)

    def _profile_settings(self, name: str) -> TrustpointSettings:
        settings = self.scep_profile(name) or {}
        return TrustpointSettings(
            name=name,
            url=value(settings, "scep-url"),
            subject=f"CN={self.hostname}",
            key_label=f"scep {name}",
            ca_identifier=value(settings, "ca-identity-name"),
        )

    def scep_profile(self, name: str) -> Tree | None:
        """What the active configuration says of a SCEP profile; ``None``: it has none."""
        return find(self.active, *SCEP, name)

    def configure_certificate(self, certificate: OwnCertificate) -> bool:
        """Tells the engine of a certificate; false: it cannot work with it, which is logged."""
        settings = self.scep_profile(certificate.profile) or {}
        pin = self._pin(settings)
        return self._configure(
            TrustpointSettings(
                name=certificate.port_name,
                url=value(settings, "scep-url"),
                pin_hex=pin,
                pin_algorithm=_PIN_DIGITS.get(len(pin), "sha256") if pin else "",
                key_label=certificate.name,
                key_algorithm=certificate.algorithm,
                subject=certificate.subject,
                dns_names=certificate.dns_names,
                emails=certificate.emails,
                digest=certificate.digest,
                # U; an NDES answers a request for a key that it knows with the old certificate
                new_key_on_renewal=True,
                ca_identifier=value(settings, "ca-identity-name"),
                challenge=reveal(value(settings, "scep-challenge", "fixed")) or "",
            )
        )

    def _pin(self, settings: Tree) -> str:
        """What the CA must be; never empty when the configuration names one, readable or not."""
        typed = value(settings, "fingerprint")
        if typed:
            return re.sub(r"[:\s-]", "", typed).lower() or typed
        ca_name = value(settings, "scep-ca-cert")
        if not ca_name:
            return ""
        pasted = read_pem(value(self.active, *CERTIFICATES, ca_name, "public-key"))
        return hashlib.sha256(pasted).hexdigest() if pasted else f"of certificate {ca_name}"

    def _configure(self, settings: TrustpointSettings) -> bool:
        reason = self.configure_port(settings)
        if reason:
            self.log_text("log.unusable", name=settings.name, reason=reason)
        return not reason

    # --- certificates -----------------------------------------------------------------------------

    def certificate_of(self, event: PortEvent) -> OwnCertificate | None:
        """Whose event it is; ``None``: of no certificate."""
        if not event.trustpoint.startswith(_PREFIX):
            return None
        return self.certificates.get(event.trustpoint.removeprefix(_PREFIX))

    def show_in_candidate(self, certificate: OwnCertificate) -> None:
        """Puts the certificate the box has into the candidate configuration, unless it is there."""
        der = self.view(certificate.port_name).certificate_der
        if der is None:
            return
        key = self.find_key(certificate.name)
        places = self.profile.data["key_storage"]
        on_hsm = places.get(key.storage, places["other"]) if key else ""
        shared = self.candidate.setdefault("shared", {})
        shared.setdefault("certificate", {})[certificate.name] = entry_of(der, on_hsm=on_hsm)

    def forget_certificate(self, name: str) -> None:
        """Deletes a certificate of the box with its key pair."""
        certificate = self.certificates.pop(name, None)
        if certificate is None:
            return
        self.port.remove(certificate.port_name)
        try:
            self.port.delete_key(name)
        except DeviceError as error:
            self.log_text("log.unusable", name=name, reason=error)

    def records(self) -> list[dict[str, Any]]:
        """See `CandidateDevice.records`."""
        return [{"kind": "certificate", **asdict(one)} for one in self.certificates.values()]

    def take_record(self, record: dict[str, Any]) -> None:
        """See `CandidateDevice.take_record`."""
        certificate = OwnCertificate(
            name=str(record["name"]),
            profile=str(record["profile"]),
            subject=str(record["subject"]),
            dns_names=tuple(str(name) for name in record["dns_names"]),
            emails=tuple(str(name) for name in record.get("emails", ())),
            algorithm=str(record["algorithm"]),
            digest=str(record["digest"]),
        )
        self.certificates[certificate.name] = certificate

    # --- jobs and log -----------------------------------------------------------------------------

    def add_job(self, kind: str, *, is_ok: bool) -> Job:
        """Notes a job that is done."""
        number = self.jobs[0].number + 1 if self.jobs else 2
        job = Job(number=number, kind=kind, at=self.now(), is_ok=is_ok)
        self.jobs.appendleft(job)
        return job

    def log_text(self, key: str, **values: object) -> None:
        """Writes a text of the profile into the system log."""
        line = f"{self.now():%Y/%m/%d %H:%M:%S} {self.profile.text(key, **values)}"
        self.system_log.append(line)
        self.log(line)

    def handle_event(self, event: PortEvent) -> None:
        """See `Device.handle_event`."""
        from sceplab_devices.profiles.paloalto_panos.port_events import report

        report(self, event)


Context: TypeAlias = CommandContext[Firewall]
"""What every handler of this profile gets."""
