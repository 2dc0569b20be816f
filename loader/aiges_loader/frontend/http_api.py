"""The HTTP routes: once calls, the service's description, probes. Sits on http_server.py.

Plain requests for inference never get here: quick_http.py answers them. Both use inference.py.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import quote, unquote

import orjson
from aiohttp import web

from aiges_loader.errors import BodyTooLargeError, CallError, NoWorkerError
from aiges_loader.frontend import console_files, outage_page, sse_api, swagger
from aiges_loader.frontend.answer_fields import CORS, JSON, SERVER_NAME, answer_head, fields_of
from aiges_loader.frontend.codec import Check
from aiges_loader.frontend.example import example_request
from aiges_loader.frontend.inference import Backend, HttpAnswer, HttpSettings, Inference, new_sid
from aiges_loader.frontend.json_reader import Json
from aiges_loader.frontend.openapi import openapi
from aiges_loader.frontend.request_tally import RequestTally
from aiges_loader.frontend.schema import Service, parse_schema
from aiges_loader.frontend.ws_api import Described, SessionApi

log = logging.getLogger(__name__)

_JSON_UTF8: Final = {**JSON, "Content-Type": "application/json; charset=utf-8"}
_EVENT_FIELDS: Final = {**CORS, "Server": SERVER_NAME}
_PLAIN: Final = {"Content-Type": "text/plain", "Server": SERVER_NAME}
PREFLIGHT_AGE_S: Final = 600


class Workers(Backend, Protocol):
    """What the pages need of the pool besides."""

    @property
    def outage(self) -> str:
        """Why no worker will come before somebody acts, in lines; "" if it is not so."""

    async def wait_for_worker(self) -> None:
        """Return when there is a worker; raise `CallError` if there will be none soon."""


class HttpApi:
    """Answers every request of the public HTTP port.

    Attributes:
        draining: The service was told to end.
        inference: Answers requests for it.
        sessions: Serves those who want more than one answer.
        request_schema: What requests are checked against; None: they are not.

    Until `describe` is called only the probes have answers; anything else waits for it, like a
    call waits for a worker.
    """

    def __init__(self, backend: Workers, settings: HttpSettings, sessions: SessionApi) -> None:
        """Make an API that knows no routes yet."""
        self.draining = False
        self.sessions = sessions
        self.inference = Inference(backend, settings)
        self.request_schema: Mapping[str, Json] | None = None
        self._backend = backend
        self._described = asyncio.Event()
        self._inference: frozenset[str] = frozenset()
        self._quick_routes: frozenset[bytes] = frozenset()
        self._documents: Mapping[str, bytes] = {}

    @property
    def settings(self) -> HttpSettings:
        """What the routes need of the configuration; may be replaced at any time."""
        return self.inference.settings

    @settings.setter
    def settings(self, settings: HttpSettings) -> None:
        self.inference.settings = settings

    @property
    def tally(self) -> RequestTally:
        """What happened to requests for inference so far."""
        return self.inference.tally

    def is_inference(self, path: bytes) -> bool:
        """Say whether a POST to `path`, as it stands in a request, is one for inference."""
        return path in self._quick_routes

    def answer_head(self, answer: HttpAnswer) -> bytes:
        """Write the status line and header fields of an answer."""
        return answer_head(answer)

    @property
    def is_ready(self) -> bool:
        """Whether calls are taken."""
        return self._backend.is_ready and self._described.is_set() and not self.draining

    def describe(self, text: str) -> tuple[str, ...]:
        """Take the wrapper's schema; return the inference routes that it gives.

        Raises:
            SchemaError: The text is no description of a service.
        """
        service = parse_schema(text, service_name=self.settings.service)
        document = openapi(service)
        schema, check = _check_of(service) if self.settings.validate else (None, None)
        self._inference = frozenset(service.routes)
        self._quick_routes = frozenset(route.encode() for route in service.routes)
        self.inference.inputs = tuple(service.inputs)
        self.request_schema, self.inference.check = schema, check
        self.sessions.described = Described(
            service.sub, tuple(service.inputs), service.attribute_kinds, check
        )
        self._documents = {
            "/openapi.json": document,
            "/swagger/doc.json": document,
            "/test.json": orjson.dumps(example_request(service), option=orjson.OPT_INDENT_2),
        }
        self._described.set()
        return service.routes

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        began = time.perf_counter()
        response = await self._answer(request)
        if self.draining:
            response.force_close()
        if log.isEnabledFor(logging.DEBUG):
            taken_ms = 1000 * (time.perf_counter() - began)
            what = (request.remote, request.method, request.raw_path, response.status, taken_ms)
            log.debug("request from=%s method=%s path=%s status=%d ms=%.1f", *what)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = _path_of(request)
        if path in self._inference:
            return await self._infer(request)
        if path in ("/livez", "/readyz") and request.method in ("GET", "HEAD"):
            return self._probe(path)
        if path == "/ping" and _wants_websocket(request):
            return await self.sessions.echo(request)
        if request.method in ("GET", "HEAD") and (
            page := console_files.page(path, console_files.Port.SERVICE)
        ):
            return page
        if not self._described.is_set():
            return await self._wait_and_answer(request)
        return self._page(request, path)

    async def _wait_and_answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Hold a request that came before we know our routes."""
        limit_s = self.settings.restart_wait_s
        try:
            await self._backend.wait_for_worker()
            async with asyncio.timeout(limit_s):
                await self._described.wait()
        except CallError as error:
            failure = _response(self.inference.failure(error, new_sid()))
            return self._outage_page(request) or failure
        except TimeoutError:
            late = NoWorkerError(f"none within {limit_s:g} s")
            return _response(self.inference.failure(late, new_sid()))
        return await self._answer(request)

    # Inference:

    async def _infer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "POST":
            if sse_api.is_wanted(request):
                return await self._events(request)
            return await self._once(request)
        if _wants_websocket(request):
            return await self.sessions.serve(request)
        return _preflight() if request.method == "OPTIONS" else _not_found()

    async def _once(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = self.inference.begin()
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                body = await self._body(request)
                return _response(await self.inference.answer(asked, body))
        except TimeoutError:
            return _response(self.inference.late(asked))
        except CallError as error:
            return _response(self.inference.fail(asked, error))
        finally:
            self.inference.drop(asked)

    async def _events(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = self.inference.begin()
        sid = self.sessions.new_sid()
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                body = await self._body(request)
            response = await sse_api.serve(self.sessions, request, body, sid, _EVENT_FIELDS)
        except TimeoutError:
            return _response(self.inference.late(asked))
        except CallError as error:
            return _response(self.inference.fail(asked, error))
        except ConnectionResetError:
            return web.Response()  # to nobody: the client has gone
        else:
            self.inference.done(asked)
            return response
        finally:
            self.inference.drop(asked)

    async def _body(self, request: web.BaseRequest) -> bytes:
        """Read the body; refuse it unread where its announced length is too much."""
        limit = self.settings.max_body_bytes
        too_large = BodyTooLargeError(f"more than {limit} bytes")
        if (request.content_length or 0) > limit:
            raise too_large
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            return await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise too_large from None

    # Everything else:

    def _probe(self, path: str) -> web.Response:
        """Say that the loop turns, or whether calls are taken."""
        if path == "/livez":
            return web.Response(body=b"ok\n", headers=_PLAIN)
        if self.is_ready:
            return web.Response(body=b"ready\n", headers=_PLAIN)
        return web.Response(status=503, body=b"not ready\n", headers=_PLAIN)

    def _page(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        method = request.method
        if path == "/":
            home = _redirect(HTTPStatus.FOUND, "/swagger/index.html", method)
            return self._outage_page(request) or home
        if method == "POST" and path.removesuffix("/") in self._inference:
            target = path.removesuffix("/")
            query = request.raw_path.partition("?")[2]
            location = f"{quote(target)}?{query}" if query else quote(target)
            return _redirect(HTTPStatus.TEMPORARY_REDIRECT, location, method)
        if path in self._documents and method == "OPTIONS":
            return _preflight()
        if method not in ("GET", "HEAD"):
            return _not_found()
        if path in self._documents:
            return web.Response(body=self._documents[path], headers=_JSON_UTF8)
        return _other_page(path, method)

    def _outage_page(self, request: web.BaseRequest) -> web.Response | None:
        """Show an author who looks why there is no worker; None if there is, or nobody looks."""
        outage = self._backend.outage
        return outage_page.page(outage) if outage and outage_page.is_wanted(request) else None


def _check_of(service: Service) -> tuple[Mapping[str, Json], Check]:
    from aiges_loader.frontend import request_check  # noqa: PLC0415 - needs an extra

    schema = request_check.request_schema(service)
    return schema, request_check.RequestCheck(schema)


def _wants_websocket(request: web.BaseRequest) -> bool:
    return request.method == "GET" and request.headers.get("Upgrade", "").lower() == "websocket"


def _path_of(request: web.BaseRequest) -> str:
    """Return the decoded path; a whole URL in its place, as for a proxy, is taken as well."""
    target = request.raw_path
    if not target.startswith("/"):
        target = request.rel_url.raw_path
    return unquote(target.partition("?")[0])


def _response(answer: HttpAnswer) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body, headers=fields_of(answer))
    if answer.hang_up:
        response.force_close()
    return response


def _other_page(path: str, method: str) -> web.StreamResponse:
    """Answer a GET or HEAD for what is the same for every service."""
    if path == "/swagger":
        return _redirect(HTTPStatus.MOVED_PERMANENTLY, "/swagger/", method)
    if path.startswith("/swagger/"):
        return swagger.page(path.removeprefix("/swagger/"))
    if path in ("/demo", "/demo/"):  # where the page was that the console has replaced
        return _redirect(HTTPStatus.MOVED_PERMANENTLY, console_files.ROOT, method)
    if path == "/ping":  # a WebSocket route
        return web.Response(status=400, body=b"Bad Request", headers=_PLAIN)
    return _not_found()


def _preflight() -> web.Response:
    headers = {**CORS, "Access-Control-Max-Age": str(PREFLIGHT_AGE_S), "Server": SERVER_NAME}
    return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)


def _not_found() -> web.Response:
    return web.Response(status=404, body=b"404 page not found", headers=_PLAIN)


def _redirect(status: HTTPStatus, location: str, method: str) -> web.Response:
    headers = {"Location": location, "Server": SERVER_NAME}
    if method not in ("GET", "HEAD"):
        return web.Response(status=status, headers=headers)
    headers["Content-Type"] = "text/html; charset=utf-8"
    text = f'<a href="{location}">{status.phrase}</a>.\n\n'
    return web.Response(status=status, body=text.encode(), headers=headers)
