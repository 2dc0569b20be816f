"""Sessions over WebSocket: one connection is one session."""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from aiges_loader.errors import (
    BadFrameError,
    BadOutputError,
    BadRequestError,
    CallError,
    InternalError,
    SessionTimeoutError,
)
from aiges_loader.frontend import codec
from aiges_loader.frontend.session_frames import ResultWriter, error_frame
from aiges_loader.frontend.session_ids import SessionIds
from aiges_loader.sessions.engine import Sessions
from aiges_loader.sessions.session import Opening, Session
from aiges_wire.codes import DataStatus

PING_S: Final = 30.0
"""How often a silent client is asked whether it is there; it has half of that to answer."""

CLOSE_LIMIT_S: Final = 1.0
"""How long a client may take to answer a close frame."""

STOPPING: Final = "the service is stopping"

MAX_REASON_BYTES: Final = 123
"""Of a close frame."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What sessions over HTTP need of the configuration.

    Attributes:
        header_pass: Names of members of `header` that become params.
        read_timeout_s: Longest silence of a client from which something is awaited.
        session_timeout_s: Longest life of a session.
        max_message_bytes: Of one message.
    """

    header_pass: tuple[str, ...]
    read_timeout_s: float
    session_timeout_s: float
    max_message_bytes: int


@dataclass(frozen=True, slots=True)
class Described:
    """What sessions need of the wrapper's description.

    Attributes:
        sub: First part of a session's name.
        inputs: Keys that come first among a message's inputs, in this order.
        attribute_kinds: See `Service`.
        check: Refuses first messages that the schema does not allow; None: nothing is checked.
    """

    sub: str = ""
    inputs: tuple[str, ...] = ()
    attribute_kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    check: codec.Check | None = None

    def first_frame(self, message: bytes) -> codec.Frame:
        """Decode and check the message that opens a session; raise `CallError`."""
        return codec.decode_frame(message, declared_inputs=self.inputs, check=self.check)

    def frame(self, message: bytes) -> codec.Frame:
        """Decode a later message; raise `CallError`."""
        return codec.decode_frame(message, declared_inputs=self.inputs)


class SessionApi:
    """Serves sessions to HTTP clients.

    Attributes:
        sessions: The engine.
        settings: May be replaced at any time.
        described: Likewise.
        draining: Clients that have no session going on are sent away.
    """

    def __init__(
        self, sessions: Sessions, settings: SessionSettings, *, host: str, port: int
    ) -> None:
        """Make it.

        Args:
            sessions: The engine.
            settings: See above.
            host: The service's address.
            port: Of its gRPC listener.
        """
        self.sessions = sessions
        self.settings = settings
        self.described = Described()
        self.draining = False
        self._connections: set[_Connection] = set()
        self._echoes: set[asyncio.Timeout] = set()  # each while a message is waited for
        self._ids = SessionIds(os.getpid(), host, port)

    def new_sid(self) -> str:
        """Name a session."""
        return self._ids.next(self.described.sub, time.time_ns() // 1_000_000)

    async def open(self, sid: str, frame: codec.Frame, *, base: int) -> Session:
        """Begin the session that a first message asks for; raise `CallError`."""
        if frame.header.get("downMethod") == "async":
            raise BadOutputError("invalid downMethod")
        params = {**frame.passed(self.settings.header_pass), "sid": sid, **frame.params}
        return await self.sessions.open(Opening(sid, params, base, expires=False))

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one connection to its end."""
        socket = web.WebSocketResponse(
            autoclose=False,
            heartbeat=PING_S,
            max_msg_size=self.settings.max_message_bytes,
            timeout=CLOSE_LIMIT_S,
            compress=False,
        )
        await socket.prepare(request)
        connection = _Connection(self, socket, self.new_sid())
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            connection.leave()
        return socket

    async def echo(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve /ping: answer "ping" with "pong", and anything else with itself."""
        socket = web.WebSocketResponse(
            max_msg_size=self.settings.max_message_bytes, timeout=CLOSE_LIMIT_S, compress=False
        )
        await socket.prepare(request)
        while not self.draining:
            try:
                async with asyncio.timeout(None) as patience:
                    self._echoes.add(patience)
                    message = await socket.receive()
            except TimeoutError:
                break
            finally:
                self._echoes.discard(patience)
            if message.type is WSMsgType.TEXT:
                await socket.send_str("pong" if message.data == "ping" else message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(b"pong" if message.data == b"ping" else message.data)
            else:
                return socket
        await socket.close(code=WSCloseCode.OK, message=STOPPING.encode())
        return socket

    def drain(self) -> None:
        """Send away the clients that have no session going on; others go when theirs has ended."""
        self.draining = True
        for connection in self._connections:
            connection.look_again()
        for patience in self._echoes:
            if not patience.expired():
                patience.reschedule(0.0)


class _Connection:
    """One client: a task reads what it sends, another one sends it what its session produces."""

    def __init__(self, api: SessionApi, socket: web.WebSocketResponse, sid: str) -> None:
        self._api = api
        self._settings = api.settings
        self._socket = socket
        self._sid = sid
        self._session: Session | None = None
        self._writer: ResultWriter | None = None
        self._count = 0
        self._loop = asyncio.get_running_loop()
        self._began_at = self._silent_from = self._loop.time()
        self._patience: asyncio.Timeout | None = None  # while a message is waited for
        self._has_ended = False  # the last result has been sent
        self._parting: str | None = None  # why the connection is to be closed, once it is

    async def serve(self) -> None:
        """Read until the client leaves, or is sent away."""
        async with asyncio.TaskGroup() as tasks:
            pushing: asyncio.Task[None] | None = None
            try:
                while (message := await self._next()) is not None:
                    if self._has_ended:
                        continue  # the client is expected to leave
                    await self._take(message)
                    if pushing is None and self._session is not None:
                        pushing = tasks.create_task(self._push(), name="session-results")
            except CallError as error:
                await self._fail(error)
            except Exception:  # a bug of ours
                log.exception("session failed sid=%s", self._sid)
                await self._fail(InternalError())
            finally:
                if pushing is not None:
                    pushing.cancel()

    def leave(self) -> None:
        """End the session with the connection."""
        if self._session is not None:
            self._session.abort()

    async def _next(self) -> bytes | None:
        """Wait for the next message; None once there will be no more."""
        try:
            message = await self._receive()
        except TimeoutError:
            if self._parting is not None:
                await self._close(self._parting)
                return None
            if self._is_owed_results():
                raise SessionTimeoutError from None
            await self._close(STOPPING if self._is_to_leave() else "time out")
            return None
        if message.type is WSMsgType.TEXT:
            return str(message.data).encode(errors="surrogatepass")
        if message.type is WSMsgType.BINARY:
            return bytes(message.data)
        if message.type is WSMsgType.CLOSE:  # answered with the client's own code
            await self._socket.close(code=message.data or WSCloseCode.OK, drain=False)
        elif message.type is WSMsgType.ERROR:
            log.debug("session broke sid=%s reason=%s", self._sid, self._socket.exception())
        return None

    async def _receive(self) -> WSMessage:
        """Wait for a message, as long as the client may be silent.

        Once its input is complete a client has nothing to say, and waits for us: then only the
        session's own life is limited.
        """
        self._silent_from = self._loop.time()
        while True:
            try:
                async with asyncio.timeout_at(self._patience_ends_at()) as self._patience:
                    return await self._socket.receive()
            except TimeoutError:
                if self._loop.time() >= self._patience_ends_at():
                    raise
            finally:
                self._patience = None

    def look_again(self) -> None:
        """Decide anew for how long the next message is waited for."""
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(self._patience_ends_at())

    def _is_to_leave(self) -> bool:
        return self._api.draining and (self._session is None or self._has_ended)

    def _patience_ends_at(self) -> float:
        if self._parting is not None or self._is_to_leave():
            return 0.0
        silence_ends_at = self._silent_from + self._settings.read_timeout_s
        if self._is_owed_results():
            return max(silence_ends_at, self._began_at + self._settings.session_timeout_s)
        return silence_ends_at

    def _is_owed_results(self) -> bool:
        session = self._session
        return session is not None and session.input_is_complete and not self._has_ended

    async def _take(self, message: bytes) -> None:
        if self._loop.time() > self._began_at + self._settings.session_timeout_s:
            raise SessionTimeoutError
        self._count += 1
        described = self._api.described
        try:
            is_first = self._session is None
            frame = described.first_frame(message) if is_first else described.frame(message)
        except BadRequestError:
            raise BadFrameError from None
        if self._session is None:
            self._session = await self._api.open(self._sid, frame, base=self._count)
            self._writer = ResultWriter(self._sid, frame.expectations, described.attribute_kinds)
            await self._send(self._writer.acknowledgement())
        if not self._session.is_over:  # its last result may be on its way out
            await self._session.write(self._count, frame.inputs)

    async def _push(self) -> None:
        """Send results as they come, as fast as the client takes them."""
        assert self._session is not None
        assert self._writer is not None
        try:
            while True:
                result = await self._session.read(None)
                assert result is not None
                await self._send(self._writer.result(result))
                if result.is_last:
                    break
        except CallError as error:
            self._session.abort()
            if self._parting is None:
                await self._send(error_frame(error, self._sid))
                self._part(str(error))
            return
        self._has_ended = True
        self._silent_from = self._loop.time()  # from here on it is the client's turn
        if result.outputs[-1].status == DataStatus.ONCE:
            self._part("")
        self.look_again()

    def _part(self, reason: str) -> None:
        """Have the task that reads close the connection.

        It alone can wait for the client's own end; closed before that, with something unread, the
        connection would be reset, and the client might not get what was sent last.
        """
        self._parting = reason
        self.look_again()

    async def _send(self, frame: bytes) -> None:
        with suppress(ConnectionResetError):  # it has gone; reading finds the end
            await self._socket.send_str(frame.decode())

    async def _fail(self, error: CallError) -> None:
        if self._session is not None:
            self._session.abort()
        if self._parting is None:  # else the other task has told the client already
            self._parting = str(error)
            await self._send(error_frame(error, self._sid))
        if not self._socket.closed:
            await self._close(self._parting)

    async def _close(self, reason: str) -> None:
        text = reason.encode(errors="replace")[:MAX_REASON_BYTES]
        await self._socket.close(code=WSCloseCode.OK, message=text.decode(errors="ignore").encode())
