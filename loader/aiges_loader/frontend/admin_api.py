"""The routes for operators, on a listener of their own: see, drain, reload, restart."""

import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import parse_qsl, urlsplit

import orjson
from aiohttp import web

from aiges_loader.frontend.answer_fields import SERVER_NAME
from aiges_loader.frontend.request_tally import RequestTally
from aiges_loader.pool.batching import BatchTally
from aiges_loader.pool.status import ServiceStatus
from aiges_loader.reloading import Reloaded

log = logging.getLogger(__name__)

_JSON: Final = {"Content-Type": "application/json", "Server": SERVER_NAME}
_PLAIN: Final = {"Content-Type": "text/plain", "Server": SERVER_NAME}
_RESTART: Final = re.compile(r"/workers/([0-9]{1,9})/restart")
_START_FIRST: Final = "start-first"
_STOP_FIRST: Final = "stop-first"
"""Which process of a worker that is restarted comes first, the new or the old."""
PROBES: Final = ("/livez", "/readyz")
"""Open to everybody: what probes the service may not know its token, and learns one bit."""


class UnknownWorkerError(Exception):
    """There is no worker of that number."""


class LeavingError(Exception):
    """The service was told to end, so nothing else is begun."""


class AdminActions(Protocol):
    """What operators can see and do."""

    @property
    def is_ready(self) -> bool:
        """Whether calls are taken."""

    @property
    def tally(self) -> RequestTally:
        """What happened to requests so far."""

    @property
    def batches(self) -> BatchTally:
        """The batches so far."""

    @property
    def sessions_ended(self) -> Mapping[int, int]:
        """Sessions that have ended, by code."""

    async def status(self) -> ServiceStatus:
        """Return the status at this moment."""

    def drain(self) -> None:
        """Finish what has begun and end, as after SIGTERM. Safe to call twice."""

    async def reload(self) -> Reloaded:
        """Live by the configuration as it now is; raise `LeavingError`."""

    async def restart_worker(self, number: int, *, stop_first: bool) -> str:
        """Replace a worker without losing a call, and take over what its wrapper says of itself.

        Args:
            number: Of the worker.
            stop_first: The old process goes before the new one is started; calls wait meanwhile.

        Returns:
            Why it was not replaced, and what is there instead; "" if it was.

        Raises:
            UnknownWorkerError: There is none of that number.
            LeavingError: The service is ending.
        """


Answer = Callable[[], Awaitable[web.Response]]


class AdminApi:
    """Answers every request of the admin port."""

    def __init__(self, actions: AdminActions, *, token: str) -> None:
        """Make an API; `token` "" asks callers for none."""
        self._actions = actions
        self._token = token.encode()
        self._routes: Mapping[str, tuple[str, Answer]] = {
            "/livez": ("GET", self._livez),
            "/readyz": ("GET", self._readyz),
            "/status": ("GET", self._status),
            "/metrics": ("GET", self._metrics),
            "/drain": ("POST", self._drain),
            "/reload": ("POST", self._reload),
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path, _, query = request.raw_path.partition("?")
        if path not in PROBES and not self._is_allowed(request):
            answer = _problem(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        restart = _RESTART.fullmatch(path)
        method, answering = self._routes.get(path, ("POST", None))
        if restart:
            answering = lambda: self._restart(int(restart[1]), query)  # noqa: E731
        if answering is None:
            return _problem(HTTPStatus.NOT_FOUND, f"there is nothing at {path}")
        if request.method != method and (request.method, method) != ("HEAD", "GET"):
            answer = _problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{path} takes {method}")
            answer.headers["Allow"] = method
            return answer
        if method == "POST":
            if _is_of_another_site(request):
                return _problem(HTTPStatus.FORBIDDEN, "pages of other sites may not do this")
            log.info("admin request from=%s path=%s", request.remote, path)
        return await answering()

    def _is_allowed(self, request: web.BaseRequest) -> bool:
        if not self._token:
            return True
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        shown_bytes = shown.strip().encode("utf-8", "surrogateescape")
        return scheme.lower() == "bearer" and hmac.compare_digest(shown_bytes, self._token)

    async def _livez(self) -> web.Response:
        return web.Response(body=b"ok\n", headers=_PLAIN)

    async def _readyz(self) -> web.Response:
        if self._actions.is_ready:
            return web.Response(body=b"ready\n", headers=_PLAIN)
        return web.Response(status=503, body=b"not ready\n", headers=_PLAIN)

    async def _status(self) -> web.Response:
        return _json(HTTPStatus.OK, await self._actions.status())

    async def _metrics(self) -> web.Response:
        from aiges_loader.frontend.metrics import (  # noqa: PLC0415 - 40 ms that not every start needs
            CONTENT_TYPE,
            exposition,
        )

        actions = self._actions
        body = exposition(
            await actions.status(), actions.tally, actions.batches, actions.sessions_ended
        )
        return web.Response(body=body, headers={**_PLAIN, "Content-Type": CONTENT_TYPE})

    async def _drain(self) -> web.Response:
        self._actions.drain()
        return _json(HTTPStatus.ACCEPTED, {"state": "draining"})

    async def _reload(self) -> web.Response:
        try:
            outcome = await self._actions.reload()
        except LeavingError:
            return _leaving()
        problems = {"problems": outcome.problems}
        if outcome.done:
            return _json(HTTPStatus.OK, {"reloaded": True, **problems})
        text = "not reloaded, the configuration stays as it was"
        return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, text, problems)

    async def _restart(self, number: int, query: str) -> web.Response:
        order = dict(parse_qsl(query, keep_blank_values=True)).get("order", _START_FIRST)
        if order not in (_START_FIRST, _STOP_FIRST):
            text = f"order is {_START_FIRST} or {_STOP_FIRST}, not {order!r}"
            return _problem(HTTPStatus.BAD_REQUEST, text)
        stop_first = order == _STOP_FIRST
        try:
            problem = await self._actions.restart_worker(number, stop_first=stop_first)
        except UnknownWorkerError:
            return _problem(HTTPStatus.NOT_FOUND, f"there is no worker {number}")
        except LeavingError:
            return _leaving()
        if problem:
            return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, problem)
        return _json(HTTPStatus.OK, {"restarted": number})


def _is_of_another_site(request: web.BaseRequest) -> bool:
    """Say whether a browser sends this for somebody else's page, which needs no token of ours."""
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("Host")


def _leaving() -> web.Response:
    return _problem(HTTPStatus.CONFLICT, "the service is draining")


def _problem(
    status: HTTPStatus, text: str, more: Mapping[str, object] | None = None
) -> web.Response:
    return _json(status, {"error": text, **(more or {})})


def _json(status: HTTPStatus, value: object) -> web.Response:
    body = orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2)
    return web.Response(status=status, body=body + b"\n", headers=_JSON)
