"""A connection that answers plain requests for inference by itself, below the HTTP library.

At the first request that is anything else it hands its transport over to the library, for good.
Measured with an echo, this halves what HTTP costs.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, Protocol, cast

from aiges_loader.frontend.inference import Asked, HttpAnswer, Inference, Started
from aiges_loader.frontend.quick_head import QuickHead, read_head
from aiges_loader.frontend.register import Register

MAX_HEAD_BYTES: Final = 16 << 10
"""A longer head is for the library."""

MAX_BEHIND_BYTES: Final = 64 << 10
"""What a client may send behind a request before it has the answer; then we stop reading."""

LINGERING_S: Final = 2.0
"""How long we read on after an answer that came before the end of its request."""

_END: Final = b"\r\n\r\n"


class Routes(Protocol):
    """What a connection needs of the routes.

    Attributes:
        draining: Connections are to be closed behind their next answer.
        inference: What answers.
    """

    draining: bool
    inference: Inference

    def is_inference(self, path: bytes) -> bool:
        """Say whether a POST to `path`, as it stands in a request, is one for inference."""

    def answer_head(self, answer: HttpAnswer) -> bytes:
        """Write the status line and header fields of an answer, up to its length."""


HandOver = Callable[["QuickConnection", asyncio.Transport, bytes], None]
"""Gets a connection that asks for something else, and what its client has sent. From then on the
transport is somebody else's; whoever takes it says to the register that the connection has left."""


class QuickConnection(asyncio.Protocol):
    """One client, as long as it asks for nothing but inference; one request at a time."""

    __slots__ = (
        "_asked",
        "_body",
        "_buffer",
        "_due",
        "_give",
        "_head",
        "_head_text",
        "_idle_timeout_s",
        "_lingers",
        "_loop",
        "_missing",
        "_paused",
        "_register",
        "_routes",
        "_started",
        "_timer",
        "_transport",
        "_when_due",
    )

    def __init__(
        self,
        register: Register,
        routes: Routes,
        hand_over: HandOver,
        *,
        header_timeout_s: float | None,
        idle_timeout_s: float | None,
    ) -> None:
        """Make it for a connection that is about to be made.

        Args:
            register: Where its requests are counted.
            routes: What is answered.
            hand_over: Gets it when it asks for anything else.
            header_timeout_s: For the first head; None is no limit.
            idle_timeout_s: Between two requests; None is no limit.
        """
        self._register = register
        self._routes = routes
        self._give = hand_over
        self._idle_timeout_s = idle_timeout_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""  # what came and is not looked at
        self._head_text = b""
        self._head: QuickHead | None = None  # what `_head_text` says
        self._asked: Asked | None = None  # the request that has begun
        self._body: list[bytes] = []
        self._missing = 0  # bytes of its body
        self._started: Started | None = None  # the answer that is being made
        self._paused = False  # the client reads too slowly
        self._lingers = False  # it has its last answer, and is still sending
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._when_due = self.close
        self._set_due(header_timeout_s, self.close)

    @property
    def is_busy(self) -> bool:
        """Say whether a request has begun and not been answered."""
        return self._asked is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        """Take what has come, or keep it for later."""
        if self._lingers:
            return
        if self._started is not None or self._paused:
            self._buffer += data
            if len(self._buffer) > MAX_BEHIND_BYTES and self._transport is not None:
                self._transport.pause_reading()
        elif self._asked is not None:
            self._take_body(data)
        else:
            self._take_head(self._buffer + data if self._buffer else data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the call: nobody waits for it any more."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self._started is not None:
            self._started.cancel()
            self._started = None
        if self._asked is not None:
            self._drop(self._asked)
        self._register.heard(self)
        self._register.left(self)

    def pause_writing(self) -> None:
        """Take no further request until the client has read its answer."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        self._next()

    def close(self) -> None:
        """Hang up, once what was written has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()

    # One request:

    def _take_head(self, data: bytes) -> None:
        end = data.find(_END, 0, MAX_HEAD_BYTES) + len(_END)
        inference = self._routes.inference
        if end < len(_END):
            self._hand_over(data)
            return
        text = data[:end]
        if text != self._head_text:
            self._head_text = text
            self._head = read_head(text)
        head = self._head
        if (
            head is None
            or head.length > inference.settings.max_body_bytes
            or not self._routes.is_inference(head.path)
        ):
            self._hand_over(data)
            return
        self._register.heard(self)
        self._register.begun()
        self._asked = inference.begin()
        self._set_due(inference.settings.timeout_s, self._late)
        self._buffer = b""
        self._missing = head.length
        self._take_body(data[end:])

    def _take_body(self, data: bytes) -> None:
        if len(data) < self._missing:
            if data:
                self._body.append(data)
                self._missing -= len(data)
            return
        if len(data) > self._missing:
            self._buffer = data[self._missing :]
            data = data[: self._missing]
        if self._body:
            self._body.append(data)
            data = b"".join(self._body)
            self._body = []
        self._missing = 0
        assert self._asked is not None
        self._started = Started(self._routes.inference, self._asked, data, self._answered)

    def _answered(self, answer: HttpAnswer) -> None:
        self._started = None
        self._write(answer)

    def _late(self) -> None:
        """Answer for a call, or a body, that took too long."""
        if self._asked is None or self._asked.ended:
            return
        answer = self._routes.inference.late(self._asked)
        started, self._started = self._started, None
        if started is None:  # in the middle of a body
            self._refuse_rest(answer)
        else:
            started.cancel()
            self._write(answer)

    def _refuse_rest(self, answer: HttpAnswer) -> None:
        """Answer before the body is there, and read a while what still comes.

        Closing at once could take the answer from a client that is still sending.
        """
        self._lingers = True
        self._write(answer._replace(hang_up=True))

    def _write(self, answer: HttpAnswer) -> None:
        self._asked = None
        self._register.ended()
        transport = self._transport
        if transport is None:
            return
        hang_up = answer.hang_up or self._routes.draining
        closing = b"Connection: close\r\n" if hang_up else b""
        head = b"%bContent-Length: %d\r\nDate: %b\r\n%b\r\n" % (
            self._routes.answer_head(answer),
            len(answer.body),
            _date(),
            closing,
        )
        if len(answer.body) <= MAX_BEHIND_BYTES:
            transport.write(head + answer.body)
        else:
            transport.writelines([head, answer.body])
        if self._lingers:
            transport.write_eof()
            self._set_due(LINGERING_S, self.close)
            return
        if hang_up:
            transport.close()
            return
        self._set_due(self._idle_timeout_s, self.close)
        self._next()

    def _next(self) -> None:
        """Look at what came meanwhile."""
        if self._transport is None or self._paused or self._asked is not None:
            return
        if self._buffer:
            data, self._buffer = self._buffer, b""
            if len(data) > MAX_BEHIND_BYTES:
                self._transport.resume_reading()
            self._take_head(data)

    def _drop(self, asked: Asked) -> None:
        self._asked = None
        self._register.ended()
        self._routes.inference.drop(asked)

    def _hand_over(self, data: bytes) -> None:
        """Let somebody else go on from here."""
        transport, self._transport = self._transport, None
        if transport is None or transport.is_closing():
            return
        if self._timer is not None:
            self._timer.cancel()
        self._give(self, transport, data)

    # One timer for all, which is set anew only when it rings: deadlines change far more often.

    def _set_due(self, seconds: float | None, what: Callable[[], None]) -> None:
        self._when_due = what
        if seconds is None:
            self._due = None
            return
        self._due = self._loop.time() + seconds
        if self._timer is None or self._due < self._timer.when():
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        assert self._due is not None
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._transport is None or self._due is None:
            return
        if self._loop.time() < self._due:
            self._arm()
        else:
            self._when_due()


class _Clock:
    """The last second for which a date was written."""

    second = 0
    text = b""


def _date() -> bytes:
    now = int(time.time())
    if now != _Clock.second:
        _Clock.second, _Clock.text = now, formatdate(now, usegmt=True).encode()
    return _Clock.text


def head_of(status: int, fields: Mapping[str, str]) -> bytes:
    """Write a status line and header fields."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")
