"""The worker's end of the sessions' data channel: a connection for each session.

One thread watches all connections; what one brings is run by one of a few threads, one frame after
the other, so that an idle session costs no thread and a busy one takes turns with the others.
"""

import asyncio
import logging
import select
import socket
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final

from aiges._runtime.frame_socket import FrameSocket, frame_of, is_ours, listen_at
from aiges._runtime.replies import Buffer, Failure, Reply
from aiges._runtime.sessions import Session, Sessions
from aiges_wire import frames
from aiges_wire.codes import Code
from aiges_wire.frames import Kind

BACKLOG: Final = 1024

TURN_S: Final = 0.005
"""How long one session may go on with what it has sent before another one has its turn."""

MAX_BACKLOG_BYTES: Final = 16 << 20
"""Results that wait to be sent, of a session whose wrapper must not be made to wait."""

_READING: Final = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT
_ROOM: Final = select.EPOLLOUT | select.EPOLLONESHOT

log = logging.getLogger("aiges.worker")


class SessionLanes:
    """All connections for sessions of this worker.

    Attributes:
        path: Where the supervisor connects.
    """

    def __init__(self, sessions: Sessions, folder: Path, concurrency: int) -> None:
        """Listen.

        Args:
            sessions: Where sessions are opened.
            folder: Private; gets the socket.
            concurrency: How many methods of sessions run at once.

        Raises:
            OSError: There can be no socket.
        """
        self._sessions = sessions
        self._listener, self.path = listen_at(folder, "session", BACKLOG)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="session")
        self._poll = select.epoll()
        self._for_room = select.epoll()  # apart, so that it cannot give a session a second turn
        self._connections: dict[int, SessionConnection] = {}

    def start(self) -> None:
        """Begin to accept, in a thread."""
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        self._poll.register(self._for_room.fileno(), select.EPOLLIN)
        threading.Thread(target=self._watch, name="sessions", daemon=True).start()

    def _watch(self) -> None:
        while True:
            for fd, _ in self._poll.poll():
                if fd == self._listener.fileno():
                    self._accept()
                elif fd == self._for_room.fileno():
                    self._flush()
                else:
                    self._threads.submit(self._take_turn, self._connections[fd])

    def _flush(self) -> None:
        for fd, _ in self._for_room.poll(0):
            connection = self._connections.get(fd)
            if connection is not None and connection.flush() and connection.has_backlog:
                self._for_room.modify(fd, _ROOM)

    def _accept(self) -> None:
        peer, _ = self._listener.accept()
        if not is_ours(peer):
            log.error("a session was opened by another user; closed")
            peer.close()
            return
        connection = SessionConnection(peer, self)
        self._connections[peer.fileno()] = connection
        self._poll.register(peer.fileno(), _READING)

    def flush_later(self, connection: "SessionConnection") -> None:
        """Send what waits once there is room; from any thread, for an open connection."""
        try:
            self._for_room.register(connection.fileno(), _ROOM)
        except FileExistsError:
            self._for_room.modify(connection.fileno(), _ROOM)

    def _take_turn(self, connection: "SessionConnection") -> None:
        _turns.are_taken_here = True
        try:
            goes_on = connection.take(self._sessions, until=time.monotonic() + TURN_S)
        except frames.FrameError as error:
            log.error("session closed: %s", error)  # noqa: TRY400 - it says all there is to say
            goes_on = False
        except OSError as error:
            log.debug("session broke: %s", error)
            goes_on = False
        except BaseException:
            log.exception("session failed")  # a bug of ours: it must not take others with it
            goes_on = False
        if not goes_on:
            self._poll.unregister(connection.fileno())
            del self._connections[connection.fileno()]
            connection.end()
        elif connection.has_more:
            self._threads.submit(self._take_turn, connection)
        else:
            self._poll.modify(connection.fileno(), _READING)


class SessionConnection(FrameSocket):
    """The connection of one session, and where its results go."""

    def __init__(self, peer: socket.socket, lanes: SessionLanes) -> None:
        super().__init__(peer)
        self._lanes = lanes
        self._session: Session | None = None
        self._backlog: deque[Buffer] = deque()
        self._backlog_bytes = 0
        self._has_given_up = False  # too much waits, and the last of it says so
        self._is_closed = False

    def fileno(self) -> int:
        """Return the socket's number."""
        return self._socket.fileno()

    @property
    def has_backlog(self) -> bool:
        """Say whether something waits to be sent."""
        return bool(self._backlog)

    def take(self, sessions: Sessions, *, until: float) -> bool:
        """Run what has come, a frame at least; return False once the supervisor has hung up."""
        while True:
            header = self.next_header()
            if header is None:
                return False
            self._run(sessions, header)
            if not self.has_more or time.monotonic() > until:
                return True

    def _run(self, sessions: Sessions, header: frames.Header) -> None:
        began_ns = time.perf_counter_ns()
        meta = self.read(header.meta_bytes)
        if header.kind is Kind.OPEN and self._session is None:
            tag, params, _ = frames.read_call(header, meta)
            opened = sessions.open(tag, params.get("sid", ""), params, self)
            failure = opened if isinstance(opened, Failure) else None
            if not isinstance(opened, Failure):
                self._session = opened
            if failure is None:
                self._returned(header.call, began_ns)
        elif header.kind is Kind.WRITE and self._session is not None:
            inputs = self.read_inputs(frames.read_answer(header, meta))
            failure = self._session.begin_write(
                inputs, lambda: self._returned(header.call, began_ns)
            )
        else:
            raise frames.FrameError(f"a {header.kind.name} where it makes no sense")
        if failure is not None:  # number 1 and up: which write it was; 0: there is no session
            self._put(frame_of(header.call, failure, _since_us(began_ns)))

    def _returned(self, step: int, began_ns: int) -> None:
        self._put([frames.done(step, spent_us=_since_us(began_ns))])

    def end(self) -> None:
        """Destroy the session, then hang up: so the supervisor sees when that is done."""
        if self._session is not None:
            self._session.close()
        with self.writing:
            self._is_closed = True
            self._backlog.clear()
        self.close()

    def send(self, reply: Reply) -> bool:
        """See `Outlet`: wait while the supervisor does not take it, unless others need this thread.

        It goes on then, and what it brings is kept.
        """
        if self._has_given_up or not self._put(frame_of(frames.RESULT, reply, 0)):
            return False
        if not self._backlog:
            return True
        if not _serves_others():
            return self._wait_until_sent()
        with self.writing:
            if self._is_closed:
                return False
            if self._backlog_bytes > MAX_BACKLOG_BYTES:
                self._give_up()
            self._lanes.flush_later(self)
        return not self._has_given_up

    def flush(self) -> bool:
        """Send what waits, as far as there is room; return False if there is nobody any more."""
        with self.writing:
            return self._flush()

    def _put(self, buffers: list[Buffer]) -> bool:
        with self.writing:
            if self._is_closed:
                return False
            self._add(buffers)
            return self._flush()

    def _add(self, buffers: list[Buffer]) -> None:
        self._backlog.extend(buffers)
        self._backlog_bytes += sum(map(len, buffers))

    def _flush(self) -> bool:
        while self._backlog and not self._is_closed:
            buffers = list(islice(self._backlog, frames.MAX_BUFFERS))
            try:
                sent = self._socket.sendmsg(buffers, [], socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            except OSError as error:
                log.debug("a session's supervisor is gone: %s", error)
                self._is_closed = True
                self._backlog.clear()
                return False
            for _ in buffers:
                self._backlog.popleft()
            self._backlog.extendleft(reversed(frames.behind(buffers, sent)))
            self._backlog_bytes -= sent
        return not self._is_closed

    def _wait_until_sent(self) -> bool:
        room = select.poll()
        with self.writing:
            if self._is_closed:  # and its number may be another's by now
                return False
            room.register(self.fileno(), select.POLLOUT)
        while self._backlog:
            room.poll(1000)
            if not self.flush():
                return False
        return not self._is_closed

    def _give_up(self) -> None:
        """End the session behind what waits; the first of that may have been sent in part."""
        log.error("a session's client does not read; the session ends")
        self._has_given_up = True
        failure = Failure(Code.EXEC_FAILED, "results are not read in time")
        self._add(frame_of(frames.RESULT, failure, 0))


def _since_us(began_ns: int) -> int:
    return (time.perf_counter_ns() - began_ns) // 1000


_turns: Final = threading.local()


def _serves_others() -> bool:
    """Say whether this thread serves other sessions, too: it is one of ours, or runs a loop."""
    if getattr(_turns, "are_taken_here", False):
        return True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
