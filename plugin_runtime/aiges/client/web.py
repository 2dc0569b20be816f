"""The way to a service over HTTP: calls, server-sent events, WebSocket sessions."""

import json
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import aiohttp

from aiges.client.data import Piece, Result, joined
from aiges.client.description import Description, DescriptionError, describe
from aiges.client.errors import (
    BusyError,
    ClientError,
    ConnectionLostError,
    SessionEndedError,
    UnexpectedAnswerError,
    UnreachableError,
)
from aiges.client.json_messages import (
    EventReader,
    Opening,
    error_in,
    first_message,
    next_message,
    read_answer,
)
from aiges.client.transport import TransportSession
from aiges_wire.codes import Code

CLOSE_LIMIT_S: Final = 1.0
"""How long a service may take to answer a close frame."""

_EVENTS: Final = "text/event-stream"
_JSON: Final = {"Content-Type": "application/json"}


class WebTransport:
    """HTTP for calls, and for sessions whose input is complete when they begin; else WebSocket."""

    def __init__(self, base: str, *, connect_timeout_s: float) -> None:
        """Take the address, `http://host:port`; connections follow with the first call."""
        self._base = base
        self._connect_timeout_s = connect_timeout_s
        self._http: aiohttp.ClientSession | None = None

    async def describe(self) -> Description:
        """See `Transport`."""
        openapi = await self._document("/openapi.json")
        if openapi is None:
            raise UnexpectedAnswerError(f"{self._base} has no /openapi.json; pass a description")
        try:
            return describe(openapi, await self._document("/test.json"))
        except DescriptionError as error:
            raise UnexpectedAnswerError(f"{self._base}: {error}") from None

    async def once(
        self, route: str, opening: Opening, pieces: Sequence[Piece], limit_s: float
    ) -> Result:
        """See `Transport`."""
        del limit_s  # which ends this call from outside
        body = first_message(opening, pieces)
        with _told_apart(self._base):
            async with self._session().post(self._base + route, data=body, headers=_JSON) as answer:
                said = await answer.read()
        return _read_answer(answer.status, said, route)

    async def open(
        self, route: str, opening: Opening, pieces: Sequence[Piece], *, is_complete: bool
    ) -> TransportSession:
        """See `Transport`."""
        if is_complete:
            return await self._open_events(route, first_message(opening, pieces))
        return await self._open_socket(route, first_message(opening, pieces))

    async def close(self) -> None:
        """See `Transport`."""
        if self._http is not None:
            await self._http.close()

    async def _open_events(self, route: str, body: bytes) -> TransportSession:
        headers = {**_JSON, "Accept": f"{_EVENTS}, application/json"}
        with _told_apart(self._base):
            answer = await self._session().post(self._base + route, data=body, headers=headers)
        if answer.content_type == _EVENTS:
            return EventSession(self._base, answer)
        with _told_apart(self._base):
            async with answer:
                said = await answer.read()
        return AnsweredSession(_read_answer(answer.status, said, route))

    async def _open_socket(self, route: str, first: bytes) -> TransportSession:
        with _told_apart(self._base):
            try:
                socket = await self._session().ws_connect(
                    self._base + route,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_LIMIT_S),
                    max_msg_size=0,
                )
            except aiohttp.WSServerHandshakeError as error:
                if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
                    raise BusyError("no worker is ready", code=Code.NO_LICENCE) from None
                problem = f"no WebSocket at {route}: status {error.status}"
                raise UnexpectedAnswerError(problem) from None
        session = SocketSession(self._base, socket)
        try:
            await session.send_message(first)
        except BaseException:
            await session.close()
            raise
        return session

    async def _document(self, path: str) -> object:
        """Fetch a JSON document; None: the service has none there."""
        with _told_apart(self._base):
            async with self._session().get(self._base + path) as answer:
                said = await answer.read()
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status != HTTPStatus.OK:
            problem = f"{self._base}{path}: status {answer.status}"
            raise error_in(said) or UnexpectedAnswerError(problem)
        try:
            document: object = json.loads(said)
        except ValueError as error:
            raise UnexpectedAnswerError(f"{self._base}{path} is no JSON: {error}") from None
        return document

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # a session takes a connection
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout_s),
            )
        return self._http


class WebSocketTransport(WebTransport):
    """WebSocket for everything: a call is a session of one package."""

    async def once(
        self, route: str, opening: Opening, pieces: Sequence[Piece], limit_s: float
    ) -> Result:
        """See `Transport`; outputs that come one after the other are put together."""
        del limit_s  # which ends this call from outside
        session = await self._open_socket(route, first_message(opening, pieces))
        try:
            results = [await session.receive()]
            while not results[-1].is_last:
                results.append(await session.receive())
            return joined(results)
        finally:
            await session.close()

    async def open(
        self, route: str, opening: Opening, pieces: Sequence[Piece], *, is_complete: bool
    ) -> TransportSession:
        """See `Transport`."""
        del is_complete
        return await self._open_socket(route, first_message(opening, pieces))


class SocketSession:
    """A session that is a WebSocket connection."""

    def __init__(self, base: str, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Take a connection over."""
        self._base = base
        self._socket = socket

    async def send(self, pieces: Sequence[Piece]) -> None:
        """See `TransportSession`."""
        await self.send_message(next_message(pieces))

    async def send_message(self, message: bytes) -> None:
        """Send a message as it is; raise `ClientError`."""
        with _told_apart(self._base):
            await self._socket.send_str(message.decode())

    async def receive(self) -> Result:
        """See `TransportSession`."""
        while True:
            with _told_apart(self._base):
                message = await self._socket.receive()
            if message.type is aiohttp.WSMsgType.ERROR:
                raise ConnectionLostError(f"{self._base}: {message.data}")
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                why = message.extra or "without a reason"
                raise ConnectionLostError(f"the service closed the session: {why}")
            result = read_answer(message.data, has_plain_text=False)
            if result.outputs:  # the acknowledgement has none
                return result

    async def close(self) -> None:
        """See `TransportSession`."""
        await self._socket.close()


class EventSession:
    """A session that is the answer to one request: its results are server-sent events."""

    def __init__(self, base: str, answer: aiohttp.ClientResponse) -> None:
        """Take an answer over, whose head has come."""
        self._base = base
        self._answer = answer
        self._reader = EventReader()
        self._events: deque[bytes] = deque()

    async def send(self, pieces: Sequence[Piece]) -> None:
        """Refuse: the input was complete."""
        raise ValueError("the input of this session is complete")

    async def receive(self) -> Result:
        """See `TransportSession`."""
        while not self._events:
            with _told_apart(self._base):
                data = await self._answer.content.readany()
            if not data:
                raise ConnectionLostError(f"{self._base} ended the answer before its last result")
            self._events.extend(self._reader.feed(data))
        return read_answer(self._events.popleft(), has_plain_text=False)

    async def close(self) -> None:
        """See `TransportSession`."""
        self._answer.close()


class AnsweredSession:
    """A session at a service that does not stream: it has answered with the only result."""

    def __init__(self, result: Result) -> None:
        """Take the result."""
        self._results = [result]

    async def send(self, pieces: Sequence[Piece]) -> None:
        """Refuse: the input was complete."""
        raise ValueError("the input of this session is complete")

    async def receive(self) -> Result:
        """See `TransportSession`."""
        if not self._results:
            raise SessionEndedError("the service does not stream: it has answered at once")
        return self._results.pop()

    async def close(self) -> None:
        """See `TransportSession`."""


def _read_answer(status: int, said: bytes, route: str) -> Result:
    if status == HTTPStatus.NOT_FOUND:
        raise error_in(said) or UnexpectedAnswerError(f"nothing is served at {route}")
    return read_answer(said, has_plain_text=True)


@contextmanager
def _told_apart(base: str) -> Iterator[None]:
    """Raise the connection's errors as ours."""
    try:
        yield
    except ClientError:
        raise
    except aiohttp.ClientConnectorError as error:
        raise UnreachableError(f"no connection to {base}: {error.strerror or error}") from error
    except aiohttp.ConnectionTimeoutError as error:
        raise UnreachableError(f"no connection to {base} in time") from error
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
        raise ConnectionLostError(f"the connection to {base} ended: {error}") from error
    except aiohttp.ClientError as error:
        raise UnexpectedAnswerError(f"{base}: {error}") from error
