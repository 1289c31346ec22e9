"""The SCEP operations of a client, as exchanges over any transport.

What comes back is decided by content, never by content type.

Spec: RFC 8894 §3.5, §4; checklist 6, 18 to 20.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_agent.core.events import FailureCause
from sceplab_agent.errors import (
    HttpStatusError,
    NoAnswerError,
    TransportError,
    UnusableReplyError,
)
from sceplab_agent.exchange import Exchange, HttpRequest
from sceplab_agent.http_status import check_response
from sceplab_agent.text import clean_text
from sceplab_agent.url import UrlError, operation_url
from sceplab_scep.capabilities import NO_CAPABILITIES, Capabilities, parse_capabilities
from sceplab_scep.degenerate import read_certs_only
from sceplab_scep.errors import ScepError
from sceplab_scep.operations import (
    PKI_MESSAGE_TYPE,
    Operation,
    build_query,
    encode_get_message,
)

_REDIRECTS = range(300, 400)
_UNSUPPORTED = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.NOT_IMPLEMENTED)
"""How servers that do not know GetCACaps answer it, besides a 4xx; a server in trouble, too."""
_UNSUPPORTED_AFTER = 3
"""Such answers in a row that are taken for the server's last word."""


class ScepClient:
    """SCEP operations of one enrollment URL.

    Args:
        url: as configured; it is opaque, an operation is appended (C-28, T-44).
        ca_identifier: sent as ``message`` with every operation but PKIOperation; empty: nothing
            is sent (T-14).
    """

    __slots__ = ("_identifier", "_unsupported_count", "_url")

    def __init__(self, url: str, *, ca_identifier: str = "") -> None:
        self._url = url
        self._identifier = quote(ca_identifier, safe="") if ca_identifier else None
        self._unsupported_count = 0

    def fetch_capabilities(self) -> Exchange[Capabilities]:
        """GetCACaps. A server that does not know the operation has no capabilities.

        It says so with a 4xx, with nothing at all, or with something that is no list. What may
        pass (a timeout, half an answer, a busy or broken server) is no answer: the next one may
        list what makes the request better. Only a server that says 500 or 501 three times in a
        row is believed.

        Raises:
            TransportError: no answer, or one that says nothing about the capabilities.

        Spec: RFC 8894 §3.5.2; checklist C-24, T-32.
        """
        try:
            response = yield self._get(Operation.GET_CA_CAPS, self._identifier)
            capabilities = parse_capabilities(check_response(response, "GetCACaps"))
        except HttpStatusError as error:
            if not self._is_unsupported(error):
                raise
            capabilities = NO_CAPABILITIES
        except (UnusableReplyError, NoAnswerError):
            capabilities = NO_CAPABILITIES
        self._unsupported_count = 0
        return capabilities

    def fetch_ca_certificates(self) -> Exchange[tuple[bytes, ...]]:
        """GetCACert: every certificate of the answer, DER, in the order of the wire.

        Raises:
            TransportError: no answer, or one without certificates.
        """
        response = yield self._get(Operation.GET_CA_CERT, self._identifier)
        body = check_response(response, "GetCACert")
        try:
            certificates = read_certs_only(body)
        except ScepError as error:
            raise UnusableReplyError(
                f"GetCACert: the answer holds no certificates: {clean_text(str(error))}"
            ) from error
        if not certificates:
            raise UnusableReplyError("GetCACert: the answer holds no certificates")
        return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)

    def fetch_next_ca(self) -> Exchange[bytes]:
        """GetNextCACert: the signed body, unread.

        Only the current CA's signature makes it worth reading; `core.rollover.judge_next_ca`
        holds it against that.

        Raises:
            TransportError: no answer, or an HTTP error, with which servers say that there is no
                next CA.

        Spec: RFC 8894 §4.7; checklist 14, C-31.
        """
        response = yield self._get(Operation.GET_NEXT_CA_CERT, self._identifier)
        return check_response(response, "GetNextCACert")

    def send_message(self, message_der: bytes, *, use_post: bool) -> Exchange[bytes]:
        """PKIOperation: body of the answer, whatever it claims to be.

        Raises:
            TransportError: no answer, or one that cannot be a CertRep.

        Spec: RFC 8894 §4.1, §4.3 (C-26, C-27).
        """
        if use_post:
            request = HttpRequest(
                method="POST",
                url=self._operation_url(Operation.PKI_OPERATION, None),
                body=message_der,
                content_type=PKI_MESSAGE_TYPE,
            )
        else:
            request = self._get(Operation.PKI_OPERATION, encode_get_message(message_der))
        response = yield request
        return check_response(response, "PKIOperation")

    def _is_unsupported(self, error: HttpStatusError) -> bool:
        """Whether a status of GetCACaps means that the server does not know the operation."""
        if error.status in _UNSUPPORTED:
            self._unsupported_count += 1
            return self._unsupported_count >= _UNSUPPORTED_AFTER
        self._unsupported_count = 0
        return not error.is_retryable and error.status not in _REDIRECTS

    def _get(self, operation: Operation, message: str | None) -> HttpRequest:
        return HttpRequest(method="GET", url=self._operation_url(operation, message))

    def _operation_url(self, operation: Operation, message: str | None) -> str:
        try:
            return operation_url(self._url, build_query(operation, message=message))
        except UrlError as error:
            raise TransportError(
                str(error), is_retryable=False, cause=FailureCause.CONFIGURATION
            ) from error
