"""The server without a socket: one HTTP request in, one response out.

``Responder.respond`` may be called from several threads at once: what it changes goes through the
depot, one transaction at a time, and everything else is made at start and never changed.

Spec: RFC 8894 §4; checklist 19, 20, S-10; NDES 2; feature rows A16, A19, A20.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import unquote

from sceplab_ndes.armour import remove_armour
from sceplab_ndes.ca_reply import capabilities_body
from sceplab_ndes.events import EventSink, ServerEvent
from sceplab_ndes.exchange import ScepHttpRequest, ScepHttpResponse
from sceplab_ndes.generations import Generations
from sceplab_ndes.message_desk import MessageRefusedError
from sceplab_ndes.pages import encode_page, general_page
from sceplab_ndes.settings import ServerProfile
from sceplab_scep.algorithms import Floor
from sceplab_scep.errors import RemoteProtocolError
from sceplab_scep.operations import (
    NEXT_CA_TYPE,
    PKI_MESSAGE_TYPE,
    Operation,
    decode_get_message,
    parse_query,
)

HTML_TYPE = "text/html"
TEXT_TYPE = "text/plain; charset=utf-8"


class Responder:
    """Answers requests of devices and browsers.

    Args:
        profile: how this server behaves.
        floor: algorithms below it are refused.
        generations: the CAs that answer.
        events: told what happened.
        host: name for pages when a client sends no ``Host``.
    """

    def __init__(
        self,
        profile: ServerProfile,
        floor: Floor,
        *,
        generations: Generations,
        events: EventSink,
        host: str,
    ) -> None:
        self.profile = profile
        self.floor = floor
        self._http = profile.http
        self._scep_paths = frozenset(path.lower() for path in profile.http.paths)
        self._admin_paths = frozenset(path.lower() for path in profile.http.admin_paths)
        self._generations = generations
        self._events = events
        self._host = host
        self._capabilities = {
            has_next: self._response(
                200,
                capabilities_body(profile.capabilities, floor, has_next_ca=has_next),
                profile.capabilities.content_type,
            )
            for has_next in (False, True)
        }
        self._operations: dict[Operation, Callable[..., ScepHttpResponse]] = {
            Operation.GET_CA_CAPS: self._get_capabilities,
            Operation.GET_CA_CERT: self._get_ca_certificate,
            Operation.PKI_OPERATION: self._pki_operation,
        }
        if profile.capabilities.next_ca:
            self._operations[Operation.GET_NEXT_CA_CERT] = self._get_next_ca

    def respond(self, request: ScepHttpRequest, now: datetime) -> ScepHttpResponse:
        """Answers one request. Bad input gets an answer, never an exception.

        Args:
            request: what the client sent.
            now: current time, aware UTC.
        """
        if request.method not in {"GET", "POST"}:
            refused = self._refuse_http(request, now, 405, "only GET and POST")
            return self._with_headers(refused, {"Allow": "GET, POST"})
        self._generations.current(now)  # whoever comes first after a switch has it told
        path = unquote(request.path).lower()
        if path in self._admin_paths:
            return self._admin(request, now)
        if path in self._scep_paths:
            return self._scep(request, now)
        files = (one.publication.file(request.path, now) for one in self._generations.all())
        published = next(filter(None, files), None)
        if published is not None:
            content_type, content = published
            kind = "crl.sent" if path.endswith(".crl") else "certificate.sent"
            self._events(ServerEvent(kind=kind, at=now, peer=request.peer))
            return self._response(200, content, content_type)
        if self._http.any_path and (request.method == "POST" or "operation" in request.raw_query):
            return self._scep(request, now)
        return self._refuse_http(request, now, 404, "nothing here; SCEP is at /scep")

    # --- SCEP -------------------------------------------------------------------------------------

    def _scep(self, request: ScepHttpRequest, now: datetime) -> ScepHttpResponse:
        try:
            operation, message = parse_query(request.raw_query)
        except RemoteProtocolError as error:
            return self._refuse_http(request, now, 400, str(error))
        if operation is None:
            if request.method == "POST":  # RFC 8894 §4.3: many send no operation
                return self._pki_operation(request, message, now)
            return self._general(request, now)
        serve = self._operations.get(operation)
        if serve is None:
            return self._refuse_http(
                request, now, 400, f"operation {operation.value} is not served here"
            )
        if self._http.require_message and message is None:
            return self._refuse_http(request, now, 400, "the message parameter is missing")
        return serve(request, message, now)

    def _get_capabilities(
        self, request: ScepHttpRequest, _message: str | None, now: datetime
    ) -> ScepHttpResponse:
        self._events(
            ServerEvent(kind="capabilities.sent", at=now, peer=request.peer, operation="GetCACaps")
        )
        return self._capabilities[self._generations.next(now) is not None]

    def _get_ca_certificate(
        self, request: ScepHttpRequest, _message: str | None, now: datetime
    ) -> ScepHttpResponse:
        self._events(
            ServerEvent(
                kind="ca_certificate.sent", at=now, peer=request.peer, operation="GetCACert"
            )
        )
        reply = self._generations.ca_reply(now)
        return self._response(200, reply.body(), reply.content_type)

    def _get_next_ca(
        self, request: ScepHttpRequest, _message: str | None, now: datetime
    ) -> ScepHttpResponse:
        """Spec: RFC 8894 §4.7; checklist 14, S-20."""
        body = self._generations.next_ca_body(now)
        if body is None:
            return self._refuse_http(request, now, 404, "there is no next CA certificate")
        self._events(
            ServerEvent(kind="next_ca.sent", at=now, peer=request.peer, operation="GetNextCACert")
        )
        return self._response(200, body, NEXT_CA_TYPE)

    def _pki_operation(
        self, request: ScepHttpRequest, message: str | None, now: datetime
    ) -> ScepHttpResponse:
        try:
            data = request.body if request.method == "POST" else decode_get_message(message or "")
            desk = self._generations.addressed(remove_armour(data), now).messages
            reply = desk.answer(data, now, peer=request.peer)
        except (MessageRefusedError, RemoteProtocolError) as error:
            return self._malformed(request, now, error)
        return self._response(200, reply, PKI_MESSAGE_TYPE)

    def _malformed(
        self, request: ScepHttpRequest, now: datetime, error: Exception
    ) -> ScepHttpResponse:
        """The answer to what no CertRep can answer. Spec: checklist S-40; NDES 5.1 (T4, T5)."""
        if isinstance(error, MessageRefusedError) and error.is_for_others:
            status = self._http.wrong_recipient_status
        else:
            status = self._http.malformed_status
        self._events(
            ServerEvent(
                kind="http.refused",
                at=now,
                peer=request.peer,
                operation="PKIOperation",
                status=status,
                detail=str(error),
            )
        )
        if self._http.malformed_body == "general-page":
            return self._page(status, request)
        return self._response(status, f"{error}\n".encode(), TEXT_TYPE)

    # --- pages ------------------------------------------------------------------------------------

    def _admin(self, request: ScepHttpRequest, now: datetime) -> ScepHttpResponse:
        admin_page = self._generations.current(now).admin_page
        user = admin_page.log_on(request.headers.get("authorization", ""))
        if user is None:
            refused = self._refuse_http(request, now, 401, "log on first", kind="login.refused")
            realm = request.headers.get("host", self._host).replace('"', "")
            return self._with_headers(refused, {"WWW-Authenticate": f'Basic realm="{realm}"'})
        if "operation" in request.raw_query.lower():
            return self._scep(request, now)  # both virtual directories lead to the same program
        page = admin_page.page(user, now)
        self._events(ServerEvent(kind=page.kind, at=now, peer=request.peer, user=user.name))
        return self._response(200, page.body, HTML_TYPE)

    def _general(self, request: ScepHttpRequest, now: datetime) -> ScepHttpResponse:
        self._events(ServerEvent(kind="page.general", at=now, peer=request.peer))
        return self._page(200, request)

    def _page(self, status: int, request: ScepHttpRequest) -> ScepHttpResponse:
        text = general_page(request.headers.get("host", self._host))
        body = encode_page(text, bom=self.profile.admin_page.bom)
        return self._response(status, body, HTML_TYPE)

    def _refuse_http(
        self,
        request: ScepHttpRequest,
        now: datetime,
        status: int,
        text: str,
        *,
        kind: str = "http.refused",
    ) -> ScepHttpResponse:
        self._events(ServerEvent(kind=kind, at=now, peer=request.peer, status=status, detail=text))
        return self._response(status, f"{text}\n".encode(), TEXT_TYPE)

    def _response(self, status: int, body: bytes, content_type: str) -> ScepHttpResponse:
        headers = {}
        if content_type:
            headers["Content-Type"] = content_type
        if self._http.server_header:
            headers["Server"] = self._http.server_header
        return ScepHttpResponse(status=status, headers=headers, body=body)

    @staticmethod
    def _with_headers(response: ScepHttpResponse, headers: dict[str, str]) -> ScepHttpResponse:
        return ScepHttpResponse(
            status=response.status, headers={**response.headers, **headers}, body=response.body
        )
