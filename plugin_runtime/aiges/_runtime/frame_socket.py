"""A connected Unix socket of the native data channel, as the worker's threads see it."""

import os
import secrets
import socket
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aiges._runtime.replies import Answer, Buffer, Input, Reply
from aiges_wire import frames

SMALL_BYTES: Final = 64 << 10
"""Meta and data up to this size are read together; longer data is read item by item, in place."""

_PEER: Final = struct.Struct("3i")  # pid, uid, gid


class FrameSocket:
    """One connection: reads are one thread's at a time, writes are under a lock."""

    def __init__(self, peer: socket.socket) -> None:
        self._socket = peer
        self._buffer = b""  # what has come, from `_at` on
        self._at = 0
        self._expects_small = True
        self.writing = threading.Lock()

    @property
    def has_more(self) -> bool:
        """Say whether something has been read from the socket that nobody has asked for."""
        return self._at < len(self._buffer)

    def next_header(self) -> frames.Header | None:
        """Wait for the next header; None if the peer hung up before it. May raise FrameError."""
        if not self.has(frames.HEADER_BYTES):
            return None
        header = frames.read_header(self._buffer, self._at)
        self._at += frames.HEADER_BYTES
        self._expects_small = header.meta_bytes + header.data_bytes <= SMALL_BYTES
        return header

    def read_inputs(self, items: Sequence[frames.Item]) -> list[Input]:
        """Read the data behind a meta with `items`."""
        inputs = []
        for key, length, kind, status, desc in items:
            inputs.append(Input(key, self.read(length), kind, status, dict(desc)))
        return inputs

    def has(self, size: int) -> bool:
        """Wait until `size` bytes are in the buffer; False if the peer hung up before the first.

        What comes with them is taken as well, because each system call gives the interpreter's lock
        away; but not after a large call: the data of the next would have to be moved.
        """
        while (missing := size - (len(self._buffer) - self._at)) > 0:
            more = self._socket.recv(SMALL_BYTES if self._expects_small else missing)
            if not more:
                if missing == size:
                    return False
                raise frames.FrameError(f"a frame was cut off {missing} bytes before its end")
            self._buffer = self._buffer[self._at :] + more if self._at < len(self._buffer) else more
            self._at = 0
        return True

    def read(self, size: int) -> bytes:
        """Read exactly `size` bytes: from the buffer, or if they are many, in place."""
        if size <= SMALL_BYTES:
            if size and not self.has(size):
                raise frames.FrameError(f"a frame was cut off {size} bytes before its end")
            self._at += size
            return self._buffer[self._at - size : self._at]
        pieces, self._buffer, self._at = [self._buffer[self._at :]], b"", 0
        missing = size - len(pieces[0])
        while missing > 0:  # once, unless a signal comes in between
            data = self._socket.recv(missing, socket.MSG_WAITALL)
            if not data:
                raise frames.FrameError(f"a frame was cut off {missing} bytes before its end")
            pieces.append(data)
            missing -= len(data)
        if missing < 0:
            self._buffer, pieces[0] = pieces[0][size:], pieces[0][:size]
        return pieces[1] if len(pieces) == 2 and not pieces[0] else b"".join(pieces)  # noqa: PLR2004

    def send_all(self, buffers: list[Buffer]) -> None:
        """Write all of `buffers`; the caller holds `writing`."""
        if len(buffers) > frames.MAX_BUFFERS:
            buffers = [b"".join(buffers)]
        total = sum(map(len, buffers))
        sent = self._socket.sendmsg(buffers)
        while sent < total:  # a signal came in between
            buffers = frames.behind(buffers, sent)
            total -= sent
            sent = self._socket.sendmsg(buffers)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def listen_at(folder: Path, what: str, backlog: int) -> tuple[socket.socket, Path]:
    """Listen at a path of our own in `folder`; raise OSError if there can be no socket."""
    path = folder / f"{what}-{os.getpid()}-{secrets.token_hex(4)}.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(backlog)
    return listener, path


def is_ours(peer: socket.socket) -> bool:
    """Say whether the process at the other end is of our user."""
    _, uid, _ = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return int(uid) == os.geteuid()


def frame_of(number: int, reply: Reply, spent_us: int) -> list[Buffer]:
    """Write the frame of a reply."""
    if not isinstance(reply, Answer):
        return [frames.failure(number, reply.code, reply.text, step=reply.step, spent_us=spent_us)]
    items = [
        (output.key, len(output.data), output.type, output.status, output.desc)
        for output in reply.outputs
    ]
    head = frames.answer(number, items, spent_us=spent_us)
    return [head, *(output.data for output in reply.outputs)]
