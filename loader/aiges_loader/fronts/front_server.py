"""Accepts connections in a front-end process and answers what is plain; the rest it gives away."""

import asyncio
import errno
import logging
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Final

from aiges_loader.frontend.http_limits import HttpLimits
from aiges_loader.frontend.listening import accept_waiting
from aiges_loader.frontend.quick_http import QuickConnection, Routes
from aiges_loader.frontend.register import FIRST_REQUEST_S, Register
from aiges_loader.fronts.messages import packets
from aiges_loader.fronts.share import Share
from aiges_loader.pool.waiting import first_of

RETRY_S: Final = 0.1
"""Without descriptors for another connection: how long we accept none. Others may."""

COURTESY_S: Final = 0.001
"""How long one that has more connections than another leaves the next to that."""

log = logging.getLogger(__name__)


class FrontServer:
    """One of several that accept on the same socket.

    Attributes:
        limits: What clients may take; another one holds for connections made from then on.
        register: Its connections.
        is_shut: It accepts no more.
    """

    def __init__(
        self,
        listener: socket.socket,
        routes: Routes,
        limits: HttpLimits,
        way_out: "WayOut",
        share: Share,
    ) -> None:
        """Make it; `start` accepts.

        Args:
            listener: Listens already, and does not block; taken over.
            routes: What is answered here.
            limits: What clients may take.
            way_out: Takes connections that ask for anything else.
            share: Of all connections.
        """
        self.limits = limits
        self.register = Register()
        self.is_shut = False
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._routes = routes
        self._way_out = way_out
        self._share = share
        self._pause: asyncio.TimerHandle | None = None  # before it accepts
        self._coming: set[asyncio.Task[object]] = set()

    @property
    def is_idle(self) -> bool:
        """Say whether no request runs, and no connection is on its way out."""
        return self.register.idle.is_set() and self._way_out.is_empty

    def start(self) -> None:
        """Accept from now on.

        One connection in each turn of the loop, unlike `create_server`, which takes all that wait.
        """
        self._share.have(len(self.register))
        self._loop.add_reader(self._listener.fileno(), self._accept)

    async def shut(self) -> None:
        """Take in what the kernel has accepted and accept no more."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener.fileno())
        self._share.leave()
        if self._coming:
            await asyncio.wait(self._coming)
        await accept_waiting(self._listener, self._connection)
        self.is_shut = True
        self._listener.close()

    async def finish(self, limit_s: float) -> None:
        """Close idle connections and let running requests finish."""
        until = self._loop.time() + limit_s
        await self.register.hear_everybody(min(FIRST_REQUEST_S, limit_s))
        self.register.close_idle()
        await self.register.rest(max(0.0, until - self._loop.time()))
        await self._way_out.emptied(max(0.0, until - self._loop.time()))

    async def close(self, limit_s: float) -> None:
        """Close every connection; answers have `limit_s` seconds to leave."""
        await self.register.rest(limit_s)
        await self.register.close(limit_s)

    def _accept(self) -> None:
        waited, self._pause = self._pause is not None, None
        self._share.have(len(self.register) + len(self._coming))
        if self._share.is_more and not waited:
            self._accept_later(COURTESY_S)
            return
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another process was quicker
            return
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                raise
            self._accept_later(RETRY_S)
            return
        connection.setblocking(False)
        coming = self._loop.create_task(
            self._loop.connect_accepted_socket(self._connection, connection)
        )
        self._coming.add(coming)
        self._share.have(len(self.register) + len(self._coming))
        coming.add_done_callback(self._came)

    def _accept_later(self, pause_s: float) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._pause = self._loop.call_later(pause_s, self.start)

    def _came(self, coming: "asyncio.Task[object]") -> None:
        self._coming.discard(coming)
        if not coming.cancelled() and (error := coming.exception()) is not None:
            log.debug("connection lost before it was made: %s", error)

    def _connection(self) -> QuickConnection:
        connection = QuickConnection(
            self.register,
            self._routes,
            self._hand_over,
            header_timeout_s=self.limits.header_timeout_s,
            idle_timeout_s=self.limits.idle_timeout_s,
        )
        self.register.joined(connection)
        self.register.came(connection)
        return connection

    def _hand_over(
        self, connection: QuickConnection, transport: asyncio.Transport, data: bytes
    ) -> None:
        self.register.begun()  # so that nobody calls us idle before it has left
        _Leaving(transport, data, self._left).go(self.limits.idle_timeout_s)
        self.register.heard(connection)
        self.register.left(connection)

    def _left(self, fd: int | None, data: bytes) -> None:
        if fd is not None:
            self._way_out.send(fd, data)
        self.register.ended()


class _Leaving(asyncio.Protocol):
    """A connection that is handed over as soon as its client has what was written to it."""

    def __init__(
        self,
        transport: asyncio.Transport,
        data: bytes,
        done: Callable[[int | None, bytes], None],
    ) -> None:
        """Make it.

        Args:
            transport: Of the connection.
            data: What its client has sent.
            done: Gets a descriptor of it, None if it was lost, and `data`.
        """
        self._transport = transport
        self._data = data
        self._done: Callable[[int | None, bytes], None] | None = done
        self._timer: asyncio.TimerHandle | None = None

    def go(self, limit_s: float | None) -> None:
        """Begin; a client that reads nothing for `limit_s` seconds is lost."""
        self._transport.pause_reading()
        self._transport.set_protocol(self)
        if not self._transport.get_write_buffer_size():
            self._go()
            return
        if limit_s is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(limit_s, self._transport.abort)
        self._transport.set_write_buffer_limits(high=0)  # so that we hear when it is empty

    def resume_writing(self) -> None:
        """Go, since all has left."""
        self._go()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give up."""
        self._end(None)

    def _go(self) -> None:
        if self._done is None:
            return
        fd = os.dup(self._transport.get_extra_info("socket").fileno())
        self._end(fd)
        self._transport.abort()  # closes this descriptor; the connection lives on

    def _end(self, fd: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        done, self._done = self._done, None
        if done is not None:
            done(fd, self._data)


class WayOut:
    """The socket on which connections go to the supervisor; see messages.py."""

    def __init__(self, connected: socket.socket) -> None:
        """Take over a socket of sequenced packets that does not block."""
        self._loop = asyncio.get_running_loop()
        self._socket = connected
        self._queue: deque[tuple[int | None, bytes]] = deque()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def is_empty(self) -> bool:
        """Say whether all has been sent."""
        return not self._queue

    async def emptied(self, limit_s: float) -> None:
        """Wait until all has been sent, at most `limit_s` seconds."""
        await first_of(self._empty.wait(), limit_s=limit_s)

    def send(self, fd: int, data: bytes) -> None:
        """Send a connection and what its client has said; `fd` is taken over."""
        first: int | None = fd
        for packet in packets(data):
            self._queue.append((first, packet))
            first = None
        if self._empty.is_set():
            self._empty.clear()
            self._wait_for_room()
            self._flush()

    def _wait_for_room(self) -> None:
        self._loop.add_writer(self._socket.fileno(), self._flush)

    def _flush(self) -> None:
        while self._queue:
            fd, packet = self._queue[0]
            try:
                if fd is None:
                    self._socket.send(packet)
                else:
                    socket.send_fds(self._socket, [packet], [fd])
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ETOOMANYREFS:
                    raise
                self._loop.remove_writer(self._socket.fileno())  # the supervisor has many to fetch
                self._loop.call_later(RETRY_S, self._wait_for_room)
                return
            self._queue.popleft()
            if fd is not None:
                os.close(fd)
        self._loop.remove_writer(self._socket.fileno())
        self._empty.set()
