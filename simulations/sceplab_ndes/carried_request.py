"""Requests that somebody brings to the CA by hand: no message, no challenge, an answer at once.

Who may work on the state folder is the CA's administrator, so nobody has to approve. The template
judges the request as it judges all others; what it says is kept with the other requests.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from sceplab_ndes.armour import remove_armour
from sceplab_ndes.authority import CertificateAuthority, CertificateOrder
from sceplab_ndes.depot import CertificateRecord, Depot, RequestRecord, RequestState
from sceplab_ndes.errors import ConfigError, RefusedError
from sceplab_ndes.ledger import certificate_record
from sceplab_ndes.redaction import without_challenge
from sceplab_ndes.validation import closest
from sceplab_scep.csr import CsrView, read_csr
from sceplab_scep.errors import ScepError
from sceplab_scep.names import name_text

KIND = "carried"


def check_template(name: str, authority: CertificateAuthority) -> None:
    """Whether the server offers a template.

    Raises:
        ConfigError: not this one; the text names the closest.
    """
    offered = authority.template.settings.name
    if name not in {"", offered}:
        raise ConfigError(f"no template '{name}'; {closest(name, [offered])}", source="--template")


def sign_carried(
    depot: Depot, authority: CertificateAuthority, content: bytes, now: datetime, *, user: str = ""
) -> CertificateRecord:
    """Issues the certificate of a request; a running server on the same depot goes on meanwhile.

    Args:
        depot: keeps request and certificate.
        authority: makes the certificate.
        content: PKCS#10, as DER, base64 or PEM.
        now: current time, aware UTC.
        user: who does it, for the audit trail.

    Raises:
        RefusedError: it is no request, its signature does not verify, or the template refuses it;
            only what the template refuses is kept.
    """
    der = remove_armour(content)
    try:
        csr = read_csr(der)
    except ScepError as error:
        raise RefusedError("request-malformed", str(error)) from error
    if not csr.is_signature_valid:
        raise RefusedError("request-signature")
    # One transaction around it all: nobody else draws a number meanwhile.
    with depot.transaction():
        request_id = depot.requests.next_id()
        try:
            certificate = authority.issue(CertificateOrder(request_id=request_id, csr=csr), now)
        except RefusedError as error:
            refusal = error
        else:
            record = certificate_record(
                certificate,
                request_id=request_id,
                key_digest=hashlib.sha256(csr.public_key_der).digest(),
                subject=name_text(csr.subject),
                now=now,
            )
            depot.requests.add(_request(request_id, csr, authority, now, serial=record.serial))
            depot.certificates.add(record)
            fields = {"request_id": request_id, "serial": record.serial, "user": user}
            depot.log("request.carried", now, fields)
            return record
        depot.requests.add(_request(request_id, csr, authority, now, refusal=refusal))
    raise refusal


def _request(
    request_id: int,
    csr: CsrView,
    authority: CertificateAuthority,
    now: datetime,
    *,
    serial: str | None = None,
    refusal: RefusedError | None = None,
) -> RequestRecord:
    digest = hashlib.sha256(csr.der).digest()
    return RequestRecord(
        request_id=request_id,
        transaction_id="",
        kind=KIND,
        state=RequestState.ISSUED if refusal is None else RequestState.FAILED,
        message_digest=digest,
        csr_digest=digest,
        csr=None if refusal is None else without_challenge(csr),
        signer_certificate=b"",
        subject=name_text(csr.subject),
        template=authority.template.settings.name,
        renews_serial=None,
        password_id=None,
        serial=serial,
        cause=None if refusal is None else refusal.cause,
        detail=None if refusal is None else refusal.detail,
        received_at=now,
        decided_at=now,
        generation=authority.generation,
    )
