"""The routes for operators, on a listener of their own: see, drain, reload, restart; the console.

Who may ask: with a token, whoever shows it, pages of other sites included, since no browser adds it
by itself. Without one, this machine's programs, but no page of another site.
"""

import hmac
import ipaddress
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import parse_qs, urlsplit

import orjson
from aiohttp import web

from aiges_loader.frontend import console_files
from aiges_loader.frontend.answer_fields import SERVER_NAME
from aiges_loader.frontend.request_tally import RequestTally
from aiges_loader.pool.batching import BatchTally
from aiges_loader.pool.status import CrashReport, Sample, ServiceStatus
from aiges_loader.recent_logs import LogPage
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

MAX_LOGS: Final = 500
"""Log records in an answer where the caller sets no limit."""

_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
"""What a page of any site can send anywhere, without being asked about it first."""

_TO_PAGES: Final = {"Access-Control-Allow-Origin": "*"}
_PREFLIGHT: Final = {
    **_TO_PAGES,
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
    "Server": SERVER_NAME,
}


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

    def history(self) -> Sequence[Sample]:
        """Return moments of the last minutes, the oldest first."""

    def crashes(self) -> Sequence[CrashReport]:
        """Return the last deaths of all workers, newest first."""

    def logs(self, after: int, limit: int) -> LogPage:
        """Return the newest log records, at most `limit`, of those that follow record `after`."""

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


Answer = Callable[[web.BaseRequest], Awaitable[web.Response]]


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
            "/history": ("GET", self._history),
            "/crashes": ("GET", self._crashes),
            "/logs": ("GET", self._logs),
            "/drain": ("POST", self._drain),
            "/reload": ("POST", self._reload),
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        answer = await self._answer(request)
        if self._token:
            answer.headers.update(_TO_PAGES)
        return answer

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path = request.raw_path.partition("?")[0]
        if request.method in ("GET", "HEAD") and (page := _page(path)):
            return page  # to everybody: no browser shows a token here, and it tells nothing
        if request.method == "OPTIONS" and self._token:
            return web.Response(status=HTTPStatus.NO_CONTENT, headers=_PREFLIGHT)
        if path not in PROBES and (refusal := self._refusal(request)):
            return refusal
        method, answering = self._routes.get(path, ("POST", None))
        if _RESTART.fullmatch(path):
            answering = self._restart
        if answering is None:
            return _problem(HTTPStatus.NOT_FOUND, f"there is nothing at {path}")
        if request.method != method and (request.method, method) != ("HEAD", "GET"):
            answer = _problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{path} takes {method}")
            answer.headers["Allow"] = method
            return answer
        if method == "POST":
            log.info("admin request from=%s path=%s", request.remote, path)
        return await answering(request)

    def _refusal(self, request: web.BaseRequest) -> web.Response | None:
        """Return the answer to somebody who may not ask for this; None if they may."""
        if not self._token:
            return _refusal_without_token(request)
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        shown_bytes = shown.strip().encode("utf-8", "surrogateescape")
        if scheme.lower() == "bearer" and hmac.compare_digest(shown_bytes, self._token):
            return None
        answer = _problem(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    async def _livez(self, _request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"ok\n", headers=_PLAIN)

    async def _readyz(self, _request: web.BaseRequest) -> web.Response:
        if self._actions.is_ready:
            return web.Response(body=b"ready\n", headers=_PLAIN)
        return web.Response(status=503, body=b"not ready\n", headers=_PLAIN)

    async def _status(self, _request: web.BaseRequest) -> web.Response:
        return _json(HTTPStatus.OK, await self._actions.status())

    async def _metrics(self, _request: web.BaseRequest) -> web.Response:
        from aiges_loader.frontend.metrics import (  # noqa: PLC0415 - 40 ms that not every start needs
            CONTENT_TYPE,
            exposition,
        )

        actions = self._actions
        body = exposition(
            await actions.status(), actions.tally, actions.batches, actions.sessions_ended
        )
        return web.Response(body=body, headers={**_PLAIN, "Content-Type": CONTENT_TYPE})

    async def _history(self, _request: web.BaseRequest) -> web.Response:
        return _json(HTTPStatus.OK, {"samples": self._actions.history()})

    async def _crashes(self, _request: web.BaseRequest) -> web.Response:
        return _json(HTTPStatus.OK, {"crashes": self._actions.crashes()})

    async def _logs(self, request: web.BaseRequest) -> web.Response:
        try:
            after = _number(request, "after", 0)
            limit = _number(request, "limit", MAX_LOGS)
        except ValueError as error:
            return _problem(HTTPStatus.BAD_REQUEST, str(error))
        return _json(HTTPStatus.OK, self._actions.logs(after, limit))

    async def _drain(self, _request: web.BaseRequest) -> web.Response:
        self._actions.drain()
        return _json(HTTPStatus.ACCEPTED, {"state": "draining"})

    async def _reload(self, _request: web.BaseRequest) -> web.Response:
        try:
            outcome = await self._actions.reload()
        except LeavingError:
            return _leaving()
        problems = {"problems": outcome.problems}
        if outcome.done:
            return _json(HTTPStatus.OK, {"reloaded": True, **problems})
        text = "not reloaded, the configuration stays as it was"
        return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, text, problems)

    async def _restart(self, request: web.BaseRequest) -> web.Response:
        named = _RESTART.match(request.raw_path)  # as it did to get here
        assert named is not None
        number = int(named[1])
        order = _query(request, "order", _START_FIRST)
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


def _refusal_without_token(request: web.BaseRequest) -> web.Response | None:
    """Refuse what a browser may be sending for somebody else's page; None if it is none of that."""
    if name := _strange_name(request):
        # A page whose own name was made to lead here is, to the browser, a page of ours.
        text = f"without [admin] token only addresses and localhost lead here, not {name!r}"
        return _problem(HTTPStatus.FORBIDDEN, text)
    if request.method in ("GET", "HEAD"):
        return None  # changes nothing, and pages of other sites cannot read the answer
    if request.method == "OPTIONS" or _is_of_another_site(request):
        text = "pages of other sites may not do this; once [admin] token is set, who shows it may"
        return _problem(HTTPStatus.FORBIDDEN, text)
    if request.content_type in _FORMS:
        text = "send no body, or Content-Type: application/json"
        return _problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text)
    return None


def _strange_name(request: web.BaseRequest) -> str:
    """Return the name that the client knows us by, "" if it is an address or localhost."""
    try:
        name = urlsplit(f"//{request.headers.get('Host', '')}").hostname or "localhost"
        if name == "localhost" or name.endswith(".localhost"):
            return ""
        ipaddress.ip_address(name)
    except ValueError:
        return request.headers.get("Host", "")
    return ""


def _is_of_another_site(request: web.BaseRequest) -> bool:
    """Say whether a browser sends this for somebody else's page."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        return True
    return request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none")


def _page(path: str) -> web.Response | None:
    """Return a part of the console, to which / leads as well."""
    wanted = console_files.ROOT.rstrip("/") if path == "/" else path
    return console_files.page(wanted, console_files.Port.ADMIN)


def _query(request: web.BaseRequest, name: str, default: str) -> str:
    """Read a value of the query; the last counts."""
    query = request.raw_path.partition("?")[2]
    return parse_qs(query, keep_blank_values=True).get(name, [default])[-1]


def _number(request: web.BaseRequest, name: str, default: int) -> int:
    """Read a number of the query; raise `ValueError` that names it."""
    text = _query(request, name, str(default))
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise ValueError(f"{name}: expected a whole number, got {text!r}")
    return int(text)


def _leaving() -> web.Response:
    return _problem(HTTPStatus.CONFLICT, "the service is draining")


def _problem(
    status: HTTPStatus, text: str, more: Mapping[str, object] | None = None
) -> web.Response:
    return _json(status, {"error": text, **(more or {})})


def _json(status: HTTPStatus, value: object) -> web.Response:
    body = orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2)
    return web.Response(status=status, body=body + b"\n", headers=_JSON)
