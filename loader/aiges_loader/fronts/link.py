"""The supervisor's side of one front-end process: its calls, its connections, its reports."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from aiges_loader.calls import Call, Reply
from aiges_loader.errors import CallError, InternalError
from aiges_loader.frontend.inference import Backend
from aiges_loader.fronts import messages
from aiges_loader.fronts.messages import LAST, NUMBERS, PIECE_BYTES, Orders, Report
from aiges_loader.pool.call_frames import answer_buffers, call_of
from aiges_loader.pool.lane import Lane
from aiges_loader.pool.waiting import first_of
from aiges_wire import frames
from aiges_wire.frames import Buffer, Header, Kind

_PACKETS_AT_ONCE: Final = 64  # one front end must not keep the loop to itself

log = logging.getLogger(__name__)

Adopt = Callable[[socket.socket, bytes], Awaitable[None]]
"""Goes on with a connection whose client has sent these bytes."""


class FrontLink:
    """A front end that runs.

    Attributes:
        report: The last one; None before the first.
        served: Resolves with the first report.
        ended: Resolves with the reason when no word of it can come any more.
    """

    def __init__(
        self,
        stream: socket.socket,
        connections: socket.socket,
        *,
        backend: Backend,
        adopt: Adopt,
        on_report: Callable[[], None],
    ) -> None:
        """Begin to listen.

        Args:
            stream: Brings calls, takes answers; does not block, taken over.
            connections: Brings connections that are ours to serve; likewise.
            backend: Runs the calls.
            adopt: Serves the connections.
            on_report: Called when there is a new report.
        """
        self._loop = asyncio.get_running_loop()
        self.report: Report | None = None
        self.served: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self._backend = backend
        self._adopt = adopt
        self._on_report = on_report
        self._calls: dict[int, Callable[[], object]] = {}  # what ends each of them
        self._tasks: set[asyncio.Task[None]] = set()
        self._adopting: set[asyncio.Task[None]] = set()
        self._asked = 0  # number of the last question for a report
        self._answers: dict[int, asyncio.Future[None]] = {}
        self._lane = Lane(stream, self._came, self._hung_up)
        self._connections = connections
        self._arriving: tuple[int, list[bytes]] | None = None  # a connection, what has come of it
        self._loop.add_reader(connections.fileno(), self._take_connections)

    def obey(self, orders: Orders) -> None:
        """Send orders."""
        self._lane.send([orders.frame()])

    async def ask(self, limit_s: float) -> bool:
        """Have it report; say whether it has within `limit_s` seconds."""
        self._asked = number = self._asked % (NUMBERS - 1) + 1
        answer: asyncio.Future[None] = self._loop.create_future()
        self._answers[number] = answer
        self._lane.send([frames.note(Kind.REPORT, number)])
        try:
            await first_of(answer, self.ended, limit_s=limit_s)
        finally:
            del self._answers[number]
        return answer.done()

    async def adopted(self) -> None:
        """Wait until every connection that has come is being served."""
        if self._adopting:
            await asyncio.wait(self._adopting)

    async def close(self) -> None:
        """Hang up; its calls are given up, their licences returned.

        Connections that it has handed over are served nevertheless.
        """
        self._hung_up("it was let go")
        while self._take_packet():
            pass
        self._lane.close()
        self._loop.remove_reader(self._connections.fileno())
        self._connections.close()
        if self._arriving is not None:
            os.close(self._arriving[0])
            self._arriving = None
        calls, self._calls = self._calls, {}
        for give_up in calls.values():
            give_up()
        if others := self._tasks | self._adopting:
            await asyncio.wait(others)

    def _hung_up(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)

    # Calls:

    def _came(self, header: Header, meta: Buffer, data: Buffer) -> None:
        match header.kind:
            case Kind.CALL:
                self._begin(header.call, call_of(header, meta, data))
            case Kind.CANCEL:
                give_up = self._calls.pop(header.call, None)
                if give_up is not None:  # else its answer is on its way
                    give_up()
            case Kind.REPORT:
                while self._take_packet():  # connections that it sent before it said so
                    pass
                self.report = Report.read(meta)
                if not self.served.done():
                    self.served.set_result(None)
                if header.call in self._answers:
                    self._answers[header.call].set_result(None)
                self._on_report()
            case other:
                raise frames.FrameError(f"a {other.name} from a front end")

    def _begin(self, number: int, call: Call) -> None:
        try:
            give_up = self._backend.begin(call, partial(self._ended, number))
        except CallError as error:
            self._send([messages.failure(number, error)])
            return
        except Exception:  # a bug of ours
            log.exception("call failed sid=%s", call.sid)
            self._send([messages.failure(number, InternalError())])
            return
        if give_up is None:  # it has to wait, or to be refused
            task = self._loop.create_task(self._run(number, call), name="front-call")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._calls[number] = task.cancel
        else:
            self._calls[number] = give_up

    async def _run(self, number: int, call: Call) -> None:
        outcome: Reply | CallError
        try:
            outcome = await self._backend.once(call)
        except CallError as error:
            outcome = error
        except Exception:  # a bug of ours
            log.exception("call failed sid=%s", call.sid)
            outcome = InternalError()
        self._ended(number, outcome)

    def _ended(self, number: int, outcome: Reply | CallError) -> None:
        if self._calls.pop(number, None) is None:
            return  # given up
        if isinstance(outcome, CallError):
            self._send([messages.failure(number, outcome)])
        else:
            self._send(answer_buffers(number, outcome))

    def _send(self, buffers: list[Buffer]) -> None:
        if self._calls:  # under load others end in this turn: together they cost less
            self._lane.send_soon(buffers)
        else:
            self._lane.send(buffers)

    # Connections:

    def _take_connections(self) -> None:
        for _ in range(_PACKETS_AT_ONCE):
            if not self._take_packet():
                return

    def _take_packet(self) -> bool:
        """Take one packet; say whether there was one."""
        try:
            packet, fds, _, _ = socket.recv_fds(self._connections, PIECE_BYTES + 1, 1)
        except BlockingIOError:
            return False
        except OSError:
            packet, fds = b"", []
        if not packet:  # it is gone
            self._loop.remove_reader(self._connections.fileno())
            return False
        for fd in fds:
            os.set_inheritable(fd, False)  # recv_fds ignores its flags in Python 3.11
            self._arriving = (fd, [])
        if self._arriving is None:  # without descriptors left the kernel keeps the one we were sent
            log.error("a connection was lost on its way from a front end: no descriptor for it")
            return True
        fd, pieces = self._arriving
        pieces.append(packet[1:])
        if packet[:1] == LAST:
            self._arriving = None
            task = self._loop.create_task(
                self._serve(socket.socket(fileno=fd), b"".join(pieces)), name="adopt"
            )
            self._adopting.add(task)
            task.add_done_callback(self._adopting.discard)
        return True

    async def _serve(self, connection: socket.socket, data: bytes) -> None:
        await self._adopt(connection, data)
