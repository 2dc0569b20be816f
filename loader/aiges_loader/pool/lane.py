"""One connection of the native data channel, as the event loop sees it: frames out, frames in."""

import asyncio
import fcntl
import socket
import struct
import termios
from collections import deque
from collections.abc import Callable
from typing import Final

from aiges_wire import frames
from aiges_wire.frames import Buffer, Header

CHUNK_BYTES: Final = 256 << 10
"""Read at once; frames that are longer are read into a buffer of their own."""

OnFrame = Callable[[Header, Buffer, Buffer], None]
"""Gets a header, the meta and the data."""


class Lane:
    """A connected socket and what is on its way.

    Attributes:
        is_open: Frames can be sent, and can come.
        unread: Whether the worker hung up before it had read all that was sent; None while it
            has not hung up.
    """

    def __init__(
        self, connected: socket.socket, on_frame: OnFrame, on_end: Callable[[str], None]
    ) -> None:
        """Begin to read.

        Args:
            connected: A Unix stream socket that does not block, taken over.
            on_frame: Gets what comes; raises FrameError if it makes no sense.
            on_end: Called once, with the reason, when the other side hung up or sent no frame.
        """
        self._loop = asyncio.get_running_loop()
        self._on_frame = on_frame
        self._on_end = on_end
        self.is_open = True
        self.unread: bool | None = None
        self._rest = b""
        self._long: _LongFrame | None = None
        self._outgoing: deque[Buffer] = deque()
        self._waits_for_room = False  # in the socket, for `_outgoing`
        self._deaf = False  # the worker reads no more
        self._is_finished = False  # nothing is sent behind what is on its way
        self._is_paused = False
        self._socket = connected
        self._loop.add_reader(self._socket.fileno(), self._read)

    def send(self, buffers: list[Buffer]) -> None:
        """Send `buffers` behind what is on its way already; they must not change meanwhile."""
        if self._outgoing:
            self._outgoing.extend(buffers)
            return
        sent = self._try(buffers)
        if sent < sum(map(len, buffers)):
            self._outgoing.extend(frames.behind(buffers, sent))
            self._waits_for_room = True
            self._loop.add_writer(self._socket.fileno(), self._flush)

    def send_soon(self, buffers: list[Buffer]) -> None:
        """Send `buffers` in a moment, together with what else comes until then."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.extend(buffers)

    def finish(self) -> None:
        """Say that no more will be sent, behind what is on its way; frames can still come."""
        self._is_finished = True
        self._shut_if_finished()

    def pause(self) -> None:
        """Read no more for now: soon the worker can send no more either."""
        if self.is_open and not self._is_paused:
            self._is_paused = True
            self._loop.remove_reader(self._socket.fileno())

    def resume(self) -> None:
        """Read again."""
        if self.is_open and self._is_paused:
            self._is_paused = False
            self._loop.add_reader(self._socket.fileno(), self._read)

    def _shut_if_finished(self) -> None:
        if self._is_finished and self.is_open and not self._outgoing and not self._deaf:
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:  # it hung up; reading finds the end
                self._deaf = True

    def has_unread(self) -> bool:
        """Say whether the worker has not read all that was sent, as far as can be known."""
        if self._outgoing or self._deaf:
            return True
        if self.unread is not None or not self.is_open:
            return bool(self.unread)
        waiting = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0" * 4)
        return bool(struct.unpack("i", waiting)[0])

    def read_all(self) -> None:
        """Take everything that has come: for when the worker is dead."""
        while self.is_open and self._read():
            pass

    def _read(self) -> bool:
        """Take what has come, and hand on what is complete; say whether there was anything."""
        try:
            if self._long is not None:
                self._read_long(self._long)
            else:
                self._read_chunk()
        except BlockingIOError:
            return False
        except OSError as error:  # ECONNRESET: it went without having read everything
            self._end(f"a lane broke: {error.strerror}", unread=True)
        except frames.FrameError as error:
            self._end(f"it broke the protocol of the data channel: {error}", unread=False)
        return True

    def close(self) -> None:
        """Hang up."""
        if self.is_open:
            self.is_open = False
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
        self._socket.close()

    def _read_chunk(self) -> None:
        data = self._socket.recv(CHUNK_BYTES)
        if not data:
            where = " in the middle of a frame" if self._rest else ""
            self._end(f"it closed a lane{where}", unread=False)
            return
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while end - at >= frames.HEADER_BYTES and self.is_open:
            header = frames.read_header(data, at)
            begin = at + frames.HEADER_BYTES
            behind_meta = begin + header.meta_bytes
            behind = behind_meta + header.data_bytes
            if behind <= end:
                at = behind
                self._on_frame(header, data[begin:behind_meta], data[behind_meta:behind])
            elif behind - begin > CHUNK_BYTES:
                self._long = _LongFrame(header, data[begin:])
                at = end
            else:
                break
        self._rest = data[at:]

    def _read_long(self, frame: "_LongFrame") -> None:
        count = self._socket.recv_into(frame.missing)
        if not count:
            self._end("it closed a lane in the middle of a frame", unread=False)
            return
        frame.missing = frame.missing[count:]
        if not frame.missing:
            self._long = None
            behind_meta = frame.header.meta_bytes
            self._on_frame(frame.header, frame.body[:behind_meta], frame.body[behind_meta:])

    def _try(self, buffers: list[Buffer]) -> int:
        try:
            return self._socket.sendmsg(buffers[: frames.MAX_BUFFERS])
        except BlockingIOError:
            return 0
        except OSError:
            # It hung up. Answers that it wrote before may still be there; reading finds the end.
            self._deaf = True
            return sum(map(len, buffers))

    def _flush(self) -> None:
        if not self.is_open:
            return
        buffers = list(self._outgoing)
        left = frames.behind(buffers, self._try(buffers))
        self._outgoing = deque(left)
        if left and not self._waits_for_room:
            self._loop.add_writer(self._socket.fileno(), self._flush)
        elif not left and self._waits_for_room:
            self._loop.remove_writer(self._socket.fileno())
        self._waits_for_room = bool(left)
        self._shut_if_finished()

    def _end(self, reason: str, *, unread: bool) -> None:
        if not self.is_open:
            return
        self.unread = unread
        self.close()
        self._on_end(reason)


def connect(path: str) -> socket.socket:
    """Connect to a worker that listens at `path`; raise OSError if nobody does."""
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        connected.connect(path)  # at once, or not at all: it is this machine
    except OSError:
        connected.close()
        raise
    return connected


class _LongFrame:
    """A frame that is longer than a chunk, as far as it has come."""

    __slots__ = ("body", "header", "missing")

    def __init__(self, header: Header, begun: bytes) -> None:
        self.header = header
        whole = bytearray(header.meta_bytes + header.data_bytes)
        whole[: len(begun)] = begun
        self.body = memoryview(whole)
        self.missing = self.body[len(begun) :]
