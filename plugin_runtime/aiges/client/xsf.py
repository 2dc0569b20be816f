"""The way to a service over XSF gRPC."""

import asyncio
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import grpc
import grpc.aio

from aiges.client.data import Piece, Result
from aiges.client.description import Description
from aiges.client.errors import (
    AnswerTimeoutError,
    BusyError,
    ClientError,
    ConnectionLostError,
    RefusedRequestError,
    ServiceError,
    SessionEndedError,
    UnexpectedAnswerError,
    UnreachableError,
)
from aiges.client.json_messages import Opening
from aiges.client.transport import TransportSession
from aiges.client.xsf_messages import (
    Reply,
    ResultOrder,
    drop_request,
    fetch_request,
    load_request,
    next_request,
    once_request,
    open_request,
    read_reply,
    unload_request,
)
from aiges_wire.pb import xsf_pb2 as xsf

_METHOD: Final = "/utils.XsfCall/call"

_FETCH_S: Final = 1.0
"""How long one call waits for a result at the service."""

_ANSWER_S: Final = 10.0
"""How much longer than it was told the service may take to answer one call of a session."""

_DROP_S: Final = 1.0
"""How long to wait for the answer when a session is dropped."""

_MOST_UNREAD: Final = 256
"""Results that wait to be read; then no more are fetched."""

_ON_ITS_WAY: Final = (grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING)

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),  # a service that restarts is back in less
)


class XsfTransport:
    """Calls and sessions over one gRPC channel."""

    def __init__(self, address: str, *, connect_timeout_s: float) -> None:
        """Take the address, `host:port`; the connection follows with the first call."""
        self._address = address
        self._connect_timeout_s = connect_timeout_s
        self._channel: grpc.aio.Channel | None = None
        self._sessions: set[XsfSession] = set()
        self._is_closed = False

    async def describe(self) -> Description:
        """Know nothing: the protocol has no such question."""
        return Description()

    async def once(
        self, route: str, opening: Opening, pieces: Sequence[Piece], limit_s: float
    ) -> Result:
        """See `Transport`."""
        del route  # there is only one
        sid = uuid.uuid4().hex
        reply = await self.call(once_request(opening, pieces, sid, limit_s), sid, limit_s)
        return reply.result

    async def open(
        self, route: str, opening: Opening, pieces: Sequence[Piece], *, is_complete: bool
    ) -> TransportSession:
        """See `Transport`."""
        del route, is_complete
        sid = uuid.uuid4().hex
        reply = await self.call(open_request(opening, pieces, sid), sid, _ANSWER_S)
        session = XsfSession(self, reply, sid)
        self._sessions.add(session)
        return session

    async def load_resource(self, resource_id: str, content: Piece, limit_s: float) -> None:
        """Have the service load a resource; raise `ClientError`."""
        await self.call(load_request(resource_id, content), "", limit_s)

    async def unload_resource(self, resource_id: str, limit_s: float) -> None:
        """Have it unload one; raise `ClientError`."""
        await self.call(unload_request(resource_id), "", limit_s)

    async def close(self) -> None:
        """See `Transport`."""
        await asyncio.gather(*(session.close() for session in tuple(self._sessions)))
        self._is_closed = True
        if self._channel is not None:
            await self._channel.close()

    def forget(self, session: "XsfSession") -> None:
        """Take note that a session has been closed."""
        self._sessions.discard(session)

    async def call(self, request: bytes, sid: str, limit_s: float) -> Reply:
        """Make one gRPC call; raise `ClientError`."""
        if self._is_closed:
            raise ConnectionLostError("the client was closed")
        try:
            data = await self._call(request, limit_s)
        except grpc.aio.AioRpcError as error:
            raise _told_apart(error, self._address, limit_s) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._is_closed or (task is not None and task.cancelling()):
                raise
            raise ConnectionLostError("the client was closed") from None  # and the call with it
        return read_reply(data, sid)

    async def _call(self, request: bytes, limit_s: float) -> bytes:
        channel = await self._connected()
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_METHOD)
        return await method(request, timeout=limit_s)

    async def _connected(self) -> grpc.aio.Channel:
        """Return the channel, once it has a connection or knows that there is none to be had."""
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._address, options=_OPTIONS)
        channel = self._channel
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                while (state := channel.get_state(try_to_connect=True)) in _ON_ITS_WAY:
                    await channel.wait_for_state_change(state)
        except TimeoutError:
            raise UnreachableError(f"no connection to {self._address} in time") from None
        return channel


class XsfSession:
    """A session: a task fetches its results while packages are sent."""

    def __init__(self, transport: XsfTransport, opened: Reply, sid: str) -> None:
        """Go on after the first call."""
        self._transport = transport
        self._session: xsf.Session = opened.session
        self._sid = sid
        self._sent = 0
        self._order = ResultOrder()
        self._results: deque[Result] = deque()
        self._news = asyncio.Event()  # a result, or an error
        self._room = asyncio.Event()
        self._room.set()
        self._has_ended = False  # the last result has come
        self._running = 0
        self._ended_early: SessionEndedError | None = None
        self._error: ClientError | None = None
        self._fetching = asyncio.create_task(self._fetch(), name="xsf-results")

    async def send(self, pieces: Sequence[Piece]) -> None:
        """See `TransportSession`."""
        if self._error is not None:
            raise self._error
        if self._has_ended:
            return  # the service would ignore it
        self._sent += 1
        await self._step(next_request(self._session, pieces, self._sent), _ANSWER_S)

    async def receive(self) -> Result:
        """See `TransportSession`."""
        while not self._results:
            if self._error is not None:
                raise self._error
            self._news.clear()
            await self._news.wait()
        result = self._results.popleft()
        if len(self._results) < _MOST_UNREAD:
            self._room.set()
        return result

    async def close(self) -> None:
        """See `TransportSession`."""
        self._transport.forget(self)
        self._fetching.cancel()
        await asyncio.wait([self._fetching])
        if not self._fetching.cancelled():
            self._fetching.result()
        told = isinstance(self._error, ServiceError)
        self._fail(ConnectionLostError("the session was closed"))
        if not self._has_ended and not told:
            with suppress(ClientError):  # it is over anyway, or expires
                await self._transport.call(drop_request(self._session), self._sid, _DROP_S)

    async def _fetch(self) -> None:
        request = fetch_request(self._session, _FETCH_S)
        while not (self._has_ended or self._error or self._ended_early):
            await self._room.wait()
            await self._step(request, _FETCH_S + _ANSWER_S)

    async def _step(self, request: bytes, limit_s: float) -> None:
        """Make one call, and take in what it says: a result, an error, or nothing.

        Two run side by side. Once one has brought the last result, or the error by which the
        session failed, the other hears only that there is no such session.
        """
        self._running += 1
        try:
            reply = await self._transport.call(request, self._sid, limit_s)
        except SessionEndedError as error:
            self._ended_early = error
        except UnreachableError as error:  # now, but it was there
            self._fail(ConnectionLostError(error.message))
        except ClientError as error:
            self._fail(error)
        else:
            self._take(reply.result)
        finally:
            self._running -= 1
            if self._ended_early is not None and not self._running:
                self._fail(self._ended_early)

    def _take(self, result: Result) -> None:
        if not result.outputs:
            return
        for ready in self._order.put(result):
            self._results.append(ready)
            self._has_ended = self._has_ended or ready.is_last
        self._news.set()
        if len(self._results) >= _MOST_UNREAD:
            self._room.clear()

    def _fail(self, error: ClientError) -> None:
        if not self._has_ended and self._error is None:
            self._error = error
            self._news.set()


def _told_apart(error: grpc.aio.AioRpcError, address: str, limit_s: float) -> ClientError:
    """Return our error for one of gRPC."""
    code, details = error.code(), error.details() or ""
    match code:
        case grpc.StatusCode.UNAVAILABLE if "failed to connect" in details.lower():
            return UnreachableError(f"no connection to {address}: {details}")
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
            return ConnectionLostError(f"the connection to {address} ended: {details}")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return AnswerTimeoutError(f"no answer within {limit_s:g} s")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return RefusedRequestError(details)
        case grpc.StatusCode.UNKNOWN if "traffic exceeds limit" in details:
            return BusyError(details)
        case _:
            return UnexpectedAnswerError(f"{address}: {code.name}: {details}")
