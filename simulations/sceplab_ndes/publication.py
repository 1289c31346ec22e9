"""The files under ``/CertEnroll/``: the CA certificate and the revocation list.

The list is made anew when a revocation came in, by whichever process, or when its time is nearly
over. Making, keeping and numbering it is one transaction.

Spec: NDES 10; RFC 5280 §5; feature rows A10, M4.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import unquote

from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_ndes.authority import ENROLL_PATH, CertificateAuthority
from sceplab_ndes.depot import Depot
from sceplab_ndes.depot.certificates import CrlRecord
from sceplab_scep.x509fields import certificate_der

CRL_TYPE = "application/pkix-crl"
CERTIFICATE_TYPE = "application/pkix-cert"

FileWriter = Callable[[str, bytes], None]
"""Takes a file name and its content; writes it so that a reader sees the old or the new one."""


class Publication:
    """Gives out what the CA publishes.

    Args:
        depot: revocations and lists.
        authority: signs lists.
        overlap: how long before the end of a list the next one is made.
        write_file: puts a copy where people look; ``None`` for a server in memory.
    """

    def __init__(
        self,
        depot: Depot,
        authority: CertificateAuthority,
        *,
        overlap: timedelta,
        write_file: FileWriter | None = None,
    ) -> None:
        self._depot = depot
        self._authority = authority
        self._overlap = overlap
        self._write_file = write_file
        self._certificate_der = certificate_der(authority.hierarchy.issuing.certificate)

    def file(self, path: str, now: datetime) -> tuple[str, bytes] | None:
        """Content type and content of a published file; ``None`` for other paths.

        Args:
            path: path of the request, percent-escapes still in it.
            now: current time, aware UTC.
        """
        plain = unquote(path)
        if not plain.lower().startswith(ENROLL_PATH.lower()):
            return None
        name = plain[len(ENROLL_PATH) :].lower()
        if name == self._authority.crl_file_name.lower():
            return CRL_TYPE, self.crl(now)
        if name == self._authority.certificate_file_name.lower():
            return CERTIFICATE_TYPE, self._certificate_der
        return None

    def certificate_files(self) -> dict[str, bytes]:
        """Copies of the CA's certificates, by file name."""
        chain = self._authority.hierarchy.chain
        return {
            "ca.pem": chain[-1].public_bytes(Encoding.PEM),
            "ca-chain.pem": b"".join(c.public_bytes(Encoding.PEM) for c in chain),
            self._authority.certificate_file_name: self._certificate_der,
        }

    def crl(self, now: datetime) -> bytes:
        """The current revocation list, DER."""
        certificates = self._depot.certificates
        generation = self._authority.generation
        newest = certificates.newest_crl(generation)
        if newest is not None and self._is_good(newest, now):
            return newest.crl
        with self._depot.transaction():
            newest = certificates.newest_crl(
                generation
            )  # another thread or process may have made it
            if newest is not None and self._is_good(newest, now):
                return newest.crl
            number = certificates.next_crl_number()
            revoked = certificates.revoked()
            made = self._authority.make_crl(
                [r for r in revoked if r.not_after > now and self._authority.has_issued(r)],
                number=number,
                now=now,
            )
            der = made.public_bytes(Encoding.DER)
            next_update = made.next_update_utc
            assert next_update is not None
            certificates.add_crl(
                CrlRecord(
                    number=number,
                    crl=der,
                    next_update=next_update,
                    revocation_count=len(revoked),
                    generation=generation,
                )
            )
            self._depot.log("crl.made", now, {"number": number, "revoked": len(revoked)})
        if self._write_file is not None:
            self._write_file(self._authority.crl_file_name, der)
        return der

    def _is_good(self, record: CrlRecord, now: datetime) -> bool:
        is_complete = record.revocation_count == self._depot.certificates.revocation_count()
        return is_complete and now < record.next_update - self._overlap
