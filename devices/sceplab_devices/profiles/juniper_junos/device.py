"""An SRX box: what its configuration means, its certificates, its log files."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from sceplab_devices.api import PortEvent, TrustpointSettings
from sceplab_devices.context import CommandContext
from sceplab_devices.device import CommonSettings
from sceplab_devices.profiles.candidate.device import CandidateDevice
from sceplab_devices.profiles.candidate.tree import Tree, find, names, value
from sceplab_devices.profiles.juniper_junos.dates import log_stamp
from sceplab_devices.profiles.juniper_junos.secret import conceal, reveal

if TYPE_CHECKING:
    from sceplab_devices.profile import DeviceProfile

PKI = ("security", "pki")
DEFAULT_RETRIES = 10
DEFAULT_RETRY_INTERVAL_S = 900
_PREFIX = "certificate-id "
_LOG_LINES = 1000
_PKID_PID = 2187


@dataclass(slots=True, kw_only=True)
class LocalCertificate:
    """What the box keeps of a certificate identifier besides key pair and certificate."""

    id: str
    profile: str = ""
    """CA profile it is enrolled with; empty: an operator carries the request."""
    subject: str
    """RFC 4514 text."""
    dns_names: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    digest: str = "sha256"

    @property
    def port_name(self) -> str:
        """Its name at the enrollment engine; CA profiles have theirs as they are."""
        return _PREFIX + self.id


class SrxDevice(CandidateDevice):
    """State of one box.

    Attributes:
        certificates: by certificate identifier, in the order they were begun.
        files: what lies in ``/var/tmp`` and the home directory, by full name; gone after a restart.
        logs: lines of the log files, by name.
        challenges: passwords of enrollments that wait for the CA certificate, by identifier.
    """

    def __init__(self, profile: DeviceProfile, **common: Unpack[CommonSettings]) -> None:
        self.certificates: dict[str, LocalCertificate] = {}
        self.files: dict[str, bytes] = {}
        self.logs: dict[str, deque[str]] = {
            name: deque(maxlen=_LOG_LINES) for name in ("messages", "pkid")
        }
        self.challenges: dict[str, str] = {}
        super().__init__(profile, **common)

    # --- configuration ----------------------------------------------------------------------------

    def factory_lines(self) -> list[str]:
        """See `CandidateDevice.factory_lines`."""
        return [
            f"set system host-name {self.hostname}",
            "set system services ssh",
            "set system syslog file messages any notice",
            "set interfaces fxp0 unit 0 family inet dhcp",
        ]

    def hide(self, text: str) -> str:
        """See `CandidateDevice.hide`: the box's own ``$9$`` form."""
        return text if reveal(text) is not None else conceal(text)

    def problems(self, tree: Tree) -> list[str]:
        """See `CandidateDevice.problems`: what refers to something must find it."""
        found = []
        profiles = names(tree, *PKI, "ca-profile")
        for id_, settings in _re_enrollments(tree).items():
            profile = value(settings, "ca-profile-name")
            if profile not in profiles:
                found.append(
                    self.profile.text("config.missing_profile", id=id_, profile=profile or "(none)")
                )
            if not value(settings, "re-enroll-trigger-time-percentage"):
                found.append(self.profile.text("config.missing_trigger", id=id_))
        return found

    def apply(self, old: Tree, new: Tree) -> None:
        """See `CandidateDevice.apply`."""
        self.hostname = value(new, "system", "host-name") or self.profile.hostname
        present = names(new, *PKI, "ca-profile")
        for name in names(old, *PKI, "ca-profile"):
            if name not in present:
                self.port.remove(name)
        for name in present:
            self.configure_profile(name)
        for certificate in self.certificates.values():
            self.configure_certificate(certificate)

    def profile_settings(self, name: str) -> Tree | None:
        """What the active configuration says of a CA profile; ``None``: it has none."""
        return find(self.active, *PKI, "ca-profile", name)

    def configure_profile(self, name: str) -> None:
        """Tells the engine of a CA profile."""
        settings = self.profile_settings(name) or {}
        url = value(settings, "enrollment", "url")
        self._configure(
            TrustpointSettings(
                name=name,
                url=url,
                subject=f"CN={self.hostname}",
                key_label=f"ca-profile {name}",
                ca_identifier=value(settings, "ca-identity"),
            )
        )

    def configure_certificate(
        self, certificate: LocalCertificate, *, new_key: bool = False
    ) -> bool:
        """Tells the engine of a certificate; false: it cannot work with it, which is logged.

        Args:
            certificate: to be configured.
            new_key: its next renewal takes a new key pair whatever the configuration says.
        """
        settings = self.profile_settings(certificate.profile) or {}
        renewal = _re_enrollments(self.active).get(certificate.id, {})
        remaining = value(renewal, "re-enroll-trigger-time-percentage")
        key = self.find_key(certificate.id)
        authorities = self.view(certificate.profile).ca_certificates_der
        enrollment = find(settings, "enrollment") or {}
        return self._configure(
            TrustpointSettings(
                name=certificate.port_name,
                url=value(settings, "enrollment", "url"),
                pin_hex=hashlib.sha256(authorities[0]).hexdigest() if authorities else "",
                pin_algorithm="sha256" if authorities else "",
                key_label=certificate.id,
                key_algorithm=key.algorithm if key else "rsa:2048",
                subject=certificate.subject,
                dns_names=certificate.dns_names,
                emails=certificate.emails,
                ip_addresses=certificate.ip_addresses,
                digest=certificate.digest,
                retry_period_s=max(
                    float(value(enrollment, "retry-interval") or DEFAULT_RETRY_INTERVAL_S), 1.0
                ),
                retry_count=int(value(enrollment, "retry") or DEFAULT_RETRIES),
                # The statement says what remains of the lifetime when the box re-enrolls.
                auto_renew_share=1 - int(remaining) / 100 if remaining else None,
                new_key_on_renewal=new_key or "re-generate-keypair" in renewal,
                ca_identifier=value(settings, "ca-identity"),
                challenge=reveal(value(renewal, "challenge-password")) or "",
            )
        )

    def _configure(self, settings: TrustpointSettings) -> bool:
        reason = self.configure_port(settings)
        if reason:
            self.log_text("pkid", "pkid.unusable", name=settings.name, reason=reason)
        return not reason

    def re_enrollment(self, id_: str) -> Tree:
        """What ``auto-re-enrollment`` says of a certificate; empty: nothing."""
        return _re_enrollments(self.active).get(id_, {})

    # --- certificates and keys --------------------------------------------------------------------

    def certificate_of(self, event: PortEvent) -> LocalCertificate | None:
        """Whose event it is; ``None``: of a CA profile, or of nothing we know."""
        if not event.trustpoint.startswith(_PREFIX):
            return None
        return self.certificates.get(event.trustpoint.removeprefix(_PREFIX))

    def forget_certificate(self, id_: str) -> None:
        """Deletes a certificate and what waits for it; the key pair stays."""
        certificate = self.certificates.pop(id_, None)
        self.challenges.pop(id_, None)
        if certificate is not None:
            self.port.remove(certificate.port_name)

    def records(self) -> list[dict[str, Any]]:
        """See `CandidateDevice.records`."""
        return [{"kind": "certificate", **asdict(one)} for one in self.certificates.values()]

    def take_record(self, record: dict[str, Any]) -> None:
        """See `CandidateDevice.take_record`."""
        certificate = LocalCertificate(
            id=str(record["id"]),
            profile=str(record["profile"]),
            subject=str(record["subject"]),
            dns_names=tuple(str(name) for name in record["dns_names"]),
            emails=tuple(str(name) for name in record.get("emails", ())),
            ip_addresses=tuple(str(name) for name in record.get("ip_addresses", ())),
            digest=str(record["digest"]),
        )
        self.certificates[certificate.id] = certificate

    # --- log --------------------------------------------------------------------------------------

    def log_text(self, file: str, key: str, **values: object) -> None:
        """Writes a text of the profile into a log file."""
        source = f"pkid[{_PKID_PID}]" if file == "pkid" else "mgd[1842]"
        line = f"{log_stamp(self.now())} {self.hostname} {source}: " + self.profile.text(
            key, **values
        )
        self.logs[file].append(line)
        self.log(line)

    def handle_event(self, event: PortEvent) -> None:
        """See `Device.handle_event`."""
        from sceplab_devices.profiles.juniper_junos.pkid import report

        report(self, event)


def _re_enrollments(tree: Tree) -> dict[str, Tree]:
    """Settings of ``auto-re-enrollment`` by certificate identifier, in either spelling."""
    block = find(tree, *PKI, "auto-re-enrollment") or {}
    older, newer = (find(block, "certificate-id"), find(block, "scep", "certificate-id"))
    return {**(older or {}), **(newer or {})}


Context: TypeAlias = CommandContext[SrxDevice]
"""What every handler of this profile gets."""
