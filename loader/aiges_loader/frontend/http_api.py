"""The HTTP routes: once calls, the service's description, probes. Sits on http_server.py."""

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import quote, unquote

import orjson
from aiohttp import web

from aiges_loader.calls import Call, Reply
from aiges_loader.errors import (
    BodyTooLargeError,
    CallError,
    DeadlineError,
    NoWorkerError,
)
from aiges_loader.frontend import codec, swagger
from aiges_loader.frontend.example import example_request
from aiges_loader.frontend.http_server import SERVER_NAME
from aiges_loader.frontend.openapi import openapi
from aiges_loader.frontend.request_tally import NO_ANSWER, RequestTally
from aiges_loader.frontend.schema import parse_schema
from aiges_wire.codes import Code

log = logging.getLogger(__name__)

CORS: Final[Mapping[str, str]] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET, OPTIONS, PUT, DELETE, UPDATE",
    "Access-Control-Allow-Headers": (
        "Origin, X-Requested-With, Content-Type, Accept, Authorization"
    ),
    "Access-Control-Expose-Headers": (
        "Content-Length, Access-Control-Allow-Origin, Access-Control-Allow-Headers, "
        "Cache-Control, Content-Language, Content-Type"
    ),
    "Access-Control-Allow-Credentials": "true",
}
"""On every answer of an inference route and on openapi.json, whatever the Origin."""

_JSON: Final = {**CORS, "Content-Type": "application/json", "Server": SERVER_NAME}
_JSON_UTF8: Final = {**_JSON, "Content-Type": "application/json; charset=utf-8"}
_PLAIN: Final = {"Content-Type": "text/plain", "Server": SERVER_NAME}
RETRY_AFTER_S: Final = 1
PREFLIGHT_AGE_S: Final = 600
CONVERTED_AT_ONCE_BYTES: Final = 256 << 10
"""What is larger is decoded or encoded in a thread, so that one client does not hold up others."""


class Backend(Protocol):
    """What the routes need of the pool."""

    @property
    def is_ready(self) -> bool:
        """Say whether enough workers take calls."""

    async def once(self, call: Call) -> Reply:
        """Run one call; raise `CallError`."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """What the routes need of the configuration.

    Attributes:
        service: The service's name; its route is /v1/<service>.
        header_pass: Names of request headers (members of `header`) that become params.
        timeout_s: Deadline of a call, from its request head on.
        max_body_bytes: Of one request.
        legacy_status: Answer 500 for every error, as the original does.
        restart_wait_s: How long a request waits for the first worker to come up.
    """

    service: str
    header_pass: tuple[str, ...]
    timeout_s: float
    max_body_bytes: int
    legacy_status: bool
    restart_wait_s: float


class HttpApi:
    """Answers every request of the public HTTP port.

    Attributes:
        draining: The service was told to end.
        tally: What happened to requests for inference so far.

    Until `describe` is called only the probes have answers; anything else waits for it, like a
    call waits for a worker.
    """

    def __init__(self, backend: Backend, settings: HttpSettings) -> None:
        """Make an API that knows no routes yet."""
        self.draining = False
        self.tally = RequestTally()
        self._backend = backend
        self.settings = settings
        self._described = asyncio.Event()
        self._inference: frozenset[str] = frozenset()
        self._inputs: tuple[str, ...] = ()
        self._documents: Mapping[str, bytes] = {}

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
        self._inference = frozenset(service.routes)
        self._inputs = tuple(service.inputs)
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
            if request.method == "POST":
                return await self._once(request)
            return _preflight() if request.method == "OPTIONS" else _not_found()
        if path in ("/livez", "/readyz") and request.method in ("GET", "HEAD"):
            return self._probe(path)
        if not self._described.is_set():
            return await self._wait_and_answer(request)
        return self._page(request, path)

    async def _wait_and_answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Hold a request that came before we know our routes."""
        limit_s = self.settings.restart_wait_s
        try:
            async with asyncio.timeout(limit_s):
                await self._described.wait()
        except TimeoutError:
            return self._failed(NoWorkerError(f"none within {limit_s:g} s"), new_sid())
        return await self._answer(request)

    # Inference:

    async def _once(self, request: web.BaseRequest) -> web.StreamResponse:
        began = time.perf_counter()
        code: int | str = NO_ANSWER
        self.tally.begin()
        try:
            code, response = await self._run(request, new_sid())
        finally:
            self.tally.end(code, time.perf_counter() - began)
        return response

    async def _run(self, request: web.BaseRequest, sid: str) -> tuple[int, web.Response]:
        """Run one call; return its code and the answer."""
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                body = await self._body(request)
                asked = await self._decode(body, sid)
                reply = await self._backend.once(asked.call)
                answer = await self._encode(reply, sid, asked.expectations)
        except TimeoutError:
            late = DeadlineError()
            return late.code, self._failed(late, sid)
        except CallError as error:
            return error.code, self._failed(error, sid)
        return Code.OK, web.Response(body=answer, headers=_JSON)

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

    async def _decode(self, body: bytes, sid: str) -> codec.Request:
        decode = partial(
            codec.decode_request,
            body,
            sid=sid,
            header_pass=self.settings.header_pass,
            declared_inputs=self._inputs,
        )
        if len(body) <= CONVERTED_AT_ONCE_BYTES:
            return decode()
        return await asyncio.get_running_loop().run_in_executor(None, decode)

    async def _encode(
        self, reply: Reply, sid: str, expectations: Mapping[str, codec.Expectation]
    ) -> bytes:
        encode = partial(codec.encode_reply, reply, sid, expectations)
        if sum(len(output.data) for output in reply.outputs) <= CONVERTED_AT_ONCE_BYTES:
            return encode()
        return await asyncio.get_running_loop().run_in_executor(None, encode)

    def _failed(self, error: CallError, sid: str) -> web.Response:
        status = error.status
        if self.settings.legacy_status:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
        response = web.Response(status=status, body=codec.encode_error(error, sid), headers=_JSON)
        if error.status is HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        if isinstance(error, BodyTooLargeError):
            response.force_close()  # the rest of the body is not worth reading
        return response

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
            return _redirect(HTTPStatus.FOUND, "/swagger/index.html", method)
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


def _path_of(request: web.BaseRequest) -> str:
    """Return the decoded path; a whole URL in its place, as for a proxy, is taken as well."""
    target = request.raw_path
    if not target.startswith("/"):
        target = request.rel_url.raw_path
    return unquote(target.partition("?")[0])


def new_sid() -> str:
    """Make the name of a call."""
    return str(uuid.uuid4())


def _other_page(path: str, method: str) -> web.StreamResponse:
    """Answer a GET or HEAD for what is the same for every service."""
    if path == "/swagger":
        return _redirect(HTTPStatus.MOVED_PERMANENTLY, "/swagger/", method)
    if path.startswith("/swagger/"):
        return swagger.page(path.removeprefix("/swagger/"))
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
