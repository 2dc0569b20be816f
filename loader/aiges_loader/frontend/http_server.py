"""An aiohttp server below its application layer: connections, limits, closing without loss.

Knows nothing of routes. `http_api.py` is the handler it calls.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from aiges_loader.frontend.quick_http import LINGERING_S, QuickConnection, Routes

log = logging.getLogger(__name__)

SERVER_NAME: Final = "aiges-loader"
BACKLOG: Final = 1024
MAX_FIELD_BYTES: Final = 64 << 10
"""Longest request line and longest header field; longer ones get a plain 400."""

MAX_HEADERS: Final = 1000

LAST_ANSWERS_S: Final = 1.0
"""How long answers that are ready may take to leave."""

FIRST_REQUEST_S: Final = 1.0
"""When the door closes: how long somebody who has just come in may take to speak."""

A_WEEK_S: Final = 7 * 86_400.0
"""As good as no limit; aiohttp takes no None."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What a client may take.

    Attributes:
        header_timeout_s: From the connection to its first whole request head; None is no limit.
        idle_timeout_s: Between two requests on one connection; None is no limit.
        max_body_bytes: Of one request.
    """

    header_timeout_s: float | None
    idle_timeout_s: float | None
    max_body_bytes: int


class HttpServer:
    """Accepts connections on one socket and calls a handler for each request.

    A handler is cancelled when its client goes away.
    """

    def __init__(
        self,
        listener: socket.socket,
        handler: Handler,
        limits: HttpLimits,
        *,
        quick: Routes | None = None,
    ) -> None:
        """Make it; `start` listens.

        Args:
            listener: A bound socket, taken over.
            handler: Answers requests.
            limits: What clients may take.
            quick: Routes whose plain requests are answered without the library.
        """
        self._listener = listener
        self._server = _Connections(handler, limits, quick)
        self._accepting: asyncio.Server | None = None

    @property
    def limits(self) -> HttpLimits:
        """What clients may take; another one holds for connections made from then on."""
        return self._server.limits

    @limits.setter
    def limits(self, limits: HttpLimits) -> None:
        self._server.limits = limits

    async def start(self) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        # A duplicate, so that closing the server leaves the queue of connections to us.
        self._accepting = await loop.create_server(
            self._server, sock=self._listener.dup(), backlog=BACKLOG
        )

    async def drain(self, limit_s: float) -> None:
        """Take in what the kernel has accepted, close the door, let running requests finish.

        Args:
            limit_s: How long they may take; those that take longer go on until `close`.
        """
        until = asyncio.get_running_loop().time() + limit_s
        if self._accepting is not None:
            self._accepting.close()
            await self._accept_the_rest()
        self._listener.close()
        await self._server.hear_everybody(min(FIRST_REQUEST_S, limit_s))
        self._server.close_idle()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._server.idle.wait()

    async def close(self) -> None:
        """Let the last answers out and close every connection."""
        await self._server.end(LAST_ANSWERS_S)

    async def _accept_the_rest(self) -> None:
        """Accept connections that were made but not yet accepted: closing would drop them."""
        loop = asyncio.get_running_loop()
        self._listener.setblocking(False)
        while True:
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            connection.setblocking(False)
            await loop.connect_accepted_socket(self._server, connection)


class _Connections(web.Server):
    """Makes our kind of connection and request."""

    def __init__(self, handler: Handler, limits: HttpLimits, quick: Routes | None) -> None:
        super().__init__(
            self._answer,
            request_factory=self._request,
            handler_cancellation=True,
            keepalive_timeout=limits.idle_timeout_s or A_WEEK_S,
            lingering_time=LINGERING_S,
            max_line_size=MAX_FIELD_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_HEADERS,
            auto_decompress=False,  # the protocol has no compressed bodies
            access_log=None,
        )
        self._handler = handler
        self._quick = quick
        self._quick_connections: set[QuickConnection] = set()
        self._in_hand: set[RequestHandler] = set()  # of the library, with a request that has begun
        self._busy = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self.limits = limits
        self._unheard: set[object] = set()
        self._all_heard = asyncio.Event()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        self.begun()
        self._in_hand.add(connection)
        try:
            return await self._handler(request)
        finally:
            self._in_hand.discard(connection)
            self.ended()

    def begun(self) -> None:
        """Note that a request has begun; `ended` follows."""
        self._busy += 1
        self.idle.clear()

    def ended(self) -> None:
        """Note that a request has ended."""
        self._busy -= 1
        if not self._busy:
            self.idle.set()

    def close_idle(self) -> None:
        """Close idle connections; busy ones go after their answer.

        The library's own way would take no more bytes from any: the rest of a body, or what a
        WebSocket's client has to say, would be lost.
        """
        for library_s in self.connections:
            if library_s not in self._in_hand:
                library_s.close()
        for connection in list(self._quick_connections):
            if not connection.is_busy:
                connection.close()

    async def end(self, limit_s: float) -> None:
        """Close every connection; answers that are ready have `limit_s` seconds to leave."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self.idle.wait()
        for connection in list(self._quick_connections):
            connection.close()
        await self.shutdown(limit_s)
        for connection in list(self._quick_connections):
            connection.abort()

    def left(self, connection: QuickConnection) -> None:
        """Note that a connection is closed, or the library's."""
        self._quick_connections.discard(connection)

    async def hear_everybody(self, limit_s: float) -> None:
        """Wait until every connection has made a request, or has gone."""
        if self._unheard:
            self._all_heard.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._all_heard.wait()

    def came(self, connection: object) -> None:
        """Note a connection that has made no request yet."""
        self._unheard.add(connection)

    def heard(self, connection: object) -> None:
        """Note that a connection has made a request, or has gone."""
        self._unheard.discard(connection)
        if not self._unheard:
            self._all_heard.set()

    def __call__(self) -> Any:  # noqa: ANN401 - the library's kind of connection, or ours
        """Make a connection."""
        if self._quick is None:
            return self.library_protocol()
        connection = QuickConnection(
            self,
            self._quick,
            header_timeout_s=self.limits.header_timeout_s,
            idle_timeout_s=self.limits.idle_timeout_s,
        )
        self._quick_connections.add(connection)
        self.came(connection)
        return connection

    def library_protocol(self) -> RequestHandler:
        """Make a connection of the library."""
        loop = asyncio.get_running_loop()
        return _Connection(self, self.limits.header_timeout_s, loop=loop, **self._kwargs)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: Any,  # noqa: ANN401 - as aiohttp declares it
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        if isinstance(protocol, _Connection):
            protocol.first_request_came()
        loop = asyncio.get_running_loop()
        return web.BaseRequest(
            message,
            payload,
            protocol,
            writer,
            task,
            loop,
            client_max_size=self.limits.max_body_bytes,
        )


class _Connection(RequestHandler):
    """One client's connection: closed if its first request head does not come in time."""

    __slots__ = ("_first_request_timer", "_header_timeout_s", "_register")

    def __init__(
        self,
        manager: _Connections,
        header_timeout_s: float | None,
        *,
        loop: asyncio.AbstractEventLoop,
        **settings: Any,  # noqa: ANN401 - handed on as they come
    ) -> None:
        super().__init__(manager, loop=loop, **settings)
        self._register = manager
        self._header_timeout_s = header_timeout_s
        self._first_request_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._register.came(self)
        if self._header_timeout_s:
            self._first_request_timer = asyncio.get_running_loop().call_later(
                self._header_timeout_s, self.force_close
            )

    def first_request_came(self) -> None:
        """Stop the timer; between later requests the idle time-out holds."""
        self._register.heard(self)
        if self._first_request_timer is not None:
            self._first_request_timer.cancel()
            self._first_request_timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        self.first_request_came()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer for bytes that are no HTTP, or for a bug of ours."""
        ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if ours:
            log.error("handler failed path=%s", request.path, exc_info=exc)
        # The message of a parser error quotes what the client sent, over several lines.
        brief = (message or "").strip().splitlines()[:1]
        text = ": ".join([f"{status} {'internal error' if ours else 'bad request'}", *brief])
        response = web.Response(status=status, text=text, headers={"Server": SERVER_NAME})
        response.force_close()
        return response
