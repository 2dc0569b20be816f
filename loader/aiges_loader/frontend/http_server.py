"""An aiohttp server below its application layer: connections, limits, closing without loss.

Knows nothing of routes. `http_api.py` is the handler it calls.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from aiges_loader.frontend.answer_fields import SERVER_NAME
from aiges_loader.frontend.http_limits import HttpLimits
from aiges_loader.frontend.listening import accept_waiting
from aiges_loader.frontend.quick_http import LINGERING_S, QuickConnection, Routes
from aiges_loader.frontend.register import FIRST_REQUEST_S, Register

log = logging.getLogger(__name__)

BACKLOG: Final = 1024
MAX_FIELD_BYTES: Final = 64 << 10
"""Longest request line and longest header field; longer ones get a plain 400."""

MAX_HEADERS: Final = 1000

LAST_ANSWERS_S: Final = 1.0
"""How long answers that are ready may take to leave."""

A_WEEK_S: Final = 7 * 86_400.0
"""As good as no limit; aiohttp takes no None."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


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

    @property
    def listener(self) -> socket.socket:
        """The socket that connections are accepted on; it belongs to this server."""
        return self._listener

    @property
    def is_accepting(self) -> bool:
        """Say whether connections are accepted."""
        return self._accepting is not None

    async def start(self) -> None:
        """Begin to accept, or go on after `pause`."""
        loop = asyncio.get_running_loop()
        # A duplicate, so that closing the server leaves the queue of connections to us.
        self._accepting = await loop.create_server(
            self._server, sock=self._listener.dup(), backlog=BACKLOG
        )

    def pause(self) -> None:
        """Accept no more; connections go on, new ones wait in the kernel for who accepts them."""
        if self._accepting is not None:
            self._accepting.close()
            self._accepting = None

    async def adopt(self, connection: socket.socket, data: bytes) -> None:
        """Go on with a connection that another process has accepted.

        Args:
            connection: Connected, taken over.
            data: What its client has sent and nobody has looked at.
        """
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: _Adopted(self._server.go_on, data), connection
            )
        except OSError as error:  # its client has gone
            log.debug("connection lost while it was handed over: %s", error)
            connection.close()

    async def drain(self, limit_s: float) -> None:
        """Take in what the kernel has accepted, close the door, let running requests finish.

        Args:
            limit_s: How long they may take; those that take longer go on until `close`.
        """
        until = asyncio.get_running_loop().time() + limit_s
        await self.shut()
        await self.finish(until)

    async def shut(self) -> None:
        """Take in what the kernel has accepted and close the door."""
        self.pause()
        await accept_waiting(self._listener, self._server)
        self._listener.close()

    async def finish(self, until: float) -> None:
        """Close idle connections and let running requests finish, until that time of the loop."""
        now = asyncio.get_running_loop().time()
        register = self._server.register
        await register.hear_everybody(min(FIRST_REQUEST_S, max(0.0, until - now)))
        self._server.close_idle()
        register.close_idle()
        await register.rest(max(0.0, until - asyncio.get_running_loop().time()))

    async def close(self) -> None:
        """Let the last answers out and close every connection."""
        await self._server.register.rest(LAST_ANSWERS_S)
        await asyncio.gather(
            self._server.register.close(LAST_ANSWERS_S), self._server.shutdown(LAST_ANSWERS_S)
        )


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
        self._in_hand: set[RequestHandler] = set()  # of the library, with a request that has begun
        self.register = Register()
        self.limits = limits

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        self.register.begun()
        self.register.heard(connection)  # only now: between the two the server would seem idle
        self._in_hand.add(connection)
        try:
            return await self._handler(request)
        finally:
            self._in_hand.discard(connection)
            self.register.ended()

    def close_idle(self) -> None:
        """Close the library's idle connections; busy ones go after their answer.

        Its own way would take no more bytes from any: the rest of a body, or what a WebSocket's
        client has to say, would be lost.
        """
        for connection in self.connections:
            if connection not in self._in_hand:
                connection.close()

    def __call__(self) -> Any:  # noqa: ANN401 - the library's kind of connection, or ours
        """Make a connection."""
        if self._quick is None:
            return self.library_protocol()
        connection = QuickConnection(
            self.register,
            self._quick,
            self._take_over,
            header_timeout_s=self.limits.header_timeout_s,
            idle_timeout_s=self.limits.idle_timeout_s,
        )
        self.register.joined(connection)
        self.register.came(connection)
        return connection

    def library_protocol(self) -> RequestHandler:
        """Make a connection of the library."""
        loop = asyncio.get_running_loop()
        return _Connection(self, self.limits.header_timeout_s, loop=loop, **self._kwargs)

    def go_on(self, transport: asyncio.Transport, data: bytes) -> None:
        """Let the library go on with a connection whose client has sent `data`."""
        protocol = self.library_protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)

    def _take_over(
        self, connection: QuickConnection, transport: asyncio.Transport, data: bytes
    ) -> None:
        self.go_on(transport, data)
        self.register.heard(connection)  # as far as this one will
        self.register.left(connection)

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
        self._register = manager.register
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
        if self._first_request_timer is not None:
            self._first_request_timer.cancel()
            self._first_request_timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        self.first_request_came()
        self._register.heard(self)  # as far as it will be
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


class _Adopted(asyncio.Protocol):
    """Stands for a connection from another process until its transport is there."""

    def __init__(self, go_on: Callable[[asyncio.Transport, bytes], None], data: bytes) -> None:
        self._go_on = go_on
        self._data = data

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Go on where the other process has stopped, before more is read."""
        self._go_on(cast(asyncio.Transport, transport), self._data)
